//! Bounds of the grocery, with their units and reasons.

use std::time::Duration;

/// Promotions of one product that are looked at for one price; staff cannot make more that overlap.
pub(super) const PER_PRODUCT: usize = 20;

/// Promotions whose beginning or end one round tells partners of.
pub(super) const TOLD: i64 = 200;

/// Between two looks for promotions that began or ended.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long a process keeps the duty to tell without asking again.
pub(super) const TELL_LEASE: Duration = Duration::from_secs(10);

/// Units of a promotion; sums stay far inside 64 bits.
pub(super) const UNITS: i64 = 1_000_000_000;

/// Characters of a promotion's name in one language.
pub(super) const NAME: usize = 200;
