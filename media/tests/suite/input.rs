//! Input cut anywhere, pushed in any pieces, broken in any way.

use std::{fs, io::Cursor, sync::OnceLock};

use bytes::Bytes;
use media::{
    BoxKind, DemuxError, Demuxer, Mp4Writer, Unpackager, demux_file,
    limit::{MAX_MOOF_BYTES, MAX_MOOV_BYTES, MAX_SAMPLE_BYTES, REORDER_PICTURES},
    package_cmaf, read_init,
};
use mp4_atom::{Encode, Mfhd, Moof, Tfhd, Traf, Trun, TrunEntry, TrunSamples};
use proptest::prelude::*;

use crate::support::{Clips, FRAGMENTED, push_all, read_file};

const CODECS: &[&str] = &["-c:v", "libx264", "-bf", "2", "-b:v", "80k", "-c:a", "aac", "-b:a", "32k"];

/// A fragmented and an ordinary clip, made once.
fn clips() -> &'static [Vec<u8>; 2] {
    static CLIPS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    CLIPS.get_or_init(|| {
        let clips = Clips::new();
        [("live.mp4", FRAGMENTED), ("file.mp4", &[])]
            .map(|(name, format)| fs::read(clips.make(name, CODECS, format)).expect("the clip"))
    })
}

/// Everything in the crate that reads bytes, over these bytes.
fn read_every_way(bytes: &[u8]) {
    let (events, _) = push_all(bytes.chunks(1000));
    drop(events);
    if let Ok(demuxer) = demux_file(Cursor::new(bytes)) {
        for frame in demuxer.take(1000) {
            if frame.is_err() {
                break;
            }
        }
    }
    if let Ok(info) = read_init(bytes) {
        let mut unpackager = Unpackager::new(&info.init).expect("it was just read");
        drop(unpackager.unpack(&Bytes::copy_from_slice(bytes)));
        drop(Mp4Writer::new(&[info]).expect("it was just read").write_chunk(0, &Bytes::copy_from_slice(bytes)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_yields_the_same(mut cuts in proptest::collection::vec(0usize..1 << 20, 0..40)) {
        let bytes = &clips()[0];
        let (whole, end) = push_all([&bytes[..]]);
        prop_assert!(end.is_ok());
        for cut in &mut cuts {
            *cut %= bytes.len();
        }
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut start = 0;
        let pieces = cuts.into_iter().map(|cut| {
            let piece = &bytes[start..cut];
            start = cut;
            piece
        });
        let (pieced, end) = push_all(pieces);
        prop_assert!(end.is_ok());
        prop_assert!(pieced == whole);
    }

    #[test]
    fn a_cut_stream_yields_what_is_before_the_cut(cut in 0usize..1 << 20) {
        let bytes = &clips()[0];
        let cut = cut % bytes.len();
        let (whole, _) = push_all([&bytes[..]]);
        let (before, end) = push_all([&bytes[..cut]]);
        prop_assert!(before == whole[..before.len()]);
        // Every frame whose last byte is before the cut has come: what follows it begins after the next frame's bytes.
        if let Some(media::MediaEvent::Frame(next)) = whole.get(before.len()) {
            let at = bytes.windows(next.payload.len()).position(|window| window == &next.payload[..]);
            prop_assert!(at.is_some_and(|at| at + next.payload.len() > cut));
        }
        match end {
            Ok(()) => {}
            Err(DemuxError::Truncated { offset, end, .. }) => prop_assert!(offset <= end && end == cut as u64),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read_every_way(&bytes);
        for kind in [b"moov", b"moof", b"mdat"] {
            let mut boxed = (bytes.len() as u32 + 8).to_be_bytes().to_vec();
            boxed.extend(kind);
            boxed.extend(&bytes);
            read_every_way(&boxed);
            let mut unpackager = Unpackager::new(&init()).expect("a segment");
            drop(unpackager.unpack(&boxed.into()));
        }
        drop(media::decode_legacy(bytes.clone().into()));
        drop(media::decode_hang_loc(bytes.clone().into()));
        drop(media::Catalog::from_msf(&bytes));
        drop(media::Catalog::from_hang(&bytes));
    }

    #[test]
    fn broken_clips_never_panic(which in 0usize..2, edits in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..12)) {
        let mut bytes = clips()[which].clone();
        let head = bytes.len().min(4000) as u32;
        let length = bytes.len();
        for (place, value) in edits {
            // Where the boxes are: the front of a stream, the back of a file.
            let place = (place % head) as usize;
            bytes[if which == 0 { place } else { length - 1 - place }] = value;
        }
        read_every_way(&bytes);
    }
}

fn init() -> Bytes {
    static INIT: OnceLock<Bytes> = OnceLock::new();
    INIT.get_or_init(|| {
        let (events, _) = push_all([&clips()[0][..]]);
        match &events[0] {
            media::MediaEvent::Tracks(tracks) => tracks[1].init.clone(),
            media::MediaEvent::Frame(_) => panic!("tracks come first"),
        }
    })
    .clone()
}

fn failure(bytes: &[u8]) -> DemuxError {
    push_all([bytes]).1.expect_err("refused")
}

#[test]
fn oversized_boxes_are_refused_by_their_header() {
    let size = (MAX_MOOV_BYTES as u32 + 1).to_be_bytes();
    let stream = [b"\0\0\0\x08free", &size[..], b"moov"].concat();
    let error = failure(&stream);
    assert!(
        matches!(error, DemuxError::TooLarge { kind: BoxKind(kind), offset: 8, limit: MAX_MOOV_BYTES, .. } if kind == *b"moov")
    );
    assert_eq!(error.to_string(), "box `moov` at byte 8: 67108865 bytes, more than the limit of 67108864");

    let size = (MAX_MOOF_BYTES as u32 + 1).to_be_bytes();
    let stream = [&init()[..], &size, b"moof"].concat();
    assert!(matches!(failure(&stream), DemuxError::TooLarge { kind: BoxKind(kind), .. } if kind == *b"moof"));
    // An open size where a bounded one is needed, and 2^63 in the long form.
    assert!(matches!(failure(b"\0\0\0\0moov"), DemuxError::TooLarge { .. }));
    assert!(matches!(failure(b"\0\0\0\x01skip\x7f\xff\xff\xff\xff\xff\xff\xff"), DemuxError::TooLarge { .. }));
    assert!(matches!(
        demux_file(Cursor::new([&(MAX_MOOV_BYTES as u32 + 1).to_be_bytes()[..], b"moov\0\0\0\0\0\0\0\0"].concat())),
        Err(DemuxError::TooLarge { .. })
    ));
}

fn fragment(samples: TrunSamples) -> Vec<u8> {
    let mut out = init().to_vec();
    let id = read_init(&init()).unwrap().id;
    let trun = Trun { data_offset: Some(8), samples };
    let tfhd = Tfhd { track_id: id, default_base_is_moof: true, ..Tfhd::default() };
    let traf = Traf { tfhd, trun: vec![trun], ..Traf::default() };
    Moof { mfhd: Mfhd { sequence_number: 1 }, traf: vec![traf] }.encode(&mut out).unwrap();
    out
}

#[test]
fn claims_of_a_run_are_bounded() {
    let huge = TrunEntry { size: Some(MAX_SAMPLE_BYTES as u32 + 1), ..TrunEntry::default() };
    let error = failure(&fragment(vec![huge].into()));
    assert!(matches!(error, DemuxError::TooLarge { kind: BoxKind(kind), .. } if kind == *b"trun"), "{error}");
    let error = failure(&fragment(TrunSamples::Inherited { count: u32::MAX, first_flags: None }));
    assert!(error.to_string().contains("samples in one fragment"), "{error}");
    // Data that lies in the moof itself.
    let mut stream = fragment(vec![TrunEntry { size: Some(4), ..TrunEntry::default() }].into());
    stream.extend(b"\0\0\0\x10mdat12345678");
    let error = failure(&stream);
    assert!(error.to_string().contains("box `mdat` at byte") && error.to_string().contains("before byte"), "{error}");
}

#[test]
fn boxes_nested_a_million_deep_do_no_harm() {
    const DEPTH: usize = 1 << 20;
    for kind in [b"moov", b"trak", b"meta", b"stsd", b"mp4a"] {
        let mut stream = Vec::with_capacity(8 * DEPTH);
        for level in 0..DEPTH {
            stream.extend(((DEPTH - level) as u32 * 8).to_be_bytes());
            stream.extend(if level == 0 { b"moov" } else { kind });
        }
        assert!(push_all([&stream[..]]).1.is_err());
    }
}

#[test]
fn files_that_are_no_stream_say_so() {
    let error = failure(&clips()[1]);
    assert!(matches!(&error, DemuxError::Unsupported { reason, .. } if reason.contains("not fragmented")), "{error}");
    let error = failure(b"just some text that is long enough");
    assert!(matches!(error, DemuxError::TooLarge { offset: 0, .. }), "{error}");
    assert!(matches!(failure(b""), DemuxError::Truncated { kind: BoxKind(kind), .. } if kind == *b"moov"));
}

#[test]
fn after_an_error_nothing_more_comes() {
    let mut demuxer = Demuxer::new();
    demuxer.push(&[0xff; 64]);
    assert!(demuxer.next().is_err());
    demuxer.push(&clips()[0]);
    assert!(matches!(demuxer.next(), Ok(None)));
    assert!(demuxer.finish().is_ok());
}

#[test]
fn a_cut_file_yields_what_is_there() {
    let clips = Clips::new();
    let path = clips.make("file.mp4", CODECS, &["-movflags", "faststart"]);
    let (_, frames) = read_file(&path);
    let bytes = fs::read(&path).unwrap();
    let cut = bytes.len() * 2 / 3;
    let mut good = 0;
    let mut failed = None;
    for frame in demux_file(Cursor::new(&bytes[..cut])).unwrap() {
        match frame {
            Ok(frame) => {
                assert_eq!(frame, frames[good]);
                good += 1;
            }
            Err(error) => failed = Some(error),
        }
    }
    assert!(good > 0 && good < frames.len());
    let Some(DemuxError::Truncated { end, .. }) = failed else { panic!("{failed:?}") };
    assert_eq!(end, cut as u64);
}

#[test]
fn the_writer_leaves_out_what_cannot_play_and_refuses_what_is_not_there() {
    let (events, _) = push_all([&clips()[0][..]]);
    let mut tracks = Vec::new();
    let mut frames = Vec::new();
    for event in events {
        match event {
            media::MediaEvent::Tracks(infos) => tracks = infos,
            media::MediaEvent::Frame(frame) => frames.push(frame),
        }
    }
    let mut writer = Mp4Writer::new(&tracks).unwrap();
    assert!(matches!(writer.write_frame(2, frames[0].clone()), Err(media::PackageError::UnknownTrack(2))));
    let delta = frames.iter().find(|frame| frame.track == tracks[0].id && !frame.keyframe).unwrap();
    assert!(writer.write_frame(0, delta.clone()).unwrap().is_empty());
    assert_eq!(writer.left_out(), 1);
    let pictures: Vec<_> = frames.iter().filter(|frame| frame.track == tracks[0].id).collect();
    let key = pictures[0];
    let audio = frames.iter().find(|frame| frame.track == tracks[1].id).unwrap();
    for picture in &pictures[..REORDER_PICTURES] {
        let written = writer.write_frame(0, (*picture).clone()).unwrap();
        assert!(written.is_empty(), "held until the audio is there");
    }
    let written = writer.write_frame(1, audio.clone()).unwrap();
    assert_eq!(written.windows(4).filter(|window| window == b"moof").count(), REORDER_PICTURES + 1);
    assert!(writer.write_frame(0, key.clone()).unwrap().is_empty(), "the same moment twice");
    assert_eq!(writer.left_out(), 2);
    let huge = media::Frame { payload: vec![0; MAX_SAMPLE_BYTES + 1].into(), ..key.clone() };
    assert!(matches!(package_cmaf(&huge, 1), Err(media::PackageError::FrameTooLarge(_))));
    let cut = package_cmaf(key, 1).unwrap();
    assert!(writer.write_chunk(0, &cut.slice(..cut.len() - 1)).is_err());
}
