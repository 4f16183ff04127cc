//! The reseller's bounds: unit and reason.

use std::time::Duration;

/// Lines of one basket: what a person fills by hand, and what the solver plans in time.
pub(crate) const MAX_LINES: usize = 50;

/// Pieces of one line: keeps sums far within 64 bits.
pub(crate) const MAX_QUANTITY: i64 = 999;

/// Minor units of the price of one piece, ten million euros: keeps sums far within 64 bits and 2^53.
pub(crate) const MAX_PRICE: i64 = 1_000_000_000;

/// Baskets solved at the same time: one core is left to everybody else.
pub(crate) const MAX_SOLVERS: usize = 1;

/// Shops that may sell the same GTIN to one line, cheapest first: bounds the program.
pub(crate) const MAX_CHOICES: usize = 8;

/// Holds asked for one part of an order, should they run out while a pharmacist is awaited.
pub(crate) const MAX_HOLDS: u32 = 3;

/// First wait after a shop did not answer; doubles.
pub(crate) const FIRST_RETRY: Duration = Duration::from_millis(200);

/// Longest wait between two tries of the same action.
pub(crate) const LAST_RETRY: Duration = Duration::from_secs(60);

/// First wait for news before the reseller asks itself; doubles.
pub(crate) const FIRST_LOOK: Duration = Duration::from_secs(5);

/// Longest wait for news before the reseller asks itself.
pub(crate) const LAST_LOOK: Duration = Duration::from_secs(600);

/// Offers asked of a shop at once: one page of its feed, one statement here.
pub(crate) const OFFERS_PER_PAGE: usize = 500;

/// Longest wait before a feed or a medicine is looked at again after failures.
pub(crate) const LAST_POLL: Duration = Duration::from_secs(300);

/// Medicines whose availability is kept: those asked for most recently.
pub(crate) const MEDICINES_KEPT: i64 = 500;

/// Medicines looked at in one round, so that a round is short.
pub(crate) const MEDICINES_PER_ROUND: i64 = 20;

/// Medicines of the pharmacy that are looked at though nobody asked.
pub(crate) const MEDICINES_DEFAULT: usize = 20;

/// Orders driven at the same time by one process: each waits for other services most of the time.
pub(crate) const MAX_DRIVEN: usize = 64;

/// Rounds of one order before others get their turn.
pub(crate) const MAX_ROUNDS: usize = 16;

/// Longest pause of a driver that has nothing to do.
pub(crate) const IDLE: Duration = Duration::from_millis(500);

/// Entries of a history that are read at once.
pub(crate) const HISTORY_PER_PAGE: i64 = 200;
