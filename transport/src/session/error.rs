//! Why a session, a request or a data stream ended early, told apart by whose fault it was.

use moqt::{ProtocolError, RequestError, SessionErrorCode, StreamErrorCode};

use super::shared::Shared;
use crate::connection::{ConnectionError, ReadError, WriteError};

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer closed the session with a code of draft-18 section 14.
    #[error("peer closed the session with {code:?}: {reason}")]
    ClosedByPeer {
        /// The peer's code.
        code: SessionErrorCode,
        /// The peer's words; may be empty.
        reason: String,
    },
    /// The peer broke the protocol, and was told so.
    #[error("peer broke the protocol: {0}")]
    Protocol(ProtocolError),
    /// This side closed the session or dropped its driver.
    #[error("session was closed locally: {0}")]
    Local(String),
    /// The peer went silent, or the transport below failed.
    #[error("connection lost: {0}")]
    Connection(ConnectionError),
}

/// Why a request got no positive answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailure {
    /// The peer answered REQUEST_ERROR.
    #[error("peer refused the request: {:?}: {}", .0.code, .0.reason)]
    Refused(Box<RequestError>),
    /// The peer did not answer within the request timeout.
    #[error("peer did not answer the request in time")]
    Timeout,
    /// The peer dropped the request without an answer.
    #[error("peer dropped the request without an answer")]
    Dropped,
    /// The request could not be sent: this side is over a limit or the session is being moved elsewhere.
    #[error("request not sent: {0}")]
    NotSent(String),
    /// The peer allows no stream for the request now.
    #[error("request not sent: peer allows no stream for it")]
    NoStream,
    /// The session ended first.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Why a data stream ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamFailure {
    /// The peer reset the stream.
    #[error("peer reset the stream with {0:?}")]
    Reset(StreamErrorCode),
    /// The peer asked this side to stop sending.
    #[error("peer stopped the stream with {0:?}")]
    Stopped(StreamErrorCode),
    /// The peer refused the FETCH that the stream was to answer.
    #[error("peer refused the fetch: {:?}: {}", .0.code, .0.reason)]
    Refused(Box<RequestError>),
    /// An object is larger than the reader takes at once.
    #[error("object of {size} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Payload bytes of the object.
        size: u64,
        /// The reader's limit in bytes.
        limit: u64,
    },
    /// The peer did not answer the FETCH within the request timeout.
    #[error("peer did not answer the fetch in time")]
    Timeout,
    /// This side already ended the stream, or the peer dropped the request it belongs to.
    #[error("stream has already ended")]
    Closed,
    /// The session ended first.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl SessionError {
    /// The session error a lost connection stands for.
    pub(crate) fn from_connection(error: ConnectionError, version: moqt::Version) -> Self {
        match error {
            ConnectionError::Closed { code, reason } => {
                Self::ClosedByPeer { code: SessionErrorCode::from_wire(code, version), reason }
            }
            ConnectionError::LocallyClosed => Self::Local("connection closed".to_owned()),
            other => Self::Connection(other),
        }
    }
}

impl StreamFailure {
    pub(crate) fn from_read(error: ReadError, shared: &Shared) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(StreamErrorCode::from_wire(code, shared.version)),
            ReadError::Connection(error) => Self::Session(shared.lost(error)),
            ReadError::Closed => Self::Closed,
        }
    }

    pub(crate) fn from_write(error: WriteError, shared: &Shared) -> Self {
        match error {
            WriteError::Stopped(code) => Self::Stopped(StreamErrorCode::from_wire(code, shared.version)),
            WriteError::Connection(error) => Self::Session(shared.lost(error)),
            WriteError::Closed => Self::Closed,
        }
    }
}

impl From<RequestFailure> for StreamFailure {
    fn from(failure: RequestFailure) -> Self {
        match failure {
            RequestFailure::Refused(error) => Self::Refused(error),
            RequestFailure::Timeout => Self::Timeout,
            RequestFailure::Dropped | RequestFailure::NotSent(_) | RequestFailure::NoStream => Self::Closed,
            RequestFailure::Session(error) => Self::Session(error),
        }
    }
}
