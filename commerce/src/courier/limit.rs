//! Bounds of the couriers, with their units and reasons.

use std::time::Duration;

/// Lines of one parcel's history. A parcel sees some ten; a carrier's fault must not fill the disk.
pub(crate) const HISTORY: usize = 200;

/// Bytes of a carrier's report. One event in JSON is below 1 KiB.
pub(crate) const REPORT_BYTES: usize = 64 * 1024;

/// How long the ids of reports are kept: after some minutes a replay is refused by its age already.
pub(crate) const REPORT_IDS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Parcels that one turn of the booking or watching loop takes on: small enough that a stop is quick.
pub(crate) const PARCELS_PER_TURN: i64 = 64;

/// Parcels of a turn that are worked on at the same time: the carrier is one service.
pub(crate) const PARCELS_AT_ONCE: usize = 8;

/// Longest sleep of a loop: work of other processes that share the database is found this late at most.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// First and longest wait before a carrier that was down is asked again.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(200);
/// See [`RETRY_FIRST`].
pub(crate) const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// How long a request to book or cancel waits for the carrier before it answers with what is known.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Between two looks at a parcel that somebody follows: other parcels' commits wake all who follow one.
pub(crate) const FOLLOW_PAUSE: Duration = Duration::from_millis(250);

/// Stops of one day's plan: beyond it the table of distances is too large for the budget. Later ones are reported unassigned.
pub(crate) const STOPS_PER_DAY: usize = 600;

/// Vans of one day's plan.
pub(crate) const VANS: usize = 60;

/// How long planning may take: orders keep the other core meanwhile.
pub(crate) const PLAN_BUDGET: Duration = Duration::from_secs(2);

/// Least time between two plans of one day: a burst of parcels is planned once.
pub(crate) const PLAN_PAUSE: Duration = Duration::from_secs(3);

/// Rounds of the simple planner's improvement of one tour: it ends sooner when nothing gets shorter.
pub(crate) const IMPROVE_ROUNDS: usize = 20;

/// Characters of a place or a detail in a report.
pub(crate) const REPORT_TEXT: usize = 200;

/// Steps that one errand takes in a turn: each carrier asked and refused is two.
pub(crate) const CARRIERS_ASKED: usize = 12;

/// After so long another process may plan a day that one began to plan: far more than a plan takes.
pub(crate) const PLAN_CLAIM: Duration = Duration::from_secs(60);

/// A plan rests for so many times as long as it took: planning takes a tenth of a core at most.
pub(crate) const PLAN_REST: u32 = 9;

/// Until the parcels of a broken van are back at the depot.
pub(crate) const RESCUE: Duration = Duration::from_secs(3600);
