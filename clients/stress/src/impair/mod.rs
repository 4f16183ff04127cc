//! A proxy for datagrams that makes a loopback path as bad as a plan says.

mod line;
mod proxy;

use std::time::Duration;

pub use proxy::Proxy;

/// How bad a path is. Everything is per direction and per flow, as if each had a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairment {
    /// Time on the way, one way.
    pub delay: Duration,
    /// Up to so much more, by chance; packets keep their order.
    pub jitter: Duration,
    /// Share of packets that are lost, at least 0 and less than 1.
    pub loss: f64,
    /// Bits per second that pass towards the client; what waits too long is lost.
    pub rate: Option<f64>,
}
