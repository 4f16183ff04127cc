//! Certificates and connected pairs for the tests: 127.0.0.1 and ::1, port 0, every wait bounded.

#![allow(dead_code, reason = "each test binary uses its own part of these helpers")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ResolvesServerCert;
use rustls::sign::SingleCertAndKey;
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use transport::{
    Accepted, Address, ClientEndpoint, ClientSettings, Connection, EndpointSettings, HttpService, Incoming, RecvStream,
    SendStream, ServerEndpoint, TrustSettings, read_chunk, write_all,
};

/// Longest any awaited step of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Identity {
    pub resolver: Arc<dyn ResolvesServerCert>,
    pub hash: [u8; 32],
    pub pem: String,
}

pub(crate) fn identity() -> Identity {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = rustls::crypto::ring::default_provider();
    let certified = rustls::sign::CertifiedKey::from_der(vec![cert.der().clone()], key, &provider).unwrap();
    let hash = Sha256::digest(cert.der()).into();
    Identity { resolver: Arc::new(SingleCertAndKey::from(certified)), hash, pem: cert.pem() }
}

/// A server, a client that trusts it, and one connection between them.
pub(crate) struct Pair {
    pub server: ServerEndpoint,
    pub client: ClientEndpoint,
    pub near: Arc<dyn Connection>,
    pub far: Arc<dyn Connection>,
}

pub(crate) fn address(scheme: &str, server: &ServerEndpoint, path: &str) -> Address {
    format!("{scheme}://127.0.0.1:{}{path}", server.local_addresses()[0].port()).parse().unwrap()
}

pub(crate) fn trust(identity: &Identity) -> TrustSettings {
    TrustSettings::CertificateHashes(vec![identity.hash])
}

pub(crate) fn serve(settings: EndpointSettings, identity: &Identity, service: Option<HttpService>) -> ServerEndpoint {
    ServerEndpoint::bind(settings, Arc::clone(&identity.resolver), service).unwrap()
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("took too long")
}

pub(crate) async fn session(incoming: Incoming) -> Arc<dyn Connection> {
    match incoming.accept().await.unwrap() {
        Accepted::Session(connection) => connection,
        Accepted::HttpDone => panic!("expected a session"),
    }
}

pub(crate) async fn pair(scheme: &str, settings: EndpointSettings) -> Pair {
    let identity = identity();
    let server = serve(settings, &identity, None);
    let client = ClientEndpoint::new(ClientSettings::default()).unwrap();
    let address = address(scheme, &server, "/live?token=1");
    let accept = async { session(server.accept().await.unwrap()).await };
    let trust = trust(&identity);
    let (far, near) = within(async { tokio::join!(accept, client.dial(&address, &trust)) }).await;
    Pair { near: near.unwrap(), far, server, client }
}

/// Reads to the end of the stream.
pub(crate) async fn read_all(stream: &mut dyn RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = within(read_chunk(stream, 65_536)).await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    all
}

pub(crate) async fn send_all(stream: &mut dyn SendStream, bytes: impl Into<Bytes>) {
    within(write_all(stream, bytes.into())).await.unwrap();
}
