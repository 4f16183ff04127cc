//! Which connections are traced: a share of them, chosen by a seed.

use serde::{Deserialize, Serialize};

/// A share between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share {
    millionths: u32,
}

const WHOLE: u32 = 1_000_000;

impl Share {
    /// All of them.
    pub const ALL: Self = Self { millionths: WHOLE };

    /// Whether the connection with this number is chosen.
    pub(super) fn takes(self, seed: u64, number: u64) -> bool {
        // SplitMix64: neighbouring numbers give unrelated results.
        let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        mixed % u64::from(WHOLE) < u64::from(self.millionths)
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self { millionths: (share * f64::from(WHOLE)).round() as u32 })
        } else {
            Err(format!("{share} is no share between 0 and 1"))
        }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.millionths) / Self::from(WHOLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(share: f64, seed: u64) -> Vec<u64> {
        let share = Share::try_from(share).unwrap();
        (0..10_000).filter(|number| share.takes(seed, *number)).collect()
    }

    #[test]
    fn a_seed_always_chooses_the_same_share() {
        assert_eq!((chosen(1.0, 7).len(), chosen(0.0, 7).len()), (10_000, 0));
        let tenth = chosen(0.1, 7);
        assert!((900..1100).contains(&tenth.len()), "{}", tenth.len());
        assert_eq!(chosen(0.1, 7), tenth);
        assert_ne!(chosen(0.1, 8), tenth);
        assert!(Share::try_from(1.5).is_err() && Share::try_from(f64::NAN).is_err());
    }
}
