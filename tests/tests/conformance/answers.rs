//! C.2, rows 25 and 29 to 41: publishers that answer badly. Their session ends and nobody else's.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use moqt::{
    FetchOk, FullTrackName, Location, Message, Namespace, Parameters, Properties, ReasonPhrase, Redirect, RequestError,
    RequestErrorCode, SetupOptions, TrackName,
};
use tests::raw::{Asked, Raw, RawRequest, RawServer, encode, hex, message, setup};
use tests::system::{Arena, PROTOCOL_VIOLATION, Publisher, RunningRelay, Viewer, at, namespace, track, within};
use transport::RequestFailure;

/// A raw publisher of a track `x` that the relay has asked for it, because a viewer asked the relay.
struct Stage {
    raw: Raw,
    viewer: Viewer,
    name: FullTrackName,
    asked: Asked,
    watching: tokio::task::JoinHandle<Result<transport::Subscription, RequestFailure>>,
    _announcement: RawRequest,
}

impl Stage {
    async fn new(arena: &Arena) -> Self {
        // A name of its own: what an earlier publisher sent stays with the relay for a while.
        static STAGES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("bad{}", STAGES.fetch_add(1, Ordering::Relaxed));
        let mut raw = arena.raw().await;
        let announcement = raw.announce(namespace(&name)).await;
        let viewer = Viewer::over_quic(arena.address()).await;
        let (session, name) = (viewer.session.clone(), track(&format!("{name}--x")));
        let wanted = name.clone();
        let watching = tokio::spawn(async move { session.subscribe(wanted, Parameters::default()).await });
        let asked = raw.asked().await;
        Self { raw, viewer, name, asked, watching, _announcement: announcement }
    }

    /// Answers SUBSCRIBE_OK with alias 5 and waits until the viewer has its own.
    async fn established(arena: &Arena, largest: Option<Location>) -> (Self, transport::Subscription) {
        let mut stage = Self::new(arena).await;
        stage.asked.accept(5, largest, Properties::default()).await;
        let subscription = within(&mut stage.watching).await.unwrap().unwrap();
        (stage, subscription)
    }

    /// The publisher's session is closed, the viewer's is not.
    async fn closes(mut self, what: &str) {
        self.raw.closes(PROTOCOL_VIOLATION, what).await;
        self.survives(what);
    }

    fn survives(&mut self, what: &str) {
        assert!(!self.viewer.session.is_closed(), "{what}: the viewer must not suffer");
        self.watching.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c025_c035_c039_bad_answers_to_subscribe() {
    let mut arena = Arena::new().await;
    let long_reason = [&[0, 0, 0x84, 0x01][..], &[b'r'; 1025]].concat();
    let redirect = Redirect { uri: "https://elsewhere.example/".into(), track: track("bad--x") };
    let redirect = Message::RequestError(RequestError {
        request_id: None,
        code: RequestErrorCode::Redirect,
        retry: None,
        reason: ReasonPhrase::from("over there"),
        redirect: Some(redirect),
    });
    for (what, bytes) in [
        ("c25 a reason of 1025 bytes", message(0x05, &long_reason)),
        ("c35 a redirect to a URI from a client", encode(&redirect)),
        ("c39 DEFAULT_PUBLISHER_GROUP_ORDER 0", hex("04000401002200")),
        ("c39 DYNAMIC_GROUPS 2", hex("04000401003002")),
        ("c13 a request as an answer", hex("0300070001016e017400")),
        ("REQUEST_OK to SUBSCRIBE", message(0x07, &[0])),
        ("PUBLISH_DONE before SUBSCRIBE_OK", message(0x0B, &[0, 0, 0])),
        ("garbage", hex("3fffffff")),
    ] {
        let mut stage = Stage::new(&arena).await;
        stage.asked.subscribe.write(bytes).await;
        stage.closes(what).await;
    }
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c029_to_c032_c040_bad_objects_close_the_publishers_session_only() {
    let mut arena = Arena::new().await;
    for (what, bytes) in [
        ("c29 properties on End of Group", "310509000208010003"),
        ("c29 properties past their length", "31050900030d09610170"),
        ("c30 status 1", "300509000001"),
        ("c30 status 2", "300509000002"),
        ("c31 object id overflow", "300509ffffffffffffffffff0161000161"),
    ] {
        let (stage, _subscription) = Stage::established(&arena, None).await;
        let _stream = stage.raw.uni(hex(bytes)).await;
        stage.closes(what).await;
    }
    let (stage, _subscription) = Stage::established(&arena, None).await;
    let mut cut = stage.raw.uni(hex("3005090005616263")).await;
    cut.finish().unwrap();
    stage.closes("c32 FIN inside an object").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c032_c041_resets_and_unknown_codes_are_harmless() {
    let mut arena = Arena::new().await;
    let (mut stage, _subscription) = Stage::established(&arena, None).await;
    for code in [0x1, 0x9D, 0x3FFF_FFFF] {
        let mut cut = stage.raw.uni(hex("3005090005616263")).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        cut.reset(code);
    }
    stage.raw.lives("resets inside an object").await;
    stage.survives("resets");

    let mut stage = Stage::new(&arena).await;
    // REQUEST_ERROR with code 0x9D: in two bytes on the wire.
    stage.asked.subscribe.write(message(0x05, &[0x80, 0x9D, 0, 0])).await;
    let answer = within(&mut stage.watching).await.unwrap();
    assert!(matches!(answer, Err(RequestFailure::Refused(_))), "{answer:?}");
    stage.raw.lives("an unknown request error").await;
    stage.survives("an unknown request error");

    let (mut stage, _subscription) = Stage::established(&arena, None).await;
    stage.asked.subscribe.write(message(0x0B, &[0x80, 0x9D, 0, 0])).await;
    stage.raw.lives("an unknown PUBLISH_DONE code").await;
    stage.survives("an unknown PUBLISH_DONE code");
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c031_bad_fetch_streams() {
    let mut arena = Arena::new().await;
    for (what, records) in [
        ("the first object without ids", "1400800161"),
        ("flags 0x80", "8080030000"),
        ("object id overflow", "1c01ffffffffffffffffff010161000162"),
        ("no priority before", "808c02000c00000161"),
    ] {
        let (mut stage, _subscription) = Stage::established(&arena, Some(at(5, 3))).await;
        stage.asked.fill(&stage.raw, at(5, 4), hex(records)).await;
        stage.closes(what).await;
    }
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c034_properties_where_none_belong() {
    let mut arena = Arena::new().await;
    let mut raw = arena.raw().await;
    let mut tracks = raw.subscribe_tracks(namespace("offered"), Parameters::default()).await;
    tracks.accepted().await;
    let publisher = Publisher::default();
    let offered = publisher.track("offered--video0");
    offered.frame(at(1, 0), 100);
    let dialed = publisher.dial(arena.address()).await;
    dialed.publish(&offered).await;
    let (mut publish, asked) = raw.accept().await;
    assert!(matches!(asked, Message::Publish(_)), "{asked:?}");
    publish.write(hex("070003000201")).await;
    raw.closes(PROTOCOL_VIOLATION, "properties in PUBLISH_OK").await;
    assert!(!dialed.session.is_closed(), "c40: the publisher did nothing wrong");
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c038_a_fetch_that_is_answered_backwards_closes() {
    let mut arena = Arena::new().await;
    let (stage, subscription) = Stage::established(&arena, Some(at(5, 3))).await;
    let (session, name) = (stage.viewer.session.clone(), stage.name.clone());
    let _reader = session.fetch(name, at(3, 0), at(3, 0), Parameters::default()).unwrap();
    let (mut fetch, asked) = stage.raw.accept().await;
    assert!(matches!(asked, Message::Fetch(_)), "{asked:?}");
    let (parameters, properties) = (Parameters::default(), Properties::default());
    let ok = FetchOk { request_id: None, end_of_track: false, end: at(2, 9), parameters, properties };
    fetch.say(&Message::FetchOk(ok)).await;
    stage.closes("FETCH_OK that ends before the start").await;
    drop(subscription);
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c036_c037_upstreams_that_answer_a_namespace_request_badly() {
    for (what, answer) in [
        ("c036 NAMESPACE before the answer", hex("080003010161")),
        ("c036 a subscription's answer", hex("0400020100")),
        ("c037 NAMESPACE_DONE without NAMESPACE", hex("070001000e0003010161")),
        ("c037 NAMESPACE_DONE twice", hex("070001000800030101610e00030101610e0003010161")),
    ] {
        let upstream = RawServer::start(vec![setup(SetupOptions::default())]);
        let relay = RunningRelay::below(&[upstream.address]).await;
        let raw = upstream.session().await;
        let (mut request, asked) = raw.accept().await;
        assert!(matches!(asked, Message::SubscribeNamespace(_)), "{asked:?}");
        request.write(answer).await;
        raw.closes(PROTOCOL_VIOLATION, what).await;
        // The relay is well, and comes again.
        upstream.session().await.accept().await;
        drop(relay);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_never_answers_costs_its_viewers_a_timeout_only() {
    let mut arena = Arena::new().await;
    let mut stage = Stage::new(&arena).await;
    let answer = within(&mut stage.watching).await.unwrap();
    assert!(matches!(answer, Err(RequestFailure::Refused(_) | RequestFailure::Timeout)), "{answer:?}");
    stage.raw.lives("a publisher that does not answer").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_no_text_passes_through() {
    let arena = Arena::new().await;
    let name = FullTrackName::new(
        Namespace::new([Bytes::from_static(&[0xFF, 0x00])]).unwrap(),
        TrackName::new(Bytes::from_static(&[0x0A, 0xFE])).unwrap(),
    );
    let viewer = Viewer::over_quic(arena.address()).await;
    let answer = viewer.session.subscribe(name.unwrap(), Parameters::default()).await;
    assert!(matches!(answer, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::DoesNotExist));
}
