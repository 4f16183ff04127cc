//! REQUEST_UPDATE in both directions: rows 69 and 70, and section 10.9.

use moqt::session::{CommandError, Event, PeerRequest};
use moqt::{
    FetchKind, Location, Message, Parameters, Properties, PublishDoneCode, ReasonPhrase, RequestError,
    RequestErrorCode, RequestId, RequestOk,
};

use crate::raw::{
    Raw, fetch, forward, largest, namespace, publish, publish_namespace, subscribe, subscribe_namespace, subscribe_ok,
    track, update, violates,
};

fn priority(priority: u8) -> Parameters {
    Parameters { subscriber_priority: Some(priority), ..Parameters::default() }
}

fn error(code: RequestErrorCode) -> RequestError {
    RequestError { request_id: None, code, retry: None, reason: ReasonPhrase::from("no"), redirect: None }
}

fn ok(parameters: Parameters) -> Message {
    Message::RequestOk(RequestOk { parameters, ..RequestOk::default() })
}

#[test]
fn c069_each_update_gets_its_answer_in_order() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.send(key, &update(2, priority(1))).unwrap();
    raw.send(key, &update(4, forward(false))).unwrap();
    let events = raw.take_events();
    assert!(matches!(&events[1], Event::Update { parameters, .. } if *parameters == priority(1)));
    assert!(matches!(&events[2], Event::Update { parameters, .. } if *parameters == forward(false)));
    let early = raw.session.accept_update(key, Parameters::default());
    assert!(matches!(early, Err(CommandError::WrongState(_))), "SUBSCRIBE_OK comes first");
    raw.session.accept_subscribe(key, None, Parameters::default(), Properties::default()).unwrap();
    raw.session.accept_update(key, largest(1, 1)).unwrap();
    raw.session.accept_update(key, largest(2, 2)).unwrap();
    assert!(matches!(raw.session.accept_update(key, Parameters::default()), Err(CommandError::WrongState(_))));
    let written = raw.written(key);
    let [Message::SubscribeOk(_), Message::RequestOk(first), Message::RequestOk(second)] = &written.messages[..] else {
        panic!("{written:?}")
    };
    assert_eq!((&first.parameters, &second.parameters), (&largest(1, 1), &largest(2, 2)));
}

#[test]
fn c069_updates_of_this_side_use_new_ids_and_are_answered_in_order() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.session.update(key, priority(1)).unwrap();
    raw.session.update(key, priority(2)).unwrap();
    let ids: Vec<_> = raw.written(key).messages.iter().filter_map(Message::new_request_id).collect();
    assert_eq!(ids, vec![RequestId(0), RequestId(2), RequestId(4)]);
    raw.send(key, &subscribe_ok(1, Parameters::default())).unwrap();
    raw.take_events();
    raw.send(key, &ok(largest(1, 1))).unwrap();
    assert_eq!(raw.event(), Event::UpdateResponse { key, result: Ok(largest(1, 1)) });
    raw.send(key, &Message::RequestError(error(RequestErrorCode::Unauthorized))).unwrap();
    assert_eq!(raw.event(), Event::UpdateResponse { key, result: Err(error(RequestErrorCode::Unauthorized)) });
    assert_eq!(raw.session.live_requests(), 1, "PUBLISH_DONE follows");
    violates(raw.send(key, &ok(Parameters::default())));
}

#[test]
fn c070_a_failed_update_ends_the_subscription() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.session.accept_subscribe(key, None, Parameters::default(), Properties::default()).unwrap();
    raw.send(key, &update(2, priority(1))).unwrap();
    raw.take_events();
    raw.session.reject_update(key, error(RequestErrorCode::Unauthorized)).unwrap();
    let written = raw.written(key);
    let [_, Message::RequestError(error), Message::PublishDone(done)] = &written.messages[..] else {
        panic!("{written:?}")
    };
    assert_eq!((error.code, done.status), (RequestErrorCode::Unauthorized, PublishDoneCode::UpdateFailed));
    assert!(written.fin);
    assert_eq!(raw.session.live_requests(), 0);
}

#[test]
fn a_failed_update_ends_other_requests_with_their_stream() {
    let mut raw = Raw::server();
    let range = FetchKind::Standalone { track: track("a"), start: Location::new(0, 0), end: Location::new(1, 0) };
    let keys = [raw.open(&fetch(0, range)), raw.open(&publish_namespace(2, namespace(&["a"])))];
    raw.session
        .accept_fetch(keys[0], false, Location::new(1, 0), Parameters::default(), Properties::default())
        .unwrap();
    raw.session.accept(keys[1], Parameters::default(), Properties::default()).unwrap();
    for (key, id) in keys.into_iter().zip([4, 6]) {
        raw.send(key, &update(id, Parameters::default())).unwrap();
        raw.session.reject_update(key, error(RequestErrorCode::Unauthorized)).unwrap();
        let written = raw.written(key);
        assert!(matches!(written.messages[..], [_, Message::RequestError(_)]) && written.fin);
    }
    assert_eq!(raw.session.live_requests(), 0);
}

#[test]
fn a_refused_update_of_this_side_ends_all_but_subscriptions() {
    let mut raw = Raw::client();
    let key = raw.session.publish_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    raw.send(key, &ok(Parameters::default())).unwrap();
    raw.session.update(key, Parameters::default()).unwrap();
    raw.take_events();
    raw.send(key, &Message::RequestError(error(RequestErrorCode::Unauthorized))).unwrap();
    let events = raw.take_events();
    assert!(matches!(events[..], [Event::UpdateResponse { result: Err(_), .. }, Event::Ended { code: None, .. }]));
    assert!(raw.written(key).fin);
}

#[test]
fn the_subscriber_updates_an_accepted_publish() {
    let mut raw = Raw::client();
    let key = raw.session.publish(track("a"), None, forward(false), Properties::default()).unwrap().0;
    raw.send(key, &ok(forward(false))).unwrap();
    raw.take_events();
    raw.send(key, &update(1, forward(true))).unwrap();
    assert!(matches!(raw.event(), Event::Update { parameters, .. } if parameters == forward(true)));
    raw.session.accept_update(key, largest(4, 4)).unwrap();
    let mut raw = Raw::client();
    let key = raw.session.publish(track("a"), None, forward(false), Properties::default()).unwrap().0;
    violates(raw.send(key, &update(1, forward(true))));
}

#[test]
fn this_side_updates_a_publish_it_accepted() {
    let mut raw = Raw::server();
    let key = raw.open(&publish(0, "a", 3, Properties::default()));
    assert!(matches!(raw.request(), PeerRequest::Publish { .. }));
    assert!(matches!(raw.session.update(key, forward(true)), Err(CommandError::WrongState(_))));
    raw.session.accept(key, forward(false), Properties::default()).unwrap();
    raw.session.update(key, forward(true)).unwrap();
    raw.send(key, &ok(largest(1, 0))).unwrap();
    assert_eq!(raw.event(), Event::UpdateResponse { key, result: Ok(largest(1, 0)) });
    // The publisher's own update, refused: it must end the subscription itself.
    raw.send(key, &update(2, Parameters::default())).unwrap();
    raw.take_events();
    raw.session.reject_update(key, error(RequestErrorCode::Unauthorized)).unwrap();
    let written = raw.written(key);
    assert!(matches!(written.messages.last(), Some(Message::RequestError(_))) && !written.fin);
    assert_eq!(raw.session.live_requests(), 1);
}

#[test]
fn only_parameters_of_the_request_may_change() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe_namespace(0, namespace(&["a"])));
    violates(raw.send(key, &update(2, forward(true))));
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    let prefix = Parameters { namespace_prefix: Some(namespace(&["b"])), ..Parameters::default() };
    violates(raw.send(key, &update(2, prefix.clone())));
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    assert!(matches!(raw.session.update(key, prefix), Err(CommandError::Message(_))));
}

#[test]
fn unanswered_updates_are_bounded_on_both_sides() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.session.accept_subscribe(key, None, Parameters::default(), Properties::default()).unwrap();
    raw.take_events();
    for id in 1..=17 {
        raw.send(key, &update(id * 2, priority(1))).unwrap();
    }
    let events = raw.take_events();
    assert_eq!(events.len(), 17);
    assert_eq!(events[16], Event::Ended { key, code: None });
    let written = raw.written(key);
    let [_, Message::RequestError(error), Message::PublishDone(_)] = &written.messages[..] else {
        panic!("{written:?}")
    };
    assert_eq!(error.code, RequestErrorCode::ExcessiveLoad);
    let key = raw.session.subscribe(track("b"), Parameters::default()).unwrap();
    let sent = (0..100).take_while(|_| raw.session.update(key, priority(1)).is_ok()).count();
    assert_eq!(sent, 16);
}
