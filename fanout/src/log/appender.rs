//! The writing side of one upstream stream: objects in, visible chunks out.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use moqt::{Location, ObjectHeader, ObjectStatus, StreamErrorCode};

use super::group::{Placement, Placing, declared_end};
use super::subgroup::{ObjectEntry, SubgroupLog, SubgroupMeta, SubgroupState};
use super::writing::{Place, Writing, encoded};
use super::{AppendError, GroupLog, Position, TrackLog};
use crate::limit;

/// Appends the objects of one upstream stream to a track's log.
///
/// For each object: [`SubgroupAppender::header`], any number of [`SubgroupAppender::payload`], [`SubgroupAppender::end_object`];
/// then one of [`SubgroupAppender::finish`], [`SubgroupAppender::reset`], [`SubgroupAppender::detach`],
/// [`SubgroupAppender::bequeath`]. Payload bytes become
/// visible as they come. Dropped without an end, or after an error, it resets the subgroup with CANCELLED unless another
/// appender still writes it.
#[derive(Debug)]
pub struct SubgroupAppender {
    track: TrackLog,
    group: Arc<GroupLog>,
    subgroup: u64,
    meta: SubgroupMeta,
    part: Option<Arc<SubgroupLog>>,
    /// Id of the previous object of this stream.
    previous: Option<u64>,
    object: Current,
    /// Copied bytes that are not visible yet, in a buffer shared with the visible ones before them.
    staged: BytesMut,
    next_segment: usize,
}

/// The object between its header and its end.
#[derive(Debug)]
enum Current {
    None,
    Writing(Writing),
    /// Another stream has brought it, or a part of it.
    Skipping {
        part: Arc<SubgroupLog>,
        index: usize,
        at: Position,
        missing: u64,
    },
    /// It is known not to exist.
    Ignoring {
        missing: u64,
    },
}

impl SubgroupAppender {
    pub(super) fn new(track: TrackLog, group: Arc<GroupLog>, subgroup: u64, meta: SubgroupMeta) -> Self {
        Self {
            track,
            group,
            subgroup,
            meta,
            part: None,
            previous: None,
            object: Current::None,
            staged: BytesMut::new(),
            next_segment: limit::FIRST_SEGMENT_BYTES,
        }
    }

    /// The group being written.
    #[must_use]
    pub fn group(&self) -> &Arc<GroupLog> {
        &self.group
    }

    /// Begins an object. `wire` is its header as read from a stream of [`SubgroupMeta::version`]; where it does not fit the log
    /// (another predecessor, another form) it is encoded anew.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn header(&mut self, header: &ObjectHeader, wire: &Bytes) -> Result<(), AppendError> {
        self.begin(header, Some(wire))
    }

    /// Begins an object that did not come from a subgroup stream: packaged here, or from a FETCH.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn encode_header(&mut self, header: &ObjectHeader) -> Result<(), AppendError> {
        self.begin(header, None)
    }

    /// Appends one whole object.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn object(&mut self, header: &ObjectHeader, payload: Bytes) -> Result<(), AppendError> {
        self.encode_header(header)?;
        if !payload.is_empty() {
            self.payload(payload)?;
        }
        self.end_object()
    }

    /// Appends the next bytes of the object's payload.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn payload(&mut self, data: Bytes) -> Result<(), AppendError> {
        let length = data.len() as u64;
        match &mut self.object {
            Current::None => Err(AppendError::Misuse("payload outside an object")),
            Current::Writing(Writing { missing, .. })
            | Current::Skipping { missing, .. }
            | Current::Ignoring { missing }
                if *missing < length =>
            {
                Err(AppendError::Misuse("more payload than its header says"))
            }
            Current::Ignoring { missing } => {
                *missing -= length;
                Ok(())
            }
            Current::Skipping { part, index, at, missing } => {
                *missing -= length;
                let is_new = {
                    let (inner, mut behind) = (part.lock(), *at);
                    let known = inner.compare(*index, &mut behind, &data)?;
                    let is_new = known < data.len() && inner.state == SubgroupState::Open;
                    if !is_new {
                        *at = behind;
                    }
                    is_new
                };
                if is_new { self.complete(&data) } else { Ok(()) }
            }
            Current::Writing(writing) => {
                writing.missing -= length;
                self.store(data)
            }
        }
    }

    /// Ends the object.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn end_object(&mut self) -> Result<(), AppendError> {
        match &self.object {
            Current::None => return Err(AppendError::Misuse("no object to end")),
            Current::Writing(Writing { missing: 1.., .. })
            | Current::Skipping { missing: 1.., .. }
            | Current::Ignoring { missing: 1.. } => {
                return Err(AppendError::Misuse("less payload than its header says"));
            }
            Current::Writing(_) => self.publish(None)?,
            Current::Skipping { .. } | Current::Ignoring { .. } => {}
        }
        self.object = Current::None;
        Ok(())
    }

    /// The stream ended with FIN: the subgroup is whole. `end_of_group`: its last object is the group's last.
    ///
    /// # Errors
    /// The end contradicts an object that is already there, or lies inside an object.
    pub fn finish(mut self, end_of_group: bool) -> Result<(), AppendError> {
        if !matches!(self.object, Current::None) {
            return Err(AppendError::Misuse("the stream ended inside an object"));
        }
        if let (true, Some(last)) = (end_of_group, self.previous) {
            self.group.set_end(last.saturating_add(1))?;
        }
        if let Some(part) = self.part.take() {
            let mut inner = part.lock();
            inner.writers = inner.writers.saturating_sub(1);
            // While another stream is inside an object of it, the end is that stream's to tell.
            inner.finish();
        }
        self.track.signals().restructured();
        Ok(())
    }

    /// The stream was reset upstream.
    pub fn reset(mut self, code: StreamErrorCode) {
        self.leave(code);
    }

    /// Leaves the subgroup open for another stream to continue: the end of a FETCH that brought its beginning. Inside an object
    /// it is a reset.
    pub fn detach(mut self) {
        if matches!(self.object, Current::None)
            && let Some(part) = self.part.take()
        {
            let mut inner = part.lock();
            inner.writers = inner.writers.saturating_sub(1);
        }
    }

    /// Leaves the subgroup open, also inside an object, for a stream of somebody else to go on with: its publisher is lost and
    /// another one is expected to have the same. Viewers' streams are not reset, so nothing under way to them is lost.
    pub fn bequeath(mut self) {
        if let Some(part) = self.part.take() {
            let mut inner = part.lock();
            inner.writers = inner.writers.saturating_sub(1);
        }
    }

    fn begin(&mut self, header: &ObjectHeader, wire: Option<&Bytes>) -> Result<(), AppendError> {
        if !matches!(self.object, Current::None) {
            return Err(AppendError::Misuse("a header inside an object"));
        }
        let status_with_payload = header.status != ObjectStatus::Normal && header.payload_len > 0;
        if status_with_payload || self.previous.is_some_and(|previous| header.object_id <= previous) {
            return Err(AppendError::Misuse("a header that no stream could carry"));
        }
        let location = Location::new(self.group.id(), header.object_id);
        self.track.check_object(&self.group, location, &header.properties)?;
        let placing = Placing { subgroup: self.subgroup, header, part: self.part.as_ref(), previous: self.previous };
        match self.group.place(&placing)? {
            Placement::Absent => self.object = Current::Ignoring { missing: header.payload_len },
            Placement::Duplicate(part, index) => self.skip(header, part, index)?,
            Placement::Append(part) => {
                self.attach(part);
                self.stage(header, wire)?;
            }
            Placement::New { first } => {
                self.track.charge(&self.group, limit::SUBGROUP_OVERHEAD_BYTES)?;
                let first_object = self.meta.first_object && first && self.previous.is_none();
                let part = self.group.add_part(self.subgroup, SubgroupMeta { first_object, ..self.meta });
                self.attach(part);
                self.stage(header, wire)?;
            }
        }
        self.previous = Some(header.object_id);
        Ok(())
    }

    fn attach(&mut self, part: Arc<SubgroupLog>) {
        if self.part.as_ref().is_some_and(|held| Arc::ptr_eq(held, &part)) {
            return;
        }
        self.leave(StreamErrorCode::Cancelled);
        part.lock().writers += 1;
        self.part = Some(part);
    }

    fn leave(&mut self, code: StreamErrorCode) {
        let Some(part) = self.part.take() else { return };
        {
            let mut inner = part.lock();
            inner.writers = inner.writers.saturating_sub(1);
            // Another stream completes an object of which viewers have seen a part, or begins anew behind it.
            if inner.state == SubgroupState::Open && inner.writers == 0 {
                inner.state = SubgroupState::Reset(code);
            }
        }
        self.track.signals().restructured();
    }

    fn skip(&mut self, header: &ObjectHeader, part: Arc<SubgroupLog>, index: usize) -> Result<(), AppendError> {
        if part.meta.priority != self.meta.priority && part.meta.priority.is_some() && self.meta.priority.is_some() {
            return Err(AppendError::Malformed("an object came with two priorities"));
        }
        let (at, open) = {
            let mut inner = part.lock();
            inner.check_same(index, header)?;
            // What properties say may change on the way; the newest set counts (draft-18 section 2.5).
            if part.meta.has_properties && inner.objects[index].properties != header.properties {
                self.track.charge(&self.group, header.properties.as_bytes().len() as u64)?;
                inner.objects[index].set_properties(&header.properties);
            }
            (inner.payload_at(index, 0), inner.state == SubgroupState::Open)
        };
        if open {
            self.attach(Arc::clone(&part));
        }
        self.object = Current::Skipping { part, index, at, missing: header.payload_len };
        Ok(())
    }

    /// Makes payload bytes visible that the stream which began the object has not brought yet.
    fn complete(&mut self, data: &[u8]) -> Result<(), AppendError> {
        self.track.charge(&self.group, data.len() as u64 + limit::CHUNK_OVERHEAD_BYTES)?;
        if let Current::Skipping { part, index, at, .. } = &mut self.object {
            part.lock().merge(*index, at, Bytes::copy_from_slice(data))?;
        }
        self.track.signals().grown();
        Ok(())
    }

    /// Prepares the object's header; it becomes visible with the first bytes behind it.
    fn stage(&mut self, header: &ObjectHeader, wire: Option<&Bytes>) -> Result<(), AppendError> {
        let Some(part) = self.part.clone() else { return Err(AppendError::GroupGone) };
        let before = part.lock().last_id();
        let same_form = part.meta.version == self.meta.version && part.meta.has_properties == self.meta.has_properties;
        let own;
        let bytes: &[u8] = match wire.filter(|_| same_form && before == self.previous) {
            Some(wire) => wire,
            None => {
                own = encoded(&part.meta, before, header)?;
                &own
            }
        };
        let index = limit::OBJECT_OVERHEAD_BYTES + header.properties.as_bytes().len() as u64;
        self.track.charge(&self.group, index)?;
        let payload = usize::try_from(header.payload_len).unwrap_or(usize::MAX).min(limit::COPY_BELOW_BYTES);
        self.copy(bytes, payload)?;
        let place = Place::Staged { entry: ObjectEntry::new(header, bytes.len()), before };
        self.object = Current::Writing(Writing { place, missing: header.payload_len, shown: 0 });
        Ok(())
    }

    fn store(&mut self, data: Bytes) -> Result<(), AppendError> {
        if data.len() >= limit::COPY_BELOW_BYTES {
            self.track.charge(&self.group, data.len() as u64 + limit::CHUNK_OVERHEAD_BYTES)?;
            return self.publish(Some(data));
        }
        self.copy(&data, 0)?;
        if self.staged.len() >= limit::VISIBLE_STEP_BYTES { self.publish(None) } else { Ok(()) }
    }

    /// Copies into the shared buffer, where `more` bytes are expected to follow.
    fn copy(&mut self, bytes: &[u8], more: usize) -> Result<(), AppendError> {
        if self.staged.capacity() - self.staged.len() < bytes.len() + more {
            let needed = self.staged.len() + bytes.len() + more;
            let capacity = needed.max(self.next_segment);
            self.track.charge(&self.group, capacity as u64 + limit::CHUNK_OVERHEAD_BYTES)?;
            self.next_segment = (self.next_segment * 2).min(limit::MAX_SEGMENT_BYTES);
            let mut segment = BytesMut::with_capacity(capacity);
            segment.extend_from_slice(&self.staged);
            self.staged = segment;
        }
        self.staged.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes the staged bytes and `data` visible, and wakes readers.
    fn publish(&mut self, data: Option<Bytes>) -> Result<(), AppendError> {
        let Some(part) = &self.part else { return Err(AppendError::GroupGone) };
        let staged = self.staged.split().freeze();
        let Current::Writing(writing) = &mut self.object else { return Ok(()) };
        if !staged.is_empty() {
            self.track.charge(&self.group, limit::CHUNK_OVERHEAD_BYTES)?;
        }
        let begun = {
            let mut inner = part.lock();
            if inner.state != SubgroupState::Open && !writing.is_whole(&inner) {
                return Err(AppendError::GroupGone);
            }
            writing.show(&part.meta, &mut inner, staged, data)?
        };
        let Some((id, status)) = begun else {
            self.track.signals().grown();
            return Ok(());
        };
        if let Some(end) = declared_end(id, status) {
            self.group.set_end(end)?;
        }
        self.track.note_object(Location::new(self.group.id(), id), status == ObjectStatus::EndOfTrack)
    }
}

impl Drop for SubgroupAppender {
    fn drop(&mut self) {
        self.leave(StreamErrorCode::Cancelled);
    }
}
