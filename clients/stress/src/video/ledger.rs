//! Pure: which frames of a track a viewer got, and what is missing.

use std::collections::BTreeMap;

use super::frame::Stamp;
use crate::limit;

/// What was wrong with what came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Frames missing inside a group.
    pub(crate) gaps: u64,
    /// Frames that came again.
    pub(crate) duplicates: u64,
    /// Frames of a group that was settled long ago.
    pub(crate) late: u64,
    /// Groups of which nothing came.
    pub(crate) skipped_groups: u64,
    /// Groups whose end did not come.
    pub(crate) cut_groups: u64,
}

/// How a group's stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// In good order: everything must be there.
    Whole,
    /// Given up by the relay.
    Reset,
}

/// The books of one viewer on one track, from where it joined.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The first group is expected from its first frame on.
    from_head: bool,
    /// That beginning is still on its way.
    head_pending: bool,
    group_frames: u32,
    groups: BTreeMap<u64, Group>,
    /// Groups below it are settled; `None` until the first one is.
    settled: Option<u64>,
    found: Findings,
    newest: Option<u64>,
}

#[derive(Debug, Default)]
struct Group {
    /// One bit per frame.
    seen: Vec<u64>,
    largest: u32,
    smallest: u32,
    end: Option<StreamEnd>,
}

impl Ledger {
    /// For a viewer that joined at the head of a group, or with the next object.
    pub(crate) fn new(from_head: bool, group_frames: u32) -> Self {
        let group_frames = group_frames.min(limit::MAX_GROUP_FRAMES);
        Self {
            from_head,
            head_pending: false,
            group_frames,
            groups: BTreeMap::new(),
            settled: None,
            found: Findings::default(),
            newest: None,
        }
    }

    /// The first group's beginning is asked for.
    pub(crate) fn head_begun(&mut self) {
        self.head_pending = true;
    }

    /// All of it is here.
    pub(crate) fn head_ended(&mut self) {
        self.head_pending = false;
    }

    /// The relay did not give the head: the first frame that came is where it begins.
    pub(crate) fn without_head(&mut self) {
        self.from_head = false;
        self.head_pending = false;
    }

    /// A good frame; whether it is new.
    pub(crate) fn frame(&mut self, stamp: &Stamp) -> bool {
        self.enter(stamp.group, stamp.object)
    }

    /// A frame that came but cannot be used: it is not missing.
    pub(crate) fn spoiled(&mut self, group: u64, object: u64) {
        if let Ok(object) = u32::try_from(object) {
            self.enter(group, object);
        }
    }

    fn enter(&mut self, id: u64, object: u32) -> bool {
        let sequence = id.saturating_mul(u64::from(self.group_frames)).saturating_add(u64::from(object));
        self.newest = self.newest.max(Some(sequence));
        if self.settled.is_some_and(|settled| id < settled) || object >= self.group_frames {
            self.found.late += 1;
            return false;
        }
        let words = self.group_frames.div_ceil(64) as usize;
        let group = self.groups.entry(id).or_insert_with(|| Group {
            seen: vec![0; words],
            largest: object,
            smallest: object,
            end: None,
        });
        let (word, bit) = (&mut group.seen[(object / 64) as usize], 1 << (object % 64));
        if *word & bit != 0 {
            self.found.duplicates += 1;
            return false;
        }
        *word |= bit;
        group.largest = group.largest.max(object);
        group.smallest = group.smallest.min(object);
        // A beginning that is slow to come is not missing yet.
        let remembered = if self.head_pending { limit::HEAD_GROUPS } else { limit::REMEMBERED_GROUPS };
        while self.groups.len() > remembered {
            self.settle_oldest(false);
        }
        true
    }

    /// A group's live stream ended.
    pub(crate) fn stream_ended(&mut self, group: u64, end: StreamEnd) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.end = Some(end);
        }
    }

    /// Sequence of the newest frame, good or not.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// What was found since it was last asked.
    pub(crate) fn take(&mut self) -> Findings {
        std::mem::take(&mut self.found)
    }

    /// The viewer leaves: settles what is open. What had not come yet of groups under way is not missing.
    pub(crate) fn close(mut self) -> Findings {
        while !self.groups.is_empty() {
            self.settle_oldest(true);
        }
        self.found
    }

    fn settle_oldest(&mut self, leaving: bool) {
        let Some((id, group)) = self.groups.pop_first() else { return };
        if let Some(settled) = self.settled {
            self.found.skipped_groups += id - settled;
        }
        let first = if self.settled.is_some() || self.from_head { 0 } else { group.smallest };
        if self.settled.is_none() && self.head_pending {
            self.found.cut_groups += u64::from(!leaving);
            self.settled = Some(id.saturating_add(1));
            return;
        }
        let seen: u32 = group.seen.iter().map(|word| word.count_ones()).sum();
        // Nothing was seen before `first`.
        let missing = |up_to: u32| u64::from(up_to.saturating_sub(first).saturating_sub(seen));
        match group.end {
            Some(StreamEnd::Whole) => self.found.gaps += missing(self.group_frames),
            Some(StreamEnd::Reset) => {
                self.found.gaps += missing(group.largest + 1);
                self.found.cut_groups += 1;
            }
            None => {
                self.found.gaps += missing(group.largest + 1);
                let whole = group.largest + 1 >= self.group_frames;
                self.found.cut_groups += u64::from(!leaving && !whole);
            }
        }
        self.settled = Some(id.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Moment;

    const FRAMES: u32 = 10;

    fn stamp(group: u64, object: u32) -> Stamp {
        let sequence = group * u64::from(FRAMES) + u64::from(object);
        Stamp { run: 0, track: 0, group, object, sequence, due: Moment::from_nanoseconds(0) }
    }

    fn feed(ledger: &mut Ledger, group: u64, objects: impl IntoIterator<Item = u32>, end: Option<StreamEnd>) {
        objects.into_iter().for_each(|object| {
            ledger.frame(&stamp(group, object));
        });
        if let Some(end) = end {
            ledger.stream_ended(group, end);
        }
    }

    #[test]
    fn everything_there_is_no_finding_however_head_and_stream_interleave() {
        let mut ledger = Ledger::new(true, FRAMES);
        feed(&mut ledger, 5, [7, 0, 8, 1, 2, 3, 9, 4, 5, 6], Some(StreamEnd::Whole));
        for group in 6..40 {
            feed(&mut ledger, group, 0..FRAMES, Some(StreamEnd::Whole));
        }
        feed(&mut ledger, 40, 0..3, None);
        assert_eq!(ledger.newest(), Some(402));
        assert_eq!(ledger.close(), Findings::default());
    }

    #[test]
    fn a_missing_frame_is_a_gap_also_at_the_end_and_at_the_head() {
        let gaps = |from_head, objects: &[u32]| {
            let mut ledger = Ledger::new(from_head, FRAMES);
            feed(&mut ledger, 3, objects.iter().copied(), Some(StreamEnd::Whole));
            ledger.close()
        };
        assert_eq!(gaps(true, &[0, 1, 2, 4, 5, 6, 7, 8, 9]), Findings { gaps: 1, ..Findings::default() });
        assert_eq!(gaps(true, &[0, 1, 2, 3, 4, 5, 6, 7]), Findings { gaps: 2, ..Findings::default() });
        assert_eq!(gaps(true, &[4, 5, 6, 7, 8, 9]), Findings { gaps: 4, ..Findings::default() });
        assert_eq!(gaps(false, &[4, 5, 6, 7, 8, 9]), Findings::default());
        assert_eq!(gaps(false, &[4, 6, 7, 8, 9]), Findings { gaps: 1, ..Findings::default() });
    }

    #[test]
    fn skipped_and_cut_groups_are_told_apart_from_gaps() {
        let mut ledger = Ledger::new(true, FRAMES);
        feed(&mut ledger, 1, 0..FRAMES, Some(StreamEnd::Whole));
        feed(&mut ledger, 2, 0..4, Some(StreamEnd::Reset));
        feed(&mut ledger, 5, 0..FRAMES, Some(StreamEnd::Whole));
        assert_eq!(ledger.close(), Findings { skipped_groups: 2, cut_groups: 1, ..Findings::default() });
    }

    #[test]
    fn a_group_that_never_ends_is_cut_once_others_overtook_it() {
        let mut ledger = Ledger::new(true, FRAMES);
        feed(&mut ledger, 0, 0..4, None);
        for group in 1..20 {
            feed(&mut ledger, group, 0..FRAMES, Some(StreamEnd::Whole));
        }
        assert_eq!(ledger.take(), Findings { cut_groups: 1, ..Findings::default() });
        feed(&mut ledger, 0, [4], None);
        assert_eq!(ledger.close(), Findings { late: 1, ..Findings::default() });
    }

    #[test]
    fn a_beginning_on_its_way_is_not_missing() {
        let mut ledger = Ledger::new(true, FRAMES);
        ledger.head_begun();
        feed(&mut ledger, 0, 5..FRAMES, Some(StreamEnd::Whole));
        for group in 1..20 {
            feed(&mut ledger, group, 0..FRAMES, Some(StreamEnd::Whole));
        }
        assert_eq!(ledger.take(), Findings::default());
        feed(&mut ledger, 0, 0..4, None);
        let mut left = Ledger::new(true, FRAMES);
        left.head_begun();
        feed(&mut left, 0, 5..FRAMES, Some(StreamEnd::Whole));
        assert_eq!(left.close(), Findings::default());
        ledger.head_ended();
        assert_eq!(ledger.close(), Findings { gaps: 1, ..Findings::default() });
    }

    #[test]
    fn a_spoiled_frame_is_not_missing() {
        let mut ledger = Ledger::new(true, FRAMES);
        feed(&mut ledger, 0, (0..FRAMES).filter(|object| *object != 3), Some(StreamEnd::Whole));
        ledger.spoiled(0, 3);
        assert_eq!(ledger.close(), Findings::default());
    }

    #[test]
    fn what_comes_twice_is_a_duplicate() {
        let mut ledger = Ledger::new(true, FRAMES);
        feed(&mut ledger, 0, [0, 1, 1, 2], None);
        assert_eq!(ledger.close(), Findings { duplicates: 1, ..Findings::default() });
    }

    proptest! {
        #[test]
        fn every_frame_taken_away_is_found(lost in prop::collection::btree_set((0..30u64, 0..FRAMES), 0..40)) {
            let mut ledger = Ledger::new(true, FRAMES);
            for group in 0..30 {
                let kept = (0..FRAMES).filter(|object| !lost.contains(&(group, *object)));
                feed(&mut ledger, group, kept, Some(StreamEnd::Whole));
            }
            let whole = |group: u64| (0..FRAMES).all(|object| lost.contains(&(group, object)));
            prop_assume!(!(0..30).any(whole));
            let mut found = ledger.take();
            found.gaps += ledger.close().gaps;
            prop_assert_eq!(found, Findings { gaps: lost.len() as u64, ..Findings::default() });
        }

        #[test]
        fn nothing_panics(
            group_frames in any::<u32>(),
            frames in prop::collection::vec((any::<u64>(), any::<u32>(), any::<bool>()), 0..100),
        ) {
            let mut ledger = Ledger::new(true, group_frames);
            ledger.frame(&stamp(0, 0));
            ledger.spoiled(u64::MAX, u64::MAX);
            for (group, object, end) in frames {
                ledger.frame(&Stamp { group, object: object % 70, ..stamp(0, 0) });
                if end {
                    ledger.stream_ended(group, StreamEnd::Whole);
                }
            }
            ledger.close();
        }
    }
}
