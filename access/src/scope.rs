//! What a token opens: pure matching of names.

use std::fmt;

use bytes::Bytes;
use moqt::{FullTrackName, Namespace, TrackName};

use crate::want::{Actions, Want};

/// How one field of a name must look.
#[derive(Clone, PartialEq, Eq)]
pub enum Match {
    /// Exactly so.
    Exact(Bytes),
    /// Beginning so.
    Prefix(Bytes),
    /// Ending so.
    Suffix(Bytes),
}

/// One right: actions on the names that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    actions: Actions,
    /// For the first fields of the namespace.
    fields: Vec<Match>,
    /// No more fields may follow.
    whole: bool,
    /// For the track's name; `None` is any, and only then the namespace itself is included.
    track: Option<Match>,
}

impl Match {
    fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => bytes == wanted,
            Self::Prefix(wanted) => bytes.starts_with(wanted),
            Self::Suffix(wanted) => bytes.ends_with(wanted),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(bytes) => write!(f, "{}", bytes.escape_ascii()),
            Self::Prefix(bytes) => write!(f, "{}*", bytes.escape_ascii()),
            Self::Suffix(bytes) => write!(f, "*{}", bytes.escape_ascii()),
        }
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `live/demo/**`: the namespace and everything below; `live/demo video0`: one track.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.fields.iter().enumerate() {
            write!(f, "{}{field}", if index == 0 { "" } else { "/" })?;
        }
        match (self.whole, self.fields.is_empty()) {
            (true, _) => {}
            (false, true) => write!(f, "**")?,
            (false, false) => write!(f, "/**")?,
        }
        match &self.track {
            Some(track) => write!(f, " {track}"),
            None => Ok(()),
        }
    }
}

impl Scope {
    /// A right by its parts.
    pub(crate) fn new(actions: Actions, fields: Vec<Match>, whole: bool, track: Option<Match>) -> Self {
        Self { actions, fields, whole, track }
    }

    /// A namespace, every track in it, and everything below.
    pub fn under(actions: Actions, prefix: &Namespace) -> Self {
        Self::new(actions, prefix.fields().iter().cloned().map(Match::Exact).collect(), false, None)
    }

    /// One track.
    pub fn track(actions: Actions, track: &FullTrackName) -> Self {
        let fields = track.namespace.fields().iter().cloned().map(Match::Exact).collect();
        Self::new(actions, fields, true, Some(Match::Exact(track.name.as_bytes().clone())))
    }

    /// The actions it allows.
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// Whether it opens what is wanted.
    pub fn opens(&self, want: &Want) -> bool {
        if want.action().is_some_and(|action| !self.actions.has(action)) {
            return false;
        }
        match want {
            Want::Publish(track) | Want::Subscribe(track) | Want::Fetch(track) | Want::TrackStatus(track) => {
                self.has_namespace(&track.namespace) && self.has_track(&track.name)
            }
            // A right to tracks of a namespace is none to the namespace.
            Want::PublishNamespace(namespace) | Want::See(namespace) => {
                self.track.is_none() && self.has_namespace(namespace)
            }
            Want::List(prefix) => self.track.is_none() && self.reaches(prefix),
            Want::Own => true,
        }
    }

    fn has_namespace(&self, namespace: &Namespace) -> bool {
        let fields = namespace.fields();
        let length = if self.whole { fields.len() == self.fields.len() } else { fields.len() >= self.fields.len() };
        length && self.fields.iter().zip(fields).all(|(wanted, field)| wanted.holds(field))
    }

    fn has_track(&self, name: &TrackName) -> bool {
        self.track.as_ref().is_none_or(|wanted| wanted.holds(name.as_bytes()))
    }

    /// Whether there may be something to see under the prefix.
    fn reaches(&self, prefix: &Namespace) -> bool {
        let fields = prefix.fields();
        let length = !self.whole || fields.len() <= self.fields.len();
        length && self.fields.iter().zip(fields).all(|(wanted, field)| wanted.holds(field))
    }
}
