//! C.4 and the first rows of C.5: SUBSCRIBE and PUBLISH.

use std::time::Duration;

use moqt::session::{CommandError, Event, PeerRequest, Response};
use moqt::{
    Message, Namespace, Pair, Parameters, Properties, PublishDone, PublishDoneCode, PublishOk, ReasonPhrase, Redirect,
    RequestError, RequestErrorCode, RequestId, RequestOk, StreamErrorCode, TrackAlias, TrackName, TrackStatus, Version,
};

use crate::raw::{
    REQUEST_LIMIT, Raw, each_request, forward, largest, namespace, publish, subscribe, subscribe_ok, track,
    track_status, violates,
};

const CANCELLED: u64 = 1;

fn none() -> Properties {
    Properties::default()
}

fn request_ok() -> Message {
    Message::RequestOk(RequestOk::default())
}

fn done(status: PublishDoneCode) -> Message {
    Message::PublishDone(PublishDone {
        request_id: None,
        status,
        stream_count: Some(3),
        reason: ReasonPhrase::default(),
    })
}

#[test]
fn c053_a_subscribe_gets_exactly_one_answer() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    assert!(matches!(raw.request(), PeerRequest::Subscribe { track: name, .. } if name == track("a")));
    raw.session.accept_subscribe(key, None, largest(1, 2), none()).unwrap();
    let again = raw.session.accept_subscribe(key, None, Parameters::default(), none());
    assert!(matches!(again, Err(CommandError::WrongState(_))));
    let refused = raw.session.reject(key, RequestErrorCode::Timeout, None, "late", None);
    assert!(matches!(refused, Err(CommandError::WrongState(_))));
    let written = raw.written(key);
    let [Message::SubscribeOk(ok)] = &written.messages[..] else { panic!("{written:?}") };
    assert_eq!(ok.parameters, largest(1, 2));
    assert!(!written.fin);
}

#[test]
fn aliases_are_unique_among_the_tracks_of_a_publisher() {
    let mut raw = Raw::server();
    let keys: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .zip([0, 2, 4])
        .map(|(name, id)| raw.open(&subscribe(id, name, Parameters::default())))
        .collect();
    let first = raw.session.accept_subscribe(keys[0], None, Parameters::default(), none()).unwrap();
    let taken = raw.session.accept_subscribe(keys[1], Some(first), Parameters::default(), none());
    assert_eq!(taken, Err(CommandError::AliasInUse(first)));
    let next = TrackAlias(first.0 + 1);
    assert_eq!(raw.session.accept_subscribe(keys[1], Some(next), Parameters::default(), none()), Ok(next));
    let third = raw.session.accept_subscribe(keys[2], None, Parameters::default(), none()).unwrap();
    assert!(third != first && third != next);
}

#[test]
fn c059_a_second_subscription_to_a_track_is_refused() {
    let mut raw = Raw::server();
    let first = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.take_events();
    let second = raw.open(&subscribe(2, "a", Parameters::default()));
    raw.refused(second, RequestErrorCode::DuplicateSubscription);
    raw.stop(first);
    raw.ended(first, Some(CANCELLED));
    raw.open(&subscribe(4, "a", Parameters::default()));
    assert!(matches!(raw.request(), PeerRequest::Subscribe { .. }));
}

#[test]
fn c059_a_subscribe_for_a_track_being_published_is_refused() {
    let mut raw = Raw::server();
    raw.session.publish(track("a"), None, Parameters::default(), none()).unwrap();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.refused(key, RequestErrorCode::DuplicateSubscription);
    let again = raw.session.publish(track("a"), None, Parameters::default(), none());
    assert_eq!(again.unwrap_err(), CommandError::DuplicateSubscription);
}

#[test]
fn this_side_subscribes_to_a_track_once() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    let again = raw.session.subscribe(track("a"), Parameters::default());
    assert_eq!(again, Err(CommandError::DuplicateSubscription));
    raw.session.cancel(key, StreamErrorCode::Cancelled);
    assert_eq!(raw.written(key).reset, Some(CANCELLED));
    raw.session.subscribe(track("a"), Parameters::default()).unwrap();
}

#[test]
fn c062_an_unknown_mandatory_property_is_not_accepted() {
    let properties = Properties::from_pairs([Pair::new(0x4ABC, 1)]).unwrap();
    let mut raw = Raw::server();
    let key = raw.open(&publish(0, "a", 7, properties.clone()));
    raw.refused(key, RequestErrorCode::UnsupportedExtension);
    let key = raw.session.subscribe(track("b"), Parameters::default()).unwrap();
    let Message::SubscribeOk(mut ok) = subscribe_ok(5, Parameters::default()) else { unreachable!() };
    ok.properties = properties;
    raw.send(key, &Message::SubscribeOk(ok)).unwrap();
    let Response::Failed(error) = raw.response() else { panic!("accepted") };
    assert_eq!(error.code, RequestErrorCode::UnsupportedExtension);
    assert_eq!(raw.written(key).reset, Some(CANCELLED));
    assert!(raw.session.is_retired_alias(TrackAlias(5)) && raw.session.is_retired_alias(TrackAlias(7)));
}

#[test]
fn c071_stop_sending_or_reset_ends_a_subscription() {
    let mut raw = Raw::server();
    for (id, by_reset) in [(0, false), (2, true)] {
        let key = raw.open(&subscribe(id, "a", Parameters::default()));
        raw.session.accept_subscribe(key, None, Parameters::default(), none()).unwrap();
        raw.take_events();
        if by_reset {
            raw.reset(key)
        } else {
            raw.stop(key)
        }
        raw.ended(key, Some(CANCELLED));
        assert_eq!(raw.written(key).reset, Some(CANCELLED), "our half is reset too");
        let late = raw.session.publish_done(key, PublishDoneCode::TrackEnded, None, "");
        assert_eq!(late, Err(CommandError::UnknownRequest));
    }
    assert_eq!(raw.session.live_requests(), 0);
}

#[test]
fn an_older_drafts_empty_cancel_ends_the_request() {
    for kind in [0x0A, 0x09, 0x17] {
        let mut raw = Raw::server();
        let key = raw.open(&subscribe(0, "a", Parameters::default()));
        raw.session.accept_subscribe(key, None, Parameters::default(), none()).unwrap();
        raw.take_events();
        raw.send_bytes(key, &[kind, 0]).unwrap();
        raw.send_bytes(key, &[0]).unwrap();
        raw.ended(key, Some(CANCELLED));
        raw.fin(key).unwrap();
        assert_eq!(raw.take_events(), vec![]);
    }
}

#[test]
fn a_fin_of_the_subscriber_only_means_no_more_updates() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    raw.take_events();
    raw.fin(key).unwrap();
    raw.session.accept_subscribe(key, None, Parameters::default(), none()).unwrap();
    assert_eq!(raw.take_events(), vec![]);
    assert_eq!(raw.session.live_requests(), 1);
}

#[test]
fn c072_publish_done_is_last_and_finishes_the_stream() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    let early = raw.session.publish_done(key, PublishDoneCode::TrackEnded, None, "");
    assert!(matches!(early, Err(CommandError::WrongState(_))), "an answer comes first");
    raw.session.accept_subscribe(key, None, Parameters::default(), none()).unwrap();
    raw.session.publish_done(key, PublishDoneCode::TrackEnded, Some(4), "over").unwrap();
    let written = raw.written(key);
    let [Message::SubscribeOk(_), Message::PublishDone(done)] = &written.messages[..] else { panic!("{written:?}") };
    assert_eq!((done.status, done.stream_count), (PublishDoneCode::TrackEnded, Some(4)));
    assert!(written.fin);
    assert_eq!(raw.session.live_requests(), 0);
}

#[test]
fn late_streams_find_a_finished_subscription_until_it_is_released() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.send(key, &subscribe_ok(9, Parameters::default())).unwrap();
    raw.send(key, &done(PublishDoneCode::TrackEnded)).unwrap();
    raw.fin(key).unwrap();
    assert!(matches!(raw.take_events()[1..], [Event::Done { .. }]));
    assert!(raw.written(key).fin, "our half is finished too");
    assert_eq!(raw.session.live_requests(), 0);
    assert_eq!(raw.session.subscription_by_alias(TrackAlias(9)), Some(key));
    raw.session.cancel(key, StreamErrorCode::Cancelled);
    assert_eq!(raw.session.subscription_by_alias(TrackAlias(9)), None);
    assert!(raw.session.is_retired_alias(TrackAlias(9)));
    assert!(!raw.session.is_retired_alias(TrackAlias(10)));
}

#[test]
fn a_new_subscription_takes_over_the_alias_of_a_finished_one() {
    let mut raw = Raw::client();
    let old = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.send(old, &subscribe_ok(9, Parameters::default())).unwrap();
    raw.send(old, &done(PublishDoneCode::TrackEnded)).unwrap();
    let new = raw.session.subscribe(track("b"), Parameters::default()).unwrap();
    raw.send(new, &subscribe_ok(9, Parameters::default())).unwrap();
    raw.session.cancel(old, StreamErrorCode::Cancelled);
    assert_eq!(raw.session.subscription_by_alias(TrackAlias(9)), Some(new));
}

#[test]
fn c075_reserved_namespaces_do_not_exist() {
    for first in [".", ".session"] {
        let mut raw = Raw::server();
        for mut request in each_request(0) {
            let reserved = namespace(&[first, "x"]);
            match &mut request {
                Message::Subscribe(message) => message.track.namespace = reserved,
                Message::Publish(message) => message.track.namespace = reserved,
                Message::TrackStatus(message) => message.track.namespace = reserved,
                Message::PublishNamespace(message) => message.namespace = reserved,
                Message::SubscribeNamespace(message) => message.prefix = reserved,
                Message::SubscribeTracks(message) => message.prefix = reserved,
                Message::Fetch(message) => match &mut message.kind {
                    moqt::FetchKind::Standalone { track, .. } => track.namespace = reserved,
                    _ => unreachable!(),
                },
                _ => unreachable!(),
            }
            let key = raw.open(&request);
            raw.refused(key, RequestErrorCode::DoesNotExist);
        }
        let mut name = track("a");
        name.namespace = namespace(&[first]);
        assert_eq!(raw.session.subscribe(name, Parameters::default()), Err(CommandError::ReservedNamespace));
    }
}

#[test]
fn c075_other_dotted_namespaces_are_the_applications() {
    let mut raw = Raw::server();
    let mut name = track("a");
    name.namespace = namespace(&[".other"]);
    let parameters = Parameters::default();
    raw.open(&Message::TrackStatus(TrackStatus { request_id: RequestId(0), track: name, parameters }));
    assert!(matches!(raw.request(), PeerRequest::TrackStatus { .. }));
}

#[test]
fn c076_requests_beyond_the_limit_are_told_when_to_retry() {
    let mut raw = Raw::server();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    assert_eq!(names.len(), REQUEST_LIMIT);
    let mut keys = Vec::new();
    for name in names {
        let id = raw.id();
        keys.push(raw.open(&subscribe(id, name, Parameters::default())));
    }
    raw.take_events();
    let id = raw.id();
    let over = raw.open(&subscribe(id, "i", Parameters::default()));
    let written = raw.written(over);
    let [Message::RequestError(error)] = &written.messages[..] else { panic!("{written:?}") };
    assert_eq!(error.code, RequestErrorCode::ExcessiveLoad);
    assert!(error.retry.is_some_and(|retry| retry > Duration::ZERO));
    raw.reset(keys[0]);
    raw.take_events();
    let id = raw.id();
    raw.open(&subscribe(id, "i", Parameters::default()));
    assert!(matches!(raw.request(), PeerRequest::Subscribe { .. }));
}

#[test]
fn c134_track_status_is_one_request_and_one_reply() {
    let mut raw = Raw::server();
    let key = raw.open(&track_status(0, "a"));
    raw.fin(key).unwrap();
    assert!(matches!(raw.request(), PeerRequest::TrackStatus { .. }));
    let properties = Properties::from_pairs([Pair::new(moqt::property::MAX_CACHE_DURATION, 9)]).unwrap();
    raw.session.accept(key, largest(3, 4), properties.clone()).unwrap();
    let written = raw.written(key);
    let [Message::RequestOk(ok)] = &written.messages[..] else { panic!("{written:?}") };
    assert_eq!((&ok.parameters, &ok.properties), (&largest(3, 4), &properties));
    assert!(written.fin);
    assert_eq!(raw.session.live_requests(), 0);
    let mut raw = Raw::server();
    let key = raw.open(&track_status(0, "a"));
    violates(raw.send(key, &crate::raw::update(2, Parameters::default())));
}

#[test]
fn c135_every_request_reaches_the_application() {
    let mut raw = Raw::server();
    let keys: Vec<_> = each_request(0).iter().map(|request| raw.open(request)).collect();
    let requests = raw.take_events();
    assert_eq!(requests.len(), 7);
    for (key, event) in keys.into_iter().zip(requests) {
        assert!(matches!(event, Event::Request { key: announced, .. } if announced == key));
    }
}

#[test]
fn c139_a_rejection_is_an_error_and_a_fin() {
    let mut raw = Raw::server();
    for request in each_request(0) {
        let key = raw.open(&request);
        raw.take_events();
        let retry = Some(Duration::from_millis(1500));
        raw.session.reject(key, RequestErrorCode::Timeout, retry, "busy", None).unwrap();
        let written = raw.written(key);
        let [Message::RequestError(error)] = &written.messages[..] else { panic!("{written:?}") };
        assert_eq!((error.code, error.retry), (RequestErrorCode::Timeout, retry));
        assert!(written.fin);
        assert_eq!(
            raw.session.reject(key, RequestErrorCode::Timeout, None, "", None),
            Err(CommandError::UnknownRequest)
        );
    }
    assert_eq!(raw.session.live_requests(), 0);
}

#[test]
fn a_client_does_not_redirect_to_a_uri() {
    let mut raw = Raw::client();
    let key = raw.open(&subscribe(1, "a", Parameters::default()));
    let redirect = Some(Redirect { uri: "https://other.example/".into(), track: track("a") });
    let error = raw.session.reject(key, RequestErrorCode::Redirect, None, "", redirect);
    assert!(matches!(error, Err(CommandError::Message(_))));
    let redirect = Some(Redirect { uri: String::new(), track: track("b") });
    raw.session.reject(key, RequestErrorCode::Redirect, None, "", redirect).unwrap();
}

#[test]
fn s14_accepting_a_publish_ends_a_subscribe_that_crossed_it() {
    let mut raw = Raw::client();
    let own = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    let theirs = raw.open(&publish(1, "a", 4, none()));
    assert!(matches!(raw.request(), PeerRequest::Publish { alias: TrackAlias(4), .. }));
    raw.session.accept(theirs, Parameters::default(), none()).unwrap();
    raw.ended(own, Some(CANCELLED));
    assert_eq!(raw.written(own).reset, Some(CANCELLED));
    assert_eq!(raw.session.subscription_by_alias(TrackAlias(4)), Some(theirs));
}

#[test]
fn a_publish_loses_to_a_subscribe_that_was_answered_first() {
    let mut raw = Raw::client();
    let own = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    let theirs = raw.open(&publish(1, "a", 4, none()));
    raw.send(own, &subscribe_ok(4, Parameters::default())).unwrap();
    let accepted = raw.session.accept(theirs, Parameters::default(), none());
    assert_eq!(accepted, Err(CommandError::DuplicateSubscription));
    raw.session.reject(theirs, RequestErrorCode::DuplicateSubscription, None, "subscribed", None).unwrap();
    assert_eq!(raw.session.subscription_by_alias(TrackAlias(4)), Some(own));
    raw.take_events();
    let late = raw.open(&publish(3, "a", 5, none()));
    raw.refused(late, RequestErrorCode::DuplicateSubscription);
}

#[test]
fn a_publisher_may_end_a_publish_at_any_time() {
    let mut raw = Raw::server();
    for (id, answered) in [(0, false), (2, true)] {
        let key = raw.open(&publish(id, "a", 7, none()));
        raw.take_events();
        if answered {
            raw.session.accept(key, forward(false), none()).unwrap();
        }
        raw.send(key, &done(PublishDoneCode::TrackEnded)).unwrap();
        assert!(matches!(raw.event(), Event::Done { done, .. } if done.stream_count == Some(3)));
        assert_eq!(raw.session.accept(key, Parameters::default(), none()), Err(CommandError::UnknownRequest));
    }
    let key = raw.session.publish(track("b"), None, Parameters::default(), none()).unwrap().0;
    raw.session.publish_done(key, PublishDoneCode::TrackEnded, Some(0), "").unwrap();
    assert!(raw.written(key).fin);
    raw.send(key, &request_ok()).unwrap();
    assert_eq!(raw.take_events(), vec![]);
}

#[test]
fn a_publish_that_only_ends_is_over() {
    let mut raw = Raw::server();
    let key = raw.open(&publish(0, "a", 7, none()));
    raw.take_events();
    raw.fin(key).unwrap();
    raw.ended(key, None);
}

#[test]
fn the_old_publish_ok_answers_a_publish_only() {
    let old = Message::PublishOk16(PublishOk { request_id: None, parameters: forward(false) });
    let mut raw = Raw::client();
    let key = raw.session.publish(track("a"), None, Parameters::default(), none()).unwrap().0;
    raw.send(key, &old).unwrap();
    assert!(matches!(raw.response(), Response::Accepted(ok) if ok.parameters == forward(false)));
    let mut raw = Raw::client();
    let key = raw.session.publish_namespace(Namespace::default(), Parameters::default()).unwrap();
    violates(raw.send(key, &old));
}

#[test]
fn stop_sending_leaves_the_last_word_to_the_peers_half() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.stop(key);
    let reason = ReasonPhrase::from("no");
    let code = RequestErrorCode::DoesNotExist;
    raw.send(key, &Message::RequestError(RequestError { request_id: None, code, retry: None, reason, redirect: None }))
        .unwrap();
    assert!(matches!(raw.response(), Response::Failed(error) if error.code == code));
    let key = raw.session.publish(track("a"), None, Parameters::default(), none()).unwrap().0;
    raw.send(key, &request_ok()).unwrap();
    raw.take_events();
    raw.stop(key);
    raw.ended(key, Some(CANCELLED));
}

#[test]
fn an_answer_that_never_came_is_an_end() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.fin(key).unwrap();
    raw.ended(key, None);
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.send(key, &subscribe_ok(1, Parameters::default())).unwrap();
    raw.take_events();
    raw.fin(key).unwrap();
    raw.ended(key, None);
}

#[test]
fn the_relay_path_needs_both_sides() {
    let hops = Parameters { hops: vec![1, 2], ..Parameters::default() };
    violates(Raw::server().open_result(&subscribe(0, "a", hops.clone())));
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), hops.clone()).unwrap();
    let [Message::Subscribe(sent)] = &raw.written(key).messages[..] else { panic!("not sent") };
    assert_eq!(sent.parameters, Parameters::default(), "stripped for a peer that did not declare it");

    let mut own = crate::raw::settings(moqt::Side::Server, moqt::session::Carrier::Quic);
    own.setup.hops = true;
    let declared = moqt::SetupOptions { hops: true, ..moqt::SetupOptions::default() };
    let mut raw = Raw::established(own, declared.clone());
    raw.open(&subscribe(0, "a", hops.clone()));
    assert!(matches!(raw.request(), PeerRequest::Subscribe { parameters, .. } if parameters == hops));
    let key = raw.session.subscribe(track("b"), hops.clone()).unwrap();
    let [Message::Subscribe(sent)] = &raw.written(key).messages[..] else { panic!("not sent") };
    assert_eq!(sent.parameters, hops);
    // Ids are eight bytes each, and there is at least one.
    for length in [0u8, 7, 8] {
        let mut body = vec![0x02, 0x00, 0x01, b'x', 0x01, 0xC0, 0xEF, 0x1D, length];
        body.resize(body.len() + usize::from(length), 0);
        let message = [vec![0x03, 0, body.len() as u8], body].concat();
        let mut settings = crate::raw::settings(moqt::Side::Server, moqt::session::Carrier::Quic);
        settings.setup.hops = true;
        let result = Raw::established(settings, declared.clone()).open_bytes(&message).1;
        if length == 8 { result.unwrap() } else { violates(result) }
    }
}

#[test]
fn names_are_checked_before_anything_is_sent() {
    let mut raw = Raw::client();
    let parameters = Parameters { expires: Some(Duration::from_secs(1)), ..Parameters::default() };
    assert!(matches!(raw.session.subscribe(track("a"), parameters), Err(CommandError::Message(_))));
    assert_eq!(raw.session.live_requests(), 0);
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    assert_eq!(raw.session.request_id(key), Some(RequestId(0)), "a refused command uses no id");
    let name = TrackName::new("x").unwrap();
    assert!(matches!(raw.session.publish_blocked(key, namespace(&["a"]), name), Err(CommandError::WrongState(_))));
    let code = StreamErrorCode::Cancelled.to_wire(Version::Draft18);
    assert_eq!(code, CANCELLED);
}
