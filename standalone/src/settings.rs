//! Settings of the whole process: each role's own, under its name.

use std::net::{Ipv4Addr, SocketAddr};

use commerce::CommerceSettings;
use process::{LogSettings, SettingsArguments};
use relay::RelaySettings;
use serde::{Deserialize, Serialize};

/// Settings of `efir-standalone`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StandaloneSettings {
    /// As `efir-relay`'s; the origin in this process is added to its upstreams.
    pub relay: RelaySettings,
    /// As `efir-origin`'s, but it listens on a free port of this machine unless another address is named.
    pub origin: origin::Settings,
    /// As `efir-commerce`'s, on the relay's HTTP ports unless `listen` names others. Demo tokens are handed out unless `demo`
    /// is set to false or the relay listens beyond this machine.
    pub commerce: CommerceSettings,
    /// Logs of the process, in place of the roles' own.
    pub log: LogSettings,
}

impl Default for StandaloneSettings {
    fn default() -> Self {
        let OwnDefaults { commerce: OwnCommerce { listen, demo }, log: OwnLog { level } } = OwnDefaults::default();
        let log = LogSettings { level: level.to_owned(), ..LogSettings::default() };
        let commerce = CommerceSettings { listen, demo, ..CommerceSettings::default() };
        Self { relay: RelaySettings::default(), origin: origin::Settings::default(), commerce, log }
    }
}

/// What is another default here than in the roles by themselves, also if other keys of the role are set.
#[derive(Debug, Default, Serialize)]
pub(crate) struct OwnDefaults {
    commerce: OwnCommerce,
    log: OwnLog,
}

#[derive(Debug, Serialize)]
struct OwnCommerce {
    listen: Vec<SocketAddr>,
    demo: bool,
}

impl Default for OwnCommerce {
    fn default() -> Self {
        Self { listen: Vec::new(), demo: true }
    }
}

#[derive(Debug, Serialize)]
struct OwnLog {
    level: &'static str,
}

impl Default for OwnLog {
    fn default() -> Self {
        Self { level: "warn" }
    }
}

/// Origin, relay, shops and HTTP in one process: live video over QUIC on this machine, at once
#[derive(Debug, Clone, clap::Parser, Serialize)]
#[command(
    name = "efir-standalone",
    version,
    after_help = "\
Examples:
  efir-standalone                        the built-in clip on UDP 4443, HTTP on 8080
  efir-standalone film.mp4               your own file, in a loop
  efir-standalone --port 0 --http-port 0 --json
                                         free ports, printed as one line of JSON for scripts

Environment: EFIR_RELAY__LINGER_MS=1000 sets relay.linger_ms, and so on.
Exit codes: 0 stopped as asked, 1 failed, 2 settings or usage wrong."
)]
pub struct Flags {
    /// Flags of all servers
    #[command(flatten)]
    #[serde(skip)]
    pub common: SettingsArguments,
    /// MP4 file, `-` for fragmented MP4 on standard input, or `sample` for the built-in clip
    #[serde(skip)]
    source: Option<String>,
    /// UDP port for QUIC, WebTransport and HTTP/3 [default: 4443]
    #[arg(long, value_name = "PORT")]
    #[serde(skip)]
    port: Option<u16>,
    /// TCP port for HTTP [default: 8080]
    #[arg(long, value_name = "PORT")]
    #[serde(skip)]
    http_port: Option<u16>,
    /// Print the bound addresses as one line of JSON on standard output
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// The settings that flags set; what is `None` they leave alone.
#[derive(Debug, Serialize)]
pub(crate) struct Layer {
    relay: RelayLayer,
    origin: OriginLayer,
}

#[derive(Debug, Serialize)]
struct RelayLayer {
    listen: Option<[SocketAddr; 2]>,
    http_port: Option<u16>,
}

#[derive(Debug, Serialize)]
struct OriginLayer {
    broadcasts: Option<[BroadcastLayer; 1]>,
}

#[derive(Debug, Serialize)]
struct BroadcastLayer {
    source: String,
}

impl Flags {
    pub(crate) fn layer(&self) -> Layer {
        let both = |port| [(Ipv4Addr::LOCALHOST, port).into(), (std::net::Ipv6Addr::LOCALHOST, port).into()];
        Layer {
            relay: RelayLayer { listen: self.port.map(both), http_port: self.http_port },
            origin: OriginLayer { broadcasts: self.source.clone().map(|source| [BroadcastLayer { source }]) },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use process::SettingsLayers;

    use super::{OwnDefaults, StandaloneSettings};

    fn load(variables: &[(&str, &str)]) -> StandaloneSettings {
        let mut layers = SettingsLayers::new();
        layers.defaults(&OwnDefaults::default()).unwrap();
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        layers.environment(variables).unwrap();
        layers.load().unwrap()
    }

    #[test]
    fn one_key_of_a_role_leaves_the_others_as_they_are() {
        for variables in [&[][..], &[("EFIR_COMMERCE__SEED", "true"), ("EFIR_LOG__FORMAT", "json")]] {
            let settings = load(variables);
            assert!(settings.commerce.demo && settings.commerce.listen.is_empty(), "{variables:?}");
            assert_eq!(settings.log.level, StandaloneSettings::default().log.level);
        }
        let settings = load(&[("EFIR_COMMERCE__DEMO", "false"), ("EFIR_COMMERCE__LISTEN", "['127.0.0.1:1']")]);
        assert!(!settings.commerce.demo && settings.commerce.listen.len() == 1);
    }
}
