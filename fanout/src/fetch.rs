//! Answering a FETCH: a range of groups, objects ascending in each, as far as they are known (draft-18 section 10.12).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use moqt::{Datagram, DatagramBody, FetchObjectHeader, GroupOrder, Location, ObjectStatus, StreamErrorCode};

use crate::limit;
use crate::log::{GroupLog, NextObject, Pending, Position, SubgroupLog, SubgroupState, TrackLog, group_start};
use crate::observer::ServeObserver;
use crate::sink::{FetchSink, SinkError};

/// The largest object id that every draft can express: the end of a whole group.
const LAST_OBJECT: u64 = (1 << 62) - 1;

/// What a [`GroupSource`] knows about the next groups of a range.
#[derive(Debug, Clone)]
pub enum GroupAnswer {
    /// The next group that exists; asked-for groups before it do not. It may still be growing.
    Found(Arc<GroupLog>),
    /// No group from the one asked for through this one (in the order of the range) exists.
    Missing {
        /// Last group the answer is about.
        through: u64,
    },
    /// The track contradicted itself: nothing of it is served any more.
    Malformed,
    /// Nobody knows about the groups from the one asked for through this one (in the order of the range).
    Unknown {
        /// Last group the answer is about.
        through: u64,
    },
}

/// Where the groups of a FETCH come from: a log, a cache, another publisher.
pub trait GroupSource: Send + Sync {
    /// About the first groups of the range from `id` through `last` inclusive; descending if `last < id`. May wait for an
    /// upstream FETCH. Dropped when the viewer cancels.
    fn group(&self, id: u64, last: u64) -> impl Future<Output = GroupAnswer> + Send;
}

/// What a FETCH asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchRange {
    /// First location, inclusive.
    pub start: Location,
    /// End: exclusive in its group, or the whole group if its object is 0.
    pub end: Location,
    /// Order of groups; objects ascend in each.
    pub order: GroupOrder,
    /// Priority of objects whose subgroup has none of its own: the track's.
    pub default_priority: u8,
}

/// How far the answer to a FETCH reaches, for FETCH_OK (draft-18 section 10.13): as far as it was asked for, but not past what
/// was published. `whole`: the group of the largest location is complete. Then an answer to a request for all of it says so,
/// which is how a subscriber that came after the group's stream had ended learns of it.
#[must_use]
pub fn fetch_end(requested: Location, largest: Location, whole: bool) -> Location {
    let edge = Location { group: largest.group, object: largest.object.saturating_add(1) };
    let in_group = requested.group == edge.group;
    let past_edge = requested.group > edge.group || in_group && (requested.object == 0 && !whole || requested > edge);
    if past_edge { edge } else { requested }
}

/// Why a FETCH was not answered to its end. Its stream was reset or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// The viewer cancelled, or its session ended.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// An object was given up upstream while it was being sent.
    #[error("an object was interrupted upstream")]
    Interrupted,
    /// The track contradicted itself meanwhile.
    #[error("malformed track")]
    Malformed,
    /// The range has more pieces than one answer may have.
    #[error("the range is too fragmented")]
    TooManySteps,
}

/// Sends the objects of a range that exist, and says which parts of it nobody knows. FETCH_OK is the caller's.
///
/// A group that is still growing is followed until the end of the range in it, or its own. At most one write of
/// [`crate::GATHER_CHUNKS`] chunks is in flight.
///
/// # Errors
/// [`FetchFailure`]; the stream was reset then.
pub async fn serve_fetch<G: GroupSource, F: FetchSink>(
    source: &G,
    range: FetchRange,
    sink: F,
    observer: &dyn ServeObserver,
) -> Result<(), FetchFailure> {
    let mut answer = Answer { sink, range, observer, pending: Pending::default(), unknown: None };
    match answer.groups(source).await {
        Ok(()) => Ok(answer.sink.finish().await?),
        Err(failure) => {
            let code = match failure {
                FetchFailure::Sink(_) => StreamErrorCode::Cancelled,
                FetchFailure::Interrupted => StreamErrorCode::UnknownObjectStatus,
                FetchFailure::Malformed => StreamErrorCode::MalformedTrack,
                FetchFailure::TooManySteps => StreamErrorCode::ExcessiveLoad,
            };
            answer.sink.reset(code);
            Err(failure)
        }
    }
}

/// A log answers for the groups it holds; about all others it knows nothing.
impl GroupSource for TrackLog {
    async fn group(&self, id: u64, last: u64) -> GroupAnswer {
        if let Some(group) = self.group(id) {
            return GroupAnswer::Found(group);
        }
        if self.is_absent(id) {
            return GroupAnswer::Missing { through: id };
        }
        let held = self.groups_from(id.min(last));
        let mut between =
            held.iter().map(|group| group.id()).filter(|held| (id.min(last)..=id.max(last)).contains(held));
        let through =
            if id <= last { between.next().map(|next| next - 1) } else { between.next_back().map(|next| next + 1) };
        GroupAnswer::Unknown { through: through.unwrap_or(last) }
    }
}

struct Answer<'a, F> {
    sink: F,
    range: FetchRange,
    observer: &'a dyn ServeObserver,
    pending: Pending,
    /// The end of the unknown stretch behind the last object, not written yet.
    unknown: Option<Location>,
}

impl<F: FetchSink> Answer<'_, F> {
    async fn groups<G: GroupSource>(&mut self, source: &G) -> Result<(), FetchFailure> {
        let (low, high) = (self.range.start.group, self.range.end.group);
        let descending = self.range.order == GroupOrder::Descending;
        let (mut id, last) = if descending { (high, low) } else { (low, high) };
        for _ in 0..limit::MAX_FETCH_STEPS {
            let answer = tokio::select! {
                biased;
                () = self.sink.cancelled() => return Err(SinkError::Stopped.into()),
                answer = source.group(id, last) => answer,
            };
            let through = match answer {
                GroupAnswer::Found(group) => {
                    self.group(&group).await?;
                    group.id()
                }
                GroupAnswer::Missing { through } => {
                    self.flush_unknown()?;
                    through
                }
                GroupAnswer::Malformed => return Err(FetchFailure::Malformed),
                GroupAnswer::Unknown { through } => {
                    self.unknown = Some(self.end_in(through));
                    through
                }
            };
            let next = if descending { through.checked_sub(1) } else { through.checked_add(1) };
            match next.filter(|next| (low..=high).contains(next)) {
                Some(next) => id = next,
                None => {
                    self.flush_unknown()?;
                    return Ok(self.sink.write(&mut []).await?);
                }
            }
        }
        Err(FetchFailure::TooManySteps)
    }

    /// The last location of a group that is inside the range.
    fn end_in(&self, group: u64) -> Location {
        let end = self.range.end;
        let object = if group == end.group && end.object > 0 { end.object - 1 } else { LAST_OBJECT };
        Location::new(group, object)
    }

    async fn group(&mut self, group: &Arc<GroupLog>) -> Result<(), FetchFailure> {
        let last = self.end_in(group.id());
        let start = self.range.start;
        let mut id = if group.id() == start.group { start.object } else { group_start(group.id()).object };
        while id <= last.object {
            let next = self.next(group, id).await?;
            let (found, gap_known) = match &next {
                NextObject::Object { part, index, gap_known } => (part.lock().objects[*index].id, *gap_known),
                NextObject::Datagram { datagram, gap_known } => (datagram.object_id, *gap_known),
                NextObject::End { known } => (u64::MAX, *known),
            };
            if found > last.object {
                if !gap_known {
                    self.unknown = Some(last);
                }
                return Ok(());
            }
            if !gap_known {
                self.unknown = Some(Location::new(group.id(), found - 1));
            }
            match next {
                NextObject::Object { part, index, .. } => self.object(group, &part, index).await?,
                NextObject::Datagram { datagram, .. } => self.datagram(&datagram).await?,
                NextObject::End { .. } => {}
            }
            id = found.saturating_add(1);
        }
        Ok(())
    }

    /// Waits until it is known what comes next.
    async fn next(&mut self, group: &GroupLog, id: u64) -> Result<NextObject, FetchFailure> {
        loop {
            let mut changed = pin!(group.notify().notified());
            changed.as_mut().enable();
            let next = group.next_object(id);
            if group.is_malformed() {
                return Err(FetchFailure::Malformed);
            }
            match next {
                None => self.wait(changed).await?,
                Some(next) => return Ok(next),
            }
        }
    }

    async fn wait(&mut self, changed: impl Future<Output = ()>) -> Result<(), FetchFailure> {
        tokio::select! {
            biased;
            () = self.sink.cancelled() => Err(SinkError::Stopped.into()),
            () = changed => Ok(()),
        }
    }

    async fn object(&mut self, group: &GroupLog, part: &SubgroupLog, index: usize) -> Result<(), FetchFailure> {
        let (header, mut at) = {
            let inner = part.lock();
            let entry = &inner.objects[index];
            if entry.status != ObjectStatus::Normal {
                // FETCH has no statuses: that nothing follows says the same.
                return Ok(());
            }
            let header = FetchObjectHeader {
                location: Location::new(group.id(), entry.id),
                subgroup: Some(part.subgroup),
                priority: part.meta.priority.unwrap_or(self.range.default_priority),
                properties: entry.properties.clone(),
                payload_len: entry.payload_bytes,
            };
            (header, Position { chunk: entry.chunk, offset: entry.header_bytes })
        };
        self.header(&header)?;
        let mut objects = 1;
        loop {
            let mut changed = pin!(group.notify().notified());
            changed.as_mut().enable();
            let (whole, open) = {
                let inner = part.lock();
                (inner.take_payload(index, &mut at, &mut self.pending), inner.state == SubgroupState::Open)
            };
            if group.is_malformed() {
                return Err(FetchFailure::Malformed);
            }
            let bytes = self.pending.left();
            if bytes > 0 || whole {
                self.write().await?;
                self.observer.sent(std::mem::take(&mut objects), bytes);
            }
            if whole {
                return Ok(());
            }
            if bytes == 0 {
                if !open {
                    return Err(FetchFailure::Interrupted);
                }
                self.wait(changed).await?;
            }
        }
    }

    async fn datagram(&mut self, datagram: &Datagram) -> Result<(), FetchFailure> {
        let DatagramBody::Payload(payload) = &datagram.body else { return Ok(()) };
        let header = FetchObjectHeader {
            location: Location::new(datagram.group, datagram.object_id),
            subgroup: None,
            priority: datagram.priority.unwrap_or(self.range.default_priority),
            properties: datagram.properties.clone(),
            payload_len: payload.len() as u64,
        };
        self.header(&header)?;
        self.pending.push(payload.clone());
        self.write().await?;
        self.observer.sent(1, payload.len() as u64);
        Ok(())
    }

    fn header(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError> {
        self.flush_unknown()?;
        self.sink.object(header)
    }

    fn flush_unknown(&mut self) -> Result<(), SinkError> {
        match self.unknown.take() {
            Some(location) => self.sink.end_of_range(location, false),
            None => Ok(()),
        }
    }

    /// Writes what is queued and gathered.
    async fn write(&mut self) -> Result<(), FetchFailure> {
        let count = self.pending.rest().len();
        self.sink.write(self.pending.rest()).await?;
        self.pending.advance(count);
        Ok(())
    }
}
