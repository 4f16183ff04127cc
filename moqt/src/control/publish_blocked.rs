//! PUBLISH_BLOCKED (10.20), draft-18 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::{FullTrackName, Namespace, TrackName};
use crate::version::Version;

/// A track under the prefix was not offered for want of streams, and will not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishBlocked {
    /// What follows the prefix.
    pub suffix: Namespace,
    /// The track.
    pub name: TrackName,
}

impl Decode for PublishBlocked {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let FullTrackName { namespace, name } = FullTrackName::decode_part(buf, version)?;
        Ok(Self { suffix: namespace, name })
    }
}

impl Encode for PublishBlocked {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.suffix.encode_part(out, version)?;
        self.name.encode(out, version)
    }
}
