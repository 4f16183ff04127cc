//! Bounds of the order book, with their units and reasons.

use std::time::Duration;

/// Lines in one order. A big basket has fifty; the limit keeps one order from holding up a whole commit.
pub(super) const LINES: usize = 100;

/// Units of one thing in one line. More is a typing error or an attack on the stock; sums stay far inside 64 bits.
pub(super) const QUANTITY: i64 = 10_000;

/// Characters of a reference, payment or reason: they go into every copy of the order.
pub(super) const TEXT: usize = 200;

/// Products whose fixed parts are kept in memory for the writer; at the limit it begins anew. Some 100 MB at the most.
pub(super) const KNOWN_PRODUCTS: usize = 65_536;

/// Answers in the read cache, one per product and language; the least used leave. Some 80 MB at the most.
pub(super) const CACHED_ANSWERS: u64 = 65_536;

/// How long a cached answer about a product is given: so old may `available` be.
pub(super) const CACHE_TIME: Duration = Duration::from_secs(2);

/// How long a product is answered as sold out without asking the database. Another process may have got more, so not long.
pub(super) const SOLD_OUT_TIME: Duration = Duration::from_secs(1);

/// Products known to be sold out at a time; more are found out by the database.
pub(super) const SOLD_OUT: usize = 16_384;

/// Keys of orders that are remembered so that their repeats are not taken for latecomers; some 2 MB. Beyond the last so many
/// orders a repeat is long overdue.
pub(super) const REPEATS: usize = 65_536;

/// Orders that one sweep ends or dispatches in one transaction, so that others get their turn.
pub(super) const SWEEP: i64 = 500;

/// Between two sweeps with nothing left to do.
pub(super) const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// How long a process keeps the duty to sweep without asking again.
pub(super) const SWEEP_LEASE: Duration = Duration::from_secs(10);

/// Products that one look at the stock announces to partners.
pub(super) const ANNOUNCE: i64 = 500;

/// Between two looks at the stock for what partners should be told.
pub(super) const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// Of so many parts of the time, such a look gets one.
pub(super) const ANNOUNCE_SHARE: u32 = 50;

/// Offers in one page of the partners' feed.
pub(super) const OFFERS_PER_PAGE: i64 = 1000;

/// Products that are written in one statement when a catalogue is filled: parameters stay below a few megabytes.
pub(super) const FILL: usize = 2000;

/// Differences that an audit names; it counts all.
pub(super) const AUDIT_NAMED: usize = 20;
