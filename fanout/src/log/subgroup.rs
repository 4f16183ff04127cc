//! One run of objects that belong on one stream: shared chunks of wire bytes and an index of object boundaries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use moqt::{EncodeError, ObjectHeader, ObjectStatus, Properties, StreamErrorCode, Version, encode_object_header};
use tokio::time::Instant;

use super::{AppendError, Pending};

/// What an upstream stream's header says about its subgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubgroupMeta {
    /// The draft whose integer coding the wire bytes use.
    pub version: Version,
    /// Publisher priority; `None` = the track's default.
    pub priority: Option<u8>,
    /// Every object carries a properties block, which may be empty.
    pub has_properties: bool,
    /// The stream begins with the first object ever published in the subgroup.
    pub first_object: bool,
    /// The subgroup holds the group's last object.
    pub end_of_group: bool,
}

/// How far a subgroup log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubgroupState {
    /// More objects may follow.
    Open,
    /// Every object of the subgroup is here.
    Finished,
    /// Upstream gave it up with this code, or it was dropped here.
    Reset(StreamErrorCode),
}

/// Objects of one subgroup in the order of one stream. A subgroup that upstream interrupted and took up again has several.
#[derive(Debug)]
pub(crate) struct SubgroupLog {
    pub(crate) subgroup: u64,
    pub(crate) meta: SubgroupMeta,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) objects: Vec<ObjectEntry>,
    /// Wire bytes in all chunks.
    pub(crate) bytes: u64,
    /// Payload bytes of the last object that are still to come.
    pub(crate) missing: u64,
    pub(crate) state: SubgroupState,
    /// When its end became known.
    pub(crate) ended: Option<Instant>,
    /// Appenders attached: the last one to leave without finishing leaves the subgroup reset.
    pub(crate) writers: u32,
}

/// Where an object lies in the chunks. Its header begins a chunk; its payload follows the header.
#[derive(Debug, Clone)]
pub(crate) struct ObjectEntry {
    pub(crate) id: u64,
    pub(crate) chunk: usize,
    pub(crate) header_bytes: usize,
    pub(crate) payload_bytes: u64,
    /// Wire bytes before this object.
    pub(crate) offset: u64,
    pub(crate) status: ObjectStatus,
    pub(crate) properties: Properties,
    /// When its first bytes became visible.
    pub(crate) received: Instant,
    /// The header in the other draft's coding, made when the first viewer of that draft needs it.
    foreign: Option<Bytes>,
}

impl ObjectEntry {
    pub(crate) fn new(header: &ObjectHeader, header_bytes: usize) -> Self {
        Self {
            id: header.object_id,
            chunk: 0,
            header_bytes,
            payload_bytes: header.payload_len,
            offset: 0,
            status: header.status,
            properties: kept(&header.properties),
            received: Instant::now(),
            foreign: None,
        }
    }

    pub(crate) fn set_properties(&mut self, properties: &Properties) {
        self.properties = kept(properties);
        self.foreign = None;
    }

    pub(crate) fn header(&self) -> ObjectHeader {
        ObjectHeader {
            object_id: self.id,
            properties: self.properties.clone(),
            payload_len: self.payload_bytes,
            status: self.status,
        }
    }
}

/// Properties are a slice of the receive buffer: a copy lets go of it.
fn kept(properties: &Properties) -> Properties {
    if properties.is_empty() {
        return Properties::EMPTY;
    }
    let raw = Bytes::copy_from_slice(properties.as_bytes());
    Properties::new(raw, properties.version()).unwrap_or_else(|_| properties.clone())
}

impl Inner {
    /// Every object is here, unless one is still being written or the end is another.
    pub(crate) fn finish(&mut self) {
        if self.missing == 0 && self.state == SubgroupState::Open {
            self.state = SubgroupState::Finished;
            self.ended = Some(Instant::now());
        }
    }

    pub(crate) fn last_id(&self) -> Option<u64> {
        self.objects.last().map(|entry| entry.id)
    }

    pub(crate) fn last_whole_id(&self) -> Option<u64> {
        let whole = if self.missing == 0 { self.objects.len() } else { self.objects.len().saturating_sub(1) };
        self.objects[..whole].last().map(|entry| entry.id)
    }

    pub(crate) fn find(&self, id: u64) -> Option<usize> {
        match self.objects.last() {
            Some(last) if last.id >= id => self.objects.binary_search_by_key(&id, |entry| entry.id).ok(),
            _ => None,
        }
    }

    /// The id of the last object that is here whole or may still become so.
    pub(crate) fn last_kept_id(&self) -> Option<u64> {
        if self.is_cut() { self.last_whole_id() } else { self.last_id() }
    }

    /// The last object was given up before its last byte.
    fn is_cut(&self) -> bool {
        self.missing > 0 && matches!(self.state, SubgroupState::Reset(_))
    }

    /// As [`Inner::find`], but not an object that was given up.
    pub(crate) fn find_kept(&self, id: u64) -> Option<usize> {
        self.find(id).filter(|index| !self.is_cut() || index + 1 < self.objects.len())
    }

    /// Adds an object whose header is the next chunk, and tells its index.
    pub(crate) fn push_object(&mut self, mut entry: ObjectEntry) -> usize {
        entry.chunk = self.chunks.len();
        entry.offset = self.bytes;
        self.missing = entry.payload_bytes;
        self.objects.push(entry);
        self.objects.len() - 1
    }

    /// Payload bytes of object `index` that are not here.
    pub(crate) fn missing_of(&self, index: usize) -> u64 {
        if self.is_whole(index) { 0 } else { self.missing }
    }

    /// Whether another header of object `index` says the same.
    pub(crate) fn check_same(&self, index: usize, header: &ObjectHeader) -> Result<(), AppendError> {
        let entry = &self.objects[index];
        if (entry.payload_bytes, entry.status) == (header.payload_len, header.status) {
            Ok(())
        } else {
            Err(AppendError::Malformed("an object came with two payloads"))
        }
    }

    /// Where byte `offset` of the payload of object `index` is, or will be.
    pub(crate) fn payload_at(&self, index: usize, offset: u64) -> Position {
        let entry = &self.objects[index];
        let mut at = Position { chunk: entry.chunk, offset: entry.header_bytes };
        let mut left = usize::try_from(offset).unwrap_or(usize::MAX);
        while let Some(chunk) = self.chunks.get(at.chunk) {
            let here = chunk.len() - at.offset;
            if left < here {
                at.offset += left;
                break;
            }
            left -= here;
            at = Position { chunk: at.chunk + 1, offset: 0 };
        }
        at
    }

    /// Compares payload bytes of object `index` with what is here of it, from `at` on; tells how many are.
    pub(crate) fn compare(&self, index: usize, at: &mut Position, data: &[u8]) -> Result<usize, AppendError> {
        let end = self.objects.get(index + 1).map_or(self.chunks.len(), |next| next.chunk);
        let mut done = 0;
        while done < data.len() && at.chunk < end {
            let known = &self.chunks[at.chunk][at.offset..];
            let length = known.len().min(data.len() - done);
            if known[..length] != data[done..done + length] {
                return Err(AppendError::Malformed("an object came with two payloads"));
            }
            done += length;
            at.offset += length;
            if at.offset == self.chunks[at.chunk].len() {
                *at = Position { chunk: at.chunk + 1, offset: 0 };
            }
        }
        Ok(done)
    }

    /// Compares as [`Inner::compare`], and adds what is not here yet.
    pub(crate) fn merge(&mut self, index: usize, at: &mut Position, data: Bytes) -> Result<(), AppendError> {
        let known = self.compare(index, at, &data)?;
        if known < data.len() && index + 1 == self.objects.len() {
            self.missing = self.missing.saturating_sub((data.len() - known) as u64);
            self.push_chunk(data.slice(known..));
            *at = Position { chunk: self.chunks.len(), offset: 0 };
        }
        Ok(())
    }

    pub(crate) fn push_chunk(&mut self, chunk: Bytes) {
        self.bytes += chunk.len() as u64;
        self.chunks.push(chunk);
    }

    /// Whether every byte of an object is here.
    pub(crate) fn is_whole(&self, index: usize) -> bool {
        index + 1 < self.objects.len() || self.missing == 0
    }

    /// Adds the payload of object `index` from `at` on. `true`: all of it, from here to its end, is in `out` or was before.
    pub(crate) fn take_payload(&self, index: usize, at: &mut Position, out: &mut Pending) -> bool {
        let end = self.objects.get(index + 1).map_or(self.chunks.len(), |next| next.chunk);
        while at.chunk < end {
            if !out.has_room() {
                return false;
            }
            at.take(&self.chunks[at.chunk], out);
        }
        self.is_whole(index)
    }

    /// The header of object `index` as the first of a stream (`previous` unused) or behind its predecessor.
    fn header(
        &mut self,
        index: usize,
        first: bool,
        meta: &SubgroupMeta,
        version: Version,
    ) -> Result<Bytes, EncodeError> {
        if !first && let Some(foreign) = &self.objects[index].foreign {
            return Ok(foreign.clone());
        }
        let previous = index.checked_sub(1).filter(|_| !first).map(|previous| self.objects[previous].id);
        let mut out = BytesMut::with_capacity(24);
        encode_object_header(previous, &self.objects[index].header(), meta.has_properties, &mut out, version)?;
        let header = out.freeze();
        if !first {
            self.objects[index].foreign = Some(header.clone());
        }
        Ok(header)
    }
}

impl SubgroupLog {
    pub(crate) fn new(subgroup: u64, meta: SubgroupMeta) -> Self {
        let inner = Inner {
            chunks: Vec::new(),
            objects: Vec::new(),
            bytes: 0,
            missing: 0,
            state: SubgroupState::Open,
            ended: None,
            writers: 0,
        };
        Self { subgroup, meta, inner: Mutex::new(inner) }
    }

    /// Held for nanoseconds, never across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index of the first object whose id is at least `id`.
    pub(crate) fn first_at(&self, id: u64) -> Option<usize> {
        let inner = self.lock();
        let index = inner.objects.partition_point(|entry| entry.id < id);
        (index < inner.objects.len()).then_some(index)
    }

    /// When its end became known.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.lock().ended
    }

    pub(crate) fn reset(&self, code: StreamErrorCode) {
        let mut inner = self.lock();
        if inner.state == SubgroupState::Open {
            inner.state = SubgroupState::Reset(code);
        }
    }
}

/// A place in the chunks of a subgroup log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    pub(crate) chunk: usize,
    pub(crate) offset: usize,
}

impl Position {
    /// Adds the rest of the chunk, and moves behind it.
    fn take(&mut self, chunk: &Bytes, out: &mut Pending) {
        if self.offset < chunk.len() {
            out.push(chunk.slice(self.offset..));
        }
        *self = Self { chunk: self.chunk + 1, offset: 0 };
    }
}

/// A viewer's place in a subgroup log: everything it costs beside its stream.
#[derive(Debug)]
pub(crate) struct Cursor {
    part: Arc<SubgroupLog>,
    version: Version,
    at: Position,
    /// The next object to begin; while re-encoding headers, the one in progress.
    object: usize,
    /// The object in progress still needs its header.
    needs_header: bool,
    /// The stream began, or begins, with the object in progress.
    first: bool,
    /// Wire bytes of the log that are behind the cursor.
    passed: u64,
}

/// What one [`Cursor::gather`] added, and what is left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Gathered {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// When the first of these objects was received.
    pub(crate) received: Option<Instant>,
    /// The cursor has passed everything, and this is how the log ends. `None` while it is open or something is left.
    pub(crate) end: Option<SubgroupState>,
}

impl Cursor {
    /// A cursor before object `index`, for a stream of the given draft.
    pub(crate) fn new(part: Arc<SubgroupLog>, index: usize, version: Version) -> Self {
        let passed = part.lock().objects.get(index).map_or(0, |entry| entry.offset);
        // From the very first object on, the log's own bytes are valid as they are.
        let needs_header = index > 0 || version != part.meta.version;
        Self { part, version, at: Position::default(), object: index, needs_header, first: true, passed }
    }

    pub(crate) fn part(&self) -> &Arc<SubgroupLog> {
        &self.part
    }

    /// Wire bytes that the log holds and the cursor has not gathered.
    pub(crate) fn behind(&self) -> u64 {
        self.part.lock().bytes.saturating_sub(self.passed)
    }

    /// When the next object to begin was received.
    pub(crate) fn next_received(&self) -> Option<Instant> {
        self.part.lock().objects.get(self.object).map(|entry| entry.received)
    }

    /// Adds shared slices to `out` while it has room.
    pub(crate) fn gather(&mut self, out: &mut Pending) -> Gathered {
        let part = Arc::clone(&self.part);
        let mut inner = part.lock();
        let before = out.bytes();
        let started = self.object;
        let received = inner.objects.get(started).map(|entry| entry.received);
        let all = if self.version != part.meta.version {
            self.gather_recoded(&mut inner, out)
        } else {
            self.gather_shared(&mut inner, out)
        };
        let Ok(all) = all else {
            let end = Some(SubgroupState::Reset(StreamErrorCode::InternalError));
            return Gathered { end, ..Gathered::default() };
        };
        if all {
            self.passed = inner.bytes;
        } else {
            self.passed = inner.objects.get(self.object).map_or(self.passed, |entry| entry.offset);
        }
        let end = Some(inner.state).filter(|state| all && *state != SubgroupState::Open);
        let objects = (self.object - started) as u64;
        let received = received.filter(|_| objects > 0);
        Gathered { objects, bytes: out.bytes() - before, received, end }
    }

    /// The log's own bytes, after an own header for a first object that is not the log's first.
    fn gather_shared(&mut self, inner: &mut Inner, out: &mut Pending) -> Result<bool, EncodeError> {
        if self.needs_header && self.object < inner.objects.len() && out.has_room() {
            out.push(inner.header(self.object, true, &self.part.meta, self.version)?);
            let entry = &inner.objects[self.object];
            self.at = Position { chunk: entry.chunk, offset: entry.header_bytes };
            self.needs_header = false;
        }
        while self.at.chunk < inner.chunks.len() && out.has_room() {
            self.at.take(&inner.chunks[self.at.chunk], out);
        }
        while inner.objects.get(self.object).is_some_and(|entry| entry.chunk < self.at.chunk) {
            self.object += 1;
        }
        Ok(self.at.chunk == inner.chunks.len() && !self.needs_header)
    }

    /// Every header in the viewer's draft, shared payloads.
    fn gather_recoded(&mut self, inner: &mut Inner, out: &mut Pending) -> Result<bool, EncodeError> {
        while self.object < inner.objects.len() {
            if self.needs_header {
                if !out.has_room() {
                    return Ok(false);
                }
                out.push(inner.header(self.object, self.first && self.object > 0, &self.part.meta, self.version)?);
                let entry = &inner.objects[self.object];
                self.at = Position { chunk: entry.chunk, offset: entry.header_bytes };
                (self.needs_header, self.first) = (false, false);
            }
            if !inner.take_payload(self.object, &mut self.at, out) {
                return Ok(self.object + 1 == inner.objects.len() && self.at.chunk == inner.chunks.len());
            }
            self.object += 1;
            self.needs_header = true;
        }
        Ok(true)
    }
}
