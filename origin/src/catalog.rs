//! The catalogs of a broadcast: MSF on `catalog`, hang on `catalog.json`.

use bytes::Bytes;
use media::{Catalog, CatalogTrack, HANG_TRACK, MSF_TRACK, TrackInfo};

use crate::package::Packaging;

/// A media track and the name it is published under.
#[derive(Debug)]
pub(crate) struct CatalogEntry<'a> {
    pub(crate) name: String,
    pub(crate) info: &'a TrackInfo,
}

/// The catalog tracks, name and document. hang expects a timestamp in front of a bare frame where LOC
/// has it in a property, so a broadcast packaged as LOC has no hang catalog.
pub(crate) fn documents(
    entries: &[CatalogEntry<'_>],
    packaging: Packaging,
    unix_milliseconds: u64,
) -> Vec<(&'static str, Bytes)> {
    let videos = entries.iter().filter(|entry| entry.info.kind.is_video()).count();
    let form = match packaging {
        Packaging::Cmaf => media::Packaging::Cmaf,
        Packaging::Loc => media::Packaging::Loc,
    };
    let track = |entry: &CatalogEntry<'_>| CatalogTrack {
        // Several pictures are renditions of one: their groups begin together.
        alt_group: (videos > 1 && entry.info.kind.is_video()).then_some(1),
        ..CatalogTrack::from_info(&entry.name, entry.info, form)
    };
    let catalog = Catalog {
        tracks: entries.iter().map(track).collect(),
        generated_at: Some(unix_milliseconds),
        is_complete: false,
    };
    let mut documents = vec![(MSF_TRACK, Bytes::from(catalog.to_msf()))];
    if packaging == Packaging::Cmaf {
        documents.push((HANG_TRACK, Bytes::from(catalog.to_hang())));
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{audio, video};

    #[test]
    fn both_dialects_tell_the_same_tracks() {
        let infos = [video(1, 90_000), video(2, 90_000), audio(3, 48_000)];
        let names = ["video0", "video1", "audio0"];
        let entries: Vec<_> =
            names.iter().zip(&infos).map(|(name, info)| CatalogEntry { name: name.to_string(), info }).collect();
        let documents = documents(&entries, Packaging::Cmaf, 1_700_000_000_000);
        let [("catalog", msf), ("catalog.json", hang)] = &documents[..] else { panic!("{documents:?}") };
        let (msf, hang) = (Catalog::from_msf(msf).unwrap(), Catalog::from_hang(hang).unwrap());
        for (name, info) in names.iter().zip(&infos) {
            for catalog in [&msf, &hang] {
                let track = catalog.tracks.iter().find(|track| track.name == *name).unwrap();
                assert_eq!(track.codec, info.codec);
                assert_eq!(track.init.as_ref(), Some(&info.init));
            }
        }
        let alternatives: Vec<_> = msf.tracks.iter().map(|track| track.alt_group).collect();
        assert_eq!(alternatives, [Some(1), Some(1), None]);
    }

    #[test]
    fn loc_has_no_hang_catalog() {
        let info = audio(1, 48_000);
        let entries = [CatalogEntry { name: "audio0".to_owned(), info: &info }];
        let documents = documents(&entries, Packaging::Loc, 0);
        assert_eq!(documents.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["catalog"]);
    }
}
