//! The command line of `efir-relay`.

use std::net::SocketAddr;

use process::SettingsArguments;
use serde::Serialize;

use crate::settings::UpstreamSettings;

/// A relay for live video over QUIC: one upstream subscription per track, many viewers, a bounded frame cache
#[derive(Debug, clap::Parser, Serialize)]
#[command(
    name = "efir-relay",
    version,
    after_help = "\
Examples:
  efir-relay                                        publishers announce themselves on UDP 4443
  efir-relay --upstream moqt://origin.example:4443  pull from an origin or another relay
  efir-relay --listen 127.0.0.1:0 --http-port 0     free ports, printed in the log
  efir-relay --settings relay.toml --check          is the file right?

Operator, on localhost only: GET /metrics, GET /readyz, and
  curl -H 'content-type: application/json' -d '{\"uri\": \"moqt://other.example:4443\"}' http://localhost:8080/drain
asks every session to move there (timeout_ms: by when).

Environment: EFIR_MEMORY__LIMIT_BYTES=268435456 sets memory.limit_bytes, and so on.
Exit codes: 0 stopped as asked, 1 failed, 2 settings or usage wrong."
)]
pub struct Flags {
    /// Flags of all servers.
    #[command(flatten)]
    #[serde(skip)]
    pub common: SettingsArguments,
    /// UDP address to listen on; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listen: Vec<SocketAddr>,
    /// TCP port on localhost for metrics, health and cached groups
    #[arg(long, value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    http_port: Option<u16>,
    /// Milliseconds an upstream subscription outlives its last viewer
    #[arg(long, value_name = "MILLISECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    linger_ms: Option<u64>,
    /// Origin or relay to pull from; may be repeated, best first
    #[arg(long, value_name = "URL", value_parser = upstream)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream: Vec<UpstreamSettings>,
}

fn upstream(url: &str) -> Result<UpstreamSettings, transport::AddressError> {
    url.parse::<transport::Address>()?;
    Ok(UpstreamSettings { url: url.to_owned(), ..UpstreamSettings::default() })
}
