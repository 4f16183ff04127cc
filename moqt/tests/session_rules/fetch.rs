//! C.8 as far as a session decides it: ranges, joining, and the ends of a FETCH.

use std::time::Duration;

use moqt::session::{CommandError, Event, FetchTarget, PeerRequest, RequestKey, Response};
use moqt::{
    FetchKind, FetchOk, Location, Message, Parameters, Properties, RequestErrorCode, RequestId, StreamErrorCode,
};

use crate::raw::{Raw, fetch, forward, largest, publish_namespace, subscribe, subscribe_ok, track, update};

fn relative(joining: u64, groups: u64) -> FetchKind {
    FetchKind::Relative { joining: RequestId(joining), groups }
}

fn absolute(joining: u64, group: u64) -> FetchKind {
    FetchKind::Absolute { joining: RequestId(joining), group }
}

fn range(start: Location, end: Location) -> FetchKind {
    FetchKind::Standalone { track: track("a"), start, end }
}

/// A server that serves track `a` to SUBSCRIBE 0, whose largest object was {5, 7}.
fn serving(parameters: Parameters) -> (Raw, RequestKey) {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", parameters));
    raw.session.accept_subscribe(key, None, largest(5, 7), Properties::default()).unwrap();
    raw.take_events();
    (raw, key)
}

#[track_caller]
fn joined(raw: &mut Raw) -> (Location, Location, Option<RequestKey>) {
    match raw.request() {
        PeerRequest::Fetch { track: name, start, end, joining, .. } => {
            assert_eq!(name, track("a"));
            (start, end, joining)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn c114_a_fetch_gets_one_answer_and_is_finished_by_its_data() {
    let mut raw = Raw::server();
    let key = raw.open(&fetch(0, range(Location::new(1, 0), Location::new(4, 0))));
    assert_eq!(joined(&mut raw), (Location::new(1, 0), Location::new(4, 0), None));
    let accept =
        |raw: &mut Raw, end| raw.session.accept_fetch(key, true, end, Parameters::default(), Properties::default());
    assert!(matches!(accept(&mut raw, Location::new(0, 5)), Err(CommandError::Message(_))));
    accept(&mut raw, Location::new(3, 9)).unwrap();
    assert!(matches!(accept(&mut raw, Location::new(3, 9)), Err(CommandError::WrongState(_))));
    raw.session.finish(key);
    let written = raw.written(key);
    let [Message::FetchOk(ok)] = &written.messages[..] else { panic!("{written:?}") };
    assert!(ok.end_of_track && ok.end == Location::new(3, 9) && written.fin);
    assert_eq!(raw.session.live_requests(), 0);
}

#[test]
fn a_fetch_of_this_side_lives_until_its_data_ended() {
    let mut raw = Raw::client();
    let target = FetchTarget::Range { track: track("a"), start: Location::new(0, 0), end: Location::new(2, 0) };
    let key = raw.session.fetch(target, Parameters::default()).unwrap();
    assert_eq!(raw.session.fetch_by_request_id(RequestId(0)), Some(key));
    let ok = FetchOk {
        request_id: None,
        end_of_track: false,
        end: Location::new(2, 0),
        parameters: Parameters::default(),
        properties: Properties::default(),
    };
    raw.send(key, &Message::FetchOk(ok)).unwrap();
    assert!(matches!(raw.response(), Response::Fetching(_)));
    raw.fin(key).unwrap();
    assert_eq!(raw.take_events(), vec![]);
    assert_eq!(raw.session.fetch_by_request_id(RequestId(0)), Some(key));
    raw.session.finish(key);
    assert!(raw.written(key).fin);
    assert_eq!(raw.session.fetch_by_request_id(RequestId(0)), None);
}

#[test]
fn c118_a_range_that_ends_before_it_starts_is_invalid() {
    let mut raw = Raw::server();
    let key = raw.open(&fetch(0, range(Location::new(3, 4), Location::new(3, 3))));
    raw.refused(key, RequestErrorCode::InvalidRange);
    let key = raw.open(&fetch(2, range(Location::new(3, 4), Location::new(2, 0))));
    raw.refused(key, RequestErrorCode::InvalidRange);
    raw.open(&fetch(4, range(Location::new(3, 4), Location::new(3, 0))));
    assert_eq!(joined(&mut raw).1, Location::new(3, 0));
    let target = FetchTarget::Range { track: track("a"), start: Location::new(1, 0), end: Location::new(0, 0) };
    assert!(matches!(raw.session.fetch(target, Parameters::default()), Err(CommandError::Message(_))));
}

#[test]
fn c120_a_joining_fetch_ends_where_the_subscription_begins() {
    let (mut raw, key) = serving(Parameters::default());
    let end = Location::new(5, 8);
    for (id, kind, start) in
        [(2, relative(0, 0), 5), (4, relative(0, 2), 3), (6, relative(0, 9), 0), (8, absolute(0, 4), 4)]
    {
        raw.open(&fetch(id, kind));
        assert_eq!(joined(&mut raw), (Location::new(start, 0), end, Some(key)));
    }
}

#[test]
fn c121_joining_what_is_not_there_is_refused() {
    let (mut raw, _) = serving(Parameters::default());
    let unknown = raw.open(&fetch(2, relative(40, 0)));
    raw.refused(unknown, RequestErrorCode::InvalidJoiningRequestId);
    let own_parity = raw.open(&fetch(4, relative(1, 0)));
    raw.refused(own_parity, RequestErrorCode::InvalidJoiningRequestId);
    raw.open(&publish_namespace(6, moqt::Namespace::default()));
    raw.take_events();
    let no_subscription = raw.open(&fetch(8, relative(6, 0)));
    raw.refused(no_subscription, RequestErrorCode::InvalidJoiningRequestId);
    let itself = raw.open(&fetch(10, relative(10, 0)));
    raw.refused(itself, RequestErrorCode::InvalidJoiningRequestId);
    let after = raw.open(&fetch(12, absolute(0, 6)));
    raw.refused(after, RequestErrorCode::InvalidRange);
}

#[test]
fn c121_joining_with_forward_0_or_without_objects_is_refused() {
    let (mut raw, _) = serving(forward(false));
    let key = raw.open(&fetch(2, relative(0, 0)));
    raw.refused(key, RequestErrorCode::InvalidRange);
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.session.accept_subscribe(key, None, Parameters::default(), Properties::default()).unwrap();
    raw.take_events();
    let key = raw.open(&fetch(2, relative(0, 0)));
    raw.refused(key, RequestErrorCode::InvalidRange);
}

#[test]
fn c121_joining_a_pending_subscribe_is_held() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.take_events();
    raw.open(&fetch(2, relative(0, 1)));
    assert_eq!(raw.take_events(), vec![]);
    raw.session.accept_subscribe(key, None, largest(5, 7), Properties::default()).unwrap();
    assert_eq!(joined(&mut raw), (Location::new(4, 0), Location::new(5, 8), Some(key)));
}

#[test]
fn c121_a_held_fetch_falls_with_its_subscription() {
    for by_peer in [false, true] {
        let mut raw = Raw::server();
        let key = raw.open(&subscribe(0, "a", Parameters::default()));
        raw.take_events();
        let held = raw.open(&fetch(2, relative(0, 1)));
        if by_peer {
            raw.reset(key);
            raw.ended(key, Some(1));
        } else {
            raw.session.reject(key, RequestErrorCode::DoesNotExist, None, "", None).unwrap();
        }
        raw.refused(held, RequestErrorCode::InvalidJoiningRequestId);
        assert_eq!(raw.session.live_requests(), 0);
    }
}

#[test]
fn a_joining_fetch_that_overtook_its_subscribe_waits_for_it() {
    let mut raw = Raw::server();
    raw.open(&fetch(2, relative(0, 0)));
    assert_eq!(raw.take_events(), vec![]);
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    assert!(matches!(raw.request(), PeerRequest::Subscribe { .. }));
    raw.session.accept_subscribe(key, None, largest(5, 7), Properties::default()).unwrap();
    assert_eq!(joined(&mut raw), (Location::new(5, 0), Location::new(5, 8), Some(key)));
    assert_eq!(raw.session.poll_timeout(), None);
}

#[test]
fn a_joining_fetch_does_not_wait_for_ever() {
    let mut raw = Raw::server();
    let now = Duration::from_secs(100);
    let key = raw.open(&fetch(2, relative(0, 0)));
    assert!(raw.session.poll_timeout().unwrap() <= now, "the time is wanted at once");
    raw.session.handle_timeout(now).unwrap();
    let due = raw.session.poll_timeout().unwrap();
    assert!(due > now);
    assert_eq!(raw.take_events(), vec![]);
    raw.session.handle_timeout(due).unwrap();
    raw.refused(key, RequestErrorCode::InvalidJoiningRequestId);
    assert_eq!(raw.session.poll_timeout(), None);
}

#[test]
fn a_joining_fetch_whose_subscribe_is_refused_is_refused_at_once() {
    let (mut raw, _) = serving(Parameters::default());
    let held = raw.open(&fetch(4, relative(2, 0)));
    let duplicate = raw.open(&subscribe(2, "a", Parameters::default()));
    assert!(matches!(raw.written(duplicate).messages[..], [Message::RequestError(_)]));
    raw.refused(held, RequestErrorCode::InvalidJoiningRequestId);
}

#[test]
fn held_fetches_are_bounded_and_leave_nothing_behind() {
    let mut settings = crate::raw::settings(moqt::Side::Server, moqt::session::Carrier::Quic);
    settings.request_limit = 1000;
    let mut raw = Raw::established(settings, moqt::SetupOptions::default());
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.take_events();
    let held: Vec<_> = (1..=70).map(|step| raw.open(&fetch(step * 2, relative(0, 0)))).collect();
    for over in &held[64..] {
        raw.refused(*over, RequestErrorCode::ExcessiveLoad);
    }
    for fetch in &held[..63] {
        raw.reset(*fetch);
    }
    assert_eq!(raw.take_events(), vec![], "the application never saw them");
    assert_eq!(raw.session.live_requests(), 2);
    raw.session.accept_subscribe(key, None, largest(5, 7), Properties::default()).unwrap();
    assert_eq!(joined(&mut raw).2, Some(key));
}

#[test]
fn c122_the_joining_location_is_renewed_when_forward_turns_to_1() {
    let (mut raw, key) = serving(forward(false));
    raw.send(key, &update(2, forward(true))).unwrap();
    raw.take_events();
    raw.open(&fetch(4, relative(0, 0)));
    assert_eq!(raw.take_events(), vec![], "pending updates come first");
    raw.session.accept_update(key, largest(9, 3)).unwrap();
    assert_eq!(joined(&mut raw), (Location::new(9, 0), Location::new(9, 4), Some(key)));
    // Another update with Forward 1 changes nothing; turning it off forbids joining, not the FETCH above.
    raw.send(key, &update(6, forward(true))).unwrap();
    raw.session.accept_update(key, largest(20, 0)).unwrap();
    raw.take_events();
    raw.open(&fetch(8, relative(0, 0)));
    assert_eq!(joined(&mut raw).1, Location::new(9, 4));
    raw.send(key, &update(10, forward(false))).unwrap();
    raw.session.accept_update(key, largest(21, 0)).unwrap();
    raw.take_events();
    let refused = raw.open(&fetch(12, relative(0, 0)));
    raw.refused(refused, RequestErrorCode::InvalidRange);
}

#[test]
fn a_subscription_begun_by_publish_can_be_joined() {
    let mut raw = Raw::server();
    let key = raw.session.publish(track("a"), None, largest(2, 2), Properties::default()).unwrap().0;
    raw.open(&fetch(0, relative(1, 0)));
    assert_eq!(raw.take_events(), vec![], "PUBLISH_OK may still be on its way");
    raw.send(key, &Message::RequestOk(moqt::RequestOk::default())).unwrap();
    let events = raw.take_events();
    assert!(matches!(events[0], Event::Response { .. }));
    let Event::Request { request: PeerRequest::Fetch { end, joining, .. }, .. } = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!((*end, *joining), (Location::new(2, 3), Some(key)));
}

#[test]
fn c124_cancelling_a_fetch_resets_both_halves() {
    let mut raw = Raw::server();
    let key = raw.open(&fetch(0, range(Location::new(0, 0), Location::new(1, 0))));
    raw.take_events();
    raw.stop(key);
    raw.ended(key, Some(1));
    assert_eq!(raw.written(key).reset, Some(1));
    let key = raw.open(&fetch(2, range(Location::new(0, 0), Location::new(1, 0))));
    raw.session.cancel(key, StreamErrorCode::ExcessiveLoad);
    assert_eq!(raw.written(key).reset, Some(9));
}

#[test]
fn s03_this_side_joins_a_subscription_before_its_answer() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    let target = FetchTarget::Relative { joining: key, groups: 0 };
    let join = raw.session.fetch(target.clone(), Parameters::default()).unwrap();
    let [Message::Fetch(sent)] = &raw.written(join).messages[..] else { panic!("not sent") };
    assert_eq!((sent.request_id, &sent.kind), (RequestId(2), &relative(0, 0)));
    raw.send(key, &subscribe_ok(1, Parameters::default())).unwrap();
    raw.session.fetch(FetchTarget::Absolute { joining: key, group: 3 }, Parameters::default()).unwrap();
    raw.session.cancel(key, StreamErrorCode::Cancelled);
    assert_eq!(raw.session.fetch(target, Parameters::default()), Err(CommandError::UnknownRequest));
    let target = FetchTarget::Relative { joining: join, groups: 0 };
    assert!(matches!(raw.session.fetch(target, Parameters::default()), Err(CommandError::WrongState(_))));
}
