//! Two correct machines: whole conversations, and random ones in which neither may ever close the session.

use std::time::Duration;

use moqt::session::{Event, FetchTarget, PeerRequest, RequestKey, Response, Session};
use moqt::{
    FullTrackName, Location, Namespace, Parameters, Properties, PublishDoneCode, ReasonPhrase, RequestError,
    RequestErrorCode, Side, StreamErrorCode, TrackName,
};
use proptest::prelude::*;

use crate::pair::Pair;
use crate::raw::{encode, forward, largest, namespace, settings, setup, subscribe, track};

#[test]
fn a_viewer_joins_with_subscribe_and_fetch_at_once() {
    for seed in 0..50 {
        let mut pair = Pair::new(seed);
        let subscription = pair.client.subscribe(track("video0"), Parameters::default()).unwrap();
        let target = FetchTarget::Relative { joining: subscription, groups: 0 };
        let join = pair.client.fetch(target, Parameters::default()).unwrap();
        pair.settle();
        let mut served = Vec::new();
        while let Some(event) = pair.server_events.pop_front() {
            let Event::Request { key, request } = event else { continue };
            match request {
                PeerRequest::Subscribe { .. } => {
                    pair.server.accept_subscribe(key, None, largest(7, 3), Properties::default()).unwrap();
                }
                PeerRequest::Fetch { start, end, joining, .. } => {
                    assert!(joining.is_some());
                    served.push((start, end));
                    pair.server.accept_fetch(key, false, end, Parameters::default(), Properties::default()).unwrap();
                }
                other => panic!("{other:?}"),
            }
            pair.collect();
        }
        assert_eq!(served, [(Location::new(7, 0), Location::new(7, 4))]);
        pair.settle();
        let mut answers: Vec<_> = pair
            .client_events
            .drain(..)
            .filter_map(|event| match event {
                Event::Response { key, response } => Some((key, response)),
                _ => None,
            })
            .collect();
        answers.sort_by_key(|(key, _)| *key);
        let [(first, Response::Subscribed(ok)), (second, Response::Fetching(_))] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!((*first, *second), (subscription, join));
        assert_eq!(pair.client.subscription_by_alias(ok.track_alias), Some(subscription));
    }
}

#[test]
fn a_publisher_pushes_to_a_relay_that_asked_for_its_tracks() {
    for seed in 0..50 {
        let mut pair = Pair::new(seed);
        let tracks = pair.server.subscribe_tracks(namespace(&["live"]), forward(false)).unwrap();
        pair.settle();
        let Some(Event::Established(_)) = pair.client_events.pop_front() else { panic!("not established") };
        let Some(Event::Request { key, request: PeerRequest::SubscribeTracks { .. } }) = pair.client_events.pop_front()
        else {
            panic!("no request")
        };
        pair.client.accept(key, Parameters::default(), Properties::default()).unwrap();
        let (publication, alias) =
            pair.client.publish(track("a"), None, forward(false), Properties::default()).unwrap();
        pair.settle();
        let offered = pair.server_events.iter().find_map(|event| match event {
            Event::Request { key, request: PeerRequest::Publish { .. } } => Some(*key),
            _ => None,
        });
        let offered = offered.unwrap();
        assert_eq!(pair.server.subscription_by_alias(alias), Some(offered));
        pair.server.accept(offered, forward(false), Properties::default()).unwrap();
        pair.server.update(offered, forward(true)).unwrap();
        pair.settle();
        assert!(
            pair.client_events.iter().any(|event| matches!(event, Event::Update { key, .. } if *key == publication))
        );
        pair.client.accept_update(publication, largest(3, 0)).unwrap();
        pair.client.publish_done(publication, PublishDoneCode::TrackEnded, Some(0), "").unwrap();
        pair.server.cancel(tracks, StreamErrorCode::Cancelled);
        pair.settle();
        assert!(pair.server_events.iter().any(|event| matches!(event, Event::Done { key, .. } if *key == offered)));
        assert_eq!((pair.client.live_requests(), pair.server.live_requests()), (0, 0));
    }
}

fn name(choice: usize) -> FullTrackName {
    let fields = [["a", "b"], ["a", "c"], ["d", "e"]][choice % 3];
    FullTrackName::new(namespace(&fields), TrackName::new(["x", "y"][choice / 3 % 2]).unwrap()).unwrap()
}

fn prefix(choice: usize) -> Namespace {
    let fields: &[&[&'static str]] = &[&[], &["a"], &["a", "b"], &["d"], &["d", "e", "f"]];
    namespace(fields[choice % fields.len()])
}

fn parameters(choice: usize) -> Parameters {
    match choice % 4 {
        0 => forward(false),
        1 => forward(true),
        _ => Parameters::default(),
    }
}

fn refusal() -> RequestError {
    let reason = ReasonPhrase::from("no");
    RequestError { request_id: None, code: RequestErrorCode::Unauthorized, retry: None, reason, redirect: None }
}

/// An application that does anything at all with the keys it knows. Commands that do not fit are refused by the machine.
fn act(session: &mut Session, keys: &mut Vec<RequestKey>, action: usize, choice: usize) {
    let key = keys.get(choice % keys.len().max(1)).copied();
    let opened = match action {
        0 => session.subscribe(name(choice), parameters(choice)).ok(),
        1 => session.publish(name(choice), None, parameters(choice), Properties::default()).ok().map(|(key, _)| key),
        2 => session.track_status(name(choice), Parameters::default()).ok(),
        3 => session.publish_namespace(prefix(choice), Parameters::default()).ok(),
        4 => session.subscribe_namespace(prefix(choice), Parameters::default()).ok(),
        5 => session.subscribe_tracks(prefix(choice), parameters(choice)).ok(),
        6 => {
            let target =
                FetchTarget::Range { track: name(choice), start: Location::new(1, 0), end: Location::new(3, 0) };
            session.fetch(target, Parameters::default()).ok()
        }
        _ => {
            if let Some(key) = key {
                act_on(session, key, action, choice)
            } else {
                None
            }
        }
    };
    keys.extend(opened);
}

fn act_on(session: &mut Session, key: RequestKey, action: usize, choice: usize) -> Option<RequestKey> {
    match action {
        7 => {
            return session
                .fetch(FetchTarget::Relative { joining: key, groups: choice as u64 }, Parameters::default())
                .ok();
        }
        8 => drop(session.update(key, parameters(choice))),
        9 => drop(session.update(key, Parameters { namespace_prefix: Some(prefix(choice)), ..Parameters::default() })),
        10 => session.cancel(key, StreamErrorCode::Cancelled),
        11 | 12 => {
            let largest = [largest(2, 5), Parameters::default()][choice % 2].clone();
            drop(session.accept_subscribe(key, None, largest, Properties::default()));
            drop(session.accept_fetch(key, false, Location::new(9, 0), Parameters::default(), Properties::default()));
            drop(session.accept(key, Parameters::default(), Properties::default()));
        }
        13 => drop(session.reject(key, RequestErrorCode::DoesNotExist, None, "no", None)),
        14 => drop(session.accept_update(key, [largest(4, 4), Parameters::default()][choice % 2].clone())),
        15 => drop(session.reject_update(key, refusal())),
        16 => drop(session.publish_done(key, PublishDoneCode::TrackEnded, None, "over")),
        17 => drop(session.namespace_added(key, prefix(choice))),
        18 => drop(session.namespace_removed(key, prefix(choice))),
        19 => drop(session.publish_blocked(key, prefix(choice), TrackName::new("x").unwrap())),
        20 => session.finish(key),
        21 => drop(session.go_away_request(key, "", Duration::ZERO)),
        _ if choice == 0 => drop(session.go_away("", Duration::ZERO)),
        _ => {}
    }
    None
}

const ACTIONS: usize = 23;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn two_machines_never_close_on_each_other(
        seed: u64,
        actions in prop::collection::vec((any::<bool>(), 0..ACTIONS, 0..30usize, 0..12usize), 1..200),
    ) {
        let mut pair = Pair::new(seed);
        let mut keys = [Vec::new(), Vec::new()];
        let mut opened = [Vec::new(), Vec::new()];
        for (is_client, action, choice, steps) in actions {
            let (side, index) = if is_client { (Side::Client, 0) } else { (Side::Server, 1) };
            let before = keys[index].len();
            act(pair.session(side), &mut keys[index], action, choice);
            let new: Vec<RequestKey> = keys[index][before..].to_vec();
            opened[index].extend(new);
            for _ in 0..steps {
                let step = pair.step();
                prop_assert!(step.is_ok(), "{step:?}");
            }
            for (side, index) in [(Side::Client, 0), (Side::Server, 1)] {
                for event in pair.events(side).drain(..) {
                    if let Event::Request { key, .. } = event {
                        keys[index].push(key);
                    }
                }
            }
        }
        // Whoever opened a request ends it: then nothing is left on either side, but for FETCHes that
        // their opener finished before, which the publisher finishes too.
        for (side, index) in [(Side::Client, 0), (Side::Server, 1)] {
            for key in &opened[index] {
                pair.session(side).cancel(*key, StreamErrorCode::Cancelled);
            }
        }
        pair.settle();
        for (side, index) in [(Side::Client, 0), (Side::Server, 1)] {
            let late = pair.events(side).drain(..).filter_map(|event| match event {
                Event::Request { key, .. } => Some(key),
                _ => None,
            });
            for key in late.chain(keys[index].iter().copied()).collect::<Vec<_>>() {
                pair.session(side).finish(key);
            }
        }
        prop_assert_eq!((pair.client.live_requests(), pair.server.live_requests()), (0, 0));
    }

    #[test]
    fn any_input_is_survived_and_kept_within_bounds(
        server: bool,
        inputs in prop::collection::vec((0..9u8, any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..40)), 1..200),
    ) {
        let side = if server { Side::Server } else { Side::Client };
        let mut session = Session::new(settings(side, moqt::session::Carrier::Quic), Duration::ZERO).unwrap();
        let mut keys: Vec<RequestKey> = Vec::new();
        let mut local = Vec::new();
        for (step, (kind, index, bytes)) in inputs.into_iter().enumerate() {
            let key = if keys.is_empty() { None } else { Some(keys[index.index(keys.len())]) };
            let first = bytes.first().copied().unwrap_or_default();
            match (kind, key) {
                (0, _) => keys.push(session.accept_request()),
                (1, _) => drop(session.handle_control(&bytes)),
                (2, _) => drop(session.handle_control(encode(&setup(moqt::SetupOptions::default())))),
                (3, Some(key)) => drop(session.handle_request(key, &bytes)),
                (4, Some(key)) => drop(session.handle_request(key, mutated(first, &bytes))),
                (5, Some(key)) => drop(session.handle_request_fin(key)),
                (6, Some(key)) if first < 128 => session.handle_request_reset(key, first.into()),
                (6, Some(key)) => session.handle_request_stopped(key, first.into()),
                (7, _) => drop(session.handle_timeout(Duration::from_millis(step as u64))),
                _ => {
                    let second = bytes.get(1).copied().unwrap_or_default();
                    act(&mut session, &mut local, usize::from(first) % ACTIONS, usize::from(second));
                    keys.extend(local.last());
                }
            }
            while session.poll_output().is_some() {}
            prop_assert!(session.live_requests() <= crate::raw::REQUEST_LIMIT + 64 + local.len());
        }
    }
}

/// A request that is right but for a few bytes: deeper paths than noise alone would reach.
fn mutated(id: u8, changes: &[u8]) -> Vec<u8> {
    let mut messages = crate::raw::each_request(u64::from(id));
    messages.extend([
        crate::raw::update(u64::from(id), parameters(id.into())),
        crate::raw::subscribe_ok(id.into(), Parameters::default()),
        subscribe(u64::from(id), "a", Parameters::default()),
        moqt::Message::RequestOk(moqt::RequestOk::default()),
        moqt::Message::RequestError(refusal()),
        moqt::Message::Namespace(moqt::NamespaceAdded { suffix: prefix(id.into()) }),
        moqt::Message::NamespaceDone(moqt::NamespaceRemoved { suffix: prefix(id.into()) }),
        moqt::Message::GoAway(moqt::GoAway::default()),
    ]);
    let choice = changes.get(2).copied().unwrap_or_default();
    let mut bytes = encode(&messages[usize::from(choice) % messages.len()]);
    if let [at, value, 0..40, ..] = changes[..] {
        let at = usize::from(at) % bytes.len();
        bytes[at] = value;
    }
    bytes
}
