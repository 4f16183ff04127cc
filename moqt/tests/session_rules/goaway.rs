//! Rows 26, 136 and 137: GOAWAY of sessions and of requests.

use std::time::Duration;

use moqt::session::{CommandError, Event};
use moqt::{GoAway, Message, Parameters, Properties, RequestErrorCode, RequestId, SessionErrorCode};

use crate::raw::{Raw, closes, each_request, encode, subscribe, track, update, violates};

const TIMEOUT: Duration = Duration::from_secs(5);

fn goaway(uri: &str, request_id: Option<u64>) -> Message {
    Message::GoAway(GoAway { uri: uri.into(), timeout: Some(TIMEOUT), request_id: request_id.map(RequestId) })
}

#[test]
fn c136_goaway_names_the_first_request_not_processed() {
    let mut raw = Raw::server();
    raw.open(&subscribe(4, "a", Parameters::default()));
    raw.session.go_away("https://other.example/", TIMEOUT).unwrap();
    raw.drain();
    assert_eq!(raw.control.last(), Some(&goaway("https://other.example/", Some(6))));
    let mut raw = Raw::client();
    raw.session.go_away("", TIMEOUT).unwrap();
    raw.drain();
    assert_eq!(raw.control.last(), Some(&goaway("", Some(1))));
}

#[test]
fn c136_requests_after_goaway_are_refused_and_running_ones_go_on() {
    let mut raw = Raw::server();
    let running = raw.open(&subscribe(0, "running", Parameters::default()));
    raw.session.go_away("", TIMEOUT).unwrap();
    raw.take_events();
    for request in each_request(2) {
        let key = raw.open(&request);
        raw.refused(key, RequestErrorCode::GoingAway);
    }
    raw.session.accept_subscribe(running, None, Parameters::default(), Properties::default()).unwrap();
    raw.send(running, &update(20, Parameters::default())).unwrap();
    assert!(matches!(raw.event(), Event::Update { .. }));
}

#[test]
fn c136_requests_left_after_the_timeout_close() {
    let now = Duration::from_secs(50);
    for left in [true, false] {
        let mut raw = Raw::server();
        let key = raw.open(&subscribe(0, "a", Parameters::default()));
        raw.session.go_away("", TIMEOUT).unwrap();
        raw.session.handle_timeout(now).unwrap();
        assert_eq!(raw.session.poll_timeout(), Some(now + TIMEOUT));
        raw.session.handle_timeout(now + TIMEOUT - Duration::from_nanos(1)).unwrap();
        if !left {
            raw.reset(key);
        }
        let result = raw.session.handle_timeout(now + TIMEOUT);
        if left {
            closes(result, SessionErrorCode::GoawayTimeout)
        } else {
            result.unwrap()
        }
        assert_eq!(raw.session.poll_timeout(), None);
    }
}

#[test]
fn goaway_is_sent_once_and_only_servers_name_a_uri() {
    let mut raw = Raw::client();
    assert!(matches!(raw.session.go_away("https://other.example/", TIMEOUT), Err(CommandError::Message(_))));
    raw.session.go_away("", Duration::ZERO).unwrap();
    assert_eq!(raw.session.poll_timeout(), None, "no timeout was named");
    assert!(matches!(raw.session.go_away("", TIMEOUT), Err(CommandError::WrongState(_))));
}

#[test]
fn c137_no_new_requests_to_a_peer_that_goes_away() {
    let mut raw = Raw::server();
    let running = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.session.handle_control(encode(&goaway("", Some(1)))).unwrap();
    assert_eq!(raw.event(), Event::GoAway { uri: String::new(), timeout: TIMEOUT });
    assert_eq!(raw.session.subscribe(track("b"), Parameters::default()), Err(CommandError::GoingAway));
    raw.session.update(running, Parameters::default()).unwrap();
    assert_eq!(raw.session.live_requests(), 1);
}

#[test]
fn a_goaway_without_timeout_and_id_is_tolerated() {
    let mut raw = Raw::server();
    raw.session.handle_control([0x10, 0, 1, 0]).unwrap();
    assert_eq!(raw.event(), Event::GoAway { uri: String::new(), timeout: Duration::ZERO });
}

#[test]
fn one_request_can_be_sent_away() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.send(key, &crate::raw::subscribe_ok(1, Parameters::default())).unwrap();
    raw.take_events();
    raw.send(key, &goaway("https://other.example/", None)).unwrap();
    let uri = "https://other.example/".to_owned();
    assert_eq!(raw.event(), Event::RequestGoAway { key, uri, timeout: TIMEOUT });
    raw.session.subscribe(track("b"), Parameters::default()).unwrap();
    violates(raw.send(key, &goaway("", None)));
}

#[test]
fn the_goaway_of_a_request_has_no_id_and_no_uri_from_a_client() {
    for wrong in [goaway("", Some(1)), goaway("https://other.example/", None)] {
        let mut raw = Raw::server();
        let key = raw.open(&subscribe(0, "a", Parameters::default()));
        violates(raw.send(key, &wrong));
    }
}

#[test]
fn a_request_that_stays_after_its_goaway_is_reset() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    assert!(matches!(raw.session.go_away_request(key, "", TIMEOUT), Err(CommandError::WrongState(_))));
    raw.session.accept_subscribe(key, None, Parameters::default(), Properties::default()).unwrap();
    raw.session.go_away_request(key, "https://other.example/", TIMEOUT).unwrap();
    assert!(matches!(raw.session.go_away_request(key, "", TIMEOUT), Err(CommandError::WrongState(_))));
    raw.take_events();
    assert_eq!(raw.written(key).messages.last(), Some(&goaway("https://other.example/", None)));
    raw.session.handle_timeout(Duration::from_secs(1)).unwrap();
    raw.session.handle_timeout(Duration::from_secs(1) + TIMEOUT).unwrap();
    assert_eq!(raw.written(key).reset, Some(4));
    raw.ended(key, Some(4));
    assert_eq!(raw.session.poll_timeout(), None);
}

#[test]
fn a_request_that_ended_takes_its_goaway_timer_along() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.session.accept_subscribe(key, None, Parameters::default(), Properties::default()).unwrap();
    raw.session.go_away_request(key, "", TIMEOUT).unwrap();
    raw.reset(key);
    assert_eq!(raw.session.poll_timeout(), None);
}
