//! Two machines joined by queues: bytes arrive in pieces, streams overtake each other, each stream keeps its order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use moqt::session::{Carrier, Event, Output, RequestKey, Session};
use moqt::{ProtocolError, Side};

use crate::raw::settings;

/// What can happen on one direction of a stream.
#[derive(Debug)]
enum Item {
    Open,
    Data(BytesMut),
    Fin,
    Reset(u64),
    Stop(u64),
}

/// What is on its way to the server (or the client) on a request stream, or the control stream (`None`).
type Lane = (bool, Option<u64>);

pub(crate) struct Pair {
    pub(crate) client: Session,
    pub(crate) server: Session,
    pub(crate) client_events: VecDeque<Event>,
    pub(crate) server_events: VecDeque<Event>,
    lanes: BTreeMap<Lane, VecDeque<Item>>,
    /// Key of each side for a stream, by stream number.
    keys: BTreeMap<(bool, u64), RequestKey>,
    streams: BTreeMap<(bool, RequestKey), u64>,
    next_stream: u64,
    random: u64,
}

/// [`Side`] as something with an order, to be a key.
fn is_server(side: Side) -> bool {
    side == Side::Server
}

impl Pair {
    /// Two machines; `seed` decides the order of arrival and the pieces.
    pub(crate) fn new(seed: u64) -> Self {
        let session = |side| {
            let mut settings = settings(side, Carrier::Quic);
            settings.request_limit = 1000;
            Session::new(settings, Duration::ZERO).unwrap()
        };
        Self {
            client: session(Side::Client),
            server: session(Side::Server),
            client_events: VecDeque::new(),
            server_events: VecDeque::new(),
            lanes: BTreeMap::new(),
            keys: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_stream: 0,
            random: seed | 1,
        }
    }

    pub(crate) fn session(&mut self, side: Side) -> &mut Session {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub(crate) fn events(&mut self, side: Side) -> &mut VecDeque<Event> {
        match side {
            Side::Client => &mut self.client_events,
            Side::Server => &mut self.server_events,
        }
    }

    /// xorshift64*: all that is needed is that a seed gives the same run.
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    }

    /// Takes what both machines put out.
    pub(crate) fn collect(&mut self) {
        for side in [Side::Client, Side::Server] {
            while let Some(output) = self.session(side).poll_output() {
                self.carry(side, output);
            }
        }
    }

    fn carry(&mut self, from: Side, output: Output) {
        match output {
            Output::Event(event) => self.events(from).push_back(event),
            Output::Control(bytes) => self.lane(!from, None).push_back(Item::Data(bytes.as_ref().into())),
            Output::OpenRequest { key, bytes } => {
                let stream = self.next_stream;
                self.next_stream += 1;
                self.keys.insert((is_server(from), stream), key);
                self.streams.insert((is_server(from), key), stream);
                let lane = self.lane(!from, Some(stream));
                lane.push_back(Item::Open);
                lane.push_back(Item::Data(bytes.as_ref().into()));
            }
            Output::Request { key, bytes, fin } => {
                let Some(stream) = self.stream(from, key) else { return };
                self.push_data(!from, stream, bytes);
                if fin {
                    self.lane(!from, Some(stream)).push_back(Item::Fin);
                }
            }
            Output::ResetRequest { key, code } => {
                let Some(stream) = self.stream(from, key) else { return };
                let lane = self.lane(!from, Some(stream));
                // A reset overtakes data that was not delivered, but not the stream itself.
                lane.retain(|item| matches!(item, Item::Open));
                lane.extend([Item::Reset(code), Item::Stop(code)]);
            }
        }
    }

    fn push_data(&mut self, to: Side, stream: u64, bytes: Bytes) {
        if !bytes.is_empty() {
            self.lane(to, Some(stream)).push_back(Item::Data(bytes.as_ref().into()));
        }
    }

    fn stream(&self, side: Side, key: RequestKey) -> Option<u64> {
        self.streams.get(&(is_server(side), key)).copied()
    }

    fn lane(&mut self, to: Side, stream: Option<u64>) -> &mut VecDeque<Item> {
        self.lanes.entry((is_server(to), stream)).or_default()
    }

    /// Delivers one piece of one stream. `false` when nothing is under way.
    pub(crate) fn step(&mut self) -> Result<bool, (Side, ProtocolError)> {
        self.collect();
        self.lanes.retain(|_, lane| !lane.is_empty());
        if self.lanes.is_empty() {
            return Ok(false);
        }
        let choice = self.roll(self.lanes.len());
        let Some(&(to, stream)) = self.lanes.keys().nth(choice) else { return Ok(false) };
        let to = if to { Side::Server } else { Side::Client };
        let item = self.lane(to, stream).pop_front();
        let Some(item) = item else { return Ok(true) };
        self.deliver(to, stream, item).map_err(|error| (to, error))?;
        self.collect();
        Ok(true)
    }

    fn deliver(&mut self, to: Side, stream: Option<u64>, item: Item) -> Result<(), ProtocolError> {
        let item = match item {
            Item::Data(mut bytes) => {
                let length = 1 + self.roll(bytes.len());
                let piece = bytes.split_to(length);
                if !bytes.is_empty() {
                    self.lane(to, stream).push_front(Item::Data(bytes));
                }
                Item::Data(piece)
            }
            other => other,
        };
        let Some(stream) = stream else {
            let Item::Data(piece) = item else { return Ok(()) };
            return self.session(to).handle_control(&piece);
        };
        if matches!(item, Item::Open) {
            let key = self.session(to).accept_request();
            self.keys.insert((is_server(to), stream), key);
            self.streams.insert((is_server(to), key), stream);
            return Ok(());
        }
        let Some(&key) = self.keys.get(&(is_server(to), stream)) else { return Ok(()) };
        match item {
            Item::Data(piece) => self.session(to).handle_request(key, &piece),
            Item::Fin => self.session(to).handle_request_fin(key),
            Item::Reset(code) => {
                self.session(to).handle_request_reset(key, code);
                Ok(())
            }
            Item::Stop(code) => {
                self.session(to).handle_request_stopped(key, code);
                Ok(())
            }
            Item::Open => Ok(()),
        }
    }

    /// Delivers everything, in any order.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return,
                Err((side, error)) => panic!("{side:?} closed: {error}"),
            }
        }
    }
}
