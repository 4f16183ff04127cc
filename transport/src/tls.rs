//! TLS 1.3 for QUIC: which certificate is served, which ones are trusted, and the QUIC transport parameters.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, QlogStream, TransportConfig, VarInt};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ResolvesServerCert;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::address::Address;
use crate::connection::Side;
use crate::limit;

/// Which server certificates a client accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustSettings {
    /// Those of the operating system's trust store.
    System,
    /// Those signed by the certificates in this PEM file.
    Ca(PathBuf),
    /// Exactly the leaf certificates with these SHA-256 hashes of their DER form, as a browser's `serverCertificateHashes`.
    /// Names are not compared.
    CertificateHashes(Vec<[u8; 32]>),
    /// For servers on this machine, by name or literal: the development certificates that servers of the same user announce
    /// in this directory, read at each dial. Otherwise, and without any, as `System`.
    Development {
        /// Where servers leave their hashes, one file per port.
        directory: PathBuf,
    },
    /// Any. For experiments: the peer may be anyone.
    Insecure,
}

impl TrustSettings {
    /// What is to be trusted at `address` now: for whoever dials it by way of another address.
    ///
    /// # Errors
    /// What a server on this machine announced cannot be read.
    pub fn resolve(&self, address: &Address) -> Result<Self, certs::CertificateError> {
        let Self::Development { directory } = self else { return Ok(self.clone()) };
        if !address.is_localhost() {
            return Ok(Self::System);
        }
        let hashes = certs::development_hashes(directory, address.port)?;
        Ok(if hashes.is_empty() { Self::System } else { Self::CertificateHashes(hashes) })
    }
}

/// Limits of one connection; the defaults are those of a server that faces viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// Silence after which the connection is given up.
    pub idle_timeout: Duration,
    /// Peer's sending streams at once; raise it per connection with `set_max_incoming_uni`.
    pub max_incoming_uni: u32,
    /// Peer's requests at once.
    pub max_incoming_bidi: u32,
    /// Unacknowledged bytes kept for the peer.
    pub send_window: u64,
    /// Bytes taken from one stream ahead of reading.
    pub stream_receive_window: u32,
    /// Bytes taken from all streams together ahead of reading.
    pub receive_window: u32,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            idle_timeout: limit::IDLE_TIMEOUT,
            max_incoming_uni: limit::MAX_INCOMING_UNI,
            max_incoming_bidi: limit::MAX_INCOMING_BIDI,
            send_window: limit::SEND_WINDOW,
            stream_receive_window: limit::STREAM_RECEIVE_WINDOW,
            receive_window: limit::RECEIVE_WINDOW,
        }
    }
}

/// Why no TLS configuration could be made; the caller's settings are at fault.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What a server on this machine announced about its certificate cannot be read.
    #[error(transparent)]
    Development(#[from] certs::CertificateError),
    /// The trust file cannot be read or holds no certificate.
    #[error("cannot read trusted certificates from {path}: {reason}", path = path.display())]
    TrustFile {
        /// The file named in the settings.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The operating system offers no trusted certificates.
    #[error("the operating system's trust store has no usable certificate: {0}")]
    SystemTrust(String),
    /// An empty list accepts nobody.
    #[error("no certificate hash given: nothing would be trusted")]
    NoHashes,
    /// A timeout or limit is out of QUIC's range.
    #[error("connection setting {0} is out of range")]
    Setting(&'static str),
    /// The TLS library refused the configuration.
    #[error("TLS configuration refused: {0}")]
    Configuration(String),
}

pub(crate) fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    alpn: Vec<Vec<u8>>,
    settings: &ConnectionSettings,
) -> Result<quinn::ServerConfig, TlsError> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(refused)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    tls.alpn_protocols = alpn;
    tls.ignore_client_order = true;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).map_err(refused)?));
    config
        .transport_config(transport_config(settings, Side::Server, None)?)
        .max_incoming(limit::MAX_UNDECIDED_CLIENTS)
        .incoming_buffer_size(limit::UNDECIDED_CLIENT_BUFFER)
        .incoming_buffer_size_total(limit::UNDECIDED_CLIENTS_BUFFER);
    Ok(config)
}

/// TLS over TCP, for HTTPS.
pub(crate) fn https_config(
    resolver: Arc<dyn ResolvesServerCert>,
    alpn: Vec<Vec<u8>>,
) -> Result<rustls::ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(refused)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    tls.alpn_protocols = alpn;
    Ok(tls)
}

pub(crate) fn client_config(
    trust: &TrustSettings,
    alpn: Vec<Vec<u8>>,
    settings: &ConnectionSettings,
) -> Result<quinn::ClientConfig, TlsError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(trust)?)
        .with_no_client_auth();
    tls.alpn_protocols = alpn;
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).map_err(refused)?));
    config.transport_config(transport_config(settings, Side::Client, None)?);
    Ok(config)
}

/// The library's defaults with AES-128-GCM first: the cheapest suite on every server CPU made this decade.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(provider)
}

pub(crate) fn transport_config(
    settings: &ConnectionSettings,
    side: Side,
    trace: Option<QlogStream>,
) -> Result<Arc<TransportConfig>, TlsError> {
    let idle = IdleTimeout::try_from(settings.idle_timeout).map_err(|_| TlsError::Setting("idle_timeout"))?;
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(limit::ACK_THRESHOLD)).max_ack_delay(Some(limit::MAX_ACK_DELAY));
    let mut congestion = CubicConfig::default();
    congestion.initial_window(limit::INITIAL_WINDOW);
    let mut config = TransportConfig::default();
    config
        .congestion_controller_factory(Arc::new(congestion))
        .max_idle_timeout(Some(idle))
        .max_concurrent_uni_streams(settings.max_incoming_uni.into())
        .max_concurrent_bidi_streams(settings.max_incoming_bidi.into())
        .send_window(settings.send_window)
        .stream_receive_window(settings.stream_receive_window.into())
        .receive_window(settings.receive_window.into())
        // Without it quinn finishes a stream that it has begun before it looks at more urgent ones.
        .send_fairness(true)
        .ack_frequency_config(Some(acks))
        .initial_mtu(limit::INITIAL_MTU)
        .mtu_discovery_config(Some(MtuDiscoveryConfig::default()))
        .datagram_receive_buffer_size(Some(limit::DATAGRAM_RECEIVE_BUFFER))
        .datagram_send_buffer_size(limit::DATAGRAM_SEND_BUFFER)
        .enable_segmentation_offload(true)
        .qlog_stream(trace);
    if side == Side::Client {
        config.keep_alive_interval(Some(limit::KEEP_ALIVE_INTERVAL.min(settings.idle_timeout / 3)));
    }
    Ok(Arc::new(config))
}

fn verifier(trust: &TrustSettings) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let policy = match trust {
        TrustSettings::System | TrustSettings::Development { .. } => return web_pki(system_roots()?),
        TrustSettings::Ca(path) => return web_pki(file_roots(path)?),
        TrustSettings::CertificateHashes(hashes) if hashes.is_empty() => return Err(TlsError::NoHashes),
        TrustSettings::CertificateHashes(hashes) => LeafPolicy::Hashes(hashes.clone()),
        TrustSettings::Insecure => LeafPolicy::Any,
    };
    Ok(Arc::new(LeafVerifier { policy, provider: provider() }))
}

fn web_pki(roots: RootCertStore) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(refused)?)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reason = found.errors.first().map_or_else(|| "it is empty".to_owned(), ToString::to_string);
        return Err(TlsError::SystemTrust(reason));
    }
    Ok(roots)
}

fn file_roots(path: &PathBuf) -> Result<RootCertStore, TlsError> {
    let error = |reason: String| TlsError::TrustFile { path: path.clone(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| error(e.to_string()))? {
        roots.add(certificate.map_err(|e| error(e.to_string()))?).map_err(|e| error(e.to_string()))?;
    }
    if roots.is_empty() { Err(error("it holds no certificate".into())) } else { Ok(roots) }
}

fn refused(error: impl ToString) -> TlsError {
    TlsError::Configuration(error.to_string())
}

/// Judges the leaf certificate alone: by its hash, or not at all. The handshake's signature is always checked.
#[derive(Debug)]
struct LeafVerifier {
    policy: LeafPolicy,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum LeafPolicy {
    Hashes(Vec<[u8; 32]>),
    Any,
}

impl ServerCertVerifier for LeafVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let trusted = match &self.policy {
            LeafPolicy::Any => true,
            LeafPolicy::Hashes(hashes) => {
                let hash: [u8; 32] = Sha256::digest(end_entity).into();
                hashes.contains(&hash)
            }
        };
        if trusted {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
