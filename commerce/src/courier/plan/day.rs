//! A day as it goes on: what is delivered or under way stays as it was, the rest is planned anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Plan, Problem, Stop, Tour, Unassigned, Van};
use crate::clock::Timestamp;
use crate::courier::area::Point;
use crate::courier::model::ParcelState;

/// What is known of a parcel of the day when it is planned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub stop: Stop,
    pub state: ParcelState,
}

/// The routes of one day.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct Day {
    /// Trips that have left the depot: they stay as they are, but for parcels that a broken van hands over.
    pub under_way: Vec<Tour>,
    /// Trips that are still to begin.
    pub planned: Vec<Tour>,
    /// Parcels that no van brings, with the reasons.
    pub unassigned: Vec<Unassigned>,
    /// Parcels that are at the door already.
    pub visited: BTreeSet<String>,
    /// Vans that broke down.
    pub down: BTreeSet<String>,
}

impl Day {
    /// What there is to plan now, and the day's part that stays.
    ///
    /// A trip is under way as soon as one of its parcels is out for delivery or delivered; before that its parcels are free
    /// again. A broken van keeps the doors it has visited; the rest of its parcels are free once they are back at the depot.
    pub(crate) fn open(&self, depot: Point, vans: &[Van], known: &[Known], handed_over: Timestamp) -> (Self, Problem) {
        let states: BTreeMap<&str, ParcelState> =
            known.iter().map(|parcel| (parcel.stop.id.as_str(), parcel.state)).collect();
        let state = |parcel: &str| states.get(parcel).copied().unwrap_or(ParcelState::Cancelled);
        let left = |tour: &Tour| {
            let out = |parcel: &str| matches!(state(parcel), ParcelState::OutForDelivery | ParcelState::Delivered);
            tour.visits.iter().any(|visit| out(&visit.parcel))
        };
        let mut rescued = BTreeSet::new();
        let mut under_way: Vec<Tour> = self.under_way.clone();
        under_way.extend(self.planned.iter().filter(|tour| left(tour)).cloned());
        for tour in &mut under_way {
            if self.down.contains(&tour.van) {
                let (done, rest) =
                    tour.visits.drain(..).partition(|visit| state(&visit.parcel) == ParcelState::Delivered);
                tour.visits = done;
                rescued.extend(rest.into_iter().map(|visit: super::Visit| visit.parcel));
            }
        }
        under_way.retain(|tour| !tour.visits.is_empty());
        let aboard: BTreeSet<&str> =
            under_way.iter().flat_map(|tour| tour.visits.iter().map(|visit| visit.parcel.as_str())).collect();
        let delivered = known.iter().filter(|parcel| parcel.state == ParcelState::Delivered);
        let visited = delivered.map(|parcel| parcel.stop.id.clone()).collect();
        let free = known.iter().filter(|parcel| !parcel.state.is_final() && !aboard.contains(parcel.stop.id.as_str()));
        let stops = free.map(|parcel| {
            let mut stop = parcel.stop.clone();
            if rescued.contains(&stop.id) {
                stop.from = stop.from.max(handed_over);
            }
            stop
        });
        let problem = Problem { depot, stops: stops.collect(), vans: Self::free_vans(vans, &under_way, &self.down) };
        (Self { under_way, planned: Vec::new(), unassigned: Vec::new(), visited, down: self.down.clone() }, problem)
    }

    /// The vans that are not broken, each from when it is back from what it is doing.
    fn free_vans(vans: &[Van], under_way: &[Tour], down: &BTreeSet<String>) -> Vec<Van> {
        let free = vans.iter().filter(|van| !down.contains(&van.id)).cloned().map(|mut van| {
            let back = under_way.iter().filter(|tour| tour.van == van.id).map(|tour| tour.returns).max();
            van.from = van.from.max(back.unwrap_or(van.from));
            van
        });
        free.filter(|van| van.from < van.until).collect()
    }

    /// The day with what was planned in it.
    pub(crate) fn with(mut self, plan: Plan) -> Self {
        self.planned = plan.tours;
        self.unassigned = plan.unassigned;
        self
    }

    /// All trips: those under way first.
    pub(crate) fn tours(&self) -> impl Iterator<Item = &Tour> {
        self.under_way.iter().chain(&self.planned)
    }
}
