//! Real sockets on loopback, raw bytes as a stranger would send them.

use std::time::Duration;

use axum::{http::StatusCode, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn router() -> Router {
    Router::new()
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route("/slow", get(|| async { sleep(Duration::from_millis(300)).await }))
        .route("/never", get(future::pending::<StatusCode>))
}

struct Server {
    addresses: Vec<SocketAddr>,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(max_connections: usize, grace: Duration) -> Self {
        let listeners = bind_localhost(0).unwrap();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let shutdown = Shutdown::new(grace);
        let token = shutdown.clone();
        let task = tokio::spawn(async move {
            serve_http(listeners, router(), &HttpSettings { max_connections }, &token).await;
        });
        Self { addresses, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addresses[0]).await.unwrap()
    }

    /// Waits for the end and returns how long it took from now.
    async fn ended(self) -> Duration {
        let start = Instant::now();
        timeout(SOON, self.task).await.unwrap().unwrap();
        start.elapsed()
    }
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn get_path(stream: &mut TcpStream, path: &str) {
    send(stream, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
}

/// Everything up to the end of the connection.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let length = timeout(SOON, stream.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn both_local_addresses_share_a_port_and_see_their_peers() {
    let server = Server::start(10, SOON).await;
    let ports: Vec<u16> = server.addresses.iter().map(SocketAddr::port).collect();
    assert!(ports.iter().all(|&port| port == ports[0] && port != 0), "{ports:?}");
    for address in &server.addresses {
        let mut stream = TcpStream::connect(address).await.unwrap();
        get_path(&mut stream, "/peer").await;
        let response = read_some(&mut stream).await;
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with(&address.ip().to_string()), "{response}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let listeners = bind_localhost(0).unwrap();
    let port = listeners[0].local_addr().unwrap().port();
    assert_eq!(bind_localhost(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn http2_is_served_on_the_same_port() {
    let server = Server::start(10, SOON).await;
    let mut stream = server.connect().await;
    // The client preface and an empty SETTINGS frame.
    send(&mut stream, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut header = [0; 9];
    timeout(SOON, stream.read_exact(&mut header)).await.unwrap().unwrap();
    assert_eq!(header[3], 4, "the server answers with SETTINGS");
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused() {
    let server = Server::start(10, SOON).await;
    let mut stream = server.connect().await;
    let long = "x".repeat(MAX_HEADER_BYTES as usize);
    send(&mut stream, &format!("GET /peer HTTP/1.1\r\nhost: localhost\r\nlong: {long}")).await;
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Server::start(1, SOON).await;
    let mut first = server.connect().await;
    get_path(&mut first, "/peer").await;
    read_some(&mut first).await;
    let mut second = server.connect().await;
    get_path(&mut second, "/peer").await;
    assert!(timeout(Duration::from_millis(200), second.read_u8()).await.is_err(), "the only slot is taken");
    drop(first);
    assert!(read_some(&mut second).await.contains(" 200 "));
}

#[tokio::test]
async fn silent_and_slow_clients_lose_their_slot() {
    let server = Server::start(10, SOON).await;
    // The last one stops while it is still open whether HTTP/2 is spoken.
    for opening in ["", "GET / HT", "PRI * HT"] {
        let mut stream = server.connect().await;
        send(&mut stream, opening).await;
        tokio::time::pause();
        let start = Instant::now();
        let mut bytes = Vec::new();
        let closed = timeout(2 * HEADER_TIMEOUT, stream.read_to_end(&mut bytes)).await;
        assert!(closed.is_ok(), "{opening:?} keeps its slot");
        assert!(start.elapsed() <= HEADER_TIMEOUT + Duration::from_secs(1), "{opening:?} after {:?}", start.elapsed());
        assert!(!bytes.starts_with(b"HTTP/1.1 200"));
        tokio::time::resume();
    }
}

#[tokio::test]
async fn shutdown_finishes_requests_and_closes_idle_connections_at_once() {
    let server = Server::start(10, SOON).await;
    let (mut idle, mut busy, mut silent) = (server.connect().await, server.connect().await, server.connect().await);
    get_path(&mut idle, "/peer").await;
    read_some(&mut idle).await;
    get_path(&mut busy, "/slow").await;
    sleep(Duration::from_millis(100)).await;
    let address = server.addresses[0];
    server.shutdown.begin();
    assert!(read_all(&mut busy).await.starts_with("HTTP/1.1 200"), "a request under way is answered");
    assert_eq!(read_all(&mut idle).await, "");
    assert_eq!(read_all(&mut silent).await, "");
    assert!(server.ended().await < SOON / 2);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_is_left_at_the_deadline_is_dropped() {
    let server = Server::start(10, Duration::from_millis(200)).await;
    let mut stuck = server.connect().await;
    get_path(&mut stuck, "/never").await;
    sleep(Duration::from_millis(100)).await;
    server.shutdown.begin();
    let took = server.ended().await;
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(read_all(&mut stuck).await, "");
}
