//! What a draft-16 session holds its peer to on the single control stream (draft-16 chapter 9).

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

use std::time::Duration;

use bytes::BytesMut;
use moqt::session::{Carrier, CommandError, Event, Output, PeerRequest, Response, Session, SessionSettings};
use moqt::{
    FullTrackName, MaxRequestId, Message, Parameters, Properties, RequestError, RequestErrorCode, RequestId,
    SessionErrorCode, Setup, SetupOptions, Side, Subscribe, SubscribeNamespace, SubscribeOptions, TrackAlias,
    Unsubscribe, Version,
};

const DRAFT: Version = Version::Draft16;

fn session(side: Side) -> Session {
    let settings = SessionSettings {
        side,
        version: DRAFT,
        carrier: Carrier::Quic,
        setup: SetupOptions { hops: true, ..SetupOptions::default() },
        setup_timeout: Duration::from_secs(10),
        request_limit: 8,
    };
    Session::new(settings, Duration::ZERO).unwrap()
}

fn encode(message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    message.encode(&mut out, DRAFT).unwrap();
    out
}

/// Everything the machine put out: messages on the control stream, and events.
fn drain(session: &mut Session) -> (Vec<Message>, Vec<Event>) {
    let (mut messages, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = session.poll_output() {
        match output {
            Output::Control(bytes) => {
                let mut bytes = BytesMut::from(&bytes[..]);
                messages.push(Message::decode(&mut bytes, DRAFT).unwrap().unwrap());
            }
            Output::Event(event) => events.push(event),
            other => panic!("no stream is needed here: {other:?}"),
        }
    }
    (messages, events)
}

fn peer_setup(from: Side, max: Option<u64>) -> Message {
    let options = SetupOptions { max_request_id: max, ..SetupOptions::default() };
    Message::Setup(Setup { sender: Some(from), options })
}

/// A session whose peer allows ids below `max`, its first outputs taken.
fn established(side: Side, max: Option<u64>) -> Session {
    let mut session = session(side);
    session.handle_control(encode(&peer_setup(!side, max))).unwrap();
    drain(&mut session);
    session
}

fn track(name: &str) -> FullTrackName {
    format!("live--{name}").parse().unwrap()
}

fn subscribe(id: u64, name: &str) -> Message {
    Message::Subscribe(Subscribe { request_id: RequestId(id), track: track(name), parameters: Parameters::default() })
}

fn refused(session: &mut Session, message: &Message) -> SessionErrorCode {
    session.handle_control(encode(message)).unwrap_err().code
}

#[test]
fn setup_is_of_its_side_and_grants_ids() {
    for side in [Side::Client, Side::Server] {
        let (messages, _) = drain(&mut session(side));
        let [Message::Setup(setup)] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(setup.sender, Some(side));
        assert!(setup.options.max_request_id.unwrap() > 8);
        assert!(!setup.options.hops, "private options are for draft-18");
    }
    assert_eq!(refused(&mut session(Side::Server), &subscribe(0, "a")), SessionErrorCode::ProtocolViolation);
    let own = peer_setup(Side::Server, None);
    assert_eq!(refused(&mut session(Side::Server), &own), SessionErrorCode::ProtocolViolation);
}

#[test]
fn requests_wait_for_setup_and_for_their_id() {
    let mut session = session(Side::Client);
    session.subscribe(track("a"), Parameters::default()).unwrap();
    session.subscribe(track("b"), Parameters::default()).unwrap();
    let (before, _) = drain(&mut session);
    assert!(matches!(before[..], [Message::Setup(_)]), "{before:?}");

    session.handle_control(encode(&peer_setup(Side::Server, Some(1)))).unwrap();
    let (first, _) = drain(&mut session);
    assert!(matches!(&first[..], [Message::Subscribe(subscribe)] if subscribe.track == track("a")), "{first:?}");
    session.subscribe(track("c"), Parameters::default()).unwrap();
    let (blocked, _) = drain(&mut session);
    assert!(matches!(blocked[..], [Message::RequestsBlocked(_)]), "{blocked:?}");

    let raise = |max| Message::MaxRequestId(MaxRequestId { max_request_id: RequestId(max) });
    session.handle_control(encode(&raise(100))).unwrap();
    let (rest, _) = drain(&mut session);
    let names: Vec<_> = rest
        .iter()
        .map(|message| match message {
            Message::Subscribe(subscribe) => subscribe.track.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [track("b"), track("c")]);
    assert_eq!(refused(&mut session, &raise(100)), SessionErrorCode::ProtocolViolation);
}

#[test]
fn ids_at_the_limit_close() {
    let mut session = established(Side::Server, Some(100));
    assert_eq!(refused(&mut session, &subscribe(1 << 40, "a")), SessionErrorCode::TooManyRequests);
    let mut session = established(Side::Server, Some(100));
    session.handle_control(encode(&subscribe(0, "a"))).unwrap();
    assert_eq!(refused(&mut session, &subscribe(0, "b")), SessionErrorCode::InvalidRequestId);
}

#[test]
fn the_limit_grows_with_use() {
    let mut session = established(Side::Server, Some(100));
    let mut granted = 0;
    for n in 0..20_000 {
        session.handle_control(encode(&subscribe(2 * n, "a"))).unwrap();
        session.handle_control(encode(&Message::Unsubscribe(Unsubscribe { request_id: RequestId(2 * n) }))).unwrap();
        let (messages, _) = drain(&mut session);
        granted += messages.iter().filter(|message| matches!(message, Message::MaxRequestId(_))).count();
    }
    assert!(granted > 2);
    assert_eq!(session.live_requests(), 0);
}

#[test]
fn answers_carry_their_id_and_unknown_ones_close() {
    let mut session = established(Side::Client, Some(100));
    let key = session.subscribe(track("a"), Parameters::default()).unwrap();
    drain(&mut session);
    let error = |id| {
        Message::RequestError(RequestError {
            request_id: Some(RequestId(id)),
            code: RequestErrorCode::DoesNotExist,
            retry: None,
            reason: "no".into(),
            redirect: None,
        })
    };
    session.handle_control(encode(&error(0))).unwrap();
    let (_, events) = drain(&mut session);
    assert!(matches!(&events[..], [Event::Response { key: told, response: Response::Failed(_) }] if *told == key));
    session.handle_control(encode(&error(0))).unwrap();
    assert_eq!(refused(&mut session, &error(2)), SessionErrorCode::InvalidRequestId);
}

#[test]
fn an_unsubscribe_ends_the_request_without_an_answer() {
    let mut session = established(Side::Server, Some(100));
    session.handle_control(encode(&subscribe(0, "a"))).unwrap();
    let (_, events) = drain(&mut session);
    let [Event::Request { key, request: PeerRequest::Subscribe { .. } }] = events[..] else { panic!("{events:?}") };
    session.accept_subscribe(key, Some(TrackAlias(1)), Parameters::default(), Properties::EMPTY).unwrap();
    let (answer, _) = drain(&mut session);
    assert!(matches!(&answer[..], [Message::SubscribeOk(ok)] if ok.request_id == Some(RequestId(0))), "{answer:?}");
    session.handle_control(encode(&Message::Unsubscribe(Unsubscribe { request_id: RequestId(0) }))).unwrap();
    let (messages, events) = drain(&mut session);
    assert!(messages.is_empty() && matches!(events[..], [Event::Ended { .. }]), "{messages:?} {events:?}");
    assert_eq!(
        session.publish_done(key, moqt::PublishDoneCode::TrackEnded, None, ""),
        Err(CommandError::UnknownRequest)
    );
}

#[test]
fn namespaces_do_not_belong_on_the_control_stream() {
    let message = Message::SubscribeNamespace(SubscribeNamespace {
        request_id: RequestId(0),
        prefix: moqt::Namespace::default(),
        options: SubscribeOptions::Namespaces,
        parameters: Parameters::default(),
    });
    let mut session = established(Side::Server, Some(100));
    assert_eq!(refused(&mut session, &message), SessionErrorCode::ProtocolViolation);
    // And nothing else has a stream of its own.
    let mut session = established(Side::Server, Some(100));
    let key = session.accept_request();
    let error = session.handle_request(key, encode(&subscribe(0, "a"))).unwrap_err();
    assert_eq!(error.code, SessionErrorCode::ProtocolViolation);
}
