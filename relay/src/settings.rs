//! What an operator decides: TOML file, then environment (`EFIR_…`), then flags.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use access::{AccessSettings, Credential};
use moqt::Version;
use process::{Contradiction, LogSettings, Secret};
use serde::{Deserialize, Serialize};
use transport::QlogSettings;

/// UDP port that players and other relays know by default.
const DEFAULT_PORT: u16 = 4443;
/// TCP port of the HTTP edge.
const DEFAULT_HTTP_PORT: u16 = 8080;

/// Settings of `efir-relay`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelaySettings {
    /// UDP addresses for QUIC, WebTransport and HTTP/3. Port 0 picks one, the same for all.
    pub listen: Vec<SocketAddr>,
    /// TCP port on both localhost addresses for metrics, health, certificate hash and cached groups; 0 picks one.
    pub http_port: u16,
    /// Drafts of MOQT spoken with clients and upstreams, most wanted first.
    pub drafts: Vec<u16>,
    /// Where tracks come from that nobody announces here, best first.
    pub upstream: Vec<UpstreamSettings>,
    /// Who may publish and who may watch.
    pub access: AccessSettings,
    /// The server's certificate.
    pub certificate: CertificateSettings,
    /// Memory for frames.
    pub memory: MemorySettings,
    /// When a slow viewer is moved to the newest group.
    pub slow_viewer: SlowViewerSettings,
    /// This relay's part in telling where the time of a frame goes.
    pub delay: DelaySettings,
    /// Limits on peers.
    pub limit: LimitSettings,
    /// Milliseconds an upstream subscription outlives its last viewer.
    pub linger_ms: u64,
    /// Milliseconds that viewers of a track whose publisher was lost are kept while the relay looks for another.
    pub resume_ms: u64,
    /// Whether all publishers of a track send at once, and what comes twice is dropped: nothing is missed when one fails, for
    /// as many times the incoming bandwidth. Otherwise one sends and the others stand by.
    pub merge_publishers: bool,
    /// Milliseconds that sessions get to leave after GOAWAY before they are closed.
    pub drain_ms: u64,
    /// HTTP over TCP on localhost.
    pub http: HttpSettings,
    /// HTTPS over TCP on the UDP addresses.
    pub https: HttpsSettings,
    /// Traces of connections.
    pub qlog: QlogSettings,
    /// Logs.
    pub log: LogSettings,
}

/// One upstream: an origin or another relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSettings {
    /// `moqt://host:port` (raw QUIC) or `https://host:port/path` (WebTransport).
    pub url: String,
    /// SHA-256 hashes (hex) of the only certificates to accept. On localhost the development certificate needs none.
    pub certificate_hashes: Vec<String>,
    /// PEM file of the only authority to accept.
    pub ca: Option<PathBuf>,
    /// Token that the upstream wants to see before it serves this relay.
    pub token: Option<Secret>,
    /// File with that token, instead: when it holds another one, a new session shows it before the old one is left.
    pub token_file: Option<PathBuf>,
}

impl UpstreamSettings {
    /// What is shown to the upstream.
    pub(crate) fn credential(&self) -> Result<Credential, Contradiction> {
        Credential::new(self.token.clone(), self.token_file.clone(), "upstream.token_file")
    }
}

/// Where the server's certificate comes from; without files a development certificate is made, and kept in the
/// state directory over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificateSettings {
    /// PEM file with the chain, leaf first; read again when it changes.
    pub file: Option<PathBuf>,
    /// PEM file with its private key.
    pub key: Option<PathBuf>,
    /// More names for the development certificate.
    pub hosts: Vec<String>,
}

/// HTTP over TCP on localhost, and what is served over HTTP at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Connections served at a time on localhost; more wait in the operating system's queue.
    pub max_connections: usize,
    /// Whether the player's page and scripts are served, on every port for HTTP.
    pub page: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { max_connections: process::HttpSettings::default().max_connections, page: true }
    }
}

/// HTTPS over TCP, on the number of the UDP port: for browsers that cannot do UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpsSettings {
    /// `false` for none, `true` to fail if the port is taken; by default it is served if the port is free.
    pub enabled: Option<bool>,
    /// Connections served at a time, handshakes included; more wait in the operating system's queue.
    pub max_connections: usize,
}

impl Default for HttpsSettings {
    fn default() -> Self {
        Self { enabled: None, max_connections: process::HttpSettings::default().max_connections }
    }
}

/// One byte budget for live logs and cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemorySettings {
    /// Hard ceiling in bytes on everything kept of frames, bookkeeping included.
    pub limit_bytes: u64,
    /// Bytes of that which the frame cache may fill; live logs take room back from it.
    pub cache_bytes: u64,
    /// Seconds a group stays in the cache.
    pub cache_seconds: u64,
    /// Bytes that one track's live log may hold.
    pub track_bytes: u64,
    /// Newest groups of a track kept in its live log.
    pub track_groups: usize,
}

/// The slow-viewer policy; all of it counts from the viewer's own position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlowViewerSettings {
    /// Groups behind the live edge.
    pub groups: usize,
    /// Milliseconds since the group being sent was superseded by a newer one.
    pub milliseconds: u64,
    /// Bytes behind the live edge.
    pub bytes: u64,
}

/// Delay stamps on objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DelaySettings {
    /// Add this relay to the stamps of tracks that carry them.
    pub stamp: bool,
    /// Stamp tracks that carry none, from here on: for publishers of others.
    pub foreign: bool,
}

/// Bounds on what peers may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Connections, handshakes included; further ones are refused.
    pub connections: usize,
    /// Handshakes under way; half of it makes newcomers prove their address first.
    pub handshakes: usize,
    /// Tracks open at once; further ones are refused with EXCESSIVE_LOAD.
    pub tracks: usize,
    /// Live requests of one session; further ones are refused with EXCESSIVE_LOAD.
    pub requests_per_session: usize,
    /// Live tracks read over HTTP at once, each a body without end; further ones are answered 503.
    pub http_live: usize,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into(), (Ipv6Addr::LOCALHOST, DEFAULT_PORT).into()],
            http_port: DEFAULT_HTTP_PORT,
            drafts: Version::ALL.map(Version::draft).to_vec(),
            upstream: Vec::new(),
            access: AccessSettings::default(),
            certificate: CertificateSettings::default(),
            memory: MemorySettings::default(),
            slow_viewer: SlowViewerSettings::default(),
            delay: DelaySettings::default(),
            limit: LimitSettings::default(),
            linger_ms: 5_000,
            resume_ms: 30_000,
            merge_publishers: false,
            drain_ms: 5_000,
            http: HttpSettings::default(),
            https: HttpsSettings::default(),
            qlog: QlogSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for MemorySettings {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            limit_bytes: 512 * MIB,
            cache_bytes: 384 * MIB,
            cache_seconds: 120,
            track_bytes: 64 * MIB,
            track_groups: 3,
        }
    }
}

impl Default for SlowViewerSettings {
    fn default() -> Self {
        Self { groups: 2, milliseconds: 2_000, bytes: 16 * 1024 * 1024 }
    }
}

impl Default for DelaySettings {
    fn default() -> Self {
        Self { stamp: true, foreign: false }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { connections: 10_000, handshakes: 256, tracks: 10_000, requests_per_session: 1024, http_live: 1024 }
    }
}

impl RelaySettings {
    /// How long an upstream subscription outlives its last viewer.
    pub(crate) fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms)
    }

    /// How long viewers of a lost track are kept.
    pub(crate) fn resume(&self) -> Duration {
        Duration::from_millis(self.resume_ms)
    }

    /// How long sessions get to leave after GOAWAY.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// The drafts to speak, most wanted first.
    pub(crate) fn versions(&self) -> Vec<Version> {
        self.drafts.iter().filter_map(|draft| Version::from_draft(*draft)).collect()
    }

    /// What makes no sense together.
    ///
    /// # Errors
    /// The first contradiction, in the operator's words.
    pub fn check(&self) -> Result<(), Contradiction> {
        let MemorySettings { limit_bytes, cache_bytes, track_bytes, track_groups, cache_seconds } = &self.memory;
        let problem = |key: &str, reason: &str| Err(Contradiction::new(key, reason));
        if self.listen.is_empty() {
            return problem("listen", "names no address");
        }
        if self.drafts.is_empty() || self.versions().len() != self.drafts.len() {
            return problem("drafts", "must name drafts of MOQT that are spoken here: 18, 16");
        }
        if cache_bytes > limit_bytes {
            return problem("memory.cache_bytes", "is over memory.limit_bytes");
        }
        if track_bytes > limit_bytes {
            return problem("memory.track_bytes", "is over memory.limit_bytes");
        }
        if *track_groups < 2 {
            return problem(
                "memory.track_groups",
                "must be at least 2: the group being filled and the newest complete one",
            );
        }
        if *cache_seconds == 0 {
            return problem("memory.cache_seconds", "must be at least 1");
        }
        if self.certificate.file.is_some() != self.certificate.key.is_some() {
            return problem("certificate", "needs both file and key, or neither");
        }
        for upstream in &self.upstream {
            upstream.credential()?;
        }
        self.access.check()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use process::SettingsLayers;

    use super::*;
    use crate::flags::Flags;

    #[test]
    fn defaults_are_valid_and_survive_toml() {
        let settings = RelaySettings::default();
        assert_eq!(settings.check(), Ok(()));
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<RelaySettings>(&text).unwrap(), settings);
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let text = "http_port = 1\nlinger_ms = 11\ndrain_ms = 12\n[memory]\ntrack_groups = 7\n[[upstream]]\nurl = 'moqt://file:1'\n";
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        let mut layers = SettingsLayers::new();
        layers.file(file.path()).unwrap();
        let environment = [("EFIR_HTTP_PORT", "2"), ("EFIR_LINGER_MS", "21"), ("EFIR_MEMORY__CACHE_SECONDS", "9")];
        layers.environment(environment.map(|(name, value)| (name.into(), value.into()))).unwrap();
        let flags = ["efir-relay", "--http-port", "3", "--upstream", "moqt://flag:1", "--listen", "[::1]:4000"];
        layers.flags(&Flags::try_parse_from(flags).unwrap()).unwrap();
        let settings: RelaySettings = layers.load().unwrap();
        assert_eq!((settings.http_port, settings.linger_ms, settings.drain_ms), (3, 21, 12));
        assert_eq!((settings.memory.track_groups, settings.memory.cache_seconds), (7, 9));
        assert_eq!(settings.memory.limit_bytes, MemorySettings::default().limit_bytes);
        assert_eq!(
            settings.upstream.iter().map(|upstream| upstream.url.as_str()).collect::<Vec<_>>(),
            ["moqt://flag:1"]
        );
        assert_eq!(settings.listen, ["[::1]:4000".parse().unwrap()]);
    }

    #[test]
    fn flags_that_cannot_be_are_refused() {
        for wrong in [["--upstream", "http://x"], ["--listen", "localhost"], ["--http-port", "70000"]] {
            assert!(Flags::try_parse_from(["efir-relay"].iter().chain(&wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn contradictions_are_named() {
        let mut settings = RelaySettings::default();
        settings.memory.cache_bytes = settings.memory.limit_bytes + 1;
        let problem = settings.check().unwrap_err().to_string();
        assert!(problem.contains("memory.cache_bytes"), "{problem}");
        for drafts in [vec![], vec![18, 17]] {
            let problem = RelaySettings { drafts, ..RelaySettings::default() }.check().unwrap_err().to_string();
            assert!(problem.contains("drafts"), "{problem}");
        }
        assert!(toml::from_str::<RelaySettings>("[memory]\nlimit = 3").unwrap_err().to_string().contains("limit"));
    }
}
