//! The serving endpoint: listens, admits, and turns each handshake into a session or an HTTP/3 visit.

use std::fmt::{Debug, Formatter};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::select_all;
use moqt::Version;
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use rustls::server::ResolvesServerCert;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::reset::ResetSecret;
use super::{ALPN_HTTP3, chosen_alpn, socket};
use crate::connection::{Connection, ConnectionError, ConnectionInfo, Side, TransportKind};
use crate::http3::HttpService;
use crate::limit;
use crate::qlog::{Qlog, Trace};
use crate::quic::{QuicConnection, connection_error, varint};
use crate::tls::{ConnectionSettings, TlsError, server_config, transport_config};
use crate::webtransport;
use crate::wire::observe;

/// What a server endpoint listens on and admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Addresses to listen on. Port 0 asks for a free port; all addresses with port 0 get the same one.
    pub addresses: Vec<SocketAddr>,
    /// MOQT drafts offered, most wanted first.
    pub versions: Vec<Version>,
    /// Connections at once; more are refused.
    pub max_connections: usize,
    /// Handshakes at once; from half of it clients must prove their address first, above it they are refused.
    pub max_pending_handshakes: usize,
    /// Time for one handshake.
    pub handshake_timeout: Duration,
    /// Limits of each connection.
    pub connection: ConnectionSettings,
    /// Lets a restarted server tell old peers at once; `None` leaves them to their idle timeout.
    pub reset_secret: Option<ResetSecret>,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            addresses: vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()],
            versions: Version::ALL.to_vec(),
            max_connections: limit::MAX_CONNECTIONS,
            max_pending_handshakes: limit::MAX_PENDING_HANDSHAKES,
            handshake_timeout: limit::HANDSHAKE_TIMEOUT,
            connection: ConnectionSettings::default(),
            reset_secret: None,
        }
    }
}

impl EndpointSettings {
    /// Takes the reset secret kept in `directory`. Without a directory, or if the secret cannot be had (which is logged), peers
    /// of a restarted server wait for their idle timeout.
    #[must_use]
    pub fn with_reset_secret(mut self, directory: Option<&Path>) -> Self {
        self.reset_secret = directory.and_then(|directory| match ResetSecret::load(directory) {
            Ok(secret) => Some(secret),
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "no reset secret: peers notice a restart late");
                None
            }
        });
        self
    }
}

/// Why no endpoint could be made; settings or this machine are at fault.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// None or too many addresses.
    #[error("{0} listen addresses given, 1 to {most} are possible", most = limit::MAX_LISTEN_ADDRESSES)]
    Addresses(usize),
    /// No draft to offer.
    #[error("no MOQT version to offer")]
    Versions,
    /// The system refused the socket.
    #[error("cannot listen on UDP {address}: {error}")]
    Socket {
        /// The address in question.
        address: SocketAddr,
        /// The system's words.
        error: io::Error,
    },
    /// The TLS settings are unusable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Serves MOQT on raw QUIC and on WebTransport, and plain HTTP/3, on one UDP port of several addresses.
///
/// Needs a tokio runtime with time and IO. Dropping it abandons the connections; [`ServerEndpoint::close`] says goodbye first.
pub struct ServerEndpoint {
    endpoints: Vec<Endpoint>,
    settings: EndpointSettings,
    service: Option<HttpService>,
    /// How connections are set up; those that are traced have their own.
    config: quinn::ServerConfig,
    qlog: Option<Arc<Qlog>>,
    /// Counts calls of accept.
    turn: AtomicUsize,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
}

impl Debug for ServerEndpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerEndpoint")
            .field("addresses", &self.local_addresses())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl ServerEndpoint {
    /// Listens on every address of the settings.
    ///
    /// `certificates` is asked at each handshake, so it may change what it serves. `service` answers plain HTTP/3 requests (404 without one).
    ///
    /// # Errors
    /// Unusable settings, or an address that cannot be had.
    pub fn bind(
        settings: EndpointSettings,
        certificates: Arc<dyn ResolvesServerCert>,
        service: Option<HttpService>,
    ) -> Result<Self, BindError> {
        if settings.versions.is_empty() {
            return Err(BindError::Versions);
        }
        let mut alpn: Vec<Vec<u8>> = settings.versions.iter().map(|version| version.alpn().into()).collect();
        alpn.push(ALPN_HTTP3.into());
        let config = server_config(certificates, alpn, &settings.connection)?;
        let secret = settings.reset_secret.as_ref();
        let endpoint_config = || secret.map_or_else(EndpointConfig::default, ResetSecret::endpoint_config);
        let endpoints = bind_all(&settings.addresses)?
            .into_iter()
            .map(|(address, socket)| {
                Endpoint::new(endpoint_config(), Some(config.clone()), socket, Arc::new(TokioRuntime))
                    .map_err(|error| BindError::Socket { address, error })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            endpoints,
            turn: AtomicUsize::new(0),
            connections: Arc::new(Semaphore::new(settings.max_connections.min(Semaphore::MAX_PERMITS))),
            handshakes: Arc::new(Semaphore::new(settings.max_pending_handshakes.min(Semaphore::MAX_PERMITS))),
            settings,
            service,
            config,
            qlog: None,
        })
    }

    /// Traces connections accepted from now on.
    #[must_use]
    pub fn traced(self, qlog: Option<Arc<Qlog>>) -> Self {
        Self { qlog, ..self }
    }

    /// Waits for the next client that is admitted; `None` once the endpoint is closed. Cancel safe.
    ///
    /// Clients beyond the limits are refused in here and counted in `transport_refused_total`. Run [`Incoming::accept`] of several clients at
    /// once: one that stays silent holds up only its own.
    pub async fn accept(&self) -> Option<Incoming> {
        loop {
            // Asked in turns, so that a flood on one address starves no other.
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.endpoints.len();
            let (later, sooner) = self.endpoints.split_at(first);
            let accepts = sooner.iter().chain(later).map(|endpoint| Box::pin(endpoint.accept()));
            let (incoming, ..) = select_all(accepts).await;
            if let Some(admitted) = self.admit(incoming?) {
                return Some(admitted);
            }
        }
    }

    fn admit(&self, incoming: quinn::Incoming) -> Option<Incoming> {
        let Ok(connection) = Arc::clone(&self.connections).try_acquire_owned() else {
            return refuse(incoming, "connections");
        };
        let Ok(handshake) = Arc::clone(&self.handshakes).try_acquire_owned() else {
            return refuse(incoming, "handshakes");
        };
        let crowded = self.handshakes.available_permits() < self.settings.max_pending_handshakes / limit::RETRY_DIVISOR;
        if crowded && !incoming.remote_address_validated() && incoming.may_retry() {
            metrics::counter!("transport_retried_total").increment(1);
            // Fails only for clients that may not be asked, which were just excluded.
            let _ = incoming.retry();
            return None;
        }
        Some(Incoming {
            trace: self.trace(&incoming),
            incoming,
            connection,
            handshake,
            versions: self.settings.versions.clone(),
            handshake_timeout: self.settings.handshake_timeout,
            service: self.service.clone(),
        })
    }

    /// The trace of a client, if it is one to trace, and how its connection is set up then.
    fn trace(&self, incoming: &quinn::Incoming) -> Option<(Trace, Arc<quinn::ServerConfig>)> {
        let trace = self.qlog.as_ref()?.begin(&incoming.orig_dst_cid().to_string(), Side::Server)?;
        let transport = transport_config(&self.settings.connection, Side::Server, trace.quic()).ok()?;
        let mut config = self.config.clone();
        config.transport_config(transport);
        Some((trace, Arc::new(config)))
    }

    /// The addresses listened on, in the order of the settings, with their real port.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.endpoints.iter().filter_map(|endpoint| endpoint.local_addr().ok()).collect()
    }

    /// Connections and handshakes that count against `max_connections` now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.settings.max_connections.saturating_sub(self.connections.available_permits())
    }

    /// Refuses new clients and ends all connections with this code and reason.
    pub fn close(&self, code: u64, reason: &str) {
        for endpoint in &self.endpoints {
            endpoint.close(varint(code), reason.as_bytes());
        }
    }

    /// Waits until every connection has ended and its peer had a chance to hear so, and traces are written. Cancel safe; bound it by your shutdown deadline.
    pub async fn wait_idle(&self) {
        for endpoint in &self.endpoints {
            endpoint.wait_idle().await;
        }
        if let Some(qlog) = &self.qlog {
            qlog.flush().await;
        }
    }
}

fn refuse(incoming: quinn::Incoming, limit: &'static str) -> Option<Incoming> {
    metrics::counter!("transport_refused_total", "limit" => limit).increment(1);
    tracing::debug!(peer = %incoming.remote_address(), limit, "refused a client");
    incoming.refuse();
    None
}

/// All sockets, or none. With port 0 the first address finds a port and the others must get the same one, so several are tried.
fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<(SocketAddr, UdpSocket)>, BindError> {
    if addresses.is_empty() || addresses.len() > limit::MAX_LISTEN_ADDRESSES {
        return Err(BindError::Addresses(addresses.len()));
    }
    let several_free = addresses.iter().filter(|address| address.port() == 0).count() > 1;
    let mut attempts = if several_free { limit::BIND_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_once(addresses) {
            Err(BindError::Socket { error, .. }) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            outcome => return outcome,
        }
    }
}

fn bind_once(addresses: &[SocketAddr]) -> Result<Vec<(SocketAddr, UdpSocket)>, BindError> {
    let mut port = 0;
    let mut sockets = Vec::with_capacity(addresses.len());
    for address in addresses {
        let mut address = *address;
        if address.port() == 0 {
            address.set_port(port);
        }
        let bound = socket::bind(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (local, socket) = bound.map_err(|error| BindError::Socket { address, error })?;
        if port == 0 {
            port = local.port();
        }
        sockets.push((local, socket));
    }
    Ok(sockets)
}

/// A client that was admitted; it holds its places in the limits.
#[derive(Debug)]
pub struct Incoming {
    incoming: quinn::Incoming,
    trace: Option<(Trace, Arc<quinn::ServerConfig>)>,
    connection: OwnedSemaphorePermit,
    handshake: OwnedSemaphorePermit,
    versions: Vec<Version>,
    handshake_timeout: Duration,
    service: Option<HttpService>,
}

/// What became of a client.
#[derive(Debug)]
pub enum Accepted {
    /// It wants MOQT.
    Session(Arc<dyn Connection>),
    /// It made plain HTTP/3 requests, which were answered, and has left.
    HttpDone,
}

/// Why a client did not get through; the client or the network is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// It did not finish the handshake in time.
    #[error("client did not finish its handshake in time")]
    TimedOut,
    /// QUIC or TLS failed.
    #[error("handshake with client failed: {0}")]
    Handshake(ConnectionError),
    /// The handshake chose no protocol of ours.
    #[error("client negotiated no known protocol")]
    UnknownProtocol,
    /// HTTP/3 failed before there was a session.
    #[error("client broke HTTP/3: {0}")]
    Http3(ConnectionError),
}

impl Incoming {
    /// Where the client says it is; unproven.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Whether the client proved that address by answering a retry.
    #[must_use]
    pub fn is_peer_proven(&self) -> bool {
        self.incoming.remote_address_validated()
    }

    /// Finishes the handshake (bounded in time) and waits for a session: at once on raw QUIC, at the CONNECT request on HTTP/3.
    ///
    /// A client that only makes HTTP/3 requests is served inside this future until it leaves. Dropping the future drops the client.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn accept(self) -> Result<Accepted, AcceptError> {
        let outcome = self.drive().await;
        let label = match &outcome {
            Ok(Accepted::Session(_)) => "session",
            Ok(Accepted::HttpDone) => "http",
            Err(AcceptError::TimedOut) => "timeout",
            Err(_) => "failed",
        };
        metrics::counter!("transport_accepted_total", "outcome" => label).increment(1);
        outcome
    }

    async fn drive(self) -> Result<Accepted, AcceptError> {
        let Self { incoming, trace, connection: permit, handshake, versions, handshake_timeout, service } = self;
        let id = incoming.orig_dst_cid().to_string();
        let (trace, config) = trace.unzip();
        let connecting = match config {
            Some(config) => incoming.accept_with(config),
            None => incoming.accept(),
        };
        let connecting = connecting.map_err(|error| AcceptError::Handshake(connection_error(error)))?;
        let connection = timeout(handshake_timeout, connecting)
            .await
            .map_err(|_| AcceptError::TimedOut)?
            .map_err(|error| AcceptError::Handshake(connection_error(error)))?;
        drop(handshake);
        let alpn = chosen_alpn(&connection).ok_or(AcceptError::UnknownProtocol)?;
        if alpn == ALPN_HTTP3 {
            let session =
                webtransport::serve(connection, versions, service, permit).await.map_err(AcceptError::Http3)?;
            return Ok(match session {
                Some(session) => accepted(Arc::new(session.with_id(id)), trace),
                None => Accepted::HttpDone,
            });
        }
        let version = Version::from_alpn(&alpn).ok_or(AcceptError::UnknownProtocol)?;
        let info = ConnectionInfo {
            peer: connection.remote_address(),
            version,
            kind: TransportKind::Quic,
            path: String::new(),
            authority: String::new(),
            side: Side::Server,
            id,
        };
        Ok(accepted(Arc::new(QuicConnection::new(connection, info, Some(permit))), trace))
    }
}

fn accepted(connection: Arc<dyn Connection>, trace: Option<Trace>) -> Accepted {
    Accepted::Session(match trace {
        Some(trace) => observe(connection, trace.observer()),
        None => connection,
    })
}
