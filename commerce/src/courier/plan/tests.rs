//! Every rule of a plan, for any day.

use proptest::prelude::*;

use super::made_up::{HOUR, MORNING, stop, van};
use super::problem::{Plan, Problem};
use super::{Day, Known, measure, simple};
use crate::clock::Timestamp;
use crate::courier::area::DEPOT;
use crate::courier::model::ParcelState;

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

#[test]
fn a_large_day_is_planned_in_time() {
    let times = measure(200, 10);
    println!("{times:?}");
    assert!(times.whole && times.left_out == 0, "{times:?}");
    assert!((times.left_out, times.metres) <= (times.simple_left_out, times.simple_metres), "{times:?}");
    // The budget is 2 s; the rest is for machines that do other things at the same time.
    assert!(times.ms < 8_000, "{times:?}");
}
