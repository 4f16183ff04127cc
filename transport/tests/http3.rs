//! HTTP/3 seen from a small client of its own: plain requests, WebTransport beside them, and peers that break the rules.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use common::{identity, serve, within};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::task::JoinHandle;
use transport::{
    AcceptError, Accepted, Connection, ConnectionError, EndpointSettings, HttpService, ServerEndpoint, read_chunk,
};
use wtransport_proto::bytes::{BytesReader, BytesWriter};
use wtransport_proto::qpack::{Decoder, Encoder};
use wtransport_proto::varint::VarInt;

const DATA: u64 = 0;
const HEADERS: u64 = 1;

/// A server in the background and a bare QUIC connection to it.
struct Visit {
    connection: quinn::Connection,
    outcome: JoinHandle<Result<Accepted, AcceptError>>,
    _server: Arc<ServerEndpoint>,
    _endpoint: quinn::Endpoint,
}

async fn visit(service: Option<Router>) -> Visit {
    let identity = identity();
    let service = service.map(HttpService::new);
    let server = Arc::new(serve(EndpointSettings::default(), &identity, service));
    let accepting = Arc::clone(&server);
    let outcome = tokio::spawn(async move { accepting.accept().await.unwrap().accept().await });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(identity.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let target = server.local_addresses()[0];
    let connection = within(endpoint.connect_with(config, target, "localhost").unwrap()).await.unwrap();
    Visit { connection, outcome, _server: server, _endpoint: endpoint }
}

fn varints(values: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        out.put_varint(VarInt::try_from(*value).unwrap()).unwrap();
    }
    out
}

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [varints(&[kind, payload.len() as u64]), payload.to_vec()].concat()
}

fn request(method: &str, path: &str, extra: &[(&str, &str)]) -> Vec<u8> {
    let head = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)];
    frame(HEADERS, &Encoder::encode(head.iter().chain(extra).copied()))
}

struct Answer {
    status: String,
    length: Option<String>,
    body: Vec<u8>,
}

fn parse_answer(mut bytes: &[u8]) -> Answer {
    let mut answer = Answer { status: String::new(), length: None, body: Vec::new() };
    while !bytes.is_empty() {
        let kind = bytes.get_varint().unwrap().into_inner();
        let length = bytes.get_varint().unwrap().into_inner() as usize;
        let payload = bytes.get_bytes(length).unwrap();
        match kind {
            HEADERS => {
                let fields = Decoder::decode(payload).unwrap();
                answer.status.clone_from(&fields[":status"]);
                answer.length = fields.get("content-length").cloned();
            }
            DATA => answer.body.extend_from_slice(payload),
            other => panic!("frame {other:#x}"),
        }
    }
    answer
}

async fn ask(connection: &quinn::Connection, bytes: &[u8]) -> Answer {
    let (mut send, mut recv) = within(connection.open_bi()).await.unwrap();
    within(send.write_all(bytes)).await.unwrap();
    send.finish().unwrap();
    parse_answer(&within(recv.read_to_end(64 << 20)).await.unwrap())
}

fn app() -> Router {
    Router::new().route("/hello", get(|| async { "hello" })).route("/echo", post(|body: Bytes| async move { body }))
}

#[tokio::test]
async fn plain_requests_are_answered_on_a_connection_without_a_session() {
    let visit = visit(Some(app())).await;
    for _ in 0..3 {
        let answer = ask(&visit.connection, &request("GET", "/hello?x=1", &[("accept", "*/*")])).await;
        assert_eq!((answer.status.as_str(), answer.body.as_slice()), ("200", &b"hello"[..]));
        assert_eq!(answer.length.as_deref(), Some("5"));
    }
    let head = ask(&visit.connection, &request("HEAD", "/hello", &[])).await;
    assert_eq!((head.status.as_str(), head.length.as_deref(), head.body.len()), ("200", Some("5"), 0));
    assert_eq!(ask(&visit.connection, &request("GET", "/nowhere", &[])).await.status, "404");
    let body = vec![9; 100_000];
    let echo =
        [request("POST", "/echo", &[]), frame(DATA, &body[..7]), frame(0x21, b"grease"), frame(DATA, &body[7..])];
    let echo = ask(&visit.connection, &echo.concat()).await;
    assert_eq!((echo.status.as_str(), echo.body), ("200", body));
    visit.connection.close(0x100u32.into(), b"");
    assert!(matches!(within(visit.outcome).await.unwrap(), Ok(Accepted::HttpDone)));
}

#[tokio::test]
async fn many_requests_run_at_once() {
    let slow = Router::new().route(
        "/slow",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            "done"
        }),
    );
    let visit = visit(Some(slow)).await;
    let start = tokio::time::Instant::now();
    let request = request("GET", "/slow", &[]);
    let answers = futures_util::future::join_all((0..40).map(|_| ask(&visit.connection, &request))).await;
    assert!(answers.iter().all(|answer| answer.body == b"done"));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}: one after the other", start.elapsed());
}

#[tokio::test]
async fn a_body_is_produced_only_as_fast_as_it_is_read() {
    const CHUNK: usize = 65_536;
    const CHUNKS: usize = 256;
    let produced = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&produced);
    let stream = move || {
        let counter = Arc::clone(&counter);
        let chunks = futures_util::stream::iter(0..CHUNKS).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>(Bytes::from(vec![5; CHUNK]))
        });
        Body::from_stream(chunks)
    };
    use futures_util::StreamExt;
    let visit = visit(Some(Router::new().route("/big", get(|| async move { stream() })))).await;
    let (mut send, mut recv) = within(visit.connection.open_bi()).await.unwrap();
    within(send.write_all(&request("GET", "/big", &[]))).await.unwrap();
    send.finish().unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let unread = produced.load(Ordering::Relaxed);
    assert!((1..CHUNKS / 2).contains(&unread), "{unread} of {CHUNKS} chunks made for a client that reads none");
    let answer = parse_answer(&within(recv.read_to_end(64 << 20)).await.unwrap());
    assert_eq!(answer.body.len(), CHUNK * CHUNKS);
    assert_eq!(produced.load(Ordering::Relaxed), CHUNKS);
}

/// Sends the CONNECT of a session and returns its stream once the server said 200.
async fn open_session(connection: &quinn::Connection) -> (quinn::SendStream, quinn::RecvStream) {
    let (mut send, mut recv) = within(connection.open_bi()).await.unwrap();
    let extra = [(":protocol", "webtransport"), ("wt-available-protocols", "\"moqt-99\", \"moqt-18\"")];
    within(send.write_all(&request("CONNECT", "/live", &extra))).await.unwrap();
    let chunk = within(recv.read_chunk(4096, true)).await.unwrap().unwrap();
    let mut bytes: &[u8] = &chunk.bytes;
    assert_eq!(bytes.get_varint().unwrap().into_inner(), HEADERS);
    let length = bytes.get_varint().unwrap().into_inner() as usize;
    let fields = Decoder::decode(bytes.get_bytes(length).unwrap()).unwrap();
    assert_eq!((fields[":status"].as_str(), fields["wt-protocol"].as_str()), ("200", "\"moqt-18\""));
    (send, recv)
}

async fn session(outcome: JoinHandle<Result<Accepted, AcceptError>>) -> Arc<dyn Connection> {
    match within(outcome).await.unwrap().unwrap() {
        Accepted::Session(session) => session,
        Accepted::HttpDone => panic!("no session"),
    }
}

#[tokio::test]
async fn requests_run_beside_a_session_and_a_second_session_is_refused() {
    let visit = visit(Some(app())).await;
    let (mut connect, _answers) = open_session(&visit.connection).await;
    let session = session(visit.outcome).await;
    assert_eq!(session.info().path, "/live");
    assert_eq!(ask(&visit.connection, &request("GET", "/hello", &[])).await.body, b"hello");

    let extra = [(":protocol", "webtransport"), ("wt-available-protocols", "\"moqt-18\"")];
    assert_eq!(ask(&visit.connection, &request("CONNECT", "/live", &extra)).await.status, "429");

    let mut uni = within(visit.connection.open_uni()).await.unwrap();
    within(uni.write_all(&[varints(&[0x54, 0]), b"frame".to_vec()].concat())).await.unwrap();
    uni.finish().unwrap();
    let mut recv = within(session.accept_uni()).await.unwrap();
    assert_eq!(within(read_chunk(&mut *recv, 10)).await.unwrap().unwrap(), "frame");

    // Capsules: an unknown one, then the close, cut in two DATA frames.
    let close =
        [varints(&[0x1234, 3]), b"abc".to_vec(), varints(&[0x2843, 7]), vec![0, 0, 1, 44], b"bye".to_vec()].concat();
    let (one, two) = close.split_at(9);
    within(connect.write_all(&[frame(DATA, one), frame(DATA, two)].concat())).await.unwrap();
    assert_eq!(within(session.closed()).await, ConnectionError::Closed { code: 300, reason: "bye".into() });
}

#[tokio::test]
async fn requests_that_are_not_ours_get_a_status() {
    let visit = visit(None).await;
    assert_eq!(ask(&visit.connection, &request("GET", "/", &[])).await.status, "404");
    assert_eq!(ask(&visit.connection, &request("CONNECT", "/", &[(":protocol", "websocket")])).await.status, "501");
    let none = [(":protocol", "webtransport")];
    assert_eq!(ask(&visit.connection, &request("CONNECT", "/", &none)).await.status, "400");
    let foreign = [(":protocol", "webtransport"), ("wt-available-protocols", "\"moqt-99\"")];
    assert_eq!(ask(&visit.connection, &request("CONNECT", "/", &foreign)).await.status, "400");
    assert_eq!(ask(&visit.connection, &request("GET", "/", &[("Bad Name", "x")])).await.status, "400");
    let large = "x".repeat(60_000);
    assert_eq!(ask(&visit.connection, &request("GET", "/", &[("large", &large)])).await.status, "431");
}

#[tokio::test]
async fn streams_of_unknown_sessions_and_kinds_do_no_harm() {
    let visit = visit(Some(app())).await;
    for prefix in [varints(&[0x21 + 0x1f * 7]), varints(&[0x02]), varints(&[0x03]), varints(&[0x54, 400])] {
        let mut uni = within(visit.connection.open_uni()).await.unwrap();
        within(uni.write_all(&[prefix, vec![0; 100]].concat())).await.unwrap();
    }
    let (mut foreign, _answers) = within(visit.connection.open_bi()).await.unwrap();
    within(foreign.write_all(&varints(&[0x41, 400]))).await.unwrap();
    visit.connection.send_datagram(Bytes::from_static(b"\x09lost")).unwrap();
    assert_eq!(ask(&visit.connection, &request("GET", "/hello", &[])).await.body, b"hello");
    let (_connect, _answers) = open_session(&visit.connection).await;
    let session = session(visit.outcome).await;
    // Stopped as "stream came before its session".
    assert_eq!(within(foreign.stopped()).await.unwrap().map(quinn::VarInt::into_inner), Some(0x3994_bd84));
    drop(session);
}

#[tokio::test]
async fn streams_that_say_nothing_are_left_alone() {
    let visit = visit(Some(app())).await;
    // Opened with the one after them, as browsers open their QPACK streams, and not written to.
    let silent =
        [within(visit.connection.open_uni()).await.unwrap(), within(visit.connection.open_uni()).await.unwrap()];
    let mut grease = within(visit.connection.open_uni()).await.unwrap();
    within(grease.write_all(&varints(&[0x21, 0]))).await.unwrap();
    let (_connect, _answers) = open_session(&visit.connection).await;
    let session = session(visit.outcome).await;
    tokio::time::sleep(transport::limit::STREAM_HEADER_TIMEOUT + Duration::from_millis(500)).await;
    for stream in &silent {
        assert!(tokio::time::timeout(Duration::ZERO, stream.stopped()).await.is_err(), "a silent stream was stopped");
    }
    drop(session);
}

async fn assert_fatal(uni: bool, bytes: Vec<u8>, code: u64) {
    let visit = visit(Some(app())).await;
    let mut send = if uni {
        within(visit.connection.open_uni()).await.unwrap()
    } else {
        within(visit.connection.open_bi()).await.unwrap().0
    };
    within(send.write_all(&bytes)).await.unwrap();
    let _ = send.finish();
    match within(visit.connection.closed()).await {
        quinn::ConnectionError::ApplicationClosed(close) => assert_eq!(close.error_code.into_inner(), code, "{close}"),
        other => panic!("{other}"),
    }
    assert!(matches!(within(visit.outcome).await.unwrap(), Err(AcceptError::Http3(ConnectionError::Transport(_)))));
}

#[tokio::test]
async fn rule_breakers_lose_their_connection_with_the_right_code() {
    let control = |frames: &[u8]| [varints(&[0]), frames.to_vec()].concat();
    assert_fatal(true, control(&frame(HEADERS, b"")), 0x109).await;
    assert_fatal(true, control(&frame(4, &varints(&[0x02, 1]))), 0x109).await;
    assert_fatal(true, control(&[frame(4, b""), frame(DATA, b"x")].concat()), 0x105).await;
    assert_fatal(true, control(&frame(4, b"")), 0x104).await;
    assert_fatal(true, control(&varints(&[4, 1 << 40])), 0x107).await;
    assert_fatal(false, frame(DATA, b"x"), 0x105).await;
    assert_fatal(false, frame(0x08, b"x"), 0x105).await;
    assert_fatal(false, varints(&[HEADERS, 50]), 0x106).await;
    assert_fatal(false, frame(HEADERS, &[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 0x200).await;
}

#[tokio::test]
async fn a_cancelled_request_drops_its_body() {
    struct Told(Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (sender, dropped) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(Told(Some(sender))));
    let endless = move || {
        let told = told.lock().unwrap().take();
        let chunks = futures_util::stream::unfold(told, |told| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b"tick")), told))
        });
        Body::from_stream(chunks)
    };
    let endless = Arc::new(endless);
    let visit = visit(Some(Router::new().route("/endless", get(move || async move { endless() })))).await;
    let (mut send, mut recv) = within(visit.connection.open_bi()).await.unwrap();
    within(send.write_all(&request("GET", "/endless", &[]))).await.unwrap();
    assert!(within(recv.read_chunk(10, true)).await.unwrap().is_some());
    recv.stop(0x10cu32.into()).unwrap();
    within(dropped).await.unwrap();
    drop(send);
}
