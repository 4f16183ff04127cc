//! C.1: the start of a session.

use std::time::Duration;

use bytes::Bytes;
use moqt::session::{Carrier, Event, PeerRequest, Session, SessionSettings, SettingsError};
use moqt::{
    Message, Pair, Parameters, RequestId, SessionErrorCode, SetupOptions, Side, StreamErrorCode, Token, Version,
};

use crate::raw::{
    REQUEST_LIMIT, Raw, SETUP_TIMEOUT, closes, encode, namespace, publish_namespace, settings, setup, subscribe,
    violates,
};

fn server(carrier: Carrier) -> Raw {
    Raw::new(settings(Side::Server, carrier))
}

fn path(path: &'static str) -> SetupOptions {
    SetupOptions { path: Some(Bytes::from_static(path.as_bytes())), ..SetupOptions::default() }
}

fn authority(authority: &'static str) -> SetupOptions {
    SetupOptions { authority: Some(Bytes::from_static(authority.as_bytes())), ..SetupOptions::default() }
}

#[test]
fn c002_setup_is_sent_without_waiting() {
    let mut session = Session::new(settings(Side::Server, Carrier::Quic), Duration::ZERO).unwrap();
    let Some(moqt::session::Output::Control(bytes)) = session.poll_output() else { panic!("no SETUP") };
    assert_eq!(bytes[..2], [0xAF, 0x00], "the stream type is the message type");
    assert!(!session.is_established());
}

#[test]
fn path_and_authority_are_sent_only_by_clients_on_raw_quic() {
    for (side, carrier, sent) in [
        (Side::Client, Carrier::Quic, true),
        (Side::Client, Carrier::WebTransport, false),
        (Side::Server, Carrier::Quic, false),
    ] {
        let mut settings = settings(side, carrier);
        settings.setup.path = Some("/live".into());
        settings.setup.authority = Some("example.net".into());
        let raw = Raw::new(settings);
        let [Message::Setup(setup)] = &raw.control[..] else { panic!("{:?}", raw.control) };
        assert_eq!((setup.options.path.is_some(), setup.options.authority.is_some()), (sent, sent));
    }
}

#[test]
fn c003_requests_before_setup_are_held_and_then_answered() {
    let mut raw = server(Carrier::Quic);
    let message = encode(&subscribe(0, "a", Parameters::default()));
    let (first, second) = message.split_at(5);
    let (key, result) = raw.open_bytes(first);
    result.unwrap();
    raw.send_bytes(key, second).unwrap();
    let finished = raw.open(&publish_namespace(2, namespace(&["x"])));
    raw.fin(finished).unwrap();
    assert_eq!(raw.take_events(), vec![]);
    raw.session.handle_control(encode(&setup(SetupOptions::default()))).unwrap();
    let events = raw.take_events();
    assert!(matches!(events[0], Event::Established(_)));
    assert!(matches!(&events[1], Event::Request { request: PeerRequest::Subscribe { .. }, .. }));
    assert!(matches!(&events[2], Event::Request { request: PeerRequest::PublishNamespace { .. }, .. }));
    assert_eq!(events[3], Event::Ended { key: finished, code: None });
    assert_eq!(events.len(), 4);
}

#[test]
fn c003_early_bytes_are_bounded() {
    let mut settings = settings(Side::Server, Carrier::Quic);
    settings.request_limit = 100;
    let mut raw = Raw::new(settings);
    // A SUBSCRIBE that announces the longest body and never gets there.
    let mut bytes = vec![0x03, 0xFF, 0xFF];
    bytes.resize(60_000, 0);
    let keys: Vec<_> = (0..20).map(|_| raw.open_bytes(&bytes).0).collect();
    let code = Some(StreamErrorCode::ExcessiveLoad.to_wire(Version::Draft18));
    let reset = keys.iter().filter(|key| raw.written(**key).reset == code).count();
    assert_eq!(reset, 3, "17 times 60 000 bytes fit a mebibyte");
}

#[test]
fn c004_unknown_options_are_ignored_even_repeated() {
    let mut raw = server(Carrier::Quic);
    let unknown = vec![Pair::new(0x9D, Bytes::from_static(b"x")), Pair::new(0x9D, Bytes::new()), Pair::new(0x11C, 5)];
    let options = SetupOptions { unknown, implementation: Some("other/1".into()), ..SetupOptions::default() };
    raw.session.handle_control(encode(&setup(options))).unwrap();
    let Event::Established(peer) = raw.event() else { panic!("not established") };
    assert_eq!(peer.implementation.as_deref(), Some("other/1"));
}

#[test]
fn c005_path_and_authority_over_webtransport_close() {
    for (options, code) in
        [(path("/live"), SessionErrorCode::InvalidPath), (authority("a.example"), SessionErrorCode::InvalidAuthority)]
    {
        let message = encode(&setup(options));
        closes(server(Carrier::WebTransport).session.handle_control(&message), code);
        let mut client = Raw::new(settings(Side::Client, Carrier::Quic));
        closes(client.session.handle_control(&message), code);
    }
}

#[test]
fn c006_path_and_authority_must_be_parts_of_a_uri() {
    for (options, code) in [
        (path("no-slash"), SessionErrorCode::MalformedPath),
        (path("/a b"), SessionErrorCode::MalformedPath),
        (authority(""), SessionErrorCode::MalformedAuthority),
        (authority("a b"), SessionErrorCode::MalformedAuthority),
    ] {
        closes(server(Carrier::Quic).session.handle_control(encode(&setup(options))), code);
    }
    let options = SetupOptions { path: path("/live?x=1").path, ..authority("example.net:4443") };
    let mut raw = server(Carrier::Quic);
    raw.session.handle_control(encode(&setup(options))).unwrap();
    let Event::Established(peer) = raw.event() else { panic!("not established") };
    assert_eq!(peer.path.as_deref(), Some("/live?x=1"));
    assert_eq!(peer.authority.as_deref(), Some("example.net:4443"));
}

#[test]
fn c007_the_end_of_the_control_stream_closes() {
    let mut raw = Raw::server();
    let error = raw.session.handle_control_closed();
    assert_eq!(error.code, SessionErrorCode::ProtocolViolation);
    violates(raw.session.handle_control([]));
    assert_eq!(raw.session.poll_timeout(), None);
}

#[test]
fn c008_a_second_control_stream_closes() {
    let mut raw = server(Carrier::Quic);
    raw.session.accept_control().unwrap();
    violates(raw.session.accept_control());
}

#[test]
fn c008_only_goaway_follows_setup_on_the_control_stream() {
    let second = encode(&setup(SetupOptions::default()));
    violates(Raw::server().session.handle_control(&second));
    let request = encode(&subscribe(0, "a", Parameters::default()));
    violates(Raw::server().session.handle_control(&request));
    violates(server(Carrier::Quic).session.handle_control(&request));
}

#[test]
fn c009_a_server_takes_no_aliases_in_setup() {
    for token in [Token::UseAlias { alias: 0 }, Token::Delete { alias: 0 }] {
        let options = SetupOptions { tokens: vec![token], ..SetupOptions::default() };
        violates(server(Carrier::Quic).session.handle_control(encode(&setup(options))));
    }
}

#[test]
fn c010_a_token_too_large_to_register_in_setup_is_used_once() {
    let large = Token::Register { alias: 1, kind: 0, value: vec![9; 200].into() };
    let small = Token::Register { alias: 2, kind: 0, value: vec![8; 20].into() };
    let options = SetupOptions { tokens: vec![large, small], ..SetupOptions::default() };
    let mut raw = server(Carrier::Quic);
    raw.session.handle_control(encode(&setup(options))).unwrap();
    let Event::Established(peer) = raw.event() else { panic!("not established") };
    assert_eq!(peer.tokens.iter().map(|token| token.value.len()).collect::<Vec<_>>(), vec![200, 20]);
    let with = |alias| crate::raw::with_tokens(vec![Token::UseAlias { alias }]);
    raw.open(&subscribe(0, "a", with(2)));
    closes(raw.open_result(&subscribe(2, "b", with(1))), SessionErrorCode::UnknownAuthTokenAlias);
}

#[test]
fn c011_silence_times_out() {
    let mut raw = server(Carrier::Quic);
    assert_eq!(raw.session.poll_timeout(), Some(SETUP_TIMEOUT));
    raw.session.handle_timeout(SETUP_TIMEOUT - Duration::from_millis(1)).unwrap();
    closes(raw.session.handle_timeout(SETUP_TIMEOUT), SessionErrorCode::ControlMessageTimeout);
    let mut raw = Raw::server();
    assert_eq!(raw.session.poll_timeout(), None);
    raw.session.handle_timeout(SETUP_TIMEOUT * 2).unwrap();
}

#[test]
fn setup_may_come_byte_by_byte() {
    let mut raw = server(Carrier::Quic);
    for byte in encode(&setup(path("/live"))) {
        raw.session.handle_control([byte]).unwrap();
    }
    assert!(matches!(raw.event(), Event::Established(_)));
}

#[test]
fn requests_may_be_sent_before_the_peers_setup() {
    let mut raw = Raw::new(settings(Side::Client, Carrier::Quic));
    let key = raw.session.subscribe(crate::raw::track("a"), Parameters::default()).unwrap();
    assert!(matches!(raw.written(key).messages[..], [Message::Subscribe(_)]));
    assert_eq!(raw.session.request_id(key), Some(RequestId(0)));
}

#[test]
fn c076_streams_far_beyond_the_limit_are_reset_unread() {
    let mut raw = Raw::server();
    let keys: Vec<_> = (0..REQUEST_LIMIT + 100).map(|_| raw.session.accept_request()).collect();
    raw.drain();
    assert!(raw.session.live_requests() < keys.len());
    let last = *keys.last().unwrap();
    assert_eq!(raw.written(last).reset, Some(StreamErrorCode::ExcessiveLoad.to_wire(Version::Draft18)));
    raw.send(last, &subscribe(0, "a", Parameters::default())).unwrap();
    assert_eq!(raw.take_events(), vec![]);
}

#[test]
fn drafts_that_only_the_codec_knows_have_no_sessions() {
    for version in [Version::Draft20, Version::Draft22] {
        let settings = SessionSettings { version, ..settings(Side::Client, Carrier::Quic) };
        assert_eq!(Session::new(settings, Duration::ZERO).err(), Some(SettingsError::Version(version)));
    }
}
