//! C.3: authorization tokens and their aliases. The limit of these sessions is 100 bytes.

use moqt::session::{Carrier, CommandError, Event, PeerRequest, ResolvedToken};
use moqt::{Message, Parameters, RequestErrorCode, SessionErrorCode, SetupOptions, Side, Token};

use crate::raw::{Raw, closes, settings, subscribe, track, update, with_tokens};

fn register(alias: u64, length: usize) -> Token {
    Token::Register { alias, kind: 1, value: vec![5; length].into() }
}

fn value(length: usize) -> ResolvedToken {
    ResolvedToken { kind: 1, value: vec![5; length].into() }
}

fn tokens_of(request: PeerRequest) -> Vec<ResolvedToken> {
    match request {
        PeerRequest::Subscribe { parameters, tokens, .. } => {
            assert!(parameters.authorization_tokens.is_empty(), "tokens come resolved, beside the parameters");
            tokens
        }
        other => panic!("{other:?}"),
    }
}

/// SUBSCRIBE of track `name` with one token.
fn with(id: u64, name: &'static str, token: Token) -> Message {
    subscribe(id, name, with_tokens(vec![token]))
}

#[test]
fn c044_an_alias_works_as_if_the_value_were_there() {
    let mut raw = Raw::server();
    raw.open(&with(0, "a", register(1, 10)));
    assert_eq!(tokens_of(raw.request()), vec![value(10)]);
    let key = raw.open(&with(2, "b", Token::UseAlias { alias: 1 }));
    assert_eq!(tokens_of(raw.request()), vec![value(10)]);
    raw.send(key, &update(4, with_tokens(vec![Token::UseAlias { alias: 1 }]))).unwrap();
    let Event::Update { tokens, parameters, .. } = raw.event() else { panic!("no update") };
    assert_eq!((tokens, parameters), (vec![value(10)], Parameters::default()));
}

#[test]
fn c045_a_register_on_a_failed_request_still_registers() {
    let mut raw = Raw::server();
    let key = raw.open(&with(0, "a", register(1, 10)));
    raw.session.reject(key, RequestErrorCode::DoesNotExist, None, "no such track", None).unwrap();
    // This one the machine refuses by itself: the track is pending already.
    raw.open(&subscribe(2, "b", Parameters::default()));
    raw.take_events();
    let duplicate = raw.open(&with(4, "b", register(2, 10)));
    raw.refused(duplicate, RequestErrorCode::DuplicateSubscription);
    for (id, name, alias) in [(6, "c", 1), (8, "d", 2)] {
        raw.open(&with(id, name, Token::UseAlias { alias }));
        assert_eq!(tokens_of(raw.request()), vec![value(10)]);
    }
}

#[test]
fn c046_registering_a_live_alias_again_closes() {
    let mut raw = Raw::server();
    raw.open(&with(0, "a", register(1, 10)));
    closes(raw.open_result(&with(2, "b", register(1, 10))), SessionErrorCode::DuplicateAuthTokenAlias);
}

#[test]
fn c047_the_cache_limit_counts_sixteen_bytes_per_token() {
    let mut raw = Raw::server();
    raw.open(&with(0, "a", register(1, 34)));
    raw.open(&with(2, "b", register(2, 34)));
    closes(raw.open_result(&with(4, "c", register(3, 0))), SessionErrorCode::AuthTokenCacheOverflow);
    let mut settings = settings(Side::Server, Carrier::Quic);
    settings.setup.max_auth_token_cache_size = None;
    let mut raw = Raw::established(settings, SetupOptions::default());
    closes(raw.open_result(&with(0, "a", register(1, 0))), SessionErrorCode::AuthTokenCacheOverflow);
}

#[test]
fn c048_delete_frees_the_alias_and_its_size() {
    let mut raw = Raw::server();
    for (id, name) in [(0, "a"), (4, "b"), (8, "c")] {
        raw.open(&with(id, name, register(1, 84)));
        let name = ["d", "e", "f"][id as usize / 4];
        raw.open(&with(id + 2, name, Token::Delete { alias: 1 }));
    }
    closes(raw.open_result(&with(12, "g", Token::Delete { alias: 1 })), SessionErrorCode::UnknownAuthTokenAlias);
}

#[test]
fn c049_an_undecodable_token_closes() {
    for content in [&[][..], &[4], &[1, 1]] {
        let mut body = vec![0x00, 0x01, 0x01, b'a', 0x01, b'x', 0x01, 0x03, content.len() as u8];
        body.extend_from_slice(content);
        let mut message = vec![0x03, 0, body.len() as u8];
        message.extend(body);
        closes(Raw::server().open_bytes(&message).1, SessionErrorCode::KeyValueFormattingError);
    }
}

#[test]
fn c050_an_unknown_alias_closes() {
    let unknown = with(0, "a", Token::UseAlias { alias: 99 });
    closes(Raw::server().open_result(&unknown), SessionErrorCode::UnknownAuthTokenAlias);
}

#[test]
fn c051_an_expired_alias_stays_registered_and_keeps_its_size() {
    let mut raw = Raw::server();
    raw.open(&with(0, "a", register(1, 84)));
    let key = raw.open(&with(2, "b", Token::UseAlias { alias: 1 }));
    // Expiry is the application's to see; refusing the request changes nothing in the cache.
    raw.session.reject(key, RequestErrorCode::ExpiredAuthToken, None, "expired", None).unwrap();
    raw.open(&with(4, "c", Token::UseAlias { alias: 1 }));
    closes(raw.open_result(&with(6, "d", register(2, 0))), SessionErrorCode::AuthTokenCacheOverflow);
}

#[test]
fn the_same_token_twice_after_resolving_fails_the_request() {
    let mut raw = Raw::server();
    raw.open(&with(0, "a", register(1, 10)));
    raw.take_events();
    let twice = vec![Token::UseAlias { alias: 1 }, Token::UseValue { kind: 1, value: vec![5; 10].into() }];
    let key = raw.open(&subscribe(2, "b", with_tokens(twice.clone())));
    raw.refused(key, RequestErrorCode::MalformedAuthToken);
    let key = raw.open(&subscribe(4, "c", Parameters::default()));
    raw.session.accept_subscribe(key, None, Parameters::default(), moqt::Properties::default()).unwrap();
    raw.take_events();
    raw.send(key, &update(6, with_tokens(twice))).unwrap();
    raw.ended(key, None);
    let written = raw.written(key);
    assert!(matches!(&written.messages[1..], [Message::RequestError(_), Message::PublishDone(_)]) && written.fin);
}

#[test]
fn this_side_registers_only_what_the_peer_can_keep() {
    let options = SetupOptions { max_auth_token_cache_size: Some(50), ..SetupOptions::default() };
    let mut raw = Raw::established(settings(Side::Client, Carrier::Quic), options);
    let mut subscribe = |name, token| raw.session.subscribe(track(name), with_tokens(vec![token]));
    assert_eq!(subscribe("a", register(1, 35)), Err(CommandError::TokenAlias));
    subscribe("a", register(1, 34)).unwrap();
    assert_eq!(subscribe("b", register(1, 0)), Err(CommandError::TokenAlias));
    assert_eq!(subscribe("b", Token::UseAlias { alias: 2 }), Err(CommandError::TokenAlias));
    subscribe("b", Token::UseAlias { alias: 1 }).unwrap();
    subscribe("c", Token::Delete { alias: 1 }).unwrap();
    assert_eq!(subscribe("d", Token::UseAlias { alias: 1 }), Err(CommandError::TokenAlias));
    subscribe("d", Token::UseValue { kind: 0, value: vec![1; 500].into() }).unwrap();
}

#[test]
fn tokens_registered_in_setup_are_known_if_the_peer_kept_them() {
    let mut own = settings(Side::Client, Carrier::Quic);
    own.setup.tokens = vec![register(1, 10), register(2, 60)];
    let options = SetupOptions { max_auth_token_cache_size: Some(30), ..SetupOptions::default() };
    let mut raw = Raw::established(own, options);
    let mut subscribe = |name, alias| raw.session.subscribe(track(name), with_tokens(vec![Token::UseAlias { alias }]));
    subscribe("a", 1).unwrap();
    assert_eq!(subscribe("b", 2), Err(CommandError::TokenAlias));
}
