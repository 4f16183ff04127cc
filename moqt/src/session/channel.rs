//! Which channel a message travels on: the one place where drafts with a stream per request and
//! draft-16 with its single control stream differ.

use bytes::{Bytes, BytesMut};

use super::event::{Output, RequestKey};
use super::single::SingleStream;
use crate::{EncodeError, Message, ProtocolError, Side, StreamErrorCode, Version};

/// Puts messages on channels and takes them off. The rest of the session names requests by key and
/// never asks which stream carries them.
#[derive(Debug)]
pub(super) struct ControlPlane {
    version: Version,
    /// Draft-16 only.
    single: Option<SingleStream>,
}

impl ControlPlane {
    pub(super) fn new(version: Version, side: Side) -> Self {
        Self { version, single: (!version.has_request_streams()).then(|| SingleStream::new(side)) }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// The single control stream, where the version has one.
    pub(super) fn single(&mut self) -> Option<&mut SingleStream> {
        self.single.as_mut()
    }

    /// A message about the session.
    pub(super) fn control(&self, message: &Message) -> Result<Output, EncodeError> {
        self.encode(message).map(Output::Control)
    }

    /// The message that opens a request of this side.
    pub(super) fn open(&mut self, key: RequestKey, message: &Message) -> Result<Vec<Output>, EncodeError> {
        match &mut self.single {
            Some(single) => single.open(key, message),
            None => Ok(vec![Output::OpenRequest { key, bytes: self.encode(message)? }]),
        }
    }

    /// A later message of a request; `fin` says it is this side's last.
    pub(super) fn write(&mut self, key: RequestKey, message: &Message, fin: bool) -> Result<Vec<Output>, EncodeError> {
        match &mut self.single {
            Some(single) => single.write(key, message, fin),
            None => Ok(vec![Output::Request { key, bytes: self.encode(message)?, fin }]),
        }
    }

    /// Ends this side's half of a request without a message.
    pub(super) fn finish(&mut self, key: RequestKey) -> Option<Output> {
        match &mut self.single {
            Some(single) => single.finish(key),
            None => Some(Output::Request { key, bytes: Bytes::new(), fin: true }),
        }
    }

    /// Cancels a request.
    pub(super) fn cancel(&mut self, key: RequestKey, code: StreamErrorCode) -> Vec<Output> {
        match &mut self.single {
            Some(single) => single.cancel(key, code),
            None => vec![Output::ResetRequest { key, code: code.to_wire(self.version) }],
        }
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
