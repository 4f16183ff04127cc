//! Fragments as other muxers write them, built by hand.

use bytes::Bytes;
use media::{Demuxer, Frame, MediaEvent, TrackDescription, TrackInfo, TrackKind, Unpackager, package_cmaf};
use mp4_atom::{Any, Decode, Encode, Mfhd, Moof, Moov, Tfdt, Tfhd, Traf, Trex, Trun, TrunEntry};

const SYNC: u32 = 0x0200_0000;
const DELTA: u32 = 0x0101_0000;

fn audio_track() -> TrackInfo {
    TrackDescription {
        id: 1,
        kind: TrackKind::Audio { sample_rate: 48_000, channels: 2 },
        codec: "opus",
        timescale: 48_000,
        description: Bytes::new(),
        bitrate: None,
        language: Some("rus"),
    }
    .into_info()
    .unwrap()
}

fn video_track(codec: &str) -> TrackInfo {
    TrackDescription {
        id: 1,
        kind: TrackKind::Video { width: 64, height: 48, framerate: None },
        codec,
        timescale: 90_000,
        description: Bytes::new(),
        bitrate: None,
        language: None,
    }
    .into_info()
    .unwrap()
}

/// The segment with other `trex` defaults.
fn with_trex(info: &TrackInfo, change: impl FnOnce(&mut Trex)) -> Vec<u8> {
    let mut rest = &info.init[..];
    let mut out = Vec::new();
    let Any::Ftyp(ftyp) = Any::decode(&mut rest).unwrap() else { panic!("ftyp first") };
    ftyp.encode(&mut out).unwrap();
    let mut moov = Moov::decode(&mut rest).unwrap();
    change(&mut moov.mvex.as_mut().unwrap().trex[0]);
    moov.encode(&mut out).unwrap();
    out
}

fn moof(trafs: Vec<Traf>) -> Vec<u8> {
    let mut out = Vec::new();
    Moof { mfhd: Mfhd { sequence_number: 1 }, traf: trafs }.encode(&mut out).unwrap();
    out
}

fn mdat(payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(b"mdat");
    out.extend(payload);
    out
}

fn entry(size: u32) -> TrunEntry {
    TrunEntry { size: Some(size), ..TrunEntry::default() }
}

fn traf(track: u32, time: Option<u64>, runs: Vec<Trun>) -> Traf {
    Traf {
        tfhd: Tfhd { track_id: track, default_base_is_moof: true, ..Tfhd::default() },
        tfdt: time.map(|time| Tfdt { base_media_decode_time: time }),
        trun: runs,
        ..Traf::default()
    }
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut demuxer = Demuxer::new();
    demuxer.push(bytes);
    let mut frames = Vec::new();
    while let Some(event) = demuxer.next().unwrap() {
        if let MediaEvent::Frame(frame) = event {
            frames.push(frame);
        }
    }
    demuxer.finish().unwrap();
    frames
}

#[test]
fn defaults_come_from_trex_and_times_continue_without_tfdt() {
    let info = audio_track();
    let mut stream = with_trex(&info, |trex| {
        trex.default_sample_duration = 960;
        trex.default_sample_size = 3;
    });
    for _ in 0..2 {
        let inherited = mp4_atom::TrunSamples::Inherited { count: 2, first_flags: None };
        stream.extend(moof(vec![traf(1, None, vec![Trun { data_offset: None, samples: inherited }])]));
        stream.extend(mdat(b"abcdef"));
    }
    let frames = frames(&stream);
    let seen: Vec<_> = frames.iter().map(|frame| (frame.decode_time, frame.duration, &frame.payload[..])).collect();
    assert_eq!(seen, [(0, 960, &b"abc"[..]), (960, 960, b"def"), (1920, 960, b"abc"), (2880, 960, b"def")]);
    assert!(frames.iter().all(|frame| frame.keyframe));
}

#[test]
fn tfhd_goes_before_trex_and_a_sample_before_both() {
    let info = audio_track();
    let mut stream = with_trex(&info, |trex| trex.default_sample_duration = 1);
    let mut first = traf(1, Some(7), Vec::new());
    first.tfhd.default_sample_duration = Some(20);
    first.tfhd.default_sample_size = Some(2);
    let own = TrunEntry { duration: Some(30), size: Some(1), cts: Some(-5), ..TrunEntry::default() };
    let length = moof(vec![Traf { trun: vec![run(0, vec![own])], ..first.clone() }]).len() as i32;
    first.trun = vec![run(length + 8, vec![own]), run(length + 9, vec![entry(2), entry(2)])];
    let grown = moof(vec![first.clone()]).len() as i32;
    first.trun = vec![run(grown + 8, vec![own]), run(grown + 9, vec![entry(2), entry(2)])];
    stream.extend(moof(vec![first]));
    stream.extend(mdat(b"abbcc"));
    let seen: Vec<_> = frames(&stream)
        .into_iter()
        .map(|frame| (frame.decode_time, frame.duration, frame.composition_offset, frame.payload))
        .collect();
    let bytes = Bytes::from_static;
    assert_eq!(seen, [(7, 30, -5, bytes(b"a")), (37, 20, 0, bytes(b"bb")), (57, 20, 0, bytes(b"cc"))]);
}

fn run(data_offset: i32, samples: Vec<TrunEntry>) -> Trun {
    Trun { data_offset: Some(data_offset), samples: samples.into() }
}

#[test]
fn several_trafs_come_in_the_order_of_their_bytes() {
    let info = audio_track();
    let mut stream = info.init.to_vec();
    let build = |base: i32| {
        moof(vec![
            traf(1, Some(100), vec![run(base + 10, vec![entry(2), entry(2)])]),
            traf(1, Some(50), vec![run(base, vec![entry(4)])]),
        ])
    };
    let base = build(0).len() as i32 + 8;
    stream.extend(build(base));
    stream.extend(mdat(b"aaaa......bbcc"));
    let seen: Vec<_> = frames(&stream).into_iter().map(|frame| (frame.decode_time, frame.payload)).collect();
    let bytes = Bytes::from_static;
    assert_eq!(seen, [(50, bytes(b"aaaa")), (100, bytes(b"bb")), (100, bytes(b"cc"))]);
}

#[test]
fn wrong_or_absent_flags_yield_to_the_bits() {
    let info = video_track("vp09.00.10.08");
    // VP9 key frame, inter frame, and one byte that is no VP9 at all.
    let cases = [(0x82, DELTA, true), (0x86, SYNC, false), (0x00, SYNC, true), (0x00, DELTA, false)];
    for (byte, flags, expected) in cases {
        let sample = TrunEntry { flags: Some(flags), ..entry(1) };
        let mut stream = info.init.to_vec();
        let base = moof(vec![traf(1, Some(0), vec![run(0, vec![sample])])]).len() as i32 + 8;
        stream.extend(moof(vec![traf(1, Some(0), vec![run(base, vec![sample])])]));
        stream.extend(mdat(&[byte]));
        assert_eq!(frames(&stream)[0].keyframe, expected, "byte {byte:#x} flags {flags:#x}");
    }
}

#[test]
fn boxes_of_no_interest_are_stepped_over() {
    let info = audio_track();
    let mut unpackager = Unpackager::new(&info.init).unwrap();
    let frame = Frame {
        track: 1,
        decode_time: 5,
        composition_offset: 0,
        duration: 960,
        keyframe: true,
        payload: Bytes::from_static(b"opus"),
    };
    let chunk = package_cmaf(&frame, 1).unwrap();
    let mut stream = b"\0\0\0\x0cstyp\0\0\0\0".to_vec();
    stream.extend(&chunk);
    stream.extend(b"\0\0\0\x0cfree\0\0\0\0");
    stream.extend(package_cmaf(&Frame { decode_time: 965, ..frame.clone() }, 2).unwrap());
    let unpacked = unpackager.unpack(&Bytes::from(stream.clone())).unwrap();
    assert_eq!(unpacked.len(), 2);
    assert_eq!(unpacked[0], frame);
    assert_eq!(frames(&[&info.init[..], &stream].concat()), unpacked);
}

#[test]
fn a_lone_track_takes_chunks_under_another_id() {
    let info = audio_track();
    let mut unpackager = Unpackager::new(&info.init).unwrap();
    let frame = Frame {
        track: 77,
        decode_time: 5,
        composition_offset: 0,
        duration: 960,
        keyframe: true,
        payload: Bytes::from_static(b"opus"),
    };
    let chunk = package_cmaf(&frame, 1).unwrap();
    assert_eq!(unpackager.unpack(&chunk).unwrap(), [Frame { track: 1, ..frame }]);
    // In a stream of several tracks an unknown id is a mistake.
    let mut demuxer = Demuxer::new();
    demuxer.push(&info.init);
    demuxer.push(&chunk);
    let error = demuxer.next().unwrap_err().to_string();
    assert!(error.contains("box `traf`") && error.contains("track 77"), "{error}");
}

#[test]
fn tracks_described_without_a_segment_read_back() {
    let info = audio_track();
    assert_eq!((info.language.as_deref(), info.codec.as_str()), (Some("rus"), "opus"));
    assert_eq!(&info.description[..8], b"OpusHead");
    let av1 = video_track("av01.0.04M.08");
    assert_eq!(media::read_init(&av1.init).unwrap(), av1);
    let missing = TrackDescription {
        id: 1,
        kind: av1.kind,
        codec: "avc1.64001f",
        timescale: 90_000,
        description: Bytes::new(),
        bitrate: None,
        language: None,
    };
    let error = missing.clone().into_info().unwrap_err().to_string();
    assert!(error.contains("avc1.64001f") && error.contains("needs a decoder configuration"), "{error}");
    assert!(TrackDescription { codec: "theora", ..missing.clone() }.into_info().is_err());
    assert!(TrackDescription { codec: "opus", ..missing }.into_info().is_err());
}
