//! Relays, publishers and viewers in one process, over real QUIC on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

mod arena;
mod faulty;
mod http;
mod origin;
mod publisher;
mod relay;
mod viewer;

use std::time::Duration;

use moqt::{FullTrackName, Location, Namespace};
use tokio::task::JoinHandle;

pub use arena::{Arena, PROTOCOL_VIOLATION, violations};
pub use faulty::{FaultyRelay, Wrong};
pub use http::{HttpAnswer, http_get, http_post};
pub use origin::RunningOrigin;
pub use publisher::{Dialed, Listening, PublishedTrack, Publisher, payload};
pub use relay::{RunningRelay, chain, free_port, metric, metrics, settings, upstream};
pub use viewer::{Arrival, Carrier, Frames, Viewer};

/// Longest that any awaited step of a test may take.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Waits, but not for ever.
///
/// # Panics
/// It takes too long.
pub async fn within<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, step).await.expect("a step of the test took too long")
}

/// Waits until something is so that nobody tells of.
///
/// # Panics
/// It takes too long.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let poll = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, poll).await.is_ok(), "never came: {what}");
}

/// A track's full name from its text form, `field-field--name`.
///
/// # Panics
/// The text is no name.
pub fn track(text: &str) -> FullTrackName {
    text.parse().unwrap()
}

/// A namespace from its text form, `field-field`.
///
/// # Panics
/// The text is no namespace.
pub fn namespace(text: &str) -> Namespace {
    text.parse().unwrap()
}

/// Short for a location.
pub fn at(group: u64, object: u64) -> Location {
    Location { group, object }
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }

    /// Waits until everything that it held is dropped.
    pub(crate) async fn end(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
