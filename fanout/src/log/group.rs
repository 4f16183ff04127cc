//! One group: its subgroup logs, what is known about its end, and what it costs.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moqt::{Datagram, DatagramBody, Location, ObjectHeader, ObjectStatus, StreamErrorCode};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gaps::Gaps;
use super::subgroup::{SubgroupLog, SubgroupMeta, SubgroupState};
use super::{AppendError, Signals};
use crate::budget::Charge;
use crate::limit;

/// The objects of one group, as they arrived. Immutable once complete: then it may move to a cache as it is.
#[derive(Debug)]
pub struct GroupLog {
    id: u64,
    received: Instant,
    charge: Charge,
    signals: Arc<Signals>,
    state: Mutex<GroupState>,
}

#[derive(Debug, Default)]
pub(crate) struct GroupState {
    pub(crate) parts: Vec<Arc<SubgroupLog>>,
    pub(crate) datagrams: Vec<Datagram>,
    /// No object has this id or a larger one.
    pub(crate) end: Option<u64>,
    /// When a newer group began.
    pub(crate) superseded: Option<Instant>,
    /// Everything that exists is here, gaps included.
    sealed: bool,
    /// The log let go of it, and readers should too.
    dropped: Option<StreamErrorCode>,
    /// Nothing will be added: the track ended.
    closed: bool,
    /// Object ids that the publisher said do not exist.
    gaps: Gaps,
}

/// Where an object goes.
#[derive(Debug)]
pub(crate) enum Placement {
    /// Nowhere: it is known not to exist.
    Absent,
    /// It is already there.
    Duplicate(Arc<SubgroupLog>, usize),
    /// Behind the last object of this log.
    Append(Arc<SubgroupLog>),
    /// At the beginning of a new log.
    New {
        /// Nothing of the subgroup came before it.
        first: bool,
    },
}

/// What a stream's appender knows when it places an object.
#[derive(Debug)]
pub(crate) struct Placing<'a> {
    pub(crate) subgroup: u64,
    pub(crate) header: &'a ObjectHeader,
    /// The log that took its previous object.
    pub(crate) part: Option<&'a Arc<SubgroupLog>>,
    /// Id of the previous object on the same stream.
    pub(crate) previous: Option<u64>,
}

/// The next object in ascending order over all subgroups.
#[derive(Debug)]
pub(crate) enum NextObject {
    Object {
        part: Arc<SubgroupLog>,
        index: usize,
        /// What lies between it and the one before is known not to exist.
        gap_known: bool,
    },
    Datagram {
        datagram: Box<Datagram>,
        gap_known: bool,
    },
    End {
        /// What lies behind the last object is known not to exist.
        known: bool,
    },
}

impl GroupLog {
    pub(crate) fn new(id: u64, charge: Charge, signals: Arc<Signals>) -> Self {
        Self { id, received: Instant::now(), charge, signals, state: Mutex::default() }
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// When its first object began to arrive.
    #[must_use]
    pub fn received(&self) -> Instant {
        self.received
    }

    /// True cost in bytes: payloads, headers, index and overhead.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.charge.bytes()
    }

    /// Whether every object of the group is here: every subgroup seen was received from its first object to its end, and the
    /// group's end is known or a newer group has begun.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lock().is_complete()
    }

    /// The largest object id, if there is an object.
    #[must_use]
    pub fn largest_object(&self) -> Option<u64> {
        let state = self.lock();
        let streams = state.parts.iter().filter_map(|part| part.lock().last_id()).max();
        streams.max(state.datagrams.iter().map(|datagram| datagram.object_id).max())
    }

    /// The largest id of an object that is here to its last byte.
    #[must_use]
    pub fn largest_whole_object(&self) -> Option<u64> {
        let state = self.lock();
        let streams = state.parts.iter().filter_map(|part| part.lock().last_whole_id()).max();
        streams.max(state.datagrams.iter().map(|datagram| datagram.object_id).max())
    }

    /// How many objects are here, the last of which may still be arriving.
    #[must_use]
    pub fn objects(&self) -> usize {
        let state = self.lock();
        state.parts.iter().map(|part| part.lock().objects.len()).sum::<usize>() + state.datagrams.len()
    }

    /// Whether a stream that may bring more of it is open.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        let grows = |part: &Arc<SubgroupLog>| {
            let inner = part.lock();
            inner.state == SubgroupState::Open && inner.writers > 0
        };
        self.lock().parts.iter().any(grows)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn charge(&self) -> &Charge {
        &self.charge
    }

    pub(crate) fn notify(&self) -> &Notify {
        &self.signals.notify
    }

    pub(crate) fn dropped(&self) -> Option<StreamErrorCode> {
        self.lock().dropped
    }

    /// The track contradicted itself: nothing of it may be served.
    pub(crate) fn is_malformed(&self) -> bool {
        self.dropped() == Some(StreamErrorCode::MalformedTrack)
    }

    pub(crate) fn superseded(&self) -> Option<Instant> {
        self.lock().superseded
    }

    pub(crate) fn supersede(&self, now: Instant) {
        self.lock().superseded.get_or_insert(now);
    }

    /// Tells readers to let go. Streams of a group that is not complete end with `code`.
    pub(crate) fn drop_with(&self, code: StreamErrorCode) {
        let mut state = self.lock();
        state.dropped = Some(code);
        for part in &state.parts {
            part.reset(code);
        }
    }

    /// Ends what no appender holds any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for part in &state.parts {
            let mut inner = part.lock();
            if inner.writers == 0 && inner.state == SubgroupState::Open {
                inner.state = SubgroupState::Reset(StreamErrorCode::Cancelled);
            }
        }
    }

    /// Records that everything that exists is here.
    pub(crate) fn seal(&self) {
        let mut state = self.lock();
        state.sealed = true;
        for part in &state.parts {
            part.lock().finish();
        }
    }

    pub(crate) fn place(&self, placing: &Placing<'_>) -> Result<Placement, AppendError> {
        let state = self.lock();
        let id = placing.header.object_id;
        if state.dropped.is_some() || state.closed {
            return Err(AppendError::GroupGone);
        }
        if state.end.is_some_and(|end| id >= end) {
            return Err(AppendError::Malformed("an object behind the end of its group"));
        }
        if state.datagrams.iter().any(|datagram| datagram.object_id == id) {
            return Err(AppendError::Malformed("an object came both as datagram and on a stream"));
        }
        for part in &state.parts {
            let found = part.lock().find_kept(id);
            if let Some(index) = found {
                if part.subgroup != placing.subgroup {
                    return Err(AppendError::Malformed("an object came in two subgroups"));
                }
                return Ok(Placement::Duplicate(Arc::clone(part), index));
            }
        }
        if state.sealed || state.gaps.contains(id) {
            return Ok(Placement::Absent);
        }
        let of_subgroup = |part: &&Arc<SubgroupLog>| part.subgroup == placing.subgroup;
        let Some(part) = placing.part.or_else(|| state.parts.iter().rev().find(of_subgroup)) else {
            return if state.parts.len() < limit::MAX_SUBGROUPS_PER_GROUP {
                Ok(Placement::New { first: true })
            } else {
                Err(AppendError::TooManySubgroups)
            };
        };
        let inner = part.lock();
        let last = inner.last_kept_id();
        match inner.state {
            SubgroupState::Finished => Err(AppendError::Malformed("an object behind the end of its subgroup")),
            _ if last.is_some_and(|last| id <= last) => Err(AppendError::OutOfOrder),
            SubgroupState::Reset(_) => Ok(Placement::New { first: last.is_none() }),
            SubgroupState::Open => {
                // A log that nobody writes to was left whole: what comes now continues it (FETCH head, then live).
                let taken_up = placing.part.is_none() && inner.writers == 0;
                let follows = last.is_none_or(|last| id == last + 1) || last == placing.previous || taken_up;
                let fits = part.meta.has_properties || placing.header.properties.is_empty();
                if follows && fits && inner.missing == 0 {
                    return Ok(Placement::Append(Arc::clone(part)));
                }
                Ok(Placement::New { first: false })
            }
        }
    }

    pub(crate) fn add_part(&self, subgroup: u64, meta: SubgroupMeta) -> Arc<SubgroupLog> {
        let part = Arc::new(SubgroupLog::new(subgroup, meta));
        self.lock().parts.push(Arc::clone(&part));
        self.signals.restructured();
        part
    }

    /// Records that no object has one of these ids.
    pub(crate) fn note_gap(&self, ids: Range<u64>) -> Result<(), AppendError> {
        let mut state = self.lock();
        let covered = state.parts.iter().any(|part| {
            let inner = part.lock();
            let next = inner.objects.partition_point(|entry| entry.id < ids.start);
            inner.objects.get(next).is_some_and(|entry| ids.contains(&entry.id))
        });
        if covered || state.datagrams.iter().any(|datagram| ids.contains(&datagram.object_id)) {
            return Err(AppendError::Malformed("a gap covers an object that exists"));
        }
        state.gaps.add(ids);
        Ok(())
    }

    /// Records that no object has id `end` or a larger one.
    pub(crate) fn set_end(&self, end: u64) -> Result<(), AppendError> {
        if self.largest_object().is_some_and(|largest| largest >= end) {
            return Err(AppendError::Malformed("the end of a group lies before one of its objects"));
        }
        let mut state = self.lock();
        if state.end.is_some_and(|known| known != end) {
            return Err(AppendError::Malformed("a group has two ends"));
        }
        state.end = Some(end);
        Ok(())
    }

    /// Adds an object that came as a datagram. `false`: it was there already.
    pub(crate) fn add_datagram(&self, datagram: Datagram) -> Result<bool, AppendError> {
        let id = datagram.object_id;
        {
            let mut state = self.lock();
            if state.dropped.is_some() || state.closed {
                return Err(AppendError::GroupGone);
            }
            if let Some(known) = state.datagrams.iter().find(|known| known.object_id == id) {
                return if known.body == datagram.body {
                    Ok(false)
                } else {
                    Err(AppendError::Malformed("an object came with two payloads"))
                };
            }
            if state.sealed || state.gaps.contains(id) {
                return Ok(false);
            }
            if state.end.is_some_and(|end| id >= end) || state.parts.iter().any(|part| part.lock().find(id).is_some()) {
                return Err(AppendError::Malformed("a datagram does not fit the objects of its group"));
            }
            if state.datagrams.len() >= limit::MAX_SUBGROUPS_PER_GROUP {
                return Err(AppendError::TooManySubgroups);
            }
            state.datagrams.push(datagram);
        }
        self.signals.restructured();
        Ok(true)
    }

    /// The object with the smallest id at or above `from`, over all subgroups and datagrams. `None`: it may still come.
    pub(crate) fn next_object(&self, from: u64) -> Option<NextObject> {
        let state = self.lock();
        let mut best: Option<(u64, Arc<SubgroupLog>, usize)> = None;
        let mut growing_below = u64::MAX;
        for part in &state.parts {
            let inner = part.lock();
            let index = inner.objects.partition_point(|entry| entry.id < from);
            match inner.objects.get(index) {
                // Of two that begin with the same object the first was given up in it.
                Some(entry) if best.as_ref().is_none_or(|(id, ..)| entry.id <= *id) => {
                    best = Some((entry.id, Arc::clone(part), index));
                }
                None if inner.state == SubgroupState::Open && inner.writers > 0 => growing_below = from,
                _ => {}
            }
        }
        let datagram = state
            .datagrams
            .iter()
            .filter(|datagram| datagram.object_id >= from)
            .min_by_key(|datagram| datagram.object_id);
        let gap_known = state.sealed || state.is_complete() || state.is_one_stream();
        if let Some(datagram) = datagram
            && best.as_ref().is_none_or(|(id, ..)| datagram.object_id < *id)
        {
            let gap_known = gap_known || state.gaps.covers(&(from..datagram.object_id));
            return Some(NextObject::Datagram { datagram: Box::new(datagram.clone()), gap_known });
        }
        let may_grow = state.dropped.is_none() && !state.closed && !state.sealed;
        match best {
            Some((id, ..)) if id > from && may_grow && growing_below < id => None,
            Some((id, part, index)) => {
                Some(NextObject::Object { part, index, gap_known: gap_known || state.gaps.covers(&(from..id)) })
            }
            None if state.end.is_some_and(|end| from >= end) || state.sealed || state.is_complete() => {
                Some(NextObject::End { known: true })
            }
            None if may_grow && (state.superseded.is_none() || growing_below == from) => None,
            None => Some(NextObject::End { known: false }),
        }
    }

    /// Whether every object from the group's first to `object` is here whole.
    pub(crate) fn holds_up_to(&self, object: u64) -> bool {
        let state = self.lock();
        state.parts.iter().any(|part| {
            let inner = part.lock();
            inner.find(object).is_some_and(|index| inner.is_whole(index))
        })
    }
}

impl GroupState {
    fn is_complete(&self) -> bool {
        if self.dropped.is_some_and(|code| code != StreamErrorCode::TooFarBehind)
            || self.parts.is_empty() && self.datagrams.is_empty()
        {
            return false;
        }
        let finished = self.parts.iter().all(|part| part.lock().state == SubgroupState::Finished);
        let from_first = self.parts.iter().all(|part| part.meta.first_object);
        let ended = self.end.is_some() || self.superseded.is_some();
        // Datagrams may be lost on the way without a trace.
        finished && (self.sealed || from_first && ended && self.datagrams.is_empty())
    }

    /// One stream from its first object on: ids missing on it do not exist.
    fn is_one_stream(&self) -> bool {
        self.datagrams.is_empty() && self.parts.len() == 1 && self.parts[0].meta.first_object
    }
}

/// The end that an object's status declares for its group: the first id that cannot exist.
pub(crate) fn declared_end(id: u64, status: ObjectStatus) -> Option<u64> {
    (status != ObjectStatus::Normal).then(|| id.saturating_add(1))
}

/// The end that a datagram declares for its group.
pub(crate) fn datagram_end(datagram: &Datagram) -> Option<u64> {
    let by_status = match datagram.body {
        DatagramBody::Status(status) => declared_end(datagram.object_id, status),
        DatagramBody::Payload(_) => None,
    };
    by_status.or_else(|| datagram.end_of_group.then(|| datagram.object_id.saturating_add(1)))
}

/// The one counter and the one wake-up that all readers of a track share.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn bump(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Where the first object of a group would be.
pub(crate) fn group_start(group: u64) -> Location {
    Location::new(group, 0)
}
