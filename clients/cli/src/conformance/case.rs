//! The cases: names, times allowed.

use std::str::FromStr;
use std::time::Duration;

use super::bench::Bench;
use super::fault::Fault;
use super::{control, data};

/// One case. The first six are the interop runner's, with its names, procedures and times; the others let objects flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// SETUP in both directions.
    SetupOnly,
    /// PUBLISH_NAMESPACE is accepted.
    AnnounceOnly,
    /// A namespace is withdrawn.
    PublishNamespaceDone,
    /// A track that nobody publishes is refused.
    SubscribeError,
    /// A SUBSCRIBE reaches the publisher of its namespace.
    AnnounceSubscribe,
    /// A SUBSCRIBE that comes before its publisher is answered, somehow.
    SubscribeBeforeAnnounce,
    /// One object arrives.
    SingleObject,
    /// A group's objects arrive in order, and its stream ends.
    SingleGroup,
    /// Several groups arrive whole.
    MultipleGroups,
    /// Who joins later gets everything from there on.
    LateSubscriber,
    /// Past groups are fetched.
    Fetch,
    /// A joining FETCH and its subscription have neither hole nor overlap.
    JoiningFetch,
}

/// No case has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no case {0:?}; `efir conformance --list` lists them")]
pub struct UnknownCase(String);

impl Case {
    /// Every case, in the order in which they run.
    pub const ALL: [Self; 12] = [
        Self::SetupOnly,
        Self::AnnounceOnly,
        Self::PublishNamespaceDone,
        Self::SubscribeError,
        Self::AnnounceSubscribe,
        Self::SubscribeBeforeAnnounce,
        Self::SingleObject,
        Self::SingleGroup,
        Self::MultipleGroups,
        Self::LateSubscriber,
        Self::Fetch,
        Self::JoiningFetch,
    ];

    /// Its name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SetupOnly => "setup-only",
            Self::AnnounceOnly => "announce-only",
            Self::PublishNamespaceDone => "publish-namespace-done",
            Self::SubscribeError => "subscribe-error",
            Self::AnnounceSubscribe => "announce-subscribe",
            Self::SubscribeBeforeAnnounce => "subscribe-before-announce",
            Self::SingleObject => "single-object",
            Self::SingleGroup => "single-group",
            Self::MultipleGroups => "multiple-groups",
            Self::LateSubscriber => "late-subscriber",
            Self::Fetch => "fetch",
            Self::JoiningFetch => "joining-fetch",
        }
    }

    /// Time allowed; the interop runner's for its own cases.
    pub(super) const fn patience(self) -> Duration {
        Duration::from_millis(match self {
            Self::SetupOnly | Self::AnnounceOnly | Self::PublishNamespaceDone | Self::SubscribeError => 2000,
            Self::AnnounceSubscribe => 3000,
            Self::SubscribeBeforeAnnounce => 3500,
            _ => 5000,
        })
    }

    pub(super) async fn run(self, bench: &Bench<'_>) -> Result<(), Fault> {
        match self {
            Self::SetupOnly => control::setup_only(bench).await,
            Self::AnnounceOnly => control::announce_only(bench).await,
            Self::PublishNamespaceDone => control::publish_namespace_done(bench).await,
            Self::SubscribeError => control::subscribe_error(bench).await,
            Self::AnnounceSubscribe => control::announce_subscribe(bench).await,
            Self::SubscribeBeforeAnnounce => control::subscribe_before_announce(bench).await,
            Self::SingleObject => data::single_object(bench).await,
            Self::SingleGroup => data::single_group(bench).await,
            Self::MultipleGroups => data::multiple_groups(bench).await,
            Self::LateSubscriber => data::late_subscriber(bench).await,
            Self::Fetch => data::fetch(bench).await,
            Self::JoiningFetch => data::joining_fetch(bench).await,
        }
    }
}

impl FromStr for Case {
    type Err = UnknownCase;

    fn from_str(name: &str) -> Result<Self, UnknownCase> {
        Self::ALL.into_iter().find(|case| case.name() == name).ok_or_else(|| UnknownCase(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for case in Case::ALL {
            assert_eq!(case.name().parse(), Ok(case));
        }
        assert!("announce".parse::<Case>().unwrap_err().to_string().contains("--list"));
    }
}
