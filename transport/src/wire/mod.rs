//! What passes over a connection, message by message and object by object, for those who want to see it.
//!
//! [`observe`] puts an observer between a connection and the session above it. A connection that nobody observes is not touched,
//! so watching costs nothing where it is off. Observing reads along: what it cannot read passes all the same.

mod stream;
mod tap;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use moqt::{
    Datagram, FetchObjectHeader, GroupOrder, Location, Message, ObjectHeader, ProtocolError, RequestId, SubgroupHeader,
};

use self::stream::{ObservedRecvStream, ObservedSendStream};
use self::tap::Tap;
use crate::connection::{
    BidiStream, BoxFuture, Connection, ConnectionError, ConnectionInfo, ConnectionStats, DatagramError, RecvStream,
    SendStream,
};
use crate::limit;

/// Is shown what passes over a connection. Called on the way of the data: it must not block.
pub trait WireObserver: Send + Sync + Debug + 'static {
    /// Something passed.
    fn seen(&self, event: &WireEvent<'_>);
}

/// Something that passed over a connection.
#[derive(Debug, Clone, Copy)]
pub struct WireEvent<'a> {
    /// Which way.
    pub direction: Direction,
    /// The QUIC stream; `None` for datagrams.
    pub stream: Option<u64>,
    /// What it was.
    pub item: WireItem<'a>,
}

/// Which way something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From this side to the peer: handed to the transport.
    Sent,
    /// From the peer to this side.
    Received,
}

/// What passed.
#[derive(Debug, Clone, Copy)]
pub enum WireItem<'a> {
    /// The side in question said what a stream of its own is for.
    StreamType(StreamType),
    /// A whole control or request message.
    Message {
        /// The message.
        message: &'a Message,
        /// Its bytes: type, length and body.
        bytes: &'a [u8],
    },
    /// A subgroup stream's header.
    Subgroup(&'a SubgroupHeader),
    /// An object's header on a subgroup stream.
    SubgroupObject {
        /// The stream's header.
        subgroup: &'a SubgroupHeader,
        /// The object's.
        object: &'a ObjectHeader,
    },
    /// A FETCH stream's header.
    Fetch(RequestId),
    /// An object's header on a FETCH stream.
    FetchObject(&'a FetchObjectHeader),
    /// A record that ends a range without objects on a FETCH stream.
    FetchRange {
        /// The range's end.
        location: Location,
        /// The objects do not exist, rather than being in an unknown state.
        known: bool,
    },
    /// An object in a datagram.
    Datagram(&'a Datagram),
    /// Bytes that nobody may send; nothing more is read on that stream.
    Unreadable {
        /// What is wrong with them.
        error: &'a ProtocolError,
        /// They, and what came with them.
        bytes: &'a [u8],
    },
}

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamType {
    /// Control messages.
    Control,
    /// One request and its answers.
    Request,
    /// Objects of a subgroup.
    Subgroup,
    /// Objects that a FETCH asked for.
    Fetch,
    /// Bytes without meaning.
    Padding,
}

/// The same connection, with an observer.
pub fn observe(connection: Arc<dyn Connection>, observer: Arc<dyn WireObserver>) -> Arc<dyn Connection> {
    let fetches = Arc::default();
    Arc::new(Observed { connection, watch: Watch { observer, fetches } })
}

/// Who watches, and what has to be known to read along.
#[derive(Debug, Clone)]
struct Watch {
    observer: Arc<dyn WireObserver>,
    /// FETCHes whose groups come in descending order: their streams cannot be read without knowing it.
    fetches: Arc<Mutex<HashMap<RequestId, GroupOrder>>>,
}

impl Watch {
    fn show(&self, direction: Direction, stream: Option<u64>, item: WireItem<'_>) {
        self.observer.seen(&WireEvent { direction, stream, item });
    }

    /// Keeps what a FETCH's stream will be read by.
    fn note(&self, message: &Message) {
        let Message::Fetch(fetch) = message else { return };
        let Some(GroupOrder::Descending) = fetch.parameters.group_order else { return };
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        if fetches.len() < limit::OBSERVED_FETCHES {
            fetches.insert(fetch.request_id, GroupOrder::Descending);
        }
    }

    fn order(&self, fetch: RequestId) -> GroupOrder {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.remove(&fetch).unwrap_or(GroupOrder::Ascending)
    }
}

#[derive(Debug)]
struct Observed {
    connection: Arc<dyn Connection>,
    watch: Watch,
}

impl Observed {
    fn send_half(&self, stream: Box<dyn SendStream>, bidi: bool, opener: bool) -> Box<dyn SendStream> {
        let tap = self.tap(Direction::Sent, stream.id(), bidi, opener);
        Box::new(ObservedSendStream::new(stream, tap))
    }

    fn recv_half(&self, stream: Box<dyn RecvStream>, bidi: bool, opener: bool) -> Box<dyn RecvStream> {
        let tap = self.tap(Direction::Received, stream.id(), bidi, opener);
        Box::new(ObservedRecvStream::new(stream, tap))
    }

    fn tap(&self, direction: Direction, stream: u64, bidi: bool, opener: bool) -> Tap {
        let version = self.connection.info().version;
        if bidi {
            Tap::messages(self.watch.clone(), version, direction, stream, opener)
        } else {
            Tap::unidirectional(self.watch.clone(), version, direction, stream)
        }
    }

    fn datagram(&self, direction: Direction, payload: &Bytes) {
        match Datagram::decode(payload.clone(), self.connection.info().version) {
            Ok(Some(datagram)) => self.watch.show(direction, None, WireItem::Datagram(&datagram)),
            Ok(None) => {}
            Err(error) => {
                self.watch.show(direction, None, WireItem::Unreadable { error: &error, bytes: payload });
            }
        }
    }
}

impl Connection for Observed {
    fn open_uni(&self) -> BoxFuture<'_, Result<Box<dyn SendStream>, ConnectionError>> {
        Box::pin(async { Ok(self.send_half(self.connection.open_uni().await?, false, true)) })
    }

    fn open_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(async {
            let (send, recv) = self.connection.open_bidi().await?;
            Ok((self.send_half(send, true, true), self.recv_half(recv, true, false)))
        })
    }

    fn accept_uni(&self) -> BoxFuture<'_, Result<Box<dyn RecvStream>, ConnectionError>> {
        Box::pin(async { Ok(self.recv_half(self.connection.accept_uni().await?, false, true)) })
    }

    fn accept_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(async {
            let (send, recv) = self.connection.accept_bidi().await?;
            Ok((self.send_half(send, true, false), self.recv_half(recv, true, true)))
        })
    }

    fn send_datagram(&self, payload: Bytes) -> Result<(), DatagramError> {
        self.datagram(Direction::Sent, &payload);
        self.connection.send_datagram(payload)
    }

    fn read_datagram(&self) -> BoxFuture<'_, Result<Bytes, ConnectionError>> {
        Box::pin(async {
            let payload = self.connection.read_datagram().await?;
            self.datagram(Direction::Received, &payload);
            Ok(payload)
        })
    }

    fn max_datagram_size(&self) -> Option<usize> {
        self.connection.max_datagram_size()
    }

    fn set_max_incoming_uni(&self, count: u32) {
        self.connection.set_max_incoming_uni(count);
    }

    fn close(&self, code: u64, reason: &str) {
        self.connection.close(code, reason);
    }

    fn closed(&self) -> BoxFuture<'_, ConnectionError> {
        self.connection.closed()
    }

    fn info(&self) -> &ConnectionInfo {
        self.connection.info()
    }

    fn stats(&self) -> ConnectionStats {
        self.connection.stats()
    }
}
