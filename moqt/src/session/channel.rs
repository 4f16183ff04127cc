//! Which channel a message travels on: the one place where drafts with a stream per request and
//! drafts with a single control stream would differ.

use bytes::{Bytes, BytesMut};

use super::event::{Output, RequestKey};
use crate::{EncodeError, Message, ProtocolError, StreamErrorCode, Version};

/// Puts messages on channels and takes them off. The rest of the session names requests by key and
/// never asks which stream carries them: a draft-16 plane would put all of this on the control
/// stream, fill in Request IDs, write cancellation as messages, and look the key of each incoming
/// message up by its id.
#[derive(Debug)]
pub(super) struct ControlPlane {
    version: Version,
}

impl ControlPlane {
    pub(super) fn new(version: Version) -> Self {
        Self { version }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// A message about the session.
    pub(super) fn control(&self, message: &Message) -> Result<Output, EncodeError> {
        self.encode(message).map(Output::Control)
    }

    /// The message that opens a request of this side.
    pub(super) fn open(&self, key: RequestKey, message: &Message) -> Result<Output, EncodeError> {
        Ok(Output::OpenRequest { key, bytes: self.encode(message)? })
    }

    /// A later message of a request; `fin` says it is this side's last.
    pub(super) fn write(&self, key: RequestKey, message: &Message, fin: bool) -> Result<Output, EncodeError> {
        Ok(Output::Request { key, bytes: self.encode(message)?, fin })
    }

    /// Ends this side's half of a request without a message.
    pub(super) fn finish(&self, key: RequestKey) -> Output {
        Output::Request { key, bytes: Bytes::new(), fin: true }
    }

    /// Cancels a request.
    pub(super) fn cancel(&self, key: RequestKey, code: StreamErrorCode) -> Output {
        Output::ResetRequest { key, code: code.to_wire(self.version) }
    }

    /// Takes the next message off a stream's input, if it is complete.
    pub(super) fn read(&self, input: &mut BytesMut) -> Result<Option<Message>, ProtocolError> {
        Message::decode(input, self.version)
    }

    fn encode(&self, message: &Message) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::new();
        message.encode(&mut out, self.version)?;
        Ok(out.freeze())
    }
}
