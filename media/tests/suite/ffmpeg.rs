//! What ffmpeg writes comes out frame for frame, and ffmpeg reads what is written here without a word.

use std::fs;

use crate::support::{Clips, FRAGMENTED, assert_clean, assert_same, framemd5, push_all, read_file, remux, run};
use bytes::Bytes;
use media::{MediaEvent, Mp4Writer, RawFrame, TrackDescription, TrackKind, to_annex_b};
use mp4_atom::{Co64, Decode, Encode, Moov};

const X264: &[&str] = &[
    "-c:v",
    "libx264",
    "-profile:v",
    "high",
    "-level",
    "3.1",
    "-bf",
    "2",
    "-b:v",
    "200k",
    "-c:a",
    "aac",
    "-b:a",
    "64k",
];
const X264_LIVE: &[&str] = &["-c:v", "libx264", "-tune", "zerolatency", "-level", "3.1", "-c:a", "aac", "-b:a", "64k"];
const X265: &[&str] = &["-c:v", "libx265", "-x265-params", "log-level=none:keyint=10", "-tag:v", "hvc1", "-c:a", "aac"];
const VP9: &[&str] = &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"];
const AV1: &[&str] = &["-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "keyint=10", "-c:a", "libopus"];

/// Demuxes, packages and writes the clip, and has ffmpeg compare packets and decoded frames.
fn check(clips: &Clips, name: &str, codecs: &[&str], format: &[&str], expected: [&str; 2]) {
    let source = clips.make(&format!("{name}.mp4"), codecs, format);
    let (tracks, frames) = read_file(&source);
    let codecs: Vec<_> = tracks.iter().map(|info| info.codec.as_str()).collect();
    assert_eq!(codecs, expected, "{name}: codec strings");
    let keyframes = frames.iter().filter(|frame| frame.track == tracks[0].id && frame.keyframe).count();
    assert_eq!(keyframes, 5, "{name}: 50 pictures in groups of 10");
    let pictures = TrackKind::Video { width: 160, height: 120, framerate: Some(25.0) };
    assert_eq!(tracks[0].kind, pictures, "{name}");
    assert!(matches!(tracks[1].kind, TrackKind::Audio { sample_rate: 48_000, channels: 1 }), "{name}");

    for info in &tracks {
        let mut next = None;
        for frame in frames.iter().filter(|frame| frame.track == info.id) {
            assert!(next.is_none_or(|next| next == frame.decode_time), "{name}: gap before {}", frame.decode_time);
            next = Some(frame.decode_time + u64::from(frame.duration));
        }
    }
    let written = clips.write(&format!("{name}-written.mp4"), &remux(&tracks, &frames).concat());
    assert_clean(&written);
    // Edit lists cut the audio decoder's run-in from the source; a live stream has none.
    let raw = ["-ignore_editlist", "1"];
    let copy = ["-c", "copy"];
    assert_same(&framemd5(&source, &[], &copy), &framemd5(&written, &[], &copy), name);
    let decoded = |path, before: &[&str]| {
        let lines = framemd5(path, before, &["-fps_mode", "passthrough"]);
        lines.into_iter().map(|line| (line.stream, line.size, line.hash)).collect::<Vec<_>>()
    };
    for stream in 0..2 {
        let of = |lines: &[(usize, u64, String)]| -> Vec<_> {
            lines.iter().filter(|line| line.0 == stream).cloned().collect()
        };
        let (a, b) = (of(&decoded(&source, &raw)), of(&decoded(&written, &raw)));
        assert!(!a.is_empty());
        assert_eq!(a, b, "{name}: decoded frames of stream {stream}");
    }
}

#[test]
fn h264_aac_fragmented() {
    check(&Clips::new(), "x264", X264_LIVE, FRAGMENTED, ["avc1.64001f", "mp4a.40.2"]);
}

#[test]
fn h264_aac_fragmented_with_b_frames() {
    check(&Clips::new(), "x264-b", X264, FRAGMENTED, ["avc1.64001f", "mp4a.40.2"]);
}

#[test]
fn h264_aac_negative_composition_offsets() {
    let clips = Clips::new();
    let format = ["-movflags", "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"];
    let (tracks, frames) = read_file(&clips.make("negative.mp4", X264, &format));
    assert!(frames.iter().any(|frame| frame.composition_offset < 0));
    let written = clips.write("written.mp4", &remux(&tracks, &frames).concat());
    assert_clean(&written);
    // ffmpeg delays the pictures of such a stream against the sound, so the judge is what the stream itself says.
    let lines = framemd5(&written, &[], &["-c", "copy"]);
    let mut shifts = Vec::new();
    for (stream, info) in tracks.iter().enumerate() {
        let lines = lines.iter().filter(|line| line.stream == stream);
        let frames: Vec<_> = frames.iter().filter(|frame| frame.track == info.id).collect();
        for (line, frame) in lines.zip(&frames) {
            assert_eq!(line.size, frame.payload.len() as u64);
            shifts.push(line.pts - frame.pts() as f64 / f64::from(info.timescale));
        }
    }
    assert_eq!(shifts.len(), frames.len());
    assert!(shifts.iter().all(|shift| (shift - shifts[0]).abs() < 0.0001), "{shifts:?}");
}

#[test]
fn h264_aac_ordinary_with_b_frames_and_edit_list() {
    check(&Clips::new(), "x264-file", X264, &[], ["avc1.64001f", "mp4a.40.2"]);
}

#[test]
fn h264_aac_ordinary_moov_first() {
    check(&Clips::new(), "x264-faststart", X264, &["-movflags", "faststart"], ["avc1.64001f", "mp4a.40.2"]);
}

#[test]
fn h264_aac_first_fragment_in_the_moov() {
    check(&Clips::new(), "x264-hybrid", X264, &["-movflags", "frag_keyframe"], ["avc1.64001f", "mp4a.40.2"]);
}

#[test]
fn h264_aac_fragments_with_edit_list() {
    let format = ["-movflags", "frag_keyframe+delay_moov+default_base_moof"];
    check(&Clips::new(), "x264-delay", X264, &format, ["avc1.64001f", "mp4a.40.2"]);
}

#[test]
fn h264_aac_offsets_without_default_base() {
    check(&Clips::new(), "x264-old", X264, &["-movflags", "frag_keyframe+empty_moov"], ["avc1.64001f", "mp4a.40.2"]);
}

#[test]
fn h264_aac_ordinary_with_signed_offsets() {
    let format = ["-movflags", "negative_cts_offsets"];
    let expected = ["avc1.64001f", "mp4a.40.2"];
    check(&Clips::new(), "x264-ctts", X264, &format, expected);
}

#[test]
fn an_audio_track_that_starts_late_stays_late() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", X264, &[]);
    let late = clips.path("late.mp4");
    let [from, to] = [&source, &late].map(|path| path.to_str().unwrap());
    let output = run(
        "ffmpeg",
        &["-v", "error", "-i", from, "-itsoffset", "0.4", "-i", from, "-map", "0:v", "-map", "1:a", "-c", "copy", to],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (tracks, frames) = read_file(&late);
    let first = |track: usize| {
        let frame = frames.iter().find(|frame| frame.track == tracks[track].id).unwrap();
        frame.pts() as f64 / f64::from(tracks[track].timescale)
    };
    assert!((first(1) - first(0) - 0.4).abs() < 0.03, "audio {} video {}", first(1), first(0));
    let written = clips.write("written.mp4", &remux(&tracks, &frames).concat());
    assert_clean(&written);
    assert_same(&framemd5(&late, &[], &["-c", "copy"]), &framemd5(&written, &[], &["-c", "copy"]), "late");
}

#[test]
fn long_chunk_offsets() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", X264, &[]);
    let (_, frames) = read_file(&source);
    let bytes = fs::read(&source).unwrap();
    // ffmpeg puts the moov last, so it can grow.
    let at = bytes.windows(4).rposition(|window| window == b"moov").unwrap() - 4;
    let mut moov = Moov::decode(&mut &bytes[at..]).unwrap();
    for trak in &mut moov.trak {
        let table = &mut trak.mdia.minf.stbl;
        let short = table.stco.take().unwrap();
        table.co64 = Some(Co64 { entries: short.entries.into_iter().map(u64::from).collect() });
    }
    let mut long = bytes[..at].to_vec();
    moov.encode(&mut long).unwrap();
    assert_eq!(read_file(&clips.write("long.mp4", &long)).1, frames);
}

#[test]
fn h265_aac() {
    let clips = Clips::new();
    check(&clips, "x265", X265, FRAGMENTED, ["hvc1.1.6.L30.90", "mp4a.40.2"]);
    check(&clips, "x265-file", X265, &[], ["hvc1.1.6.L30.90", "mp4a.40.2"]);
}

#[test]
fn vp9_opus() {
    let clips = Clips::new();
    check(&clips, "vp9", VP9, FRAGMENTED, ["vp09.00.10.08", "opus"]);
    check(&clips, "vp9-file", VP9, &[], ["vp09.00.10.08", "opus"]);
}

#[test]
fn av1_opus() {
    let clips = Clips::new();
    check(&clips, "av1", AV1, FRAGMENTED, ["av01.0.00M.08", "opus"]);
    check(&clips, "av1-file", AV1, &[], ["av01.0.00M.08", "opus"]);
}

#[test]
fn every_cut_between_chunks_is_playable() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", X264, FRAGMENTED);
    let (tracks, frames) = read_file(&source);
    let pieces = remux(&tracks, &frames);
    for cut in [2, 3, 4, 7, 20, 41, pieces.len() - 1] {
        let path = clips.write("cut.mp4", &pieces[..cut].concat());
        assert_clean(&path);
        let decoded = framemd5(&path, &[], &[]);
        let video: Vec<_> = decoded.iter().filter(|line| line.stream == 0).collect();
        assert!(!video.is_empty(), "cut {cut}: pictures play");
    }
}

#[test]
fn a_join_in_the_middle_starts_at_zero_and_stays_in_sync() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", X264_LIVE, FRAGMENTED);
    let (tracks, frames) = read_file(&source);
    // As after a late join: both tracks from their first frame of the last second on, hours into the stream.
    const HOURS: u64 = 100 * 3600;
    let late: Vec<_> = frames
        .iter()
        .filter_map(|frame| {
            let info = tracks.iter().find(|info| info.id == frame.track).unwrap();
            let mut frame = frame.clone();
            let late = frame.decode_time >= u64::from(info.timescale);
            frame.decode_time += HOURS * u64::from(info.timescale);
            late.then_some(frame)
        })
        .skip_while(|frame| !frame.keyframe)
        .collect();
    let written = clips.write("late.mp4", &remux(&tracks, &late).concat());
    assert_clean(&written);
    let lines = framemd5(&written, &[], &["-c", "copy"]);
    let first = |stream| lines.iter().find(|line| line.stream == stream).unwrap().dts;
    assert!(first(0).min(first(1)).abs() < 1e-6, "starts at {} and {}", first(0), first(1));
    let expected = |track: usize| {
        let frame = late.iter().find(|frame| frame.track == tracks[track].id).unwrap();
        frame.decode_time as f64 / f64::from(tracks[track].timescale)
    };
    let (ours, theirs) = (first(1) - first(0), expected(1) - expected(0));
    assert!((ours - theirs).abs() < 0.0001, "audio after video by {ours} s instead of {theirs} s");
}

#[test]
fn raw_chunks_with_presentation_times_only() {
    let clips = Clips::new();
    for (name, codecs) in [("x264", X264), ("vp9", VP9), ("av1", AV1), ("x265", X265)] {
        let source = clips.make(&format!("{name}.mp4"), codecs, FRAGMENTED);
        let (tracks, frames) = read_file(&source);
        // What a catalog tells about a track in LOC or legacy: no initialisation segment.
        let described: Vec<_> = tracks
            .iter()
            .map(|info| {
                let description = TrackDescription {
                    id: 9,
                    kind: info.kind,
                    codec: &info.codec,
                    timescale: 1_000_000,
                    description: info.description.clone(),
                    bitrate: None,
                    language: None,
                };
                description.into_info().unwrap()
            })
            .collect();
        let mut writer = Mp4Writer::new(&described).unwrap();
        let mut out = writer.init().to_vec();
        for frame in &frames {
            let index = tracks.iter().position(|info| info.id == frame.track).unwrap();
            let timestamp = frame.pts() as u64 * 1_000_000 / u64::from(tracks[index].timescale);
            let raw = RawFrame { timestamp, keyframe: frame.keyframe, payload: frame.payload.clone() };
            out.extend_from_slice(&writer.write_raw(index, raw).unwrap());
        }
        out.extend_from_slice(&writer.finish().unwrap());
        assert_eq!(writer.left_out(), 0);
        let written = clips.write(&format!("{name}-raw.mp4"), &out);
        assert_clean(&written);
        let copy = ["-c", "copy"];
        let packets = framemd5(&written, &[], &copy);
        assert_same(&framemd5(&source, &[], &copy), &packets, name);
        let presented = |path| -> Vec<_> {
            let lines = framemd5(path, &["-ignore_editlist", "1"], &["-fps_mode", "passthrough"]);
            lines.into_iter().map(|line| (line.stream, line.hash)).collect()
        };
        for stream in 0..2 {
            let of =
                |lines: Vec<(usize, String)>| -> Vec<_> { lines.into_iter().filter(|line| line.0 == stream).collect() };
            assert_eq!(of(presented(&source)), of(presented(&written)), "{name}: stream {stream}");
        }
    }
}

#[test]
fn frames_come_before_their_fragment_is_complete() {
    let clips = Clips::new();
    let bytes = fs::read(clips.make("source.mp4", X264_LIVE, FRAGMENTED)).unwrap();
    // The last byte of the first frame is enough to have it, though its fragment goes on.
    let (whole, end) = push_all([&bytes[..]]);
    end.unwrap();
    let MediaEvent::Frame(first) = &whole[1] else { panic!("tracks, then a frame") };
    let at = bytes.windows(first.payload.len()).position(|window| window == &first.payload[..]).unwrap();
    let (early, end) = push_all([&bytes[..at + first.payload.len()]]);
    assert_eq!(early, whole[..2]);
    let error = end.unwrap_err().to_string();
    assert!(error.contains("inside box `mdat`"), "{error}");
}

#[test]
fn raw_dumps_play() {
    let clips = Clips::new();
    for (name, codecs, extension) in [("x264", X264, "h264"), ("x265", X265, "hevc")] {
        let source = clips.make(&format!("{name}.mp4"), codecs, FRAGMENTED);
        let (tracks, frames) = read_file(&source);
        let info = &tracks[0];
        let codec = media::Codec::from_string(&info.codec, &info.description).unwrap();
        let dump: Vec<Bytes> = frames
            .iter()
            .filter(|frame| frame.track == info.id)
            .map(|frame| to_annex_b(codec, &info.description, frame))
            .collect();
        let path = clips.write(&format!("{name}.{extension}"), &dump.concat());
        let path = path.to_str().unwrap();
        let output = run(
            "ffprobe",
            &["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path],
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "50", "{name}");
    }
}

#[test]
fn a_stream_tells_its_frame_rate_with_the_first_fragment() {
    let clips = Clips::new();
    let bytes = fs::read(clips.make("source.mp4", X264_LIVE, FRAGMENTED)).unwrap();
    let (events, end) = push_all(bytes.chunks(700));
    end.unwrap();
    let MediaEvent::Tracks(tracks) = &events[0] else { panic!("tracks come first") };
    let pictures = TrackKind::Video { width: 160, height: 120, framerate: Some(25.0) };
    assert_eq!(tracks[0].kind, pictures);
    assert_eq!(*tracks, read_file(&clips.path("source.mp4")).0, "a file and a stream say the same");
    // Without any fragment they come at the end, as the moov tells them.
    let moof = bytes.windows(4).position(|window| window == b"moof").unwrap() - 4;
    let mut demuxer = media::Demuxer::new();
    demuxer.push(&bytes[..moof]);
    assert_eq!(demuxer.next().unwrap(), None);
    demuxer.finish().unwrap();
    let Some(MediaEvent::Tracks(alone)) = demuxer.next().unwrap() else { panic!("tracks at the end") };
    assert!(matches!(alone[0].kind, TrackKind::Video { framerate: None, .. }));
    assert_eq!(demuxer.next().unwrap(), None);
    assert!(read_file(&clips.write("alone.mp4", &bytes[..moof])).1.is_empty());
}

#[test]
fn a_moov_before_the_encoder_s_configuration_says_what_to_do() {
    let clips = Clips::new();
    let codecs = ["-c:v", "libaom-av1", "-cpu-used", "8", "-t", "0.2", "-c:a", "libopus"];
    let bytes = fs::read(clips.make("empty.mp4", &codecs, FRAGMENTED)).unwrap();
    let error = push_all([&bytes[..]]).1.unwrap_err().to_string();
    assert!(error.contains("box `av01`") && error.contains("-movflags +delay_moov"), "{error}");
    let delayed = ["-movflags", "frag_keyframe+empty_moov+default_base_moof+delay_moov"];
    let bytes = fs::read(clips.make("delayed.mp4", &codecs, &delayed)).unwrap();
    push_all([&bytes[..]]).1.unwrap();
}
