//! What can go wrong, told apart by whose fault it is: each kind has its exit code.

use moqt::RequestErrorCode;
use transport::{DialError, RequestFailure};

use crate::conformance::UnknownCase;

/// Why a subcommand failed; `Display` says what and where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something impossible.
    #[error("{0}")]
    Usage(String),
    /// No session with the server.
    #[error("{0}")]
    Connection(String),
    /// The server has no such thing, or does not give it.
    #[error("{0}")]
    Refused(String),
    /// The stream ended, or what it held did, before what was asked for.
    #[error("{0}")]
    Ended(String),
    /// What the publisher sent cannot be used.
    #[error("{0}")]
    Content(String),
    /// Conformance cases failed, which was told.
    #[error("{failed} of {of} cases failed")]
    Cases {
        /// This many.
        failed: usize,
        /// Of this many.
        of: usize,
    },
    /// A conformance case that there is not.
    #[error(transparent)]
    UnknownCase(UnknownCase),
    /// The input cannot be read.
    #[error("cannot read {target}: {error}")]
    Input {
        /// The file.
        target: String,
        /// The system's words.
        error: std::io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write {target}: {error}")]
    Output {
        /// The file, or standard output.
        target: String,
        /// The system's words.
        error: std::io::Error,
    },
}

impl Failure {
    /// The process's exit code, as listed in `--help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Content(_) | Self::Output { .. } | Self::Input { .. } | Self::Cases { .. } => 1,
            Self::Usage(_) => 2,
            Self::Connection(_) => 3,
            Self::Refused(_) => 4,
            Self::Ended(_) => 5,
            Self::UnknownCase(_) => 127,
        }
    }

    /// A dial that failed, with the hint that fits.
    pub(crate) fn dial(target: &str, error: &DialError) -> Self {
        let hint = match error {
            DialError::Certificate { .. } => {
                "; use --certificate-hash or --ca for a self-signed certificate, --insecure for an experiment"
            }
            DialError::NoCommonProtocol { .. } => "; https:// is WebTransport, moqt:// is raw QUIC: try the other one",
            DialError::Rejected { status: 404, .. } => "; the server has no such path",
            _ => "",
        };
        Self::Connection(format!("cannot connect to {target}: {error}{hint}"))
    }

    /// A request for `what` at `target` that got no positive answer.
    pub(crate) fn request(what: &str, target: &str, failure: &RequestFailure) -> Self {
        match failure {
            RequestFailure::Refused(error) => {
                let reason = match error.reason.text() {
                    text if text.is_empty() => String::new(),
                    text => format!(" ({text})"),
                };
                Self::Refused(match error.code {
                    RequestErrorCode::DoesNotExist => {
                        format!("nobody publishes {what} at {target}{reason}: is the origin running? try `efir ls`")
                    }
                    code if code.is_about_authorization() => {
                        format!(
                            "{target} does not allow {what}{reason}: give the right token with --token or EFIR_TOKEN"
                        )
                    }
                    RequestErrorCode::NotSupported => {
                        format!("{target} does not support this request for {what}{reason}")
                    }
                    code => format!("{target} refused {what} with {code}{reason}"),
                })
            }
            RequestFailure::Timeout => Self::Refused(format!("{target} did not answer the request for {what} in time")),
            RequestFailure::Session(error) => Self::Connection(format!("session with {target} ended: {error}")),
            RequestFailure::Dropped | RequestFailure::NotSent(_) | RequestFailure::NoStream => {
                Self::Connection(format!("request for {what} at {target} failed: {failure}"))
            }
        }
    }
}
