//! C.9: priorities and timeouts under congestion, new groups on request, and leaving.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use moqt::{
    GroupOrder, Location, Message, Pair, Parameters, Properties, PublishDoneCode, ReasonPhrase, Redirect, RequestError,
    RequestErrorCode, StreamErrorCode, property,
};
use relay::{RelaySettings, SlowViewerSettings};
use stress::{ImpairingProxy, Impairment};
use tests::raw::{Raw, encode};
use tests::system::{
    Arrival, Dialed, Frames, PublishedTrack, Publisher, RunningRelay, Viewer, at, http_post, namespace, settings,
    track, until, upstream, within,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use transport::{NamespacePublication, RequestFailure, SessionError, TrackEvent};

const TRACK: &str = "live-demo--video0";
const OTHER: &str = "live-demo--video1";
/// Payload bytes of a frame.
const FRAME: usize = 20_000;

/// A path to a relay that is as bad as it is told.
struct Path {
    address: SocketAddr,
    carrying: JoinHandle<()>,
}

impl Path {
    fn to(relay: &RunningRelay, impairment: Impairment) -> Self {
        let proxy = ImpairingProxy::bind(relay.address, impairment, 7).unwrap();
        let address = ([127, 0, 0, 1], proxy.port().unwrap()).into();
        let carrying = tokio::spawn(async move {
            let _ = proxy.carry().await;
        });
        Self { address, carrying }
    }

    /// So many bits a second towards the viewer.
    fn limited(relay: &RunningRelay, rate: f64) -> Self {
        Self::to(relay, Impairment { delay: Duration::from_millis(5), rate: Some(rate), ..Impairment::default() })
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

struct Stage {
    publisher: Publisher,
    _dialed: Dialed,
    _announced: NamespacePublication,
    relay: RunningRelay,
}

impl Stage {
    async fn new() -> Self {
        // Patient with slow viewers, so that only the rule under test acts.
        let slow_viewer = SlowViewerSettings { groups: 100, milliseconds: 60_000, bytes: 1 << 30 };
        Self::with(RelaySettings { slow_viewer, ..settings() }).await
    }

    async fn with(settings: RelaySettings) -> Self {
        let relay = RunningRelay::start(settings).await;
        let publisher = Publisher::default();
        let dialed = publisher.dial(relay.address).await;
        let announced = dialed.announce(namespace("live")).await;
        Self { publisher, _dialed: dialed, _announced: announced, relay }
    }
}

fn frames(track: &PublishedTrack, group: u64, count: u64) {
    for object in 0..count {
        track.frame(at(group, object), FRAME);
    }
    track.finish_group();
}

fn wants(priority: u8, order: GroupOrder) -> Parameters {
    Parameters { subscriber_priority: Some(priority), group_order: Some(order), ..Parameters::default() }
}

/// Bits per second of a path that is far too narrow for what is published.
const NARROW: f64 = 4e6;
/// Frames of a group that keeps a narrow path busy for four seconds: twice what a relay's send buffer holds for one viewer.
const MANY: u64 = 100;
/// Frames that may be on a narrow path already, or in the queue in front of it, when something more urgent comes. What only waits in
/// the relay's send buffer (a megabyte, 50 frames) must not add to them.
const UNDER_WAY: usize = 30;

/// Waits for `urgent`, and counts the frames that come before it.
async fn ahead_of<T>(urgent: impl Future<Output = T>, frames: &mut Frames) -> (T, usize) {
    let mut urgent = std::pin::pin!(urgent);
    let mut count = 0;
    loop {
        tokio::select! {
            outcome = &mut urgent => return (outcome, count),
            _ = frames.frame() => count += 1,
        }
    }
}

/// A viewer behind a narrow path, and a track that is filling it.
async fn narrow(stage: &Stage, priority: u8) -> (Path, Viewer, Frames) {
    let path = Path::limited(&stage.relay, NARROW);
    let viewer = Viewer::over_quic(path.address).await;
    let published = stage.publisher.track(TRACK);
    let mut filling = viewer.subscribe(published.name(), wants(priority, GroupOrder::Ascending)).await.unwrap();
    published.until_active(1).await;
    frames(&published, 1, MANY);
    for object in 0..5 {
        assert_eq!(filling.frame().await, at(1, object));
    }
    (path, viewer, filling)
}

#[tokio::test(flavor = "multi_thread")]
async fn c127_the_subscriber_priority_decides_under_congestion() {
    let stage = Stage::new().await;
    let urgent = stage.publisher.track(OTHER);
    let (_path, viewer, mut filling) = narrow(&stage, 200).await;
    let mut watching = within(viewer.subscribe(urgent.name(), wants(10, GroupOrder::Ascending))).await.unwrap();
    urgent.until_active(1).await;
    frames(&urgent, 1, 10);
    let (_, before) = ahead_of(watching.up_to(at(1, 9)), &mut filling).await;
    assert!(before < UNDER_WAY, "{before} frames before the more urgent ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn c127_the_group_order_decides_within_a_track() {
    for order in [GroupOrder::Descending, GroupOrder::Ascending] {
        let stage = Stage::new().await;
        let path = Path::limited(&stage.relay, NARROW);
        let viewer = Viewer::over_quic(path.address).await;
        let published = stage.publisher.track(TRACK);
        let mut watching = viewer.subscribe(published.name(), wants(128, order)).await.unwrap();
        published.until_active(1).await;
        frames(&published, 1, MANY);
        assert_eq!(watching.frame().await, at(1, 0));
        frames(&published, 2, 10);
        let arrived = watching.up_to(at(2, 9)).await;
        let before = arrived.iter().filter(|location| location.group == 1).count();
        match order {
            GroupOrder::Descending => assert!(before < UNDER_WAY, "{before} frames of the older group first"),
            GroupOrder::Ascending => assert_eq!(before as u64, MANY - 1, "all of the older group first"),
        }
    }
}

/// A track that waits becomes the more urgent one when the one that fills the path is made less so. (The other way round, quinn
/// sorts what it holds of a waiting stream anew only once it has sent of it.)
#[tokio::test(flavor = "multi_thread")]
async fn c128_a_changed_priority_acts_on_what_was_not_sent() {
    let stage = Stage::new().await;
    let path = Path::limited(&stage.relay, NARROW);
    let viewer = Viewer::over_quic(path.address).await;
    let (filling, waiting) = (stage.publisher.track(TRACK), stage.publisher.track(OTHER));
    let asked = viewer.session.subscribe(filling.name().clone(), wants(100, GroupOrder::Ascending));
    let mut filler = within(asked).await.unwrap();
    let mut watching = viewer.subscribe(waiting.name(), wants(200, GroupOrder::Ascending)).await.unwrap();
    filling.until_active(1).await;
    waiting.until_active(1).await;
    frames(&filling, 1, MANY);
    let TrackEvent::Subgroup(mut reader) = within(filler.next()).await else { panic!("no stream") };
    within(reader.next_object(FRAME as u64)).await.unwrap();
    frames(&waiting, 1, 10);
    let change = async {
        let less_urgent = Parameters { subscriber_priority: Some(250), ..Parameters::default() };
        within(filler.update(less_urgent)).await.unwrap();
        watching.up_to(at(1, 9)).await
    };
    let before = async {
        let mut before = 0;
        while reader.next_object(FRAME as u64).await.unwrap().is_some() {
            before += 1;
        }
        before
    };
    tokio::select! {
        _ = change => {}
        before = before => panic!("{before} frames of what is less urgent now"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c140_answers_come_before_data_that_fill_the_connection() {
    let stage = Stage::new().await;
    let other = stage.publisher.track(OTHER);
    let (_path, viewer, mut filling) = narrow(&stage, 0).await;
    let status = viewer.session.track_status(other.name().clone(), Parameters::default());
    let (answer, before) = ahead_of(status, &mut filling).await;
    answer.unwrap();
    assert!(before < UNDER_WAY, "{before} frames before the answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn c129_what_a_viewer_prefers_stays_between_it_and_the_relay() {
    let stage = Stage::new().await;
    let viewer = Viewer::over_quic(stage.relay.address).await;
    let published = stage.publisher.track(TRACK);
    let asked = Parameters {
        object_delivery_timeout: Some(Duration::from_millis(500)),
        subgroup_delivery_timeout: Some(Duration::from_millis(700)),
        ..wants(7, GroupOrder::Descending)
    };
    let _frames = viewer.subscribe(published.name(), asked).await.unwrap();
    let wanted = published.wanted();
    assert_eq!(wanted.len(), 1);
    let seen = &wanted[0];
    assert_eq!((seen.subscriber_priority, seen.group_order), (None, None));
    assert_eq!((seen.object_delivery_timeout, seen.subgroup_delivery_timeout), (None, None));
    assert_eq!(seen.forward, Some(true), "c068");
}

#[tokio::test(flavor = "multi_thread")]
async fn c130_late_objects_reset_their_stream_by_the_smaller_timeout() {
    let ms = Duration::from_millis;
    for (own, asked, late) in [
        (Some(100), None, true),
        (Some(60_000), Some(ms(100)), true),
        (Some(100), Some(ms(60_000)), true),
        (None, Some(Duration::ZERO), false),
        (Some(0), None, false),
    ] {
        let stage = Stage::new().await;
        let path = Path::limited(&stage.relay, 20e6);
        let viewer = Viewer::over_quic(path.address).await;
        let own = own.map(|value: u64| Pair::new(property::OBJECT_DELIVERY_TIMEOUT, value));
        let published = stage.publisher.track_with(TRACK, Properties::from_pairs(own.clone()).unwrap());
        let asked = Parameters { object_delivery_timeout: asked, ..Parameters::default() };
        let mut watching = viewer.subscribe(published.name(), asked).await.unwrap();
        published.until_active(1).await;
        // Three megabytes: more than the transport takes over at once, and 1.2 seconds of the path.
        frames(&published, 1, 150);
        let mut count = 0;
        let reset = loop {
            match watching.next().await {
                Arrival::Frame(..) => count += 1,
                Arrival::Reset(group, code) => break Some((group, code)),
                other => panic!("{other:?}"),
            }
            if count == 150 {
                break None;
            }
        };
        assert_eq!(reset, late.then_some((1, StreamErrorCode::DeliveryTimeout)), "{own:?}");
        // Not reopened; the next group comes.
        frames(&published, 2, 2);
        assert_eq!(watching.frame().await, at(2, 0), "{own:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c131_a_subgroup_is_reset_if_it_is_not_delivered_in_time_after_its_end() {
    for (late, rate) in [(true, 2e6), (false, 200e6)] {
        let stage = Stage::new().await;
        let path = Path::limited(&stage.relay, rate);
        let viewer = Viewer::over_quic(path.address).await;
        let published = stage.publisher.track(TRACK);
        let asked = Parameters { subgroup_delivery_timeout: Some(Duration::from_millis(400)), ..Parameters::default() };
        let mut watching = viewer.subscribe(published.name(), asked).await.unwrap();
        published.until_active(1).await;
        // Less than the transport takes over at once: only what is not acknowledged can be late.
        frames(&published, 1, 20);
        let mut count = 0;
        let reset = loop {
            match watching.next().await {
                Arrival::Frame(..) => count += 1,
                Arrival::Reset(1, code) => break Some(code),
                other => panic!("{other:?}"),
            }
            if count == 20 {
                break None;
            }
        };
        assert_eq!(reset, late.then_some(StreamErrorCode::DeliveryTimeout));
        frames(&published, 2, 1);
        assert_eq!(watching.frame().await, at(2, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c132_a_viewer_that_stops_reading_is_let_go_as_too_far_behind() {
    let slow_viewer = SlowViewerSettings { groups: 1, ..SlowViewerSettings::default() };
    let stage = Stage::with(RelaySettings { slow_viewer, ..settings() }).await;
    let viewer = Viewer::over_quic(stage.relay.address).await;
    let published = stage.publisher.track(TRACK);
    let mut subscription = viewer.session.subscribe(published.name().clone(), Parameters::default()).await.unwrap();
    published.until_active(1).await;
    let writing = {
        let published = published.clone();
        tokio::spawn(async move {
            for group in 1.. {
                frames(&published, group, 20);
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        })
    };
    // Streams are taken, not read.
    let mut held = Vec::new();
    let status = loop {
        match within(subscription.next()).await {
            TrackEvent::Subgroup(reader) => held.push(reader),
            TrackEvent::Done { status, .. } => break status,
            other => panic!("{other:?}"),
        }
    };
    writing.abort();
    assert_eq!(status, PublishDoneCode::TooFarBehind);
}

fn dynamic() -> Properties {
    Properties::from_pairs([Pair::new(property::DYNAMIC_GROUPS, 1_u64)]).unwrap()
}

fn asks(group: u64) -> Parameters {
    Parameters { new_group_request: Some(group), ..Parameters::default() }
}

/// Time in which what must not come would have come.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn c133_a_new_group_is_asked_for_once_where_that_is_possible() {
    let stage = Stage::new().await;
    let published = stage.publisher.track_with(TRACK, dynamic());
    published.groups([5], 2);
    let mut viewers = Vec::new();
    for _ in 0..3 {
        let viewer = Viewer::over_quic(stage.relay.address).await;
        let subscription = viewer.session.subscribe(published.name().clone(), asks(0)).await.unwrap();
        viewers.push((viewer, subscription));
    }
    let first = published.wanted();
    assert_eq!(first.iter().map(|wanted| wanted.new_group_request).collect::<Vec<_>>(), [Some(0)], "passed on first");
    tokio::time::sleep(A_WHILE).await;
    assert!(published.group_requests().is_empty(), "the first request is still out");
    published.groups([6], 2);
    until("group 6 is here", async || {
        let largest = within(viewers[0].1.update(Parameters::default())).await.unwrap().largest_object;
        largest.is_some_and(|largest| largest.group == 6)
    })
    .await;
    for (_, subscription) in &viewers {
        within(subscription.update(asks(6))).await.unwrap();
        within(subscription.update(asks(0))).await.unwrap();
    }
    until("it is asked for again", async || published.group_requests() == [0]).await;
    within(viewers[1].1.update(asks(9))).await.unwrap();
    until("a later one is more", async || published.group_requests() == [0, 9]).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(published.group_requests(), [0, 9], "once each");
}

#[tokio::test(flavor = "multi_thread")]
async fn c133_a_publisher_without_dynamic_groups_is_not_asked() {
    let stage = Stage::new().await;
    let published = stage.publisher.track(TRACK);
    published.groups([5], 2);
    let viewer = Viewer::over_quic(stage.relay.address).await;
    let subscription = viewer.session.subscribe(published.name().clone(), Parameters::default()).await.unwrap();
    within(subscription.update(asks(0))).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert!(published.group_requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c136_the_operator_has_sessions_move() {
    let stage = Stage::new().await;
    let viewer = Viewer::over_quic(stage.relay.address).await;
    let published = stage.publisher.track(TRACK);
    published.groups([1], 2);
    let mut frames = viewer.join(published.name(), 0).await.unwrap();
    frames.up_to(at(1, 1)).await;
    let there = "moqt://elsewhere.example:4443/live";
    let wrong = http_post(stage.relay.http, "/drain", r#"{"uri": "elsewhere"}"#).await;
    assert_eq!(wrong.status, 400);
    let begun = Instant::now();
    let order = format!(r#"{{"uri": "{there}", "timeout_ms": 800}}"#);
    assert_eq!(http_post(stage.relay.http, "/drain", &order).await.status, 202);
    assert_eq!(http_post(stage.relay.http, "/drain", &order).await.status, 409);
    let notice = within(viewer.session.goaway_received()).await;
    assert_eq!(notice.uri, there);
    // What runs goes on; what is new is refused.
    published.frame(at(1, 2), 100);
    assert_eq!(frames.frame().await, at(1, 2));
    match viewer.session.track_status(track(OTHER), Parameters::default()).await {
        Err(RequestFailure::NotSent(_)) => {}
        Err(RequestFailure::Refused(error)) => assert_eq!(error.code, RequestErrorCode::GoingAway),
        other => panic!("{other:?}"),
    }
    let late = Viewer::over_quic(stage.relay.address).await;
    assert_eq!(within(late.session.goaway_received()).await.uri, there, "who comes now is sent on at once");
    let SessionError::ClosedByPeer { code, .. } = within(viewer.session.closed()).await else { panic!("a close") };
    assert_eq!(code, moqt::SessionErrorCode::GoawayTimeout);
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn c136_a_relay_below_moves_without_its_viewers_noticing() {
    let publisher = Publisher::default();
    let published = publisher.track(TRACK);
    let source = publisher.listen().await;
    let (old, new) = (RunningRelay::below(&[source.address]).await, RunningRelay::below(&[source.address]).await);
    let below = RunningRelay::start(RelaySettings { upstream: vec![upstream(old.address)], ..settings() }).await;
    let viewer = Viewer::over_quic(below.address).await;
    let mut watching = viewer.join(published.name(), 0).await.unwrap();
    let writing: JoinHandle<()> = {
        let published: Arc<PublishedTrack> = published.clone();
        tokio::spawn(async move {
            for group in 1..6 {
                for object in 0..10 {
                    published.frame(at(group, object), 1000);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            published.finish_group();
        })
    };
    watching.up_to(at(1, 5)).await;
    let order = format!(r#"{{"uri": "moqt://{}", "timeout_ms": 5000}}"#, new.address);
    assert_eq!(http_post(old.http, "/drain", &order).await.status, 202);
    let mut seen: Vec<Location> = Vec::new();
    while seen.last() != Some(&at(5, 9)) {
        match watching.next().await {
            Arrival::Frame(location, _) => seen.push(location),
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<_> = (1..6).flat_map(|group| (0..10).map(move |object| at(group, object))).skip(6).collect();
    assert_eq!(seen, expected, "every frame once, on streams that end well");
    writing.await.unwrap();
    until("the old relay is left", async || {
        timeout(Duration::from_millis(1), viewer.session.closed()).await.is_err() && published.subscribes() == 2
    })
    .await;
    drop(old);
    published.frame(at(6, 0), 1000);
    assert_eq!(watching.frame().await, at(6, 0), "all comes through the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn c112_objects_of_a_stream_are_neither_reordered_nor_dropped() {
    let stage = Stage::new().await;
    let lossy = Impairment { delay: Duration::from_millis(10), loss: 0.03, ..Impairment::default() };
    let path = Path::to(&stage.relay, lossy);
    let viewer = Viewer::over_quic(path.address).await;
    let published = stage.publisher.track(TRACK);
    let mut watching = viewer.subscribe(published.name(), Parameters::default()).await.unwrap();
    published.until_active(1).await;
    for group in 1..4 {
        for object in 0..40 {
            published.frame(at(group, object), if object % 7 == 0 { 30_000 } else { 300 });
        }
        published.finish_group();
    }
    let mut next = [0; 4];
    while next[1..] != [40; 3] {
        match watching.next().await {
            Arrival::Frame(location, _) => {
                let expected = &mut next[usize::try_from(location.group).unwrap()];
                assert_eq!(location.object, *expected, "of group {}", location.group);
                *expected += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c137_a_client_that_goes_away_is_asked_nothing_and_served_on() {
    let stage = Stage::new().await;
    let published = stage.publisher.track(TRACK);
    published.groups([1], 1);
    let viewer = Viewer::over_quic(stage.relay.address).await;
    let mut watching = viewer.join(published.name(), 0).await.unwrap();
    assert_eq!(watching.frame().await, at(1, 0));
    let _tracks = within(viewer.session.subscribe_tracks(namespace("offered"), Parameters::default())).await.unwrap();
    viewer.session.go_away("", Duration::ZERO);
    // Whoever has its answer has seen what was sent before.
    published.frame(at(1, 1), 100);
    assert_eq!(watching.frame().await, at(1, 1));
    let offering = Publisher::default();
    let offered = offering.track("offered--video0");
    offered.frame(at(1, 0), 100);
    let dialed = offering.dial(stage.relay.address).await;
    dialed.publish(&offered).await;
    let asked = timeout(A_WHILE, viewer.session.next_request()).await;
    assert!(asked.is_err(), "{asked:?}");
    published.frame(at(1, 2), 100);
    assert_eq!(watching.frame().await, at(1, 2), "what runs goes on");
    assert!(!viewer.session.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn c138_a_redirect_of_the_publisher_is_handed_down() {
    let relay = RunningRelay::start(settings()).await;
    let mut raw = Raw::connect(relay.address).await;
    let _announcement = raw.announce(namespace("live")).await;
    let viewer = Viewer::over_quic(relay.address).await;
    let session = viewer.session.clone();
    let asking = tokio::spawn(async move { session.subscribe(track(TRACK), Parameters::default()).await });
    let mut asked = loop {
        if let (request, Message::Subscribe(_)) = raw.accept().await {
            break request;
        }
    };
    let to = Redirect { uri: String::new(), track: track(OTHER) };
    let answer = RequestError {
        request_id: None,
        code: RequestErrorCode::Redirect,
        retry: Some(Duration::from_millis(5)),
        reason: ReasonPhrase::from("over there"),
        redirect: Some(to.clone()),
    };
    asked.write(encode(&Message::RequestError(answer))).await;
    match within(asking).await.unwrap() {
        Err(RequestFailure::Refused(error)) => {
            assert_eq!((error.code, error.redirect), (RequestErrorCode::Redirect, Some(to)));
            assert_eq!(error.retry, Some(Duration::from_millis(5)));
        }
        other => panic!("{other:?}"),
    }
}
