//! What a session's handles, its driver and its stream tasks share: the protocol machine and where its outputs go.
//!
//! Every call into the machine happens under one lock that is never held across an await, and is followed by [`Shared::flush`],
//! which hands each output to the queue it belongs to. Queues are bounded; a peer that makes one overflow loses that request.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use moqt::session::{CommandError, Event, Output, PeerSetup, RequestKey, ResolvedToken, Response, Session as Machine};
use moqt::{
    Datagram, Namespace, Parameters, ProtocolError, PublishDone, RequestError, RequestErrorCode, StreamErrorCode,
    Version,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::error::{RequestFailure, SessionError};
use super::incoming::IncomingRequest;
use super::limit;
use super::outbox::{OutboxReceiver, OutboxSender, outbox};
use super::reader::{FetchStream, SubgroupReader};
use crate::connection::{Connection, ConnectionError};

/// One session's shared half.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) version: Version,
    pub(crate) request_timeout: Duration,
    epoch: Instant,
    state: Mutex<State>,
    /// The driver has something to do: request streams to open, a new deadline, or the end.
    pub(crate) driver: Notify,
    /// The control stream's writer has something to write.
    pub(crate) control: Notify,
    /// A track alias became known: data streams that wait for theirs look again.
    pub(crate) aliases: Notify,
    /// Set once, when the session is over.
    ended: watch::Sender<Option<SessionError>>,
    /// Set once, when the peer's SETUP arrived.
    pub(crate) setup: watch::Sender<Option<Arc<PeerSetup>>>,
    /// The peer's GOAWAY on the control stream: new session URI (empty = same) and the time it leaves.
    pub(crate) go_away: watch::Sender<Option<GoAwayNotice>>,
}

/// The peer asks to move to another session (draft-18 section 10.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoAwayNotice {
    /// Where to go; empty means the same URI again.
    pub uri: String,
    /// How long the peer waits before it closes; zero leaves it open.
    pub timeout: Duration,
}

/// What is guarded by the session's lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) machine: Machine,
    pub(crate) slots: HashMap<RequestKey, Slot>,
    /// Bytes for the control stream, in order.
    pub(crate) control: VecDeque<Bytes>,
    /// Requests whose stream the driver is to open.
    pub(crate) opens: VecDeque<(RequestKey, OutboxReceiver)>,
    requests: mpsc::Sender<IncomingRequest>,
}

/// One live request of either side.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) outgoing: Option<OutboxSender>,
    pub(crate) response: Option<oneshot::Sender<Result<Response, RequestFailure>>>,
    pub(crate) events: Option<mpsc::Sender<RequestEvent>>,
    pub(crate) data: Option<mpsc::Sender<DataEvent>>,
    pub(crate) updates: VecDeque<PendingUpdate>,
    /// The peer has not allowed a stream for it yet.
    pub(crate) unopened: bool,
}

/// A REQUEST_UPDATE of this side that waits for its answer.
#[derive(Debug)]
pub(crate) struct PendingUpdate {
    pub(crate) answer: oneshot::Sender<Result<Parameters, RequestFailure>>,
    /// The prefix it moves the request to.
    pub(crate) prefix: Option<Namespace>,
}

/// What the peer says about a live request.
#[derive(Debug)]
pub(crate) enum RequestEvent {
    Update {
        parameters: Parameters,
        tokens: Vec<ResolvedToken>,
    },
    Done(PublishDone),
    NamespaceAdded(Namespace),
    NamespaceRemoved(Namespace),
    /// The peer accepted a new prefix: suffixes from here on follow it.
    Moved(Namespace),
    Ended,
}

/// What arrives on data streams for a request.
#[derive(Debug)]
pub(crate) enum DataEvent {
    Subgroup(Box<SubgroupReader>),
    Datagram(Datagram),
    Fetch(Box<FetchStream>),
}

/// The receiving ends of a request's slot.
#[derive(Debug)]
pub(crate) struct Channels {
    pub(crate) response: oneshot::Receiver<Result<Response, RequestFailure>>,
    pub(crate) events: mpsc::Receiver<RequestEvent>,
    pub(crate) data: mpsc::Receiver<DataEvent>,
}

impl Shared {
    pub(crate) fn new(
        connection: Arc<dyn Connection>,
        machine: Machine,
        request_timeout: Duration,
        epoch: Instant,
    ) -> (Arc<Self>, mpsc::Receiver<IncomingRequest>) {
        let version = connection.info().version;
        let (requests, incoming) = mpsc::channel(limit::INCOMING_REQUEST_QUEUE);
        let state =
            State { machine, slots: HashMap::new(), control: VecDeque::new(), opens: VecDeque::new(), requests };
        let shared = Arc::new(Self {
            connection,
            version,
            request_timeout,
            epoch,
            state: Mutex::new(state),
            driver: Notify::new(),
            control: Notify::new(),
            aliases: Notify::new(),
            ended: watch::Sender::new(None),
            setup: watch::Sender::new(None),
            go_away: watch::Sender::new(None),
        });
        (shared, incoming)
    }

    /// Time since the session began, as the machine counts it.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The moment the machine's time `at` stands for.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.epoch + at
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call into the machine and passes its outputs on. A protocol error ends the session.
    pub(crate) fn with<T>(self: &Arc<Self>, call: impl FnOnce(&mut State) -> Result<T, ProtocolError>) -> Option<T> {
        let (result, first) = {
            let mut state = self.lock();
            // Looked at under the lock: what is registered before the end is dropped by it, and nothing is after it.
            if self.has_ended() {
                return None;
            }
            let result = call(&mut state);
            self.flush(&mut state);
            // Said under the lock: whoever finds the machine closed finds out why.
            let first = result.as_ref().is_err_and(|error| self.note(SessionError::Protocol(error.clone())));
            (result, first)
        };
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if first {
                    self.violated(&error);
                }
                None
            }
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Why the session is over, if it is.
    pub(crate) fn error(&self) -> Option<SessionError> {
        self.ended.borrow().clone()
    }

    /// Why the session is over; a neutral reason if nobody said.
    pub(crate) fn reason(&self) -> SessionError {
        self.error().unwrap_or_else(|| SessionError::Local("session dropped".to_owned()))
    }

    /// What a failed connection means: the reason of the session's end, if it is known already.
    pub(crate) fn lost(&self, error: ConnectionError) -> SessionError {
        self.error().unwrap_or_else(|| SessionError::from_connection(error, self.version))
    }

    pub(crate) async fn closed(&self) -> SessionError {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or_else(|| SessionError::Local("session dropped".to_owned())),
            Err(_) => SessionError::Local("session dropped".to_owned()),
        }
    }

    /// Ends the session once: tells the peer, and wakes everything that waits on it.
    pub(crate) fn end(&self, error: SessionError) {
        match &error {
            SessionError::Protocol(violation) => {
                if self.note(error.clone()) {
                    self.violated(violation);
                }
            }
            SessionError::Local(reason) => {
                self.end_with(error.clone(), Some((0, reason)));
            }
            SessionError::ClosedByPeer { .. } | SessionError::Connection(_) => {
                self.end_with(error, None);
            }
        }
    }

    /// Closes with a code of this side's choosing; the first end wins.
    pub(crate) fn close(&self, code: moqt::SessionErrorCode, reason: &str) {
        self.end_with(SessionError::Local(reason.to_owned()), Some((code.to_wire(self.version), reason)));
    }

    /// Notes the reason before the connection is closed, so that whoever sees it closed finds the reason.
    fn end_with(&self, error: SessionError, close: Option<(u64, &str)>) {
        if self.note(error) {
            self.leave(close);
        }
    }

    /// Notes why the session is over; says whether it was the first reason.
    fn note(&self, error: SessionError) -> bool {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert(error);
            first
        })
    }

    /// Leaves a peer that broke the protocol.
    fn violated(&self, violation: &ProtocolError) {
        tracing::warn!(peer = %self.connection.info().peer, error = %violation, "session closed: peer broke the protocol");
        self.leave(Some((violation.code.to_wire(self.version), &violation.reason)));
    }

    fn leave(&self, close: Option<(u64, &str)>) {
        if let Some((code, reason)) = close {
            self.connection.close(code, reason);
        }
        self.drop_waiters();
    }

    fn drop_waiters(&self) {
        // Dropped without the lock: handles among them take it.
        let dropped = {
            let mut state = self.lock();
            let requests = std::mem::replace(&mut state.requests, mpsc::channel(1).0);
            state.control.clear();
            (std::mem::take(&mut state.slots), std::mem::take(&mut state.opens), requests)
        };
        drop(dropped);
        self.driver.notify_one();
        self.control.notify_one();
        self.aliases.notify_waiters();
    }

    /// Registers a request of ours, just made on the machine, and lets its stream be opened.
    pub(crate) fn register(state: &mut State, key: RequestKey) -> Channels {
        let (response_sender, response) = oneshot::channel();
        let (event_sender, events) = mpsc::channel(limit::REQUEST_EVENT_QUEUE);
        let (data_sender, data) = mpsc::channel(limit::DATA_STREAM_QUEUE);
        let slot = state.slots.entry(key).or_default();
        slot.response = Some(response_sender);
        slot.events = Some(event_sender);
        slot.data = Some(data_sender);
        Channels { response, events, data }
    }

    /// Gives up a request and forgets it.
    pub(crate) fn cancel(self: &Arc<Self>, key: RequestKey, code: StreamErrorCode) {
        self.with(|state| {
            state.machine.cancel(key, code);
            Ok(())
        });
        self.forget(key);
    }

    /// Forgets a request that is over for the application.
    pub(crate) fn forget(&self, key: RequestKey) {
        let slot = self.lock().slots.remove(&key);
        drop(slot);
    }

    /// Where events of a live request go.
    pub(crate) fn events(&self, key: RequestKey) -> Option<mpsc::Sender<RequestEvent>> {
        self.lock().slots.get(&key)?.events.clone()
    }

    /// Requests of either side that are alive or whose handles are.
    pub(crate) fn live_requests(&self) -> usize {
        let state = self.lock();
        let alive = if self.has_ended() { 0 } else { state.machine.live_requests() };
        alive.max(state.slots.len())
    }

    /// Answers a request of the peer. An answer that cannot be given becomes a refusal: the peer must not wait for ever.
    pub(crate) fn answer<T>(
        self: &Arc<Self>,
        key: RequestKey,
        say: impl FnOnce(&mut Machine) -> Result<T, CommandError>,
    ) -> Result<T, SessionError> {
        let answered = self.with(|state| {
            let answered = say(&mut state.machine);
            if let Err(error) = &answered {
                let (code, reason) = match error {
                    CommandError::DuplicateSubscription => {
                        (RequestErrorCode::DuplicateSubscription, "the track is subscribed already")
                    }
                    _ => (RequestErrorCode::InternalError, "the request could not be answered"),
                };
                // Fails when the request is over, and then nobody waits.
                let _ = state.machine.reject(key, code, None, reason, None);
            }
            Ok(answered)
        });
        match answered {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                self.forget(key);
                Err(SessionError::Local(error.to_string()))
            }
            None => Err(self.reason()),
        }
    }

    /// Says the last word on a request and forgets it; what is queued for its stream is still written.
    pub(crate) fn conclude(
        self: &Arc<Self>,
        key: RequestKey,
        last: impl FnOnce(&mut Machine) -> Result<(), CommandError>,
    ) {
        self.tell(last);
        self.forget(key);
    }

    /// Says something on a request. It may have ended a moment before, which is not this side's fault: then nobody hears it.
    pub(crate) fn tell(self: &Arc<Self>, say: impl FnOnce(&mut Machine) -> Result<(), CommandError>) {
        let said = self.with(|state| Ok(say(&mut state.machine)));
        if let Some(Err(error)) = said {
            tracing::debug!(%error, "a request had ended before it was answered");
        }
    }

    /// Passes the machine's outputs on. Called with the lock held after every call into the machine.
    pub(crate) fn flush(self: &Arc<Self>, state: &mut State) {
        while let Some(output) = state.machine.poll_output() {
            match output {
                Output::Control(bytes) => {
                    state.control.push_back(bytes);
                    self.control.notify_one();
                }
                Output::OpenRequest { key, bytes } => {
                    let (sender, receiver) = outbox();
                    // A fresh outbox has room for its first message.
                    let _ = sender.push(bytes, false);
                    let slot = state.slots.entry(key).or_default();
                    (slot.outgoing, slot.unopened) = (Some(sender), true);
                    state.opens.push_back((key, receiver));
                }
                Output::Request { key, bytes, fin } => state.write(key, bytes, fin),
                Output::ResetRequest { key, code } => state.reset(key, code),
                Output::Event(event) => self.dispatch(state, event),
            }
        }
        self.driver.notify_one();
    }

    fn dispatch(self: &Arc<Self>, state: &mut State, event: Event) {
        match event {
            Event::Established(setup) => {
                self.setup.send_replace(Some(Arc::new(setup)));
            }
            Event::Request { key, request } => self.offer(state, key, request),
            Event::Response { key, response } => {
                if matches!(response, Response::Subscribed(_)) {
                    self.aliases.notify_waiters();
                }
                if let Some(sender) = state.slots.get_mut(&key).and_then(|slot| slot.response.take()) {
                    let _ = sender.send(match response {
                        Response::Failed(error) => Err(RequestFailure::Refused(Box::new(error))),
                        other => Ok(other),
                    });
                }
            }
            Event::Update { key, parameters, tokens } => {
                state.notify(key, RequestEvent::Update { parameters, tokens });
            }
            Event::UpdateResponse { key, result } => state.answer_update(key, result),
            Event::Done { key, done } => {
                if let Some(slot) = state.slots.get_mut(&key) {
                    // Their answers cannot come any more.
                    slot.updates.clear();
                }
                state.notify(key, RequestEvent::Done(done));
            }
            Event::NamespaceAdded { key, suffix } => state.notify(key, RequestEvent::NamespaceAdded(suffix)),
            Event::NamespaceRemoved { key, suffix } => state.notify(key, RequestEvent::NamespaceRemoved(suffix)),
            Event::TrackBlocked { .. } | Event::RequestGoAway { .. } => {}
            Event::Ended { key, .. } => {
                state.notify(key, RequestEvent::Ended);
                state.slots.remove(&key);
            }
            Event::GoAway { uri, timeout } => {
                self.go_away.send_replace(Some(GoAwayNotice { uri, timeout }));
            }
        }
    }

    /// Queues a request of the peer for the application; over the queue's bound it is refused with EXCESSIVE_LOAD.
    fn offer(self: &Arc<Self>, state: &mut State, key: RequestKey, request: moqt::session::PeerRequest) {
        let (sender, events) = mpsc::channel(limit::REQUEST_EVENT_QUEUE);
        let (data_sender, data) = mpsc::channel(limit::DATA_STREAM_QUEUE);
        let slot = state.slots.entry(key).or_default();
        slot.events = Some(sender);
        slot.data = Some(data_sender);
        if matches!(request, moqt::session::PeerRequest::Publish { .. }) {
            self.aliases.notify_waiters();
        }
        let (code, retry, reason) = match state.requests.try_reserve() {
            Ok(permit) => return permit.send(IncomingRequest::new(self, key, request, events, data)),
            Err(mpsc::error::TrySendError::Full(())) => {
                (RequestErrorCode::ExcessiveLoad, Some(limit::OVERLOAD_RETRY), "too many requests wait to be answered")
            }
            Err(mpsc::error::TrySendError::Closed(())) => {
                (RequestErrorCode::NotSupported, None, "requests are not answered here")
            }
        };
        state.abandon(key);
        if let Err(error) = state.machine.reject(key, code, retry, reason, None) {
            tracing::debug!(%error, "a refusal was not told");
        }
    }
}

impl State {
    /// Registers a request stream of the peer.
    pub(crate) fn accept_request(&mut self) -> (RequestKey, OutboxReceiver) {
        let (sender, receiver) = outbox();
        let key = self.machine.accept_request();
        self.slots.entry(key).or_default().outgoing = Some(sender);
        (key, receiver)
    }

    /// Puts bytes on a request's stream; a peer that does not read them loses the request.
    fn write(&mut self, key: RequestKey, bytes: Bytes, fin: bool) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        let Some(outgoing) = slot.outgoing.as_ref() else { return };
        if outgoing.push(bytes, fin).is_err() {
            tracing::debug!(?key, "peer does not read its request stream: request dropped");
            self.abandon(key);
            // What it puts out resets the stream; for a request that was over, the missing end does.
            self.machine.cancel(key, StreamErrorCode::ExcessiveLoad);
        }
        if fin {
            self.said_last_word(key);
        }
    }

    fn reset(&mut self, key: RequestKey, code: u64) {
        if let Some(outgoing) = self.slots.get(&key).and_then(|slot| slot.outgoing.as_ref()) {
            outgoing.reset(code);
        }
        self.said_last_word(key);
    }

    /// Nothing follows on the request's stream. Requests that no handle holds are forgotten.
    fn said_last_word(&mut self, key: RequestKey) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.outgoing = None;
        if slot.events.is_none() {
            self.slots.remove(&key);
        }
    }

    /// Lets whoever holds the request see its end.
    fn abandon(&mut self, key: RequestKey) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.response = None;
            slot.events = None;
            slot.data = None;
            slot.updates.clear();
        }
    }

    /// Tells the application about a live request; one that does not listen loses the request.
    fn notify(&mut self, key: RequestKey, event: RequestEvent) {
        let Some(sender) = self.slots.get(&key).and_then(|slot| slot.events.as_ref()) else { return };
        if matches!(sender.try_send(event), Err(mpsc::error::TrySendError::Full(_))) {
            tracing::debug!(?key, "request events are not consumed: request dropped");
            self.abandon(key);
            self.machine.cancel(key, StreamErrorCode::ExcessiveLoad);
        }
    }

    fn answer_update(&mut self, key: RequestKey, result: Result<Parameters, RequestError>) {
        let Some(update) = self.slots.get_mut(&key).and_then(|slot| slot.updates.pop_front()) else { return };
        if result.is_ok()
            && let Some(prefix) = update.prefix
        {
            self.notify(key, RequestEvent::Moved(prefix));
        }
        let _ = update.answer.send(result.map_err(|error| RequestFailure::Refused(Box::new(error))));
    }
}
