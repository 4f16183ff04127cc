//! Requests of the peer, each to be accepted or refused. One dropped unanswered is refused with INTERNAL_ERROR.

use std::sync::Arc;
use std::time::Duration;

use moqt::session::{CommandError, PeerRequest, RequestKey, ResolvedToken};
use moqt::{
    FullTrackName, GroupOrder, Location, Namespace, Parameters, Properties, Redirect, RequestErrorCode,
    StreamErrorCode, TrackAlias, TrackName,
};
use tokio::sync::mpsc;

use super::error::SessionError;
use super::lease::{Course, Lease};
use super::reader::Subscription;
use super::request::RequestGuard;
use super::shared::{DataEvent, RequestEvent, Shared};
use super::writer::{FetchWriter, SubscriptionWriter};

/// A request of the peer.
#[derive(Debug)]
pub enum IncomingRequest {
    /// SUBSCRIBE.
    Subscribe(IncomingSubscribe),
    /// FETCH, its range resolved.
    Fetch(IncomingFetch),
    /// TRACK_STATUS.
    TrackStatus(IncomingTrackStatus),
    /// PUBLISH.
    Publish(IncomingPublish),
    /// PUBLISH_NAMESPACE.
    PublishNamespace(IncomingNamespace),
    /// SUBSCRIBE_NAMESPACE.
    SubscribeNamespace(IncomingPrefix),
    /// SUBSCRIBE_TRACKS.
    SubscribeTracks(IncomingPrefix),
}

impl IncomingRequest {
    pub(super) fn new(
        shared: &Arc<Shared>,
        key: RequestKey,
        request: PeerRequest,
        events: mpsc::Receiver<RequestEvent>,
        data: mpsc::Receiver<DataEvent>,
    ) -> Self {
        let pending = Pending { shared: shared.clone(), key, answered: false, course: Course::new(events) };
        match request {
            PeerRequest::Subscribe { track, parameters, tokens } => {
                Self::Subscribe(IncomingSubscribe { track, parameters, tokens, pending })
            }
            PeerRequest::Fetch { track, start, end, joining, order, parameters, tokens } => {
                let joining = joining.is_some();
                Self::Fetch(IncomingFetch { track, start, end, joining, order, parameters, tokens, pending })
            }
            PeerRequest::TrackStatus { track, parameters, tokens } => {
                Self::TrackStatus(IncomingTrackStatus { track, parameters, tokens, pending })
            }
            PeerRequest::Publish { track, alias, parameters, properties, tokens } => {
                Self::Publish(IncomingPublish { track, alias, parameters, properties, tokens, pending, data })
            }
            PeerRequest::PublishNamespace { namespace, parameters, tokens } => {
                Self::PublishNamespace(IncomingNamespace { namespace, parameters, tokens, pending })
            }
            PeerRequest::SubscribeNamespace { prefix, parameters, tokens } => {
                Self::SubscribeNamespace(IncomingPrefix { prefix, parameters, tokens, pending })
            }
            PeerRequest::SubscribeTracks { prefix, parameters, tokens } => {
                Self::SubscribeTracks(IncomingPrefix { prefix, parameters, tokens, pending })
            }
        }
    }

    /// Lets the request go on for as long as the lease says, once it is accepted, whatever it is.
    pub fn hold(&mut self, lease: Box<dyn Lease>) {
        match self {
            Self::Subscribe(request) => request.pending.course.hold(lease),
            Self::Fetch(request) => request.pending.course.hold(lease),
            Self::TrackStatus(request) => request.pending.course.hold(lease),
            Self::Publish(request) => request.pending.course.hold(lease),
            Self::PublishNamespace(request) => request.pending.course.hold(lease),
            Self::SubscribeNamespace(request) | Self::SubscribeTracks(request) => request.pending.course.hold(lease),
        }
    }

    /// Refuses whatever the request is.
    pub fn reject(self, code: RequestErrorCode, retry: Option<Duration>, reason: &str) {
        match self {
            Self::Subscribe(request) => request.reject(code, retry, reason),
            Self::Fetch(request) => request.reject(code, retry, reason),
            Self::TrackStatus(request) => request.reject(code, retry, reason),
            Self::Publish(request) => request.reject(code, retry, reason),
            Self::PublishNamespace(request) => request.reject(code, retry, reason),
            Self::SubscribeNamespace(request) | Self::SubscribeTracks(request) => request.reject(code, retry, reason),
        }
    }
}

/// An unanswered request's link to its session.
#[derive(Debug)]
struct Pending {
    shared: Arc<Shared>,
    key: RequestKey,
    answered: bool,
    course: Course,
}

impl Pending {
    fn reject(mut self, code: RequestErrorCode, retry: Option<Duration>, reason: &str, redirect: Option<Redirect>) {
        self.answered = true;
        self.shared.conclude(self.key, |machine| machine.reject(self.key, code, retry, reason, redirect));
    }

    /// Marks the request answered and gives its parts to the handle that takes over.
    fn take(&mut self) -> (Arc<Shared>, RequestKey, Course) {
        self.answered = true;
        (self.shared.clone(), self.key, self.course.take())
    }

    /// Waits until the peer gives the request up. Cancel safe.
    async fn cancelled(&mut self) {
        self.course.given_up().await;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            let code = RequestErrorCode::InternalError;
            self.shared.conclude(self.key, |machine| machine.reject(self.key, code, None, "request was dropped", None));
        }
    }
}

/// The parts every incoming request has in common.
macro_rules! answerable {
    ($name:ident) => {
        impl $name {
            /// Refuses the request; `retry` tells when asking again may help (`None` = never).
            pub fn reject(self, code: RequestErrorCode, retry: Option<Duration>, reason: &str) {
                self.pending.reject(code, retry, reason, None);
            }

            /// The same; with REDIRECT, and only then, `redirect` says where to ask instead.
            pub fn refuse(
                self,
                code: RequestErrorCode,
                retry: Option<Duration>,
                reason: &str,
                redirect: Option<Redirect>,
            ) {
                self.pending.reject(code, retry, reason, redirect);
            }

            /// Waits until the peer gives the request up. Cancel safe.
            pub async fn cancelled(&mut self) {
                self.pending.cancelled().await;
            }
        }
    };
}

answerable!(IncomingSubscribe);
answerable!(IncomingFetch);
answerable!(IncomingTrackStatus);
answerable!(IncomingPublish);
answerable!(IncomingNamespace);
answerable!(IncomingPrefix);

/// A SUBSCRIBE that waits for its answer.
#[derive(Debug)]
pub struct IncomingSubscribe {
    /// The track asked for.
    pub track: FullTrackName,
    /// Filter, priority, timeouts.
    pub parameters: Parameters,
    /// Authorization tokens, aliases resolved.
    pub tokens: Vec<ResolvedToken>,
    pending: Pending,
}

impl IncomingSubscribe {
    /// Answers SUBSCRIBE_OK. `parameters.largest_object` is required as soon as the track has an object; it becomes the
    /// Joining Location.
    ///
    /// # Errors
    /// The subscriber or the session is gone.
    pub fn accept(
        mut self,
        parameters: Parameters,
        properties: Properties,
    ) -> Result<SubscriptionWriter, SessionError> {
        let (shared, key, course) = self.pending.take();
        let parameters = Parameters { expires: parameters.expires.or_else(|| course.left()), ..parameters };
        let alias = shared.answer(key, |machine| machine.accept_subscribe(key, None, parameters, properties))?;
        Ok(SubscriptionWriter::new(shared, key, alias, course))
    }
}

/// A FETCH that waits for its answer; a joining FETCH comes with its range resolved.
#[derive(Debug)]
pub struct IncomingFetch {
    /// The track asked for.
    pub track: FullTrackName,
    /// First location, inclusive.
    pub start: Location,
    /// End as on the wire: the object id is exclusive, and 0 means the whole end group.
    pub end: Location,
    /// It joins a subscription of this session.
    pub joining: bool,
    /// Order of the groups in the answer.
    pub order: GroupOrder,
    /// Priority, fill timeout.
    pub parameters: Parameters,
    /// Authorization tokens, aliases resolved.
    pub tokens: Vec<ResolvedToken>,
    pending: Pending,
}

impl IncomingFetch {
    /// Answers FETCH_OK and opens the data stream; `priority` is the transport's (higher first).
    ///
    /// # Errors
    /// The subscriber or the session is gone.
    pub async fn accept(
        mut self,
        end_of_track: bool,
        end: Location,
        properties: Properties,
        priority: i32,
    ) -> Result<FetchWriter, SessionError> {
        let (shared, key, course) = self.pending.take();
        let request_id = shared.answer(key, |machine| {
            machine.accept_fetch(key, end_of_track, end, Parameters::default(), properties)?;
            machine.request_id(key).ok_or(CommandError::UnknownRequest)
        })?;
        FetchWriter::open(RequestGuard::new(shared, key), request_id, self.order, priority, course).await
    }
}

/// A TRACK_STATUS that waits for its answer.
#[derive(Debug)]
pub struct IncomingTrackStatus {
    /// The track asked about.
    pub track: FullTrackName,
    /// As on SUBSCRIBE.
    pub parameters: Parameters,
    /// Authorization tokens, aliases resolved.
    pub tokens: Vec<ResolvedToken>,
    pending: Pending,
}

impl IncomingTrackStatus {
    /// Answers with what SUBSCRIBE_OK would carry.
    pub fn accept(mut self, parameters: Parameters, properties: Properties) {
        let (shared, key, _) = self.pending.take();
        // The one that cannot be told has left already.
        let _ = shared.answer(key, |machine| machine.accept(key, parameters, properties));
        shared.forget(key);
    }
}

/// A PUBLISH that waits for its answer.
#[derive(Debug)]
pub struct IncomingPublish {
    /// The track offered.
    pub track: FullTrackName,
    /// The publisher's alias.
    pub alias: TrackAlias,
    /// Largest object, forward state, expiry.
    pub parameters: Parameters,
    /// Track properties.
    pub properties: Properties,
    /// Authorization tokens, aliases resolved.
    pub tokens: Vec<ResolvedToken>,
    pending: Pending,
    data: mpsc::Receiver<DataEvent>,
}

impl IncomingPublish {
    /// Answers PUBLISH_OK with filter, priority and forward state; the track then arrives as on a subscription. When the
    /// publisher left meanwhile, or this side subscribed to the track, the subscription says [`super::TrackEvent::Lost`].
    pub fn accept(mut self, answer: Parameters) -> Subscription {
        let (shared, key, course) = self.pending.take();
        let answer = Parameters { expires: answer.expires.or_else(|| course.left()), ..answer };
        if let Err(error) = shared.answer(key, |machine| machine.accept(key, answer, Properties::default())) {
            tracing::debug!(%error, "a published track could not be taken");
        }
        let guard = RequestGuard::new(shared, key);
        Subscription::new(guard, course, self.data, self.alias, self.parameters, self.properties)
    }
}

/// Accepts a namespace request, whose answer carries nothing. When the peer has left meanwhile, the handle says so.
fn accept_bare(shared: &Arc<Shared>, key: RequestKey) {
    shared.tell(|machine| machine.accept(key, Parameters::default(), Properties::default()));
}

/// A PUBLISH_NAMESPACE that waits for its answer.
#[derive(Debug)]
pub struct IncomingNamespace {
    /// The namespace whose tracks the peer offers.
    pub namespace: Namespace,
    /// Tokens only, in draft-18.
    pub parameters: Parameters,
    /// Authorization tokens, aliases resolved.
    pub tokens: Vec<ResolvedToken>,
    pending: Pending,
}

impl IncomingNamespace {
    /// Accepts the announcement.
    pub fn accept(mut self) -> NamespaceHold {
        let (shared, key, course) = self.pending.take();
        accept_bare(&shared, key);
        NamespaceHold { guard: RequestGuard::new(shared, key), course }
    }
}

/// An accepted announcement. Dropping it revokes it.
#[derive(Debug)]
pub struct NamespaceHold {
    guard: RequestGuard,
    course: Course,
}

impl NamespaceHold {
    /// Waits until the publisher withdraws the namespace, its authorization expires or its session ends. Cancel safe.
    pub async fn ended(&mut self) {
        while self.guard.turn(&mut self.course).await.is_some() {}
    }
}

/// A SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS that waits for its answer.
#[derive(Debug)]
pub struct IncomingPrefix {
    /// Everything under this prefix is asked for.
    pub prefix: Namespace,
    /// Tokens, forward state.
    pub parameters: Parameters,
    /// Authorization tokens, aliases resolved.
    pub tokens: Vec<ResolvedToken>,
    pending: Pending,
}

impl IncomingPrefix {
    /// Accepts; matches are then reported through the writer.
    pub fn accept(mut self) -> NamespaceWriter {
        let (shared, key, course) = self.pending.take();
        accept_bare(&shared, key);
        NamespaceWriter { guard: RequestGuard::new(shared, key), course, prefix: self.prefix }
    }
}

/// An accepted prefix subscription. Dropping it ends it.
#[derive(Debug)]
pub struct NamespaceWriter {
    guard: RequestGuard,
    course: Course,
    prefix: Namespace,
}

/// What a prefix subscriber asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrefixEvent {
    /// The subscriber now asks for this prefix; reported suffixes are relative to it from here on. Already accepted.
    Moved(Namespace),
    /// The subscriber is gone, or may not go on.
    Ended,
}

impl NamespaceWriter {
    /// The prefix that matches are reported under.
    pub fn prefix(&self) -> &Namespace {
        &self.prefix
    }

    /// Reports a namespace under the prefix; others are ignored.
    pub fn added(&self, namespace: &Namespace) {
        self.report(namespace, |machine, key, suffix| machine.namespace_added(key, suffix));
    }

    /// Reports that a namespace is gone. It must have been reported before.
    pub fn removed(&self, namespace: &Namespace) {
        self.report(namespace, |machine, key, suffix| machine.namespace_removed(key, suffix));
    }

    /// Reports that a track under the prefix could not be offered (PUBLISH_BLOCKED; SUBSCRIBE_TRACKS only).
    pub fn blocked(&self, namespace: &Namespace, name: TrackName) {
        self.report(namespace, |machine, key, suffix| machine.publish_blocked(key, suffix, name));
    }

    fn report(
        &self,
        namespace: &Namespace,
        say: impl FnOnce(&mut moqt::session::Session, RequestKey, Namespace) -> Result<(), CommandError>,
    ) {
        if let Some(suffix) = namespace.strip_prefix(&self.prefix) {
            self.guard.shared.tell(|machine| say(machine, self.guard.key, suffix));
        }
    }

    /// The subscriber's next wish. Cancel safe.
    pub async fn next(&mut self) -> PrefixEvent {
        while let Some(update) = self.guard.turn(&mut self.course).await {
            if let Some(prefix) = update.namespace_prefix {
                self.prefix = prefix.clone();
                return PrefixEvent::Moved(prefix);
            }
        }
        PrefixEvent::Ended
    }

    /// Ends the prefix subscription from this side.
    pub fn end(self, code: StreamErrorCode) {
        self.guard.shared.cancel(self.guard.key, code);
    }
}
