//! C.6: several publishers of one track, what is the same, what contradicts, and who takes over.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fanout::SubgroupMeta;
use moqt::{Location, ObjectHeader, Parameters, PublishDoneCode, StreamErrorCode, Version};
use relay::RelaySettings;
use tests::system::{
    Arrival, Dialed, Frames, PublishedTrack, Publisher, RunningRelay, Viewer, at, namespace, payload, settings, track,
    until,
};
use transport::{NamespacePublication, StreamFailure};

const TRACK: &str = "live-demo--video0";
/// Longest that a frame may take.
const LONG: Duration = Duration::from_secs(10);
/// Between two frames.
const FRAME: Duration = Duration::from_millis(20);
/// Time in which what must not come would have come.
const A_WHILE: Duration = Duration::from_millis(300);

/// A publisher that came to the relay and announced its namespace.
struct Source {
    track: Arc<PublishedTrack>,
    dialed: Dialed,
    _announced: NamespacePublication,
}

impl Source {
    async fn of(relay: &RunningRelay, prefix: &str, name: &str) -> Self {
        let publisher = Publisher::default();
        let track = publisher.track(name);
        let dialed = publisher.dial(relay.address).await;
        let announced = dialed.announce(namespace(prefix)).await;
        Self { track, dialed, _announced: announced }
    }
}

struct Stage {
    relay: RunningRelay,
    /// The one that came last is asked first.
    preferred: Source,
    other: Source,
    viewer: Viewer,
}

impl Stage {
    async fn new(merge_publishers: bool) -> Self {
        let relay = RunningRelay::start(RelaySettings { merge_publishers, ..settings() }).await;
        let other = Source::of(&relay, "live", TRACK).await;
        let preferred = Source::of(&relay, "live", TRACK).await;
        let viewer = Viewer::over_quic(relay.address).await;
        Self { relay, preferred, other, viewer }
    }

    async fn watch(&self) -> Frames {
        let frames = self.viewer.join(&track(TRACK), 0).await.unwrap();
        self.preferred.track.until_active(1).await;
        self.other.track.until_active(1).await;
        frames
    }

    /// Both publish the same frames.
    fn both(&self, groups: impl IntoIterator<Item = u64> + Clone, frames: u64) {
        self.preferred.track.groups(groups.clone(), frames);
        self.other.track.groups(groups, frames);
    }
}

/// Collects frames until all of these groups are there, each object once.
async fn collect(frames: &mut Frames, groups: std::ops::Range<u64>, objects: u64) {
    let mut seen: BTreeMap<Location, u32> = BTreeMap::new();
    let wanted = (groups.end - groups.start) * objects;
    while (seen.len() as u64) < wanted {
        match tokio::time::timeout(LONG, frames.frame()).await {
            Ok(location) => *seen.entry(location).or_default() += 1,
            Err(_) => panic!("{} of {wanted} frames came: {:?}", seen.len(), seen.keys()),
        }
    }
    let expected: Vec<_> = groups.flat_map(|group| (0..objects).map(move |object| at(group, object))).collect();
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), expected);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
}

fn meta(priority: Option<u8>) -> SubgroupMeta {
    SubgroupMeta { version: Version::Draft18, priority, has_properties: false, first_object: true, end_of_group: false }
}

/// Publishes one object its own way.
fn odd_object(track: &PublishedTrack, location: Location, subgroup: u64, priority: Option<u8>, bytes: bytes::Bytes) {
    let mut appender = track.log().subgroup(location.group, subgroup, meta(priority)).unwrap();
    let header =
        ObjectHeader { object_id: location.object, payload_len: bytes.len() as u64, ..ObjectHeader::default() };
    appender.object(&header, bytes).unwrap();
    appender.finish(false).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c057_c089_every_publisher_of_a_matching_prefix_is_subscribed() {
    let relay = RunningRelay::start(settings()).await;
    let name = "foo-bar--x";
    let short = Source::of(&relay, "foo", name).await;
    let long = Source::of(&relay, "foo-bar", name).await;
    let other = Source::of(&relay, "foobar", "foobar--x").await;
    let viewer = Viewer::over_quic(relay.address).await;
    let _frames = viewer.join(&track(name), 0).await.unwrap();
    short.track.until_active(1).await;
    long.track.until_active(1).await;
    let late = Source::of(&relay, "foo", name).await;
    late.track.until_active(1).await;
    assert_eq!((short.track.subscribes(), long.track.subscribes(), other.track.subscribes()), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn c058_a_second_viewer_costs_no_second_subscription() {
    let stage = Stage::new(false).await;
    let _first = stage.watch().await;
    let viewer = Viewer::over_quic(stage.relay.address).await;
    let _second = viewer.join(&track(TRACK), 0).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((stage.preferred.track.subscribes(), stage.other.track.subscribes()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn c073_the_track_ends_with_its_last_publisher() {
    let stage = Stage::new(false).await;
    let mut frames = stage.watch().await;
    stage.both(1..2, 3);
    collect(&mut frames, 1..2, 3).await;
    stage.preferred.track.end();
    stage.other.track.frame(at(2, 0), 1000);
    assert_eq!(frames.frame().await, at(2, 0), "nothing but the next frame");
    stage.other.track.end();
    assert_eq!(frames.end().await, Arrival::Done(PublishDoneCode::TrackEnded));
}

#[tokio::test(flavor = "multi_thread")]
async fn c094_objects_of_every_publisher_arrive() {
    for merge in [false, true] {
        let stage = Stage::new(merge).await;
        let mut frames = stage.watch().await;
        for pair in 0..3 {
            stage.preferred.track.groups([pair * 2], 3);
            stage.preferred.track.finish_group();
            stage.other.track.groups([pair * 2 + 1], 3);
            stage.other.track.finish_group();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stage.preferred.track.groups([6], 3);
        collect(&mut frames, 0..7, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c095_what_several_publishers_send_arrives_once() {
    let stage = Stage::new(true).await;
    let mut frames = stage.watch().await;
    for group in 1..5 {
        stage.both([group], 4);
    }
    collect(&mut frames, 1..5, 4).await;
    until("both have sent", async || stage.preferred.track.sent() + stage.other.track.sent() == 32).await;
    let more = tokio::time::timeout(A_WHILE, frames.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c096_c097_publishers_that_contradict_each_other_end_the_track() {
    let right = payload(&track(TRACK), at(3, 0), 1000);
    let mut wrong = right.to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    for (what, subgroup, priority, bytes) in [
        ("another payload", 0, Some(7), wrong.into()),
        ("another length", 0, Some(7), right.slice(..999)),
        ("another subgroup", 1, Some(7), right.clone()),
        ("another priority", 0, Some(8), right.clone()),
    ] {
        let stage = Stage::new(true).await;
        let mut frames = stage.watch().await;
        stage.both(1..3, 2);
        collect(&mut frames, 1..3, 2).await;
        // A FETCH that waits for the end of the group when the contradiction comes.
        odd_object(&stage.preferred.track, at(3, 0), 0, Some(7), right.clone());
        assert_eq!(frames.frame().await, at(3, 0), "{what}");
        let held = stage.preferred.track.log().subgroup(3, 5, meta(Some(7)));
        let mut held = held.unwrap();
        let header = ObjectHeader { object_id: 9, payload_len: 9000, ..ObjectHeader::default() };
        held.encode_header(&header).unwrap();
        held.payload(bytes::Bytes::from(vec![1; 5000])).unwrap();
        let fetching = Viewer::over_quic(stage.relay.address).await;
        let fetch = tokio::spawn(async move { fetching.fetch(&track(TRACK), at(3, 0), at(3, 20)).await });
        tokio::time::sleep(A_WHILE).await;
        assert!(!fetch.is_finished(), "{what}: the group is not whole yet");
        odd_object(&stage.other.track, at(3, 0), subgroup, priority, bytes);
        assert_eq!(frames.end().await, Arrival::Done(PublishDoneCode::MalformedTrack), "{what}");
        let fetched = fetch.await.unwrap();
        assert!(matches!(fetched, Err(StreamFailure::Reset(StreamErrorCode::MalformedTrack))), "{what}: {fetched:?}");
        stage.preferred.track.until_active(0).await;
        stage.other.track.until_active(0).await;
        drop(held);
        // Nothing of the group was cached: who asks for it makes the relay ask.
        let before = stage.preferred.track.fetches().len() + stage.other.track.fetches().len();
        let again = stage.viewer.fetch(&track(TRACK), at(3, 0), at(3, 1)).await;
        let after = stage.preferred.track.fetches().len() + stage.other.track.fetches().len();
        assert!(again.is_err() || after > before || stage.preferred.track.subscribes() > 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_stand_by_and_send_nothing() {
    let stage = Stage::new(false).await;
    let mut frames = stage.watch().await;
    for group in 1..4 {
        stage.both([group], 5);
    }
    collect(&mut frames, 1..4, 5).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((stage.preferred.track.sent(), stage.other.track.sent()), (15, 0));
}

/// Publishes frames in groups of ten.
async fn publish(tracks: &[Arc<PublishedTrack>], groups: std::ops::Range<u64>, pause: Duration) {
    for group in groups {
        for object in 0..10 {
            for track in tracks {
                track.frame(at(group, object), 3000);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_miss_nothing_when_the_publisher_that_sends_is_killed() {
    for merge in [false, true] {
        let stage = Stage::new(merge).await;
        let mut frames = stage.watch().await;
        let Stage { relay, preferred, other, viewer } = stage;
        publish(&[preferred.track.clone(), other.track.clone()], 1..3, FRAME).await;
        preferred.track.frame(at(3, 0), 3000);
        let (others, killed) = (vec![other.track.clone()], preferred.dialed);
        killed.session.close(moqt::SessionErrorCode::NoError, "killed by the test");
        publish(&others, 3..6, FRAME).await;
        collect(&mut frames, 1..6, 10).await;
        drop((relay, viewer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_miss_nothing_when_the_publisher_that_sends_falls_silent() {
    let stage = Stage::new(false).await;
    let mut frames = stage.watch().await;
    publish(&[stage.preferred.track.clone(), stage.other.track.clone()], 1..3, FRAME).await;
    publish(std::slice::from_ref(&stage.other.track), 3..7, FRAME * 4).await;
    collect(&mut frames, 1..7, 10).await;
    assert!(stage.other.track.sent() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_offers_the_track_stands_by_as_well() {
    let relay = RunningRelay::start(settings()).await;
    let announcing = Source::of(&relay, "live", TRACK).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let mut frames = viewer.join(&track(TRACK), 0).await.unwrap();
    let offering = Publisher::default();
    let offered = offering.track(TRACK);
    let dialed = offering.dial(relay.address).await;
    dialed.publish(&offered).await;
    for track in [&announcing.track, &offered] {
        track.groups([1], 3);
    }
    collect(&mut frames, 1..2, 3).await;
    assert_eq!(offered.sent(), 0);
    announcing.dialed.session.close(moqt::SessionErrorCode::NoError, "killed by the test");
    offered.groups([2], 3);
    collect(&mut frames, 2..3, 3).await;
    frames.unsubscribe().await;
    // Given back when nobody has watched for a linger: the next viewer gets it again.
    tokio::time::sleep(Duration::from_millis(settings().linger_ms) * 3).await;
    let mut again = viewer.subscribe(&track(TRACK), Parameters::default()).await.unwrap();
    offered.groups([3], 2);
    again.up_to(at(3, 1)).await;
}
