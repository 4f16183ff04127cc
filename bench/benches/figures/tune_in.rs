//! From SUBSCRIBE to the first whole frame, joining mid-group: the first and the hundredth viewer, over 1 and 3 relays.

use std::time::Duration;

use bench::{Failure, Viewer, demo_track, percentile};

use crate::scene::Scene;

const JOINS: u32 = 100;
const OTHERS: usize = 99;

pub(crate) async fn run() -> Result<(), Failure> {
    for hops in [1, 3] {
        first(hops).await?;
        hundredth(hops).await?;
    }
    Ok(())
}

/// Nobody watches: every relay of the chain subscribes upstream for this viewer.
async fn first(hops: usize) -> Result<(), Failure> {
    let scene = Scene::start(hops, 0).await?;
    let track = demo_track("video0")?;
    let viewer = Viewer::dial(&scene.client, &scene.address()?).await?;
    let mut times = Vec::new();
    for round in 0..JOINS {
        let (time, joined) = viewer.tune_in(&track).await?;
        times.push(time);
        drop(joined);
        // Long enough for the whole chain to let go; uneven, so that joins fall anywhere in a group.
        tokio::time::sleep(Duration::from_millis(60 + u64::from(round * 37 % 101))).await;
    }
    report("first", hops, &mut times);
    Ok(())
}

/// Ninety-nine others watch.
async fn hundredth(hops: usize) -> Result<(), Failure> {
    let scene = Scene::start(hops, 1000).await?;
    let track = demo_track("video0")?;
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        let viewer = Viewer::dial(&scene.client, &scene.address()?).await?;
        let track = track.clone();
        others.push(tokio::spawn(async move { viewer.watch(&track, Duration::from_secs(600)).await.is_ok() }));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let viewer = Viewer::dial(&scene.client, &scene.address()?).await?;
    let mut times = Vec::new();
    for round in 0..JOINS {
        let (time, joined) = viewer.tune_in(&track).await?;
        times.push(time);
        drop(joined);
        tokio::time::sleep(Duration::from_millis(20 + u64::from(round * 37 % 101))).await;
    }
    others.iter().for_each(tokio::task::JoinHandle::abort);
    report("100th", hops, &mut times);
    Ok(())
}

fn report(which: &str, hops: usize, times: &mut [Duration]) {
    let (p50, p99) = (percentile(times, 50), percentile(times, 99));
    println!("tune-in, {which:>5} viewer, {hops} hop(s)  p50 {p50:>9.2?}  p99 {p99:>9.2?}  ({} joins)", times.len());
}
