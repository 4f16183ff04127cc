//! The streams one track comes on, each read object by object.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use moqt::{Datagram, DatagramBody, Location, ObjectStatus, Properties, property};
use tokio::time::Instant;
use transport::{FetchReader, FetchedObject, Object, StreamFailure, SubgroupReader};

use crate::limit;
use crate::merge::{Entry, Received};

/// A stream being read.
#[derive(Debug)]
pub(crate) struct Source {
    /// Which attempt at joining it belongs to.
    pub(crate) epoch: u64,
    pub(crate) stream: Stream,
}

#[derive(Debug)]
pub(crate) enum Stream {
    /// The past, by FETCH.
    Head(Box<FetchReader>),
    /// A live subgroup, and one past the last object seen on it.
    Live { reader: Box<SubgroupReader>, end: u64 },
}

/// What a stream brought.
#[derive(Debug)]
pub(crate) enum Item {
    Object(Entry),
    /// No object of the group is at or after this location.
    GroupEnds(Location),
    /// The stream ended well.
    End,
}

/// A source that was read once; it is read on by [`read`].
pub(crate) struct Read {
    pub(crate) source: Source,
    pub(crate) result: Result<Item, StreamFailure>,
}

/// Reads the next whole object. The future owns the source, so that nothing is lost when others are waited for too.
pub(crate) fn read(mut source: Source) -> BoxFuture<'static, Read> {
    Box::pin(async move {
        let result = match &mut source.stream {
            Stream::Head(reader) => {
                let object = reader.next_object(limit::MAX_OBJECT_BYTES).await;
                object.map(|object| object.map_or(Item::End, |object| Item::Object(fetched_entry(object))))
            }
            Stream::Live { reader, end } => {
                let group = reader.header().group;
                let object = reader.next_object(limit::MAX_OBJECT_BYTES).await;
                object.map(|object| match object {
                    Some(object) => {
                        *end = object.header.object_id.saturating_add(1);
                        live_item(group, object)
                    }
                    None => Item::End,
                })
            }
        };
        Read { source, result }
    })
}

fn live_item(group: u64, object: Object) -> Item {
    let Object { header, payload, began } = object;
    let location = Location::new(group, header.object_id);
    match header.status {
        ObjectStatus::Normal => {
            let received = received_since(began);
            Item::Object(Entry { received, ..entry(location, header.properties, payload) })
        }
        ObjectStatus::EndOfGroup | ObjectStatus::EndOfTrack => Item::GroupEnds(location),
    }
}

/// The one object of a datagram.
pub(crate) fn datagram_item(datagram: Datagram) -> Item {
    let location = Location::new(datagram.group, datagram.object_id);
    match datagram.body {
        DatagramBody::Payload(payload) => {
            let received = received_since(Instant::now());
            Item::Object(Entry { received, ..entry(location, datagram.properties, payload) })
        }
        DatagramBody::Status(_) => Item::GroupEnds(location),
    }
}

/// An object of a FETCH answer.
pub(crate) fn fetched_entry(object: FetchedObject) -> Entry {
    entry(object.header.location, object.header.properties, object.payload)
}

/// Of an object that is whole now; `None` with a clock from before 1970.
fn received_since(began: Instant) -> Option<Received> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).ok();
    Some(Received { began: micros(now.saturating_sub(began.elapsed()))?, whole: micros(now)? })
}

fn entry(location: Location, properties: Properties, payload: bytes::Bytes) -> Entry {
    Entry {
        location,
        missing_objects: properties.get_int(property::PRIOR_OBJECT_ID_GAP).unwrap_or_default(),
        missing_groups: properties.get_int(property::PRIOR_GROUP_ID_GAP).unwrap_or_default(),
        properties,
        payload,
        received: None,
    }
}
