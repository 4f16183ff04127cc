//! Endpoints on real sockets: who gets in, who is kept out, and what the dialer is told.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use common::{Pair, address, identity, pair, read_all, serve, session, trust, within};
use moqt::Version;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};
use transport::{
    AcceptError, Address, ClientEndpoint, ClientSettings, ConnectionError, DialError, EndpointSettings, ServerEndpoint,
    TransportKind, TrustSettings, stream_priority, write_all,
};

fn client() -> ClientEndpoint {
    ClientEndpoint::new(ClientSettings::default()).unwrap()
}

/// Accepts everybody and keeps them until dropped.
async fn accept_all(server: &ServerEndpoint) {
    let mut kept = Vec::new();
    while let Some(incoming) = server.accept().await {
        kept.push(incoming.accept().await);
    }
}

async fn dial_while_served(
    server: &ServerEndpoint,
    client: &ClientEndpoint,
    address: &Address,
    trust: &TrustSettings,
) -> Result<TransportKind, DialError> {
    tokio::select! {
        () = accept_all(server) => panic!("server closed"),
        outcome = within(client.dial(address, trust)) => outcome.map(|connection| connection.info().kind),
    }
}

#[tokio::test]
async fn one_port_serves_both_families_and_both_kinds() {
    let identity = identity();
    let server = serve(EndpointSettings::default(), &identity, None);
    let addresses = server.local_addresses();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[0].port(), addresses[1].port());
    let port = addresses[0].port();
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        for (scheme, kind) in [("moqt", TransportKind::Quic), ("https", TransportKind::WebTransport)] {
            let address = format!("{scheme}://{host}:{port}").parse().unwrap();
            let outcome = dial_while_served(&server, &client(), &address, &trust(&identity)).await;
            assert_eq!(outcome.unwrap(), kind, "{address}");
        }
    }
}

#[tokio::test]
async fn localhost_finds_the_family_that_answers() {
    let identity = identity();
    let addresses = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let server = serve(EndpointSettings { addresses, ..EndpointSettings::default() }, &identity, None);
    let address = format!("moqt://localhost:{}", server.local_addresses()[0].port()).parse().unwrap();
    let start = Instant::now();
    dial_while_served(&server, &client(), &address, &trust(&identity)).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn no_common_version_is_refused_on_both_kinds() {
    let identity = identity();
    let new = EndpointSettings { versions: vec![Version::Draft18], ..EndpointSettings::default() };
    let server = serve(new, &identity, None);
    let old = ClientEndpoint::new(ClientSettings { versions: vec![Version::Draft16], ..ClientSettings::default() });
    let old = old.unwrap();
    let raw = dial_while_served(&server, &old, &address("moqt", &server, ""), &trust(&identity)).await;
    assert!(matches!(&raw, Err(DialError::NoCommonProtocol { offered, .. }) if offered == "moqt-16"), "{raw:?}");
    let web = dial_while_served(&server, &old, &address("https", &server, ""), &trust(&identity)).await;
    assert!(matches!(web, Err(DialError::Rejected { status: 400, .. })), "{web:?}");
}

#[tokio::test]
async fn versions_are_chosen_in_the_servers_order() {
    let identity = identity();
    let versions = vec![Version::Draft16, Version::Draft18];
    let server = serve(EndpointSettings { versions, ..EndpointSettings::default() }, &identity, None);
    let both = ClientSettings { versions: vec![Version::Draft18, Version::Draft16], ..ClientSettings::default() };
    let client = ClientEndpoint::new(both).unwrap();
    for scheme in ["moqt", "https"] {
        let address = address(scheme, &server, "");
        let trust = trust(&identity);
        let accept = async { session(server.accept().await.unwrap()).await };
        let (far, near) = within(async { tokio::join!(accept, client.dial(&address, &trust)) }).await;
        assert_eq!((far.info().version, near.unwrap().info().version), (Version::Draft16, Version::Draft16));
    }
}

#[tokio::test]
async fn only_trusted_certificates_pass() {
    let identity = identity();
    let server = serve(EndpointSettings::default(), &identity, None);
    let target: Address = format!("moqt://localhost:{}", server.local_addresses()[0].port()).parse().unwrap();
    let wrong = TrustSettings::CertificateHashes(vec![[0; 32]]);
    let outcome = dial_while_served(&server, &client(), &target, &wrong).await;
    assert!(matches!(outcome, Err(DialError::Certificate { .. })), "{outcome:?}");
    let outcome = dial_while_served(&server, &client(), &target, &TrustSettings::CertificateHashes(Vec::new())).await;
    assert!(matches!(outcome, Err(DialError::Trust(_))), "{outcome:?}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let missing = dial_while_served(&server, &client(), &target, &TrustSettings::Ca(file.clone())).await;
    assert!(matches!(&missing, Err(DialError::Trust(error)) if error.to_string().contains("ca.pem")), "{missing:?}");
    std::fs::write(&file, &identity.pem).unwrap();
    dial_while_served(&server, &client(), &target, &TrustSettings::Ca(file)).await.unwrap();
    dial_while_served(&server, &client(), &target, &TrustSettings::Insecure).await.unwrap();
}

#[tokio::test]
async fn an_empty_port_is_named_in_the_error() {
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target: Address = format!("https://{}", nobody.local_addr().unwrap()).parse().unwrap();
    let settings = ClientSettings { dial_timeout: Duration::from_millis(300), ..ClientSettings::default() };
    let client = ClientEndpoint::new(settings).unwrap();
    let error = within(client.dial(&target, &TrustSettings::Insecure)).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&nobody.local_addr().unwrap().to_string()) && text.contains("is the relay running"),
        "{text}"
    );
}

/// Passes on what the client sends first and nothing the server answers: a handshake that never ends.
async fn half_handshake(server: SocketAddr) -> (ClientEndpoint, Address, tokio::task::JoinHandle<()>) {
    let proxy = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = format!("moqt://{}", proxy.local_addr().unwrap()).parse().unwrap();
    let forward = tokio::spawn(async move {
        let onward = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut buffer = [0; 2048];
        let (length, _) = proxy.recv_from(&mut buffer).await.unwrap();
        onward.send_to(&buffer[..length], server).await.unwrap();
        std::future::pending::<()>().await;
    });
    (client(), target, forward)
}

#[tokio::test]
async fn a_silent_client_is_given_up_and_frees_its_place() {
    let identity = identity();
    let handshake_timeout = Duration::from_millis(300);
    let server = serve(EndpointSettings { handshake_timeout, ..EndpointSettings::default() }, &identity, None);
    let (dialer, target, forward) = half_handshake(server.local_addresses()[0]).await;
    let dial = async move { dialer.dial(&target, &TrustSettings::Insecure).await.map(drop) };
    let dial = tokio::spawn(timeout(Duration::from_secs(2), dial));
    let incoming = within(server.accept()).await.unwrap();
    assert_eq!(server.open_connections(), 1);
    let start = Instant::now();
    let outcome = within(incoming.accept()).await;
    assert_eq!(outcome.err(), Some(AcceptError::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(server.open_connections(), 0);
    forward.abort();
    dial.abort();
}

#[tokio::test]
async fn clients_beyond_the_limits_are_refused() {
    let identity = identity();
    let no_connections = EndpointSettings { max_connections: 1, ..EndpointSettings::default() };
    let no_handshakes = EndpointSettings { max_pending_handshakes: 1, ..EndpointSettings::default() };
    for settings in [no_connections, no_handshakes] {
        let server = serve(settings, &identity, None);
        let target = address("moqt", &server, "");
        let (first, second) = (client(), client());
        let trust = trust(&identity);
        let mut dial = Box::pin(first.dial(&target, &trust));
        let held = tokio::select! {
            held = within(server.accept()) => held.unwrap(),
            _ = &mut dial => panic!("nobody has accepted yet"),
        };
        tokio::select! {
            _ = server.accept() => panic!("admitted beyond the limit"),
            outcome = within(second.dial(&target, &trust)) => assert!(matches!(outcome, Err(DialError::Refused { .. })), "{outcome:?}"),
        }
        let (far, near) = within(async { tokio::join!(session(held), dial) }).await;
        drop((far, near.unwrap()));
        // The place is free again.
        assert_eq!(server.open_connections(), 0);
        dial_while_served(&server, &second, &target, &trust).await.unwrap();
    }
}

#[tokio::test]
async fn crowded_servers_ask_clients_to_prove_their_address() {
    let identity = identity();
    let server = serve(EndpointSettings { max_pending_handshakes: 4, ..EndpointSettings::default() }, &identity, None);
    let target = address("moqt", &server, "");
    let trust = trust(&identity);
    let clients: Vec<_> = (0..3).map(|_| client()).collect();
    let mut dials: Vec<_> = clients.iter().map(|client| Box::pin(client.dial(&target, &trust))).collect();
    let mut held = Vec::new();
    for dial in &mut dials {
        held.push(tokio::select! {
            incoming = within(server.accept()) => incoming.unwrap(),
            _ = dial => panic!("nobody has accepted yet"),
        });
    }
    // The third was sent away once and came back, which took it a round trip and made its address certain.
    let proven: Vec<_> = held.iter().map(transport::Incoming::is_peer_proven).collect();
    assert_eq!(proven, [false, false, true]);
    let sessions = async {
        let mut sessions = Vec::new();
        for incoming in held {
            sessions.push(session(incoming).await);
        }
        sessions
    };
    let (sessions, dialed) = within(async { tokio::join!(sessions, futures_util::future::join_all(dials)) }).await;
    assert_eq!(sessions.len(), 3);
    assert!(dialed.iter().all(Result::is_ok));
}

#[tokio::test]
async fn closing_the_endpoint_tells_every_peer() {
    let Pair { server, client: _client, near, far: _far } = pair("moqt", EndpointSettings::default()).await;
    server.close(0x10, "going away");
    let closed = ConnectionError::Closed { code: 0x10, reason: "going away".into() };
    assert_eq!(within(near.closed()).await, closed);
    assert!(within(server.accept()).await.is_none());
    within(server.wait_idle()).await;
}

#[tokio::test]
async fn closing_a_session_and_dropping_it_still_tells_the_peer() {
    let Pair { server, client: _client, near, far } = pair("https", EndpointSettings::default()).await;
    far.close(77, "bye");
    drop(far);
    assert_eq!(within(near.closed()).await, ConnectionError::Closed { code: 77, reason: "bye".into() });
    within(server.wait_idle()).await;
    assert_eq!(server.open_connections(), 0);
}

async fn urgent_overtakes(scheme: &str) {
    const SLOW: usize = 600_000;
    const URGENT: usize = 60_000;
    let Pair { server: _server, client: _client, near, far } = pair(scheme, EndpointSettings::default()).await;
    let mut slow = within(far.open_uni()).await.unwrap();
    let mut urgent = within(far.open_uni()).await.unwrap();
    slow.set_priority(stream_priority(200, 0, 0));
    urgent.set_priority(stream_priority(100, 0, 0));
    // Both fit the send window, so neither write yields: all of the slow stream is queued before the urgent one.
    write_all(&mut *slow, vec![1; SLOW].into()).await.unwrap();
    write_all(&mut *urgent, vec![2; URGENT].into()).await.unwrap();
    slow.finish().unwrap();
    urgent.finish().unwrap();
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let mut recv = within(near.accept_uni()).await.unwrap();
        reads.spawn(async move { read_all(&mut *recv).await });
    }
    let first = within(reads.join_next()).await.unwrap().unwrap();
    let second = within(reads.join_next()).await.unwrap().unwrap();
    assert_eq!((first.len(), first[0]), (URGENT, 2));
    assert_eq!((second.len(), second[0]), (SLOW, 1));
}

#[tokio::test]
async fn the_urgent_stream_overtakes_on_quic() {
    urgent_overtakes("moqt").await;
}

#[tokio::test]
async fn the_urgent_stream_overtakes_on_webtransport() {
    urgent_overtakes("https").await;
}

#[tokio::test]
async fn unusable_settings_are_named() {
    let identity = identity();
    let bind = |settings| ServerEndpoint::bind(settings, Arc::clone(&identity.resolver), None).map(drop).unwrap_err();
    let none = bind(EndpointSettings { addresses: Vec::new(), ..EndpointSettings::default() });
    assert!(none.to_string().contains("0 listen addresses"), "{none}");
    let silent = bind(EndpointSettings { versions: Vec::new(), ..EndpointSettings::default() });
    assert!(silent.to_string().contains("version"), "{silent}");
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let holder = UdpSocket::bind(taken).await.unwrap();
    let busy = bind(EndpointSettings { addresses: vec![taken], ..EndpointSettings::default() });
    assert!(busy.to_string().contains(&holder.local_addr().unwrap().to_string()), "{busy}");
}
