//! Without a viewer nothing is packaged or sent. A test binary of its own: it reads the process's counters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::Duration;

use common::{Running, settings};
use origin::SourceSettings;
use process::Metrics;
use tokio::time::sleep;

fn counter(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.render();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_become_objects_only_while_somebody_watches() {
    const FRAMES: &str = "efir_origin_frames_total";
    const PACKAGED: &str = "efir_origin_packaged_total";
    let metrics = Metrics::install().unwrap();
    let origin = Running::start(settings(SourceSettings::Sample { once: false })).await;
    let viewer = origin.viewer().await;
    sleep(Duration::from_millis(500)).await;
    assert!(counter(&metrics, FRAMES) > 10, "the source runs");
    assert_eq!(counter(&metrics, PACKAGED), 0, "a session alone is no demand");

    let mut video = viewer.join("video0").await;
    for _ in 0..20 {
        video.next().await.unwrap();
    }
    assert!(counter(&metrics, PACKAGED) >= 20);
    assert_eq!(counter(&metrics, "efir_origin_subscriptions"), 1);
    drop(video);
    while counter(&metrics, "efir_origin_subscriptions") > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let (frames, packaged) = (counter(&metrics, FRAMES), counter(&metrics, PACKAGED));
    sleep(Duration::from_millis(300)).await;
    assert!(counter(&metrics, FRAMES) > frames);
    assert_eq!(counter(&metrics, PACKAGED), packaged);
}
