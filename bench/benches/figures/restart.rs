//! The origin is killed and started again under 20 viewers: all go on by themselves.

use std::time::{Duration, Instant};

use bench::{Failure, Viewer, demo_track, percentile};

use crate::scene::{Scene, start_origin};

const VIEWERS: usize = 20;
const TIME: Duration = Duration::from_secs(12);

pub(crate) async fn run() -> Result<(), Failure> {
    let mut scene = Scene::start(1, 5000).await?;
    let track = demo_track("video0")?;
    let mut tasks = Vec::new();
    for _ in 0..VIEWERS {
        let viewer = Viewer::dial(&scene.client, &scene.address()?).await?;
        let track = track.clone();
        tasks.push(tokio::spawn(async move { viewer.watch(&track, TIME).await }));
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let killed = Instant::now();
    scene.origin.kill().await?;
    scene.origin = start_origin(scene.origin_port)?;
    let down = killed.elapsed();
    let mut gaps = Vec::new();
    let mut resumed = 0;
    for task in tasks {
        let watched = task.await??;
        gaps.push(watched.longest_gap);
        // Four seconds before the restart are about 120 frames; whoever saw many more went on.
        resumed += usize::from(watched.objects > 200);
    }
    let (p50, worst) = (percentile(&mut gaps, 50), percentile(&mut gaps, 100));
    println!("origin killed and restarted after {down:.0?}: {resumed} of {VIEWERS} viewers went on");
    println!("  gap between frames            p50 {p50:>9.0?}  max {worst:>9.0?}");
    if resumed < VIEWERS { Err("some viewers did not resume".into()) } else { Ok(()) }
}
