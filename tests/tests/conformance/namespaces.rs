//! C.5: PUBLISH, and namespaces that come and go.

use std::time::Duration;

use moqt::{FetchKind, Message, Namespace, NamespaceAdded, NamespaceRemoved, Parameters, Properties, RequestErrorCode};
use tests::raw::{Raw, RawRequest, message};
use tests::system::{Publisher, RunningRelay, Viewer, at, namespace, settings, track, until};
use transport::ConnectionSettings;

const TRACK: &str = "foo-bar--x";

fn forward(on: bool) -> Parameters {
    Parameters { forward: Some(on), ..Parameters::default() }
}

fn patient() -> Parameters {
    Parameters { rendezvous_timeout: Some(Duration::from_secs(10)), ..Parameters::default() }
}

/// The next thing that SUBSCRIBE_NAMESPACE is told: what came, or what went.
async fn told(request: &mut RawRequest) -> Result<Namespace, Namespace> {
    match request.answer().await {
        Message::Namespace(NamespaceAdded { suffix }) => Ok(suffix),
        Message::NamespaceDone(NamespaceRemoved { suffix }) => Err(suffix),
        other => panic!("{other:?}"),
    }
}

/// SUBSCRIBE_NAMESPACE, accepted.
async fn listen(viewer: &mut Raw, prefix: &str) -> RawRequest {
    let mut request = viewer.subscribe_namespace(namespace(prefix)).await;
    request.accepted().await;
    request
}

async fn offers(request: (RawRequest, Message)) -> (RawRequest, moqt::Publish) {
    match request {
        (request, Message::Publish(publish)) => (request, publish),
        (_, other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_somebody_waits_for_is_taken_and_switched_on() {
    let relay = RunningRelay::start(settings()).await;
    let mut viewer = Raw::connect(relay.address).await;
    let mut waiting = viewer.subscribe(track(TRACK), patient()).await;
    waiting.unanswered("nobody publishes").await;
    let mut publisher = Raw::connect(relay.address).await;
    let mut offered = publisher.publish(track(TRACK), 7, Properties::default()).await;
    if offered.accepted().await.forward != Some(true) {
        let Message::RequestUpdate(update) = offered.answer().await else { panic!("no REQUEST_UPDATE") };
        assert_eq!(update.parameters.forward, Some(true));
        offered.write(message(0x07, &[0])).await;
    }
    waiting.accepted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c079_a_publisher_is_not_offered_its_own_tracks() {
    let relay = RunningRelay::start(settings()).await;
    let mut publisher = Raw::connect(relay.address).await;
    let mut own = publisher.subscribe_tracks(namespace("foo"), Parameters::default()).await;
    own.accepted().await;
    let mut viewer = Raw::connect(relay.address).await;
    let mut listening = viewer.subscribe_tracks(namespace("foo"), Parameters::default()).await;
    listening.accepted().await;
    let mut offered = publisher.publish(track(TRACK), 7, Properties::default()).await;
    offered.accepted().await;
    assert!(matches!(offered.answer().await, Message::RequestUpdate(_)), "the other one wants it");
    offered.write(message(0x07, &[0])).await;
    let (_request, publish) = offers(viewer.accept().await).await;
    assert_eq!(publish.track, track(TRACK));
    publisher.unasked("its own track").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c080_who_waits_for_a_track_gets_its_answer_and_no_offer() {
    let relay = RunningRelay::start(settings()).await;
    let mut viewer = Raw::connect(relay.address).await;
    let mut listening = viewer.subscribe_tracks(namespace("foo"), Parameters::default()).await;
    listening.accepted().await;
    let mut waiting = viewer.subscribe(track(TRACK), patient()).await;
    waiting.unanswered("nobody publishes").await;
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups([1], 1);
    let dialed = publisher.dial(relay.address).await;
    dialed.publish(&video).await;
    assert_eq!(waiting.accepted().await.largest_object, Some(at(1, 0)));
    viewer.unasked("a track that it has subscribed to").await;
    viewer.stays("both ways to a track").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c081_who_did_not_ask_for_tracks_is_offered_none() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let (video, audio) = (publisher.track(TRACK), publisher.track("foo-bar--y"));
    video.groups([1], 1);
    let dialed = publisher.dial(relay.address).await;
    let _announced = dialed.announce(namespace("foo")).await;
    let mut viewer = Raw::connect(relay.address).await;
    viewer.subscribe(track(TRACK), Parameters::default()).await.accepted().await;
    let _listening = listen(&mut viewer, "foo").await;
    dialed.publish(&audio).await;
    viewer.unasked("only SUBSCRIBE and SUBSCRIBE_NAMESPACE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c082_tracks_asked_for_with_forward_0_are_offered_with_forward_0() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups([1], 1);
    let dialed = publisher.dial(relay.address).await;
    dialed.publish(&video).await;
    for on in [false, true] {
        let mut viewer = Raw::connect(relay.address).await;
        let mut listening = viewer.subscribe_tracks(namespace("foo"), forward(on)).await;
        listening.accepted().await;
        let (mut offer, publish) = offers(viewer.accept().await).await;
        assert_eq!(publish.parameters.forward.unwrap_or(true), on);
        offer.write(message(0x07, &[0])).await;
        if !on {
            viewer.no_data("forward 0").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c083_without_a_stream_a_track_is_blocked_and_stays_so() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let (video, audio) = (publisher.track(TRACK), publisher.track("foo-bar--y"));
    for track in [&video, &audio] {
        track.groups([1], 1);
    }
    let dialed = publisher.dial(relay.address).await;
    // Room for one request of the relay.
    let narrow = ConnectionSettings { max_incoming_bidi: 1, max_incoming_uni: 64, ..ConnectionSettings::default() };
    let mut viewer = Raw::granting(relay.address, "moqt", narrow).await;
    viewer.control = Some(viewer.uni(tests::raw::setup(moqt::SetupOptions::default())).await);
    let mut listening = viewer.subscribe_tracks(namespace("foo"), Parameters::default()).await;
    listening.accepted().await;
    dialed.publish(&video).await;
    let (mut offer, publish) = offers(viewer.accept().await).await;
    assert_eq!(&publish.track, video.name());
    dialed.publish(&audio).await;
    let Message::PublishBlocked(blocked) = listening.answer().await else { panic!("not blocked") };
    assert_eq!((blocked.suffix, &blocked.name), (namespace("bar"), &audio.name().name));
    // Room again: too late for that track, which can be subscribed to all the same.
    offer.cancel();
    drop(offer);
    viewer.unasked("a blocked track").await;
    viewer.subscribe(audio.name().clone(), Parameters::default()).await.accepted().await;
}

/// What SUBSCRIBE_NAMESPACE is told at once, in order.
async fn known(request: &mut RawRequest, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(told(request).await.expect("a namespace that is there").to_string());
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn c084_c088_a_prefix_hears_of_all_below_it_its_own_included() {
    let relay = RunningRelay::start(settings()).await;
    let mut publisher = Raw::connect(relay.address).await;
    let mut announced = Vec::new();
    for name in ["foo", "foo-bar", "foo-bar-deep", "foobar"] {
        announced.push(publisher.announce(namespace(name)).await);
    }
    let mut other = Raw::connect(relay.address).await;
    let mut listening = [listen(&mut publisher, "foo").await, listen(&mut other, "foo").await];
    for request in &mut listening {
        assert_eq!(known(request, 3).await, ["", "bar", "bar-deep"]);
        request.unanswered("foobar is another first field").await;
    }
    announced[1].cancel();
    for request in &mut listening {
        assert_eq!(told(request).await, Err(namespace("bar")));
    }
    let _again = publisher.announce(namespace("foo-bar")).await;
    for request in &mut listening {
        assert_eq!(told(request).await, Ok(namespace("bar")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c085_prefixes_of_one_session_may_not_overlap() {
    let relay = RunningRelay::start(settings()).await;
    let mut viewer = Raw::connect(relay.address).await;
    let mut first = listen(&mut viewer, "a-b").await;
    for prefix in ["a-b", "a", "a-b-c"] {
        let mut second = viewer.subscribe_namespace(namespace(prefix)).await;
        assert_eq!(second.refused().await, RequestErrorCode::PrefixOverlap, "{prefix}");
    }
    let mut all = viewer.subscribe_namespace(Namespace::default()).await;
    assert_eq!(all.refused().await, RequestErrorCode::PrefixOverlap, "everything");
    let _beside = listen(&mut viewer, "a-c").await;
    let mut tracks = viewer.subscribe_tracks(namespace("a"), Parameters::default()).await;
    tracks.accepted().await;
    let mut more = viewer.subscribe_tracks(namespace("a-b"), Parameters::default()).await;
    assert_eq!(more.refused().await, RequestErrorCode::PrefixOverlap, "of the other kind");
    first.cancel();
    let again = async || {
        let mut second = viewer.subscribe_namespace(namespace("a-b")).await;
        matches!(second.answer().await, Message::RequestOk(_))
    };
    until("the first one is over", again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c086_a_prefix_moves() {
    let relay = RunningRelay::start(settings()).await;
    let mut publisher = Raw::connect(relay.address).await;
    let _announced = [publisher.announce(namespace("a-x")).await, publisher.announce(namespace("b-y")).await];
    let mut viewer = Raw::connect(relay.address).await;
    let mut listening = listen(&mut viewer, "a").await;
    assert_eq!(told(&mut listening).await, Ok(namespace("x")));
    let to = |prefix| Parameters { namespace_prefix: Some(namespace(prefix)), ..Parameters::default() };
    let id = viewer.next_id();
    listening.update(id, to("b")).await;
    listening.accepted().await;
    assert_eq!(told(&mut listening).await, Ok(namespace("y")));
    let _later = publisher.announce(namespace("b-z")).await;
    assert_eq!(told(&mut listening).await, Ok(namespace("z")));

    let mut other = listen(&mut viewer, "c").await;
    let id = viewer.next_id();
    other.update(id, to("b-deep")).await;
    assert_eq!(other.refused().await, RequestErrorCode::PrefixOverlap);
    other.ends().await;
    viewer.stays("a prefix that cannot move").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c087_two_publishers_of_a_namespace_are_one_namespace() {
    let relay = RunningRelay::start(settings()).await;
    let mut viewer = Raw::connect(relay.address).await;
    let mut listening = listen(&mut viewer, "foo").await;
    let mut first = Raw::connect(relay.address).await;
    let mut second = Raw::connect(relay.address).await;
    let mut announced = [first.announce(namespace("foo-bar")).await, second.announce(namespace("foo-bar")).await];
    assert_eq!(told(&mut listening).await, Ok(namespace("bar")));
    announced[0].cancel();
    listening.unanswered("the other one is still there").await;
    announced[1].cancel();
    assert_eq!(told(&mut listening).await, Err(namespace("bar")));
    listening.unanswered("nothing more to tell").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c090_a_withdrawn_namespace_gets_nothing_new_and_keeps_what_runs() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let (video, audio) = (publisher.track(TRACK), publisher.track("foo-bar--y"));
    video.groups([1], 1);
    audio.groups([1], 1);
    let dialed = publisher.dial(relay.address).await;
    let announced = dialed.announce(namespace("foo")).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let mut frames = viewer.join(video.name(), 0).await.unwrap();
    assert_eq!(frames.frame().await, at(1, 0));
    let mut listener = Raw::connect(relay.address).await;
    let mut listening = listen(&mut listener, "foo").await;
    told(&mut listening).await.unwrap();
    drop(announced);
    told(&mut listening).await.unwrap_err();
    let mut request = listener.subscribe(audio.name().clone(), Parameters::default()).await;
    assert_eq!(request.refused().await, RequestErrorCode::DoesNotExist);
    assert_eq!(audio.subscribes(), 0);
    video.groups([2], 2);
    assert_eq!(frames.up_to(at(2, 1)).await, [at(2, 0), at(2, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c091_an_offered_track_says_nothing_of_its_namespace() {
    let relay = RunningRelay::start(settings()).await;
    let mut publisher = Raw::connect(relay.address).await;
    let mut offered = publisher.publish(track("foo--x"), 7, Properties::default()).await;
    offered.accepted().await;
    let mut viewer = Raw::connect(relay.address).await;
    let mut request = viewer.subscribe(track("foo--y"), Parameters::default()).await;
    assert_eq!(request.refused().await, RequestErrorCode::DoesNotExist);
    let kind = FetchKind::Standalone { track: track("foo--y"), start: at(0, 0), end: at(1, 0) };
    let mut request = viewer.fetch(kind, Parameters::default()).await;
    assert_eq!(request.refused().await, RequestErrorCode::DoesNotExist);
    publisher.unasked("a track it did not offer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c093_a_prefix_ends_with_its_stream_and_subscriptions_stay() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups([1], 1);
    let dialed = publisher.dial(relay.address).await;
    dialed.publish(&video).await;
    for fin in [true, false] {
        let mut viewer = Raw::connect(relay.address).await;
        let mut names = listen(&mut viewer, "foo").await;
        let mut tracks = viewer.subscribe_tracks(namespace("foo"), Parameters::default()).await;
        tracks.accepted().await;
        let (mut offer, _publish) = offers(viewer.accept().await).await;
        offer.write(message(0x07, &[0])).await;
        let mut data = viewer.data().await;
        assert!(!data.chunk().await.unwrap().is_empty());
        for request in [&mut names, &mut tracks] {
            if fin {
                request.send.finish().unwrap();
            } else {
                request.cancel();
            }
        }
        // Their prefixes are free again.
        let again = async || {
            let mut names = viewer.subscribe_namespace(namespace("foo")).await;
            matches!(names.answer().await, Message::RequestOk(_))
        };
        until("the first one is over", again).await;
        let group = if fin { 2 } else { 3 };
        video.groups([group], 1);
        let mut next = viewer.data().await;
        assert_eq!(next.subgroup().group, group, "the subscription goes on");
        assert!(!next.chunk().await.unwrap().is_empty());
    }
}
