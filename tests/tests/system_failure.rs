//! What breaks, and how it heals: lost origins and relays, loops, slow viewers, shutdown.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::time::Duration;

use moqt::{Parameters, PublishDoneCode, RequestErrorCode};
use relay::RelaySettings;
use tests::system::{
    Arrival, Frames, Publisher, RunningRelay, Viewer, at, chain, free_port, http_get, metric, settings, track, until,
    upstream, within,
};
use tokio::time::Instant;
use transport::RequestFailure;

const TRACK: &str = "live-demo--video0";

async fn watching(address: std::net::SocketAddr, count: usize) -> Vec<(Viewer, Frames)> {
    let mut viewers = Vec::new();
    for _ in 0..count {
        let viewer = Viewer::over_quic(address).await;
        let frames = viewer.join(&track(TRACK), 0).await.unwrap();
        viewers.push((viewer, frames));
    }
    viewers
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_viewers_resume_by_themselves_when_the_source_comes_back() {
    let first = Publisher::default();
    let before = first.track(TRACK);
    before.groups([100], 5);
    let source = first.listen().await;
    let address = source.address;
    let relays = chain(address, 2).await;
    let mut viewers = watching(relays[1].address, 20).await;
    for (_, frames) in &mut viewers {
        frames.up_to(at(100, 4)).await;
    }
    source.kill().await;
    let second = Publisher::default();
    let after = second.track(TRACK);
    after.groups([101], 5);
    let _source = second.listen_at(address).await;
    for (_, frames) in &mut viewers {
        let expected: Vec<_> = (0..5).map(|object| at(101, object)).collect();
        assert_eq!(frames.up_to(at(101, 4)).await, expected);
    }
    assert_eq!(after.subscribes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_resume_when_the_relay_above_theirs_is_restarted() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1], 5);
    let source = publisher.listen().await;
    let upper = RunningRelay::below(&[source.address]).await;
    let address = upper.address;
    let lower = RunningRelay::below(&[address]).await;
    let mut viewers = watching(lower.address, 5).await;
    for (_, frames) in &mut viewers {
        frames.up_to(at(1, 4)).await;
    }
    upper.kill().await;
    track.frame(at(1, 5), 100);
    let _upper = RunningRelay::start(RelaySettings {
        listen: vec![address],
        upstream: vec![upstream(source.address)],
        ..settings()
    })
    .await;
    // Nothing of the group is lost: what came meanwhile is fetched.
    for (_, frames) in &mut viewers {
        assert_eq!(frames.frame().await, at(1, 5));
    }
    track.groups([2], 2);
    for (_, frames) in &mut viewers {
        assert_eq!(frames.up_to(at(2, 1)).await, [at(2, 0), at(2, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_a_publisher_that_stays_away_are_let_go() {
    let publisher = Publisher::default();
    publisher.track(TRACK).groups([1], 1);
    let source = publisher.listen().await;
    let relay =
        RunningRelay::start(RelaySettings { upstream: vec![upstream(source.address)], resume_ms: 300, ..settings() })
            .await;
    let mut viewers = watching(relay.address, 3).await;
    for (_, frames) in &mut viewers {
        assert_eq!(frames.frame().await, at(1, 0));
    }
    source.kill().await;
    for (_, frames) in &mut viewers {
        assert_eq!(frames.end().await, Arrival::Done(PublishDoneCode::InternalError));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_counts_anew_ends_old_viewers_and_serves_new_ones() {
    let first = Publisher::default();
    first.track(TRACK).groups([1000], 2);
    let source = first.listen().await;
    let address = source.address;
    let relay = RunningRelay::below(&[address]).await;
    let mut viewers = watching(relay.address, 1).await;
    viewers[0].1.up_to(at(1000, 1)).await;
    source.kill().await;
    let second = Publisher::default();
    second.track(TRACK).groups([3], 2);
    let _source = second.listen_at(address).await;
    assert_eq!(viewers[0].1.end().await, Arrival::Done(PublishDoneCode::InternalError));
    let mut again = watching(relay.address, 1).await;
    assert_eq!(again[0].1.up_to(at(3, 1)).await, [at(3, 0), at(3, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_in_a_circle_refuse_quickly() {
    for length in [2, 3] {
        let addresses: Vec<_> = (0..length).map(|_| free_port()).collect();
        let mut relays = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let above = addresses[(index + 1) % length];
            let settings = RelaySettings { listen: vec![*address], upstream: vec![upstream(above)], ..settings() };
            relays.push(RunningRelay::start(settings).await);
        }
        for relay in &relays {
            until("the relay is ready", async || http_get(relay.http, "/readyz").await.status == 200).await;
        }
        for relay in &relays {
            let viewer = Viewer::over_quic(relay.address).await;
            let asked = Instant::now();
            match viewer.join(&track(TRACK), 0).await {
                Err(RequestFailure::Refused(error)) => assert_eq!(error.code, RequestErrorCode::DoesNotExist),
                other => panic!("{other:?}"),
            }
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?} in a circle of {length}", asked.elapsed());
            assert!(viewer.fetch(&track(TRACK), at(1, 0), at(1, 0)).await.is_err());
        }
        // What is published inside the circle is watched all around it.
        let publisher = Publisher::default();
        let published = publisher.track(TRACK);
        published.groups([5], 3);
        let dialed = publisher.dial(relays[0].address).await;
        let _announced = dialed.announce(tests::system::namespace("live")).await;
        for relay in &relays {
            let viewer = Viewer::over_quic(relay.address).await;
            let mut frames = viewer.join(published.name(), 0).await.unwrap();
            assert_eq!(frames.up_to(at(5, 2)).await.len(), 3);
        }
        assert_eq!(published.subscribes(), 1);
        for relay in relays {
            relay.kill().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_in_a_circle_that_open_the_same_track_at_once_do_not_wait_for_each_other_for_ever() {
    let addresses = [free_port(), free_port()];
    let mut relays = Vec::new();
    for (own, above) in [(0, 1), (1, 0)] {
        let upstream = vec![upstream(addresses[above])];
        relays.push(RunningRelay::start(RelaySettings { listen: vec![addresses[own]], upstream, ..settings() }).await);
    }
    for relay in &relays {
        until("the relay is ready", async || http_get(relay.http, "/readyz").await.status == 200).await;
    }
    let viewers = [Viewer::over_quic(addresses[0]).await, Viewer::over_quic(addresses[1]).await];
    let (name, asked) = (track(TRACK), Instant::now());
    let (first, second) = tokio::join!(viewers[0].join(&name, 0), viewers[1].join(&name, 0));
    assert!(first.is_err() && second.is_err());
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_leaves_feeds_the_relays_below_to_the_last() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1], 2);
    let source = publisher.listen().await;
    let above = vec![upstream(source.address)];
    let upper = RunningRelay::start(RelaySettings { upstream: above.clone(), drain_ms: 1000, ..settings() }).await;
    let address = upper.address;
    let lower = RunningRelay::below(&[address]).await;
    let mut viewers = watching(lower.address, 2).await;
    for (_, frames) in &mut viewers {
        frames.up_to(at(1, 1)).await;
    }
    upper.shutdown.begin();
    until("the lower relay knows", async || http_get(lower.http, "/readyz").await.status == 503).await;
    track.groups([2], 2);
    for (_, frames) in &mut viewers {
        assert_eq!(frames.up_to(at(2, 1)).await, [at(2, 0), at(2, 1)], "while the upper relay drains");
    }
    upper.stopped().await;
    let _upper = RunningRelay::start(RelaySettings { listen: vec![address], upstream: above, ..settings() }).await;
    until("the lower relay is back", async || http_get(lower.http, "/readyz").await.status == 200).await;
    track.groups([3], 2);
    for (_, frames) in &mut viewers {
        assert_eq!(frames.up_to(at(3, 1)).await, [at(3, 0), at(3, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_never_reads_costs_only_itself() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let source = publisher.listen().await;
    let mut small = RelaySettings { upstream: vec![upstream(source.address)], ..settings() };
    (small.memory.limit_bytes, small.memory.cache_bytes, small.memory.track_bytes) = (16 << 20, 8 << 20, 8 << 20);
    let relay = RunningRelay::start(small).await;
    track.frame(at(1, 0), 1000);
    let stuck = Viewer::over_quic(relay.address).await;
    // Streams arrive and nobody reads them: flow control stops the relay.
    let unread = within(stuck.session.subscribe(track.name().clone(), Parameters::default())).await.unwrap();
    let mut viewers = watching(relay.address, 3).await;
    let skipped = metric("efir_relay_skipped_groups_total");
    let mut slowest = Duration::ZERO;
    for group in 2..30 {
        for object in 0..10 {
            track.frame(at(group, object), 100_000);
        }
        let began = Instant::now();
        for (_, frames) in &mut viewers {
            let expected: Vec<_> = (0..10).map(|object| at(group, object)).collect();
            let seen = frames.up_to(at(group, 9)).await;
            assert_eq!(seen.into_iter().filter(|place| place.group == group).collect::<Vec<_>>(), expected);
        }
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "others waited {slowest:?}");
    assert!(metric("efir_relay_skipped_groups_total") > skipped, "skipped groups are counted");
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_says_goodbye_and_closes_at_the_deadline() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1], 2);
    let source = publisher.listen().await;
    let relay =
        RunningRelay::start(RelaySettings { upstream: vec![upstream(source.address)], drain_ms: 600, ..settings() })
            .await;
    let mut viewers = watching(relay.address, 2).await;
    viewers[0].1.up_to(at(1, 1)).await;
    assert_eq!(http_get(relay.http, "/readyz").await.status, 200);
    let (http, shutdown) = (relay.http, relay.shutdown.clone());
    let began = Instant::now();
    shutdown.begin();
    for (viewer, _) in &viewers {
        within(viewer.session.goaway_received()).await;
    }
    assert_eq!(http_get(http, "/readyz").await.status, 503);
    assert_eq!(http_get(http, "/healthz").await.status, 200);
    // Served to the last.
    track.frame(at(1, 2), 100);
    assert_eq!(viewers[0].1.frame().await, at(1, 2));
    let (leaving, _) = viewers.remove(0);
    drop(leaving);
    let stopped = tokio::spawn(relay.stopped());
    within(viewers[0].0.session.closed()).await;
    let lasted = began.elapsed();
    assert!(lasted >= Duration::from_millis(500) && lasted < Duration::from_secs(2), "closed after {lasted:?}");
    within(stopped).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_for_nobody_when_everybody_has_left() {
    let relay = RunningRelay::start(RelaySettings { drain_ms: 60_000, ..settings() }).await;
    let viewer = Viewer::over_quic(relay.address).await;
    within(viewer.session.established()).await.unwrap();
    relay.shutdown.begin();
    within(viewer.session.goaway_received()).await;
    viewer.session.close(moqt::SessionErrorCode::NoError, "leaving as asked");
    let began = Instant::now();
    relay.stopped().await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_relay_comes_back_with_the_certificate_that_pages_pinned() {
    let state = tempfile::tempdir().unwrap();
    let first = RunningRelay::start_in(settings(), state.path()).await;
    let (address, hash) = (first.address, first.certificate_hash);
    first.kill().await;
    let again = RelaySettings { listen: vec![address], ..settings() };
    let second = RunningRelay::start_in(again, state.path()).await;
    assert_eq!((second.address, second.certificate_hash), (address, hash));
    let elsewhere = RunningRelay::start(settings()).await;
    assert_ne!(elsewhere.certificate_hash, hash, "without a directory it lives in memory");
}
