//! Draft-16's single control stream: which request a message belongs to, its Request IDs, and the
//! messages that stand for what later drafts say by ending a stream (draft-16 chapter 9).

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::Session;
use super::event::{Output, RequestKey};
use super::limit::{MAX_HELD_CONTROL_BYTES, MAX_UNREAD_STREAMS, REQUEST_ID_WINDOW};
use super::request::{Kind, Opener, Request};
use crate::{
    EncodeError, FetchCancel, MaxRequestId, Message, Properties, ProtocolError, PublishDone, PublishDoneCode,
    PublishNamespaceCancel, PublishNamespaceDone, PublishOk, ReasonPhrase, RequestError, RequestErrorCode, RequestId,
    RequestKind, RequestsBlocked, SessionErrorCode, Side, StreamErrorCode, SubscribeNamespace, SubscribeOptions,
    SubscribeTracks, Unsubscribe, Version,
};

const VERSION: Version = Version::Draft16;

impl Session {
    /// A message on draft-16's control stream, after SETUP.
    pub(super) fn receive_single(&mut self, message: Message) -> Result<(), ProtocolError> {
        match &message {
            Message::MaxRequestId(max) => {
                let released = self.plane.single().map(|single| single.raise(max.max_request_id.0)).transpose()?;
                self.outputs.extend(released.into_iter().flatten());
                Ok(())
            }
            // The limit grows with use, so nothing needs to be asked for.
            Message::RequestsBlocked(_) => Ok(()),
            Message::Unsubscribe(Unsubscribe { request_id })
            | Message::FetchCancel(FetchCancel { request_id })
            | Message::PublishNamespaceCancel(PublishNamespaceCancel { request_id, .. }) => {
                self.ended_by_message(*request_id, Some(StreamErrorCode::Cancelled.to_wire(VERSION)))
            }
            Message::PublishNamespaceDone(done) => self.ended_by_message(done.request_id, None),
            Message::RequestUpdate(update) => {
                let (id, existing) = (update.request_id, update.existing_request_id);
                let key = existing.and_then(|existing| self.plane.single()?.key(existing));
                self.use_up(id)?;
                let Some(key) = key else { return self.peer_ids.insert(id) };
                if let Some(single) = self.plane.single() {
                    single.updated(key, id);
                }
                self.receive_request(key, message)
            }
            // The publisher may be either side.
            Message::PublishDone(PublishDone { request_id: Some(id), .. }) if id.side() != self.side => {
                let Some(key) = self.plane.single().and_then(|single| single.key(*id)) else { return Ok(()) };
                if self.requests.get(key).is_some_and(|request| request.established) {
                    return self.receive_request(key, message);
                }
                // A PUBLISH taken back before it was answered.
                self.ended_by_message(*id, None)
            }
            Message::SubscribeNamespace(_) => {
                Err(ProtocolError::violation("SUBSCRIBE_NAMESPACE on the control stream"))
            }
            _ => match (message.new_request_id(), message.request_kind(), message.reply_id()) {
                (Some(id), Some(kind), _) => self.open_single(id, kind, message),
                (_, _, Some(id)) => {
                    match self.plane.single().map(|single| single.answered(id)).transpose()?.flatten() {
                        Some(key) => self.receive_request(key, message),
                        None => Ok(()),
                    }
                }
                _ => Err(ProtocolError::violation(format!("{} on the control stream", message.name()))),
            },
        }
    }

    /// A request of the peer on the control stream.
    fn open_single(&mut self, id: RequestId, kind: RequestKind, message: Message) -> Result<(), ProtocolError> {
        self.use_up(id)?;
        let key = self.requests.next_key();
        if let Some(single) = self.plane.single() {
            single.opened(key, id, kind, false);
        }
        if self.requests.peer_len() >= self.request_limit.saturating_add(MAX_UNREAD_STREAMS) {
            self.outputs.extend(self.plane.cancel(key, StreamErrorCode::ExcessiveLoad));
            return self.peer_ids.insert(id);
        }
        self.requests.insert(key, Request::new(Opener::Peer, None, Kind::Unread));
        self.open(key, message)
    }

    /// The first message on a stream of the peer's own: in draft-16 only SUBSCRIBE_NAMESPACE has one, and it may be meant for
    /// tracks.
    pub(super) fn opened_stream(&mut self, key: RequestKey, message: Message) -> Result<Message, ProtocolError> {
        let (Message::SubscribeNamespace(request), Some(single)) = (&message, self.plane.single()) else {
            return Ok(message);
        };
        let (id, for_tracks) = (request.request_id, request.options == SubscribeOptions::Tracks);
        let kind = if for_tracks { RequestKind::SubscribeTracks } else { RequestKind::SubscribeNamespace };
        single.opened(key, id, kind, true);
        self.use_up(id)?;
        let Message::SubscribeNamespace(request) = message else { return Ok(message) };
        if !for_tracks {
            return Ok(Message::SubscribeNamespace(request));
        }
        let SubscribeNamespace { request_id, prefix, parameters, .. } = request;
        Ok(Message::SubscribeTracks(SubscribeTracks { request_id, prefix, parameters }))
    }

    fn use_up(&mut self, id: RequestId) -> Result<(), ProtocolError> {
        let grant = self.plane.single().map(|single| single.use_up(id)).transpose()?;
        self.outputs.extend(grant.flatten());
        Ok(())
    }

    /// UNSUBSCRIBE and its kin: the request is over, and this side has nothing to say to that.
    fn ended_by_message(&mut self, id: RequestId, code: Option<u64>) -> Result<(), ProtocolError> {
        let Some(key) = self.plane.single().and_then(|single| single.key(id)) else { return Ok(()) };
        if let Some(single) = self.plane.single() {
            single.ended(key);
        }
        if let Some(request) = self.remove(key) {
            self.report_end(key, request, code);
        }
        Ok(())
    }
}

/// What the stream must know of one live request.
#[derive(Debug)]
struct Entry {
    id: RequestId,
    kind: RequestKind,
    /// Opened by this side.
    local: bool,
    /// SUBSCRIBE_NAMESPACE has a stream for itself.
    own_stream: bool,
    /// This side has answered it.
    answered: bool,
    /// Updates of the peer without an answer, oldest first: answers carry their id.
    received_updates: VecDeque<RequestId>,
    /// Updates of this side without an answer.
    sent_updates: VecDeque<RequestId>,
}

/// Both directions of the control stream.
#[derive(Debug)]
pub(super) struct SingleStream {
    side: Side,
    entries: BTreeMap<RequestKey, Entry>,
    /// Live requests of both sides, and updates of this side without an answer.
    keys: HashMap<RequestId, RequestKey>,
    /// Ids from here on may not be used by this side yet; 0 until the peer's SETUP.
    allowed: u64,
    /// The limit that the peer was told this side is waiting at.
    blocked_at: Option<u64>,
    /// Ids from here on may not be used by the peer yet.
    granted: u64,
    /// Messages about requests of this side that wait for the peer's SETUP or a higher limit, in order: those that use
    /// up an id with it.
    held: VecDeque<(Option<RequestId>, Output)>,
    held_bytes: usize,
    /// Ids of this side up to here were used.
    used: Option<RequestId>,
}

impl SingleStream {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            entries: BTreeMap::new(),
            keys: HashMap::new(),
            allowed: 0,
            blocked_at: None,
            granted: REQUEST_ID_WINDOW,
            held: VecDeque::new(),
            held_bytes: 0,
            used: None,
        }
    }

    /// The first id the peer may not use, for SETUP.
    pub(super) fn granted(&self) -> u64 {
        self.granted
    }

    /// The request that an id names: a live one, or that of an update of this side.
    pub(super) fn key(&self, id: RequestId) -> Option<RequestKey> {
        self.keys.get(&id).copied()
    }

    /// Where the answer with this id goes: nowhere when its request was cancelled meanwhile.
    ///
    /// # Errors
    /// INVALID_REQUEST_ID when this side never used the id.
    pub(super) fn answered(&mut self, id: RequestId) -> Result<Option<RequestKey>, ProtocolError> {
        if id.side() != self.side || self.used.is_none_or(|used| id > used) {
            let reason = format!("an answer to request {id}, which was never made");
            return Err(ProtocolError::new(SessionErrorCode::InvalidRequestId, reason));
        }
        let Some(key) = self.key(id) else { return Ok(None) };
        let Some(entry) = self.entries.get_mut(&key) else { return Ok(None) };
        if let Some(at) = entry.sent_updates.iter().position(|update| *update == id) {
            entry.sent_updates.remove(at);
            self.keys.remove(&id);
        }
        Ok(Some(key))
    }

    /// The peer used an id: checks the limit and says what raises it.
    ///
    /// # Errors
    /// TOO_MANY_REQUESTS when the id is not below the limit.
    pub(super) fn use_up(&mut self, id: RequestId) -> Result<Option<Output>, ProtocolError> {
        if id.0 >= self.granted {
            let reason = format!("request id {id} where the limit is {}", self.granted);
            return Err(ProtocolError::new(SessionErrorCode::TooManyRequests, reason));
        }
        if self.granted - id.0 > REQUEST_ID_WINDOW / 2 || self.granted > u64::MAX - REQUEST_ID_WINDOW {
            return Ok(None);
        }
        self.granted += REQUEST_ID_WINDOW;
        let message = Message::MaxRequestId(MaxRequestId { max_request_id: RequestId(self.granted) });
        // Two integers always fit.
        Ok(encode(&message).ok().map(Output::Control))
    }

    /// The peer allows ids up to `max`, and what waited for it goes out.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION when the limit does not grow.
    pub(super) fn raise(&mut self, max: u64) -> Result<Vec<Output>, ProtocolError> {
        if max <= self.allowed {
            return Err(ProtocolError::violation("MAX_REQUEST_ID that does not grow"));
        }
        self.allowed = max;
        let mut released = Vec::new();
        while let Some((id, _)) = self.held.front()
            && id.is_none_or(|id| id.0 < self.allowed)
            && let Some((_, output)) = self.held.pop_front()
        {
            self.held_bytes -= size(&output);
            released.push(output);
        }
        Ok(released)
    }

    /// Notes a request of the peer.
    pub(super) fn opened(&mut self, key: RequestKey, id: RequestId, kind: RequestKind, own_stream: bool) {
        self.insert(key, id, kind, false, own_stream);
    }

    /// Notes an update of a request by the peer.
    pub(super) fn updated(&mut self, key: RequestKey, id: RequestId) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.received_updates.push_back(id);
        }
    }

    /// Forgets a request that the peer ended with a message, so that nothing more is said about it.
    pub(super) fn ended(&mut self, key: RequestKey) {
        self.forget(key);
    }

    /// The message that opens a request of this side.
    pub(super) fn open(&mut self, key: RequestKey, message: &Message) -> Result<Vec<Output>, EncodeError> {
        let (Some(id), Some(kind)) = (message.new_request_id(), message.request_kind()) else {
            return Err(EncodeError::Unrepresentable("a request without an id"));
        };
        let own_stream = matches!(kind, RequestKind::SubscribeNamespace | RequestKind::SubscribeTracks);
        let bytes = match message {
            Message::SubscribeTracks(tracks) => encode(&Message::SubscribeNamespace(SubscribeNamespace {
                request_id: id,
                prefix: tracks.prefix.clone(),
                options: SubscribeOptions::Tracks,
                parameters: tracks.parameters.clone(),
            })),
            message => encode(message),
        }?;
        self.insert(key, id, kind, true, own_stream);
        self.used = self.used.max(Some(id));
        let output = if own_stream { Output::OpenRequest { key, bytes } } else { Output::Control(bytes) };
        Ok(self.send(Some(id), output))
    }

    /// A later message of a request; `fin` says it is this side's last.
    pub(super) fn write(&mut self, key: RequestKey, message: &Message, fin: bool) -> Result<Vec<Output>, EncodeError> {
        let Some(entry) = self.entries.get(&key) else { return Ok(Vec::new()) };
        let (own_stream, local) = (entry.own_stream, entry.local);
        let Some(message) = entry.addressed(message) else { return Ok(Vec::new()) };
        let bytes = encode(&message)?;
        self.note(key, &message);
        if fin {
            self.forget(key);
        }
        let output = if own_stream { Output::Request { key, bytes, fin } } else { Output::Control(bytes) };
        Ok(match message {
            Message::RequestUpdate(update) => {
                self.used = self.used.max(Some(update.request_id));
                self.send(Some(update.request_id), output)
            }
            _ if local => self.send(None, output),
            _ => vec![output],
        })
    }

    /// Ends this side's half of a request without a message.
    pub(super) fn finish(&mut self, key: RequestKey) -> Option<Output> {
        let entry = self.forget(key)?;
        entry.own_stream.then(|| Output::Request { key, bytes: Bytes::new(), fin: true })
    }

    /// Cancels a request.
    pub(super) fn cancel(&mut self, key: RequestKey, code: StreamErrorCode) -> Vec<Output> {
        let Some(entry) = self.forget(key) else { return Vec::new() };
        let output = if entry.own_stream {
            Some(Output::ResetRequest { key, code: code.to_wire(VERSION) })
        } else {
            // Codes and a fixed reason always fit.
            entry.cancellation().and_then(|message| encode(&message).ok()).map(Output::Control)
        };
        match output {
            Some(output) if entry.local => self.send(None, output),
            output => output.into_iter().collect(),
        }
    }

    fn insert(&mut self, key: RequestKey, id: RequestId, kind: RequestKind, local: bool, own_stream: bool) {
        let (received_updates, sent_updates) = (VecDeque::new(), VecDeque::new());
        let entry = Entry { id, kind, local, own_stream, answered: false, received_updates, sent_updates };
        self.entries.insert(key, entry);
        self.keys.insert(id, key);
    }

    fn forget(&mut self, key: RequestKey) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        for id in entry.sent_updates.iter().chain([&entry.id]) {
            self.keys.remove(id);
        }
        Some(entry)
    }

    /// What a message that goes out changes here.
    fn note(&mut self, key: RequestKey, message: &Message) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        match message {
            Message::RequestUpdate(update) => {
                entry.sent_updates.push_back(update.request_id);
                self.keys.insert(update.request_id, key);
            }
            Message::RequestOk(_) | Message::RequestError(_) if entry.answered || entry.local => {
                entry.received_updates.pop_front();
            }
            Message::RequestOk(_)
            | Message::PublishOk16(_)
            | Message::RequestError(_)
            | Message::SubscribeOk(_)
            | Message::FetchOk(_) => entry.answered = true,
            _ => {}
        }
    }

    /// Sends a message about a request of this side, or keeps it until the peer allows its id. What follows a kept one waits
    /// behind it.
    fn send(&mut self, id: Option<RequestId>, output: Output) -> Vec<Output> {
        let allowed = id.is_none_or(|id| id.0 < self.allowed);
        if allowed && self.held.is_empty() {
            return vec![output];
        }
        self.held_bytes += size(&output);
        self.held.push_back((id, output));
        if self.allowed == 0 || self.blocked_at == Some(self.allowed) {
            return Vec::new();
        }
        self.blocked_at = Some(self.allowed);
        let message = Message::RequestsBlocked(RequestsBlocked { max_request_id: RequestId(self.allowed) });
        encode(&message).ok().map(Output::Control).into_iter().collect()
    }

    /// More waits for the peer's limit than is kept.
    pub(super) fn is_full(&self) -> bool {
        self.held_bytes > MAX_HELD_CONTROL_BYTES
    }
}

impl Entry {
    /// The message with the id draft-16 wants in it; `None` for what it has no message for.
    fn addressed(&self, message: &Message) -> Option<Message> {
        let reply = if self.answered || self.local { self.received_updates.front().copied() } else { None };
        let reply = Some(reply.unwrap_or(self.id));
        let mut message = message.clone();
        match &mut message {
            Message::RequestOk(ok) if self.kind == RequestKind::Publish && !self.local && !self.answered => {
                return Some(Message::PublishOk16(PublishOk { request_id: reply, parameters: ok.parameters.clone() }));
            }
            Message::RequestOk(ok) => {
                ok.request_id = reply;
                ok.properties = Properties::EMPTY;
            }
            Message::RequestError(error) => {
                error.request_id = reply;
                error.redirect = None;
            }
            Message::SubscribeOk(ok) => ok.request_id = reply,
            Message::FetchOk(ok) => ok.request_id = reply,
            Message::PublishDone(done) => done.request_id = Some(self.id),
            Message::RequestUpdate(update) => update.existing_request_id = Some(self.id),
            // A request cannot be asked to move, nor a track be called blocked.
            Message::GoAway(_) | Message::PublishBlocked(_) => return None,
            _ => {}
        }
        Some(message)
    }

    /// The message that cancels the request, if it takes one.
    fn cancellation(&self) -> Option<Message> {
        let id = self.id;
        let reason = || ReasonPhrase::from("cancelled");
        let unsubscribe = Message::Unsubscribe(Unsubscribe { request_id: id });
        let (status, request_id) = (PublishDoneCode::InternalError, Some(id));
        let done = PublishDone { request_id, status, stream_count: None, reason: reason() };
        Some(match (self.local, self.kind, self.answered) {
            (true, RequestKind::Subscribe, _) | (false, RequestKind::Publish, true) => unsubscribe,
            (true, RequestKind::Fetch, _) => Message::FetchCancel(FetchCancel { request_id: id }),
            (true, RequestKind::Publish, _) | (false, RequestKind::Subscribe, true) => Message::PublishDone(done),
            (true, RequestKind::PublishNamespace, _) => {
                Message::PublishNamespaceDone(PublishNamespaceDone { request_id: id })
            }
            (false, RequestKind::PublishNamespace, true) => {
                let code = RequestErrorCode::InternalError;
                Message::PublishNamespaceCancel(PublishNamespaceCancel { request_id: id, code, reason: reason() })
            }
            (false, _, false) => {
                let code = RequestErrorCode::InternalError;
                Message::RequestError(RequestError { request_id, code, retry: None, reason: reason(), redirect: None })
            }
            _ => return None,
        })
    }
}

fn size(output: &Output) -> usize {
    match output {
        Output::Control(bytes) | Output::OpenRequest { bytes, .. } | Output::Request { bytes, .. } => bytes.len(),
        Output::ResetRequest { .. } | Output::Event(_) => 0,
    }
}

fn encode(message: &Message) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::new();
    message.encode(&mut out, VERSION)?;
    Ok(out.freeze())
}
