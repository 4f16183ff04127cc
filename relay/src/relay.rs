//! All wiring of the relay, in order, and nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use access::Access;
use certs::{CertificateStore, Watcher};
use fanout::{LogSettings, MemoryBudget, TrackLog, is_reserved};
use moqt::FullTrackName;
use process::{Metrics, Shutdown};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::{Accepted, Address, EndpointSettings, Qlog, ServerEndpoint, TrustSettings};

use crate::cache::{CacheLimits, FrameCache};
use crate::http::Https;
use crate::router::Router;
use crate::settings::{RelaySettings, UpstreamSettings};
use crate::track::{Refusal, Registry, Viewing};
use crate::upstream::{self, Dialer, Upstream};
use crate::{downstream, http, limit};

/// What every task of the relay shares.
#[derive(Debug)]
pub(crate) struct Context {
    /// This relay on requests, so that loops are found.
    pub(crate) id: u64,
    pub(crate) settings: RelaySettings,
    pub(crate) access: Arc<Access>,
    pub(crate) router: Arc<Router>,
    /// The UDP port listened on, once it is.
    pub(crate) port: OnceLock<u16>,
    pub(crate) registry: Registry,
    pub(crate) cache: Arc<FrameCache>,
    pub(crate) budget: MemoryBudget,
    pub(crate) dialer: Dialer,
    /// Cancelled when the relay begins to leave: sessions get GOAWAY.
    pub(crate) drain: CancellationToken,
    /// What GOAWAY says, if the operator said it.
    farewell: OnceLock<Farewell>,
    /// Cancelled at the end: every task stops.
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Peers whose misbehaviour was logged lately.
    pub(crate) logged: process::LogLimit<std::net::IpAddr>,
}

/// Where sessions are to move, and by when.
#[derive(Debug, Clone)]
pub(crate) struct Farewell {
    /// Empty = to this address, once it answers again.
    pub(crate) uri: String,
    pub(crate) timeout: Duration,
}

impl Context {
    /// Needs a tokio runtime.
    pub(crate) fn new(
        settings: RelaySettings,
        upstreams: Vec<Upstream>,
        qlog: Option<Arc<Qlog>>,
    ) -> Result<Arc<Self>, LoadError> {
        let budget = MemoryBudget::new(settings.memory.limit_bytes);
        let cache = Arc::new(FrameCache::new(CacheLimits {
            bytes: settings.memory.cache_bytes,
            time_to_live: Duration::from_secs(settings.memory.cache_seconds),
        }));
        budget.set_reclaim(cache.reclaimer());
        Ok(Arc::new(Self {
            id: random_id(),
            access: Access::load(&settings.access)?,
            router: Arc::new(Router::new(upstreams.len())),
            port: OnceLock::new(),
            registry: Registry::default(),
            cache,
            budget,
            dialer: Dialer::new(upstreams, settings.versions(), qlog).map_err(LoadError::Client)?,
            drain: CancellationToken::new(),
            farewell: OnceLock::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            logged: process::LogLimit::new(),
            settings,
        }))
    }

    /// Asks every session to move. `false`: that was done already.
    pub(crate) fn leave(&self, farewell: Farewell) -> bool {
        let first = !self.drain.is_cancelled() && self.farewell.set(farewell).is_ok();
        if first {
            self.drain.cancel();
        }
        first
    }

    /// What GOAWAY says once the relay leaves.
    pub(crate) fn farewell(&self) -> Farewell {
        let timeout = self.settings.drain();
        self.farewell.get().cloned().unwrap_or_else(|| Farewell { uri: String::new(), timeout })
    }

    /// Runs a task of the relay's own until it ends or the relay stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled_owned(task).await;
        });
    }

    /// The track with this name, or why it is not to be had through this relay.
    pub(crate) fn open(self: &Arc<Self>, name: &FullTrackName, hops: &[u64]) -> Result<Viewing, Refusal> {
        self.open_asking(name, hops, None)
    }

    /// The same for a viewer with a NEW_GROUP_REQUEST.
    pub(crate) fn open_asking(
        self: &Arc<Self>,
        name: &FullTrackName,
        hops: &[u64],
        new_group: Option<u64>,
    ) -> Result<Viewing, Refusal> {
        if let Some(reason) = self.loop_reason(hops) {
            let reason = reason.to_owned();
            return Err(Refusal { code: moqt::RequestErrorCode::DoesNotExist, retry: None, reason, redirect: None });
        }
        if is_reserved(&name.namespace) {
            let reason = format!("{name} is not to be had of others");
            return Err(Refusal { code: moqt::RequestErrorCode::DoesNotExist, retry: None, reason, redirect: None });
        }
        self.registry.open(self, name, hops, new_group).map_err(|error| Refusal {
            code: moqt::RequestErrorCode::ExcessiveLoad,
            retry: Some(limit::MIRROR_RETRY),
            reason: error.to_string(),
            redirect: None,
        })
    }

    /// The hops of a request that goes on upstream from here.
    pub(crate) fn onward(&self, hops: &[u64]) -> Vec<u64> {
        hops.iter().copied().chain([self.id]).collect()
    }

    /// Why a request that came through these relays must not go further.
    pub(crate) fn loop_reason(&self, hops: &[u64]) -> Option<&'static str> {
        if hops.contains(&self.id) {
            tracing::warn!("relays are configured in a loop: a request came back");
            return Some("request came back to this relay: relays are configured in a loop");
        }
        (hops.len() >= limit::HOPS).then_some("request passed too many relays")
    }

    /// A live log for one track, on the common budget.
    pub(crate) fn new_log(&self) -> TrackLog {
        let memory = &self.settings.memory;
        let settings = LogSettings {
            max_groups: memory.track_groups,
            min_age: limit::SHORT_GROUPS,
            max_bytes: memory.track_bytes,
        };
        TrackLog::new(settings, self.budget.clone())
    }
}

/// A relay, bound and ready to run.
#[derive(Debug)]
pub struct Relay {
    context: Arc<Context>,
    endpoint: ServerEndpoint,
    listeners: Vec<TcpListener>,
    routes: axum::Router,
    https: Option<Https>,
    certificates: Arc<CertificateStore>,
    watcher: Watcher,
    metrics: Metrics,
}

/// Why a relay could not be started. The operator's settings or machine are at fault.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A setting contradicts another.
    #[error(transparent)]
    Settings(#[from] process::Contradiction),
    /// An upstream cannot be dialed as configured.
    #[error("upstream {url}: {reason}")]
    Upstream {
        /// As configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key for tokens cannot be used.
    #[error(transparent)]
    Access(#[from] access::KeyError),
    /// The certificate cannot be loaded or made.
    #[error(transparent)]
    Certificate(#[from] certs::CertificateError),
    /// A UDP address cannot be had.
    #[error(transparent)]
    Bind(#[from] transport::BindError),
    /// The HTTP port cannot be had.
    #[error("cannot listen on TCP port {port}: {error}")]
    Http {
        /// As configured.
        port: u16,
        /// The system's words.
        error: std::io::Error,
    },
    /// The TCP port for HTTPS cannot be had, though the settings ask for it.
    #[error("cannot listen on TCP {address} for HTTPS: {error}")]
    Https {
        /// The address in question.
        address: SocketAddr,
        /// The system's words.
        error: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] transport::TlsError),
    /// Traces cannot be written where the settings say.
    #[error("cannot write traces as [qlog] says: {0}")]
    Qlog(std::io::Error),
    /// Sockets for dialing cannot be had.
    #[error("cannot open a socket for dialing: {0}")]
    Client(std::io::Error),
}

/// Parts that a process with several roles shares between them.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Renders what every role counts.
    pub metrics: Metrics,
    /// Trust for upstreams in the same process, instead of what the settings say.
    pub upstream_trust: Option<TrustSettings>,
    /// Where clients of this user on this machine find the certificate's hash, and where development certificates and the secret
    /// that lets peers notice a restart at once are kept over restarts; without it none of these.
    pub state_directory: Option<PathBuf>,
    /// What else this process serves over HTTP, on the relay's ports: paths that are not the relay's.
    pub more: axum::Router,
    /// Pages among them that the player page leads to.
    pub pages: Vec<PageLink>,
}

/// A page that another part of the process serves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PageLink {
    /// What it is called, in English.
    pub name: &'static str,
    /// Where it is: `/…`.
    pub path: &'static str,
}

impl Shared {
    /// A relay that has its process for itself.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, upstream_trust: None, state_directory: None, more: axum::Router::new(), pages: Vec::new() }
    }
}

impl Relay {
    /// Checks the settings, loads the certificate and binds every port. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn load(settings: RelaySettings, shared: Shared) -> Result<Self, LoadError> {
        settings.check()?;
        let (certificates, mut watcher) =
            CertificateStore::load(&certificate_settings(&settings).kept_in(shared.state_directory.as_deref()))?;
        let upstreams = upstreams(&settings, shared.upstream_trust.as_ref())?;
        let qlog = Qlog::start(&settings.qlog).map_err(LoadError::Qlog)?;
        let context = Context::new(settings, upstreams, qlog.clone())?;
        let settings = &context.settings;
        let (public, routes) =
            http::routes(context.clone(), certificates.clone(), shared.metrics.clone(), shared.pages);
        let (public, routes) = (public.merge(shared.more.clone()), routes.merge(shared.more));
        let endpoint = ServerEndpoint::bind(
            EndpointSettings {
                addresses: settings.listen.clone(),
                versions: settings.versions(),
                max_connections: settings.limit.connections,
                max_pending_handshakes: settings.limit.handshakes,
                ..EndpointSettings::default()
            }
            .with_reset_secret(shared.state_directory.as_deref()),
            certificates.clone(),
            Some(transport::HttpService::new(public.clone())),
        )?
        .traced(qlog);
        let port = endpoint.local_addresses().first().map_or(0, SocketAddr::port);
        // The other way round HTTPS would take the port that HTTP was told to have.
        let http = process::bind_localhost(settings.http_port);
        let listeners = http.map_err(|error| LoadError::Http { port: settings.http_port, error })?;
        let https = Https::bind(settings, &endpoint.local_addresses(), certificates.clone(), public)?;
        let _ = context.port.set(port);
        if let Some(directory) = &shared.state_directory {
            watcher.publish_hashes(directory, port)?;
        }
        Ok(Self { context, endpoint, listeners, routes, https, certificates, watcher, metrics: shared.metrics })
    }

    /// The UDP addresses listened on, with their real port.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.endpoint.local_addresses()
    }

    /// The TCP addresses of the HTTP edge, with their real port.
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The TCP addresses of HTTPS, with their real port; none if it is off or its port was taken.
    pub fn https_addresses(&self) -> Vec<SocketAddr> {
        self.https.as_ref().map(Https::addresses).unwrap_or_default()
    }

    /// SHA-256 hashes that clients may pin.
    pub fn certificate_hashes(&self) -> Vec<[u8; 32]> {
        self.certificates.hashes()
    }

    /// Logs where the relay listens.
    pub fn announce(&self) {
        let (udp, http, https) = (self.addresses(), self.http_addresses(), self.https_addresses());
        tracing::info!(?udp, ?http, ?https, "relay is up");
    }

    /// Serves until shutdown: then readiness goes, sessions get GOAWAY and the drain time, and what is left is closed.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { context, endpoint, listeners, routes, https, certificates: _, watcher, metrics } = self;
        // Tasks end with this future, even if it is dropped.
        let _stop = context.stop.clone().drop_guard();
        for (index, upstream) in context.dialer.upstreams().iter().enumerate() {
            context.spawn(upstream::keep(context.clone(), index, upstream.clone()));
        }
        // HTTP tells that the relay is not ready for as long as sessions drain.
        let edge = Shutdown::new(limit::HTTP_GRACE);
        let limits = process::HttpSettings { max_connections: context.settings.http.max_connections };
        let http = process::serve_http(listeners, routes, &limits, &edge);
        let https = async {
            if let Some(https) = https {
                https.serve(&context.settings.https, &edge).await;
            }
        };
        let serve = async {
            tokio::select! {
                () = accept(&context, &endpoint) => {}
                () = drain(&context, &endpoint, &shutdown) => {}
            }
            edge.begin();
        };
        tokio::select! {
            _ = async { tokio::join!(serve, http, https) } => {}
            never = watcher.run() => match never {},
            never = context.access.run() => match never {},
            never = metrics.run_upkeep() => match never {},
        }
        context.stop.cancel();
        context.tasks.close();
        endpoint.close(0, "relay stopped");
        let idle = async {
            context.tasks.wait().await;
            context.dialer.close().await;
            endpoint.wait_idle().await;
        };
        tokio::select! {
            () = idle => {}
            () = shutdown.expired() => tracing::warn!("shutdown deadline passed; some connections were cut"),
        }
    }
}

/// Takes clients in for ever, each on a task of its own.
async fn accept(context: &Arc<Context>, endpoint: &ServerEndpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let peer = incoming.peer();
        let task_context = context.clone();
        context.spawn(async move {
            match incoming.accept().await {
                Ok(Accepted::Session(connection)) => downstream::serve(task_context, connection).await,
                Ok(Accepted::HttpDone) => {}
                Err(error) => {
                    if task_context.logged.permits(peer.ip()) {
                        tracing::info!(%peer, %error, "client refused");
                    }
                }
            }
        });
    }
}

/// Waits for shutdown, then lets sessions leave: GOAWAY first, an end at the drain time or the process's deadline.
async fn drain(context: &Arc<Context>, endpoint: &ServerEndpoint, shutdown: &Shutdown) {
    shutdown.begun().await;
    tracing::info!(connections = endpoint.open_connections(), "draining");
    context.drain.cancel();
    let empty = async {
        while endpoint.open_connections() > 0 {
            tokio::time::sleep(limit::DRAIN_POLL).await;
        }
    };
    tokio::select! {
        () = empty => {}
        () = tokio::time::sleep(context.settings.drain()) => {}
        () = shutdown.expired() => {}
    }
}

fn certificate_settings(settings: &RelaySettings) -> certs::CertificateSettings {
    let defaults = certs::CertificateSettings::default();
    let own = &settings.certificate;
    certs::CertificateSettings {
        certificate: own.file.clone(),
        key: own.key.clone(),
        hosts: defaults.hosts.iter().chain(&own.hosts).cloned().collect(),
        ..defaults
    }
}

fn upstreams(settings: &RelaySettings, shared: Option<&TrustSettings>) -> Result<Vec<Upstream>, LoadError> {
    let one = |upstream: &UpstreamSettings| {
        let wrong = |reason: String| LoadError::Upstream { url: upstream.url.clone(), reason };
        let address: Address =
            upstream.url.parse().map_err(|error: transport::AddressError| wrong(error.to_string()))?;
        let hashes = upstream.certificate_hashes.iter().map(|text| certs::hash_from_hex(text));
        let hashes: Option<Vec<_>> = hashes.collect();
        let hashes = hashes.ok_or_else(|| wrong("certificate hash is not 64 hex digits".to_owned()))?;
        let trust = match (shared, &upstream.ca) {
            (Some(trust), _) => trust.clone(),
            (None, Some(ca)) => TrustSettings::Ca(ca.clone()),
            (None, None) if !hashes.is_empty() => TrustSettings::CertificateHashes(hashes),
            (None, None) => match process::state_directory() {
                Some(directory) => TrustSettings::Development { directory },
                None => TrustSettings::System,
            },
        };
        Ok(Upstream { address, trust, credential: upstream.credential()? })
    };
    settings.upstream.iter().map(one).collect()
}

/// A random number that no other relay has: its place in requests' hop lists.
pub(crate) fn random_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's hasher is seeded from the operating system.
    RandomState::new().hash_one(std::process::id())
}
