//! The in-memory network: two ends, two links and what is in flight between them. Time is an argument.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::LoopbackSettings;
use super::pipe::Pipe;
use crate::connection::{ConnectionError, ConnectionStats};
use crate::limit;

/// Index of an end: the client or the server.
pub(super) type End = usize;
pub(super) const CLIENT: End = 0;
pub(super) const SERVER: End = 1;

/// Index of a stream direction in limits and counters.
pub(super) const UNI: usize = 0;
pub(super) const BIDI: usize = 1;

/// Stream ids count up within one end and direction; the low bits tell both apart, as in QUIC.
pub(super) type StreamId = u64;

/// Bytes of one packet's payload.
const PACKET: usize = limit::LOOPBACK_MAX_DATAGRAM;

/// What a sender waits on top of a round trip before it sends a lost packet again.
const RETRANSMISSION_MARGIN: Duration = Duration::from_millis(10);

/// Losses in a row of one packet; after that it arrives, so that a loss of 100 % still ends.
const MAX_RETRANSMISSIONS: u32 = 8;

pub(super) fn other(end: End) -> End {
    1 - end
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) settings: LoopbackSettings,
    random: u64,
    pub(super) ends: [EndState; 2],
    links: [Link; 2],
    streams: BTreeMap<StreamId, Stream>,
    in_flight: BinaryHeap<Reverse<Flight>>,
    next_flight: u64,
}

/// One end as it knows itself and its peer.
#[derive(Debug)]
pub(super) struct EndState {
    pub(super) closed: Option<ConnectionError>,
    /// Streams opened so far and allowed in all, per direction.
    opened: [u64; 2],
    granted: [u64; 2],
    /// The peer's streams: at once, and how many have ended.
    max_incoming: [u64; 2],
    ended_incoming: [u64; 2],
    pub(super) accept: [VecDeque<StreamId>; 2],
    pub(super) datagrams: VecDeque<Bytes>,
    pub(super) stats: ConnectionStats,
    waiting: Vec<Waker>,
}

/// The way from one end to the other.
#[derive(Debug)]
struct Link {
    busy_until: Instant,
    /// The last transmission left data waiting: the next one follows it without a gap.
    backlogged: bool,
    datagrams: VecDeque<Bytes>,
}

/// A stream; a direction's pipe is named by its sending end.
#[derive(Debug)]
pub(super) struct Stream {
    initiator: End,
    direction: usize,
    pipes: [Option<Pipe>; 2],
    /// The accepting end has counted it as ended.
    counted: bool,
    announced: bool,
}

/// Something on its way to an end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Instant,
    sequence: u64,
    to: End,
    cargo: Cargo,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cargo {
    Data { stream: StreamId, bytes: Bytes, fin: bool },
    Reset { stream: StreamId, code: u64 },
    Stop { stream: StreamId, code: u64 },
    Credit { stream: StreamId, bytes: usize },
    Acknowledged { stream: StreamId },
    Grant { direction: usize, total: u64 },
    Datagram(Bytes),
    Close { code: u64, reason: String },
}

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    At(Instant),
    Idle,
    Over,
}

impl Network {
    pub(super) fn new(settings: LoopbackSettings, now: Instant) -> Self {
        let uni = u64::from(limit::MAX_INCOMING_UNI);
        let bidi = u64::from(limit::MAX_INCOMING_BIDI);
        let end = || EndState {
            closed: None,
            opened: [0; 2],
            granted: [uni, bidi],
            max_incoming: [uni, bidi],
            ended_incoming: [0; 2],
            accept: Default::default(),
            datagrams: VecDeque::new(),
            stats: ConnectionStats { rtt: settings.latency * 2, ..ConnectionStats::default() },
            waiting: Vec::new(),
        };
        let link = || Link { busy_until: now, backlogged: false, datagrams: VecDeque::new() };
        Self {
            random: settings.seed,
            ends: [end(), end()],
            links: [link(), link()],
            streams: BTreeMap::new(),
            in_flight: BinaryHeap::new(),
            next_flight: 0,
            settings,
        }
    }

    /// Delivers what is due and transmits what the links take.
    pub(super) fn advance(&mut self, now: Instant) -> Next {
        loop {
            self.transmit(CLIENT, now);
            self.transmit(SERVER, now);
            match self.in_flight.peek() {
                Some(Reverse(flight)) if flight.at <= now => {
                    let Some(Reverse(flight)) = self.in_flight.pop() else { continue };
                    self.deliver(flight.to, flight.cargo, now);
                }
                _ => break,
            }
        }
        if self.ends.iter().all(|end| end.closed.is_some()) {
            return Next::Over;
        }
        let arrival = self.in_flight.peek().map(|Reverse(flight)| flight.at);
        let free = self.links.iter().filter(|link| link.backlogged).map(|link| link.busy_until);
        free.chain(arrival).min().map_or(Next::Idle, Next::At)
    }

    /// A new stream of `end`; `None` while the peer's limit is used up.
    pub(super) fn open(&mut self, end: End, direction: usize, now: Instant) -> Option<StreamId> {
        let state = &mut self.ends[end];
        if state.opened[direction] >= state.granted[direction] {
            return None;
        }
        let id = state.opened[direction] << 2 | (direction as u64) << 1 | end as u64;
        state.opened[direction] += 1;
        let mut pipes = [None, None];
        pipes[end] = Some(Pipe::new(now));
        if direction == BIDI {
            pipes[other(end)] = Some(Pipe::new(now));
        }
        self.streams.insert(id, Stream { initiator: end, direction, pipes, counted: false, announced: false });
        Some(id)
    }

    pub(super) fn pipe(&mut self, stream: StreamId, sender: End) -> Option<&mut Pipe> {
        self.streams.get_mut(&stream)?.pipes[sender].as_mut()
    }

    /// Counts a stream as ended once the accepting end is through with it, and forgets it once nobody holds it.
    pub(super) fn settle(&mut self, stream: StreamId, now: Instant) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let (initiator, direction) = (state.initiator, state.direction);
        let acceptor = other(initiator);
        let read = state.pipes[initiator].as_ref().is_none_or(|pipe| pipe.receiver_done);
        let written = state.pipes[acceptor].as_ref().is_none_or(|pipe| pipe.sender_done);
        let newly_ended = read && written && !std::mem::replace(&mut state.counted, read && written);
        let abandoned =
            state.pipes.iter().flatten().all(|pipe| pipe.sender_gone && pipe.receiver_gone && pipe.is_drained());
        if abandoned {
            self.streams.remove(&stream);
        }
        if newly_ended {
            self.ends[acceptor].ended_incoming[direction] += 1;
            self.grant(acceptor, direction, now);
        }
    }

    pub(super) fn set_max_incoming(&mut self, end: End, direction: usize, count: u32, now: Instant) {
        self.ends[end].max_incoming[direction] = u64::from(count);
        self.grant(end, direction, now);
    }

    fn grant(&mut self, end: End, direction: usize, now: Instant) {
        let total = self.ends[end].ended_incoming[direction] + self.ends[end].max_incoming[direction];
        self.signal(end, Cargo::Grant { direction, total }, now);
    }

    pub(super) fn reset(&mut self, stream: StreamId, from: End, code: u64, now: Instant) {
        self.signal(from, Cargo::Reset { stream, code }, now);
    }

    pub(super) fn stop(&mut self, stream: StreamId, from: End, code: u64, now: Instant) {
        self.signal(from, Cargo::Stop { stream, code }, now);
    }

    pub(super) fn credit(&mut self, stream: StreamId, from: End, bytes: usize, now: Instant) {
        self.signal(from, Cargo::Credit { stream, bytes }, now);
    }

    pub(super) fn queue_datagram(&mut self, from: End, payload: Bytes) {
        let queue = &mut self.links[from].datagrams;
        if queue.len() >= limit::LOOPBACK_DATAGRAM_QUEUE {
            queue.pop_front();
        }
        queue.push_back(payload);
    }

    pub(super) fn close(&mut self, end: End, code: u64, reason: &str, now: Instant) {
        if self.ends[end].closed.is_none() {
            self.end(end, ConnectionError::LocallyClosed);
            self.signal(end, Cargo::Close { code, reason: reason.to_owned() }, now);
        }
    }

    /// Ends both sides without a word, as when the path is cut.
    pub(super) fn cut(&mut self, reason: &ConnectionError) {
        for end in [CLIENT, SERVER] {
            if self.ends[end].closed.is_none() {
                self.end(end, reason.clone());
            }
        }
    }

    /// Remembers to wake a connection-level wait of this end at its next event.
    pub(super) fn wait(&mut self, end: End, waker: &Waker) {
        let waiting = &mut self.ends[end].waiting;
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    fn wake(&mut self, end: End) {
        self.ends[end].waiting.drain(..).for_each(Waker::wake);
    }

    fn end(&mut self, end: End, reason: ConnectionError) {
        self.ends[end].closed = Some(reason);
        self.wake(end);
        for pipe in self.streams.values_mut().flat_map(|stream| stream.pipes.iter_mut().flatten()) {
            pipe.wake_all();
        }
    }

    /// A control message: never lost, takes no bandwidth, travels one latency.
    fn signal(&mut self, from: End, cargo: Cargo, now: Instant) {
        self.fly(other(from), cargo, now + self.settings.latency);
    }

    fn fly(&mut self, to: End, cargo: Cargo, at: Instant) {
        self.in_flight.push(Reverse(Flight { at, sequence: self.next_flight, to, cargo }));
        self.next_flight += 1;
    }

    /// Puts packets on the way while the link is free: datagrams first, then streams by priority.
    fn transmit(&mut self, from: End, now: Instant) {
        if self.ends[from].closed.is_some() {
            self.links[from].backlogged = false;
            return;
        }
        while self.links[from].busy_until <= now {
            let stream = if self.links[from].datagrams.is_empty() { self.most_urgent(from) } else { None };
            let waiting = stream.is_some() || !self.links[from].datagrams.is_empty();
            let start = if self.links[from].backlogged { self.links[from].busy_until } else { now };
            self.links[from].backlogged = waiting;
            match stream {
                Some(stream) => self.send_packet(from, stream, start),
                None if waiting => self.send_datagram(from, start),
                None => return,
            }
        }
        self.links[from].backlogged = !self.links[from].datagrams.is_empty() || self.most_urgent(from).is_some();
    }

    fn most_urgent(&self, from: End) -> Option<StreamId> {
        let pipes = self.streams.iter().filter_map(|(id, stream)| Some((*id, stream.pipes[from].as_ref()?)));
        let waiting = pipes.filter(|(_, pipe)| pipe.has_to_send());
        waiting.max_by_key(|(id, pipe)| (pipe.priority, Reverse(*id))).map(|(id, _)| id)
    }

    fn send_packet(&mut self, from: End, stream: StreamId, start: Instant) {
        let Some((bytes, fin)) = self.pipe(stream, from).map(|pipe| pipe.take_packet(PACKET)) else { return };
        let mut at = self.occupy(from, bytes.len(), start);
        for _ in 0..MAX_RETRANSMISSIONS {
            if !self.lost() {
                break;
            }
            self.ends[from].stats.lost_packets += 1;
            at += self.settings.latency * 2 + RETRANSMISSION_MARGIN;
        }
        if let Some(pipe) = self.pipe(stream, from) {
            // Order within the stream holds: what is sent later arrives later.
            at = at.max(pipe.last_arrival);
            pipe.last_arrival = at;
        }
        self.fly(other(from), Cargo::Data { stream, bytes, fin }, at);
    }

    fn send_datagram(&mut self, from: End, start: Instant) {
        let Some(payload) = self.links[from].datagrams.pop_front() else { return };
        let at = self.occupy(from, payload.len(), start);
        if self.lost() {
            self.ends[from].stats.lost_packets += 1;
        } else {
            self.fly(other(from), Cargo::Datagram(payload), at);
        }
    }

    /// Uses the link for a packet and says when it arrives.
    fn occupy(&mut self, from: End, bytes: usize, start: Instant) -> Instant {
        let stats = &mut self.ends[from].stats;
        stats.sent_packets += 1;
        stats.sent_bytes += bytes as u64;
        let taken = match self.settings.bandwidth {
            Some(bits) => Duration::from_secs_f64(bytes as f64 * 8.0 / bits.max(1) as f64),
            None => Duration::ZERO,
        };
        self.links[from].busy_until = start + taken;
        let jitter = self.settings.jitter.mul_f64(self.random_fraction());
        start + taken + self.settings.latency + jitter
    }

    fn lost(&mut self) -> bool {
        self.settings.loss > 0.0 && self.random_fraction() < self.settings.loss
    }

    /// From 0 to 1, by the SplitMix64 sequence of the seed.
    fn random_fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }

    fn deliver(&mut self, to: End, cargo: Cargo, now: Instant) {
        if self.ends[to].closed.is_some() {
            return;
        }
        match cargo {
            Cargo::Data { stream, bytes, fin } => self.deliver_data(to, stream, bytes, fin, now),
            Cargo::Reset { stream, code } => {
                self.announce(to, stream);
                if let Some(pipe) = self.pipe(stream, other(to)) {
                    pipe.receive_reset(code);
                }
                self.settle(stream, now);
            }
            Cargo::Stop { stream, code } => {
                if let Some(pipe) = self.pipe(stream, to) {
                    pipe.receive_stop(code);
                }
                self.settle(stream, now);
            }
            Cargo::Credit { stream, bytes } => {
                if let Some(pipe) = self.pipe(stream, to) {
                    pipe.receive_credit(bytes);
                }
            }
            Cargo::Acknowledged { stream } => {
                if let Some(pipe) = self.pipe(stream, to) {
                    pipe.receive_acknowledgement();
                }
                self.settle(stream, now);
            }
            Cargo::Grant { direction, total } => {
                let granted = &mut self.ends[to].granted[direction];
                *granted = total.max(*granted);
                self.wake(to);
            }
            Cargo::Datagram(payload) => {
                let state = &mut self.ends[to];
                state.stats.received_bytes += payload.len() as u64;
                if state.datagrams.len() >= limit::LOOPBACK_DATAGRAM_QUEUE {
                    state.datagrams.pop_front();
                }
                state.datagrams.push_back(payload);
                self.wake(to);
            }
            Cargo::Close { code, reason } => self.end(to, ConnectionError::Closed { code, reason }),
        }
    }

    fn deliver_data(&mut self, to: End, stream: StreamId, bytes: Bytes, fin: bool, now: Instant) {
        self.ends[to].stats.received_bytes += bytes.len() as u64;
        self.announce(to, stream);
        if let Some(pipe) = self.pipe(stream, other(to)) {
            pipe.receive(bytes, fin);
        }
        if fin {
            self.signal(to, Cargo::Acknowledged { stream }, now);
        }
    }

    /// A peer's stream shows up for accepting with its first sign of life.
    fn announce(&mut self, to: End, stream: StreamId) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if state.initiator != to && !std::mem::replace(&mut state.announced, true) {
            let direction = state.direction;
            self.ends[to].accept[direction].push_back(stream);
            self.wake(to);
        }
    }
}
