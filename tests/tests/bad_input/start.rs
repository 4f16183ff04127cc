//! C.1: how sessions begin, and how they do not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use moqt::{SetupOptions, Token, Version};
use tests::raw::{Raw, hex, setup, subscribe};
use tests::system::{RunningRelay, settings, within};
use transport::{CANCELLED, ClientEndpoint, ClientSettings, TrustSettings, read_chunk};

use super::arena::{Arena, PROTOCOL_VIOLATION};

fn with(options: SetupOptions) -> Bytes {
    setup(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_only_known_versions_get_in() {
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
async fn c2_and_c11_setup_comes_unasked_and_must_come_in_time() {
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
async fn c3_requests_before_setup_wait_for_it() {
    let arena = Arena::new().await;
    let mut raw = Raw::silent(arena.address(), "moqt").await;
    let mut early = raw.request(subscribe(0, &[0])).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    raw.control = Some(raw.uni(with(SetupOptions::default())).await);
    assert!(matches!(early.read().await, Ok(Some(moqt::Message::RequestError(_)))));
    raw.lives("after an early request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_unknown_setup_options_are_ignored() {
    let arena = Arena::new().await;
    let mut raw = Raw::with_control(arena.address(), hex("af00001204008099066772656173650005616761696e")).await;
    raw.lives("grease in SETUP").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_webtransport_has_path_and_authority_already() {
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
async fn c6_bad_syntax_of_path_and_authority_closes() {
    let arena = Arena::new().await;
    let path = SetupOptions { path: Some("no-slash".into()), ..SetupOptions::default() };
    let authority = SetupOptions { authority: Some("not an authority".into()), ..SetupOptions::default() };
    for (options, code) in [(path, 0x9), (authority, 0x1A)] {
        Raw::with_control(arena.address(), with(options)).await.closes(code, "bad syntax").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_the_control_stream_must_stay_open() {
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
async fn c8_one_control_stream_and_no_requests_on_it() {
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
async fn c9_and_c10_tokens_in_setup() {
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

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_finish_a_handshake_do_no_harm() {
    let mut arena = Arena::new().await;
    // Passes on what clients send first, and nothing of what the relay answers.
    let hole = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = format!("moqt://{}", hole.local_addr().unwrap()).parse().unwrap();
    let relay = arena.address();
    let forward = async {
        let onward = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = [0; 2048];
        loop {
            let length = hole.recv(&mut buffer).await.unwrap();
            onward.send_to(&buffer[..length], relay).await.unwrap();
        }
    };
    let settings = ClientSettings { dial_timeout: Duration::from_millis(500), ..ClientSettings::default() };
    let client = ClientEndpoint::new(settings).unwrap();
    let dial = async {
        let dials = (0..20).map(|_| client.dial(&target, &TrustSettings::Insecure));
        let mut pending: Vec<_> = dials.map(Box::pin).collect();
        for dial in &mut pending {
            assert!(dial.await.is_err());
        }
    };
    tokio::select! {
        () = forward => {}
        () = dial => {}
    }
    arena.raw().await.lives("after unfinished handshakes").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_garbage_is_ignored() {
    let mut arena = Arena::new().await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    println!("seed {state:#x}");
    for n in 0..2000_usize {
        let mut packet: Vec<u8> = (0..n % 1400)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        if n % 2 == 0 && packet.len() > 5 {
            // Looks like a first packet of QUIC version 1.
            packet[..5].copy_from_slice(&[0xC3, 0, 0, 0, 1]);
        }
        socket.send_to(&packet, arena.address()).await.unwrap();
    }
    arena.raw().await.lives("after garbage").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_leaves_ends_sessions_that_do_not() {
    let relay = RunningRelay::start(settings()).await;
    let mut raw = Raw::connect(relay.address).await;
    raw.lives("before").await;
    let start = Instant::now();
    relay.shutdown.begin();
    raw.closes(0x0, "the drain time is over").await;
    relay.stopped().await;
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
