//! Pure: what becomes of each datagram on one direction of a bad path.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Impairment;
use crate::limit;

/// One direction of one path.
#[derive(Debug)]
pub(crate) struct Line {
    delay: Duration,
    jitter: Duration,
    loss: f64,
    rate: Option<f64>,
    chance: StdRng,
    /// When the datagrams before are through the narrowest place.
    free_at: Duration,
    /// When the one before arrives: none overtakes it.
    last_out: Duration,
}

impl Line {
    /// `limited`: the rate counts in this direction.
    pub(crate) fn new(path: &Impairment, limited: bool, seed: u64) -> Self {
        Self {
            delay: path.delay,
            jitter: path.jitter,
            loss: path.loss,
            rate: path.rate.filter(|_| limited),
            chance: StdRng::seed_from_u64(seed),
            free_at: Duration::ZERO,
            last_out: Duration::ZERO,
        }
    }

    /// When a datagram that comes `now` leaves at the other end; `None` if it is lost. Times count from any one moment.
    pub(crate) fn admit(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        if self.chance.random_bool(self.loss) {
            return None;
        }
        let mut through = now;
        if let Some(rate) = self.rate {
            let begin = self.free_at.max(now);
            if begin - now > limit::QUEUE_DELAY {
                return None;
            }
            through = begin + Duration::from_secs_f64(bytes as f64 * 8.0 / rate);
            self.free_at = through;
        }
        let jitter = self.jitter.mul_f64(self.chance.random_range(0.0..=1.0));
        self.last_out = self.last_out.max(through + self.delay + jitter);
        Some(self.last_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn line(path: Impairment) -> Line {
        Line::new(&path, true, 7)
    }

    #[test]
    fn as_many_are_lost_as_the_plan_says_and_the_same_ones_for_the_same_seed() {
        let lost = || -> Vec<bool> {
            let mut line = line(Impairment { loss: 0.1, ..Impairment::default() });
            (0..10_000).map(|index| line.admit(SECOND * index, 1000).is_none()).collect()
        };
        let count = lost().iter().filter(|lost| **lost).count();
        assert!((900..1100).contains(&count), "{count}");
        assert_eq!(lost(), lost());
    }

    #[test]
    fn delay_and_jitter_are_in_their_range_and_keep_the_order() {
        let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(5));
        let mut line = line(Impairment { delay, jitter, ..Impairment::default() });
        let mut before = Duration::ZERO;
        let mut spread = Vec::new();
        for index in 0..1000 {
            let now = Duration::from_millis(index);
            let out = line.admit(now, 1000).unwrap();
            assert!(out >= before && out >= now + delay && out <= now + delay + jitter);
            spread.push(out - now - delay);
            before = out;
        }
        assert!(spread.iter().max() > Some(&(jitter / 2)) && spread.iter().min() < Some(&(jitter * 9 / 10)));
    }

    #[test]
    fn a_rate_spreads_a_burst_and_loses_what_would_wait_too_long() {
        let mut line = line(Impairment { rate: Some(8e6), ..Impairment::default() });
        let outs: Vec<_> = (0..1000).filter_map(|_| line.admit(Duration::ZERO, 1000)).collect();
        // A millisecond each, until the queue is half a second long.
        assert_eq!(outs.len(), 501);
        assert!(outs.iter().zip(1..).all(|(out, number)| *out == Duration::from_millis(number)));
        assert_eq!(line.admit(SECOND, 1000), Some(Duration::from_millis(1001)));
        let mut unlimited = Line::new(&Impairment { rate: Some(8e6), ..Impairment::default() }, false, 7);
        assert_eq!(unlimited.admit(SECOND, 1000), Some(SECOND));
    }
}
