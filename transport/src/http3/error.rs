//! What goes wrong in HTTP/3, and the code that tells the peer (RFC 9114 section 8.1).

use crate::connection::{ConnectionError, ReadError, WriteError};

/// An HTTP/3 failure. The variants up to `Settings` are the peer's fault and end the connection or the stream they name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Http3Error {
    #[error("malformed frame: {0}")]
    Frame(&'static str),
    #[error("frame is longer than {limit} bytes")]
    FrameTooLarge { limit: usize },
    #[error("unexpected frame: {0}")]
    UnexpectedFrame(&'static str),
    #[error("malformed header section: {0}")]
    Decompression(String),
    #[error("malformed message: {0}")]
    Message(&'static str),
    #[error("malformed settings: {0}")]
    Settings(&'static str),
    #[error("peer closed its control stream")]
    ControlStreamClosed,
    #[error("peer's stream ended or was reset early")]
    StreamEnded,
    #[error(transparent)]
    Connection(ConnectionError),
}

pub(crate) const NO_ERROR: u64 = 0x100;
pub(crate) const STREAM_CREATION_ERROR: u64 = 0x103;
pub(crate) const REQUEST_REJECTED: u64 = 0x10b;
pub(crate) const REQUEST_CANCELLED: u64 = 0x10c;
/// WebTransport section 8.5: a stream came before its session and was not kept.
pub(crate) const BUFFERED_STREAM_REJECTED: u64 = 0x3994_bd84;

impl Http3Error {
    /// The code for CONNECTION_CLOSE, RESET_STREAM or STOP_SENDING.
    pub(crate) fn code(&self) -> u64 {
        match self {
            Self::ControlStreamClosed => 0x104,
            Self::UnexpectedFrame(_) => 0x105,
            Self::Frame(_) => 0x106,
            Self::FrameTooLarge { .. } => 0x107,
            Self::Settings(_) => 0x109,
            Self::StreamEnded => 0x10d,
            Self::Message(_) => 0x10e,
            Self::Decompression(_) => 0x200,
            Self::Connection(_) => NO_ERROR,
        }
    }
}

impl From<ReadError> for Http3Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Connection(error) => Self::Connection(error),
            ReadError::Reset(_) | ReadError::Closed => Self::StreamEnded,
        }
    }
}

impl From<WriteError> for Http3Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Connection(error) => Self::Connection(error),
            WriteError::Stopped(_) | WriteError::Closed => Self::StreamEnded,
        }
    }
}
