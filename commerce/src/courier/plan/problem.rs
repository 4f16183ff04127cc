//! Vans, stops and the rules that a plan must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::area::Point;
use crate::clock::Timestamp;

/// Metres of road for each metre as the crow flies. Bays and railways make Helsinki's ways long.
const DETOUR: f64 = 1.35;

/// Metres per second in town, lights and parking included: 29 km/h.
const SPEED: f64 = 8.0;

/// A van for one trip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Van {
    pub id: String,
    /// What it can do and whose it is: `cold`, a carrier's name.
    pub skills: BTreeSet<String>,
    pub weight_g: i64,
    pub volume_ml: i64,
    /// When it may leave the depot.
    pub from: Timestamp,
    /// When it must be back.
    pub until: Timestamp,
}

/// A door where a parcel is to be left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// The parcel's number.
    pub id: String,
    pub point: Point,
    /// What the neighbourhood is called.
    pub area: String,
    pub weight_g: i64,
    pub volume_ml: i64,
    /// What the van must be able to do.
    pub needs: BTreeSet<String>,
    /// The parcel may not be left before.
    pub from: Timestamp,
    /// The van must be there by then.
    pub until: Timestamp,
    /// How long the van stands at the door.
    pub service_ms: i64,
}

/// What is to be planned: every van once, from the depot and back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub depot: Point,
    pub vans: Vec<Van>,
    pub stops: Vec<Stop>,
}

/// A van at a door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Visit {
    /// The parcel's number.
    pub parcel: String,
    /// What the neighbourhood is called.
    pub area: String,
    /// Where it is.
    pub point: Point,
    /// When the van is there.
    pub arrive: Timestamp,
    /// When it goes on.
    pub leave: Timestamp,
}

/// One trip of one van.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tour {
    /// The van.
    pub van: String,
    /// When it leaves the depot.
    pub departs: Timestamp,
    /// The doors, in order.
    pub visits: Vec<Visit>,
    /// When it is back.
    pub returns: Timestamp,
    /// Metres of road.
    pub metres: i64,
}

/// A parcel that no van brings on this day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub(crate) struct Unassigned {
    /// The parcel's number.
    pub parcel: String,
    /// Why, in words.
    pub reason: String,
}

/// Who goes where, and who is left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct Plan {
    pub tours: Vec<Tour>,
    pub unassigned: Vec<Unassigned>,
}

impl Plan {
    /// What makes one plan better than another: fewer left out, then fewer metres.
    pub(crate) fn cost(&self) -> (usize, i64) {
        (self.unassigned.len(), self.tours.iter().map(|tour| tour.metres).sum())
    }
}

/// Metres of road and milliseconds between two points.
pub(super) fn way(from: Point, to: Point) -> (i64, i64) {
    let metres = from.metres(to) * DETOUR;
    #[expect(clippy::cast_possible_truncation, reason = "distances in a town, and NaN becomes 0")]
    let whole = (metres.ceil() as i64, (metres / SPEED).ceil() as i64 * 1000);
    whole
}

impl Problem {
    /// The trip of a van over these stops (by their places in `stops`), if it keeps every rule.
    pub(super) fn tour(&self, van: &Van, order: &[usize]) -> Option<Tour> {
        let stops = || order.iter().filter_map(|place| self.stops.get(*place));
        let weight: i64 = stops().map(|stop| stop.weight_g).fold(0, i64::saturating_add);
        let volume: i64 = stops().map(|stop| stop.volume_ml).fold(0, i64::saturating_add);
        if weight > van.weight_g || volume > van.volume_ml || stops().any(|stop| !stop.needs.is_subset(&van.skills)) {
            return None;
        }
        let first = stops().next()?;
        // It leaves so that it does not wait at the first door.
        let departs = van.from.max(Timestamp(first.from.0 - way(self.depot, first.point).1));
        let (mut here, mut now, mut metres) = (self.depot, departs.0, 0);
        let mut visits = Vec::with_capacity(order.len());
        for stop in stops() {
            let (length, time) = way(here, stop.point);
            let arrive = now + time;
            if arrive > stop.until.0 {
                return None;
            }
            now = arrive.max(stop.from.0) + stop.service_ms;
            (here, metres) = (stop.point, metres + length);
            visits.push(Visit {
                parcel: stop.id.clone(),
                area: stop.area.clone(),
                point: stop.point,
                arrive: Timestamp(arrive),
                leave: Timestamp(now),
            });
        }
        let (length, time) = way(here, self.depot);
        let returns = Timestamp(now + time);
        (returns <= van.until).then(|| Tour { van: van.id.clone(), departs, visits, returns, metres: metres + length })
    }

    /// A plan of these orders. What none of them holds is left out, with the reason.
    pub(super) fn plan(&self, orders: &[Vec<usize>]) -> Plan {
        let mut tours = Vec::new();
        let mut served = BTreeSet::new();
        for (van, order) in self.vans.iter().zip(orders) {
            if let Some(tour) = self.tour(van, order) {
                tours.push(tour);
                served.extend(order.iter().copied());
            }
        }
        let open = self.stops.iter().enumerate().filter(|(place, _)| !served.contains(place));
        let unassigned = open.map(|(place, stop)| Unassigned { parcel: stop.id.clone(), reason: self.reason(place) });
        Plan { unassigned: unassigned.collect(), tours }
    }

    /// Why a stop is left out.
    fn reason(&self, place: usize) -> String {
        let Some(stop) = self.stops.get(place) else { return String::new() };
        let able = || self.vans.iter().filter(|van| stop.needs.is_subset(&van.skills));
        if self.vans.is_empty() {
            "no van is left for today"
        } else if able().next().is_none() {
            "no van can carry it: cold chain, or its carrier's vans are all out"
        } else if !able().any(|van| stop.weight_g <= van.weight_g && stop.volume_ml <= van.volume_ml) {
            "too large for every van"
        } else if !able().any(|van| self.tour(van, &[place]).is_some()) {
            "no van can be there in time"
        } else {
            "the vans are full or too busy"
        }
        .to_owned()
    }

    /// Checks a plan from outside against every rule: each stop once or left out with a reason, skills, capacity, windows, shifts,
    /// and times that a van can keep.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub(crate) fn check(&self, plan: &Plan) -> Result<(), &'static str> {
        let places: BTreeMap<&str, usize> =
            self.stops.iter().enumerate().map(|(place, stop)| (stop.id.as_str(), place)).collect();
        let mut seen = BTreeSet::new();
        let mut vans = BTreeSet::new();
        for tour in &plan.tours {
            let van = self.vans.iter().find(|van| van.id == tour.van).ok_or("an unknown van")?;
            if !vans.insert(&tour.van) {
                return Err("a van goes twice");
            }
            let order: Option<Vec<usize>> =
                tour.visits.iter().map(|visit| places.get(visit.parcel.as_str()).copied()).collect();
            let order = order.ok_or("an unknown stop")?;
            if !order.iter().all(|place| seen.insert(*place)) {
                return Err("a stop is visited twice");
            }
            if self.tour(van, &order).ok_or("capacity, skills, a window or the shift")? != *tour {
                return Err("times that a van cannot keep");
            }
        }
        for open in &plan.unassigned {
            if open.reason.is_empty() {
                return Err("left out without a reason");
            }
            let place = places.get(open.parcel.as_str()).ok_or("an unknown stop")?;
            if !seen.insert(*place) {
                return Err("visited and left out");
            }
        }
        if seen.len() == self.stops.len() { Ok(()) } else { Err("a stop is forgotten") }
    }
}

/// How long a van stands at a door: some minutes, more for what two people must carry.
pub(crate) fn service(weight_g: i64) -> Duration {
    Duration::from_secs(if weight_g > 25_000 { 600 } else { 180 })
}
