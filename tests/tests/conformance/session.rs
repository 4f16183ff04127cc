//! C.1: how sessions begin, and how they do not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use moqt::{SetupOptions, Token, Version};
use tests::raw::{Raw, hex, setup, subscribe};
use tests::system::{Arena, PROTOCOL_VIOLATION, within};
use transport::{CANCELLED, ClientEndpoint, ClientSettings, TrustSettings, read_chunk};

fn with(options: SetupOptions) -> Bytes {
    setup(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn c001_only_known_versions_get_in() {
    let mut arena = Arena::new().await;
    for (offered, spoken) in [
        (vec![Version::Draft16], Version::Draft16),
        (vec![Version::Draft18], Version::Draft18),
        (vec![Version::Draft16, Version::Draft18], Version::Draft18),
    ] {
        let client = ClientEndpoint::new(ClientSettings { versions: offered, ..ClientSettings::default() }).unwrap();
        for scheme in ["moqt", "https"] {
            let address = format!("{scheme}://{}/live", arena.address()).parse().unwrap();
            let connection = within(client.dial(&address, &TrustSettings::Insecure)).await.unwrap();
            assert_eq!(connection.info().version, spoken);
        }
    }
    let client = ClientEndpoint::new(ClientSettings { versions: Vec::new(), ..ClientSettings::default() }).unwrap();
    for scheme in ["moqt", "https"] {
        let address = format!("{scheme}://{}/live", arena.address()).parse().unwrap();
        let refused = within(client.dial(&address, &TrustSettings::Insecure)).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let raw = arena.raw().await;
    assert!(raw.connection.max_datagram_size().is_some_and(|size| size > 0));
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c002_c011_setup_comes_unasked_and_must_come_in_time() {
    let mut arena = Arena::new().await;
    let start = Instant::now();
    let raw = Raw::silent(arena.address(), "moqt").await;
    let mut control = within(raw.connection.accept_uni()).await.unwrap();
    let first = within(read_chunk(&mut *control, 100)).await.unwrap().unwrap();
    assert_eq!(first[..2], [0xAF, 0x00]);
    raw.closes(0x11, "no SETUP").await;
    assert!((8..14).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c003_requests_before_setup_wait_for_it() {
    let arena = Arena::new().await;
    let mut raw = Raw::silent(arena.address(), "moqt").await;
    let mut early = raw.request(subscribe(0, &[0])).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    raw.control = Some(raw.uni(with(SetupOptions::default())).await);
    assert!(matches!(early.read().await, Ok(Some(moqt::Message::RequestError(_)))));
    raw.lives("after an early request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c004_unknown_setup_options_are_ignored() {
    let arena = Arena::new().await;
    let mut raw = Raw::with_control(arena.address(), hex("af00001204008099066772656173650005616761696e")).await;
    raw.lives("grease in SETUP").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c005_webtransport_has_path_and_authority_already() {
    let arena = Arena::new().await;
    let path = SetupOptions { path: Some("/live".into()), ..SetupOptions::default() };
    let authority = SetupOptions { authority: Some("localhost".into()), ..SetupOptions::default() };
    for (options, code) in [(path, 0x8), (authority, 0x19)] {
        let raw = Raw::silent(arena.address(), "https").await;
        let _control = raw.uni(with(options)).await;
        raw.closes(code, "option over WebTransport").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c006_bad_syntax_of_path_and_authority_closes() {
    let arena = Arena::new().await;
    let path = SetupOptions { path: Some("no-slash".into()), ..SetupOptions::default() };
    let authority = SetupOptions { authority: Some("not an authority".into()), ..SetupOptions::default() };
    for (options, code) in [(path, 0x9), (authority, 0x1A)] {
        Raw::with_control(arena.address(), with(options)).await.closes(code, "bad syntax").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c007_the_control_stream_must_stay_open() {
    let mut arena = Arena::new().await;
    let mut raw = arena.raw().await;
    raw.control.as_mut().unwrap().finish().unwrap();
    raw.closes(PROTOCOL_VIOLATION, "FIN").await;
    let mut raw = arena.raw().await;
    raw.lives("before the reset").await;
    raw.control.as_mut().unwrap().reset(CANCELLED);
    raw.closes(PROTOCOL_VIOLATION, "reset").await;
    let mut raw = arena.raw().await;
    raw.lives("before STOP_SENDING").await;
    within(raw.connection.accept_uni()).await.unwrap().stop(CANCELLED);
    raw.closes(PROTOCOL_VIOLATION, "STOP_SENDING").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c008_one_control_stream_and_no_requests_on_it() {
    let mut arena = Arena::new().await;
    let raw = arena.raw().await;
    let _second = raw.uni(with(SetupOptions::default())).await;
    raw.closes(PROTOCOL_VIOLATION, "a second control stream").await;
    for (what, bytes) in [
        ("SUBSCRIBE on the control stream", subscribe(0, &[0])),
        ("a second SETUP", with(SetupOptions::default())),
        ("garbage on the control stream", Bytes::from_static(&[0x3F, 0xFF, 0xFF, 0xFF])),
    ] {
        let mut raw = arena.raw().await;
        raw.write_control(bytes).await;
        raw.closes(PROTOCOL_VIOLATION, what).await;
    }
    let raw = Raw::with_control(arena.address(), hex("af0000ff")).await;
    raw.stays("a SETUP that is not complete").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c009_c010_tokens_in_setup() {
    let arena = Arena::new().await;
    // USE_ALIAS 1 in option 3.
    Raw::with_control(arena.address(), hex("af00000403020201")).await.closes(PROTOCOL_VIOLATION, "USE_ALIAS").await;
    let token = Token::Register { alias: 1, kind: 0, value: vec![7; 60_000].into() };
    let options = SetupOptions { tokens: vec![token], ..SetupOptions::default() };
    let mut raw = Raw::with_control(arena.address(), with(options)).await;
    raw.lives("a token over the cache limit").await;
    let _request = raw.request(subscribe(2, &[1, 0x03, 0x02, 0x02, 0x01])).await;
    raw.closes(0x17, "an alias that was not kept").await;
}
