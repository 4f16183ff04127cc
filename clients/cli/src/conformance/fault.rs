//! What went wrong in a case, and whose fault it is.

use serde::Serialize;

/// Who has to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Party {
    /// The relay under test.
    Relay,
    /// This program.
    Efir,
    /// Whoever wrote the command line: a wrong address, trust or token.
    Settings,
    /// What lies between.
    Network,
    /// Each side says that the other one is wrong: the bytes tell.
    Unclear,
}

/// Why a case failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    pub(super) at_fault: Party,
    /// What the case waited for.
    pub(super) expected: String,
    /// What came instead, in few words.
    pub(super) received: String,
    /// The whole story, for people.
    pub(super) message: String,
    /// Nothing further can be tried: there is no connection to be had.
    #[serde(skip)]
    pub(super) unreachable: bool,
}

impl Party {
    /// As it is written in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Efir => "efir",
            Self::Settings => "settings",
            Self::Network => "network",
            Self::Unclear => "unclear",
        }
    }
}
