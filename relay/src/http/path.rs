//! Paths under `/tracks/`.

use bytes::Bytes;
use moqt::{FullTrackName, Namespace, TrackName};
use percent_encoding::percent_decode_str;

/// What a path under `/tracks/` names: the namespace's fields, the track, and what is wanted of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TrackPath {
    pub(super) track: FullTrackName,
    pub(super) wanted: Wanted,
}

/// What is wanted of a track: the last part of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One group.
    Group(u64),
    /// The newest complete group, or what is here of the newest one.
    Latest,
    /// What a reader of the payloads needs first.
    Init,
    /// Payloads from the newest group on, without end.
    Live,
    /// The same with ids and properties.
    Objects,
}

impl TrackPath {
    /// Reads the raw path, so that `%2F` stays inside a field.
    pub(super) fn parse(path: &str) -> Result<Self, &'static str> {
        let rest = path.strip_prefix("/tracks/").ok_or("path must begin with /tracks/")?;
        let mut parts: Vec<Bytes> =
            rest.split('/').map(|part| percent_decode_str(part).collect::<Vec<u8>>().into()).collect();
        let (Some(last), Some(name)) = (parts.pop(), parts.pop()) else {
            return Err("path must be /tracks/<namespace>/<track>/<group>");
        };
        let wanted = match &last[..] {
            b"latest" => Wanted::Latest,
            b"init" => Wanted::Init,
            b"live" => Wanted::Live,
            b"objects" => Wanted::Objects,
            digits => {
                let text = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                Wanted::Group(text.ok_or("path must end in a group's number, `latest`, `init`, `live` or `objects`")?)
            }
        };
        let namespace = Namespace::new(parts).map_err(|_| "namespace is too long or has an empty field")?;
        let name = TrackName::new(name);
        let track = name.and_then(|name| FullTrackName::new(namespace, name)).map_err(|_| "track name is too long")?;
        Ok(Self { track, wanted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_fields_track_and_what_is_wanted() {
        let path = TrackPath::parse("/tracks/live/a%2Fb/video0/17").unwrap();
        let fields: Vec<_> = path.track.namespace.fields().iter().map(|field| field.to_vec()).collect();
        assert_eq!(fields, [b"live".to_vec(), b"a/b".to_vec()]);
        assert_eq!((&path.track.name.as_bytes()[..], path.wanted), (&b"video0"[..], Wanted::Group(17)));
        let endings =
            [("latest", Wanted::Latest), ("init", Wanted::Init), ("live", Wanted::Live), ("objects", Wanted::Objects)];
        for (ending, wanted) in endings {
            assert_eq!(TrackPath::parse(&format!("/tracks/live/demo/video0/{ending}")).unwrap().wanted, wanted);
        }
    }

    #[test]
    fn wrong_paths_say_what_is_wrong() {
        assert!(TrackPath::parse("/tracks/x").unwrap_err().contains("<group>"));
        assert!(TrackPath::parse("/tracks/live/video0/newest").unwrap_err().contains("latest"));
        assert!(TrackPath::parse("/tracks/live//video0/1").unwrap_err().contains("empty field"));
    }
}
