//! D.1: what a publisher owes its subscribers, asked of our origin with its built-in clip.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use moqt::{Location, Parameters, SubgroupItem};
use tests::system::{Arrival, Frames, RunningOrigin, Viewer, at, track, within};
use transport::{SubgroupReader, Subscription, TrackEvent};

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../origin/sample/sample.mp4");
const VIDEO: &str = "live-demo--video0";
const AUDIO: &str = "live-demo--audio0";
/// Time in which what must not come would have come: several frames.
const A_WHILE: Duration = Duration::from_millis(300);

async fn origin_at(address: SocketAddr) -> (RunningOrigin, Viewer) {
    let origin = RunningOrigin::playing(Path::new(CLIP), false, address).await;
    let viewer = Viewer::over_quic(origin.address).await;
    (origin, viewer)
}

async fn origin() -> (RunningOrigin, Viewer) {
    origin_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
}

async fn subscribe(viewer: &Viewer, name: &str, parameters: Parameters) -> Subscription {
    within(viewer.session.subscribe(track(name), parameters)).await.unwrap()
}

async fn frame(frames: &mut Frames) -> (Location, Bytes) {
    match frames.next().await {
        Arrival::Frame(location, bytes) => (location, bytes),
        other => panic!("{other:?} instead of a frame"),
    }
}

async fn next_stream(subscription: &mut Subscription) -> SubgroupReader {
    match within(subscription.next()).await {
        TrackEvent::Subgroup(reader) => reader,
        other => panic!("{other:?} instead of a stream"),
    }
}

/// Object ids up to the end of the stream, which is no reset.
async fn read(mut reader: SubgroupReader) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Some(item) = within(reader.next()).await.unwrap() {
        if let SubgroupItem::Header { header, .. } = item {
            ids.push(header.object_id);
        }
    }
    ids
}

fn forward(on: bool) -> Parameters {
    Parameters { forward: Some(on), ..Parameters::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_objects_do_not_change_and_group_ids_rise_over_a_restart() {
    let (origin, viewer) = origin().await;
    let mut watching = viewer.join(&track(VIDEO), 0).await.unwrap();
    let (first, bytes) = frame(&mut watching).await;
    let mut live = BTreeMap::from([(first, bytes)]);
    let next_group = loop {
        let (location, bytes) = frame(&mut watching).await;
        if location.group > first.group {
            break location.group;
        }
        live.insert(location, bytes);
    };
    let fetch = async || viewer.fetch(&track(VIDEO), at(first.group, 0), at(first.group, 0)).await.unwrap().0;
    assert_eq!(fetch().await, live, "fetched later, as it was live");
    assert_eq!(fetch().await, live);

    let address = origin.address;
    origin.kill().await;
    let (_origin, viewer) = origin_at(address).await;
    let (again, _) = frame(&mut viewer.join(&track(VIDEO), 0).await.unwrap()).await;
    assert!(again.group > next_group, "{again:?} after {next_group}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_p04_one_stream_per_subgroup_from_its_first_object_to_its_end() {
    let (_origin, viewer) = origin().await;
    let mut subscription = subscribe(&viewer, VIDEO, Parameters::default()).await;
    // The group in which the viewer came has a beginning that is for FETCH.
    let begun = next_stream(&mut subscription).await;
    let mut seen = BTreeSet::from([(begun.header().group, begun.subgroup_id())]);
    drop(begun);
    for _ in 0..3 {
        let reader = next_stream(&mut subscription).await;
        assert!(reader.header().first_object, "{:?}", reader.header());
        assert!(seen.insert((reader.header().group, reader.subgroup_id())), "a second stream: {:?}", reader.header());
        let ids = read(reader).await;
        assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>());
        assert!(ids.len() > 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_all_answers_say_which_object_is_the_largest() {
    let (origin, viewer) = origin().await;
    let mut watching = viewer.join(&track(VIDEO), 0).await.unwrap();
    let (seen, _) = frame(&mut watching).await;
    let other = Viewer::over_quic(origin.address).await;
    let subscription = subscribe(&other, VIDEO, Parameters::default()).await;
    let subscribed = subscription.parameters().largest_object.unwrap();
    let updated = within(subscription.update(Parameters::default())).await.unwrap().largest_object.unwrap();
    let status = within(other.session.track_status(track(VIDEO), Parameters::default())).await.unwrap();
    let status = status.parameters.largest_object.unwrap();
    assert!(
        seen <= subscribed && subscribed <= updated && updated <= status,
        "{seen:?} {subscribed:?} {updated:?} {status:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_tracks_have_aliases_of_their_own() {
    let (_origin, viewer) = origin().await;
    let video = subscribe(&viewer, VIDEO, Parameters::default()).await;
    let audio = subscribe(&viewer, AUDIO, Parameters::default()).await;
    assert_ne!(video.alias(), audio.alias());
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_forward_0_holds_a_track_back_and_forward_1_begins_at_the_edge() {
    let (_origin, viewer) = origin().await;
    let mut subscription = subscribe(&viewer, VIDEO, forward(false)).await;
    let silent = tokio::time::timeout(A_WHILE, subscription.next()).await;
    assert!(silent.is_err(), "{silent:?}");
    let answer = within(subscription.update(forward(true))).await.unwrap();
    let largest = answer.largest_object;
    let mut reader = next_stream(&mut subscription).await;
    let object = within(reader.next_object(1 << 20)).await.unwrap().unwrap();
    let first = at(reader.header().group, object.header.object_id);
    assert!(largest.is_none_or(|largest| first > largest), "{first:?} was there before {largest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joining_fetch_and_its_subscription_have_no_overlap_and_no_hole() {
    let (origin, viewer) = origin().await;
    let mut before = viewer.join(&track(VIDEO), 0).await.unwrap();
    frame(&mut before).await;
    let viewer = Viewer::over_quic(origin.address).await;
    let mut watching = viewer.join(&track(VIDEO), 0).await.unwrap();
    let (mut last, _) = frame(&mut watching).await;
    assert_eq!(last.object, 0);
    let begun = last.group;
    while last.group < begun + 2 {
        let (next, _) = frame(&mut watching).await;
        let follows = next == at(last.group, last.object + 1) || next == at(last.group + 1, 0);
        assert!(follows, "{next:?} after {last:?}");
        last = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p16_a_source_that_cannot_make_keyframes_on_request_does_not_say_that_it_can() {
    let (_origin, viewer) = origin().await;
    let mut subscription = subscribe(&viewer, VIDEO, Parameters::default()).await;
    assert!(!subscription.properties().dynamic_groups());
    // Asked all the same it goes on.
    let asked = Parameters { new_group_request: Some(0), ..Parameters::default() };
    within(subscription.update(asked)).await.unwrap();
    next_stream(&mut subscription).await;
}
