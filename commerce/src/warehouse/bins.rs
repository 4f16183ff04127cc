//! The map of bins: which there are, where goods are put, and the order of a walk through them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a bin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Zone {
    /// Shelves at room temperature.
    Ambient,
    /// Shelves at 2 to 8 degrees.
    Cold,
    /// Places on the floor for what fits no shelf.
    Floor,
    /// Where goods come in: nothing stays there.
    Dock,
    /// Where picked goods wait to be packed and to leave.
    Pack,
}

impl Zone {
    /// The word in the database and in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ambient => "ambient",
            Self::Cold => "cold",
            Self::Floor => "floor",
            Self::Dock => "dock",
            Self::Pack => "pack",
        }
    }

    /// Whether goods that need it cold, or must not have it so, may lie here for long.
    fn keeps(self, cold_chain: bool) -> bool {
        match self {
            Self::Cold => cold_chain,
            Self::Ambient | Self::Floor => !cold_chain,
            Self::Dock | Self::Pack => false,
        }
    }
}

/// One place for goods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bin {
    /// `A-03-2`: aisle, shelf, bin. Unique.
    pub(crate) name: String,
    pub(crate) aisle: String,
    pub(crate) shelf: i64,
    pub(crate) place: i64,
    pub(crate) zone: Zone,
    /// Millilitres that fit.
    pub(crate) capacity_ml: i64,
    /// Place in a walk through all bins.
    pub(crate) walk: i64,
}

/// The bin where goods come in.
pub(crate) const DOCK: &str = "DOCK";

/// The bin of what is picked.
pub(crate) const PACK: &str = "PACK";

/// Aisles: name, zone, shelves, bins of a shelf, millilitres of a bin. The cold aisle is last, so that picked goods are out
/// of the cold for the shortest time.
const AISLES: [(&str, Zone, i64, i64, i64); 5] = [
    ("A", Zone::Ambient, 10, 3, 90_000),
    ("B", Zone::Ambient, 10, 3, 90_000),
    ("D", Zone::Ambient, 10, 2, 240_000),
    ("F", Zone::Floor, 10, 1, 4_000_000),
    ("K", Zone::Cold, 10, 3, 60_000),
];

/// All bins: the aisles, walked up one and down the next, then the places where goods come in and leave.
pub(crate) fn layout() -> Vec<Bin> {
    let mut bins = Vec::new();
    for (row, (aisle, zone, shelves, places, capacity_ml)) in (0_i64..).zip(AISLES) {
        for shelf in 1..=shelves {
            for place in 1..=places {
                let along = if row % 2 == 0 { shelf } else { shelves + 1 - shelf };
                let name = format!("{aisle}-{shelf:02}-{place}");
                let walk = row * 10_000 + along * 100 + place;
                bins.push(Bin { name, aisle: aisle.to_owned(), shelf, place, zone, capacity_ml, walk });
            }
        }
    }
    for (name, zone, walk) in [(DOCK, Zone::Dock, -1), (PACK, Zone::Pack, i64::MAX)] {
        let (name, aisle) = (name.to_owned(), name.to_owned());
        bins.push(Bin { name, aisle, shelf: 1, place: 1, zone, capacity_ml: i64::MAX, walk });
    }
    bins
}

/// A bin and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BinLoad {
    pub(crate) bin: Bin,
    /// Millilitres taken.
    pub(crate) used_ml: i64,
    /// Whether the goods to be put away lie here already.
    pub(crate) has_item: bool,
}

impl BinLoad {
    fn room(&self) -> i64 {
        self.bin.capacity_ml.saturating_sub(self.used_ml)
    }
}

/// The bin for goods of this volume: where the same goods lie, if they fit; else the fullest where they fit, of those the
/// first of the walk; else the one with most room, because goods that have come must lie somewhere. Goods of the cold chain
/// go into cold bins and nothing else does: without one there is no place.
pub(crate) fn put_away(bins: &[BinLoad], cold_chain: bool, volume_ml: i64) -> Option<&BinLoad> {
    let fitting = || bins.iter().filter(|load| load.bin.zone.keeps(cold_chain));
    let roomy = fitting().filter(|load| load.room() >= volume_ml);
    let best = roomy.min_by_key(|load| (!load.has_item, load.room(), load.bin.walk));
    best.or_else(|| fitting().max_by_key(|load| (load.room(), std::cmp::Reverse(load.bin.walk))))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{BinLoad, Zone, layout, put_away};

    fn empty() -> Vec<BinLoad> {
        layout().into_iter().map(|bin| BinLoad { bin, used_ml: 0, has_item: false }).collect()
    }

    #[test]
    fn names_and_walk_are_unique() {
        let bins = layout();
        assert_eq!(bins.iter().map(|bin| &bin.name).collect::<HashSet<_>>().len(), bins.len());
        assert_eq!(bins.iter().map(|bin| bin.walk).collect::<HashSet<_>>().len(), bins.len());
    }

    #[test]
    fn the_walk_turns_at_the_end_of_an_aisle() {
        let mut bins = layout();
        bins.sort_by_key(|bin| bin.walk);
        let names: Vec<_> = bins.iter().map(|bin| bin.name.as_str()).collect();
        assert_eq!(names[0], "DOCK");
        assert_eq!(names[30..32], ["A-10-3", "B-10-1"]);
        assert_eq!(names.last(), Some(&"PACK"));
    }

    #[test]
    fn a_sofa_goes_to_the_floor_and_milk_into_the_cold() {
        let bins = empty();
        assert_eq!(put_away(&bins, false, 1_500_000).unwrap().bin.name, "F-10-1");
        assert_eq!(put_away(&bins, true, 1000).unwrap().bin.name, "K-01-1");
        assert_eq!(put_away(&bins, false, 1000).unwrap().bin.name, "A-01-1");
        let warm: Vec<_> = bins.into_iter().filter(|load| load.bin.zone != Zone::Cold).collect();
        assert_eq!(put_away(&warm, true, 1), None);
    }

    proptest! {
        #[test]
        fn the_cold_chain_holds_and_same_goods_lie_together(
            used in proptest::collection::vec((0_i64..100_000, any::<bool>()), 142),
            cold in any::<bool>(),
            volume in 1_i64..300_000,
        ) {
            let mut bins = empty();
            for (load, (used, has_item)) in bins.iter_mut().zip(used) {
                (load.used_ml, load.has_item) = (used, has_item);
            }
            let chosen = put_away(&bins, cold, volume).unwrap();
            prop_assert_eq!(chosen.bin.zone == Zone::Cold, cold);
            prop_assert!(!matches!(chosen.bin.zone, Zone::Dock | Zone::Pack));
            let together = |load: &&BinLoad| load.has_item && load.room() >= volume && (load.bin.zone == Zone::Cold) == cold
                && !matches!(load.bin.zone, Zone::Dock | Zone::Pack);
            prop_assert!(chosen.has_item || !bins.iter().any(|load| together(&load)));
        }
    }
}
