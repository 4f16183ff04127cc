//! Paths under `/tracks/`.

use bytes::Bytes;
use moqt::{FullTrackName, Namespace, TrackName};
use percent_encoding::percent_decode_str;

/// What a path under `/tracks/` names: the namespace's fields, the track, and a group id or `latest`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GroupPath {
    pub(super) track: FullTrackName,
    /// `None` = the newest complete group.
    pub(super) group: Option<u64>,
}

impl GroupPath {
    /// Reads the raw path, so that `%2F` stays inside a field.
    pub(super) fn parse(path: &str) -> Result<Self, &'static str> {
        let rest = path.strip_prefix("/tracks/").ok_or("path must begin with /tracks/")?;
        let mut parts: Vec<Bytes> =
            rest.split('/').map(|part| percent_decode_str(part).collect::<Vec<u8>>().into()).collect();
        let (Some(group), Some(name)) = (parts.pop(), parts.pop()) else {
            return Err("path must be /tracks/<namespace>/<track>/<group>");
        };
        let group = match &group[..] {
            b"latest" => None,
            digits => {
                let text = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                Some(text.ok_or("group must be a number or `latest`")?)
            }
        };
        let namespace = Namespace::new(parts).map_err(|_| "namespace is too long or has an empty field")?;
        let name = TrackName::new(name);
        let track = name.and_then(|name| FullTrackName::new(namespace, name)).map_err(|_| "track name is too long")?;
        Ok(Self { track, group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_fields_track_and_group() {
        let path = GroupPath::parse("/tracks/live/a%2Fb/video0/17").unwrap();
        let fields: Vec<_> = path.track.namespace.fields().iter().map(|field| field.to_vec()).collect();
        assert_eq!(fields, [b"live".to_vec(), b"a/b".to_vec()]);
        assert_eq!((&path.track.name.as_bytes()[..], path.group), (&b"video0"[..], Some(17)));
        assert_eq!(GroupPath::parse("/tracks/live/demo/video0/latest").unwrap().group, None);
    }

    #[test]
    fn wrong_paths_say_what_is_wrong() {
        assert!(GroupPath::parse("/tracks/x").unwrap_err().contains("<group>"));
        assert!(GroupPath::parse("/tracks/live/video0/newest").unwrap_err().contains("latest"));
        assert!(GroupPath::parse("/tracks/live//video0/1").unwrap_err().contains("empty field"));
    }
}
