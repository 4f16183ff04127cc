//! Bounds of calls between actors.

use std::time::Duration;

/// How long one try may take: longer than a request may take at the other end, so that its answer is heard.
pub(crate) const PEER_TIMEOUT: Duration = Duration::from_secs(15);

/// Tries of one call whose connection fails: the second meets a fresh connection in place of one that went stale.
pub(super) const PEER_TRIES: u32 = 2;

/// When a customer should ask again after a peer did not answer.
pub(super) const PEER_TRY_AGAIN: Duration = Duration::from_secs(2);

/// Bytes of an answer: a full page of offers several times over.
pub(super) const PEER_ANSWER: usize = 16 * 1024 * 1024;

/// Failures in a row after which a peer is left alone.
pub(super) const PEER_FAILURES: u32 = 5;

/// First and longest time for which a peer is left alone.
pub(super) const PEER_REST: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
