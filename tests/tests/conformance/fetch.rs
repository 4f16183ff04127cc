//! C.8: FETCH, of ranges and joining a subscription.

use std::sync::Arc;
use std::time::Duration;

use moqt::{
    FetchKind, FetchOk, Filter, FullTrackName, GroupOrder, Location, Message, Parameters, RequestErrorCode, RequestId,
    UniStreamHeader,
};
use tests::raw::{Asked, Ended, Fetched, Raw, RawRequest};
use tests::system::{
    Listening, PublishedTrack, Publisher, RunningRelay, at, namespace, settings, track, until, within,
};
use transport::CANCELLED;

const TRACK: &str = "live-demo--video0";
/// Bytes of a frame.
const FRAME: usize = 1000;

/// A track of groups 1 to 4 with four frames each, behind a relay.
struct Scene {
    video: Arc<PublishedTrack>,
    _source: Listening,
    relay: RunningRelay,
    viewer: Raw,
}

async fn scene() -> Scene {
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups(1..=4, 4);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Raw::connect(relay.address).await;
    Scene { video, _source: source, relay, viewer }
}

fn range(name: &FullTrackName, start: Location, end: Location) -> FetchKind {
    FetchKind::Standalone { track: name.clone(), start, end }
}

fn frames(groups: impl IntoIterator<Item = u64>) -> Vec<Fetched> {
    let places = groups.into_iter().flat_map(|group| (0..4).map(move |object| at(group, object)));
    places.map(|place| Fetched::Object(place, FRAME)).collect()
}

fn forward(on: bool) -> Parameters {
    Parameters { forward: Some(on), ..Parameters::default() }
}

/// From the largest object on.
fn live() -> Parameters {
    Parameters { filter: Some(Filter::LargestObject), ..Parameters::default() }
}

fn relative(joining: RequestId, groups: u64) -> FetchKind {
    FetchKind::Relative { joining, groups }
}

async fn fetch_ok(request: &mut RawRequest) -> FetchOk {
    match request.answer().await {
        Message::FetchOk(ok) => ok,
        other => panic!("{other:?}"),
    }
}

impl Scene {
    fn name(&self) -> &FullTrackName {
        self.video.name()
    }

    /// What FETCH_OK says and what comes.
    async fn fetch(&mut self, kind: FetchKind, parameters: Parameters) -> (Location, Vec<Fetched>) {
        let order = parameters.group_order.unwrap_or(GroupOrder::Ascending);
        let id = self.viewer.coming_id();
        let mut request = self.viewer.fetch(kind, parameters).await;
        let ok = fetch_ok(&mut request).await;
        let (records, ended) = self.viewer.data().await.fetched(id, order).await;
        assert_eq!(ended, Ended::Fin);
        (ok.end, records)
    }

    async fn refused(&mut self, kind: FetchKind) -> RequestErrorCode {
        self.viewer.fetch(kind, Parameters::default()).await.refused().await
    }

    /// SUBSCRIBE with its id.
    async fn subscribe(&mut self, parameters: Parameters) -> (RawRequest, RequestId) {
        let id = self.viewer.coming_id();
        (self.viewer.subscribe(self.video.name().clone(), parameters).await, id)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c114_a_fetch_is_one_answer_and_one_stream() {
    let mut scene = scene().await;
    let kind = range(scene.name(), at(1, 0), at(3, 0));
    let id = scene.viewer.coming_id();
    let mut request = scene.viewer.fetch(kind, Parameters::default()).await;
    assert!(matches!(request.answer().await, Message::FetchOk(_)));
    let mut data = scene.viewer.data().await;
    assert_eq!(data.header, UniStreamHeader::Fetch { request_id: id });
    assert_eq!(data.fetched(id, GroupOrder::Ascending).await, (frames(1..=3), Ended::Fin));
    assert_eq!(request.read().await.unwrap(), None, "no second answer");
    scene.viewer.no_data("a second stream").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c115_the_end_is_exclusive_and_object_0_is_the_whole_group() {
    let mut scene = scene().await;
    let kind = range(scene.name(), at(2, 1), at(3, 0));
    let (end, found) = scene.fetch(kind, Parameters::default()).await;
    assert_eq!((end, found), (at(3, 0), frames(2..=3).split_off(1)));
    let kind = range(scene.name(), at(2, 0), at(3, 2));
    let (end, found) = scene.fetch(kind, Parameters::default()).await;
    assert_eq!((end, found), (at(3, 2), frames(2..=3)[..6].to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn c116_groups_come_in_the_order_asked_for() {
    let mut scene = scene().await;
    for (order, groups) in [
        (None, [1, 2, 3, 4]),
        (Some(GroupOrder::Ascending), [1, 2, 3, 4]),
        (Some(GroupOrder::Descending), [4, 3, 2, 1]),
    ] {
        let kind = range(scene.name(), at(1, 0), at(4, 4));
        let parameters = Parameters { group_order: order, ..Parameters::default() };
        assert_eq!(scene.fetch(kind, parameters).await.1, frames(groups), "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c117_the_end_of_the_track_is_told() {
    let mut scene = scene().await;
    let name = scene.name().clone();
    let (mut request, _) = scene.subscribe(Parameters::default()).await;
    request.accepted().await;
    scene.video.end();
    assert!(matches!(request.answer().await, Message::PublishDone(_)));
    let mut ends = Vec::new();
    for end in [at(4, 2), at(9, 0)] {
        let mut request = scene.viewer.fetch(range(&name, at(1, 0), end), Parameters::default()).await;
        let ok = fetch_ok(&mut request).await;
        ends.push(ok.end);
        assert!(!ok.end_of_track || ok.end == at(4, 4), "{ok:?}");
    }
    assert_eq!(ends, [at(4, 2), at(4, 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c118_ranges_that_hold_nothing() {
    let mut scene = scene().await;
    let name = scene.name().clone();
    assert_eq!(scene.refused(range(&name, at(4, 4), at(5, 0))).await, RequestErrorCode::InvalidRange);
    let mut other = Raw::connect(scene.relay.address).await;
    let mut watching = other.subscribe(name.clone(), Parameters::default()).await;
    watching.accepted().await;
    scene.video.leave_out(7);
    scene.video.groups([9], 4);
    until("the relay is at group 9", async || other.largest(name.clone()).await == Some(at(9, 3))).await;
    let (_, found) = scene.fetch(range(&name, at(7, 0), at(7, 0)), Parameters::default()).await;
    assert_eq!(found, [], "header and FIN");
}

#[tokio::test(flavor = "multi_thread")]
async fn c119_only_what_is_missing_is_asked_for() {
    let mut scene = scene().await;
    let name = scene.name().clone();
    let one = range(&name, at(2, 0), at(2, 0));
    assert_eq!(scene.fetch(one, Parameters::default()).await.1, frames([2]));
    assert_eq!(scene.video.fetches().len(), 1);
    scene.video.shut_gate();
    let id = scene.viewer.coming_id();
    let mut request = scene.viewer.fetch(range(&name, at(1, 0), at(3, 0)), Parameters::default()).await;
    until("the hole is asked for", async || scene.video.fetches().len() == 2).await;
    scene.video.open_gate();
    assert!(matches!(request.answer().await, Message::FetchOk(_)));
    let (found, ended) = scene.viewer.data().await.fetched(id, GroupOrder::Ascending).await;
    assert_eq!((found, ended), (frames(1..=3), Ended::Fin), "delivery waited at the hole");
    let asked: Vec<_> = scene.video.fetches().iter().map(|(start, _)| start.group).collect();
    assert_eq!(asked, [2, 1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c120_a_joining_fetch_ends_where_the_subscription_begins() {
    for groups in [0, 2] {
        let mut scene = scene().await;
        let (mut request, id) = scene.subscribe(live()).await;
        let largest = request.accepted().await.largest_object;
        assert_eq!(largest, Some(at(4, 3)));
        scene.video.groups([5], 1);
        let mut live = scene.viewer.data().await;
        assert_eq!(live.subgroup().group, 5);
        let (end, found) = scene.fetch(relative(id, groups), Parameters::default()).await;
        assert_eq!((end, found), (at(4, 4), frames(4 - groups..=4)), "{groups} groups back");
        scene.video.finish_group();
        assert_eq!(live.objects().await, (vec![(0, FRAME)], Ended::Fin));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c121_joining_needs_a_subscription_that_sends_and_a_past() {
    let mut scene = scene().await;
    assert_eq!(scene.refused(relative(RequestId(0x100), 0)).await, RequestErrorCode::InvalidJoiningRequestId);
    let (mut request, id) = scene.subscribe(forward(false)).await;
    request.accepted().await;
    assert_eq!(scene.refused(relative(id, 0)).await, RequestErrorCode::InvalidRange, "Forward 0");

    // By hand: nothing published, and a SUBSCRIBE that waits for its answer.
    let relay = RunningRelay::start(settings()).await;
    let mut publisher = Raw::connect(relay.address).await;
    let _announced = publisher.announce(namespace("live-demo")).await;
    for largest in [None, Some(at(3, 1))] {
        let name = track(if largest.is_none() { "live-demo--empty" } else { TRACK });
        let mut viewer = Raw::connect(relay.address).await;
        let mut request = viewer.subscribe(name, live()).await;
        let mut asked: Asked = publisher.asked().await;
        let mut fetch = viewer.fetch(relative(RequestId(0), 0), Parameters::default()).await;
        fetch.unanswered("the subscription is pending").await;
        asked.accept(largest.map_or(1, |largest| largest.group), largest, moqt::Properties::default()).await;
        assert_eq!(request.accepted().await.largest_object, largest);
        match largest {
            None => assert_eq!(fetch.refused().await, RequestErrorCode::InvalidRange),
            Some(_) => {
                asked.fill(&publisher, at(3, 2), tests::raw::hex("1c0300800161000162")).await;
                assert!(matches!(fetch.answer().await, Message::FetchOk(ok) if ok.end == at(3, 2)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c122_the_joining_location_is_renewed_with_forward_1() {
    let mut scene = scene().await;
    let (mut request, id) = scene.subscribe(forward(false)).await;
    assert_eq!(request.accepted().await.largest_object, Some(at(4, 3)));
    scene.video.groups([5], 4);
    scene.video.groups([6], 2);
    let (mut other, name) = (Raw::connect(scene.relay.address).await, scene.name().clone());
    until("the relay is at group 6", async || other.largest(name.clone()).await == Some(at(6, 1))).await;
    let update = scene.viewer.next_id();
    request.update(update, forward(true)).await;
    assert_eq!(request.accepted().await.largest_object, Some(at(6, 1)));
    scene.video.shut_gate();
    let fetch = scene.viewer.coming_id();
    let mut joining = scene.viewer.fetch(relative(id, 2), Parameters::default()).await;
    // Forward 0 again, once the fetch has begun: it goes on.
    until("the fetch has begun", async || !scene.video.fetches().is_empty()).await;
    let update = scene.viewer.next_id();
    request.update(update, forward(false)).await;
    request.accepted().await;
    scene.video.open_gate();
    let ok = fetch_ok(&mut joining).await;
    assert_eq!(ok.end, at(6, 2));
    let mut data = scene.viewer.data().await;
    let (found, ended) = data.fetched(fetch, GroupOrder::Ascending).await;
    assert_eq!((found, ended), (frames(4..=6)[..10].to_vec(), Ended::Fin));
}

#[tokio::test(flavor = "multi_thread")]
async fn c123_with_fill_timeout_0_only_the_cache_answers() {
    let mut scene = scene().await;
    let name = scene.name().clone();
    scene.fetch(range(&name, at(2, 0), at(2, 0)), Parameters::default()).await;
    let cached = Parameters { fill_timeout: Some(Duration::ZERO), ..Parameters::default() };
    let (_, found) = scene.fetch(range(&name, at(1, 0), at(3, 0)), cached).await;
    let Some(Fetched::Nothing(unknown, false)) = found.first() else { panic!("{found:?}") };
    assert_eq!(unknown.group, 1);
    assert_eq!(found[1..5], frames([2]));
    assert!(matches!(found[5..], [Fetched::Nothing(last, false)] if last.group == 3), "{found:?}");
    assert_eq!(scene.video.fetches().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c124_a_fetch_that_is_not_wanted_any_more_ends_here_and_upstream() {
    let relay = RunningRelay::start(settings()).await;
    let mut publisher = Raw::connect(relay.address).await;
    let _announced = publisher.announce(namespace("live-demo")).await;
    let mut viewer = Raw::connect(relay.address).await;
    let mut subscribed = viewer.subscribe(track(TRACK), Parameters::default()).await;
    let mut asked = publisher.asked().await;
    asked.accept(7, Some(at(9, 0)), moqt::Properties::default()).await;
    asked.fill(&publisher, at(9, 1), tests::raw::hex("1c0900800161")).await;
    subscribed.accepted().await;
    let mut fetch = viewer.fetch(range(&track(TRACK), at(3, 0), at(3, 0)), Parameters::default()).await;
    let (mut upstream, message) = publisher.accept().await;
    assert!(matches!(message, Message::Fetch(_)), "{message:?}");
    fetch.recv.stop(CANCELLED);
    assert_eq!(within(transport::stopped(&mut *fetch.send)).await, Some(CANCELLED), "this side's half is stopped");
    assert!(!upstream.ends().await, "the relay cancels what nobody waits for");
}
