//! The dialing endpoint.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use moqt::Version;
use quinn::{ConnectionIdGenerator, Endpoint, EndpointConfig, TokioRuntime};
use quinn_proto::RandomConnectionIdGenerator;
use rustls::AlertDescription;
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

use super::{ALPN_HTTP3, chosen_alpn, socket};
use crate::address::{Address, Scheme};
use crate::connection::{Connection, ConnectionInfo, Side, TransportKind};
use crate::limit;
use crate::qlog::{Qlog, Trace};
use crate::quic::QuicConnection;
use crate::tls::{ConnectionSettings, TlsError, TrustSettings, client_config, transport_config};
use crate::webtransport::{self, ConnectFailure};
use crate::wire::observe;

/// What a client endpoint offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// MOQT drafts offered, most wanted first.
    pub versions: Vec<Version>,
    /// Time for one whole dial.
    pub dial_timeout: Duration,
    /// Limits of each connection.
    pub connection: ConnectionSettings,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            versions: Version::ALL.to_vec(),
            dial_timeout: limit::DIAL_TIMEOUT,
            connection: ConnectionSettings {
                idle_timeout: limit::CLIENT_IDLE_TIMEOUT,
                ..ConnectionSettings::default()
            },
        }
    }
}

/// Dials MOQT servers from one UDP socket per address family.
#[derive(Debug)]
pub struct ClientEndpoint {
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
    settings: ClientSettings,
    qlog: Option<Arc<Qlog>>,
}

/// Why a dial failed: what, where, and whose fault.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The trust settings are unusable.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// The name has no address.
    #[error("cannot resolve {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// This machine has no socket for the address.
    #[error("cannot reach {address} from this machine: {reason}")]
    Unreachable {
        /// The server's address.
        address: SocketAddr,
        /// What the system lacks.
        reason: String,
    },
    /// Nobody answered.
    #[error("no answer from {target}: is the relay running, and is UDP let through?")]
    NoAnswer {
        /// Whom we called.
        target: String,
    },
    /// The server is there but takes nobody now.
    #[error("{address} refused the connection: it is full or shutting down")]
    Refused {
        /// The server's address.
        address: SocketAddr,
    },
    /// The server's certificate is not trusted.
    #[error("certificate of {address} is not trusted: {reason}")]
    Certificate {
        /// The server's address.
        address: SocketAddr,
        /// What is wrong with it.
        reason: String,
    },
    /// The server speaks none of our protocols.
    #[error("{address} speaks none of the protocols offered ({offered})")]
    NoCommonProtocol {
        /// The server's address.
        address: SocketAddr,
        /// What we offered.
        offered: String,
    },
    /// The server answered the WebTransport request with an HTTP error.
    #[error("{address} refused the WebTransport session with HTTP status {status}")]
    Rejected {
        /// The server's address.
        address: SocketAddr,
        /// The HTTP status.
        status: u16,
    },
    /// Anything else that went wrong on the way.
    #[error("connection to {address} failed: {reason}")]
    Failed {
        /// The server's address.
        address: SocketAddr,
        /// What went wrong.
        reason: String,
    },
}

impl ClientEndpoint {
    /// Opens the sockets. Needs a tokio runtime with time and IO.
    ///
    /// # Errors
    /// Neither an IPv4 nor an IPv6 socket could be had.
    pub fn new(settings: ClientSettings) -> io::Result<Self> {
        let open = |ip: IpAddr| {
            let socket = socket::bind(SocketAddr::new(ip, 0))?;
            Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))
        };
        let (v4, v6) = match (open(Ipv4Addr::UNSPECIFIED.into()), open(Ipv6Addr::UNSPECIFIED.into())) {
            (Err(error), Err(_)) => return Err(error),
            (v4, v6) => (v4.ok(), v6.ok()),
        };
        Ok(Self { v4, v6, settings, qlog: None })
    }

    /// Traces connections dialed from now on.
    #[must_use]
    pub fn traced(self, qlog: Option<Arc<Qlog>>) -> Self {
        Self { qlog, ..self }
    }

    /// Connects: WebTransport for `https://`, raw QUIC for `moqt://`. Every address of the name is tried, each a little after the one before;
    /// the first to answer wins. Dropping the future gives up.
    ///
    /// # Errors
    /// See [`DialError`]; when several addresses failed, the most telling reason.
    pub async fn dial(&self, address: &Address, trust: &TrustSettings) -> Result<Arc<dyn Connection>, DialError> {
        let alpn = match address.scheme {
            Scheme::WebTransport => vec![ALPN_HTTP3.to_vec()],
            Scheme::Quic => self.settings.versions.iter().map(|version| version.alpn().into()).collect(),
        };
        let trust = trust.resolve(address).map_err(TlsError::from)?;
        let config = client_config(&trust, alpn, &self.settings.connection)?;
        let target = || DialError::NoAnswer { target: format!("{} ({address})", address.authority()) };
        timeout(self.settings.dial_timeout, self.race(address, &config)).await.unwrap_or_else(|_| Err(target()))
    }

    /// GETs what an `https://` address names over HTTP/3, on a connection of its own to the first address of its host.
    ///
    /// # Errors
    /// See [`DialError`].
    #[cfg(feature = "http-client")]
    pub async fn get(&self, address: &Address, trust: &TrustSettings) -> Result<crate::HttpResponse, DialError> {
        let trust = trust.resolve(address).map_err(TlsError::from)?;
        let config = client_config(&trust, vec![ALPN_HTTP3.to_vec()], &self.settings.connection)?;
        let target = resolve(address).await?.into_iter().next();
        let target = target.ok_or_else(|| DialError::NoAnswer { target: address.authority() })?;
        let asked = async {
            let (connection, ..) = self.handshake(address, target, config).await?;
            let response = crate::http3::get(&connection, &address.authority(), &address.path).await;
            connection.close(crate::quic::varint(crate::http3::NO_ERROR), b"");
            response.map_err(|error| DialError::Failed { address: target, reason: error.to_string() })
        };
        let late = || DialError::NoAnswer { target: target.to_string() };
        timeout(self.settings.dial_timeout, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// Ends all connections with this code and reason.
    pub fn close(&self, code: u64, reason: &str) {
        for endpoint in self.v4.iter().chain(&self.v6) {
            endpoint.close(crate::quic::varint(code), reason.as_bytes());
        }
    }

    /// Waits until every connection has ended and its peer had a chance to hear so, and traces are written. Cancel safe.
    pub async fn wait_idle(&self) {
        for endpoint in self.v4.iter().chain(&self.v6) {
            endpoint.wait_idle().await;
        }
        if let Some(qlog) = &self.qlog {
            qlog.flush().await;
        }
    }

    async fn race(&self, address: &Address, config: &quinn::ClientConfig) -> Result<Arc<dyn Connection>, DialError> {
        let targets = resolve(address).await?;
        let mut attempts: FuturesUnordered<_> = (0..)
            .zip(targets)
            .map(|(place, target)| async move {
                sleep(limit::DIAL_STAGGER * place).await;
                self.attempt(address, target, config.clone()).await
            })
            .collect();
        let mut failure: Option<DialError> = None;
        while let Some(outcome) = attempts.next().await {
            match outcome {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = Some(failure.filter(|first| first.weight() >= error.weight()).unwrap_or(error)),
            }
        }
        Err(failure
            .unwrap_or_else(|| DialError::Resolve { host: address.host.clone(), reason: "it has no address".into() }))
    }

    async fn attempt(
        &self,
        address: &Address,
        target: SocketAddr,
        config: quinn::ClientConfig,
    ) -> Result<Arc<dyn Connection>, DialError> {
        let (connection, id, trace) = self.handshake(address, target, config).await?;
        let connection: Arc<dyn Connection> = match address.scheme {
            Scheme::WebTransport => {
                let session = webtransport::connect(
                    connection,
                    address.authority(),
                    address.path.clone(),
                    self.settings.versions.clone(),
                );
                let session = session.await.map_err(|failure| self.connect_failure(target, failure))?;
                Arc::new(session.with_id(id))
            }
            Scheme::Quic => {
                let version = chosen_alpn(&connection).and_then(|alpn| Version::from_alpn(&alpn));
                let info = ConnectionInfo {
                    peer: target,
                    version: version.ok_or_else(|| DialError::NoCommonProtocol {
                        address: target,
                        offered: self.offered(address),
                    })?,
                    kind: TransportKind::Quic,
                    path: String::new(),
                    authority: address.authority(),
                    side: Side::Client,
                    id,
                };
                Arc::new(QuicConnection::new(connection, info, None))
            }
        };
        Ok(match trace {
            Some(trace) => observe(connection, trace.observer()),
            None => connection,
        })
    }

    /// A connection, the id that its first packet made up for the server, and its trace.
    async fn handshake(
        &self,
        address: &Address,
        target: SocketAddr,
        mut config: quinn::ClientConfig,
    ) -> Result<(quinn::Connection, String, Option<Trace>), DialError> {
        let unreachable = |reason: String| DialError::Unreachable { address: target, reason };
        let endpoint = if target.is_ipv4() { &self.v4 } else { &self.v6 };
        let endpoint = endpoint.as_ref().ok_or_else(|| unreachable("no socket of that address family".into()))?;
        let id = RandomConnectionIdGenerator::new(limit::INITIAL_ID_BYTES).generate_cid();
        config.initial_dst_cid_provider(Arc::new(move || id));
        let trace = self.qlog.as_ref().and_then(|qlog| qlog.begin(&id.to_string(), Side::Client));
        if let Some(trace) = &trace {
            config.transport_config(transport_config(&self.settings.connection, Side::Client, trace.quic())?);
        }
        let connecting =
            endpoint.connect_with(config, target, &address.host).map_err(|error| unreachable(error.to_string()))?;
        let connection = connecting.await.map_err(|error| self.handshake_failure(target, address, error))?;
        Ok((connection, id.to_string(), trace))
    }

    fn handshake_failure(&self, target: SocketAddr, address: &Address, error: quinn::ConnectionError) -> DialError {
        let failed = |reason: String| DialError::Failed { address: target, reason };
        let (code, text) = match error {
            quinn::ConnectionError::TimedOut => return DialError::NoAnswer { target: target.to_string() },
            quinn::ConnectionError::TransportError(error) => (error.code, error.reason),
            quinn::ConnectionError::ConnectionClosed(close) => {
                (close.error_code, String::from_utf8_lossy(&close.reason).into_owned())
            }
            other => return failed(other.to_string()),
        };
        let code = u64::from(code);
        match alert(code) {
            Some(AlertDescription::NoApplicationProtocol) => {
                DialError::NoCommonProtocol { address: target, offered: self.offered(address) }
            }
            Some(alert) if is_about_certificate(alert) => DialError::Certificate { address: target, reason: text },
            Some(alert) => failed(format!("TLS alert {alert:?}: {text}")),
            None if code == CONNECTION_REFUSED => DialError::Refused { address: target },
            None => failed(format!("QUIC error {code:#x}: {text}")),
        }
    }

    fn connect_failure(&self, target: SocketAddr, failure: ConnectFailure) -> DialError {
        match failure {
            ConnectFailure::Refused(status) => DialError::Rejected { address: target, status },
            ConnectFailure::NoWebTransport | ConnectFailure::NoCommonVersion => {
                let versions: Vec<_> = self.settings.versions.iter().map(|version| version.alpn()).collect();
                DialError::NoCommonProtocol {
                    address: target,
                    offered: format!("WebTransport with {}", versions.join(", ")),
                }
            }
            ConnectFailure::Http3(_) | ConnectFailure::Connection(_) => {
                DialError::Failed { address: target, reason: failure.to_string() }
            }
        }
    }

    fn offered(&self, address: &Address) -> String {
        match address.scheme {
            Scheme::WebTransport => "h3".into(),
            Scheme::Quic => self.settings.versions.iter().map(|version| version.alpn()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl DialError {
    /// How much a failure tells when several addresses failed: an answer beats silence, silence beats having no route.
    fn weight(&self) -> u8 {
        match self {
            Self::Trust(_) | Self::Resolve { .. } | Self::Unreachable { .. } => 0,
            Self::NoAnswer { .. } => 1,
            Self::Refused { .. } | Self::Failed { .. } => 2,
            Self::Certificate { .. } | Self::NoCommonProtocol { .. } | Self::Rejected { .. } => 3,
        }
    }
}

/// RFC 9000 section 20.1.
const CONNECTION_REFUSED: u64 = 0x02;
const CRYPTO_ERRORS: std::ops::RangeInclusive<u64> = 0x0100..=0x01ff;

/// The TLS alert inside a QUIC error code (RFC 9001 section 4.8).
fn alert(code: u64) -> Option<AlertDescription> {
    let number = u8::try_from(code & 0xff).ok()?;
    CRYPTO_ERRORS.contains(&code).then(|| AlertDescription::from(number))
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// Addresses to try, in order. `localhost` is both loopback addresses whatever the system's files say.
async fn resolve(address: &Address) -> Result<Vec<SocketAddr>, DialError> {
    let port = address.port;
    if address.host == "localhost" {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    if let Ok(ip) = address.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let error = |reason: String| DialError::Resolve { host: address.host.clone(), reason };
    let found: Vec<_> = lookup_host((address.host.as_str(), port))
        .await
        .map_err(|e| error(e.to_string()))?
        .take(limit::MAX_DIAL_ADDRESSES)
        .collect();
    if found.is_empty() { Err(error("it has no address".into())) } else { Ok(found) }
}
