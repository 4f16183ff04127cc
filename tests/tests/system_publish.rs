//! Publishers that come to the relay, and those who listen for what there is.

use std::time::Duration;

use moqt::{Pair, PairValue, Parameters, Properties, PublishDoneCode, RequestErrorCode, property};
use tests::system::{
    Arrival, Carrier, Frames, Publisher, RunningRelay, Viewer, at, free_port, namespace, settings, until, upstream,
    within,
};
use transport::{IncomingRequest, NamespaceEvent, RequestFailure};

const TRACK: &str = "live-demo--video0";

fn refusal(outcome: Result<Frames, RequestFailure>) -> moqt::RequestError {
    match outcome {
        Err(RequestFailure::Refused(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_announces_its_namespace_and_is_pulled_from() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([3, 4], 5);
    let dialed = publisher.dial(relay.address).await;
    let _announced = dialed.announce(namespace("live")).await;
    let below = RunningRelay::below(&[relay.address]).await;
    for address in [relay.address, below.address] {
        let viewer = Viewer::over_quic(address).await;
        let mut frames = viewer.join(track.name(), 0).await.unwrap();
        assert_eq!(frames.up_to(at(4, 4)).await.len(), 5);
    }
    let viewer = Viewer::over_quic(relay.address).await;
    let unknown = refusal(viewer.join(&tests::system::track("live-demo--audio0"), 0).await);
    assert_eq!(unknown.code, RequestErrorCode::DoesNotExist, "{}", unknown.reason);
    assert_eq!(track.subscribes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_sends_and_the_next_when_it_refuses() {
    let relay = RunningRelay::start(settings()).await;
    let (wide, narrow) = (Publisher::default(), Publisher::default());
    let (of_wide, of_narrow) = (wide.track(TRACK), narrow.track(TRACK));
    of_wide.groups([1], 1);
    of_narrow.groups([2], 1);
    let wide_only = wide.track("live-demo--other");
    wide_only.groups([5], 1);
    let (first, second) = (wide.dial(relay.address).await, narrow.dial(relay.address).await);
    let _wide = first.announce(namespace("live")).await;
    let _narrow = second.announce(namespace("live-demo")).await;
    let viewer = Viewer::over_quic(relay.address).await;
    assert_eq!(viewer.join(of_wide.name(), 0).await.unwrap().frame().await, at(2, 0));
    assert_eq!(viewer.join(wide_only.name(), 0).await.unwrap().frame().await, at(5, 0));
    assert_eq!((of_wide.sent(), of_wide.subscribes(), of_narrow.subscribes()), (0, 1, 1), "the other stands by");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_publisher_takes_over_when_the_first_goes() {
    let relay = RunningRelay::start(settings()).await;
    let (first, second) = (Publisher::default(), Publisher::default());
    let (track, twin) = (first.track(TRACK), second.track(TRACK));
    let backup = second.dial(relay.address).await;
    let _held = backup.announce(namespace("live-demo")).await;
    let dialed = first.dial(relay.address).await;
    let announced = dialed.announce(namespace("live-demo")).await;
    let viewer = Viewer::over_quic(relay.address).await;
    for publisher in [&track, &twin] {
        publisher.groups([1], 5);
    }
    let mut frames = viewer.join(track.name(), 0).await.unwrap();
    assert_eq!(frames.up_to(at(1, 4)).await.len(), 5);
    twin.until_active(1).await;
    assert_eq!(twin.sent(), 0, "the newest publisher is preferred");
    drop(announced);
    drop(dialed);
    twin.frame(at(1, 5), 100);
    twin.groups([2], 2);
    assert_eq!(frames.up_to(at(2, 1)).await.into_iter().filter(|place| place.group == 2).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn c078_an_offered_track_is_switched_on_by_viewers_and_off_after_the_last() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let dialed = publisher.dial(relay.address).await;
    dialed.publish(&track).await;
    // Published after PUBLISH, so the relay learns of it only when it switches the track on.
    track.groups([6], 5);
    let viewer = Viewer::over_quic(relay.address).await;
    for round in 0..3 {
        let mut frames = viewer.join(track.name(), 0).await.unwrap();
        let last = 5 + round;
        track.frame(at(6, last), 500);
        let expected: Vec<_> = (0..=last).map(|object| at(6, object)).collect();
        assert_eq!(frames.up_to(at(6, last)).await, expected, "round {round}");
        frames.unsubscribe().await;
        // Beyond the linger: the next round switches it on anew.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let mut frames = viewer.join(track.name(), 0).await.unwrap();
    frames.up_to(at(6, 7)).await;
    track.end();
    assert_eq!(frames.end().await, Arrival::Done(PublishDoneCode::TrackEnded));
    let gone = async || viewer.join(track.name(), 0).await.is_err();
    until("the offer's end", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c084_c088_subscribers_of_a_prefix_are_told_of_namespaces_coming_and_going() {
    let relay = RunningRelay::start(settings()).await;
    let below = RunningRelay::below(&[relay.address]).await;
    let publisher = Publisher::default();
    let dialed = publisher.dial(relay.address).await;
    let demo = dialed.announce(namespace("live-demo")).await;
    let _elsewhere = dialed.announce(namespace("vod-demo")).await;
    let viewers = [Viewer::over_quic(relay.address).await, Viewer::over_quic(below.address).await];
    let mut readers = Vec::new();
    for viewer in &viewers {
        let listening = viewer.session.subscribe_namespace(namespace("live"), Parameters::default());
        let mut reader = within(listening).await.unwrap();
        assert_eq!(within(reader.next()).await, Some(NamespaceEvent::Added(namespace("live-demo"))));
        readers.push(reader);
    }
    let second = dialed.announce(namespace("live-second")).await;
    for reader in &mut readers {
        assert_eq!(within(reader.next()).await, Some(NamespaceEvent::Added(namespace("live-second"))));
    }
    drop(demo);
    for reader in &mut readers {
        assert_eq!(within(reader.next()).await, Some(NamespaceEvent::Removed(namespace("live-demo"))));
    }
    // The publisher's end withdraws the rest.
    drop(dialed);
    for reader in &mut readers {
        assert_eq!(within(reader.next()).await, Some(NamespaceEvent::Removed(namespace("live-second"))));
    }
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn c079_subscribers_of_a_prefix_are_offered_its_tracks() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let (early, late) = (publisher.track(TRACK), publisher.track("live-demo--audio0"));
    early.groups([1], 2);
    late.groups([1], 2);
    let dialed = publisher.dial(relay.address).await;
    dialed.publish(&early).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let listening = viewer.session.subscribe_tracks(namespace("live"), Parameters::default());
    let _reader = within(listening).await.unwrap();
    for (number, track) in [early, late].into_iter().enumerate() {
        if number > 0 {
            dialed.publish(&track).await;
        }
        let Some(IncomingRequest::Publish(offer)) = within(viewer.session.next_request()).await else {
            panic!("no PUBLISH for {}", track.name());
        };
        assert_eq!(&offer.track, track.name());
        let subscription = offer.accept(Parameters { forward: Some(true), ..Parameters::default() });
        let mut frames = Frames::new(track.name(), subscription, None);
        assert_eq!(frames.up_to(at(1, 1)).await, [at(1, 0), at(1, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn track_status_says_what_subscribe_ok_would() {
    let publisher = Publisher::default();
    let priority = Pair { id: property::DEFAULT_PUBLISHER_PRIORITY, value: PairValue::Int(7) };
    let properties = Properties::from_pairs([priority]).unwrap();
    let track = publisher.track_with(TRACK, properties);
    track.groups([2], 3);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let status = within(viewer.session.track_status(track.name().clone(), Parameters::default())).await.unwrap();
    let subscription = within(viewer.session.subscribe(track.name().clone(), Parameters::default())).await.unwrap();
    assert_eq!(status.parameters.largest_object, Some(at(2, 2)));
    assert_eq!(status.parameters.largest_object, subscription.parameters().largest_object);
    assert_eq!(status.properties.get_int(property::DEFAULT_PUBLISHER_PRIORITY), Some(7));
    assert_eq!(&status.properties, subscription.properties());
    let nothing = tests::system::track("live-demo--nothing");
    let missing = within(viewer.session.track_status(nothing, Parameters::default())).await;
    assert!(
        matches!(&missing, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::DoesNotExist),
        "{missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c055_c056_a_subscription_may_wait_for_its_publisher() {
    let relay = RunningRelay::start(settings()).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let patient = |milliseconds| Parameters {
        rendezvous_timeout: Some(Duration::from_millis(milliseconds)),
        ..Parameters::default()
    };
    let refused = refusal(viewer.subscribe(track.name(), patient(0)).await);
    assert_eq!(refused.code, RequestErrorCode::DoesNotExist);
    let refused = refusal(viewer.subscribe(track.name(), patient(200)).await);
    assert_eq!(refused.code, RequestErrorCode::Timeout);
    let waiting = viewer.session.clone();
    let name = track.name().clone();
    let waiting = tokio::spawn(async move { waiting.subscribe(name, patient(10_000)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    track.groups([9], 2);
    let dialed = publisher.dial(relay.address).await;
    let _announced = dialed.announce(namespace("live-demo")).await;
    let subscription = within(waiting).await.unwrap().unwrap();
    assert_eq!(Frames::new(track.name(), subscription, None).frame().await, at(9, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_not_there_is_an_answer_in_bounded_time() {
    let relay = RunningRelay::start(relay::RelaySettings { upstream: vec![upstream(free_port())], ..settings() }).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let asked = tokio::time::Instant::now();
    let refused = refusal(viewer.join(&tests::system::track(TRACK), 0).await);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert!(refused.reason.to_string().contains("upstream cannot be reached"), "{}", refused.reason);
    assert!(refused.retry.is_some(), "it may come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn c054_an_upstream_that_refuses_is_answered_at_once() {
    let source = Publisher::default().listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    until("the relay is ready", async || tests::system::http_get(relay.http, "/readyz").await.status == 200).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let asked = tokio::time::Instant::now();
    let refused = refusal(viewer.join(&tests::system::track(TRACK), 0).await);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert_eq!(refused.code, RequestErrorCode::DoesNotExist);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_publishes_over_webtransport_and_its_viewers_learn_when_it_goes() {
    let relay = RunningRelay::start(relay::RelaySettings { resume_ms: 500, ..settings() }).await;
    let page = Publisher::default();
    let (video, catalog) = (page.track(TRACK), page.track("live-demo--catalog"));
    catalog.groups([0], 1);
    video.groups([7, 8], 3);
    let dialed = page.dial_as(relay.address, Carrier::WebTransport, None).await;
    let announced = dialed.announce(namespace("live-demo")).await;

    let viewer = Viewer::connect(relay.address, Carrier::WebTransport).await;
    let listing = viewer.session.subscribe_namespace(namespace("live"), Parameters::default());
    let mut listing = within(listing).await.unwrap();
    assert_eq!(within(listing.next()).await, Some(NamespaceEvent::Added(namespace("live-demo"))));
    assert_eq!(viewer.join(catalog.name(), 0).await.unwrap().frame().await, at(0, 0));
    let mut frames = viewer.join(video.name(), 0).await.unwrap();
    assert_eq!(frames.up_to(at(8, 2)).await.len(), 3);
    video.groups([9], 2);
    assert_eq!(frames.up_to(at(9, 1)).await.len(), 2);

    // The tab is closed: neither PUBLISH_DONE nor PUBLISH_NAMESPACE_DONE is said.
    let gone = std::time::Instant::now();
    std::mem::forget(announced);
    drop(dialed);
    assert_eq!(within(listing.next()).await, Some(NamespaceEvent::Removed(namespace("live-demo"))));
    assert!(matches!(frames.end().await, Arrival::Done(_)));
    assert!(gone.elapsed() < Duration::from_secs(5), "{:?}", gone.elapsed());
}
