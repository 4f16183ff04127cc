//! Frame rates from durations.

use std::collections::VecDeque;

use super::fragment::Sample;
use crate::frame::{TrackInfo, TrackKind};

/// Rates that cameras and encoders have: whole ones, and those of NTSC.
const WHOLE: [f64; 10] = [10.0, 12.0, 15.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 120.0];
const NTSC: [f64; 4] = [24_000.0 / 1001.0, 30_000.0 / 1001.0, 60_000.0 / 1001.0, 120_000.0 / 1001.0];

/// Pictures per second of so many samples in so many ticks, to three digits. `None` if nothing has a duration.
///
/// Ticks are whole: of the usual rates that come within one tick over all samples the nearest is taken, so that one picture of
/// 33 or 34 ms at 1000 ticks per second is told as 30 either way.
pub(super) fn of(samples: u64, ticks: u64, timescale: u32) -> Option<f64> {
    if samples == 0 || ticks == 0 {
        return None;
    }
    let scaled = samples as f64 * f64::from(timescale);
    let off = |rate: &f64| (scaled / rate - ticks as f64).abs();
    let nearest =
        |rates: &[f64]| rates.iter().copied().filter(|rate| off(rate) < 1.0).min_by(|a, b| off(a).total_cmp(&off(b)));
    let rate = nearest(&WHOLE).or_else(|| nearest(&NTSC)).unwrap_or(scaled / ticks as f64);
    Some((rate * 1000.0).round() / 1000.0)
}

/// Fills in the frame rate that the `moov` did not tell from the samples of the first fragment.
pub(super) fn complete(info: &mut TrackInfo, samples: &VecDeque<Sample>) {
    let TrackKind::Video { framerate: rate @ None, .. } = &mut info.kind else { return };
    let of_track = samples.iter().filter(|sample| sample.track == info.id);
    let mut durations: Vec<u32> = of_track.map(|sample| sample.duration).collect();
    durations.sort_unstable();
    let Some(median) = durations.get(durations.len() / 2).copied() else { return };
    // Writers stretch the last picture of a fragment, or do not know how long it lasts.
    let usual: Vec<u64> = durations.into_iter().filter(|one| one.abs_diff(median) <= 1).map(u64::from).collect();
    *rate = of(usual.len() as u64, usual.iter().sum(), info.timescale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_ticks_do_not_hide_usual_rates() {
        for (ticks, rate) in
            [(33, 30.0), (34, 30.0), (16, 60.0), (17, 60.0), (42, 24.0), (40, 25.0), (20, 50.0), (21, 48.0)]
        {
            assert_eq!(of(1, ticks, 1000), Some(rate), "{ticks} ms");
        }
        assert_eq!(of(30, 1001, 1000), Some(29.97));
        assert_eq!(of(1, 1001, 30_000), Some(29.97));
        assert_eq!(of(1, 1501, 90_000), Some(59.94));
        assert_eq!(of(50, 51_200, 25_600), Some(25.0));
        assert_eq!(of(1, 20, 10), Some(0.5));
        assert_eq!(of(7, 900, 1000), Some(7.778));
        assert_eq!(of(0, 0, 1000), None);
        assert_eq!(of(3, 0, 1000), None);
    }
}
