//! What can go wrong, told apart by whose fault it is: each kind has its exit code.

use std::path::{Path, PathBuf};

use crate::plan::PlanError;

/// Why the command failed; `Display` says what and where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something impossible.
    #[error("{0}")]
    Usage(String),
    /// The plan cannot be run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No publisher came to be announced at the relay.
    #[error("{0}")]
    Connection(String),
    /// Conditions are not met.
    #[error("not met: {}", .0.join("; "))]
    Unmet(Vec<String>),
    /// A thread or socket cannot be had.
    #[error("cannot start: {0}")]
    Start(#[source] std::io::Error),
    /// A report cannot be written or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Failure {
    /// The process's exit code, as listed in `--help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Start(_) | Self::File { .. } => 1,
            Self::Usage(_) | Self::Plan(_) => 2,
            Self::Connection(_) => 3,
            Self::Unmet(_) => 4,
        }
    }

    /// A file that cannot be written or read.
    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}
