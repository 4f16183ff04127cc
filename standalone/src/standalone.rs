//! The wiring of the process, in order, and nothing else.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use commerce::{Commerce, CommerceSettings, StorageError};
use origin::Origin;
use process::{Metrics, Shutdown};
use relay::{PageLink, Relay, Shared, UpstreamSettings};
use serde::Serialize;
use tempfile::TempDir;

use crate::settings::{Flags, OwnDefaults, StandaloneSettings};

/// Why the process does not start. All of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] process::SettingsError),
    /// Logs cannot be set up.
    #[error(transparent)]
    Log(#[from] process::LogError),
    /// Metrics cannot be set up.
    #[error(transparent)]
    Metrics(#[from] process::MetricsError),
    /// The origin does not start.
    #[error("origin: {0}")]
    Origin(#[from] origin::OriginError),
    /// The relay does not start.
    #[error("relay: {0}")]
    Relay(#[from] relay::LoadError),
    /// The shops do not open.
    #[error("commerce: {0}")]
    Commerce(#[from] commerce::StartError),
    /// There is no room for data that are not kept.
    #[error("temporary folder: {0}")]
    Scratch(#[source] io::Error),
    /// Standard output is gone.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

/// Origin, relay and shops, bound and ready to run.
#[derive(Debug)]
pub struct Standalone {
    origin: Origin,
    relay: Relay,
    commerce: Commerce,
    /// The shops' data if another process has the usual folder; goes with this one.
    _scratch: Option<TempDir>,
    broadcasts: Vec<String>,
}

/// Where the process is reached.
#[derive(Debug, Clone, Serialize)]
pub struct Bound {
    /// UDP addresses of the relay: QUIC, WebTransport, HTTP/3.
    pub relay: Vec<SocketAddr>,
    /// TCP addresses of the HTTP edge.
    pub http: Vec<SocketAddr>,
    /// TCP addresses of HTTPS; none if its port was taken.
    pub https: Vec<SocketAddr>,
    /// UDP addresses of the origin.
    pub origin: Vec<SocketAddr>,
    /// SHA-256 hashes (hex) of the relay's certificate, as `serverCertificateHashes` takes them.
    pub certificate_hashes: Vec<String>,
    /// Broadcasts as `field/field`.
    pub broadcasts: Vec<String>,
}

/// What `efir-standalone` does with its flags: runs until shutdown. Returns at once if they only ask for a check.
///
/// # Errors
/// See [`StartError`].
pub async fn start(flags: Flags, shutdown: Shutdown) -> Result<(), StartError> {
    let check = |settings: &StandaloneSettings| {
        settings.relay.check().and_then(|()| settings.origin.check()).and_then(|()| settings.commerce.check())
    };
    let loaded = process::load_settings_over(&OwnDefaults::default(), &flags.common, &flags.layer(), check)?;
    let Some(settings) = loaded else { return Ok(()) };
    process::init_logs(&settings.log)?;
    let metrics = Metrics::install()?;
    let standalone = Standalone::load(settings, metrics, process::state_directory(), shutdown.clone()).await?;
    let bound = standalone.bound();
    let text = if flags.json { bound.to_json() } else { bound.to_string() };
    io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).map_err(StartError::Output)?;
    Box::pin(standalone.run(shutdown)).await;
    Ok(())
}

impl Standalone {
    /// Binds everything. Needs a tokio runtime. `state_directory` is the relay's: see [`Shared`].
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn load(
        settings: StandaloneSettings,
        metrics: Metrics,
        state_directory: Option<PathBuf>,
        shutdown: Shutdown,
    ) -> Result<Self, StartError> {
        let StandaloneSettings { mut relay, mut origin, mut commerce, log: _ } = settings;
        // Whoever can ask gets a token that opens everything.
        commerce.demo &= relay.listen.iter().all(|address| address.ip().is_loopback());
        // Boxed: a large future, once at start.
        let opened = Box::pin(open_shops(commerce, &metrics, state_directory.clone(), shutdown));
        let (commerce, scratch) = opened.await?;
        if origin.listen == origin::Settings::default().listen {
            // Nobody but this relay needs to find it.
            origin.listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        }
        let broadcasts = origin.broadcasts.iter().map(|broadcast| path_of(broadcast.namespace.fields())).collect();
        let origin = Origin::load(origin).await?;
        let own = origin.addresses().first().map(|address| UpstreamSettings {
            url: format!("moqt://{address}"),
            certificate_hashes: origin.certificate_hashes().iter().map(certs::hash_to_hex).collect(),
            ..UpstreamSettings::default()
        });
        relay.upstream.extend(own);
        let pages = vec![PageLink { name: "Shops", path: "/shop/" }];
        let shared = Shared { state_directory, more: commerce.routes(), pages, ..Shared::new(metrics) };
        let relay = Relay::load(relay, shared).await?;
        Ok(Self { origin, relay, commerce, _scratch: scratch, broadcasts })
    }

    /// Where the process is reached.
    pub fn bound(&self) -> Bound {
        Bound {
            relay: self.relay.addresses(),
            http: self.relay.http_addresses(),
            https: self.relay.https_addresses(),
            origin: self.origin.addresses(),
            certificate_hashes: self.relay.certificate_hashes().iter().map(certs::hash_to_hex).collect(),
            broadcasts: self.broadcasts.clone(),
        }
    }

    /// Runs all roles until shutdown.
    pub async fn run(self, shutdown: Shutdown) {
        tokio::join!(self.origin.run(shutdown.clone()), self.relay.run(shutdown.clone()), self.commerce.run(shutdown));
    }
}

/// Opens the shops; beside another process that has their folder, on data of their own that are not kept.
async fn open_shops(
    settings: CommerceSettings,
    metrics: &Metrics,
    state_directory: Option<PathBuf>,
    shutdown: Shutdown,
) -> Result<(Commerce, Option<TempDir>), StartError> {
    let mut again = settings.clone();
    match Commerce::open(settings, metrics.clone(), state_directory.clone(), shutdown.clone()).await {
        Err(commerce::StartError::Storage(StorageError::InUse(folder))) => {
            tracing::warn!(folder = %folder.display(), "another process has the shops' data: this one's shops keep nothing");
            let scratch = TempDir::new().map_err(StartError::Scratch)?;
            again.storage.folder = Some(scratch.path().to_owned());
            Ok((Commerce::open(again, metrics.clone(), state_directory, shutdown).await?, Some(scratch)))
        }
        opened => Ok((opened?, None)),
    }
}

fn path_of(fields: &[impl AsRef<[u8]>]) -> String {
    let fields: Vec<_> = fields.iter().map(|field| String::from_utf8_lossy(field.as_ref()).into_owned()).collect();
    fields.join("/")
}

impl Bound {
    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
        let (udp, tcp) = (port(&self.relay), port(&self.http));
        writeln!(f, "Efir is on the air. Watch it in a browser:  http://localhost:{tcp}/")?;
        writeln!(f, "The shops are open:                       http://localhost:{tcp}/shop/\n")?;
        for broadcast in &self.broadcasts {
            writeln!(f, "  broadcast     {broadcast}")?;
            writeln!(f, "  WebTransport  https://localhost:{udp}/{broadcast}")?;
            writeln!(f, "  raw QUIC      moqt://localhost:{udp}/{broadcast}")?;
        }
        let broadcast = self.broadcasts.first().map_or("live/demo", String::as_str);
        writeln!(f, "\nTry, in another terminal:\n")?;
        writeln!(f, "  cargo run --release -p cli -- ls https://localhost:{udp}")?;
        writeln!(
            f,
            "  cargo run --release -p cli -- pull https://localhost:{udp}/{broadcast} --duration 10s -o out.mp4"
        )?;
        writeln!(f, "  curl -s http://localhost:{tcp}/metrics | grep ^efir_relay\n\nCtrl-C ends it.")
    }
}
