//! What a parcel is and what its carrier's reports make of it. No storage, no clock.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limit::HISTORY;
use super::number::ParcelNumber;
use crate::clock::Timestamp;
use crate::money::Money;

/// Where a parcel is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParcelState {
    /// Asked for; a carrier is being found or has been told.
    Booked,
    /// The carrier has it, or has promised to fetch it.
    Accepted,
    /// Between hubs.
    InTransit,
    /// In the van that brings it.
    OutForDelivery,
    /// Later than promised, and known to be.
    Delayed,
    /// Stopped by the sender before the carrier moved it.
    Cancelled,
    /// Nobody knows where it is. May still be found: then it goes on to returned or delivered.
    Lost,
    /// Back at the sender.
    Returned,
    /// At the door.
    Delivered,
}

impl ParcelState {
    /// The word in JSON and in databases.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Accepted => "accepted",
            Self::InTransit => "in_transit",
            Self::OutForDelivery => "out_for_delivery",
            Self::Delayed => "delayed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Returned => "returned",
            Self::Delivered => "delivered",
        }
    }

    /// The event that tells of it.
    #[must_use]
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Booked => "parcel.booked",
            Self::Accepted => "parcel.accepted",
            Self::InTransit => "parcel.in_transit",
            Self::OutForDelivery => "parcel.out_for_delivery",
            Self::Delayed => "parcel.delayed",
            Self::Cancelled => "parcel.cancelled",
            Self::Lost => "parcel.lost",
            Self::Returned => "parcel.returned",
            Self::Delivered => "parcel.delivered",
        }
    }

    /// Whether nothing more is expected.
    #[must_use]
    pub(crate) fn is_final(self) -> bool {
        self >= Self::Cancelled
    }

    /// How far along the way. It never shrinks. `Delayed` has no place of its own: it lies over another state.
    #[must_use]
    pub(crate) fn progress(self) -> Option<u8> {
        match self {
            Self::Booked => Some(0),
            Self::Accepted => Some(1),
            Self::InTransit => Some(2),
            Self::OutForDelivery => Some(3),
            Self::Delayed => None,
            // What ends a parcel's way, by how sure it is: somebody's hands outweigh that nobody has seen it.
            Self::Cancelled => Some(4),
            Self::Lost => Some(5),
            Self::Returned => Some(6),
            Self::Delivered => Some(7),
        }
    }
}

/// One line of a parcel's history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub(crate) struct Entry {
    /// When it happened, by the carrier's clock.
    pub at: Timestamp,
    /// What was reported.
    pub state: ParcelState,
    /// A hub or a town; never a street.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// More in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// All that is known of a parcel's way: a set, so that the order in which reports come, and how often, makes no difference.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct History(Vec<Entry>);

impl History {
    /// Adds a line in the order of time. Tells whether it is new.
    ///
    /// Of a carrier that floods, only what changes the state is kept beyond [`HISTORY`] lines.
    pub(crate) fn add(&mut self, entry: Entry) -> bool {
        let Err(place) = self.0.binary_search(&entry) else { return false };
        let before = self.state();
        self.0.insert(place, entry);
        if self.0.len() > HISTORY && self.state() == before {
            self.0.remove(place);
            return false;
        }
        true
    }

    /// The state that the lines add up to: as far as any of them says; delayed if that was said after.
    #[must_use]
    pub(crate) fn state(&self) -> ParcelState {
        let ahead = self.0.iter().filter_map(|entry| Some((entry.state.progress()?, entry.at, entry.state))).max();
        let (_, since, state) = ahead.unwrap_or((0, Timestamp(i64::MIN), ParcelState::Booked));
        let delayed = self.0.iter().any(|entry| entry.state == ParcelState::Delayed && entry.at > since);
        if delayed && !state.is_final() { ParcelState::Delayed } else { state }
    }

    /// The lines, oldest first.
    #[must_use]
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }
}

impl FromIterator<Entry> for History {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut history = Self::default();
        for entry in entries {
            history.add(entry);
        }
        history
    }
}

/// A parcel as its sender sees it, and as events carry it. Holds no name and no street.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Parcel {
    /// What it is followed by.
    pub number: ParcelNumber,
    /// The sender's own name for it.
    pub reference: String,
    /// Who carries it; empty until one was chosen.
    pub carrier: String,
    /// Where it is on its way.
    pub state: ParcelState,
    /// When it should be at the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Timestamp>,
    /// What the carrier takes for it; zero until one was chosen.
    pub cost: Money,
    /// All that was reported, oldest first.
    pub history: History,
    /// Grows with every change.
    pub version: i64,
}

/// A parcel as anybody sees it who knows its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tracking {
    /// What it is followed by.
    pub number: ParcelNumber,
    /// Who carries it; empty until one was chosen.
    pub carrier: String,
    /// Where it is on its way.
    pub state: ParcelState,
    /// When it should be at the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Timestamp>,
    /// All that was reported, oldest first.
    pub history: Vec<Step>,
    /// Grows with every change.
    pub version: i64,
}

/// A line of a history as anybody sees it: without the carrier's own words, which may name a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Step {
    /// When it happened.
    pub at: Timestamp,
    /// What was reported.
    pub state: ParcelState,
    /// A hub, if it was at one that everybody knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
}

impl Parcel {
    /// What everybody may see of it. Places that `public` does not know are left out.
    pub(crate) fn tracking(&self, public: impl Fn(&str) -> bool) -> Tracking {
        let step = |entry: &Entry| Step {
            at: entry.at,
            state: entry.state,
            place: if public(&entry.place) { entry.place.clone() } else { String::new() },
        };
        Tracking {
            number: self.number.clone(),
            carrier: self.carrier.clone(),
            state: self.state,
            eta: self.eta,
            history: self.history.entries().iter().map(step).collect(),
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Entry, History, ParcelState};
    use crate::clock::Timestamp;
    use crate::courier::limit::HISTORY;

    const STATES: [ParcelState; 9] = [
        ParcelState::Booked,
        ParcelState::Accepted,
        ParcelState::InTransit,
        ParcelState::OutForDelivery,
        ParcelState::Delayed,
        ParcelState::Cancelled,
        ParcelState::Lost,
        ParcelState::Returned,
        ParcelState::Delivered,
    ];

    fn entry(at: i64, state: ParcelState) -> Entry {
        Entry { at: Timestamp(at), state, place: String::new(), detail: String::new() }
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        proptest::collection::vec((0_i64..20, 0_usize..9).prop_map(|(at, state)| entry(at, STATES[state])), 0..24)
    }

    proptest! {
        #[test]
        fn any_order_ends_the_same(reports in entries(), seed in any::<u64>(), doubled in 0_usize..24) {
            let straight: History = reports.iter().cloned().collect();
            let mut shuffled = reports.clone();
            shuffled.extend(reports.get(doubled).cloned());
            for place in (1..shuffled.len()).rev() {
                let other = usize::try_from(seed.rotate_left(u32::try_from(place).unwrap()) % (place as u64 + 1)).unwrap();
                shuffled.swap(place, other);
            }
            prop_assert_eq!(shuffled.into_iter().collect::<History>(), straight);
        }

        #[test]
        fn never_goes_backwards(reports in entries()) {
            let mut history = History::default();
            let mut furthest = 0;
            for report in reports {
                history.add(report.clone());
                prop_assert!(history.entries().contains(&report));
                let now = history.entries().iter().filter_map(|entry| entry.state.progress()).max().unwrap_or(0);
                prop_assert!(now >= furthest);
                furthest = now;
                match history.state() {
                    ParcelState::Delayed => prop_assert!(furthest < 4),
                    state => prop_assert_eq!(state.progress(), Some(furthest)),
                }
            }
        }
    }

    #[test]
    fn a_delay_lies_over_what_was_before_it() {
        let mut history: History =
            [entry(1, ParcelState::InTransit), entry(5, ParcelState::Delayed)].into_iter().collect();
        assert_eq!(history.state(), ParcelState::Delayed);
        // A late report of the time before changes nothing.
        history.add(entry(3, ParcelState::InTransit));
        assert_eq!(history.state(), ParcelState::Delayed);
        history.add(entry(7, ParcelState::OutForDelivery));
        assert_eq!(history.state(), ParcelState::OutForDelivery);
        assert_eq!(history.entries().len(), 4);
    }

    #[test]
    fn a_lost_parcel_may_be_found() {
        let mut history: History = [entry(1, ParcelState::Lost)].into_iter().collect();
        history.add(entry(2, ParcelState::InTransit));
        assert_eq!(history.state(), ParcelState::Lost);
        history.add(entry(3, ParcelState::Delivered));
        assert_eq!(history.state(), ParcelState::Delivered);
    }

    #[test]
    fn a_flood_is_cut_but_the_end_is_kept() {
        let mut history: History = (0..2000).map(|at| entry(at, ParcelState::InTransit)).collect();
        assert_eq!(history.entries().len(), HISTORY);
        assert!(history.add(entry(5000, ParcelState::Delivered)));
        assert_eq!(history.state(), ParcelState::Delivered);
    }
}
