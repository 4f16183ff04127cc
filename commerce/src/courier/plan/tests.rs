//! Every rule of a plan, for any day.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::problem::{Plan, Problem, Stop, Van, service};
use super::{Day, Known, simple};
use crate::clock::Timestamp;
use crate::courier::area::{AREAS, DEPOT, Point};
use crate::courier::model::ParcelState;

/// 2026-11-23 08:00 in Helsinki.
const MORNING: i64 = 1_795_413_600_000;
const HOUR: i64 = 3_600_000;

fn skills(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(crate) fn van(place: usize) -> Van {
    Van {
        id: format!("van-{place}"),
        skills: if place % 4 == 3 { skills(&["cold"]) } else { skills(&[]) },
        weight_g: 700_000,
        volume_ml: 6_000_000,
        from: Timestamp(MORNING),
        until: Timestamp(MORNING + 12 * HOUR),
    }
}

fn stop(place: usize, seed: u64, cold: bool, weight_g: i64, window: (i64, i64)) -> Stop {
    let (_, name, lat, lon) = AREAS[usize::try_from(seed).unwrap() % AREAS.len()];
    let spread = |shift: u32| f64::from(u16::try_from((seed >> shift) & 0xfff).unwrap()) / 4096.0 - 0.5;
    Stop {
        id: format!("parcel-{place}"),
        point: Point { lat: lat + spread(8) * 0.01, lon: lon + spread(20) * 0.02 },
        area: name.to_owned(),
        weight_g,
        volume_ml: weight_g * 8,
        needs: if cold { skills(&["cold"]) } else { skills(&[]) },
        from: Timestamp(MORNING + window.0 * HOUR),
        until: Timestamp(MORNING + (window.0 + window.1) * HOUR),
        service_ms: i64::try_from(service(weight_g).as_millis()).unwrap(),
    }
}

fn problems(stops: usize) -> impl Strategy<Value = Problem> {
    let one = (any::<u64>(), any::<bool>(), 100_i64..900_000, (0_i64..13, 0_i64..6));
    (proptest::collection::vec(one, 0..stops), 0_usize..6).prop_map(|(stops, vans)| Problem {
        depot: DEPOT,
        vans: (0..vans).map(van).collect(),
        stops: stops
            .into_iter()
            .enumerate()
            .map(|(place, (seed, cold, weight, window))| stop(place, seed, cold, weight, window))
            .collect(),
    })
}

proptest! {
    #[test]
    fn simple_plans_keep_every_rule(problem in problems(40)) {
        prop_assert_eq!(problem.check(&simple::plan(&problem)), Ok(()));
    }

    #[test]
    fn visited_stops_stay(problem in problems(30), out in any::<u64>(), down in 0_usize..8) {
        let first = Day::default().with(simple::plan(&problem));
        // The first doors of some trips are done, the next one is being done, and a van breaks down.
        let mut known: Vec<Known> =
            problem.stops.iter().map(|stop| Known { stop: stop.clone(), state: ParcelState::InTransit }).collect();
        for (place, tour) in first.planned.iter().enumerate() {
            let done = usize::try_from((out >> (place * 4)) & 3).unwrap();
            for (at, visit) in tour.visits.iter().take(done).enumerate() {
                let state = if at + 1 == done { ParcelState::OutForDelivery } else { ParcelState::Delivered };
                known.iter_mut().find(|parcel| parcel.stop.id == visit.parcel).unwrap().state = state;
            }
        }
        let mut day = first.clone();
        day.down.insert(format!("van-{down}"));
        let (kept, open) = day.open(DEPOT, &problem.vans, &known, Timestamp(MORNING + HOUR));
        let second = kept.clone().with(simple::plan(&open));
        prop_assert_eq!(open.check(&Plan { tours: second.planned.clone(), unassigned: second.unassigned.clone() }), Ok(()));
        for tour in &first.planned {
            for visit in &tour.visits {
                let state = known.iter().find(|parcel| parcel.stop.id == visit.parcel).unwrap().state;
                if state == ParcelState::Delivered {
                    prop_assert!(second.under_way.iter().any(|same| same.van == tour.van && same.visits.contains(visit)));
                }
                let places = second.tours().flat_map(|tour| &tour.visits).filter(|other| other.parcel == visit.parcel).count();
                let left_out = second.unassigned.iter().filter(|open| open.parcel == visit.parcel).count();
                prop_assert_eq!(places + left_out, 1);
            }
        }
        prop_assert!(second.planned.iter().all(|tour| !second.down.contains(&tour.van)));
        // No van is in two places at once.
        for tour in &second.planned {
            let before = second.under_way.iter().filter(|other| other.van == tour.van);
            prop_assert!(before.into_iter().all(|other| other.returns <= tour.departs));
        }
    }
}

#[test]
fn reasons_are_told() {
    let day = (0, 12);
    let mut problem = Problem { depot: DEPOT, vans: vec![van(0)], stops: vec![stop(0, 1, true, 1_000, day)] };
    problem.stops.push(stop(1, 2, false, 900_000, day));
    problem.stops.push(stop(2, 3, false, 1_000, (0, 0)));
    let plan = simple::plan(&problem);
    let reasons: Vec<&str> = plan.unassigned.iter().map(|open| open.reason.as_str()).collect();
    assert!(
        reasons[0].contains("cold chain") && reasons[1].contains("too large") && reasons[2].contains("in time"),
        "{reasons:?}"
    );
    problem.vans.clear();
    assert!(simple::plan(&problem).unassigned.iter().all(|open| open.reason.contains("no van is left")));
}

fn large() -> Problem {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let stops = (0..200).map(|place| {
        let seed = next();
        let window = if seed % 2 == 0 { (0, 6) } else { (5, 6) };
        stop(place, next(), seed % 7 == 0, 500 + i64::try_from(seed % 20_000).unwrap(), window)
    });
    Problem { depot: DEPOT, vans: (0..10).map(van).collect(), stops: stops.collect() }
}

#[test]
fn a_large_day_is_planned_in_time() {
    let problem = large();
    let started = Instant::now();
    let simple = simple::plan(&problem);
    let took = started.elapsed();
    assert_eq!(problem.check(&simple), Ok(()));
    println!("simple: 200 stops, 10 vans: {took:?}, {:?} (left out, metres)", simple.cost());
    let started = Instant::now();
    let plan = super::plan(&problem, Duration::from_secs(2));
    let took = started.elapsed();
    assert_eq!(problem.check(&plan), Ok(()));
    println!("planned: 200 stops, 10 vans: {took:?}, {:?} (left out, metres), {} tours", plan.cost(), plan.tours.len());
    assert!(plan.cost() <= simple.cost() && plan.unassigned.is_empty());
    // The budget is 2 s; the rest is for machines that do other things at the same time.
    assert!(took < Duration::from_secs(8), "{took:?}");
}
