//! One relay, 200 viewers of the clip's video for 60 s: nothing missing, and what it costs.

use std::time::Duration;

use bench::{Failure, Viewer, Watched, demo_track, metric};
use process::Usage;

use crate::scene::Scene;

const VIEWERS: usize = 200;
const TIME: Duration = Duration::from_secs(60);

pub(crate) async fn run() -> Result<(), Failure> {
    let scene = Scene::start(1, 5000).await?;
    let last = scene.relays.last().ok_or("no relay")?;
    let relay = last.process.id();
    let track = demo_track("video0")?;
    let before = Usage::of(relay)?;
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        viewers.push(Viewer::dial(&scene.client, &scene.address()?).await?);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = Usage::of(relay)?;
    let mut tasks = Vec::new();
    for viewer in viewers {
        let track = track.clone();
        tasks.push(tokio::spawn(async move { viewer.watch(&track, TIME).await }));
    }
    let begun = Usage::of(relay)?;
    tokio::time::sleep(TIME - Duration::from_secs(2)).await;
    let active = Usage::of(relay)?;
    let upstreams = metric(last.http, "efir_relay_upstream_subscriptions").await?;
    let mut total = Watched::default();
    for task in tasks {
        let watched = task.await??;
        total.objects += watched.objects;
        total.bytes += watched.bytes;
        total.faults += watched.faults;
        total.missing_groups += watched.missing_groups;
        total.longest_gap = total.longest_gap.max(watched.longest_gap);
    }
    let after = Usage::of(relay)?;
    let cpu = (after.cpu - begun.cpu).as_secs_f64();
    let gigabytes = total.bytes as f64 / 1e9;
    println!("{VIEWERS} viewers for {TIME:?}: {} frames, {gigabytes:.2} GB", total.objects);
    println!("  missing or out of order       {} frames, {} groups", total.faults, total.missing_groups);
    println!("  upstream subscriptions        {upstreams}");
    println!("  longest gap between frames    {:.0?}", total.longest_gap);
    println!(
        "  relay CPU                     {:.1} % of a core, {:.2} CPU-s/GB",
        cpu / TIME.as_secs_f64() * 100.0,
        cpu / gigabytes
    );
    let per_viewer = |rss: u64| rss.saturating_sub(before.rss) / VIEWERS as u64 / 1024;
    println!(
        "  relay RSS per viewer          idle {} KiB, active {} KiB",
        per_viewer(idle.rss),
        per_viewer(active.rss)
    );
    if upstreams != 1.0 {
        return Err("more than one upstream subscription".into());
    }
    if total.faults + total.missing_groups > 0 { Err("frames were lost".into()) } else { Ok(()) }
}
