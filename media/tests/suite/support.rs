//! Clips made by ffmpeg, and what ffmpeg thinks of ours.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use bytes::Bytes;
use media::{Demuxer, Frame, MediaEvent, Mp4Writer, TrackInfo, Unpackager, demux_file, package_cmaf};
use tempfile::TempDir;

/// Arguments for a live-style fragmented stream.
pub(crate) const FRAGMENTED: &[&str] = &["-movflags", "frag_keyframe+empty_moov+default_base_moof"];

/// Runs ffmpeg or ffprobe; a missing program fails the test by name.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("these tests need `{program}` on the PATH: {error}"))
}

/// A folder of clips that vanishes with the value.
pub(crate) struct Clips {
    folder: TempDir,
}

impl Clips {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Two seconds of moving pictures and a tone, encoded as told.
    pub(crate) fn make(&self, name: &str, codecs: &[&str], format: &[&str]) -> PathBuf {
        let path = self.path(name);
        let mut arguments = vec!["-v", "error", "-y"];
        arguments.extend(["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2"]);
        arguments.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2"]);
        arguments.extend(["-pix_fmt", "yuv420p", "-g", "10"]);
        arguments.extend(codecs);
        arguments.extend(format);
        let text = path.to_str().expect("a UTF-8 path");
        arguments.push(text);
        let output = run("ffmpeg", &arguments);
        assert!(output.status.success(), "ffmpeg failed: {}", String::from_utf8_lossy(&output.stderr));
        path
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("write a clip");
        path
    }
}

/// Tracks and frames of a file through the iterator.
pub(crate) fn read_file(path: &Path) -> (Vec<TrackInfo>, Vec<Frame>) {
    let demuxer = demux_file(File::open(path).expect("open the clip")).expect("the clip opens");
    let tracks = demuxer.tracks().to_vec();
    (tracks, demuxer.map(|frame| frame.expect("a frame")).collect())
}

/// Everything a push parser yields for these pieces, with the error that ended it.
pub(crate) fn push_all<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<MediaEvent>, Result<(), media::DemuxError>) {
    let mut demuxer = Demuxer::new();
    let mut events = Vec::new();
    for piece in pieces {
        demuxer.push(piece);
        loop {
            match demuxer.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    let end = demuxer.finish();
    (events, end)
}

/// Frames to CMAF chunks to one file: the pieces a recorder would append.
pub(crate) fn remux(tracks: &[TrackInfo], frames: &[Frame]) -> Vec<Bytes> {
    let mut writer = Mp4Writer::new(tracks).expect("a writer");
    let mut pieces = vec![writer.init()];
    let mut unpackagers: Vec<_> = tracks.iter().map(|info| Unpackager::new(&info.init).expect("own init")).collect();
    for (sequence, frame) in (1..).zip(frames) {
        let index = tracks.iter().position(|info| info.id == frame.track).expect("a known track");
        let chunk = package_cmaf(frame, sequence).expect("a chunk");
        assert_eq!(unpackagers[index].unpack(&chunk).expect("own chunk"), std::slice::from_ref(frame));
        pieces.push(writer.write_chunk(index, &chunk).expect("written"));
    }
    pieces.push(writer.finish().expect("finished"));
    assert_eq!(writer.left_out(), 0);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// One line of `framemd5`, times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) stream: usize,
    pub(crate) dts: f64,
    pub(crate) pts: f64,
    pub(crate) duration: f64,
    pub(crate) size: u64,
    pub(crate) hash: String,
}

/// What ffmpeg reads from the file: packets (`-c copy`) or decoded frames.
pub(crate) fn framemd5(path: &Path, before: &[&str], after: &[&str]) -> Vec<Line> {
    let mut arguments = vec!["-v", "warning", "-copyts"];
    arguments.extend(before);
    arguments.extend(["-i", path.to_str().expect("a UTF-8 path"), "-map", "0"]);
    arguments.extend(after);
    arguments.extend(["-f", "framemd5", "-"]);
    let output = run("ffmpeg", &arguments);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "ffmpeg on {}: {complaints}", path.display());
    let text = String::from_utf8(output.stdout).expect("text");
    let mut bases = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(base) = line.strip_prefix("#tb ") {
            let (_, ratio) = base.split_once(": ").expect("a time base");
            let (top, bottom) = ratio.split_once('/').expect("a ratio");
            bases.push(top.parse::<f64>().expect("a number") / bottom.parse::<f64>().expect("a number"));
        } else if !line.starts_with('#') {
            let fields: Vec<_> = line.split(',').map(str::trim).collect();
            let stream: usize = fields[0].parse().expect("a stream");
            let time = |index: usize| fields[index].parse::<f64>().expect("a time") * bases[stream];
            lines.push(Line {
                stream,
                dts: time(1),
                pts: time(2),
                duration: time(3),
                size: fields[4].parse().expect("a size"),
                hash: fields[5].to_owned(),
            });
        }
    }
    assert!(!lines.is_empty(), "ffmpeg found no frame in {}", path.display());
    lines
}

/// The same payloads per stream, and times that differ by one constant over all streams.
pub(crate) fn assert_same(source: &[Line], written: &[Line], what: &str) {
    const TICK: f64 = 0.000_1;
    let shift = written[0].pts - source.iter().find(|line| line.stream == written[0].stream).expect("a line").pts;
    for stream in 0..2 {
        let of = |lines: &[Line]| -> Vec<Line> { lines.iter().filter(|line| line.stream == stream).cloned().collect() };
        let (source, written) = (of(source), of(written));
        assert_eq!(source.len(), written.len(), "{what}: frames of stream {stream}");
        for (index, (a, b)) in source.iter().zip(&written).enumerate() {
            assert_eq!((a.size, &a.hash), (b.size, &b.hash), "{what}: stream {stream} frame {index}");
            assert!((b.pts - a.pts - shift).abs() < TICK, "{what}: pts of stream {stream} frame {index}: {a:?} {b:?}");
            // ffmpeg shifts the decode times of a file as a whole to make room for reordering.
            let (a_step, b_step) = (a.dts - source[0].dts, b.dts - written[0].dts);
            assert!((a_step - b_step).abs() < TICK, "{what}: dts of stream {stream} frame {index}: {a:?} {b:?}");
            assert!(
                // ffmpeg 5 tells no duration for Opus in fragments, and cuts the last one by the edit list.
                b.duration == 0.0 || index + 1 == source.len() || (a.duration - b.duration).abs() < TICK,
                "{what}: duration of stream {stream} frame {index}: {a:?} {b:?}"
            );
        }
    }
}

/// ffprobe has nothing to say about the file.
pub(crate) fn assert_clean(path: &Path) {
    let text = path.to_str().expect("a UTF-8 path");
    let output = run("ffprobe", &["-v", "warning", "-count_frames", "-show_streams", "-of", "compact", text]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "ffprobe on {}: {complaints}", path.display());
}
