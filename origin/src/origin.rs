//! The wiring of an origin, in order, and nothing else.

use std::{fs::File, io, net::SocketAddr, path::PathBuf, sync::Arc};

use access::{Access, AccessSettings, Credential};
use certs::{CertificateError, CertificateHash, CertificateStore, Watcher};
use fanout::MemoryBudget;
use moqt::Version;
use process::{CLOSE_MARGIN, Contradiction, HttpSettings, Metrics, Shutdown, serve_http};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use transport::{
    BindError, ClientEndpoint, ClientSettings, ConnectionSettings, EndpointSettings, Qlog, ServerEndpoint,
};

use crate::{
    Settings, admin,
    dial::RelayLink,
    ingest,
    limit::{MAX_HANDSHAKES, SESSION_REQUESTS},
    publish::{Broadcast, Publisher},
    serve::Publications,
    server,
    settings::SourceSettings,
};

/// Why an origin does not start. All of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The settings contradict themselves.
    #[error("{0}")]
    Settings(#[from] Contradiction),
    /// A source file cannot be read.
    #[error("cannot open {}", path.display())]
    Source {
        /// The file as configured.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A key for tokens cannot be used.
    #[error(transparent)]
    Access(#[from] access::KeyError),
    /// There is no usable certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A UDP address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin address cannot be had.
    #[error("cannot listen on TCP {address}")]
    Http {
        /// The address as configured.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Traces cannot be written where the settings say.
    #[error("cannot write traces as [qlog] says")]
    Qlog(#[source] io::Error),
    /// No UDP socket to dial relays from.
    #[error("cannot open a UDP socket")]
    Socket(#[source] io::Error),
}

/// An origin that has its addresses but does nothing yet.
#[derive(Debug)]
pub struct Origin {
    endpoint: Option<ServerEndpoint>,
    certificates: Option<(Arc<CertificateStore>, Watcher)>,
    /// Where clients of this user find the hash of a development certificate.
    hash_directory: Option<PathBuf>,
    http: Option<TcpListener>,
    metrics: Option<Metrics>,
    links: Vec<RelayLink>,
    publications: Arc<Publications>,
    access: Arc<Access>,
    sources: Vec<(SourceSettings, Publisher)>,
}

impl Origin {
    /// Checks the settings, makes the certificate and binds the addresses. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`OriginError`].
    pub async fn load(settings: Settings) -> Result<Self, OriginError> {
        settings.check()?;
        let versions = settings.versions();
        let Settings {
            listen,
            publish,
            publish_token,
            publish_token_file,
            access,
            http,
            broadcasts,
            retain,
            delay,
            certificate,
            trust,
            drafts: _,
            log: _,
            qlog,
        } = settings;
        let credential = Credential::new(publish_token, publish_token_file, "publish_token_file")?;
        let access = Access::load(&access)?;
        let qlog = Qlog::start(&qlog).map_err(OriginError::Qlog)?;
        let budget = MemoryBudget::new(retain.total_bytes);
        let mut publications = Publications::default();
        let mut sources = Vec::with_capacity(broadcasts.len());
        for broadcast in broadcasts {
            if let SourceSettings::File { path, .. } = &broadcast.source {
                // Here, where the operator sees it, and not when the first viewer comes.
                let opened = File::open(path);
                opened.map_err(|source| OriginError::Source { path: path.clone(), source })?;
            }
            let made = Broadcast::new(&broadcast, retain, delay, budget.clone());
            publications.add(made.clone());
            sources.push((broadcast.source, Publisher::new(made)));
        }
        let publications = Arc::new(publications);
        let development = certificate.certificate.is_none();
        let state_directory = process::state_directory();
        let hash_directory = state_directory.clone().filter(|_| development);
        let (endpoint, certificates) = if listen.is_empty() {
            (None, None)
        } else {
            let (store, watcher) = CertificateStore::load(&certificate.kept_in(state_directory.as_deref()))?;
            let settings = endpoint_settings(listen, versions.clone()).with_reset_secret(state_directory.as_deref());
            let endpoint = ServerEndpoint::bind(settings, store.clone(), None)?.traced(qlog.clone());
            (Some(endpoint), Some((store, watcher)))
        };
        let links = if publish.is_empty() {
            Vec::new()
        } else {
            let defaults = ClientSettings::default();
            let idle_timeout = defaults.connection.idle_timeout;
            let connection = ConnectionSettings { idle_timeout, ..connection_settings() };
            let settings = ClientSettings { connection, versions: versions.clone(), ..defaults };
            let client = ClientEndpoint::new(settings).map_err(OriginError::Socket)?;
            let client = Arc::new(client.traced(qlog));
            // Relays that this origin dials are asked for tokens by nobody.
            let open = Access::load(&AccessSettings::default())?;
            let link = |address| RelayLink {
                address,
                trust: trust.clone(),
                credential: credential.clone(),
                client: client.clone(),
                publications: publications.clone(),
                access: open.clone(),
            };
            publish.into_iter().map(link).collect()
        };
        let http = http.map(listen_http).transpose()?;
        Ok(Self { endpoint, certificates, hash_directory, http, metrics: None, links, publications, access, sources })
    }

    /// Shows these metrics on the admin address.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The UDP addresses sessions are accepted on, with their real ports.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.endpoint.as_ref().map(ServerEndpoint::local_addresses).unwrap_or_default()
    }

    /// The admin address, with its real port.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Hashes of the certificate in service, as `serverCertificateHashes` takes them.
    #[must_use]
    pub fn certificate_hashes(&self) -> Vec<CertificateHash> {
        self.certificates.as_ref().map(|(store, _)| store.hashes()).unwrap_or_default()
    }

    /// Ingests, serves and publishes until shutdown: GOAWAY when it begins, the end of every session at
    /// its deadline. No task and no command outlives this future, not even if it is dropped.
    pub async fn run(self, shutdown: Shutdown) {
        let addresses = self.addresses();
        let Self { endpoint, certificates, hash_directory, http, metrics, links, publications, access, sources } = self;
        // Ended after the sessions: viewers are served to the last.
        let mut background = JoinSet::new();
        // End by themselves once shutdown has begun.
        let mut sessions = JoinSet::new();
        for (source, publisher) in sources {
            background.spawn(ingest::run(source, publisher));
        }
        if let Some((_, mut watcher)) = certificates {
            tracing::info!(?addresses, "serving");
            publish_hashes(&mut watcher, hash_directory, &addresses);
            background.spawn(async move { match watcher.run().await {} });
        }
        let keys = access.clone();
        background.spawn(async move { match keys.run().await {} });
        if let Some(metrics) = metrics.clone() {
            background.spawn(async move { match metrics.run_upkeep().await {} });
        }
        if let Some(listener) = http {
            let router = admin::router(metrics, publications.clone(), shutdown.clone());
            let shutdown = shutdown.clone();
            sessions.spawn(async move {
                serve_http(vec![listener], router, &HttpSettings::default(), &shutdown).await;
            });
        }
        let client = links.first().map(|link| link.client.clone());
        for link in links {
            sessions.spawn(link.run(shutdown.clone()));
        }
        if let Some(endpoint) = &endpoint {
            server::run(endpoint, &publications, &access, &shutdown).await;
        }
        shutdown.begun().await;
        while sessions.join_next().await.is_some() {}
        background.shutdown().await;
        // Peers get a moment to hear the end; who does not answer is not waited for.
        let heard = async {
            if let Some(endpoint) = endpoint {
                endpoint.wait_idle().await;
            }
            if let Some(client) = client {
                client.wait_idle().await;
            }
        };
        let _ = timeout(CLOSE_MARGIN / 2, heard).await;
    }
}

fn listen_http(address: SocketAddr) -> Result<TcpListener, OriginError> {
    process::listen(address).map_err(|source| OriginError::Http { address, source })
}

fn endpoint_settings(addresses: Vec<SocketAddr>, versions: Vec<Version>) -> EndpointSettings {
    EndpointSettings {
        addresses,
        versions,
        max_pending_handshakes: MAX_HANDSHAKES,
        connection: connection_settings(),
        ..EndpointSettings::default()
    }
}

/// A relay has one request stream for every track and FETCH it wants.
fn connection_settings() -> ConnectionSettings {
    ConnectionSettings { max_incoming_bidi: SESSION_REQUESTS as u32, ..ConnectionSettings::default() }
}

/// Lets clients of this user on this computer find the certificate by the port.
fn publish_hashes(watcher: &mut Watcher, directory: Option<PathBuf>, addresses: &[SocketAddr]) {
    let (Some(directory), Some(address)) = (directory, addresses.first()) else { return };
    if let Err(error) = watcher.publish_hashes(&directory, address.port()) {
        tracing::warn!(%error, "clients on this computer must be told the certificate hash");
    }
}
