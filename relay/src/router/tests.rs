//! Which source is asked, in which order, and who is told.

use std::sync::Arc;

use moqt::{FullTrackName, Namespace};
use tokio::sync::mpsc;
use transport::loopback::{LoopbackSettings, pair};
use transport::{Driver, NamespaceEvent, Session, SessionSettings};

use super::{Router, Source};
use crate::limit;
use crate::upstream::OfferedTrack;

fn namespace(text: &str) -> Namespace {
    text.parse().unwrap()
}

fn track(text: &str) -> FullTrackName {
    text.parse().unwrap()
}

/// A session that is open until its driver is dropped.
fn session() -> (Session, Driver) {
    let (near, _, _) = pair(LoopbackSettings::default());
    transport::start(near, SessionSettings::default()).unwrap()
}

fn sessions<const COUNT: usize>() -> ([Session; COUNT], Vec<Driver>) {
    let mut drivers = Vec::new();
    let sessions = std::array::from_fn(|_| {
        let (session, driver) = session();
        drivers.push(driver);
        session
    });
    (sessions, drivers)
}

/// The places in `known` of the sessions asked for a track, in order.
fn asked(router: &Router, name: &str, known: &[Session]) -> Vec<usize> {
    let place = |source: &Source| known.iter().position(|session| session.same(&source.session)).unwrap();
    router.sources(&track(name)).iter().map(place).collect()
}

#[tokio::test]
async fn whole_fields_match_and_the_longest_prefix_comes_first() {
    let router = Arc::new(Router::new(2));
    let (known, _drivers) = sessions::<6>();
    let held = ["live", "live-demo", "liv", "live-demo-camera"].map(namespace);
    let mut registrations: Vec<_> = held
        .iter()
        .zip(&known)
        .map(|(namespace, session)| router.announce(namespace.clone(), session.clone()).unwrap())
        .collect();
    router.set_upstream(1, Some(known[5].clone()));
    router.set_upstream(0, Some(known[4].clone()));
    assert_eq!(asked(&router, "live-demo--video0", &known), [1, 0, 4, 5]);
    assert_eq!(asked(&router, "live-demonstration--video0", &known), [0, 4, 5]);
    assert_eq!(asked(&router, "vod--video0", &known), [4, 5]);
    registrations.remove(1);
    assert_eq!(asked(&router, "live-demo--video0", &known), [0, 4, 5], "withdrawn when dropped");
    router.set_upstream(0, None);
    assert_eq!(asked(&router, "live-demo--video0", &known), [0, 5]);
}

#[tokio::test]
async fn the_newest_publisher_comes_first_and_no_session_twice_or_closed() {
    let router = Arc::new(Router::new(1));
    let (known, mut drivers) = sessions::<3>();
    let announce = |text, place: usize| router.announce(namespace(text), known[place].clone()).unwrap();
    let _held = [announce("live", 0), announce("live", 1), announce("live-demo", 0)];
    router.set_upstream(0, Some(known[1].clone()));
    assert_eq!(asked(&router, "live-demo--video0", &known), [0, 1]);
    assert_eq!(asked(&router, "live--video0", &known), [1, 0]);
    let _other = announce("live", 2);
    drop(drivers.remove(1));
    assert_eq!(asked(&router, "live--video0", &known), [2, 0], "a closed session is no source");
    assert!(!router.upstreams_ready());
}

#[tokio::test]
async fn an_offer_of_the_track_itself_comes_before_namespaces() {
    let router = Arc::new(Router::new(0));
    let (known, _drivers) = sessions::<2>();
    let _announced = router.announce(namespace("live-demo"), known[0].clone()).unwrap();
    let offered = Some(Arc::new(OfferedTrack::unheld()));
    let source = Source { session: known[1].clone(), offered, upstream: false };
    let offer = router.offer(track("live-demo--video0"), source).unwrap();
    assert_eq!(asked(&router, "live-demo--video0", &known), [1, 0]);
    assert_eq!(asked(&router, "live-demo--audio0", &known), [0]);
    drop(offer);
    assert_eq!(asked(&router, "live-demo--video0", &known), [0]);
}

fn told(events: &mut mpsc::Receiver<NamespaceEvent>) -> Vec<NamespaceEvent> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

#[tokio::test]
async fn watchers_hear_of_the_first_and_the_last_publisher_under_their_prefix() {
    let router = Arc::new(Router::new(0));
    let (known, _drivers) = sessions::<2>();
    let first = router.announce(namespace("live-demo"), known[0].clone()).unwrap();
    let (_watching, there, mut events) = router.watch_namespaces(&namespace("live"));
    assert_eq!(there, [namespace("live-demo")]);
    let second = router.announce(namespace("live-demo"), known[1].clone()).unwrap();
    let elsewhere = router.announce(namespace("liv"), known[1].clone()).unwrap();
    let other = router.announce(namespace("live-other"), known[1].clone()).unwrap();
    assert_eq!(told(&mut events), [NamespaceEvent::Added(namespace("live-other"))]);
    drop((first, elsewhere));
    assert_eq!(told(&mut events), [], "another publisher is still there");
    drop((second, other));
    let gone = ["live-demo", "live-other"].map(|text| NamespaceEvent::Removed(namespace(text)));
    assert_eq!(told(&mut events), gone);
}

#[tokio::test]
async fn a_watcher_that_does_not_keep_up_is_ended_and_costs_nobody_else() {
    let router = Arc::new(Router::new(0));
    let (known, _drivers) = sessions::<1>();
    let (_slow, _, mut slow) = router.watch_namespaces(&Namespace::default());
    let (_quick, _, mut quick) = router.watch_namespaces(&Namespace::default());
    for number in 0..=limit::WATCHER_QUEUE {
        let _ = router.announce(namespace(&format!("n{number}")), known[0].clone()).unwrap();
        assert_eq!(told(&mut quick).len(), 2);
    }
    assert_eq!(told(&mut slow).len(), limit::WATCHER_QUEUE);
    assert!(slow.recv().await.is_none());
}

#[tokio::test]
async fn tracks_are_told_once_and_changes_wake_those_who_wait() {
    let router = Arc::new(Router::new(1));
    let (known, _drivers) = sessions::<2>();
    let mut changes = router.changes();
    let (_watching, there, mut offers) = router.watch_tracks(&namespace("live"));
    assert_eq!(there, []);
    let source = |place: usize| Source { session: known[place].clone(), offered: None, upstream: false };
    let first = router.offer(track("live-demo--video0"), source(0)).unwrap();
    assert!(changes.has_changed().unwrap());
    let second = router.offer(track("live-demo--video0"), source(1)).unwrap();
    let elsewhere = router.offer(track("vod--video0"), source(1)).unwrap();
    assert_eq!(offers.try_recv(), Ok(track("live-demo--video0")));
    assert!(offers.try_recv().is_err());
    drop((first, second, elsewhere));
    changes.mark_unchanged();
    router.set_upstream(0, Some(known[0].clone()));
    assert!(changes.has_changed().unwrap());
    assert!(router.upstreams_ready());
}
