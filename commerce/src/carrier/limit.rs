//! Bounds of the carrier simulator, with their units and reasons.

use std::time::Duration;

/// Steps of journeys that one turn takes: one commit of some milliseconds.
pub(crate) const STEPS_PER_TURN: i64 = 128;

/// Reports that one turn sends.
pub(crate) const REPORTS_PER_TURN: i64 = 64;

/// Reports on their way to the courier at the same time.
pub(crate) const REPORTS_AT_ONCE: usize = 8;

/// First and longest wait before a report is sent again.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(200);
/// See [`RETRY_FIRST`].
pub(crate) const RETRY_LONGEST: Duration = Duration::from_secs(600);

/// Tries of one report: some three days. After that the courier has to ask.
pub(crate) const RETRIES: i64 = 440;

/// Longest sleep of the loop: work of other processes that share the database is found this late at most.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Parcels of one van's round.
pub(crate) const ROUND: usize = 200;

/// How long the loop's duty is held in one process.
pub(crate) const DUTY: Duration = Duration::from_secs(10);
