//! What a session puts out: bytes for streams, and events for the application.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    EncodeError, FetchOk, FullTrackName, GroupOrder, Location, Namespace, Parameters, Properties, ProtocolError,
    PublishDone, RequestError, RequestOk, SubscribeOk, TrackAlias, TrackName,
};

/// Names one request in this session, of either side. Local: never on the wire, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(pub(super) u64);

/// One thing for the caller to do, in order.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, from the queue to the caller: a box would cost an allocation per event"
)]
pub enum Output {
    /// Write to this side's control stream; the first one opens it and its first bytes are the
    /// stream type.
    Control(Bytes),
    /// Open a bidirectional stream for the request and write `bytes`.
    OpenRequest {
        /// The new request.
        key: RequestKey,
        /// The opening message.
        bytes: Bytes,
    },
    /// Write to the request's stream.
    Request {
        /// The request.
        key: RequestKey,
        /// Encoded messages; empty when only the end is written.
        bytes: Bytes,
        /// Finish this half after the bytes. Whatever the peer still sends on the request matters
        /// no more, except that the other half of a request this side opened may still be read to
        /// its end.
        fin: bool,
    },
    /// Reset this side's half of the request's stream and send STOP_SENDING for the other, both
    /// with `code`.
    ResetRequest {
        /// The request.
        key: RequestKey,
        /// A stream error code as it goes on the wire.
        code: u64,
    },
    /// Tell the application.
    Event(Event),
}

/// What happened, for the application.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The peer's SETUP arrived. Comes once, before any request of the peer.
    Established(PeerSetup),
    /// The peer opened a request that wants an answer.
    Request {
        /// The request.
        key: RequestKey,
        /// What is asked.
        request: PeerRequest,
    },
    /// The peer answered a request of this side. After [`Response::Failed`] and after the answer to
    /// a TRACK_STATUS the key is dead.
    Response {
        /// The request.
        key: RequestKey,
        /// The answer.
        response: Response,
    },
    /// The peer wants a request changed: answer with `accept_update` or `reject_update`, in order.
    Update {
        /// The request.
        key: RequestKey,
        /// What changes; absent values stay. Tokens are taken out.
        parameters: Parameters,
        /// The tokens of the update, aliases resolved.
        tokens: Vec<ResolvedToken>,
    },
    /// The peer answered the oldest unanswered `update` of this side. After an error the peer ends
    /// the request: a subscription with [`Event::Done`], others with [`Event::Ended`]. When this
    /// side is the publisher, it must end it with `publish_done`.
    UpdateResponse {
        /// The request.
        key: RequestKey,
        /// The parameters of the REQUEST_OK, or the refusal.
        result: Result<Parameters, RequestError>,
    },
    /// The publisher ended a subscription of this side. Late streams may follow, so the alias still
    /// finds the key until `cancel` releases it or newer subscriptions push it out.
    Done {
        /// The request.
        key: RequestKey,
        /// How it ended.
        done: PublishDone,
    },
    /// A namespace under the prefix of a SUBSCRIBE_NAMESPACE of this side began.
    NamespaceAdded {
        /// The request.
        key: RequestKey,
        /// What follows the prefix.
        suffix: Namespace,
    },
    /// A namespace under the prefix ended. Also sent for every active one when the request ends.
    NamespaceRemoved {
        /// The request.
        key: RequestKey,
        /// What follows the prefix.
        suffix: Namespace,
    },
    /// The publisher cannot PUBLISH this track on a SUBSCRIBE_TRACKS of this side; a SUBSCRIBE
    /// still works.
    TrackBlocked {
        /// The request.
        key: RequestKey,
        /// What follows the prefix.
        suffix: Namespace,
        /// The track.
        name: TrackName,
    },
    /// The peer, or a rule of the draft, ended the request. The key is dead.
    Ended {
        /// The request.
        key: RequestKey,
        /// The stream error code, or `None` when the stream was finished.
        code: Option<u64>,
    },
    /// The peer wants the session moved. No new request is accepted from this side any more.
    GoAway {
        /// Where to; empty: the current address.
        uri: String,
        /// How long the peer waits; zero: unknown.
        timeout: Duration,
    },
    /// The peer wants one request issued again elsewhere.
    RequestGoAway {
        /// The request.
        key: RequestKey,
        /// Where to; empty: on this session.
        uri: String,
        /// How long the peer waits; zero: unknown.
        timeout: Duration,
    },
}

/// What the peer's SETUP said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSetup {
    /// Name and version of the peer's implementation.
    pub implementation: Option<String>,
    /// Path and query asked for on raw QUIC; syntax checked, whether it is served is the
    /// application's to say.
    pub path: Option<String>,
    /// Authority asked for on raw QUIC; syntax checked.
    pub authority: Option<String>,
    /// The tokens of the SETUP, aliases resolved.
    pub tokens: Vec<ResolvedToken>,
    /// Both sides declared the private relay-path extension.
    pub hops: bool,
}

/// A token with its alias, if it had one, looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResolvedToken {
    /// Token Type; 0 = agreed out of band.
    pub kind: u64,
    /// Token Value.
    pub value: Bytes,
}

/// A request of the peer. Parameters come without tokens, which are beside them with aliases
/// resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerRequest {
    /// Answer with `accept_subscribe` or `reject`.
    Subscribe {
        /// The track.
        track: FullTrackName,
        /// What the subscriber asked for.
        parameters: Parameters,
        /// Its tokens.
        tokens: Vec<ResolvedToken>,
    },
    /// Answer with `accept_fetch` or `reject`.
    Fetch {
        /// The track, for a joining FETCH that of its subscription.
        track: FullTrackName,
        /// First object wanted.
        start: Location,
        /// One past the last object; object 0 = the whole group.
        end: Location,
        /// The subscription joined, if it is a joining FETCH.
        joining: Option<RequestKey>,
        /// Order of groups.
        order: GroupOrder,
        /// What the subscriber asked for.
        parameters: Parameters,
        /// Its tokens.
        tokens: Vec<ResolvedToken>,
    },
    /// Answer with `accept` or `reject`.
    TrackStatus {
        /// The track.
        track: FullTrackName,
        /// What was asked for.
        parameters: Parameters,
        /// Its tokens.
        tokens: Vec<ResolvedToken>,
    },
    /// Answer with `accept` or `reject`.
    Publish {
        /// The track.
        track: FullTrackName,
        /// The alias its objects carry, already looked up by `subscription_by_alias`.
        alias: TrackAlias,
        /// What the publisher said.
        parameters: Parameters,
        /// Properties of the track.
        properties: Properties,
        /// Its tokens.
        tokens: Vec<ResolvedToken>,
    },
    /// Answer with `accept` or `reject`.
    PublishNamespace {
        /// The namespace.
        namespace: Namespace,
        /// Parameters.
        parameters: Parameters,
        /// Its tokens.
        tokens: Vec<ResolvedToken>,
    },
    /// Answer with `accept` or `reject`, then `namespace_added` and `namespace_removed`.
    SubscribeNamespace {
        /// The prefix; empty: everything.
        prefix: Namespace,
        /// Parameters.
        parameters: Parameters,
        /// Its tokens.
        tokens: Vec<ResolvedToken>,
    },
    /// Answer with `accept` or `reject`, then `publish` or `publish_blocked` for each track.
    SubscribeTracks {
        /// The prefix; empty: everything.
        prefix: Namespace,
        /// Parameters; `forward` is meant for the PUBLISHes that follow.
        parameters: Parameters,
        /// Its tokens.
        tokens: Vec<ResolvedToken>,
    },
}

/// The answer to a request of this side.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To a SUBSCRIBE.
    Subscribed(SubscribeOk),
    /// To a FETCH.
    Fetching(FetchOk),
    /// To everything else.
    Accepted(RequestOk),
    /// Refused.
    Failed(RequestError),
}

/// What a FETCH of this side asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchTarget {
    /// Objects of a track.
    Range {
        /// The track.
        track: FullTrackName,
        /// First object wanted.
        start: Location,
        /// One past the last object; object 0 = the whole group.
        end: Location,
    },
    /// From so many groups before the Joining Location of a subscription up to it.
    Relative {
        /// The subscription, answered or not.
        joining: RequestKey,
        /// Groups before the joining one.
        groups: u64,
    },
    /// From a group up to the Joining Location of a subscription.
    Absolute {
        /// The subscription, answered or not.
        joining: RequestKey,
        /// First group.
        group: u64,
    },
}

/// A command the session will not carry out. Nothing was sent and nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The session ended with a protocol error.
    #[error("the session is closed")]
    Closed,
    /// The peer sent GOAWAY.
    #[error("the peer is going away and takes no new requests")]
    GoingAway,
    /// Too many requests of this side are alive, or its request ids are used up.
    #[error("too many requests")]
    TooManyRequests,
    /// A bound of the session is reached: what is named must shrink first.
    #[error("too many {0}")]
    Limit(&'static str),
    /// The key names no live request: it ended, perhaps just now.
    #[error("the request is over")]
    UnknownRequest,
    /// The command does not fit the kind of the request, or the point it has reached.
    #[error("the command does not fit the request: {0}")]
    WrongState(&'static str),
    /// There is a subscription to the track in the same role already.
    #[error("the track is already subscribed in this role")]
    DuplicateSubscription,
    /// The alias is in use for another track.
    #[error("track alias {0:?} is in use")]
    AliasInUse(TrackAlias),
    /// A namespace that starts with `.` or `.session` may not be used.
    #[error("the namespace is reserved")]
    ReservedNamespace,
    /// A field or parameter that this message must not carry, or a value the draft forbids.
    #[error("not allowed in this message: {0}")]
    Message(Cow<'static, str>),
    /// PUBLISH_BLOCKED was sent for the track, so it can only be subscribed to.
    #[error("the track was announced as blocked")]
    Blocked,
    /// A token alias is unknown, in use, or does not fit the peer's cache.
    #[error("token alias refused")]
    TokenAlias,
}

impl From<EncodeError> for CommandError {
    fn from(error: EncodeError) -> Self {
        Self::Message(error.to_string().into())
    }
}

impl From<ProtocolError> for CommandError {
    fn from(error: ProtocolError) -> Self {
        Self::Message(error.reason)
    }
}
