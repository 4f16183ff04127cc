//! Announcements: namespaces this side publishes, and prefixes it listens to.

use moqt::{Namespace, Parameters};
use tokio::sync::mpsc;

use super::error::RequestFailure;
use super::request::{PendingRequest, RequestGuard};
use super::shared::RequestEvent;

/// A namespace this side publishes. Dropping it withdraws the announcement.
#[derive(Debug)]
pub struct NamespacePublication {
    _guard: RequestGuard,
    events: mpsc::Receiver<RequestEvent>,
}

impl NamespacePublication {
    pub(super) fn new(pending: PendingRequest) -> Self {
        Self { _guard: pending.guard, events: pending.events }
    }

    /// Waits until the peer revokes the announcement or the session ends. Cancel safe.
    pub async fn ended(&mut self) {
        while !matches!(self.events.recv().await, Some(RequestEvent::Ended) | None) {}
    }
}

/// Namespaces under a prefix, as they come and go. Dropping it ends the subscription.
#[derive(Debug)]
pub struct NamespaceReader {
    guard: RequestGuard,
    events: mpsc::Receiver<RequestEvent>,
    prefix: Namespace,
    /// Accepted moves whose place among the events was not reached yet: what comes before is void.
    moves: usize,
}

/// A namespace came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceEvent {
    /// This namespace, prefix included, is published now.
    Added(Namespace),
    /// This namespace, prefix included, is published no more.
    Removed(Namespace),
}

impl NamespaceReader {
    pub(super) fn new(pending: PendingRequest, prefix: Namespace) -> Self {
        Self { guard: pending.guard, events: pending.events, prefix, moves: 0 }
    }

    /// The next change; `None` when the peer ended the subscription or the session is over. Suffixes that make a name longer
    /// than the draft allows are skipped. Cancel safe.
    pub async fn next(&mut self) -> Option<NamespaceEvent> {
        loop {
            match self.events.recv().await {
                Some(RequestEvent::Moved(prefix)) => {
                    self.prefix = prefix;
                    self.moves = self.moves.saturating_sub(1);
                }
                Some(RequestEvent::Ended) | None => return None,
                Some(_) if self.moves > 0 => {}
                Some(RequestEvent::NamespaceAdded(suffix)) => {
                    if let Ok(namespace) = self.prefix.join(&suffix) {
                        return Some(NamespaceEvent::Added(namespace));
                    }
                }
                Some(RequestEvent::NamespaceRemoved(suffix)) => {
                    if let Ok(namespace) = self.prefix.join(&suffix) {
                        return Some(NamespaceEvent::Removed(namespace));
                    }
                }
                Some(RequestEvent::Update { .. } | RequestEvent::Done(_)) => {}
            }
        }
    }

    /// Moves to another prefix (REQUEST_UPDATE). What was reported under the old one is void, and what
    /// [`NamespaceReader::next`] returns from then on is under the new one.
    ///
    /// # Errors
    /// The peer refused, which ends the subscription, did not answer in time, or the session ended.
    pub async fn move_to(&mut self, prefix: Namespace) -> Result<(), RequestFailure> {
        let parameters = Parameters { namespace_prefix: Some(prefix), ..Parameters::default() };
        self.guard.update(parameters).await?;
        self.moves += 1;
        Ok(())
    }
}

/// A running SUBSCRIBE_TRACKS. Dropping it ends it; tracks already offered stay.
#[derive(Debug)]
pub struct TracksReader {
    _guard: RequestGuard,
    events: mpsc::Receiver<RequestEvent>,
}

impl TracksReader {
    pub(super) fn new(pending: PendingRequest) -> Self {
        Self { _guard: pending.guard, events: pending.events }
    }

    /// Waits until the peer ends it or the session is over. Cancel safe.
    pub async fn ended(&mut self) {
        while !matches!(self.events.recv().await, Some(RequestEvent::Ended) | None) {}
    }
}
