//! What arrives on request streams: the peer's requests, and where its later messages go (sections
//! 3.3, 5.1, 10).

use super::event::{Event, PeerRequest, RequestKey, ResolvedToken};
use super::limit::{MAX_HELD_FETCHES, OVERLOAD_RETRY};
use super::request::{Fetch, HeldFetch, Kind, NamespaceSubscription, Role, Subscription, TracksSubscription};
use super::tokens::has_repeats;
use super::{Session, namespaces};
use crate::{
    FetchKind, FullTrackName, Location, Message, Namespace, Parameters, ProtocolError, Publish, RequestErrorCode,
    RequestId, RequestKind, SessionErrorCode, StreamErrorCode,
};

/// A request the machine answers by itself.
pub(super) type Refusal = (RequestErrorCode, &'static str);

impl Session {
    /// Reads all complete messages of a request's input.
    pub(super) fn read_request(&mut self, key: RequestKey) -> Result<(), ProtocolError> {
        loop {
            let plane = &self.plane;
            let Some(message) = self.requests.read(key, |input| plane.read(input)) else { return Ok(()) };
            let Some(message) = message? else { return Ok(()) };
            self.receive_request(key, message)?;
        }
    }

    pub(super) fn receive_request(&mut self, key: RequestKey, message: Message) -> Result<(), ProtocolError> {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let Some(kind) = request.request_kind() else {
            message.check_opens_stream(self.plane.version())?;
            let message = self.opened_stream(key, message)?;
            return self.open(key, message);
        };
        let first_reply = matches!(message, Message::RequestOk(_) | Message::RequestError(_) | Message::BareCancel);
        if kind.is_about_namespace() && request.awaits_response() && !first_reply {
            return Err(ProtocolError::violation(format!(
                "{} instead of an answer to a namespace request",
                message.name()
            )));
        }
        match message {
            Message::RequestUpdate(update) => self.receive_update(key, kind, update),
            Message::GoAway(goaway) => self.receive_request_goaway(key, goaway),
            Message::RequestOk(ok) => self.receive_ok(key, kind, ok),
            // Draft-18 dropped PUBLISH_OK as a message but left its id in the table, and peers send
            // it.
            Message::PublishOk16(ok) if kind == RequestKind::Publish => {
                let ok = crate::RequestOk { parameters: ok.parameters, ..crate::RequestOk::default() };
                self.receive_ok(key, kind, ok)
            }
            Message::RequestError(error) => self.receive_error(key, kind, error),
            Message::SubscribeOk(ok) => self.receive_subscribe_ok(key, kind, ok),
            Message::FetchOk(ok) => self.receive_fetch_ok(key, kind, ok),
            Message::PublishDone(done) => self.receive_publish_done(key, done),
            Message::Namespace(added) => self.receive_namespace(key, added.suffix),
            Message::NamespaceDone(removed) => self.receive_namespace_done(key, &removed.suffix),
            Message::PublishBlocked(blocked) => self.receive_publish_blocked(key, blocked),
            Message::BareCancel => {
                self.cancelled_by_peer(key, Some(StreamErrorCode::Cancelled.to_wire(self.plane.version())));
                Ok(())
            }
            other => Err(misplaced(&other, kind)),
        }
    }

    /// The peer's first message of a request.
    pub(super) fn open(&mut self, key: RequestKey, mut message: Message) -> Result<(), ProtocolError> {
        let (Some(id), Some(parameters)) = (message.new_request_id(), parameters_of(&mut message)) else {
            return Err(ProtocolError::violation(format!("{} opens no request", message.name())));
        };
        let tokens = std::mem::take(&mut parameters.authorization_tokens);
        let has_hops = !parameters.hops.is_empty();
        self.peer_ids.insert(id)?;
        if has_hops && !self.hops {
            return Err(ProtocolError::violation("relay path without both sides having declared it"));
        }
        let tokens = self.peer_tokens.apply(&tokens)?;
        let alias = match &message {
            Message::Publish(publish) => Some(publish.track_alias),
            _ => None,
        };
        match self.refusal(&message, &tokens) {
            Some(refusal) => self.refuse(key, refusal),
            None => self.admit(key, id, message, tokens)?,
        }
        if let Some(alias) = alias {
            // Objects of a PUBLISH that was refused at once may already be on their way.
            self.requests.retire(alias);
        }
        self.join_orphans(id);
        Ok(())
    }

    /// What is wrong with any request before its kind is looked at.
    fn refusal(&self, message: &Message, tokens: &[ResolvedToken]) -> Option<Refusal> {
        if self.goaway.was_sent() {
            return Some((RequestErrorCode::GoingAway, "the session is going away"));
        }
        if self.requests.peer_len() > self.request_limit {
            return Some((RequestErrorCode::ExcessiveLoad, "too many requests at once"));
        }
        if namespace_of(message).is_some_and(namespaces::is_reserved) {
            return Some((RequestErrorCode::DoesNotExist, "the namespace is reserved"));
        }
        if has_repeats(tokens) {
            return Some((RequestErrorCode::MalformedAuthToken, "the same token twice"));
        }
        None
    }

    fn admit(
        &mut self,
        key: RequestKey,
        id: RequestId,
        message: Message,
        tokens: Vec<ResolvedToken>,
    ) -> Result<(), ProtocolError> {
        let (kind, request) = match message {
            Message::Publish(publish) => return self.open_publish(key, id, publish, tokens),
            Message::Fetch(fetch) => {
                self.open_fetch(key, id, fetch.kind, fetch.parameters, tokens);
                return Ok(());
            }
            Message::Subscribe(subscribe) => {
                let (track, parameters) = (detached(&subscribe.track), subscribe.parameters);
                if self.requests.publishing(&track).is_some() {
                    self.refuse(key, (RequestErrorCode::DuplicateSubscription, "the track is subscribed already"));
                    return Ok(());
                }
                let forward = parameters.forward.unwrap_or(true);
                let kind = Kind::Subscription(Subscription::new(track.clone(), Role::Publisher, None, forward));
                (kind, PeerRequest::Subscribe { track, parameters, tokens })
            }
            Message::TrackStatus(status) => {
                let (track, parameters) = (detached(&status.track), status.parameters);
                (Kind::TrackStatus, PeerRequest::TrackStatus { track, parameters, tokens })
            }
            Message::PublishNamespace(publish) => {
                let (namespace, parameters) = (publish.namespace, publish.parameters);
                (Kind::PublishNamespace, PeerRequest::PublishNamespace { namespace, parameters, tokens })
            }
            Message::SubscribeNamespace(subscribe) => {
                let prefix = namespaces::detached(&subscribe.prefix);
                let kind = Kind::SubscribeNamespace(NamespaceSubscription::new(prefix.clone()));
                (kind, PeerRequest::SubscribeNamespace { prefix, parameters: subscribe.parameters, tokens })
            }
            Message::SubscribeTracks(subscribe) => {
                let prefix = namespaces::detached(&subscribe.prefix);
                let kind = Kind::SubscribeTracks(TracksSubscription::new(prefix.clone()));
                (kind, PeerRequest::SubscribeTracks { prefix, parameters: subscribe.parameters, tokens })
            }
            other => return Err(ProtocolError::violation(format!("{} opens no request", other.name()))),
        };
        if let Some(prefix) = kind.prefix()
            && self.overlaps(key, &kind, prefix)
        {
            self.refuse(key, (RequestErrorCode::PrefixOverlap, "the prefix overlaps another one"));
            return Ok(());
        }
        self.announce(key, id, kind, request);
        Ok(())
    }

    fn open_publish(
        &mut self,
        key: RequestKey,
        id: RequestId,
        publish: Publish,
        tokens: Vec<ResolvedToken>,
    ) -> Result<(), ProtocolError> {
        let track = detached(&publish.track);
        let (alias, parameters, properties) = (publish.track_alias, publish.parameters, publish.properties);
        let keys = self.requests.subscribing(&track);
        let established = |key| self.requests.get(key).is_some_and(|request| request.established);
        if keys.publish.is_some() || keys.subscribe.is_some_and(established) {
            self.refuse(key, (RequestErrorCode::DuplicateSubscription, "the track is subscribed already"));
            return Ok(());
        }
        if let Some(property) = properties.unknown_mandatory(&[]) {
            let reason = format!("track property {property:#x} is not understood");
            self.refuse_with(key, RequestErrorCode::UnsupportedExtension, None, &reason);
            return Ok(());
        }
        self.check_new_alias(alias, &track)?;
        let forward = parameters.forward.unwrap_or(true);
        let kind = Kind::Subscription(Subscription::new(track.clone(), Role::Subscriber, Some(alias), forward));
        self.announce(key, id, kind, PeerRequest::Publish { track, alias, parameters, properties, tokens });
        Ok(())
    }

    /// One alias must not name two tracks of the peer at once (section 11.1).
    pub(super) fn check_new_alias(&self, alias: crate::TrackAlias, track: &FullTrackName) -> Result<(), ProtocolError> {
        let holder = self.requests.received_alias(alias).and_then(|key| self.requests.get(key));
        let other =
            holder.and_then(|request| request.subscription()).filter(|subscription| subscription.track != *track);
        match other {
            None => Ok(()),
            Some(other) => {
                let reason = format!("track alias {alias} of {track} is in use for {}", other.track);
                Err(ProtocolError::new(SessionErrorCode::DuplicateTrackAlias, reason))
            }
        }
    }

    fn open_fetch(
        &mut self,
        key: RequestKey,
        id: RequestId,
        kind: FetchKind,
        parameters: Parameters,
        tokens: Vec<ResolvedToken>,
    ) {
        match kind {
            FetchKind::Standalone { track, start, end } => {
                if ends_before(end, start) {
                    self.refuse(key, (RequestErrorCode::InvalidRange, "the range ends before it starts"));
                    return;
                }
                let order = parameters.group_order.unwrap_or_default();
                let request = PeerRequest::Fetch { track, start, end, joining: None, order, parameters, tokens };
                self.announce(key, id, Kind::Fetch(Fetch { start: Some(start), held: None }), request);
            }
            FetchKind::Relative { .. } | FetchKind::Absolute { .. } => {
                let is_held = |request: &super::request::Request| {
                    matches!(&request.kind, Kind::Fetch(Fetch { held: Some(_), .. }))
                };
                if self.requests.iter().filter(|(_, request)| is_held(request)).count() >= MAX_HELD_FETCHES {
                    self.refuse(key, (RequestErrorCode::ExcessiveLoad, "too many joining FETCHes wait"));
                    return;
                }
                let held = Some(Box::new(HeldFetch { kind, parameters, tokens }));
                self.requests.identify(key, id, Kind::Fetch(Fetch { start: None, held }));
                self.join(key);
            }
            // Of drafts that no session is begun with.
            FetchKind::Filtered { .. } => {
                self.refuse(key, (RequestErrorCode::NotSupported, "a FETCH of another draft"));
            }
        }
    }

    /// Enters the request and tells the application.
    pub(super) fn announce(&mut self, key: RequestKey, id: RequestId, kind: Kind, request: PeerRequest) {
        self.requests.identify(key, id, kind);
        if let Some(entry) = self.requests.get_mut(key) {
            entry.announced = true;
        }
        self.event(Event::Request { key, request });
    }

    /// Answers a request the application has not seen with an error.
    pub(super) fn refuse(&mut self, key: RequestKey, (code, reason): Refusal) {
        let retry = (code == RequestErrorCode::ExcessiveLoad).then_some(OVERLOAD_RETRY);
        self.refuse_with(key, code, retry, reason);
    }
}

/// Where a message may not be: after the opening one only answers and updates follow.
pub(super) fn misplaced(message: &Message, kind: RequestKind) -> ProtocolError {
    ProtocolError::violation(format!("{} does not belong on the stream of a {kind:?} request here", message.name()))
}

/// Whether a range's end, one past its last object or object 0 for the whole group, is before its
/// start.
pub(super) fn ends_before(end: Location, start: Location) -> bool {
    if end.object == 0 { end.group < start.group } else { end < start }
}

fn parameters_of(message: &mut Message) -> Option<&mut Parameters> {
    Some(match message {
        Message::Subscribe(message) => &mut message.parameters,
        Message::Publish(message) => &mut message.parameters,
        Message::Fetch(message) => &mut message.parameters,
        Message::TrackStatus(message) => &mut message.parameters,
        Message::PublishNamespace(message) => &mut message.parameters,
        Message::SubscribeNamespace(message) => &mut message.parameters,
        Message::SubscribeTracks(message) => &mut message.parameters,
        _ => return None,
    })
}

fn namespace_of(message: &Message) -> Option<&Namespace> {
    Some(match message {
        Message::Subscribe(message) => &message.track.namespace,
        Message::Publish(message) => &message.track.namespace,
        Message::TrackStatus(message) => &message.track.namespace,
        Message::PublishNamespace(message) => &message.namespace,
        Message::SubscribeNamespace(message) => &message.prefix,
        Message::SubscribeTracks(message) => &message.prefix,
        Message::Fetch(message) => match &message.kind {
            FetchKind::Standalone { track, .. } | FetchKind::Filtered { track } => &track.namespace,
            FetchKind::Relative { .. } | FetchKind::Absolute { .. } => return None,
        },
        _ => return None,
    })
}

/// The name without the message it was read from: kept for as long as the request, it must not keep
/// 64 KiB of tokens too.
fn detached(track: &FullTrackName) -> FullTrackName {
    let namespace = namespaces::detached(&track.namespace);
    let name = crate::TrackName::new(bytes::Bytes::copy_from_slice(track.name.as_bytes()))
        .unwrap_or_else(|_| track.name.clone());
    FullTrackName { namespace, name }
}
