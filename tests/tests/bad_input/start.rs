//! Clients that do not get as far as a session, and one that does not leave.

use std::time::{Duration, Instant};

use tests::raw::Raw;
use tests::system::{Arena, RunningRelay, settings};
use transport::{ClientEndpoint, ClientSettings, TrustSettings};

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
