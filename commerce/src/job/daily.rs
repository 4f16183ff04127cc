//! Work of every day: each day's job pushes the next day's, keyed by the day, so that all processes together run it once.

use std::time::Duration;

use crate::clock::Timestamp;

/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;

/// The first day (counted from 1970) whose job, `at` after midnight UTC, is still to come, and how long until then.
pub(super) fn next(now: Timestamp, at: Duration) -> (i64, Duration) {
    let at = i64::try_from(at.as_millis()).unwrap_or(0).rem_euclid(DAY);
    let day = (now.0 - at).div_euclid(DAY) + 1;
    (day, now.until(Timestamp(day * DAY + at)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{DAY, next};
    use crate::clock::Timestamp;

    proptest! {
        #[test]
        fn always_within_a_day_and_never_twice(now in 0_i64..4_000_000_000_000, at in 0_u64..86_400) {
            let at = Duration::from_secs(at);
            let (day, wait) = next(Timestamp(now), at);
            prop_assert!(!wait.is_zero() && wait <= Duration::from_millis(DAY as u64));
            let due = Timestamp(now).after(wait);
            prop_assert_eq!(due.0, day * DAY + at.as_millis() as i64);
            // At its own moment the next one is tomorrow's.
            prop_assert_eq!(next(due, at), (day + 1, Duration::from_millis(DAY as u64)));
        }
    }
}
