//! FETCH: from the live log, from the cache, from upstream once, and honest about what nobody knows.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use moqt::{FetchItem, FullTrackName, Location, Pair, PairValue, Parameters, Properties, RequestErrorCode, property};
use relay::RelaySettings;
use tests::system::{
    Arrival, Listening, PublishedTrack, Publisher, RunningRelay, Viewer, at, metric, payload, settings, until,
    upstream, within,
};
use transport::StreamFailure;

const TRACK: &str = "live-demo--video0";

fn whole(group: u64) -> Location {
    at(group, 0)
}

/// Every frame of these groups, as [`PublishedTrack::groups`] makes them.
fn frames(name: &FullTrackName, groups: impl IntoIterator<Item = u64>, objects: u64) -> BTreeMap<Location, Bytes> {
    let places = groups.into_iter().flat_map(|group| (0..objects).map(move |object| at(group, object)));
    places.map(|place| (place, payload(name, place, 1000))).collect()
}

struct Scene {
    track: std::sync::Arc<PublishedTrack>,
    source: Listening,
    relay: RunningRelay,
    viewer: Viewer,
}

/// A track that the relay joins in group 20, of which groups from 10 on exist.
async fn scene() -> Scene {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups(10..=20, 4);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Viewer::over_quic(relay.address).await;
    Scene { track, source, relay, viewer }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_groups_come_from_the_cache_once_they_were_live() {
    let scene = scene().await;
    let (track, viewer) = (&scene.track, &scene.viewer);
    let mut live = viewer.join(track.name(), 0).await.unwrap();
    for group in 21..=30 {
        track.groups([group], 4);
        live.up_to(at(group, 3)).await;
    }
    let (found, unknown) = viewer.fetch(track.name(), whole(21), whole(29)).await.unwrap();
    assert_eq!(found, frames(track.name(), 21..=29, 4));
    assert_eq!(unknown, []);
    assert_eq!(track.fetches(), [], "all of it was here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_closed_leaves_its_groups_to_the_cache() {
    let scene = scene().await;
    let (track, viewer) = (&scene.track, &scene.viewer);
    let mut live = viewer.join(track.name(), 0).await.unwrap();
    for group in 21..=23 {
        track.groups([group], 4);
        live.up_to(at(group, 3)).await;
    }
    live.unsubscribe().await;
    track.until_active(0).await;
    track.groups([30], 4);
    let (found, unknown) = viewer.fetch(track.name(), whole(21), whole(22)).await.unwrap();
    assert_eq!((found, unknown), (frames(track.name(), 21..=22, 4), Vec::new()));
    assert_eq!(track.fetches(), [], "all of it was here");
}

#[tokio::test(flavor = "multi_thread")]
async fn c119_concurrent_misses_are_one_upstream_fetch_and_later_ones_none() {
    let scene = scene().await;
    let (track, relay) = (&scene.track, &scene.relay);
    track.shut_gate();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (address, name) = (relay.address, track.name().clone());
        asking.spawn(async move {
            let viewer = Viewer::over_quic(address).await;
            viewer.fetch(&name, whole(12), whole(12)).await.unwrap()
        });
    }
    until("the upstream fetch", async || !track.fetches().is_empty()).await;
    // Whoever came later than the first would ask by now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    track.open_gate();
    while let Some(answer) = within(asking.join_next()).await {
        assert_eq!(answer.unwrap(), (frames(track.name(), [12], 4), Vec::new()));
    }
    assert_eq!(track.fetches(), [(whole(12), whole(12))]);
    let viewer = Viewer::over_quic(relay.address).await;
    let (found, _) = viewer.fetch(track.name(), at(12, 1), at(12, 3)).await.unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [at(12, 1), at(12, 2)]);
    assert_eq!(track.fetches().len(), 1, "from the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn c123_c125_what_does_not_come_in_the_fill_time_is_unknown() {
    let scene = scene().await;
    let (track, viewer) = (&scene.track, &scene.viewer);
    let _live = viewer.join(track.name(), 0).await.unwrap();
    viewer.fetch(track.name(), whole(12), whole(12)).await.unwrap();
    track.shut_gate();
    let brief = Parameters { fill_timeout: Some(Duration::from_millis(100)), ..Parameters::default() };
    let mut reader = viewer.session.fetch(track.name().clone(), whole(11), whole(12), brief).unwrap();
    let mut unknown = Vec::new();
    let mut found = Vec::new();
    while let Some(item) = within(reader.next()).await.unwrap() {
        match item {
            FetchItem::Header { header, .. } => found.push(header.location),
            FetchItem::EndOfRange { location, known } => unknown.push((location.group, known)),
            FetchItem::Payload(_) | FetchItem::End => {}
        }
    }
    assert_eq!(unknown, [(11, false)]);
    assert_eq!(found, [at(12, 0), at(12, 1), at(12, 2), at(12, 3)], "what is cached comes all the same");
    track.open_gate();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publisher_s_cache_duration_is_kept() {
    let publisher = Publisher::default();
    let brief = Pair { id: property::MAX_CACHE_DURATION, value: PairValue::Int(300) };
    let track = publisher.track_with(TRACK, Properties::from_pairs([brief]).unwrap());
    track.groups([1, 2], 4);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let _live = viewer.join(track.name(), 0).await.unwrap();
    for (pause, asked) in [(0, 1), (0, 1), (400, 2)] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let (found, unknown) = viewer.fetch(track.name(), whole(1), whole(1)).await.unwrap();
        assert_eq!((found.len(), unknown.len()), (4, 0));
        assert_eq!(track.fetches().len(), asked, "after another {pause} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_does_not_exist_is_not_called_unknown() {
    let scene = scene().await;
    let (track, viewer) = (&scene.track, &scene.viewer);
    track.leave_out(14);
    let (found, unknown) = viewer.fetch(track.name(), whole(13), whole(15)).await.unwrap();
    assert_eq!((found, unknown), (frames(track.name(), [13, 15], 4), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn c125_c126_without_an_upstream_what_is_not_here_is_unknown_and_not_a_silent_gap() {
    let Scene { track, source, viewer, relay: _relay } = scene().await;
    let mut live = viewer.join(track.name(), 0).await.unwrap();
    let (found, _) = viewer.fetch(track.name(), whole(18), whole(18)).await.unwrap();
    assert_eq!(found, frames(track.name(), [18], 4));
    live.up_to(at(20, 3)).await;
    source.kill().await;
    let (found, unknown) = viewer.fetch(track.name(), whole(17), whole(20)).await.unwrap();
    assert_eq!(found, frames(track.name(), [18, 20], 4));
    let groups: Vec<_> = unknown.iter().map(|place| place.group).collect();
    assert_eq!(groups, [17, 19]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_range_asks_upstream_a_bounded_number_of_times() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1_700_000_000_000], 2);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let (found, unknown) = viewer.fetch(track.name(), whole(0), whole(1_700_000_000_000)).await.unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [at(1_700_000_000_000, 0), at(1_700_000_000_000, 1)]);
    assert_eq!(unknown.last().map(|place| place.group), Some(1_699_999_999_999));
    assert!(track.fetches().len() < 1000, "{}", track.fetches().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn c118_ranges_that_cannot_be_are_refused() {
    let scene = scene().await;
    let (track, viewer) = (&scene.track, &scene.viewer);
    let refused = async |name: &FullTrackName, start, end| match viewer.fetch(name, start, end).await {
        Err(StreamFailure::Refused(error)) => error.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(track.name(), at(20, 4), whole(21)).await, RequestErrorCode::InvalidRange, "behind the edge");
    assert_eq!(refused(track.name(), whole(500), whole(501)).await, RequestErrorCode::InvalidRange);
    let nowhere = tests::system::track("live-demo--nothing");
    assert_eq!(refused(&nowhere, whole(1), whole(1)).await, RequestErrorCode::DoesNotExist);
    let publisher = Publisher::default();
    let empty = publisher.track("live-other--empty");
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Viewer::over_quic(relay.address).await;
    match viewer.fetch(empty.name(), whole(0), whole(1)).await {
        Err(StreamFailure::Refused(error)) => assert_eq!(error.code, RequestErrorCode::InvalidRange, "nothing there"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c117_a_range_past_the_live_edge_ends_at_the_edge() {
    let scene = scene().await;
    let (track, viewer) = (&scene.track, &scene.viewer);
    let mut live = viewer.join(track.name(), 0).await.unwrap();
    live.up_to(at(20, 3)).await;
    for end in [whole(20), whole(99), at(20, 50)] {
        let mut reader = viewer.session.fetch(track.name().clone(), at(20, 1), end, Parameters::default()).unwrap();
        assert_eq!(within(reader.ok()).await.unwrap().end, at(20, 4));
        let (found, unknown) = viewer.fetch(track.name(), at(20, 1), end).await.unwrap();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [at(20, 1), at(20, 2), at(20, 3)]);
        assert_eq!(unknown, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c120_a_joining_fetch_and_its_subscription_meet_without_gap_or_overlap_while_frames_come() {
    let scene = scene().await;
    let (track, relay) = (&scene.track, &scene.relay);
    let feeding = {
        let track = track.clone();
        tokio::spawn(async move {
            for group in 21..=24 {
                for object in 0..100 {
                    track.frame(at(group, object), 1000);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        })
    };
    let mut joining = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (address, name) = (relay.address, track.name().clone());
        joining.spawn(async move {
            let viewer = Viewer::over_quic(address).await;
            tokio::time::sleep(Duration::from_millis(number * 10)).await;
            let mut all = viewer.join(&name, number % 3).await.unwrap();
            let start = all.largest.unwrap().group - number % 3;
            let mut found = BTreeMap::new();
            while found.len() < 1000 && !found.contains_key(&at(24, 99)) {
                match all.next().await {
                    Arrival::Frame(place, bytes) => assert_eq!(found.insert(place, bytes), None, "{place:?} twice"),
                    other => panic!("{other:?}"),
                }
            }
            let count = |group: u64| found.keys().filter(|place| place.group == group).count();
            for group in start..=24 {
                assert_eq!(count(group), if group <= 20 { 4 } else { 100 }, "viewer {number}, group {group}");
            }
        });
    }
    while let Some(done) = within(joining.join_next()).await {
        done.unwrap();
    }
    feeding.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_gives_way_to_live_logs_and_the_budget_holds() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let source = publisher.listen().await;
    let mut small = RelaySettings { upstream: vec![upstream(source.address)], ..settings() };
    small.memory.limit_bytes = 2 << 20;
    small.memory.cache_bytes = 2 << 20;
    small.memory.track_bytes = 1 << 20;
    let relay = RunningRelay::start(small).await;
    let viewer = Viewer::over_quic(relay.address).await;
    track.frame(at(1, 0), 1000);
    let mut live = viewer.join(track.name(), 0).await.unwrap();
    for group in 2..40 {
        for object in 0..10 {
            track.frame(at(group, object), 20_000);
        }
        live.up_to(at(group, 9)).await;
        let used = tests::system::http_get(relay.http, "/metrics").await.text();
        let used = used.lines().find_map(|line| line.strip_prefix("efir_relay_memory_bytes ")?.parse::<f64>().ok());
        assert!(used.is_none_or(|used| used <= f64::from(2 << 20)), "{used:?}");
    }
    assert_eq!(metric("efir_relay_over_budget_total"), 0.0, "the live group was never the one to go");
    let (found, unknown) = viewer.fetch(track.name(), whole(37), whole(39)).await.unwrap();
    assert_eq!((found.len(), unknown.len()), (30, 0));
    assert_eq!(track.fetches(), [], "the newest groups are the ones that stay");
}
