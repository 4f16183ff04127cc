//! Catalogs: our own there and back, and samples as other implementations publish them.

use std::time::Duration;

use bytes::Bytes;
use media::{Catalog, CatalogError, CatalogTrack, Packaging, TrackDescription, TrackKind};

const VIDEO: TrackKind = TrackKind::Video { width: 1280, height: 720, framerate: Some(29.97) };
const AUDIO: TrackKind = TrackKind::Audio { sample_rate: 48_000, channels: 2 };

fn track(name: &str, kind: TrackKind, codec: &str, packaging: Packaging) -> CatalogTrack {
    let info = TrackDescription {
        id: 1,
        kind,
        codec,
        timescale: 90_000,
        description: Bytes::new(),
        bitrate: Some(1_000_000),
        language: None,
    };
    CatalogTrack::from_info(name, &info.into_info().unwrap(), packaging)
}

fn catalog(packaging: Packaging) -> Catalog {
    Catalog {
        tracks: vec![
            CatalogTrack {
                target_latency: Some(Duration::from_millis(150)),
                label: Some("Камера".to_owned()),
                ..track("video0", VIDEO, "vp09.00.31.08", packaging)
            },
            track("audio0", AUDIO, "opus", packaging),
        ],
        generated_at: Some(1_790_000_000_000),
        is_complete: false,
    }
}

#[test]
fn msf_round_trip() {
    for packaging in [Packaging::Cmaf, Packaging::Loc] {
        let mut catalog = catalog(packaging);
        catalog.tracks[0].alt_group = Some(4);
        catalog.tracks[1].language = Some("rus".to_owned());
        let json = catalog.to_msf();
        assert_eq!(Catalog::from_msf(json.as_bytes()).unwrap(), catalog, "{json}");
    }
    let ended = Catalog { is_complete: true, ..Catalog::default() };
    assert_eq!(Catalog::from_msf(ended.to_msf().as_bytes()).unwrap(), ended);
}

#[test]
fn msf_says_what_the_draft_wants() {
    let json: serde_json::Value = serde_json::from_str(&catalog(Packaging::Cmaf).to_msf()).unwrap();
    assert_eq!(json["version"], "draft-01");
    let video = &json["tracks"][0];
    assert_eq!((&video["packaging"], &video["role"]), (&"cmaf".into(), &"video".into()));
    assert_eq!(video["targetLatency"], 150);
    assert_eq!(video["initRef"], json["initDataList"][0]["id"]);
    assert_eq!(json["initDataList"][0]["type"], "inline");
    assert!(video.get("initData").is_none() && video.get("altGroup").is_none());
    assert_eq!(json["tracks"][1]["channelConfig"], "2");
    assert_eq!(json["tracks"][1]["samplerate"], 48_000);
}

#[test]
fn hang_round_trip() {
    for packaging in [Packaging::Cmaf, Packaging::Legacy, Packaging::Loc] {
        let mut catalog = catalog(packaging);
        catalog.generated_at = None;
        for track in &mut catalog.tracks {
            track.render_group = None;
            track.timescale = Some(if packaging == Packaging::Cmaf { 90_000 } else { 1_000_000 });
        }
        let json = catalog.to_hang();
        assert_eq!(Catalog::from_hang(json.as_bytes()).unwrap(), catalog, "{json}");
    }
}

#[test]
fn tracks_are_usable_whatever_the_packaging() {
    for packaging in [Packaging::Cmaf, Packaging::Loc] {
        let read = Catalog::from_msf(catalog(packaging).to_msf().as_bytes()).unwrap();
        for track in &read.tracks {
            let info = track.track_info().unwrap();
            assert_eq!((info.codec.as_str(), info.timescale), (track.codec.as_str(), 90_000));
            assert_eq!(info.bitrate, Some(1_000_000));
            assert!(media::read_init(&info.init).is_ok());
        }
    }
}

/// As moq-dev publishes it, with fields this crate does not know.
const HANG: &str = r#"{"video":{"renditions":{"video0":{"codec":"avc1.640028","description":"01640028ffe1000467640028010004 68ee3cb0",
   "codedWidth":1920,"codedHeight":1080,"bitrate":5000000,"framerate":30,"jitter":33,"container":{"kind":"legacy"}},
   "video1":{"codec":"avc1.64001f","codedWidth":1280,"codedHeight":720,"container":{"kind":"hologram","depth":3}},
   "video2":{"codec":"vp09.00.31.08","displayAspectWidth":16,"optimizeForLatency":true}},
   "display":{"width":1920,"height":1080},"rotation":0,"flip":false},
 "audio":{"renditions":{"audio0":{"codec":"opus","sampleRate":48000,"numberOfChannels":2,"bitrate":128000,"container":{"kind":"legacy"}}}},
 "clock":{"track":"clock"}}"#;

#[test]
fn hang_sample() {
    let catalog = Catalog::from_hang(HANG.replace(' ', "").as_bytes()).unwrap();
    let names: Vec<_> = catalog.tracks.iter().map(|track| track.name.as_str()).collect();
    assert_eq!(names, ["video0", "video2", "audio0"], "the unknown container is left out");
    let video = &catalog.tracks[0];
    assert_eq!(video.kind, TrackKind::Video { width: 1920, height: 1080, framerate: Some(30.0) });
    assert_eq!(video.description.as_deref().unwrap()[..4], [1, 0x64, 0, 0x28]);
    assert_eq!((video.packaging, video.bitrate), (Packaging::Legacy, Some(5_000_000)));
    assert_eq!(catalog.tracks[1].packaging, Packaging::Legacy, "what an absent container means");
    assert_eq!(catalog.tracks[2].track_info().unwrap().kind, AUDIO);
    let info = video.track_info().unwrap();
    assert_eq!((info.codec.as_str(), info.timescale), ("avc1.640028", 1_000_000));
}

/// moq-dev 0.4: its own container in MSF, on the tracks that its hang catalog lists.
const MOQ_DEV: &str = r#"{"version":"draft-01","initDataList":[{"id":"init1","type":"inline","data":"EZBW5QA="}],"tracks":[
 {"name":"0.avc1","packaging":"legacy","isLive":true,"role":"video","codec":"avc1.64001f","bitrate":2931256,"width":1280,"height":720,
  "framerate":30.0,"renderGroup":1,"maxGrpSapStartingType":2},
 {"name":"1.aac","packaging":"legacy","isLive":true,"role":"audio","codec":"mp4a.40.2","samplerate":48000,"channelConfig":"2","initRef":"init1"}]}"#;

#[test]
fn msf_sample_with_hangs_container() {
    let catalog = Catalog::from_msf(MOQ_DEV.as_bytes()).unwrap();
    let names: Vec<_> = catalog.tracks.iter().map(|track| track.name.as_str()).collect();
    assert_eq!(names, ["0.avc1", "1.aac"]);
    for track in &catalog.tracks {
        assert_eq!((track.packaging, track.timescale), (Packaging::Legacy, Some(1_000_000)), "{}", track.name);
    }
    assert_eq!(catalog.tracks[1].description.as_deref(), Some(&[0x11, 0x90, 0x56, 0xe5, 0][..]));
    assert_eq!(catalog.tracks[1].track_info().unwrap().kind, AUDIO);
}

/// moqtail: numeric version, inline `initData`, its own packaging names; and a timeline track.
const MOQTAIL: &str = r#"{"version":1,"tracks":[
 {"name":"v","packaging":"chunk-per-object","isLive":true,"codec":"av01.0.04M.08","bitrate":2.5e6,"width":640,"height":360,
  "framerate":25,"initData":"AAAA","timescale":12800,"futureField":{"a":[1]}},
 {"name":"a","packaging":"cmaf","isLive":true,"codec":"mp4a.40.2","samplerate":44100,"channelConfig":2,"initData":"AAAA"},
 {"name":"t","packaging":"timeline","isLive":true,"depends":["v"]},
 {"name":"log","packaging":"moqlog","role":"log","isLive":true}]}"#;

#[test]
fn msf_sample_with_numeric_version_and_inline_data() {
    let catalog = Catalog::from_msf(MOQTAIL.as_bytes()).unwrap();
    let names: Vec<_> = catalog.tracks.iter().map(|track| track.name.as_str()).collect();
    assert_eq!(names, ["v", "a"]);
    assert_eq!((catalog.tracks[0].bitrate, catalog.tracks[0].packaging), (Some(2_500_000), Packaging::Cmaf));
    assert_eq!(catalog.tracks[0].init.as_deref(), Some(&[0u8, 0, 0][..]));
    assert_eq!(catalog.tracks[1].kind, TrackKind::Audio { sample_rate: 44_100, channels: 2 });
    // Three zero bytes are no initialisation segment, and that is said when it is needed.
    assert!(catalog.tracks[0].track_info().is_err());
}

/// moxygen's media server: draft-01, `initDataList`.
const MOXYGEN: &str = r#"{"version":"draft-01","generatedAt":1785000000000,"initDataList":[{"id":"0","type":"inline","data":"AAAA"},
 {"id":"1","type":"track-property"}],
 "tracks":[{"name":"1080p","packaging":"cmaf","isLive":true,"role":"video","codec":"hvc1.1.6.L93.B0","width":1920,"height":1080,
 "bitrate":4000000,"renderGroup":1,"altGroup":1,"targetLatency":500,"initRef":"0","maxGrpSapStartingType":2},
 {"name":"aac","namespace":"live/b","packaging":"loc","isLive":true,"role":"audio","codec":"opus","samplerate":48000,
 "channelConfig":"2","bitrate":96000,"initRef":"1"}]}"#;

#[test]
fn msf_sample_with_a_data_list() {
    let catalog = Catalog::from_msf(MOXYGEN.as_bytes()).unwrap();
    assert_eq!(catalog.generated_at, Some(1_785_000_000_000));
    let [video, audio] = &catalog.tracks[..] else { panic!("two tracks") };
    assert_eq!(video.target_latency, Some(Duration::from_millis(500)));
    assert_eq!((video.render_group, video.alt_group), (Some(1), Some(1)));
    assert!(video.init.is_some());
    assert_eq!((audio.namespace.as_deref(), &audio.description), (Some("live/b"), &None));
    assert_eq!(audio.packaging, Packaging::Loc);
}

#[test]
fn errors_name_the_track_and_the_field() {
    let error = |json: &str| Catalog::from_msf(json.as_bytes()).unwrap_err().to_string();
    assert_eq!(error(r#"{"deltaUpdate":[]}"#), "catalog is a delta update, not a whole catalog");
    assert_eq!(
        error(r#"{"tracks":[{"name":"v","packaging":"cmaf","role":"video","codec":"x","initRef":"9"}]}"#),
        "catalog track `v`: `initRef` \"9\" is not in `initDataList`"
    );
    assert_eq!(
        error(r#"{"tracks":[{"name":"v","packaging":"cmaf","role":"video"}]}"#),
        "catalog track `v`: `codec` is missing"
    );
    assert!(error(r#"{"tracks":[{"name":"v","packaging":"loc","codec":"opus","initData":"*"}]}"#).contains("base64"));
    assert!(error(r#"{"tracks":[{"packaging":"loc"}]}"#).contains("missing field `name`"));
    assert!(error("{").contains("line 1"));
    let many = format!(r#"{{"tracks":[{}]}}"#, [r#"{"name":"v","packaging":"loc","codec":"opus"}"#; 129].join(","));
    assert!(matches!(Catalog::from_msf(many.as_bytes()), Err(CatalogError::TooManyTracks(129))));
    let large = " ".repeat(media::limit::MAX_CATALOG_BYTES + 1);
    assert!(matches!(Catalog::from_hang(large.as_bytes()), Err(CatalogError::TooLarge(_))));
    let hang = r#"{"video":{"renditions":{"v":{"codec":"avc1.64001f","description":"0g"}}}}"#;
    let error = Catalog::from_hang(hang.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "catalog track `v`: `description` is not hexadecimal");
}
