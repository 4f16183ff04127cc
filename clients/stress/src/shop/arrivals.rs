//! When customers come: rates over time, and the moments that follow from them. Pure.

use std::time::Duration;

/// Arrivals per second over time: a line of pieces, each of which changes evenly.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Curve(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    /// Seconds.
    lasts: f64,
    /// Arrivals per second at its beginning and end.
    from: f64,
    to: f64,
}

impl Piece {
    /// Arrivals in it.
    fn area(self) -> f64 {
        (self.from + self.to) / 2.0 * self.lasts
    }

    /// Seconds after its beginning at which so many have come.
    fn when(self, come: f64) -> f64 {
        let slope = (self.to - self.from) / self.lasts;
        let root = (self.from * self.from + 2.0 * slope * come).max(0.0).sqrt();
        // The other form of the solution, which also holds for a rate that does not change.
        (2.0 * come / (self.from + root).max(f64::MIN_POSITIVE)).clamp(0.0, self.lasts)
    }
}

impl Curve {
    /// Adds a stretch of time after those before.
    pub(crate) fn piece(&mut self, lasts: Duration, from: f64, to: f64) {
        let lasts = lasts.as_secs_f64();
        if lasts > 0.0 {
            self.0.push(Piece { lasts, from, to });
        }
    }

    /// How many come in all.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|piece| piece.area()).sum::<f64>().round() as u64
    }

    /// When each of them comes, in order: known before the first one does, so that no answer, however late, moves any.
    pub(crate) fn moments(&self) -> impl Iterator<Item = Duration> {
        let total = self.total();
        let mut pieces = self.0.iter().copied().peekable();
        let (mut begun, mut before) = (0.0, 0.0);
        (0..total).map(move |number| {
            // Each in the middle of its share of the curve.
            let due = number as f64 + 0.5;
            while let Some(piece) = pieces.peek().filter(|piece| before + piece.area() < due) {
                (begun, before) = (begun + piece.lasts, before + piece.area());
                pieces.next();
            }
            let within = pieces.peek().map_or(0.0, |piece| piece.when(due - before));
            Duration::try_from_secs_f64(begun + within).unwrap_or(Duration::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(curve: &Curve) -> Vec<f64> {
        curve.moments().map(|moment| (moment.as_secs_f64() * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn a_constant_rate_is_even() {
        let mut curve = Curve::default();
        curve.piece(Duration::from_secs(2), 2.0, 2.0);
        assert_eq!(seconds(&curve), [0.25, 0.75, 1.25, 1.75]);
    }

    #[test]
    fn a_ramp_gets_denser_and_a_peak_is_dense() {
        let mut curve = Curve::default();
        curve.piece(Duration::from_secs(10), 0.0, 2.0);
        let moments = seconds(&curve);
        assert_eq!(moments.len(), 10);
        assert!(moments.windows(3).all(|three| three[2] - three[1] < three[1] - three[0]), "{moments:?}");
        curve.piece(Duration::from_secs(1), 100.0, 100.0);
        curve.piece(Duration::from_secs(9), 0.0, 0.0);
        let peak = seconds(&curve).into_iter().filter(|moment| (10.0..11.0).contains(moment)).count();
        assert_eq!((peak, curve.total()), (100, 110));
    }

    proptest! {
        #[test]
        fn all_come_in_order_and_as_many_as_the_rates_say(
            pieces in prop::collection::vec((1..5_000u64, 0.0..200.0, 0.0..200.0), 0..5),
        ) {
            let mut curve = Curve::default();
            for (millis, from, to) in &pieces {
                curve.piece(Duration::from_millis(*millis), *from, *to);
            }
            let lasts: u64 = pieces.iter().map(|(millis, ..)| millis).sum();
            let moments: Vec<_> = curve.moments().collect();
            prop_assert_eq!(moments.len() as u64, curve.total());
            prop_assert!(moments.is_sorted());
            prop_assert!(moments.last().is_none_or(|last| *last <= Duration::from_millis(lasts + 1)));
            // Up to any moment as many as the area below the curve, less than one off.
            let half = Duration::from_millis(lasts / 2).as_secs_f64();
            let (mut left, mut area) = (half, 0.0);
            for (millis, from, to) in &pieces {
                let whole = *millis as f64 / 1000.0;
                let part = left.min(whole);
                area += (from + (from + (to - from) * part / whole)) / 2.0 * part;
                left -= part;
            }
            let come = moments.iter().filter(|moment| moment.as_secs_f64() <= half).count() as f64;
            prop_assert!((come - area).abs() <= 1.001, "{come} of {area}");
        }
    }
}
