//! Relays under test.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use process::{Metrics, Shutdown};
use relay::{LoadError, Relay, RelaySettings, Shared, UpstreamSettings};
use tokio::task::JoinHandle;
use transport::TrustSettings;

use super::within;

/// A relay that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct RunningRelay {
    /// Where sessions are accepted.
    pub address: SocketAddr,
    /// Where HTTP is served over TCP.
    pub http: SocketAddr,
    /// Where HTTPS is served over TCP, if it is.
    pub https: Option<SocketAddr>,
    /// SHA-256 of its certificate.
    pub certificate_hash: [u8; 32],
    /// Asks it to stop.
    pub shutdown: Shutdown,
    running: Option<JoinHandle<()>>,
}

/// Settings on free ports of 127.0.0.1, with short waits.
pub fn settings() -> RelaySettings {
    RelaySettings {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        http_port: 0,
        linger_ms: 200,
        drain_ms: 300,
        ..RelaySettings::default()
    }
}

/// An upstream at a UDP address, over raw QUIC.
pub fn upstream(address: SocketAddr) -> UpstreamSettings {
    UpstreamSettings { url: format!("moqt://{address}"), ..UpstreamSettings::default() }
}

/// A UDP port that nobody uses now.
///
/// # Panics
/// There is none.
pub fn free_port() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Metrics of this process, which all servers of its tests share.
///
/// # Panics
/// Somebody else keeps them.
pub fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| Metrics::install().unwrap()).clone()
}

/// The sum over all series of a metric of this process: other tests of the same binary count too.
pub fn metric(name: &str) -> f64 {
    let text = metrics().render();
    let series = text
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{')));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Relays below one another; the first pulls from `source`, viewers watch at the last.
pub async fn chain(source: SocketAddr, length: usize) -> Vec<RunningRelay> {
    let mut relays = Vec::new();
    let mut above = source;
    for _ in 0..length {
        let relay = RunningRelay::below(&[above]).await;
        above = relay.address;
        relays.push(relay);
    }
    relays
}

impl RunningRelay {
    /// Starts a relay; it trusts any upstream.
    ///
    /// # Panics
    /// It cannot be started.
    pub async fn start(settings: RelaySettings) -> Self {
        Self::start_with(settings, None).await
    }

    /// Starts a relay that keeps its state in this directory.
    ///
    /// # Panics
    /// It cannot be started.
    pub async fn start_in(settings: RelaySettings, state_directory: &Path) -> Self {
        Self::start_with(settings, Some(state_directory.to_owned())).await
    }

    async fn start_with(settings: RelaySettings, state_directory: Option<PathBuf>) -> Self {
        let upstream_trust = Some(TrustSettings::Insecure);
        let shared = Shared { upstream_trust, state_directory, ..Shared::new(metrics()) };
        let bind = async || loop {
            match Relay::load(settings.clone(), shared.clone()).await {
                // A relay that was killed a moment ago gives its socket up in its own time.
                Err(LoadError::Bind(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                loaded => return loaded.unwrap(),
            }
        };
        let relay = within(bind()).await;
        let shutdown = Shutdown::new(Duration::from_secs(5));
        Self {
            address: relay.addresses()[0],
            http: relay.http_addresses()[0],
            https: relay.https_addresses().first().copied(),
            certificate_hash: relay.certificate_hashes()[0],
            shutdown: shutdown.clone(),
            running: Some(tokio::spawn(relay.run(shutdown))),
        }
    }

    /// A relay that pulls from these.
    pub async fn below(upstreams: &[SocketAddr]) -> Self {
        Self::start(RelaySettings { upstream: upstreams.iter().copied().map(upstream).collect(), ..settings() }).await
    }

    /// Waits until the relay has stopped by itself.
    ///
    /// # Panics
    /// It does not stop, or panicked.
    pub async fn stopped(mut self) {
        if let Some(running) = self.running.take() {
            within(running).await.unwrap();
        }
    }

    /// Closes every session at once and waits for the end.
    pub async fn kill(self) {
        self.shutdown.abort();
        self.stopped().await;
    }
}

impl Drop for RunningRelay {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
