//! PUBLISH_STATE_NOTIFY of draft-20: the publisher tells a subscription's state unasked.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::version::Version;

/// What is so now; the request stream says of which request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishStateNotify {
    /// The largest object, and when the subscription ends.
    pub parameters: Parameters,
}

impl Decode for PublishStateNotify {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { parameters: Parameters::decode(buf, version, Scope::StateNotify, PrefixForm::Bare)? })
    }
}

impl Encode for PublishStateNotify {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.parameters.encode(out, version, Scope::StateNotify)
    }
}
