//! One MOQT session as a state machine without IO: bytes and the time go in with `handle_*`,
//! commands with the other methods, and bytes and events come out of [`Session::poll_output`].
//!
//! The caller owns the streams. It gives every byte of the peer's control stream to
//! [`Session::handle_control`] (from the first one: the stream type is the type of SETUP; in
//! draft-16 the client opens one bidirectional stream for both sides),
//! announces each bidirectional stream of the peer with [`Session::accept_request`], and carries
//! out every [`Output`] in order. After any input or command it drains [`Session::poll_output`] and
//! looks at [`Session::poll_timeout`]. Nothing is queued without bound as long as it does.
//!
//! | Draft | Here |
//! |---|---|
//! | 3.3 session set-up, 10.3 SETUP | `setup` |
//! | 3.4, 10 which stream carries what | `channel`, and `single` for draft-16 |
//! | 3.3.2 cancellation, ends | `ending` |
//! | 5.1, 5.2, 6 requests of the peer and answers to them | `incoming`, `answer` |
//! | requests of this side and the peer's answers | `outgoing`, `response` |
//! | 10.1 request ids | `ids` |
//! | 10.2.2 token aliases | `tokens` |
//! | 10.4 GOAWAY | `goaway` |
//! | 10.9 REQUEST_UPDATE | `update` |
//! | 10.12.2 joining FETCH | `joining` |
//! | 10.15 to 10.20 namespaces | `namespaces` |

mod answer;
mod channel;
mod ending;
mod event;
mod goaway;
mod ids;
mod incoming;
mod joining;
mod limit;
mod namespaces;
mod outgoing;
mod request;
mod response;
mod settings;
mod setup;
mod single;
mod timer;
mod tokens;
mod update;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;

use self::channel::ControlPlane;
use self::goaway::GoAwayState;
use self::ids::{LocalRequestIds, PeerRequestIds};
use self::joining::Orphan;
use self::limit::{MAX_HELD_BYTES, MAX_UNREAD_STREAMS};
use self::request::{Kind, Opener, Request, Requests};
use self::tokens::TokenCache;
use crate::{Message, ProtocolError, RequestId, SetupOptions, Side, StreamErrorCode, TrackAlias, Version};

pub use self::event::{
    CommandError, Event, FetchTarget, Output, PeerRequest, PeerSetup, RequestKey, ResolvedToken, Response,
};
pub use self::settings::{Carrier, SessionSettings, SettingsError};

/// The state of one session, in all roles at once.
///
/// An input that returns an error ends the session: the caller closes the connection with its code,
/// and the machine does nothing more.
#[derive(Debug)]
pub struct Session {
    side: Side,
    carrier: Carrier,
    plane: ControlPlane,
    setup: SetupOptions,
    request_limit: usize,
    now: Duration,
    /// When the peer's SETUP is due; `None` once it is here.
    setup_deadline: Option<Duration>,
    control_accepted: bool,
    control_input: BytesMut,
    hops: bool,
    failed: Option<ProtocolError>,
    outputs: VecDeque<Output>,
    requests: Requests,
    local_ids: LocalRequestIds,
    peer_ids: PeerRequestIds,
    local_tokens: TokenCache,
    peer_tokens: TokenCache,
    goaway: GoAwayState,
    orphans: Vec<Orphan>,
}

impl Session {
    /// A session whose connection is up. The first outputs are this side's SETUP.
    ///
    /// `now` is the time since an epoch the caller chooses, the same in every call.
    ///
    /// # Errors
    /// [`SettingsError`] for a SETUP that cannot be written.
    pub fn new(settings: SessionSettings, now: Duration) -> Result<Self, SettingsError> {
        if !Version::ALL.contains(&settings.version) {
            return Err(SettingsError::Version(settings.version));
        }
        let mut plane = ControlPlane::new(settings.version, settings.side);
        let mut setup = setup::allowed(settings.setup, settings.side, settings.carrier);
        if let Some(single) = plane.single() {
            setup.max_request_id = Some(single.granted());
            // Only where both sides are known to be of one make.
            setup.hops = false;
        }
        let first = plane.control(&setup::message(settings.side, setup.clone())).map_err(SettingsError::Setup)?;
        Ok(Self {
            side: settings.side,
            carrier: settings.carrier,
            plane,
            request_limit: settings.request_limit,
            now,
            setup_deadline: Some(now.saturating_add(settings.setup_timeout)),
            control_accepted: false,
            control_input: BytesMut::new(),
            hops: false,
            failed: None,
            outputs: VecDeque::from([first]),
            requests: Requests::default(),
            local_ids: LocalRequestIds::new(settings.side),
            peer_ids: PeerRequestIds::new(!settings.side),
            local_tokens: TokenCache::new(0),
            peer_tokens: TokenCache::new(setup.max_auth_token_cache_size.unwrap_or(0)),
            setup,
            goaway: GoAwayState::default(),
            orphans: Vec::new(),
        })
    }

    /// The peer opened a control stream. Needs to be called once per such stream, before its bytes.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION for a second one.
    pub fn accept_control(&mut self) -> Result<(), ProtocolError> {
        self.guarded(|session| {
            if std::mem::replace(&mut session.control_accepted, true) {
                return Err(ProtocolError::violation("a second control stream"));
            }
            Ok(())
        })
    }

    /// Bytes of the peer's control stream, from its very first one.
    ///
    /// # Errors
    /// What the peer broke; close the connection with it.
    pub fn handle_control(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ProtocolError> {
        self.guarded(|session| {
            session.control_input.extend_from_slice(bytes.as_ref());
            while let Some(message) = session.plane.read(&mut session.control_input)? {
                session.receive_control(message)?;
            }
            Ok(())
        })
    }

    /// The peer finished or reset its control stream: the error to close the connection with.
    pub fn handle_control_closed(&mut self) -> ProtocolError {
        let error = ProtocolError::violation("the control stream was closed");
        self.failed.get_or_insert(error).clone()
    }

    /// The peer opened a bidirectional stream. With too many of them, the next output resets it.
    pub fn accept_request(&mut self) -> RequestKey {
        let key = self.requests.next_key();
        if self.requests.peer_len() >= self.request_limit.saturating_add(MAX_UNREAD_STREAMS) {
            self.outputs.extend(self.plane.cancel(key, StreamErrorCode::ExcessiveLoad));
        } else {
            self.requests.insert(key, Request::new(Opener::Peer, None, Kind::Unread));
        }
        key
    }

    /// Bytes the peer sent on a request's stream. Those of a request that is over are dropped;
    /// those before SETUP are kept.
    ///
    /// # Errors
    /// What the peer broke; close the connection with it.
    pub fn handle_request(&mut self, key: RequestKey, bytes: impl AsRef<[u8]>) -> Result<(), ProtocolError> {
        self.guarded(|session| {
            session.requests.hold(key, bytes.as_ref());
            if session.is_established() {
                session.read_request(key)?;
            }
            let keeps = |request: &Request| !request.input.is_empty();
            if session.requests.held_bytes() > MAX_HELD_BYTES && session.requests.get(key).is_some_and(keeps) {
                session.overloaded(key);
            }
            Ok(())
        })
    }

    /// The time, whenever [`poll_timeout`](Self::poll_timeout) asks for it or at any other moment.
    ///
    /// # Errors
    /// CONTROL_MESSAGE_TIMEOUT when the peer's SETUP did not come in time, GOAWAY_TIMEOUT when the
    /// peer did not leave in time.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), ProtocolError> {
        self.guarded(|session| {
            session.now = session.now.max(now);
            session.check_setup_deadline()?;
            session.check_goaway_deadlines()?;
            session.check_orphans();
            Ok(())
        })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next, if at all. A time not in the
    /// future means: now.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.failed.is_some() {
            return None;
        }
        let orphans = self.orphans.iter().map(|orphan| orphan.timer);
        let timers = self.goaway.timers().chain(orphans).map(|timer| timer.due(self.now));
        timers.chain(self.setup_deadline).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The peer's SETUP has arrived.
    pub fn is_established(&self) -> bool {
        self.setup_deadline.is_none()
    }

    /// Live requests of both sides: zero means the session can be closed without loss.
    pub fn live_requests(&self) -> usize {
        self.requests.len()
    }

    /// The subscription of this side that objects with this alias belong to: pending PUBLISHes of
    /// the peer and finished subscriptions whose late streams may still come included.
    pub fn subscription_by_alias(&self, alias: TrackAlias) -> Option<RequestKey> {
        self.requests.reader_of(alias)
    }

    /// The alias belonged to a subscription of this side that was cancelled or refused: its objects
    /// may be dropped unread, while those with an alias never heard of may be waiting for their
    /// SUBSCRIBE_OK.
    pub fn is_retired_alias(&self, alias: TrackAlias) -> bool {
        self.requests.is_retired(alias)
    }

    /// The FETCH of this side with this id.
    pub fn fetch_by_request_id(&self, id: RequestId) -> Option<RequestKey> {
        let key = self.requests.by_id(id)?;
        let request = self.requests.get(key)?;
        (request.opener == Opener::Local && matches!(request.kind, Kind::Fetch(_))).then_some(key)
    }

    /// The id of a live request, `None` for a stream of the peer not read yet.
    pub fn request_id(&self, key: RequestKey) -> Option<RequestId> {
        self.requests.get(key)?.id
    }

    /// Runs an input unless the session has failed, and notes if it fails now.
    fn guarded(&mut self, input: impl FnOnce(&mut Self) -> Result<(), ProtocolError>) -> Result<(), ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = input(self);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn receive_control(&mut self, message: Message) -> Result<(), ProtocolError> {
        match message {
            Message::Setup(setup) if !self.is_established() => self.receive_setup(setup),
            Message::Setup(_) => Err(ProtocolError::violation("a second SETUP")),
            Message::GoAway(goaway) if self.is_established() => self.receive_goaway(goaway),
            other if self.is_established() && !self.plane.version().has_request_streams() => self.receive_single(other),
            other if self.is_established() => {
                Err(ProtocolError::violation(format!("{} on the control stream", other.name())))
            }
            other => Err(ProtocolError::violation(format!("{} before SETUP", other.name()))),
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Takes a request out of every table, and refuses FETCHes that waited for it.
    fn remove(&mut self, key: RequestKey) -> Option<Request> {
        let request = self.requests.remove(key)?;
        Some(self.removed(key, request))
    }

    fn removed(&mut self, key: RequestKey, mut request: Request) -> Request {
        self.goaway.forget(key);
        self.orphans.retain(|orphan| orphan.fetch != key);
        let waiting = request.subscription_mut().map(|subscription| std::mem::take(&mut subscription.waiting));
        for fetch in waiting.unwrap_or_default() {
            self.refuse_joining(fetch);
        }
        request
    }

    /// Resets a stream whose peer sends more than may be kept.
    fn overloaded(&mut self, key: RequestKey) {
        let Some(request) = self.remove(key) else { return };
        self.outputs.extend(self.plane.cancel(key, StreamErrorCode::ExcessiveLoad));
        let code = StreamErrorCode::ExcessiveLoad.to_wire(self.plane.version());
        self.report_end(key, request, Some(code));
    }
}
