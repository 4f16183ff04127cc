//! What a publisher said never exists: ranges of group ids in a track, or of object ids in a group.

use std::collections::VecDeque;
use std::ops::Range;

use crate::limit;

/// Ids that do not exist; the ranges noted first are forgotten beyond a bound.
#[derive(Debug, Default)]
pub(crate) struct Gaps(VecDeque<Range<u64>>);

impl Gaps {
    /// Takes note of `ids`.
    pub(crate) fn add(&mut self, ids: Range<u64>) {
        if self.covers(&ids) {
            return;
        }
        if self.0.len() == limit::MAX_GAPS {
            self.0.pop_front();
        }
        self.0.push_back(ids);
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.0.iter().any(|gap| gap.contains(&id))
    }

    /// Whether none of `ids` exists, as far as one note says so.
    pub(crate) fn covers(&self, ids: &Range<u64>) -> bool {
        ids.is_empty() || self.0.iter().any(|gap| gap.start <= ids.start && ids.end <= gap.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_remembered_up_to_a_bound() {
        let mut gaps = Gaps::default();
        gaps.add(5..5);
        gaps.add(3..6);
        gaps.add(4..5);
        assert!(gaps.contains(3) && gaps.contains(5) && !gaps.contains(6));
        assert!(gaps.covers(&(4..6)) && !gaps.covers(&(4..7)));
        for start in 0..limit::MAX_GAPS as u64 {
            gaps.add(start * 10 + 100..start * 10 + 101);
        }
        assert!(!gaps.contains(3), "forgotten");
        assert!(gaps.contains(100));
    }
}
