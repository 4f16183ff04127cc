//! C.2: what ends the session, as far as a session sees it; the codec's own tests cover each field.

use std::time::Duration;

use moqt::session::{Event, FetchTarget, Response};
use moqt::{
    FetchOk, FullTrackName, GoAway, Location, Message, NamespaceAdded, NamespaceRemoved, Pair, Parameters, Properties,
    PublishBlocked, PublishDone, PublishDoneCode, ReasonPhrase, Redirect, RequestError, RequestErrorCode, RequestId,
    RequestOk, SessionErrorCode, SubscribeOk, TrackAlias, property,
};

use crate::raw::{
    Raw, closes, each_request, encode, forward, largest, namespace, publish, subscribe, subscribe_namespace,
    subscribe_ok, track, update, violates,
};

fn ok(properties: Properties) -> Message {
    Message::RequestOk(RequestOk { properties, ..RequestOk::default() })
}

fn some_properties() -> Properties {
    Properties::from_pairs([Pair::new(property::MAX_CACHE_DURATION, 1)]).unwrap()
}

fn error(code: RequestErrorCode, redirect: Option<Redirect>) -> Message {
    let reason = ReasonPhrase::from("no");
    Message::RequestError(RequestError { request_id: None, code, retry: None, reason, redirect })
}

#[test]
fn c012_an_unknown_message_type_closes() {
    violates(Raw::server().open_bytes(&[0x3F, 0, 0]).1);
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    violates(raw.send_bytes(key, &[0x3F, 0, 0]));
    violates(Raw::server().session.handle_control([0x3F, 0, 0]));
}

#[test]
fn c013_only_the_seven_requests_open_a_stream() {
    let mut raw = Raw::server();
    for request in each_request(0) {
        raw.open(&request);
    }
    assert_eq!(raw.take_events().len(), 7);
    let others = [
        subscribe_ok(1, Parameters::default()),
        update(0, Parameters::default()),
        ok(Properties::default()),
        error(RequestErrorCode::Timeout, None),
        Message::GoAway(GoAway::default()),
        Message::Namespace(NamespaceAdded::default()),
    ];
    for message in others {
        violates(Raw::server().open_result(&message));
    }
    violates(Raw::server().open_bytes(&[0x0A, 0, 0]).1);
}

#[test]
fn c014_a_length_that_does_not_fit_the_body_closes() {
    let message = encode(&subscribe(0, "a", Parameters::default()));
    let mut longer = message.clone();
    longer[2] += 1;
    longer.push(0);
    violates(Raw::server().open_bytes(&longer).1);
    let mut shorter = message;
    shorter[2] -= 1;
    violates(Raw::server().open_bytes(&shorter).1);
}

#[test]
fn c014_a_stream_that_ends_inside_a_message_closes() {
    let message = encode(&subscribe(0, "a", Parameters::default()));
    let mut raw = Raw::server();
    let (key, result) = raw.open_bytes(&message[..4]);
    result.unwrap();
    violates(raw.fin(key));
}

#[test]
fn c015_wrong_parity_closes() {
    closes(Raw::server().open_result(&subscribe(1, "a", Parameters::default())), SessionErrorCode::InvalidRequestId);
    closes(Raw::client().open_result(&subscribe(0, "a", Parameters::default())), SessionErrorCode::InvalidRequestId);
}

#[test]
fn c015_a_repeated_id_closes_also_in_an_update() {
    let mut raw = Raw::server();
    raw.open(&subscribe(0, "a", Parameters::default()));
    closes(raw.open_result(&subscribe(0, "b", Parameters::default())), SessionErrorCode::InvalidRequestId);
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    closes(raw.send(key, &update(0, Parameters::default())), SessionErrorCode::InvalidRequestId);
}

#[test]
fn c015_ids_out_of_order_are_accepted() {
    let mut raw = Raw::server();
    for (id, name) in [(4, "a"), (0, "b"), (2, "c")] {
        raw.open(&subscribe(id, name, Parameters::default()));
    }
    assert_eq!(raw.take_events().len(), 3);
}

#[test]
fn c016_to_c018_bad_parameters_close() {
    let subscribe = |parameters: &[u8]| {
        let mut body = vec![0x00, 0x01, 0x01, b'a', 0x01, b'x'];
        body.extend_from_slice(parameters);
        let mut message = vec![0x03, 0, body.len() as u8];
        message.extend(body);
        message
    };
    Raw::server().open_bytes(&subscribe(&[1, 0x10, 1])).1.unwrap();
    for bad in [
        &[1, 0x1D, 0][..],      // unknown
        &[1, 0x08, 5],          // EXPIRES is for answers
        &[2, 0x10, 1, 0x00, 1], // FORWARD twice
        &[1, 0x10, 2],          // FORWARD 2
        &[1, 0x22, 3],          // GROUP_ORDER 3
        &[1, 0x21, 1, 5],       // filter type 5
    ] {
        violates(Raw::server().open_bytes(&subscribe(bad)).1);
    }
}

#[test]
fn c026_goaway_has_its_rules() {
    let goaway = |uri: &str, id| {
        Message::GoAway(GoAway {
            uri: uri.into(),
            timeout: Some(Duration::from_secs(1)),
            request_id: Some(RequestId(id)),
        })
    };
    let mut client = Raw::client();
    client.session.handle_control(encode(&goaway("https://other.example/", 0))).unwrap();
    violates(client.session.handle_control(encode(&goaway("", 0))));
    violates(Raw::server().session.handle_control(encode(&goaway("https://other.example/", 1))));
    closes(Raw::server().session.handle_control(encode(&goaway("", 0))), SessionErrorCode::InvalidRequestId);
    closes(Raw::client().session.handle_control(encode(&goaway("", 1))), SessionErrorCode::InvalidRequestId);
}

#[test]
fn c033_one_alias_for_two_tracks_closes() {
    let mut raw = Raw::client();
    let first = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    let second = raw.session.subscribe(track("b"), Parameters::default()).unwrap();
    raw.send(first, &subscribe_ok(7, Parameters::default())).unwrap();
    closes(raw.send(second, &subscribe_ok(7, Parameters::default())), SessionErrorCode::DuplicateTrackAlias);
    let mut raw = Raw::server();
    raw.open(&publish(0, "a", 7, Properties::default()));
    let second = raw.open_result(&publish(2, "b", 7, Properties::default()));
    closes(second, SessionErrorCode::DuplicateTrackAlias);
}

#[test]
fn c033_an_alias_is_free_again_after_its_subscription() {
    let mut raw = Raw::server();
    let first = raw.open(&publish(0, "a", 7, Properties::default()));
    raw.reset(first);
    raw.open(&publish(2, "b", 7, Properties::default()));
}

#[test]
fn c034_properties_belong_only_to_track_status_ok() {
    let mut raw = Raw::client();
    let status = raw.session.track_status(track("a"), Parameters::default()).unwrap();
    raw.send(status, &ok(some_properties())).unwrap();
    assert!(matches!(raw.response(), Response::Accepted(ok) if ok.properties == some_properties()));
    let published = raw.session.publish(track("a"), None, Parameters::default(), Properties::default()).unwrap().0;
    violates(raw.send(published, &ok(some_properties())));
    let mut raw = Raw::client();
    let prefix = raw.session.subscribe_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    violates(raw.send(prefix, &ok(some_properties())));
}

#[test]
fn parameters_of_an_ok_must_fit_what_it_answers() {
    let with = |parameters| Message::RequestOk(RequestOk { parameters, ..RequestOk::default() });
    let mut raw = Raw::client();
    let published = raw.session.publish(track("a"), None, Parameters::default(), Properties::default()).unwrap().0;
    violates(raw.send(published, &with(largest(1, 1))));
    let mut raw = Raw::client();
    let prefix = raw.session.subscribe_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    violates(raw.send(prefix, &with(forward(true))));
}

#[test]
fn c035_redirects_have_their_rules() {
    let redirect = |uri: &str, track: FullTrackName| Some(Redirect { uri: uri.into(), track });
    let moved = error(RequestErrorCode::Redirect, redirect("https://other.example/", FullTrackName::default()));
    let mut server = Raw::server();
    let key = server.session.subscribe(track("a"), Parameters::default()).unwrap();
    violates(server.send(key, &moved));
    let mut client = Raw::client();
    let key = client.session.subscribe(track("a"), Parameters::default()).unwrap();
    client.send(key, &moved).unwrap();
    assert!(matches!(client.response(), Response::Failed(error) if error.redirect.is_some()));
    let key = client.session.publish_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    violates(client.send(key, &error(RequestErrorCode::Redirect, redirect("", track("a")))));
}

#[test]
fn c036_the_first_reply_to_a_namespace_request_is_an_answer() {
    let first_replies = [
        Message::Namespace(NamespaceAdded::default()),
        Message::GoAway(GoAway::default()),
        update(1, Parameters::default()),
    ];
    for message in first_replies {
        let mut raw = Raw::client();
        let key = raw.session.publish_namespace(namespace(&["a"]), Parameters::default()).unwrap();
        violates(raw.send(key, &message));
    }
    let mut raw = Raw::client();
    let key = raw.session.subscribe_tracks(namespace(&["a"]), Parameters::default()).unwrap();
    violates(raw.send(key, &Message::PublishBlocked(PublishBlocked::default())));
}

#[test]
fn c037_namespace_done_needs_a_namespace() {
    let suffix = namespace(&["x"]);
    let done = Message::NamespaceDone(NamespaceRemoved { suffix: suffix.clone() });
    let mut raw = Raw::client();
    let key = raw.session.subscribe_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    raw.send(key, &ok(Properties::default())).unwrap();
    raw.send(key, &Message::Namespace(NamespaceAdded { suffix: suffix.clone() })).unwrap();
    raw.send(key, &done).unwrap();
    assert_eq!(raw.take_events().last(), Some(&Event::NamespaceRemoved { key, suffix }));
    violates(raw.send(key, &done));
}

#[test]
fn c038_fetch_ok_must_not_end_before_the_start() {
    let fetch_ok = |end| {
        let (parameters, properties) = (Parameters::default(), Properties::default());
        Message::FetchOk(FetchOk { request_id: None, end_of_track: false, end, parameters, properties })
    };
    let target = || FetchTarget::Range { track: track("a"), start: Location::new(3, 4), end: Location::new(5, 0) };
    for good in [Location::new(3, 4), Location::new(3, 0), Location::new(9, 1)] {
        let mut raw = Raw::client();
        let key = raw.session.fetch(target(), Parameters::default()).unwrap();
        raw.send(key, &fetch_ok(good)).unwrap();
        assert!(matches!(raw.response(), Response::Fetching(_)));
    }
    for bad in [Location::new(3, 3), Location::new(2, 0)] {
        let mut raw = Raw::client();
        let key = raw.session.fetch(target(), Parameters::default()).unwrap();
        violates(raw.send(key, &fetch_ok(bad)));
    }
}

#[test]
fn c039_track_properties_outside_their_range_close() {
    for pair in [Pair::new(property::DEFAULT_PUBLISHER_GROUP_ORDER, 3), Pair::new(property::DYNAMIC_GROUPS, 2)] {
        let properties = Properties::from_pairs([pair]).unwrap();
        let ok =
            SubscribeOk { request_id: None, track_alias: TrackAlias(1), parameters: Parameters::default(), properties };
        let mut raw = Raw::client();
        let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
        violates(raw.send(key, &Message::SubscribeOk(ok)));
    }
}

#[test]
fn c041_unknown_codes_never_close() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.send(key, &error(RequestErrorCode::Unknown(0x9D), None)).unwrap();
    assert!(matches!(raw.response(), Response::Failed(error) if error.code == RequestErrorCode::Unknown(0x9D)));
    let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
    raw.session.handle_request_reset(key, 0x9D);
    raw.ended(key, Some(0x9D));
}

#[test]
fn answers_of_the_wrong_kind_or_twice_close() {
    let done = Message::PublishDone(PublishDone {
        request_id: None,
        status: PublishDoneCode::TrackEnded,
        stream_count: None,
        reason: ReasonPhrase::default(),
    });
    for wrong in [ok(Properties::default()), done.clone(), Message::Namespace(NamespaceAdded::default())] {
        let mut raw = Raw::client();
        let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
        violates(raw.send(key, &wrong));
    }
    for second in
        [subscribe_ok(2, Parameters::default()), error(RequestErrorCode::Timeout, None), ok(Properties::default())]
    {
        let mut raw = Raw::client();
        let key = raw.session.subscribe(track("a"), Parameters::default()).unwrap();
        raw.send(key, &subscribe_ok(1, Parameters::default())).unwrap();
        violates(raw.send(key, &second));
    }
    // The peer asks and answers itself.
    let mut raw = Raw::server();
    let key = raw.open(&subscribe(0, "a", Parameters::default()));
    violates(raw.send(key, &subscribe_ok(1, Parameters::default())));
    let mut raw = Raw::server();
    let key = raw.open(&subscribe_namespace(0, namespace(&["a"])));
    violates(raw.send(key, &done));
}

#[test]
fn a_failed_session_does_nothing_more() {
    let mut raw = Raw::server();
    violates(raw.open_bytes(&[0x3F, 0, 0]).1);
    violates(raw.session.handle_timeout(Duration::from_secs(1)));
    let key = raw.session.accept_request();
    violates(raw.send(key, &subscribe(0, "a", Parameters::default())));
    let error = raw.session.subscribe(track("a"), Parameters::default()).unwrap_err();
    assert_eq!(error, moqt::session::CommandError::Closed);
    assert_eq!(raw.take_events(), vec![]);
}
