//! Bounds of the middleware that are not settings.

use std::time::Duration;

/// Callers whose rates are remembered, about 50 bytes each. With more than that within one window they share
/// [`SHARED_ALLOWANCES`] until it is quieter.
pub(super) const CALLERS: usize = 100_000;

/// Allowances for a crowd: so few that they add no memory, so many that one flood does not stop everybody.
pub(super) const SHARED_ALLOWANCES: u64 = 8192;

/// After how many requests the callers that have used nothing lately are forgotten.
pub(super) const FORGET_EVERY: u64 = 16_384;

/// Bytes of a request id that a caller chose.
pub(super) const REQUEST_ID_BYTES: usize = 64;

/// Bytes of a body from which compression pays.
pub(super) const COMPRESS_FROM: u16 = 1024;

/// How many requests between our own services may be under way for each place that callers from outside have: work that was
/// let in must be able to end.
pub(super) const INSIDE_SHARE: usize = 2;

/// When somebody who was turned away for want of room should come back.
pub(super) const COME_BACK: Duration = Duration::from_secs(1);
