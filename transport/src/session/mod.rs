//! The async session that applications hold, over any [`Connection`].
//!
//! [`start`] gives a cloneable [`Session`] and its [`Driver`]. The driver is a future that the caller polls or spawns: it opens
//! and reads request streams and sorts incoming data streams, and nothing is spawned behind it. The protocol's rules live in
//! [`moqt::session`]; this module only moves bytes and wakes whoever waits.
//!
//! Back-pressure: a data stream is handed to its subscription as soon as its header is read, and from then on only the
//! application reads it. What it does not read stays in the transport's flow-control window and holds the sender back.

mod driver;
mod error;
mod incoming;
mod lease;
mod limit;
mod namespaces;
mod outbox;
mod reader;
mod request;
mod shared;
mod streams;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use moqt::session::{Carrier, FetchTarget, PeerSetup, Response, SessionSettings as MachineSettings};
use moqt::{
    Filter, FullTrackName, GroupOrder, Location, Namespace, Parameters, Properties, RequestErrorCode, RequestOk,
    SessionErrorCode, SetupOptions, TrackAlias,
};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use self::lease::Course;
use self::request::PendingRequest;
use self::shared::Shared;
use crate::connection::{Connection, Side, TransportKind};

pub use self::driver::Driver;
pub use self::error::{RequestFailure, SessionError, StreamFailure};
pub use self::incoming::{
    IncomingFetch, IncomingNamespace, IncomingPrefix, IncomingPublish, IncomingRequest, IncomingSubscribe,
    IncomingTrackStatus, NamespaceHold, NamespaceWriter, PrefixEvent,
};
pub use self::lease::{Lease, LeaseRefusal};
pub use self::namespaces::{NamespaceEvent, NamespacePublication, NamespaceReader, TracksReader};
pub use self::reader::{FetchReader, FetchedObject, Object, SubgroupReader, Subscription, TrackEvent};
pub use self::shared::GoAwayNotice;
pub use self::writer::{FetchWriter, SubgroupFields, SubgroupWriter, SubscriptionEvent, SubscriptionWriter};

/// How a session introduces itself and what it allows the peer.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// SETUP path, `/…?…`; sent by clients on raw QUIC only.
    pub path: Option<String>,
    /// SETUP authority, `host[:port]`; sent by clients on raw QUIC only.
    pub authority: Option<String>,
    /// Authorization tokens for SETUP.
    pub tokens: Vec<moqt::Token>,
    /// Declares the private extension that carries relay ids on requests, so that loops of relays are found.
    pub hops: bool,
    /// Longest wait for the peer's SETUP.
    pub setup_timeout: Duration,
    /// Longest wait for the answer to a request; a SUBSCRIBE's RENDEZVOUS_TIMEOUT comes on top.
    pub request_timeout: Duration,
    /// Most live requests of the peer; further ones are refused with EXCESSIVE_LOAD.
    pub request_limit: usize,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            path: None,
            authority: None,
            tokens: Vec::new(),
            hops: false,
            setup_timeout: limit::SETUP_TIMEOUT,
            request_timeout: limit::REQUEST_TIMEOUT,
            request_limit: limit::REQUEST_LIMIT,
        }
    }
}

/// Why a session could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session cannot begin: {0}")]
pub struct StartError(String);

/// One MOQT session; clones are handles to the same one. All methods are cancel safe: a request whose future is dropped is
/// cancelled on the wire.
#[derive(Debug, Clone)]
pub struct Session {
    shared: Arc<Shared>,
    requests: Arc<Mutex<mpsc::Receiver<IncomingRequest>>>,
}

/// A subscription that starts at the live edge, and the beginning of the group it starts in.
#[derive(Debug)]
pub struct Joined {
    /// Everything after the joining location.
    pub subscription: Subscription,
    /// The objects from the wanted group's start up to the joining location; `None` when nothing was published yet.
    pub head: Option<FetchReader>,
}

/// Begins a session on a connection whose version the handshake has settled.
///
/// # Errors
/// This side's SETUP cannot be written.
pub fn start(connection: Arc<dyn Connection>, settings: SessionSettings) -> Result<(Session, Driver), StartError> {
    let info = connection.info();
    let client = info.side == Side::Client;
    let raw = info.kind != TransportKind::WebTransport;
    let setup = SetupOptions {
        path: settings.path.filter(|_| client && raw).map(Into::into),
        authority: settings.authority.filter(|_| client && raw).map(Into::into),
        tokens: settings.tokens,
        max_auth_token_cache_size: Some(limit::TOKEN_CACHE_BYTES),
        implementation: Some(concat!("efir/", env!("CARGO_PKG_VERSION")).to_owned()),
        hops: settings.hops,
        ..SetupOptions::default()
    };
    let machine = MachineSettings {
        side: if client { moqt::Side::Client } else { moqt::Side::Server },
        version: info.version,
        setup,
        setup_timeout: settings.setup_timeout,
        request_limit: settings.request_limit,
        carrier: if raw { Carrier::Quic } else { Carrier::WebTransport },
    };
    let machine =
        moqt::session::Session::new(machine, Duration::ZERO).map_err(|error| StartError(error.to_string()))?;
    let (shared, requests) = Shared::new(connection, machine, settings.request_timeout, Instant::now());
    let session = Session { shared: shared.clone(), requests: Arc::new(Mutex::new(requests)) };
    Ok((session, Driver::new(shared)))
}

impl Session {
    /// Waits for the peer's SETUP. Requests may be sent before.
    ///
    /// # Errors
    /// The session ended first.
    pub async fn established(&self) -> Result<Arc<PeerSetup>, SessionError> {
        let mut setup = self.shared.setup.subscribe();
        let arrived = async {
            match setup.wait_for(Option::is_some).await {
                Ok(setup) => setup.clone(),
                Err(_) => None,
            }
        };
        tokio::select! {
            biased;
            Some(setup) = arrived => Ok(setup),
            error = self.shared.closed() => Err(error),
        }
    }

    /// SUBSCRIBE with these parameters.
    ///
    /// # Errors
    /// The peer refused, did not answer in time, or the session ended.
    pub async fn subscribe(
        &self,
        track: FullTrackName,
        parameters: Parameters,
    ) -> Result<Subscription, RequestFailure> {
        let held = parameters.rendezvous_timeout.unwrap_or_default();
        let mut pending = PendingRequest::send(&self.shared, |machine| machine.subscribe(track, parameters))?;
        let response = pending.answer_within(held).await?;
        Subscription::from_pending(pending, response)
    }

    /// Joins a track: SUBSCRIBE from the live edge, and at the same time a joining FETCH of the current group from its start,
    /// `groups` groups back (draft-18 section 5.1.3). Filter and forward state of `parameters` are set here.
    ///
    /// # Errors
    /// As [`Session::subscribe`]. A refused FETCH is told by the head's reader.
    pub async fn join(
        &self,
        track: FullTrackName,
        parameters: Parameters,
        groups: u64,
    ) -> Result<Joined, RequestFailure> {
        let subscribe = Parameters { filter: Some(Filter::LargestObject), forward: Some(true), ..parameters.clone() };
        let fetch = Parameters {
            authorization_tokens: parameters.authorization_tokens,
            subscriber_priority: parameters.subscriber_priority,
            hops: parameters.hops,
            ..Parameters::default()
        };
        let held = parameters.rendezvous_timeout.unwrap_or_default();
        let mut pending = PendingRequest::send(&self.shared, |machine| machine.subscribe(track, subscribe))?;
        let target = FetchTarget::Relative { joining: pending.guard.key, groups };
        let head = PendingRequest::send(&self.shared, |machine| machine.fetch(target, fetch));
        let response = pending.answer_within(held).await?;
        let subscription = Subscription::from_pending(pending, response)?;
        let head = match head {
            Ok(head) if subscription.parameters().largest_object.is_some() => {
                Some(FetchReader::new(head, GroupOrder::Ascending))
            }
            _ => None,
        };
        Ok(Joined { subscription, head })
    }

    /// Standalone FETCH. `end` as on the wire: its object id is exclusive, and 0 means the whole end group. Returns as soon as
    /// the request is sent; the reader tells the answer.
    ///
    /// # Errors
    /// The request could not be sent.
    pub fn fetch(
        &self,
        track: FullTrackName,
        start: Location,
        end: Location,
        parameters: Parameters,
    ) -> Result<FetchReader, RequestFailure> {
        let order = parameters.group_order.unwrap_or(GroupOrder::Ascending);
        let target = FetchTarget::Range { track, start, end };
        let pending = PendingRequest::send(&self.shared, |machine| machine.fetch(target, parameters))?;
        Ok(FetchReader::new(pending, order))
    }

    /// Relative joining FETCH on a running subscription: from the start of the group `groups` back up to its joining location.
    ///
    /// # Errors
    /// The request could not be sent.
    pub fn fetch_joining(
        &self,
        subscription: &Subscription,
        groups: u64,
        parameters: Parameters,
    ) -> Result<FetchReader, RequestFailure> {
        let target = FetchTarget::Relative { joining: subscription.key(), groups };
        let pending = PendingRequest::send(&self.shared, |machine| machine.fetch(target, parameters))?;
        Ok(FetchReader::new(pending, GroupOrder::Ascending))
    }

    /// TRACK_STATUS: what SUBSCRIBE_OK would say, without subscribing.
    ///
    /// # Errors
    /// As [`Session::subscribe`].
    pub async fn track_status(
        &self,
        track: FullTrackName,
        parameters: Parameters,
    ) -> Result<RequestOk, RequestFailure> {
        let mut pending = PendingRequest::send(&self.shared, |machine| machine.track_status(track, parameters))?;
        accepted(pending.answer().await?)
    }

    /// PUBLISH: offers one track. Objects may be sent at once unless `parameters.forward` is false.
    ///
    /// # Errors
    /// As [`Session::subscribe`], and [`RequestFailure::NoStream`] when the peer allows no stream: say [`NamespaceWriter::blocked`] then.
    pub async fn publish(
        &self,
        track: FullTrackName,
        parameters: Parameters,
        properties: Properties,
    ) -> Result<(SubscriptionWriter, Parameters), RequestFailure> {
        let mut alias = TrackAlias(0);
        let send = PendingRequest::send(&self.shared, |machine| {
            let (key, chosen) = machine.publish(track, None, parameters, properties)?;
            alias = chosen;
            Ok(key)
        });
        let mut pending = send?;
        let ok = accepted(pending.answer_unless_blocked().await?)?;
        let key = pending.guard.key;
        let PendingRequest { guard, events, .. } = pending;
        guard.hand_over();
        Ok((SubscriptionWriter::new(self.shared.clone(), key, alias, Course::new(events)), ok.parameters))
    }

    /// PUBLISH_NAMESPACE: offers every track of a namespace. The announcement lasts as long as the returned handle.
    ///
    /// # Errors
    /// As [`Session::subscribe`].
    pub async fn publish_namespace(
        &self,
        namespace: Namespace,
        parameters: Parameters,
    ) -> Result<NamespacePublication, RequestFailure> {
        let send = PendingRequest::send(&self.shared, |machine| machine.publish_namespace(namespace, parameters));
        let mut pending = send?;
        accepted(pending.answer().await?)?;
        Ok(NamespacePublication::new(pending))
    }

    /// SUBSCRIBE_NAMESPACE: tells which namespaces under the prefix are published, now and later.
    ///
    /// # Errors
    /// As [`Session::subscribe`].
    pub async fn subscribe_namespace(
        &self,
        prefix: Namespace,
        parameters: Parameters,
    ) -> Result<NamespaceReader, RequestFailure> {
        let wanted = prefix.clone();
        let mut pending =
            PendingRequest::send(&self.shared, |machine| machine.subscribe_namespace(wanted, parameters))?;
        accepted(pending.answer().await?)?;
        Ok(NamespaceReader::new(pending, prefix))
    }

    /// SUBSCRIBE_TRACKS: every track under the prefix is offered by PUBLISH, as an [`IncomingRequest::Publish`].
    ///
    /// # Errors
    /// As [`Session::subscribe`].
    pub async fn subscribe_tracks(
        &self,
        prefix: Namespace,
        parameters: Parameters,
    ) -> Result<TracksReader, RequestFailure> {
        let mut pending = PendingRequest::send(&self.shared, |machine| machine.subscribe_tracks(prefix, parameters))?;
        accepted(pending.answer().await?)?;
        Ok(TracksReader::new(pending))
    }

    /// The peer's next request; `None` when the session is over. Meant for one consumer; several take turns.
    pub async fn next_request(&self) -> Option<IncomingRequest> {
        self.requests.lock().await.recv().await
    }

    /// Refuses every request of the peer: what a session that only asks does with them. Ends with the session.
    pub async fn refuse_requests(&self) {
        while let Some(request) = self.next_request().await {
            request.reject(RequestErrorCode::NotSupported, None, "this endpoint publishes nothing");
        }
    }

    /// Asks the peer to move: GOAWAY on the control stream. New requests are refused from now on; if any request is left
    /// after `timeout` (zero = no limit), the session is closed with GOAWAY_TIMEOUT. A client must leave `uri` empty.
    pub fn go_away(&self, uri: &str, timeout: Duration) {
        self.shared.tell(|machine| machine.go_away(uri, timeout));
    }

    /// Waits for the peer's GOAWAY. Never resolves on a session that ends without one.
    pub async fn goaway_received(&self) -> GoAwayNotice {
        let mut notice = self.shared.go_away.subscribe();
        loop {
            if let Some(notice) = notice.borrow_and_update().clone() {
                return notice;
            }
            if notice.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Closes the session.
    pub fn close(&self, code: SessionErrorCode, reason: &str) {
        self.shared.close(code, reason);
    }

    /// Waits until the session is over, and says why.
    pub async fn closed(&self) -> SessionError {
        self.shared.closed().await
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.shared.has_ended()
    }

    /// Requests of either side that are alive, or whose handles are not dropped yet: with zero, closing loses nothing.
    pub fn live_requests(&self) -> usize {
        self.shared.live_requests()
    }

    /// Whether both are handles to the same session.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The connection below.
    pub fn connection(&self) -> &Arc<dyn Connection> {
        &self.shared.connection
    }
}

fn accepted(response: Response) -> Result<RequestOk, RequestFailure> {
    match response {
        Response::Accepted(ok) => Ok(ok),
        _ => Err(RequestFailure::Dropped),
    }
}
