//! A track's newest groups in order, who may write to them, and how long they stay.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moqt::{Datagram, Location, MalformedTrack, ObjectStatus, Properties, PublishDoneCode, StreamErrorCode, property};
use tokio::time::Instant;

use super::gaps::Gaps;
use super::group::datagram_end;
use super::{AppendError, GroupLog, Signals, SubgroupAppender, SubgroupMeta};
use crate::budget::MemoryBudget;
use crate::limit;

/// Bounds of one track's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// Groups kept; at least 1 is. A handover needs 2.
    pub max_groups: usize,
    /// Groups after which a newer one began less than this ago stay, too: where groups are short, such as one frame of sound each,
    /// `max_groups` would be gone before a reader has its turn.
    pub min_age: Duration,
    /// Bytes kept, true cost. The oldest groups leave first; a newest group that alone is larger is dropped.
    pub max_bytes: u64,
}

/// How a track ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackEnd {
    /// Status for PUBLISH_DONE.
    pub status: PublishDoneCode,
    /// Words for PUBLISH_DONE; may be empty.
    pub reason: String,
}

/// The newest groups of one track. Clones are handles to the same log.
///
/// Lock order: track, then group, then subgroup; none is held while readers are woken or memory is reclaimed.
#[derive(Debug, Clone)]
pub struct TrackLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: LogSettings,
    budget: MemoryBudget,
    signals: Arc<Signals>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Ascending by id.
    groups: VecDeque<Arc<GroupLog>>,
    /// Of what has arrived.
    largest: Option<Location>,
    /// What upstream said.
    told: Option<Location>,
    /// The location that END_OF_TRACK named.
    last: Option<Location>,
    end: Option<TrackEnd>,
    /// Groups below it that are not here do not come back.
    floor: u64,
    completed: VecDeque<Arc<GroupLog>>,
    /// Groups whose beginning is still being fetched, one entry per [`HeadHold`].
    holds: Vec<u64>,
    overloaded: u64,
    /// Group ids that the publisher said do not exist.
    gaps: Gaps,
}

impl TrackLog {
    /// An empty log.
    #[must_use]
    pub fn new(settings: LogSettings, budget: MemoryBudget) -> Self {
        Self(Arc::new(Shared { settings, budget, signals: Arc::default(), state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn signals(&self) -> &Arc<Signals> {
        &self.0.signals
    }

    /// Starts appending one upstream stream. A subgroup that is already there is continued: what it holds is skipped (and
    /// compared), what follows is appended.
    ///
    /// # Errors
    /// The track has ended, the group is too old, or memory is used up.
    pub fn subgroup(&self, group: u64, subgroup: u64, meta: SubgroupMeta) -> Result<SubgroupAppender, AppendError> {
        let log = self.group_to_append(group)?;
        Ok(SubgroupAppender::new(self.clone(), log, subgroup, meta))
    }

    /// Appends one object that came as a datagram. An object that is already there is skipped.
    ///
    /// # Errors
    /// As [`TrackLog::subgroup`], or the object contradicts what is there.
    pub fn datagram(&self, mut datagram: Datagram) -> Result<(), AppendError> {
        let location = Location::new(datagram.group, datagram.object_id);
        let group = self.group_to_append(datagram.group)?;
        self.check_object(&group, location, &datagram.properties)?;
        // A datagram's slices would pin the receive buffer.
        let mut bytes =
            limit::OBJECT_OVERHEAD_BYTES + limit::CHUNK_OVERHEAD_BYTES + datagram.properties.as_bytes().len() as u64;
        if let moqt::DatagramBody::Payload(payload) = &mut datagram.body {
            *payload = bytes::Bytes::copy_from_slice(payload);
            bytes += payload.len() as u64;
        }
        self.charge(&group, bytes)?;
        let end = datagram_end(&datagram);
        let track_end = matches!(datagram.body, moqt::DatagramBody::Status(ObjectStatus::EndOfTrack));
        let added = group.add_datagram(datagram);
        if !matches!(added, Ok(true)) {
            group.charge().shrink(bytes);
            return added.map(|_| ());
        }
        if let Some(end) = end {
            group.set_end(end)?;
        }
        self.note_object(location, track_end)
    }

    /// The largest location that was published or received.
    #[must_use]
    pub fn largest(&self) -> Option<Location> {
        self.lock().largest
    }

    /// Takes upstream's word on the largest location, which may be ahead of what has arrived; a word before is void.
    pub fn tell_largest(&self, largest: Option<Location>) {
        self.lock().told = largest;
    }

    /// The largest location: what upstream told or what has arrived, whichever is later.
    #[must_use]
    pub fn known_largest(&self) -> Option<Location> {
        let state = self.lock();
        state.told.max(state.largest)
    }

    /// The group with this id, if it is here or waits for [`TrackLog::take_completed`].
    #[must_use]
    pub fn group(&self, id: u64) -> Option<Arc<GroupLog>> {
        let state = self.lock();
        match state.groups.binary_search_by_key(&id, |group| group.id()) {
            Ok(index) => Some(Arc::clone(&state.groups[index])),
            Err(_) => state.completed.iter().find(|group| group.id() == id).cloned(),
        }
    }

    /// The newest group, if there is one.
    #[must_use]
    pub fn newest_group(&self) -> Option<Arc<GroupLog>> {
        self.lock().groups.back().cloned()
    }

    /// The groups from `from` on, oldest first; at most [`LogSettings::max_groups`] and one more.
    #[must_use]
    pub fn groups_from(&self, from: u64) -> Vec<Arc<GroupLog>> {
        self.lock().groups.iter().filter(|group| group.id() >= from).cloned().collect()
    }

    /// Groups that were dropped because memory was used up.
    #[must_use]
    pub fn overloaded_groups(&self) -> u64 {
        self.lock().overloaded
    }

    /// Bytes of all groups here, true cost.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// How the track ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<TrackEnd> {
        self.lock().end.clone()
    }

    /// The location that END_OF_TRACK named, if it was seen: nothing exists behind it.
    #[must_use]
    pub fn last_location(&self) -> Option<Location> {
        self.lock().last
    }

    /// Ends the track: viewers get what is here, then PUBLISH_DONE. Subgroups that no appender holds end as reset. Of a malformed
    /// track nothing more is served, and no group is left for a cache.
    pub fn end(&self, status: PublishDoneCode, reason: &str) {
        let malformed = status == PublishDoneCode::MalformedTrack;
        let groups: Vec<_> = {
            let mut state = self.lock();
            state.end.get_or_insert_with(|| TrackEnd { status, reason: reason.to_owned() });
            if malformed {
                state.completed.clear();
            }
            state.groups.iter().cloned().collect()
        };
        for group in groups {
            if malformed {
                group.drop_with(StreamErrorCode::MalformedTrack);
            } else {
                group.close();
            }
        }
        self.0.signals.restructured();
    }

    /// Whether the publisher said that this group does not exist.
    #[must_use]
    pub fn is_absent(&self, group: u64) -> bool {
        self.lock().gaps.contains(group)
    }

    /// Takes the complete groups that left the log since the last call, oldest first, for a cache to keep. At most a few wait
    /// here; ask after every finished subgroup.
    #[must_use]
    pub fn take_completed(&self) -> Vec<Arc<GroupLog>> {
        self.lock().completed.drain(..).collect()
    }

    /// Records that everything of a group that exists is here, as a finished FETCH of the whole group shows.
    pub fn seal_group(&self, group: u64) {
        if let Some(group) = self.group(group) {
            group.seal();
            self.0.signals.restructured();
        }
    }

    /// Waits until `condition` gives a value; it is asked after every change. Cancel safe.
    pub async fn wait_for<T>(&self, mut condition: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.0.signals.notify.notified());
            changed.as_mut().enable();
            if let Some(value) = condition(self) {
                return value;
            }
            changed.await;
        }
    }

    /// Waits until the object at `location` is here whole. `false`: it will not come, because its group left or the track ended.
    pub async fn wait_until_complete_up_to(&self, location: Location) -> bool {
        let check = |log: &Self| {
            let held = log.group(location.group).map(|group| group.holds_up_to(location.object));
            match held {
                Some(true) => Some(true),
                Some(false) => log.ended().map(|_| false),
                None => {
                    let state = log.lock();
                    (state.end.is_some() || location.group < state.floor).then_some(false)
                }
            }
        };
        self.wait_for(check).await
    }

    /// Announces that the groups up to `location.group` are being fetched from their beginning: live streams of these groups
    /// wait in [`TrackLog::head_settled`] until the hold is dropped, so that head and live objects join in order.
    #[must_use]
    pub fn hold_head(&self, location: Location) -> HeadHold {
        self.lock().holds.push(location.group);
        HeadHold { log: self.clone(), group: location.group }
    }

    /// Waits until no beginning of `group` is being fetched any more. Cancel safe.
    pub async fn head_settled(&self, group: u64) {
        let settled = |log: &Self| log.lock().holds.iter().all(|held| *held < group).then_some(());
        self.wait_for(settled).await;
    }

    fn group_to_append(&self, id: u64) -> Result<Arc<GroupLog>, AppendError> {
        if let Some(group) = self.known_group(id)? {
            return Ok(group);
        }
        let charge = self.0.budget.reserve(limit::GROUP_OVERHEAD_BYTES).ok_or(AppendError::OverBudget)?;
        {
            let mut state = self.lock();
            let now = Instant::now();
            let index = state.groups.partition_point(|group| group.id() < id);
            if let Some(raced) = state.groups.get(index).filter(|group| group.id() == id) {
                return Ok(Arc::clone(raced));
            }
            let group = Arc::new(GroupLog::new(id, charge, Arc::clone(&self.0.signals)));
            state.groups.insert(index, Arc::clone(&group));
            let newest = state.groups.len() - 1;
            for older in state.groups.iter().take(newest) {
                older.supersede(now);
            }
            while state.groups.len() > self.0.settings.max_groups.max(1) {
                let victim = state.victim(id);
                let Some(victim) = victim else { break };
                let age = state.groups[victim].superseded().map(|since| now.duration_since(since));
                if state.groups.len() <= limit::MAX_YOUNG_GROUPS && age.is_some_and(|age| age < self.0.settings.min_age)
                {
                    break;
                }
                state.evict(victim);
            }
        }
        self.0.signals.restructured();
        // A group older than all that are kept may have been the one to leave.
        self.known_group(id)?.ok_or(AppendError::TooOld)
    }

    fn known_group(&self, id: u64) -> Result<Option<Arc<GroupLog>>, AppendError> {
        let state = self.lock();
        if state.end.is_some() {
            return Err(AppendError::Ended);
        }
        if state.last.is_some_and(|last| id > last.group) {
            return Err(AppendError::Malformed("a group behind the end of the track"));
        }
        match state.groups.binary_search_by_key(&id, |group| group.id()) {
            Ok(index) => Ok(Some(Arc::clone(&state.groups[index]))),
            Err(_) if state.gaps.contains(id) => Err(AppendError::Absent),
            Err(0) if state.groups.len() >= self.0.settings.max_groups.max(1) => Err(AppendError::TooOld),
            Err(_) if id < state.floor => Err(AppendError::TooOld),
            Err(_) => Ok(None),
        }
    }

    /// Checks an object's properties, and takes note of what they say does not exist (draft-18 sections 12.7 to 12.9).
    pub(crate) fn check_object(
        &self,
        group: &GroupLog,
        location: Location,
        properties: &Properties,
    ) -> Result<(), AppendError> {
        if properties.is_empty() {
            return Ok(());
        }
        properties.check_object(location).map_err(|MalformedTrack(reason)| AppendError::Malformed(reason))?;
        if let Some(gap) = properties.get_int(property::PRIOR_OBJECT_ID_GAP) {
            group.note_gap(location.object.saturating_sub(gap)..location.object)?;
        }
        let Some(gap) = properties.get_int(property::PRIOR_GROUP_ID_GAP) else { return Ok(()) };
        let ids = location.group.saturating_sub(gap)..location.group;
        let mut state = self.lock();
        if state.groups.iter().any(|group| ids.contains(&group.id()) && group.objects() > 0) {
            return Err(AppendError::Malformed("a gap covers a group that exists"));
        }
        state.gaps.add(ids);
        Ok(())
    }

    /// Charges bytes to a group, making room among the older groups first. Over budget, the group is dropped.
    pub(crate) fn charge(&self, group: &Arc<GroupLog>, bytes: u64) -> Result<(), AppendError> {
        let fits_track = {
            let mut state = self.lock();
            let max = self.0.settings.max_bytes;
            let mut left = false;
            while state.bytes().saturating_add(bytes) > max
                && let Some(victim) = state.oldest_below(group.id())
            {
                state.evict(victim);
                left = true;
            }
            let fits = state.bytes().saturating_add(bytes) <= max;
            drop(state);
            if left {
                self.0.signals.restructured();
            }
            fits
        };
        if fits_track && group.charge().grow(bytes) {
            return Ok(());
        }
        self.drop_group(group, StreamErrorCode::ExcessiveLoad);
        self.lock().overloaded += 1;
        Err(AppendError::OverBudget)
    }

    /// Lets go of a group that cannot be served: its streams end with `code`.
    pub(crate) fn drop_group(&self, group: &Arc<GroupLog>, code: StreamErrorCode) {
        group.drop_with(code);
        {
            let mut state = self.lock();
            state.groups.retain(|kept| !Arc::ptr_eq(kept, group));
            state.floor = state.floor.max(group.id().saturating_add(1));
        }
        self.0.signals.restructured();
    }

    /// Records that an object became visible, and wakes readers.
    pub(crate) fn note_object(&self, location: Location, end_of_track: bool) -> Result<(), AppendError> {
        {
            let mut state = self.lock();
            if state.last.is_some_and(|last| location > last) {
                return Err(AppendError::Malformed("an object behind the end of the track"));
            }
            state.largest = state.largest.max(Some(location));
            if end_of_track {
                state.last = Some(location);
            }
        }
        self.0.signals.grown();
        Ok(())
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.groups.iter().map(|group| group.bytes()).sum()
    }

    /// Who leaves to make room for group `appended`: the oldest, but neither it, nor the newest complete group while it is all
    /// that a joining viewer could get whole.
    fn victim(&self, appended: u64) -> Option<usize> {
        let complete = self.groups.iter().rposition(|group| group.is_complete());
        let spared = |index: usize| Some(index) == complete || self.groups[index].id() == appended;
        let older = self.groups.len().saturating_sub(1);
        (0..older).find(|index| !spared(*index)).or_else(|| self.oldest_below(appended))
    }

    fn oldest_below(&self, id: u64) -> Option<usize> {
        self.groups.front().filter(|group| group.id() < id).map(|_| 0)
    }

    fn evict(&mut self, index: usize) {
        let Some(group) = self.groups.remove(index) else { return };
        self.floor = self.floor.max(group.id().saturating_add(1));
        let complete = group.is_complete();
        group.drop_with(StreamErrorCode::TooFarBehind);
        if complete {
            if self.completed.len() == limit::MAX_COMPLETED_GROUPS {
                self.completed.pop_front();
            }
            self.completed.push_back(group);
        }
    }
}

/// Keeps live streams of a group waiting while its beginning is fetched. Drop it when the FETCH has ended, however it ended.
#[derive(Debug)]
pub struct HeadHold {
    log: TrackLog,
    group: u64,
}

impl Drop for HeadHold {
    fn drop(&mut self) {
        {
            let mut state = self.log.lock();
            if let Some(index) = state.holds.iter().position(|held| *held == self.group) {
                state.holds.swap_remove(index);
            }
        }
        self.log.0.signals.grown();
    }
}
