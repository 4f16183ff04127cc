//! One published track: its newest frames as they came, and, while somebody wants them, as objects.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use fanout::{LogSettings, MemoryBudget, SubgroupAppender, SubgroupMeta, TrackLog};
use moqt::{Location, ObjectHeader, ObjectStatus, Properties, PublishDoneCode, TrackName, Version};

use super::PublishError;
use crate::{
    limit::{FRAME_OVERHEAD, SHORT_GROUPS},
    metric,
    package::{Packaged, Packager, Published},
    settings::RetainSettings,
};

/// What a track is made with.
#[derive(Debug)]
pub(crate) struct TrackSettings {
    pub(crate) name: TrackName,
    pub(crate) packager: Packager,
    /// Publisher priority, 0 most urgent.
    pub(crate) priority: u8,
    pub(crate) retain: RetainSettings,
    /// Charged for the objects.
    pub(crate) budget: MemoryBudget,
}

/// A track: frames go in, a [`TrackLog`] of objects comes out, but only while a [`Demand`] exists.
#[derive(Debug)]
pub(crate) struct Track {
    settings: TrackSettings,
    properties: Properties,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    groups: VecDeque<RawGroup>,
    /// True cost of all groups.
    bytes: usize,
    /// Frames so far.
    sequence: u32,
    ended: bool,
    demand: usize,
    live: Option<Live>,
}

/// A group before packaging.
#[derive(Debug)]
struct RawGroup {
    id: u64,
    /// Number of the first frame in the track.
    sequence: u32,
    frames: Vec<Published>,
    bytes: usize,
    complete: bool,
    /// The track's end, after the last frame.
    end_of_track: bool,
}

/// The packaged side: the log, and how far it has come.
#[derive(Debug)]
struct Live {
    log: TrackLog,
    group: u64,
    packaged: usize,
    appender: Option<SubgroupAppender>,
}

impl Track {
    pub(crate) fn new(settings: TrackSettings) -> Result<Self, PublishError> {
        let properties = settings.packager.track_properties(settings.priority)?;
        Ok(Self { settings, properties, state: Mutex::default() })
    }

    pub(crate) fn name(&self) -> &TrackName {
        &self.settings.name
    }

    /// Publisher priority, 0 most urgent.
    pub(crate) fn priority(&self) -> u8 {
        self.settings.priority
    }

    /// The track properties that go into every answer about it.
    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Every stamp that is kept.
    #[cfg(test)]
    pub(crate) fn stamps(&self) -> Vec<crate::package::Stamp> {
        let state = self.lock();
        state.groups.iter().flat_map(|group| &group.frames).filter_map(|published| published.stamp).collect()
    }

    /// The newest object, packaged or not; `None` before the first.
    pub(crate) fn largest(&self) -> Option<Location> {
        let state = self.lock();
        let group = state.groups.back()?;
        let objects = group.frames.len() + usize::from(group.end_of_track);
        Some(Location::new(group.id, objects.checked_sub(1)? as u64))
    }

    /// Whether nothing will be added any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Begins group `id` with its first frame and ends the group before it.
    pub(crate) fn begin(&self, id: u64, frame: Published) -> Result<(), PublishError> {
        let mut state = self.lock();
        state.complete_newest();
        let sequence = state.sequence;
        let group = RawGroup { id, sequence, frames: Vec::new(), bytes: 0, complete: false, end_of_track: false };
        state.groups.push_back(group);
        self.add(&mut state, frame)
    }

    /// Adds a frame to the newest group.
    pub(crate) fn push(&self, frame: Published) -> Result<(), PublishError> {
        self.add(&mut self.lock(), frame)
    }

    fn add(&self, state: &mut State, published: Published) -> Result<(), PublishError> {
        let RetainSettings { groups, bytes: limit, .. } = self.settings.retain;
        let cost = published.frame.payload.len() + FRAME_OVERHEAD;
        let Some(group) = state.groups.back_mut() else { return Ok(()) };
        if group.bytes + cost > limit {
            let track = self.name().to_string();
            return Err(PublishError::GroupTooLarge { track, group: group.id, limit });
        }
        group.bytes += cost;
        group.frames.push(published);
        state.bytes += cost;
        state.sequence = state.sequence.wrapping_add(1);
        while state.groups.len() > 1 && (state.groups.len() > groups.get() || state.bytes > limit) {
            state.bytes -= state.groups.pop_front().map_or(0, |group| group.bytes);
        }
        self.package(state);
        Ok(())
    }

    /// Ends the newest group: nothing will be added to it.
    pub(crate) fn complete(&self) {
        let mut state = self.lock();
        state.complete_newest();
        self.package(&mut state);
    }

    /// Ends the track: what is kept stays available, and viewers are told.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        if let Some(group) = state.groups.back_mut() {
            // An object behind the declared end of a group would make the track malformed.
            group.end_of_track = !group.complete;
            group.complete = true;
        }
        self.package(&mut state);
    }

    /// Asks for objects: what is kept is packaged now, and every frame from here on as it comes.
    pub(crate) fn demand(self: &Arc<Self>) -> Demand {
        let mut state = self.lock();
        state.demand += 1;
        let log = match &state.live {
            Some(live) => live.log.clone(),
            None => {
                let log = TrackLog::new(self.log_settings(), self.settings.budget.clone());
                state.live = Some(Live::new(log.clone(), 0));
                self.package(&mut state);
                log
            }
        };
        drop(state);
        Demand { track: self.clone(), log }
    }

    /// Twice what is kept as frames: the log adds boxes, properties and an index.
    fn log_settings(&self) -> LogSettings {
        let RetainSettings { groups, bytes, .. } = self.settings.retain;
        LogSettings { max_groups: groups.get(), min_age: SHORT_GROUPS, max_bytes: 2 * bytes as u64 }
    }

    /// Brings the log up to date, if there is one. What the log does not take ends it: its viewers are
    /// told, and the next one gets a new log.
    fn package(&self, state: &mut State) {
        let Some(live) = &mut state.live else { return };
        let packager = &self.settings.packager;
        let from = live.group;
        let mut groups = state.groups.iter().filter(|group| group.id >= from);
        match groups.try_for_each(|group| live.append(group, packager)) {
            Ok(()) if state.ended => live.log.end(PublishDoneCode::TrackEnded, ""),
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(track = %self.name(), %error, "a frame could not be made an object");
                live.log.end(PublishDoneCode::InternalError, "a frame could not be published");
                state.live = None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a bug of its own; the frames in it are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn complete_newest(&mut self) {
        if let Some(group) = self.groups.back_mut() {
            group.complete = true;
        }
    }
}

impl Live {
    fn new(log: TrackLog, group: u64) -> Self {
        Self { log, group, packaged: 0, appender: None }
    }

    /// Packages those frames of `group` that were not yet, and closes the group if it is complete.
    fn append(&mut self, group: &RawGroup, packager: &Packager) -> Result<(), PublishError> {
        if group.id != self.group {
            *self = Self::new(self.log.clone(), group.id);
        }
        let properties = packager.has_properties();
        while let Some(published) = group.frames.get(self.packaged) {
            let index = self.packaged;
            let sequence = group.sequence.wrapping_add(index as u32);
            let Packaged { properties: of_object, payload } = packager.package(published, sequence, index == 0)?;
            let header = header(index, of_object, payload.len(), ObjectStatus::Normal);
            self.appender(properties)?.object(&header, payload)?;
            self.packaged += 1;
            metric::packaged();
        }
        if !group.complete || self.appender.is_none() {
            return Ok(());
        }
        if group.end_of_track {
            let end = header(self.packaged, Properties::EMPTY, 0, ObjectStatus::EndOfTrack);
            self.appender(properties)?.object(&end, Bytes::new())?;
        }
        match self.appender.take() {
            Some(appender) => Ok(appender.finish(true)?),
            None => Ok(()),
        }
    }

    fn appender(&mut self, has_properties: bool) -> Result<&mut SubgroupAppender, PublishError> {
        let appender = match self.appender.take() {
            Some(appender) => appender,
            None => {
                let meta = SubgroupMeta {
                    version: Version::Draft18,
                    priority: None,
                    has_properties,
                    first_object: true,
                    end_of_group: true,
                };
                self.log.subgroup(self.group, 0, meta)?
            }
        };
        Ok(self.appender.insert(appender))
    }
}

fn header(index: usize, properties: Properties, payload: usize, status: ObjectStatus) -> ObjectHeader {
    ObjectHeader { object_id: index as u64, properties, payload_len: payload as u64, status }
}

/// A wish for a track's objects, held by whoever serves them. When the last one of a track is dropped
/// its log goes too and packaging stops.
#[derive(Debug)]
pub(crate) struct Demand {
    track: Arc<Track>,
    log: TrackLog,
}

impl Demand {
    /// The objects: those of the groups that are kept, and every new one.
    pub(crate) fn log(&self) -> &TrackLog {
        &self.log
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        let mut state = self.track.lock();
        state.demand -= 1;
        if state.demand == 0 {
            state.live = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::{
        package::Packaging,
        testing::{video, video_frame},
    };

    const GROUPS: usize = 3;

    fn track(bytes: usize) -> Arc<Track> {
        let retain = RetainSettings { groups: NonZeroUsize::new(GROUPS).unwrap(), bytes, total_bytes: 1 << 30 };
        let settings = TrackSettings {
            name: TrackName::new("video0".to_owned()).unwrap(),
            packager: Packager::new(Packaging::Loc, &video(1, 30), None),
            priority: 5,
            retain,
            budget: MemoryBudget::new(retain.total_bytes),
        };
        Arc::new(Track::new(settings).unwrap())
    }

    fn picture(time: u64, keyframe: bool) -> Published {
        Published { frame: video_frame(1, time, 1, keyframe), stamp: None }
    }

    fn publish(track: &Track, group: u64, frames: u64) {
        for index in 0..frames {
            let frame = picture(group * 100 + index, index == 0);
            match index {
                0 => track.begin(group, frame).unwrap(),
                _ => track.push(frame).unwrap(),
            }
        }
    }

    #[test]
    fn nothing_is_packaged_without_demand_and_what_is_kept_with_it() {
        let track = track(1 << 20);
        for group in 10..15 {
            publish(&track, group, 4);
        }
        assert!(track.lock().live.is_none());
        assert_eq!(track.largest(), Some(Location::new(14, 3)));

        let demand = track.demand();
        assert_eq!(demand.log().largest(), Some(Location::new(14, 3)));
        let kept: Vec<u64> = demand.log().groups_from(0).iter().map(|group| group.id()).collect();
        assert_eq!(kept, [12, 13, 14]);
        assert!(demand.log().group(13).unwrap().is_complete() && !demand.log().group(14).unwrap().is_complete());

        track.push(picture(1404, false)).unwrap();
        assert_eq!(demand.log().largest(), Some(Location::new(14, 4)));
        let other = track.demand();
        drop(demand);
        track.push(picture(1405, false)).unwrap();
        assert_eq!(other.log().largest(), Some(Location::new(14, 5)));
        drop(other);
        assert!(track.lock().live.is_none());
    }

    #[test]
    fn the_end_of_the_track_is_an_object_in_the_open_group() {
        let track = track(1 << 20);
        publish(&track, 7, 2);
        let demand = track.demand();
        track.end();
        track.end();
        let end = Some(Location::new(7, 2));
        assert_eq!((track.largest(), demand.log().largest(), demand.log().last_location()), (end, end, end));
        assert_eq!(demand.log().ended().unwrap().status, PublishDoneCode::TrackEnded);
        drop(demand);
        assert_eq!(track.demand().log().last_location(), end, "also for whoever comes later");
    }

    #[test]
    fn a_complete_group_gets_no_object_behind_its_end() {
        let track = track(1 << 20);
        publish(&track, 7, 1);
        track.complete();
        track.end();
        let demand = track.demand();
        assert_eq!(demand.log().largest(), Some(Location::new(7, 0)));
        assert_eq!(demand.log().ended().unwrap().status, PublishDoneCode::TrackEnded);
    }

    #[test]
    fn memory_is_bounded_by_bytes_and_an_endless_group_is_an_error() {
        let limit = 10 * (FRAME_OVERHEAD + 40);
        let track = track(limit);
        for group in 0..5 {
            publish(&track, group, 6);
            let state = track.lock();
            assert!(state.bytes <= limit && state.groups.len() == 1, "two such groups do not fit");
            assert_eq!(state.bytes, state.groups.iter().map(|group| group.bytes).sum::<usize>());
        }
        let error = (6..100).find_map(|index| track.push(picture(index, false)).err()).unwrap();
        assert!(matches!(error, PublishError::GroupTooLarge { group: 4, .. }), "{error}");
    }
}
