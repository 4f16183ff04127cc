//! Bounds of the warehouse: each with its unit and why it is what it is.

use std::time::Duration;

/// Lines of one receipt or shipment. A lorry's delivery note; more come as several receipts.
pub(crate) const LINES: usize = 200;

/// Units of one line: more than any bin holds, and far from where sums of units times grams overflow.
pub(crate) const UNITS: i64 = 1_000_000;

/// Weight in grams and volume in millilitres of one unit: two tonnes, or four cubic metres.
pub(crate) const UNIT_SIZE: i64 = 4_000_000;

/// Characters of a reference, a name, a reason or a lot number.
pub(crate) const TEXT: usize = 120;

/// Shipments without all their goods that are looked at together when goods arrive, oldest first.
pub(crate) const FILL: i64 = 500;

/// Rows that the audit names as wrong. One is enough to act; a flood says no more.
pub(crate) const AUDIT_ROWS: i64 = 200;

/// Shipments that the robots or the courier's driver take up in one round.
pub(crate) const ROUND: i64 = 64;

/// Lots that one round of the search for expired ones takes from the shelves.
pub(crate) const EXPIRED_LOTS: i64 = 200;

/// Between two rounds of the driver when nothing wakes it.
pub(crate) const TICK: Duration = Duration::from_millis(500);

/// Between two counts of the shipments by state, for the metrics.
pub(crate) const GAUGES: Duration = Duration::from_secs(5);

/// First wait before the courier is asked again; doubles each time.
pub(crate) const BOOKING_RETRY: Duration = Duration::from_secs(1);

/// Longest wait before the courier is asked again.
pub(crate) const BOOKING_RETRY_MAX: Duration = Duration::from_secs(60);

/// Grams of the box around a parcel.
pub(crate) const BOX_G: i64 = 250;

/// Times [`FILL`] shipments that are looked at in one transaction: ten thousand, beyond which other writers would wait.
pub(crate) const FILL_ROUNDS: usize = 20;
