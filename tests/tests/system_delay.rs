//! Where the time of a frame goes: origin, two relays, viewer; and what every server tells a session of its own path.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use moqt::{
    FullTrackName, HopDelay, Location, Namespace, Parameters, Properties, RequestErrorCode, TrackMark, TrackName,
    property,
};
use origin::{DelaySettings, Origin, Settings};
use process::Shutdown;
use relay::RelaySettings;
use tests::system::{Publisher, RunningRelay, Viewer, at, chain, namespace, settings, track, until, upstream, within};
use tokio::task::JoinHandle;
use transport::{RequestFailure, Subscription, TrackEvent};

const OBJECT_BYTES: u64 = 1 << 20;
const VIDEO: &str = "live-demo--video0";
/// More than any wait of a loaded test machine, less than anything that is wrong by a unit.
const SLACK_MICROS: i64 = 2_000_000;

struct RunningOrigin {
    address: SocketAddr,
    running: JoinHandle<()>,
}

impl RunningOrigin {
    async fn start(stamp: bool) -> Self {
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let settings = Settings { listen, delay: DelaySettings { stamp }, ..Settings::default() };
        let origin = within(Origin::load(settings)).await.expect("an origin that starts");
        let address = origin.addresses()[0];
        Self { address, running: tokio::spawn(origin.run(Shutdown::new(Duration::from_secs(1)))) }
    }
}

impl Drop for RunningOrigin {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn relay(above: SocketAddr, stamp: bool, foreign: bool) -> RunningRelay {
    let mut settings = RelaySettings { upstream: vec![upstream(above)], ..settings() };
    (settings.delay.stamp, settings.delay.foreign) = (stamp, foreign);
    RunningRelay::start(settings).await
}

/// One object as it came live.
#[derive(Debug)]
struct Came {
    properties: Properties,
    payload: Bytes,
    /// Unix µs when it was here whole.
    whole: i64,
}

impl Came {
    fn raw(&self) -> Option<Bytes> {
        self.properties.mutable_bytes(property::HOP_DELAY)
    }

    fn stamp(&self) -> Option<HopDelay> {
        HopDelay::from_bytes(&self.raw()?)
    }
}

fn unix_micros() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

async fn watch(viewer: &Viewer, name: &FullTrackName) -> Subscription {
    let mut made = None;
    until("the track can be watched", async || {
        made = viewer.session.subscribe(name.clone(), Parameters::default()).await.ok();
        made.is_some()
    })
    .await;
    made.expect("it was watched")
}

/// The next so many live objects, stream after stream.
async fn objects(subscription: &mut Subscription, count: usize) -> BTreeMap<Location, Came> {
    let mut all = BTreeMap::new();
    while all.len() < count {
        let TrackEvent::Subgroup(mut stream) = within(subscription.next()).await else { panic!("the track ended") };
        let group = stream.header().group;
        while let Some(object) = within(stream.next_object(OBJECT_BYTES)).await.expect("a whole stream") {
            let whole = unix_micros();
            let came = Came { properties: object.header.properties, payload: object.payload, whole };
            all.insert(at(group, object.header.object_id), came);
            if all.len() == count {
                break;
            }
        }
    }
    all
}

fn mark(subscription: &Subscription) -> Option<TrackMark> {
    TrackMark::from_bytes(&subscription.properties().get_bytes(property::HOP_DELAY)?)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).expect("a small number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stages_of_the_way_add_up_to_the_time_it_took() {
    let origin = RunningOrigin::start(true).await;
    let relays = chain(origin.address, 2).await;
    let viewer = Viewer::over_quic(relays[1].address).await;
    let mut subscription = watch(&viewer, &track(VIDEO)).await;
    assert_eq!(mark(&subscription), Some(TrackMark { capture_known: true }));
    let came = objects(&mut subscription, 60).await;
    // What the relays themselves fetched when they joined has fewer hops.
    let live: Vec<_> = came.values().filter_map(|came| Some((came.stamp()?, came.whole))).collect();
    assert_eq!(live.len(), 60, "every picture is stamped");
    let full: Vec<_> = live.iter().filter(|(stamp, _)| stamp.relays.len() == 2).collect();
    assert!(full.len() > 30, "{} went live through both relays", full.len());
    for (stamp, whole) in &full {
        let offsets: i64 = stamp.relays.iter().map(|hop| hop.offset).sum();
        let parts: i64 = stamp.relays.iter().map(|hop| hop.link() + signed(hop.dwell)).sum();
        let departure = signed(stamp.departure());
        assert_eq!(signed(stamp.captured + stamp.origin) + parts + offsets, departure, "{stamp:?}");
        let last = whole - departure;
        // All clocks are one, so the parts are the whole.
        assert!((-SLACK_MICROS..SLACK_MICROS).contains(&last) && *whole > signed(stamp.captured), "{last} {stamp:?}");
        for hop in &stamp.relays {
            assert!(hop.uncertainty > 0 && signed(hop.uncertainty) < SLACK_MICROS, "{hop:?}");
            assert!(hop.offset.abs() < SLACK_MICROS && signed(hop.dwell) < SLACK_MICROS, "{hop:?}");
        }
    }
    let dwelt = full.iter().any(|(stamp, _)| stamp.relays[0].dwell > 0);
    assert!(dwelt, "the first relay has a viewer: the second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_does_not_stamp_forwards_every_byte() {
    let origin = RunningOrigin::start(true).await;
    let below = relay(origin.address, false, false).await;
    let (direct, relayed) = (Viewer::over_quic(origin.address).await, Viewer::over_quic(below.address).await);
    let (mut first, mut second) = (watch(&direct, &track(VIDEO)).await, watch(&relayed, &track(VIDEO)).await);
    assert_eq!(first.properties().as_bytes(), second.properties().as_bytes());
    let (first, second) = tokio::join!(objects(&mut first, 20), objects(&mut second, 20));
    let both: Vec<_> = first.iter().filter_map(|(place, came)| Some((came, second.get(place)?))).collect();
    assert!(both.len() > 5, "{} objects came both ways", both.len());
    for (direct, relayed) in both {
        assert_eq!(direct.properties.as_bytes(), relayed.properties.as_bytes());
        assert_eq!((direct.stamp().map(|stamp| stamp.relays.len()), &direct.payload), (Some(0), &relayed.payload));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_stamps_nothing_is_added() {
    let origin = RunningOrigin::start(false).await;
    let relays = chain(origin.address, 1).await;
    let viewer = Viewer::over_quic(relays[0].address).await;
    let mut subscription = watch(&viewer, &track(VIDEO)).await;
    assert_eq!(subscription.properties().get(property::HOP_DELAY), None);
    assert!(subscription.properties().get_bytes(property::PROLOGUE).is_some(), "that is another matter");
    let came = objects(&mut subscription, 10).await;
    assert!(came.values().all(|came| came.properties.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracks_of_others_are_stamped_from_the_relay_on_that_is_told_to() {
    let publisher = Publisher::default();
    let listening = publisher.listen().await;
    let published = publisher.track("live-other--v");
    let first = relay(listening.address, true, true).await;
    let second = relay(first.address, true, false).await;
    let third = relay(listening.address, true, false).await;
    let stamped = Viewer::over_quic(second.address).await;
    let plain = Viewer::over_quic(third.address).await;
    let name = track("live-other--v");
    let (mut with, mut without) = (watch(&stamped, &name).await, watch(&plain, &name).await);
    published.until_active(2).await;
    published.groups(1..3, 5);
    assert_eq!((mark(&with), mark(&without)), (Some(TrackMark { capture_known: false }), None));
    let (with, without) = (objects(&mut with, 10).await, objects(&mut without, 10).await);
    let before = unix_micros();
    for (place, came) in &with {
        let stamp = came.stamp().expect("stamped by the first relay");
        assert_eq!((stamp.origin, stamp.relays.len()), (0, 1), "{place:?}");
        assert!((before - SLACK_MICROS * 5..=came.whole).contains(&signed(stamp.captured)));
        assert!(without[place].properties.is_empty());
        assert_eq!(without[place].payload, came.payload);
    }
}

fn reserved(fields: &[&'static str], name: &'static str) -> FullTrackName {
    let namespace = Namespace::new(fields.iter().copied()).expect("a namespace");
    FullTrackName::new(namespace, TrackName::new(name).expect("a name")).expect("a full name")
}

fn number(document: &str, key: &str) -> Option<u64> {
    let rest = document.split(&format!("\"{key}\":")).nth(1)?;
    rest.split([',', '}']).next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_tells_a_session_of_its_own_path() {
    let origin = RunningOrigin::start(true).await;
    let relays = chain(origin.address, 1).await;
    for address in [origin.address, relays[0].address] {
        let viewer = Viewer::over_quic(address).await;
        let path = reserved(&[".efir", "session"], "path");
        let mut subscription =
            within(viewer.session.subscribe(path, Parameters::default())).await.expect("it is there");
        let came = objects(&mut subscription, 2).await;
        let documents: Vec<_> = came.values().map(|came| String::from_utf8_lossy(&came.payload).into_owned()).collect();
        for document in &documents {
            assert!((1..1_000_000).contains(&number(document, "rtt_us").unwrap_or(0)), "{document}");
            assert!(number(document, "congestion_window").is_some_and(|window| window > 0), "{document}");
            assert!(number(document, "lost_packets").is_some(), "{document}");
        }
        let sent = |at: usize| number(&documents[at], "sent_bytes");
        assert!(sent(0) > Some(0) && sent(1) > sent(0), "{documents:?}");
        let passed = number(&documents[1], "time_us").zip(number(&documents[0], "time_us"));
        assert!(passed.is_some_and(|(later, sooner)| later - sooner > 900_000), "once a second: {documents:?}");
        assert!(came.keys().all(|place| place.object == 0), "a group each");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_the_session_is_neither_forwarded_nor_taken() {
    let publisher = Publisher::default();
    let listening = publisher.listen().await;
    let other = reserved(&[".efir", "session"], "other");
    let above = publisher.track(&other.to_string());
    above.groups(0..2, 2);
    let relays = chain(listening.address, 1).await;
    let viewer = Viewer::over_quic(relays[0].address).await;
    let refused = |failure: RequestFailure| match failure {
        RequestFailure::Refused(error) => error.code,
        other => panic!("{other}"),
    };
    let asked = within(viewer.session.subscribe(other.clone(), Parameters::default())).await;
    assert_eq!(refused(asked.expect_err("nothing else is there")), RequestErrorCode::DoesNotExist);
    assert!(viewer.fetch(&other, at(0, 0), at(1, 0)).await.is_err());
    assert_eq!((above.subscribes(), above.fetches().len()), (0, 0), "the upstream was not asked");
    let announced = within(viewer.session.publish_namespace(other.namespace.clone(), Parameters::default())).await;
    assert_eq!(refused(announced.expect_err("it is the relay's own")), RequestErrorCode::Unauthorized);
    let offered = within(viewer.session.publish(other, Parameters::default(), Properties::EMPTY)).await;
    assert_eq!(refused(offered.expect_err("it is the relay's own")), RequestErrorCode::Unauthorized);
    let fine = within(viewer.session.publish_namespace(namespace("live-x"), Parameters::default())).await;
    assert!(fine.is_ok());
}
