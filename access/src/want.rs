//! What requests want, and the actions that tokens name.

use moqt::{FullTrackName, Namespace};

/// The actions of draft-ietf-moq-c4m, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// Announce namespaces.
    PublishNamespace = 2,
    /// List namespaces and offered tracks.
    SubscribeNamespace = 3,
    /// Watch.
    Subscribe = 4,
    /// Offer tracks.
    Publish = 6,
    /// Read the past.
    Fetch = 7,
    /// Ask about tracks.
    TrackStatus = 8,
}

/// A set of [`Action`]s.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Actions(u16);

impl Actions {
    /// Everything about offering.
    pub const PUBLISH: Self = Self::of(&[Action::PublishNamespace, Action::Publish]);
    /// Everything about receiving.
    pub const SUBSCRIBE: Self =
        Self::of(&[Action::SubscribeNamespace, Action::Subscribe, Action::Fetch, Action::TrackStatus]);

    const ALL: [(Action, &'static str); 6] = [
        (Action::PublishNamespace, "PUBLISH_NAMESPACE"),
        (Action::SubscribeNamespace, "SUBSCRIBE_NAMESPACE"),
        (Action::Subscribe, "SUBSCRIBE"),
        (Action::Publish, "PUBLISH"),
        (Action::Fetch, "FETCH"),
        (Action::TrackStatus, "TRACK_STATUS"),
    ];

    /// The set of these.
    pub const fn of(actions: &[Action]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < actions.len() {
            bits |= 1 << actions[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Adds the action with this number; those that are no request of their own change nothing.
    pub(crate) fn add(&mut self, number: i128) {
        let known = Self::ALL.iter().find(|(action, _)| i128::from(*action as u8) == number);
        self.0 |= known.map_or(0, |(action, _)| 1 << *action as u8);
    }

    /// Whether the action is in the set.
    pub fn has(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The actions' names on the wire.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(move |(action, _)| self.has(*action)).map(|(_, name)| name)
    }
}

impl std::fmt::Debug for Actions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// What one request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// PUBLISH.
    Publish(FullTrackName),
    /// PUBLISH_NAMESPACE.
    PublishNamespace(Namespace),
    /// SUBSCRIBE, or a GET of what is live.
    Subscribe(FullTrackName),
    /// FETCH, or a GET of what is past.
    Fetch(FullTrackName),
    /// TRACK_STATUS.
    TrackStatus(FullTrackName),
    /// SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS: whatever may be seen under a prefix.
    List(Namespace),
    /// To learn that this namespace exists.
    See(Namespace),
    /// A track about the session itself: for everybody who may do anything.
    Own,
}

impl Want {
    /// The action that a token must name for it.
    pub(crate) fn action(&self) -> Option<Action> {
        Some(match self {
            Self::Publish(_) => Action::Publish,
            Self::PublishNamespace(_) => Action::PublishNamespace,
            Self::Subscribe(_) => Action::Subscribe,
            Self::Fetch(_) => Action::Fetch,
            Self::TrackStatus(_) => Action::TrackStatus,
            Self::List(_) | Self::See(_) => Action::SubscribeNamespace,
            Self::Own => return None,
        })
    }

    /// Whether it offers something.
    pub(crate) fn is_publishing(&self) -> bool {
        matches!(self, Self::Publish(_) | Self::PublishNamespace(_))
    }

    /// The same with another prefix, where there is one.
    #[must_use]
    pub(crate) fn moved(&self, prefix: Option<&Namespace>) -> Self {
        match (self, prefix) {
            (Self::List(_), Some(prefix)) => Self::List(prefix.clone()),
            _ => self.clone(),
        }
    }
}
