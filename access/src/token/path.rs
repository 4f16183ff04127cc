//! Names in claims: fields between slashes, `%2F` for a slash inside of one.

use bytes::Bytes;
use moqt::{FullTrackName, Namespace, TrackName};
use percent_encoding::percent_decode_str;

/// The namespace of a path; slashes at its ends and empty parts count for nothing.
///
/// # Errors
/// It has too many fields, or too long ones.
pub fn namespace_of(path: &str) -> Result<Namespace, moqt::NameError> {
    Namespace::new(fields(path))
}

/// The track of a path: its last part is the track's name. `None` = there is no track of that name.
pub fn track_of(path: &str) -> Option<FullTrackName> {
    let mut fields: Vec<Bytes> = fields(path).collect();
    let name = TrackName::new(fields.pop()?).ok()?;
    FullTrackName::new(Namespace::new(fields).ok()?, name).ok()
}

fn fields(path: &str) -> impl Iterator<Item = Bytes> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(|part| percent_decode_str(part).collect::<Vec<u8>>().into())
}
