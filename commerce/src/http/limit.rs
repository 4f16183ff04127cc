//! Bounds of requests.

use std::time::Duration;

/// Bytes of an `Idempotency-Key`: a UUID three times over.
pub(crate) const KEY_BYTES: usize = 128;

/// Items on a page unless the caller says how many.
pub(super) const PAGE: u32 = 50;

/// Most items on a page: some hundred kilobytes.
pub(super) const LONGEST_PAGE: u32 = 200;

/// Bytes of a cursor; ours take a tenth of it.
pub(super) const CURSOR_BYTES: usize = 1024;

/// How often a quiet stream of events gives a sign of life: below the 30 s after which proxies hang up.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// After what time a client should come back to a stream that ended.
pub(super) const RECONNECT: Duration = Duration::from_secs(2);
