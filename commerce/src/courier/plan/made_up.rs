//! Made-up vans and doors: for tests, and for measuring.

use std::collections::BTreeSet;

use super::problem::{Problem, Stop, Van, service};
use crate::clock::Timestamp;
use crate::courier::area::{AREAS, DEPOT, Point};

/// 2026-11-23 08:00 in Helsinki.
pub(super) const MORNING: i64 = 1_795_413_600_000;
/// Milliseconds.
pub(super) const HOUR: i64 = 3_600_000;

fn skills(cold: bool) -> BTreeSet<String> {
    cold.then(|| "cold".to_owned()).into_iter().collect()
}

/// A van for the whole day; every fourth can keep things cold.
pub(super) fn van(place: usize) -> Van {
    Van {
        id: format!("van-{place}"),
        skills: skills(place % 4 == 3),
        weight_g: 700_000,
        volume_ml: 6_000_000,
        from: Timestamp(MORNING),
        until: Timestamp(MORNING + 12 * HOUR),
    }
}

/// A door somewhere in town; the window is the hour from which and for how many hours.
pub(super) fn stop(place: usize, seed: u64, cold: bool, weight_g: i64, window: (i64, i64)) -> Stop {
    let area = seed.checked_rem(AREAS.len() as u64).and_then(|area| usize::try_from(area).ok()).unwrap_or_default();
    let (_, name, lat, lon) = AREAS[area];
    let spread = |shift: u32| f64::from(u16::try_from((seed >> shift) & 0xfff).unwrap_or_default()) / 4096.0 - 0.5;
    Stop {
        id: format!("parcel-{place}"),
        point: Point { lat: lat + spread(8) * 0.01, lon: lon + spread(20) * 0.02 },
        area: name.to_owned(),
        weight_g,
        volume_ml: weight_g * 8,
        needs: skills(cold),
        from: Timestamp(MORNING + window.0 * HOUR),
        until: Timestamp(MORNING + (window.0 + window.1) * HOUR),
        service_ms: i64::try_from(service(weight_g).as_millis()).unwrap_or(i64::MAX),
    }
}

/// A day with half-day windows and some parcels that must stay cold; the same in every run.
pub(super) fn day(stops: usize, vans: usize) -> Problem {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let stops = (0..stops).map(|place| {
        let seed = next();
        let window = if seed % 2 == 0 { (0, 6) } else { (5, 6) };
        let weight = 500 + i64::try_from(seed % 20_000).unwrap_or_default();
        stop(place, next(), seed % 7 == 0, weight, window)
    });
    Problem { depot: DEPOT, stops: stops.collect(), vans: (0..vans).map(van).collect() }
}
