//! The in-memory network itself, under a paused clock: no real time passes and the same seed gives the same run.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use transport::loopback::{LoopbackSettings, pair};
use transport::{Connection, ConnectionError, read_chunk, write_all};

const MS: Duration = Duration::from_millis(1);

fn connected(settings: LoopbackSettings) -> (Arc<dyn Connection>, Arc<dyn Connection>, JoinSet<()>) {
    let (near, far, driver) = pair(settings);
    let mut tasks = JoinSet::new();
    tasks.spawn(driver.run());
    (near, far, tasks)
}

/// Sends `bytes` on a new stream and says when the last of them was read.
async fn transfer(near: &Arc<dyn Connection>, far: &Arc<dyn Connection>, bytes: usize) -> Duration {
    let start = Instant::now();
    let mut send = near.open_uni().await.unwrap();
    let write = async {
        write_all(&mut *send, vec![3; bytes].into()).await.unwrap();
        send.finish().unwrap();
    };
    let read = async {
        let mut recv = far.accept_uni().await.unwrap();
        let mut total = 0;
        while let Some(chunk) = read_chunk(&mut *recv, 65_536).await.unwrap() {
            total += chunk.len();
        }
        total
    };
    let ((), total) = tokio::join!(write, read);
    assert_eq!(total, bytes);
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn latency_is_what_the_settings_say() {
    let (near, far, _tasks) = connected(LoopbackSettings { latency: 50 * MS, ..LoopbackSettings::default() });
    let took = transfer(&near, &far, 100).await;
    assert!((50 * MS..=52 * MS).contains(&took), "{took:?}");
    assert_eq!(near.stats().rtt, 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn bandwidth_paces_a_stream() {
    let settings = LoopbackSettings { bandwidth: Some(1_000_000), latency: 10 * MS, ..LoopbackSettings::default() };
    let (near, far, _tasks) = connected(settings);
    let took = transfer(&near, &far, 125_000).await;
    assert!((1005 * MS..=1030 * MS).contains(&took), "{took:?}");
}

async fn lossy_run(seed: u64) -> (Vec<Duration>, Vec<u8>, u64) {
    let settings =
        LoopbackSettings { latency: 20 * MS, jitter: 5 * MS, loss: 0.2, seed, ..LoopbackSettings::default() };
    let (near, far, _tasks) = connected(settings);
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(transfer(&near, &far, 20_000).await);
    }
    for n in 0..100 {
        near.send_datagram(Bytes::from(vec![n])).unwrap();
    }
    let mut arrived = Vec::new();
    while let Ok(datagram) = timeout(200 * MS, far.read_datagram()).await {
        arrived.push(datagram.unwrap()[0]);
    }
    (times, arrived, near.stats().lost_packets)
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let first = lossy_run(1).await;
    assert_eq!(first, lossy_run(1).await);
    assert_ne!(first, lossy_run(2).await);
}

#[tokio::test(start_paused = true)]
async fn loss_delays_streams_and_swallows_datagrams() {
    let (times, arrived, lost) = lossy_run(3).await;
    assert!(times.iter().any(|took| *took >= 70 * MS), "a retransmission costs a round trip: {times:?}");
    assert!((60..=95).contains(&arrived.len()), "{} of 100 datagrams", arrived.len());
    assert!(lost >= 10, "{lost}");
}

#[tokio::test(start_paused = true)]
async fn the_urgent_stream_overtakes() {
    let (near, far, _tasks) =
        connected(LoopbackSettings { bandwidth: Some(1_000_000), latency: MS, ..LoopbackSettings::default() });
    let mut slow = near.open_uni().await.unwrap();
    slow.set_priority(1);
    write_all(&mut *slow, vec![1; 100_000].into()).await.unwrap();
    slow.finish().unwrap();
    let mut urgent = near.open_uni().await.unwrap();
    urgent.set_priority(2);
    write_all(&mut *urgent, vec![2; 10_000].into()).await.unwrap();
    urgent.finish().unwrap();
    let mut ends = Vec::new();
    let mut reads = JoinSet::new();
    for _ in 0..2 {
        let mut recv = far.accept_uni().await.unwrap();
        reads.spawn(async move {
            let mut first = None;
            while let Some(chunk) = read_chunk(&mut *recv, 65_536).await.unwrap() {
                first.get_or_insert(chunk[0]);
            }
            first
        });
    }
    while let Some(first) = reads.join_next().await {
        ends.push(first.unwrap().unwrap());
    }
    assert_eq!(ends, [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn total_loss_still_ends() {
    // Total loss up to the retransmission limit: each packet needs all of them, and still arrives.
    let (near, far, _tasks) = connected(LoopbackSettings { loss: 1.0, latency: MS, ..LoopbackSettings::default() });
    let took = transfer(&near, &far, 1000).await;
    assert!(took >= 90 * MS, "{took:?}");
    assert!(timeout(Duration::from_secs(5), far.read_datagram()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_with_both_closed_and_cuts_when_dropped() {
    let (near, far, driver) = pair(LoopbackSettings::default());
    near.close(1, "done");
    timeout(Duration::from_secs(1), driver.run()).await.unwrap();
    assert_eq!(far.closed().await, ConnectionError::Closed { code: 1, reason: "done".into() });

    let (near, far, driver) = pair(LoopbackSettings::default());
    drop(driver);
    assert!(matches!(near.closed().await, ConnectionError::Transport(_)));
    assert!(matches!(far.open_uni().await, Err(ConnectionError::Transport(_))));
}
