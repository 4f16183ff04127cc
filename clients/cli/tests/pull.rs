//! The real binary against a small publisher: what is received, what is lost and said so, exit codes.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use media::{Demuxer, Frame, MediaEvent, Packaging};
use serde_json::Value;

use common::{GROUP, PAST, Publisher, Script, finish};

/// The frames of a file, by track, video first.
fn frames(bytes: &[u8]) -> Vec<Vec<Frame>> {
    let mut demuxer = Demuxer::new();
    demuxer.push(bytes);
    let mut tracks = Vec::new();
    while let Some(event) = demuxer.next().unwrap() {
        match event {
            MediaEvent::Tracks(infos) => tracks = vec![Vec::new(); infos.len()],
            MediaEvent::Frame(frame) => tracks[frame.track as usize - 1].push(frame),
        }
    }
    demuxer.finish().unwrap();
    tracks
}

fn file_frames(path: &Path) -> Vec<Vec<Frame>> {
    frames(&std::fs::read(path).unwrap())
}

/// The publisher's number of a frame.
fn number(frame: &Frame) -> u64 {
    u64::from_be_bytes(frame.payload[1..9].try_into().unwrap())
}

fn numbers(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(number).collect()
}

fn ascending_times(frames: &[Frame]) -> bool {
    frames.is_sorted_by(|a, b| a.decode_time < b.decode_time)
}

fn summary(output: &[u8]) -> Value {
    let text = String::from_utf8(output.to_vec()).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("no output"));
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn consecutive(numbers: &[u64]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_exactly_the_frames_asked_for_in_every_packaging() {
    for packaging in [Packaging::Cmaf, Packaging::Loc, Packaging::Legacy] {
        let publisher = Publisher::start(Script { packaging, ..Script::default() }).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.mp4");
        let output = publisher.run("pull", &["--frames", "25", "--json", "-o", file.to_str().unwrap()]).await;
        assert_eq!(code(&output), 0, "{packaging:?}: {}", stderr(&output));
        let tracks = file_frames(&file);
        assert_eq!(tracks.len(), 2);
        let (video, audio) = (&tracks[0], &tracks[1]);
        assert_eq!(video.len(), 25, "{packaging:?}");
        assert!(video[0].keyframe && number(&video[0]).is_multiple_of(GROUP) && video[0].decode_time == 0);
        assert!(consecutive(&numbers(video)) && consecutive(&numbers(audio)), "{packaging:?}");
        assert!(audio.len().abs_diff(25) <= 2, "{packaging:?}: {} sounds", audio.len());
        let summary = summary(&output.stdout);
        assert_eq!((&summary["type"], &summary["leader_frames"]), (&"summary".into(), &25.into()));
        assert!(summary["tune_in_ms"].as_f64().unwrap() < 2000.0);
        assert_eq!(
            (&summary["skipped_groups"], &summary["gaps"], &summary["unreadable_objects"]),
            (&0.into(), &0.into(), &0.into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_tell_where_the_time_went() {
    let publisher = Publisher::start(Script { stamp: true, ..Script::default() }).await;
    let output = publisher.run("pull", &["--frames", "25", "--json"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let delay = &summary(&output.stdout)["delay"];
    let stages = delay["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["origin", "link 1", "relay 1", "link 2", "receive"]);
    let milliseconds = |value: &Value, key: &str| value[key].as_f64().unwrap();
    let p50: Vec<_> = stages.iter().map(|stage| milliseconds(stage, "p50_ms")).collect();
    assert_eq!(p50[..3], [1.5, 4.0, 0.25]);
    assert_eq!(milliseconds(&stages[1], "uncertainty_ms"), 0.5);
    let open = milliseconds(&stages[3], "uncertainty_ms");
    assert!(open > 0.0 && open < 1000.0 && p50[3] >= 0.0 && p50[4] >= 0.0, "{delay}");
    assert!((milliseconds(&delay["total"], "uncertainty_ms") - open - 0.5).abs() < 0.001, "{delay}");
    assert!(milliseconds(&delay["total"], "p99_ms") >= milliseconds(&delay["total"], "p50_ms"));
    assert_eq!(delay["capture_known"], Value::Bool(true));
    let text = stderr(&publisher.run("pull", &["--frames", "12"]).await);
    assert!(text.contains("delay since capture p50") && text.contains("relay 1 0.2"), "{text}");
    let plain = Publisher::start(Script::default()).await;
    let output = plain.run("pull", &["--frames", "12", "--json"]).await;
    assert_eq!(summary(&output.stdout).get("delay"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_is_the_video_alone_and_a_closed_pipe_is_enough() {
    let publisher = Publisher::start(Script::default()).await;
    let output = publisher.run("pull", &["--duration", "300ms", "--json", "-o", "-"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let tracks = frames(&output.stdout);
    assert_eq!(tracks[0].len(), 15);
    assert_eq!(summary(&output.stderr)["complete"], Value::Bool(true));
    let mut child = publisher.efir("pull", &["-o", "-"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let taken = tokio::task::spawn_blocking(move || std::io::Read::read_exact(&mut stdout, &mut [0; 1000]));
    taken.await.unwrap().unwrap();
    assert_eq!(code(&finish(child).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn now_begins_with_the_next_group_and_a_number_with_that_one() {
    let publisher = Publisher::start(Script::default()).await;
    let output = publisher.run("pull", &["--from", "now", "--track", "video0", "--frames", "12", "-o", "-"]).await;
    let video = frames(&output.stdout).remove(0);
    assert_eq!((code(&output), video.len(), number(&video[0]) % GROUP), (0, 12, 0), "{}", stderr(&output));
    // Far enough back to be fetched first, then joined.
    let frames_wanted = ((PAST - 5) * GROUP + 40).to_string();
    let output =
        publisher.run("pull", &["--from", "5", "--track", "video0", "--frames", &frames_wanted, "-o", "-"]).await;
    let video = frames(&output.stdout).remove(0);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!((number(&video[0]), video.len().to_string()), (5 * GROUP, frames_wanted));
    assert!(consecutive(&numbers(&video)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_group_is_skipped_and_counted() {
    let lost = PAST + 8;
    let publisher = Publisher::start(Script { reset_group: Some(lost), ..Script::default() }).await;
    let output = publisher.run("pull", &["--track", "video0", "--duration", "3s", "--json", "-o", "-"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let video = frames(&output.stdout).remove(0);
    let numbers = numbers(&video);
    assert!(numbers.contains(&(lost * GROUP + 2)) && !numbers.contains(&(lost * GROUP + 3)), "{numbers:?}");
    let after = numbers.iter().position(|number| *number > lost * GROUP + 2).unwrap();
    assert!(video[after].keyframe && numbers[after] == (lost + 1) * GROUP);
    assert_eq!(summary(&output.stderr)["skipped_groups"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_replaced_and_the_file_goes_on() {
    let publisher = Publisher::start(Script { close_at: Some(PAST + 8), ..Script::default() }).await;
    let output = publisher.run("pull", &["--frames", "150", "--json", "-o", "-"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let tracks = frames(&output.stdout);
    assert_eq!(tracks[0].len(), 150);
    assert!(tracks.iter().all(|track| ascending_times(track)));
    // The missed frames were still to be had: nothing is lost.
    assert!(consecutive(&numbers(&tracks[0])), "{:?}", numbers(&tracks[0]));
    assert_eq!(summary(&output.stderr)["reconnects"], 1);
    assert_eq!(publisher.sessions.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_came_back_with_other_numbers_is_followed() {
    let script = Script { close_at: Some(PAST + 8), renumber: 1_000_000, ..Script::default() };
    let publisher = Publisher::start(script).await;
    let output = publisher.run("pull", &["--frames", "150", "--json", "-o", "-"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let video = frames(&output.stdout).remove(0);
    assert!(video.len() == 150 && ascending_times(&video));
    let summary = summary(&output.stderr);
    assert_eq!(
        (&summary["leaps"], &summary["skipped_groups"]),
        (&2.into(), &0.into()),
        "one for each track: {summary}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_follows_writing_and_a_pause_loses_nothing_within_the_windows() {
    let publisher = Publisher::start(Script::default()).await;
    let arguments = ["--track", "video0", "--from", "5", "--frames", "200", "-o", "-"];
    let mut child = publisher.efir("pull", &arguments).spawn().unwrap();
    // All but the last second is past and comes at once, more than the pipe holds.
    let stdout = child.stdout.take();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(child.try_wait().unwrap().is_none(), "efir must wait for its reader");
    child.stdout = stdout;
    let output = finish(child).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let video = frames(&output.stdout).remove(0);
    assert!(video.len() == 200 && output.stdout.len() > 70_000 && consecutive(&numbers(&video)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reconnect_ends_with_what_there_is() {
    let publisher = Publisher::start(Script { close_at: Some(PAST + 8), ..Script::default() }).await;
    let output = publisher.run("pull", &["--no-reconnect", "--frames", "500", "-o", "-"]).await;
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("was lost"), "{}", stderr(&output));
    assert!(frames(&output.stdout)[0].len() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn s20_goaway_moves_without_losing_a_frame() {
    let begin = tokio::time::Instant::now();
    let new = Publisher::start_at(Script::default(), begin).await;
    let uri = format!("moqt://127.0.0.1:{}/live/demo", new.port);
    let old = Publisher::start_at(Script { go_away_at: Some((PAST + 8, uri)), ..Script::default() }, begin).await;
    let output = old.run("pull", &["--frames", "150", "--json", "-o", "-", "--certificate-hash", &new.hash]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let tracks = frames(&output.stdout);
    assert!(consecutive(&numbers(&tracks[0])) && consecutive(&numbers(&tracks[1])), "{:?}", numbers(&tracks[0]));
    let summary = summary(&output.stderr);
    assert_eq!((&summary["reconnects"], &summary["skipped_groups"]), (&1.into(), &0.into()));
    assert_eq!(new.sessions.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_whose_times_begin_anew_gives_one_even_timeline() {
    let publisher = Publisher::start(Script { restart_at: Some(PAST + 8), ..Script::default() }).await;
    let output = publisher.run("pull", &["--frames", "150", "-o", "-"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let tracks = frames(&output.stdout);
    assert_eq!(tracks[0].len(), 150);
    for track in &tracks {
        let steps: Vec<_> = track.windows(2).map(|pair| pair[1].decode_time - pair[0].decode_time).collect();
        assert!(steps.iter().all(|step| *step <= 3 * steps[0]), "{steps:?}");
    }
    assert!(consecutive(&numbers(&tracks[0])));
}

#[tokio::test(flavor = "multi_thread")]
async fn webtransport_and_an_msf_url_lead_to_the_same_broadcast() {
    let publisher = Publisher::start(Script::default()).await;
    let web = format!("https://127.0.0.1:{}/live/demo", publisher.port);
    let msf = format!("moqt://127.0.0.1:{}/?x=1#msf:live-demo--catalog", publisher.port);
    for url in [web, msf] {
        let child = publisher.efir_at(&url, "pull", &["--frames", "20", "-o", "-"]).spawn().unwrap();
        let output = finish(child).await;
        assert_eq!(code(&output), 0, "{url}: {}", stderr(&output));
        assert_eq!(frames(&output.stdout)[0].len(), 20);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn watching_goes_on_until_it_is_stopped() {
    let publisher = Publisher::start(Script::default()).await;
    let mut child = publisher.efir("ls", &["live", "--watch", "--json"]).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(child.try_wait().unwrap().is_none());
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = finish(child).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(summary(&output.stdout)["namespace"], "live/demo");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn signals_leave_a_playable_file() {
    for signal in ["-INT", "-TERM"] {
        let publisher = Publisher::start(Script::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.mp4");
        let child = publisher.efir("pull", &["-o", file.to_str().unwrap()]).spawn().unwrap();
        let pid = child.id().to_string();
        let large = async {
            while std::fs::metadata(&file).map_or(0, |meta| meta.len()) < 20_000 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), large).await.unwrap();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let output = finish(child).await;
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(stderr(&output).contains("received "), "{}", stderr(&output));
        let tracks = file_frames(&file);
        assert!(tracks[0].len() >= 10 && consecutive(&numbers(&tracks[0])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_broadcast_is_no_error_unless_more_was_asked_for() {
    let end = PAST + 10;
    let publisher = Publisher::start(Script { end_at: Some(end), ..Script::default() }).await;
    let output = publisher.run("pull", &["-o", "-"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let tracks = frames(&output.stdout);
    assert_eq!(number(tracks[0].last().unwrap()), end * GROUP - 1);
    assert_eq!(number(tracks[1].last().unwrap()), end * GROUP - 1);
    let publisher = Publisher::start(Script { end_at: Some(end), ..Script::default() }).await;
    let output = publisher.run("pull", &["--frames", "5000"]).await;
    assert_eq!(code(&output), 5);
    assert!(stderr(&output).contains("of 5000 frames"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_exit_codes_and_say_what_to_do() {
    let publisher = Publisher::start(Script::default()).await;
    let other = publisher.run("pull", &["--namespace", "live/nothing"]).await;
    assert_eq!(code(&other), 4);
    assert!(stderr(&other).contains("nobody publishes live/nothing at moqt://127.0.0.1"), "{}", stderr(&other));
    let track = publisher.run("pull", &["--track", "video7"]).await;
    assert_eq!((code(&track), stderr(&track).contains("there are: audio0, video0")), (4, true), "{}", stderr(&track));
    assert_eq!(code(&publisher.run("pull", &["--raw", "--track", "a", "--track", "b"]).await), 2);
    assert_eq!(code(&publisher.run("pull", &["--frames", "x"]).await), 2);
    assert_eq!(code(&publisher.run("pull", &["--frames", "5", "-o", "/nonexistent/x.mp4"]).await), 1);
    let stranger = Command::new(env!("CARGO_BIN_EXE_efir"))
        .args(["pull", &publisher.url(), "--certificate-hash", &"00".repeat(32)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let stranger = finish(stranger.unwrap()).await;
    assert_eq!((code(&stranger), stderr(&stranger).contains("--certificate-hash")), (3, true), "{}", stderr(&stranger));
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_brings_whole_groups_and_tells_what_is_missing() {
    let publisher = Publisher::start(Script::default()).await;
    let output = publisher.run("fetch", &["--track", "video0", "--groups", "3..5", "-o", "-"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(numbers(&frames(&output.stdout)[0]), (3 * GROUP..6 * GROUP).collect::<Vec<_>>());
    let output = publisher.run("fetch", &["--track", "catalog", "--groups", "0", "--raw", "-o", "-"]).await;
    let catalog: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), catalog["tracks"][1]["name"].as_str()), (0, Some("video0")));
    let output = publisher.run("fetch", &["--track", "video0", "--groups", "3..999999"]).await;
    assert_eq!((code(&output), stderr(&output).contains("only groups 3 to")), (5, true), "{}", stderr(&output));
    let output = publisher.run("fetch", &["--track", "video0", "--groups", "999999"]).await;
    assert_eq!((code(&output), stderr(&output).contains("INVALID_RANGE")), (4, true), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_and_info_show_what_is_there() {
    let publisher = Publisher::start(Script::default()).await;
    let output = publisher.run("ls", &["live", "--json"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&listed["namespace"], &listed["catalogs"][0]), (&"live/demo".into(), &"msf".into()));
    assert_eq!((&listed["tracks"][1]["name"], &listed["tracks"][1]["kind"]), (&"video0".into(), &"video".into()));
    let text = publisher.run("ls", &["live"]).await;
    assert!(String::from_utf8_lossy(&text.stdout).starts_with("live/demo  (msf)\n  audio0"), "{text:?}");
    let output = publisher.run("info", &["--json"]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&facts["transport"], &facts["version"], &facts["namespace"]),
        (&"QUIC".into(), &"moqt-18".into(), &"live/demo".into())
    );
    assert!(
        facts["implementation"].as_str().unwrap().starts_with("efir/") && facts["handshake_ms"].as_f64().unwrap() > 0.0
    );
    assert_eq!(facts["catalogs"][0]["catalog"]["tracks"][0]["name"], "audio0");
    assert!(facts["live_edges"][1]["group"].as_u64().unwrap() >= PAST);
}
