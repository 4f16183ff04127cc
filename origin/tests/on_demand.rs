//! Commands that run while somebody watches.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{path::Path, time::Duration};

use common::{Running, patiently, sample_path, settings};
use origin::SourceSettings;
use tokio::time::sleep;

/// The process ids of all runs so far.
fn runs(file: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Whether the process still does anything; a zombie that nobody reaps does not.
fn is_running(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

async fn gone(process: u32) {
    patiently(async {
        while is_running(process) {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn command(then: &str, file: &Path, linger: Duration) -> SourceSettings {
    let command = format!("echo $$ >> {}; cat {}; {then}", file.display(), sample_path().display());
    SourceSettings::Command { command, paced: true, linger }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_viewer_starts_the_command_and_the_last_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let source = command("sleep 600", &file, Duration::from_millis(300));
    let origin = Running::start(settings(source)).await;
    sleep(Duration::from_millis(200)).await;
    assert!(runs(&file).is_empty(), "nobody watches yet");

    let viewer = origin.viewer().await;
    let catalog = viewer.catalog().await;
    let init = catalog.tracks.iter().find(|track| track.name == "video0").unwrap().init.clone().unwrap();
    let first = viewer.join("video0").await.frames(30, &init).await;
    let [process] = runs(&file)[..] else { panic!("one run") };
    assert!(is_running(process));
    // Others watch the same run, also after the first has left.
    let other = origin.viewer().await;
    let mut watched = other.join("video0").await;
    assert!(watched.next().await.is_some());
    drop(viewer);
    sleep(Duration::from_millis(600)).await;
    assert!(is_running(process) && runs(&file).len() == 1);
    drop(watched);
    drop(other);
    gone(process).await;

    let viewer = origin.viewer().await;
    viewer.catalog().await;
    let second = viewer.join("video0").await.frames(30, &init).await;
    assert_eq!(runs(&file).len(), 2);
    assert!(second[0].0.group > first[29].0.group, "no group id is used twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_dies_is_started_again_while_somebody_watches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let (runs_file, sample) = (file.display(), sample_path());
    // A second and a half of pictures, and then an end inside a frame.
    let command = format!("echo $$ >> {runs_file}; head -c 600000 {}; exit 1", sample.display());
    let linger = Duration::from_secs(10);
    let origin = Running::start(settings(SourceSettings::Command { command, paced: true, linger })).await;
    let viewer = origin.viewer().await;
    let catalog = viewer.catalog().await;
    let init = catalog.tracks.iter().find(|track| track.name == "video0").unwrap().init.clone().unwrap();
    let mut watched = viewer.join("video0").await;
    let frames = watched.frames(80, &init).await;
    assert!(runs(&file).len() >= 2);
    let times: Vec<u64> = frames.iter().map(|(_, frame)| frame.decode_time).collect();
    assert!(times.is_sorted(), "a restarted run goes on where the last one ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_outlives_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let source = command("sleep 600", &file, Duration::from_secs(600));
    let mut origin = Running::start(settings(source)).await;
    let viewer = origin.viewer().await;
    viewer.catalog().await;
    let [process] = runs(&file)[..] else { panic!("one run") };
    origin.shutdown.begin();
    patiently(&mut origin.task).await.unwrap();
    gone(process).await;
}
