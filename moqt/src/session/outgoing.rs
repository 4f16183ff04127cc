//! Requests of this side (sections 10.7 to 10.19).

use super::event::{CommandError, FetchTarget, RequestKey};
use super::limit::MAX_LOCAL_REQUESTS;
use super::request::{
    Fetch as FetchState, Kind, NamespaceSubscription, Opener, Request, Role, Subscription, TracksSubscription,
};
use super::tokens::TokenCache;
use super::{Session, namespaces};
use crate::{
    Fetch, FetchKind, FullTrackName, Message, Namespace, Parameters, Properties, Publish, PublishNamespace, RequestId,
    Subscribe, SubscribeNamespace, SubscribeOptions, SubscribeTracks, Token, TrackAlias, TrackStatus,
};

/// What every request command may answer with.
type Opened = Result<RequestKey, CommandError>;

impl Session {
    /// Subscribes to what will be published on a track.
    ///
    /// # Errors
    /// [`CommandError`] when no request may be opened, the track is subscribed to already, or a
    /// parameter does not belong in SUBSCRIBE.
    pub fn subscribe(&mut self, track: FullTrackName, parameters: Parameters) -> Opened {
        check_name(&track.namespace)?;
        let keys = self.requests.subscribing(&track);
        if keys.subscribe.is_some() || keys.publish.is_some() {
            return Err(CommandError::DuplicateSubscription);
        }
        let forward = parameters.forward.unwrap_or(true);
        let kind = Kind::Subscription(Subscription::new(track.clone(), Role::Subscriber, None, forward));
        self.begin(kind, parameters, |request_id, parameters| {
            Message::Subscribe(Subscribe { request_id, track, parameters })
        })
    }

    /// Asks for objects that exist already.
    ///
    /// # Errors
    /// [`CommandError`] when no request may be opened, the range ends before it starts, or the
    /// subscription to join is over.
    pub fn fetch(&mut self, target: FetchTarget, parameters: Parameters) -> Opened {
        let (start, kind) = match target {
            FetchTarget::Range { track, start, end } => {
                check_name(&track.namespace)?;
                if super::incoming::ends_before(end, start) {
                    return Err(CommandError::Message("the range ends before it starts".into()));
                }
                (Some(start), FetchKind::Standalone { track, start, end })
            }
            FetchTarget::Relative { joining, groups } => {
                (None, FetchKind::Relative { joining: self.joined(joining)?, groups })
            }
            FetchTarget::Absolute { joining, group } => {
                (Some(crate::Location::new(group, 0)), FetchKind::Absolute { joining: self.joined(joining)?, group })
            }
        };
        let state = Kind::Fetch(FetchState { start, held: None });
        self.begin(state, parameters, |request_id, parameters| Message::Fetch(Fetch { request_id, kind, parameters }))
    }

    /// Asks for the largest location and the properties of a track.
    ///
    /// # Errors
    /// [`CommandError`] when no request may be opened, or a parameter does not belong in
    /// TRACK_STATUS.
    pub fn track_status(&mut self, track: FullTrackName, parameters: Parameters) -> Opened {
        check_name(&track.namespace)?;
        self.begin(Kind::TrackStatus, parameters, |request_id, parameters| {
            Message::TrackStatus(TrackStatus { request_id, track, parameters })
        })
    }

    /// Offers a track. `alias` is what its objects will carry, `None` for one the machine chooses;
    /// unless `parameters.forward` is `Some(false)`, objects may be sent before the answer.
    ///
    /// # Errors
    /// [`CommandError`] when no request may be opened, the peer is subscribed to the track already,
    /// PUBLISH_BLOCKED was sent for it, the alias is in use, or a parameter does not belong in
    /// PUBLISH.
    pub fn publish(
        &mut self,
        track: FullTrackName,
        alias: Option<TrackAlias>,
        parameters: Parameters,
        properties: Properties,
    ) -> Result<(RequestKey, TrackAlias), CommandError> {
        check_name(&track.namespace)?;
        if self.requests.publishing(&track).is_some() {
            return Err(CommandError::DuplicateSubscription);
        }
        if self.is_blocked(&track) {
            return Err(CommandError::Blocked);
        }
        let track_alias = self.choose_alias(alias)?;
        let forward = parameters.forward.unwrap_or(true);
        let mut subscription = Subscription::new(track.clone(), Role::Publisher, Some(track_alias), forward);
        subscription.joining = parameters.largest_object;
        let key = self.begin(Kind::Subscription(subscription), parameters, |request_id, parameters| {
            Message::Publish(Publish { request_id, track, track_alias, parameters, properties })
        })?;
        Ok((key, track_alias))
    }

    /// Offers the tracks of a namespace. `cancel` withdraws it.
    ///
    /// # Errors
    /// [`CommandError`] when no request may be opened, or the namespace is reserved.
    pub fn publish_namespace(&mut self, namespace: Namespace, parameters: Parameters) -> Opened {
        check_name(&namespace)?;
        self.begin(Kind::PublishNamespace, parameters, |request_id, parameters| {
            Message::PublishNamespace(PublishNamespace { request_id, namespace, parameters })
        })
    }

    /// Asks to be told of namespaces under a prefix.
    ///
    /// # Errors
    /// [`CommandError`] when no request may be opened, or the prefix is reserved.
    pub fn subscribe_namespace(&mut self, prefix: Namespace, parameters: Parameters) -> Opened {
        check_name(&prefix)?;
        let kind = Kind::SubscribeNamespace(NamespaceSubscription::new(prefix.clone()));
        self.begin(kind, parameters, |request_id, parameters| {
            let options = SubscribeOptions::Namespaces;
            Message::SubscribeNamespace(SubscribeNamespace { request_id, prefix, options, parameters })
        })
    }

    /// Asks for a PUBLISH of every track under a prefix.
    ///
    /// # Errors
    /// [`CommandError`] when no request may be opened, or the prefix is reserved.
    pub fn subscribe_tracks(&mut self, prefix: Namespace, parameters: Parameters) -> Opened {
        check_name(&prefix)?;
        let kind = Kind::SubscribeTracks(TracksSubscription::new(prefix.clone()));
        self.begin(kind, parameters, |request_id, parameters| {
            Message::SubscribeTracks(SubscribeTracks { request_id, prefix, parameters })
        })
    }

    /// Opens a request: everything that can fail comes before anything changes.
    fn begin(
        &mut self,
        kind: Kind,
        mut parameters: Parameters,
        message: impl FnOnce(RequestId, Parameters) -> Message,
    ) -> Opened {
        self.check_open()?;
        if self.goaway.was_received() {
            return Err(CommandError::GoingAway);
        }
        let held = self.plane.single().is_some_and(|single| single.is_full());
        if held || self.requests.local_len() >= MAX_LOCAL_REQUESTS {
            return Err(CommandError::TooManyRequests);
        }
        self.strip_hops(&mut parameters);
        let tokens = self.checked_tokens(&parameters.authorization_tokens)?;
        let id = self.local_ids.peek().ok_or(CommandError::TooManyRequests)?;
        let key = self.requests.next_key();
        let outputs = self.plane.open(key, &message(id, parameters))?;
        self.local_ids.advance();
        self.keep_tokens(tokens);
        self.requests.insert(key, Request::new(Opener::Local, Some(id), kind));
        self.outputs.extend(outputs);
        Ok(key)
    }

    /// The private relay path goes only to peers that declared it.
    fn strip_hops(&self, parameters: &mut Parameters) {
        if !self.hops {
            parameters.hops.clear();
        }
    }

    /// The token cache as it will be after these tokens, if they change or use it. A fault here
    /// would end the session at the peer.
    pub(super) fn checked_tokens(&self, tokens: &[Token]) -> Result<Option<TokenCache>, CommandError> {
        if tokens.iter().all(|token| matches!(token, Token::UseValue { .. })) {
            return Ok(None);
        }
        let mut cache = self.local_tokens.clone();
        cache.apply(tokens).map_err(|_| CommandError::TokenAlias)?;
        Ok(Some(cache))
    }

    pub(super) fn keep_tokens(&mut self, tokens: Option<TokenCache>) {
        if let Some(tokens) = tokens {
            self.local_tokens = tokens;
        }
    }

    /// The id of a subscription this side receives.
    fn joined(&self, key: RequestKey) -> Result<RequestId, CommandError> {
        let request = self.requests.get(key).ok_or(CommandError::UnknownRequest)?;
        match request.id {
            Some(id) if request.has_role(Role::Subscriber) => Ok(id),
            _ => Err(CommandError::WrongState("only a subscription of this side can be joined")),
        }
    }
}

fn check_name(namespace: &Namespace) -> Result<(), CommandError> {
    if namespaces::is_reserved(namespace) { Err(CommandError::ReservedNamespace) } else { Ok(()) }
}
