//! The simulated carriers' tariffs and the journeys of their parcels. No storage, no clock: fate is drawn from a seed.

use garde::Validate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, ToSchema};

use super::limit::ROUND;
use super::settings::CarrierSettings;
use crate::address::Address;
use crate::clock::Timestamp;
use crate::money::Money;

/// A simulated carrier: made up, like its prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fleet {
    /// The name in paths and settings.
    pub id: &'static str,
    /// Whether it keeps parcels cold.
    pub cold_chain: bool,
    /// Cents for any parcel, and for each begun kilogram.
    pub cents: (i64, i64),
    /// Minutes from door to door that it promises.
    pub minutes: i64,
    /// What it takes at most.
    pub weight_g: i64,
    pub volume_ml: i64,
}

/// Who carries: fast and dear, slow and strong, cold.
pub(crate) const FLEETS: [Fleet; 3] = [
    Fleet { id: "swift-vans", cold_chain: false, cents: (690, 45), minutes: 720, weight_g: 30_000, volume_ml: 250_000 },
    Fleet {
        id: "steady-vans",
        cold_chain: false,
        cents: (490, 12),
        minutes: 1080,
        weight_g: 300_000,
        volume_ml: 4_000_000,
    },
    Fleet { id: "cold-line", cold_chain: true, cents: (890, 60), minutes: 600, weight_g: 60_000, volume_ml: 400_000 },
];

/// Hubs that parcels pass, in this order.
pub(crate) const HUBS: [&str; 2] = ["Vantaa hub", "Helsinki hub"];

/// What a carrier is asked before anything is booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuoteQuery {
    /// Postcode of the receiver.
    pub to: String,
    /// Grams.
    pub weight_g: i64,
    /// Millilitres.
    pub volume_ml: i64,
    /// Whether it must stay cold.
    pub cold_chain: bool,
}

/// What one carrier offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CarrierQuote)]
pub(crate) struct Quote {
    /// Who.
    pub carrier: String,
    /// For how much.
    pub price: Money,
    /// At the door by then.
    pub promised_at: Timestamp,
    /// Whether it keeps parcels cold.
    pub cold_chain: bool,
    /// How many times faster than in the world this carrier's time goes.
    pub pace: u32,
}

/// Offers of all carriers that can take a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Quotes {
    /// In no order.
    pub quotes: Vec<Quote>,
}

/// A parcel for a carrier to take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Booking {
    /// The sender's number of the parcel: the same one is never taken twice.
    #[garde(length(chars, min = 1, max = 64))]
    #[schema(min_length = 1, max_length = 64)]
    pub reference: String,
    /// Which of the carriers.
    #[garde(length(chars, min = 1, max = 64))]
    #[schema(min_length = 1, max_length = 64)]
    pub carrier: String,
    /// Where it is fetched.
    #[garde(dive)]
    pub from: Address,
    /// Where it goes.
    #[garde(dive)]
    pub to: Address,
    /// Grams.
    #[garde(range(min = 1, max = 10_000_000))]
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub weight_g: i64,
    /// Millilitres.
    #[garde(range(min = 1, max = 100_000_000))]
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub volume_ml: i64,
    /// Whether it must stay cold.
    #[garde(skip)]
    pub cold_chain: bool,
    /// What reports of it are signed with (Standard Webhooks, `whsec_…`).
    #[garde(length(chars, min = 24, max = 128))]
    #[schema(min_length = 24, max_length = 128)]
    pub secret: String,
}

/// A parcel that a carrier has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Consignment {
    /// The sender's number of the parcel.
    pub reference: String,
    /// Who has it.
    pub carrier: String,
    /// What it costs.
    pub price: Money,
    /// At the door by then.
    pub promised_at: Timestamp,
    /// How many times faster than in the world this carrier's time goes.
    pub pace: u32,
    /// Whether it was stopped before it moved.
    pub cancelled: bool,
    /// All reports so far, oldest first.
    pub reports: Vec<Report>,
}

/// The parcels of one van in the order in which their doors are to be visited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Round {
    /// References of parcels.
    #[garde(length(min = 1, max = ROUND), inner(length(chars, min = 1, max = 64)))]
    #[schema(schema_with = references)]
    pub references: Vec<String>,
}

/// How the references of a [`Round`] are described.
fn references() -> Schema {
    let reference = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(64));
    ArrayBuilder::new().items(reference).min_items(Some(1)).max_items(Some(ROUND)).build().into()
}

/// When a van means to be at which door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Doors {
    /// In the order of the round; parcels that are at the door already are left out.
    pub doors: Vec<Door>,
}

/// When a van means to be at a door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Door {
    /// Reference of the parcel.
    pub reference: String,
    /// When.
    pub at: Timestamp,
}

/// What happens to a parcel, in the carrier's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Milestone {
    /// Fetched from the sender.
    Collected,
    /// Sorted at a hub.
    Sorted,
    /// In the van to the door.
    Loaded,
    /// Given to the receiver.
    HandedOver,
    /// Will be late.
    Late,
    /// Not to be found.
    Missing,
    /// Back at the sender.
    SentBack,
}

impl Milestone {
    /// The word in JSON and in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Collected => "collected",
            Self::Sorted => "sorted",
            Self::Loaded => "loaded",
            Self::HandedOver => "handed_over",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::SentBack => "sent_back",
        }
    }

    /// The milestone of a word.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        let all =
            [Self::Collected, Self::Sorted, Self::Loaded, Self::HandedOver, Self::Late, Self::Missing, Self::SentBack];
        all.into_iter().find(|milestone| milestone.as_str() == word).ok_or_else(|| format!("no milestone {word}"))
    }

    /// Whether the journey is over.
    pub(crate) fn is_last(self) -> bool {
        matches!(self, Self::HandedOver | Self::Missing | Self::SentBack)
    }
}

/// What a carrier tells about a parcel: the body of its webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Report {
    /// The sender's number of the parcel.
    pub reference: String,
    /// Who tells.
    pub carrier: String,
    /// What happened.
    pub milestone: Milestone,
    /// When.
    pub at: Timestamp,
    /// At which hub.
    #[serde(default)]
    pub place: String,
    /// More in words.
    #[serde(default)]
    pub detail: String,
    /// When it should be at the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised_at: Option<Timestamp>,
}

/// Something that is going to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub due_at: Timestamp,
    pub milestone: Milestone,
    pub place: &'static str,
    pub detail: &'static str,
}

impl Fleet {
    /// The carrier of a name.
    pub(crate) fn of(id: &str) -> Option<Self> {
        FLEETS.into_iter().find(|fleet| fleet.id == id)
    }

    /// Whether it can take such a parcel.
    pub(crate) fn takes(&self, weight_g: i64, volume_ml: i64, cold_chain: bool) -> bool {
        weight_g <= self.weight_g && volume_ml <= self.volume_ml && (self.cold_chain || !cold_chain)
    }

    /// What it takes for a parcel. Far away costs half as much again.
    pub(crate) fn price(&self, weight_g: i64, to: &str) -> Money {
        let near = Money::eur(self.cents.0 + self.cents.1 * ((weight_g.max(0) + 999) / 1000));
        if is_near(to) { near } else { Money::eur(near.minor * 3 / 2) }
    }

    /// When a parcel taken now is at the door.
    pub(crate) fn promise(&self, to: &str, now: Timestamp, speed: u32) -> Timestamp {
        Timestamp(now.0 + scaled(self.way(to) * 5 / 4, speed))
    }

    /// Minutes on the way.
    fn way(&self, to: &str) -> i64 {
        if is_near(to) { self.minutes } else { self.minutes * 2 }
    }

    /// All that will happen to a parcel that is taken now, oldest first.
    pub(crate) fn journey(&self, reference: &str, to: &str, now: Timestamp, settings: &CarrierSettings) -> Vec<Step> {
        let fate = Fate::draw(settings, reference);
        let way = self.way(to);
        let late = if fate.late { way / 2 } else { 0 };
        let share = |percent: i64, place: usize| way * (percent * 10 + fate.jitter(place)) / 1000;
        let step = |minutes: i64, milestone, place, detail| Step {
            due_at: Timestamp(now.0 + scaled(minutes, settings.speed)),
            milestone,
            place,
            detail,
        };
        let mut steps = vec![
            step(share(8, 0), Milestone::Collected, "", "fetched from the sender"),
            step(share(30, 1), Milestone::Sorted, HUBS[0], "sorted"),
        ];
        if fate.lost {
            // Half of them are missed when they should go on; of the others nobody hears again.
            if fate.told {
                steps.push(step(share(90, 2), Milestone::Missing, HUBS[0], "not to be found"));
            }
            return steps;
        }
        steps.push(step(share(52, 2), Milestone::Sorted, HUBS[1], "sorted"));
        if fate.late {
            steps.push(step(share(66, 3), Milestone::Late, HUBS[1], "waits for the next van"));
        }
        steps.push(step(late + share(75, 4), Milestone::Loaded, HUBS[1], "in the van"));
        if fate.returned {
            steps.push(step(late + share(100, 5), Milestone::Late, HUBS[1], "nobody was at home"));
            steps.push(step(late + share(150, 6), Milestone::SentBack, "", "back at the sender"));
        } else {
            steps.push(step(late + share(100, 5), Milestone::HandedOver, "", "left at the door"));
        }
        steps
    }

    /// By how much a delay on purpose moves the rest of a journey, in milliseconds.
    pub(crate) fn delay(&self, speed: u32) -> i64 {
        scaled(self.minutes / 2, speed)
    }
}

/// Milliseconds of the clock for minutes of the simulated world.
fn scaled(minutes: i64, speed: u32) -> i64 {
    minutes * 60_000 / i64::from(speed.max(1))
}

/// Around Helsinki, Espoo and Vantaa.
fn is_near(postcode: &str) -> bool {
    ["00", "01", "02"].iter().any(|start| postcode.trim().starts_with(start))
}

/// What is drawn for one parcel.
#[derive(Debug, Clone, Copy)]
struct Fate {
    late: bool,
    lost: bool,
    returned: bool,
    told: bool,
    bytes: [u8; 32],
}

impl Fate {
    fn draw(settings: &CarrierSettings, reference: &str) -> Self {
        let bytes: [u8; 32] =
            Sha256::new().chain_update(settings.seed.to_be_bytes()).chain_update(reference).finalize().into();
        let draw = |place: usize| u16::from_be_bytes([bytes[place], bytes[place + 1]]) % 100;
        Self {
            late: draw(0) < settings.delay_percent.into(),
            lost: draw(2) < settings.lost_percent.into(),
            returned: draw(4) < settings.return_percent.into(),
            told: bytes[6].is_multiple_of(2),
            bytes,
        }
    }

    /// From -25 to 25 thousandths of the way.
    fn jitter(&self, place: usize) -> i64 {
        i64::from(self.bytes[8 + place % 24]) * 50 / 255 - 25
    }
}

/// New times for the last steps of a round, so that its doors are visited in order: the times that there are, sorted, but none
/// before its parcel is in the van. Takes and gives milliseconds, in the order of the round.
pub(crate) fn round(doors: &[(i64, i64)]) -> Vec<i64> {
    let mut times: Vec<i64> = doors.iter().map(|(_, due)| *due).collect();
    times.sort_unstable();
    let mut before = i64::MIN;
    let in_order = times.into_iter().zip(doors).map(|(due, (loaded, _))| {
        before = due.max(loaded.saturating_add(1)).max(before.saturating_add(1));
        before
    });
    in_order.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FLEETS, Fleet, Milestone, round};
    use crate::carrier::settings::CarrierSettings;
    use crate::clock::Timestamp;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    fn settings(delay_percent: u8, lost_percent: u8, return_percent: u8) -> CarrierSettings {
        CarrierSettings { delay_percent, lost_percent, return_percent, ..CarrierSettings::default() }
    }

    proptest! {
        #[test]
        fn journeys_go_forward_and_end(reference in "[A-Z0-9]{16}", odds in (0_u8..101, 0_u8..101, 0_u8..101), fleet in 0_usize..3) {
            let settings = settings(odds.0, odds.1, odds.2);
            let steps = FLEETS[fleet].journey(&reference, "00530", NOW, &settings);
            prop_assert!(steps.windows(2).all(|pair| pair[0].due_at < pair[1].due_at));
            prop_assert!(steps.iter().rev().skip(1).all(|step| !step.milestone.is_last()));
            prop_assert_eq!(&steps, &FLEETS[fleet].journey(&reference, "00530", NOW, &settings));
            if odds == (0, 0, 0) {
                prop_assert_eq!(steps.last().unwrap().milestone, Milestone::HandedOver);
                // The demonstration promises the door within 40 seconds.
                prop_assert!(NOW.until(steps.last().unwrap().due_at).as_secs() < 40);
            }
        }

        #[test]
        fn rounds_keep_their_order(doors in proptest::collection::vec((0_i64..100, 0_i64..100), 0..20)) {
            let times = round(&doors);
            prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(times.iter().zip(&doors).all(|(time, (loaded, _))| time > loaded));
        }
    }

    #[test]
    fn odds_are_kept() {
        let settings = settings(0, 30, 0);
        let lost = (0..1000).filter(|number| {
            let steps = FLEETS[0].journey(&format!("P{number}"), "00100", NOW, &settings);
            !steps.iter().any(|step| step.milestone == Milestone::HandedOver)
        });
        let lost = lost.count();
        assert!((250..350).contains(&lost), "{lost}");
    }

    #[test]
    fn tariffs() {
        let cold = Fleet::of("cold-line").unwrap();
        assert!(cold.takes(2_000, 1_000, true) && !FLEETS[0].takes(2_000, 1_000, true));
        assert_eq!(cold.price(2_001, "00100").minor, 890 + 3 * 60);
        assert_eq!(cold.price(2_001, "90100").minor, (890 + 3 * 60) * 3 / 2);
        assert!(cold.promise("90100", NOW, 1) > cold.promise("00100", NOW, 1));
        assert!(Fleet::of("nobody").is_none());
    }
}
