//! Where groups begin and what they are called. Pure: no clock, no frames, only times.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::limit::{AUDIO_GROUP, FOLLOWER_GROUP_MAX, GROUP_STARTS};

/// Group ids of one broadcast: unix milliseconds at the start, then one more for every group. A later
/// run starts above every id of this one as long as this one stays behind the clock, which
/// [`GroupIds::ahead_of`] lets the caller see to (draft-18 2.1: an object never changes).
#[derive(Debug)]
pub(crate) struct GroupIds {
    next: u64,
}

impl GroupIds {
    /// Ids from `unix_ms` on.
    pub(crate) fn starting_at(unix_ms: u64) -> Self {
        Self { next: unix_ms }
    }

    /// An id that was not used before.
    pub(crate) fn take(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// How long to wait until a restart could not use these ids again; `None` when it already cannot.
    pub(crate) fn ahead_of(&self, unix_ms: u64) -> Option<Duration> {
        self.next.checked_sub(unix_ms).filter(|ahead| *ahead > 0).map(Duration::from_millis)
    }
}

/// What to do with a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    /// It belongs to the track's current group.
    Continue,
    /// It is the first of this group.
    Begin(u64),
    /// It cannot be decoded: no keyframe came yet.
    Skip,
}

/// Cuts all tracks of a broadcast into groups with the same ids at the same media times. The first
/// video track leads: its keyframes begin groups. Other tracks change over at their first
/// random-access frame at or behind that time. Without video the first track leads, second by second.
#[derive(Debug)]
pub(crate) struct Cutter {
    ids: GroupIds,
    leader: Option<Leader>,
    starts: VecDeque<(u64, u128)>,
    current: HashMap<u32, (u64, u128)>,
}

#[derive(Clone, Copy, Debug)]
struct Leader {
    track: u32,
    video: bool,
}

impl Cutter {
    /// Cuts with ids from `ids`; nothing leads yet.
    pub(crate) fn new(ids: GroupIds) -> Self {
        Self { ids, leader: None, starts: VecDeque::new(), current: HashMap::new() }
    }

    /// The ids, for groups that no frame begins (a catalog).
    pub(crate) fn ids(&mut self) -> &mut GroupIds {
        &mut self.ids
    }

    /// Whether groups of this track are those that others follow.
    pub(crate) fn leads(&self, track: u32) -> bool {
        self.leader.is_some_and(|leader| leader.track == track)
    }

    /// Starts afresh with `tracks` (id, is video): the first frames begin new groups.
    pub(crate) fn restart(&mut self, tracks: &[(u32, bool)]) {
        let leader = tracks.iter().find(|(_, video)| *video).or_else(|| tracks.first());
        self.leader = leader.map(|&(track, video)| Leader { track, video });
        self.starts.clear();
        self.current.clear();
    }

    /// Decides about the next frame of `track` at `time` (picoseconds, never falling within a track).
    pub(crate) fn cut(&mut self, track: u32, time: u128, random_access: bool) -> Cut {
        let current = self.current.get(&track).copied();
        let begin = match self.leader {
            Some(leader) if leader.track == track => self.lead(leader, current, time, random_access),
            _ => self.follow(current, time, random_access),
        };
        match (begin, current) {
            (Some(id), _) => {
                self.current.insert(track, (id, time));
                Cut::Begin(id)
            }
            (None, Some(_)) => Cut::Continue,
            (None, None) => Cut::Skip,
        }
    }

    fn lead(&mut self, leader: Leader, current: Option<(u64, u128)>, time: u128, random_access: bool) -> Option<u64> {
        let full = current.is_none_or(|(_, start)| time >= start.saturating_add(AUDIO_GROUP));
        if !random_access || !(leader.video || full) {
            return None;
        }
        // Sound that came before the first picture has begun the group already.
        match self.starts.back() {
            Some(&(id, _)) if current.is_none() => Some(id),
            _ => Some(self.start(time)),
        }
    }

    fn follow(&mut self, current: Option<(u64, u128)>, time: u128, random_access: bool) -> Option<u64> {
        if !random_access {
            return None;
        }
        let reached = self.starts.iter().rev().find(|(_, start)| *start <= time).or_else(|| self.starts.front());
        match (reached, current) {
            (Some(&(id, _)), Some((now, _))) if id > now => Some(id),
            (_, Some((_, start))) if time >= start.saturating_add(FOLLOWER_GROUP_MAX) => Some(self.start(time)),
            (_, Some(_)) => None,
            (Some(&(id, _)), None) => Some(id),
            (None, None) => Some(self.start(time)),
        }
    }

    fn start(&mut self, time: u128) -> u64 {
        if self.starts.len() == GROUP_STARTS {
            self.starts.pop_front();
        }
        let id = self.ids.take();
        self.starts.push_back((id, time));
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::picoseconds;

    const VIDEO: u32 = 1;
    const AUDIO: u32 = 2;

    fn cutter(tracks: &[(u32, bool)]) -> Cutter {
        let mut cutter = Cutter::new(GroupIds::starting_at(1000));
        cutter.restart(tracks);
        cutter
    }

    fn milliseconds(time: u64) -> u128 {
        picoseconds(time, 1000)
    }

    #[test]
    fn groups_begin_at_keyframes_and_sound_follows_with_the_same_ids() {
        let mut cutter = cutter(&[(AUDIO, false), (VIDEO, true)]);
        assert_eq!(cutter.cut(VIDEO, milliseconds(0), true), Cut::Begin(1000));
        assert_eq!(cutter.cut(AUDIO, milliseconds(0), true), Cut::Begin(1000));
        assert_eq!(cutter.cut(VIDEO, milliseconds(500), false), Cut::Continue);
        assert_eq!(cutter.cut(VIDEO, milliseconds(1000), true), Cut::Begin(1001));
        assert_eq!(cutter.cut(AUDIO, milliseconds(999), true), Cut::Continue);
        assert_eq!(cutter.cut(AUDIO, milliseconds(1000), true), Cut::Begin(1001));
        assert_eq!(cutter.cut(AUDIO, milliseconds(1020), true), Cut::Continue);
    }

    #[test]
    fn a_whole_fragment_of_pictures_before_its_sound_changes_nothing() {
        let mut cutter = cutter(&[(VIDEO, true), (AUDIO, false)]);
        for group in 0..3 {
            assert_eq!(cutter.cut(VIDEO, milliseconds(group * 1000), true), Cut::Begin(1000 + group));
        }
        let cuts: Vec<Cut> = (0..6).map(|half| cutter.cut(AUDIO, milliseconds(half * 500), true)).collect();
        let expected = [1000, 1001, 1002].map(|id| [Cut::Begin(id), Cut::Continue]).concat();
        assert_eq!(cuts, expected);
    }

    #[test]
    fn sound_ahead_of_the_first_picture_shares_its_group() {
        let mut cutter = cutter(&[(VIDEO, true), (AUDIO, false)]);
        assert_eq!(cutter.cut(AUDIO, milliseconds(0), true), Cut::Begin(1000));
        assert_eq!(cutter.cut(VIDEO, milliseconds(10), true), Cut::Begin(1000));
        assert_eq!(cutter.cut(VIDEO, milliseconds(1010), true), Cut::Begin(1001));
    }

    #[test]
    fn pictures_before_the_first_keyframe_are_skipped() {
        let mut cutter = cutter(&[(VIDEO, true)]);
        assert_eq!(cutter.cut(VIDEO, 0, false), Cut::Skip);
        assert_eq!(cutter.cut(VIDEO, 1, true), Cut::Begin(1000));
    }

    #[test]
    fn a_second_rendition_changes_over_at_its_own_keyframe() {
        let mut cutter = cutter(&[(VIDEO, true), (3, true)]);
        assert_eq!(cutter.cut(VIDEO, milliseconds(0), true), Cut::Begin(1000));
        assert_eq!(cutter.cut(3, milliseconds(0), true), Cut::Begin(1000));
        assert_eq!(cutter.cut(VIDEO, milliseconds(1000), true), Cut::Begin(1001));
        assert_eq!(cutter.cut(3, milliseconds(1000), false), Cut::Continue);
        assert_eq!(cutter.cut(3, milliseconds(1040), true), Cut::Begin(1001));
        assert_eq!(cutter.cut(3, milliseconds(1080), true), Cut::Continue, "its keyframes are closer together");
    }

    #[test]
    fn sound_alone_is_cut_every_second() {
        let mut cutter = cutter(&[(AUDIO, false)]);
        let begun = (0..500)
            .filter(|index| matches!(cutter.cut(AUDIO, picoseconds(index * 1024, 48_000), true), Cut::Begin(_)));
        assert_eq!(begun.count(), 11);
    }

    #[test]
    fn sound_goes_on_in_groups_when_the_pictures_stop() {
        let mut cutter = cutter(&[(VIDEO, true), (AUDIO, false)]);
        assert_eq!(cutter.cut(VIDEO, 0, true), Cut::Begin(1000));
        assert_eq!(cutter.cut(AUDIO, 0, true), Cut::Begin(1000));
        assert_eq!(cutter.cut(AUDIO, milliseconds(19_999), true), Cut::Continue);
        assert_eq!(cutter.cut(AUDIO, milliseconds(20_000), true), Cut::Begin(1001));
        assert_eq!(cutter.cut(VIDEO, milliseconds(20_001), true), Cut::Begin(1002));
    }

    #[test]
    fn a_restarted_run_and_a_restarted_process_never_use_an_id_again() {
        let mut first = cutter(&[(VIDEO, true)]);
        let ids: Vec<Cut> = (0..5).map(|index| first.cut(VIDEO, index, true)).collect();
        first.restart(&[(VIDEO, true)]);
        assert_eq!(first.cut(VIDEO, 0, true), Cut::Begin(1005));
        assert_eq!(ids.last(), Some(&Cut::Begin(1004)));

        // Five groups within 2 ms: a process started then would use 1002 again, so the caller waits.
        let wait = first.ids().ahead_of(1002).unwrap();
        let mut second = Cutter::new(GroupIds::starting_at(1002 + u64::try_from(wait.as_millis()).unwrap()));
        second.restart(&[(VIDEO, true)]);
        assert_eq!(second.cut(VIDEO, 0, true), Cut::Begin(1006));
        assert_eq!(first.ids().ahead_of(1006), None);
    }
}
