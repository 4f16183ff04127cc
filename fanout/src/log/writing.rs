//! An object on its way into a log that other streams may bring, too: who is ahead writes, who is behind is compared.

use bytes::{Buf, Bytes, BytesMut};
use moqt::{ObjectHeader, ObjectStatus, encode_object_header};

use super::AppendError;
use super::subgroup::{Inner, ObjectEntry, SubgroupMeta};

/// An object that this stream brings; another one may bring it at the same time.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) place: Place,
    /// Payload bytes still to come.
    pub(super) missing: u64,
    /// Payload bytes that this stream has made visible, or found so.
    pub(super) shown: u64,
}

#[derive(Debug)]
pub(super) enum Place {
    /// Not visible yet. Its staged header counts from the object `before`.
    Staged { entry: ObjectEntry, before: Option<u64> },
    /// In the index of its log.
    Shown(usize),
}

impl Writing {
    /// Whether another stream has brought all of it.
    pub(super) fn is_whole(&self, inner: &Inner) -> bool {
        let index = match &self.place {
            Place::Shown(index) => Some(*index),
            Place::Staged { entry, .. } => inner.find(entry.id),
        };
        index.is_some_and(|index| inner.is_whole(index))
    }

    /// Makes staged bytes and `data` visible, but for what another stream of the same subgroup has brought meanwhile. An object
    /// that becomes visible with them is returned.
    pub(super) fn show(
        &mut self,
        meta: &SubgroupMeta,
        inner: &mut Inner,
        mut staged: Bytes,
        data: Option<Bytes>,
    ) -> Result<Option<(u64, ObjectStatus)>, AppendError> {
        let (index, begun) = match &mut self.place {
            Place::Shown(index) => (*index, None),
            Place::Staged { entry, before } => {
                let staged_bytes = entry.header_bytes;
                let known = inner.find(entry.id);
                let begun = known.is_none().then_some((entry.id, entry.status));
                let index = match known {
                    Some(index) => {
                        inner.check_same(index, &entry.header())?;
                        staged.advance(staged_bytes);
                        index
                    }
                    None if inner.missing > 0 || inner.last_id() > Some(entry.id) => {
                        return Err(AppendError::OutOfOrder);
                    }
                    None if inner.last_id() != *before => {
                        let header = encoded(meta, inner.last_id(), &entry.header())?.freeze();
                        staged.advance(staged_bytes);
                        entry.header_bytes = header.len();
                        let index = inner.push_object(entry.clone());
                        inner.push_chunk(header);
                        index
                    }
                    None => inner.push_object(entry.clone()),
                };
                (index, begun)
            }
        };
        self.place = Place::Shown(index);
        let total = inner.objects[index].payload_bytes;
        if total - inner.missing_of(index) > self.shown {
            let mut at = inner.payload_at(index, self.shown);
            for chunk in [staged].into_iter().chain(data) {
                inner.merge(index, &mut at, chunk)?;
            }
        } else {
            for chunk in [staged].into_iter().chain(data).filter(|chunk| !chunk.is_empty()) {
                inner.push_chunk(chunk);
            }
            if index + 1 == inner.objects.len() {
                inner.missing = self.missing;
            }
        }
        self.shown = total - self.missing;
        Ok(begun)
    }
}

/// An object's header behind the object `before` of its log.
pub(super) fn encoded(
    meta: &SubgroupMeta,
    before: Option<u64>,
    header: &ObjectHeader,
) -> Result<BytesMut, AppendError> {
    let mut own = BytesMut::new();
    encode_object_header(before, header, meta.has_properties, &mut own, meta.version)
        .map_err(|_| AppendError::Misuse("a header that its version cannot express"))?;
    Ok(own)
}
