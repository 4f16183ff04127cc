//! Holds frames back until their time.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use crate::limit::PACE_LAG;

/// Maps media time to the clock: the first frame is due at once, every other one as much later as its
/// decode time says.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    /// When media time zero was, or will be.
    anchor: Option<(Instant, u128)>,
}

impl Pacer {
    /// Waits until the frame at `time` (picoseconds) is due. A frame up to [`PACE_LAG`] late is due at
    /// once and those after it catch up; later than that the clock starts anew. Resolves to when it was
    /// due. Cancel safe.
    pub(crate) async fn wait(&mut self, time: u128) -> SystemTime {
        let now = Instant::now();
        let (start, first) = *self.anchor.get_or_insert((now, time));
        let due = start + duration(time.saturating_sub(first));
        if now > due + PACE_LAG && time > first {
            self.anchor = Some((now, time));
            return SystemTime::now();
        }
        sleep_until(due).await;
        SystemTime::now() - due.elapsed()
    }
}

fn duration(picoseconds: u128) -> Duration {
    Duration::from_nanos(u64::try_from(picoseconds / 1000).unwrap_or(u64::MAX / 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::picoseconds;

    #[tokio::test(start_paused = true)]
    async fn frames_leave_at_their_decode_times() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        for index in 0..60 {
            pacer.wait(picoseconds(90_000 + index * 3003, 90_000)).await;
            let expected = Duration::from_nanos(index * 3003 * 100_000 / 9);
            let late = start.elapsed().saturating_sub(expected);
            assert!(start.elapsed() + Duration::from_nanos(1) >= expected && late <= Duration::from_millis(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_stall_is_caught_up_and_a_long_one_is_not() {
        let mut pacer = Pacer::default();
        pacer.wait(0).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let stalled = Instant::now();
        let due = pacer.wait(picoseconds(1, 2)).await;
        assert_eq!(stalled.elapsed(), Duration::ZERO);
        // The wall clock is not paused.
        let late = due.elapsed().unwrap();
        assert!(late >= Duration::from_millis(500) && late < Duration::from_millis(900), "{late:?}");
        pacer.wait(picoseconds(3, 2)).await;
        assert_eq!(stalled.elapsed().as_millis(), 500);

        tokio::time::advance(Duration::from_secs(60)).await;
        let resumed = Instant::now();
        pacer.wait(picoseconds(2, 1)).await;
        pacer.wait(picoseconds(3, 1)).await;
        assert_eq!(resumed.elapsed().as_secs(), 1, "one frame interval, no burst of the missed minute");
    }
}
