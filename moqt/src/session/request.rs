//! The table of live requests of both sides.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::BytesMut;

use super::event::RequestKey;
use super::limit::{MAX_FINISHED_SUBSCRIPTIONS, MAX_RETIRED_ALIASES};
use crate::{FetchKind, FullTrackName, Location, Namespace, Parameters, RequestId, RequestKind, TrackAlias};

/// Who opened the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Local,
    Peer,
}

/// This side's part in a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Publisher,
    Subscriber,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) track: FullTrackName,
    pub(super) role: Role,
    pub(super) alias: Option<TrackAlias>,
    pub(super) forward: bool,
    /// Largest location when the subscription last got Forward 1.
    pub(super) joining: Option<Location>,
    /// FETCHes of the peer that wait for this subscription to be answered or updated.
    pub(super) waiting: Vec<RequestKey>,
}

impl Subscription {
    pub(super) fn new(track: FullTrackName, role: Role, alias: Option<TrackAlias>, forward: bool) -> Self {
        Self { track, role, alias, forward, joining: None, waiting: Vec::new() }
    }
}

/// A joining FETCH of the peer whose range is not known yet.
#[derive(Debug)]
pub(super) struct HeldFetch {
    pub(super) kind: FetchKind,
    pub(super) parameters: Parameters,
    pub(super) tokens: Vec<super::event::ResolvedToken>,
}

#[derive(Debug)]
pub(super) struct Fetch {
    /// First location, when it is known: an answer must not end before it.
    pub(super) start: Option<Location>,
    pub(super) held: Option<Box<HeldFetch>>,
}

#[derive(Debug)]
pub(super) struct NamespaceSubscription {
    pub(super) prefix: Namespace,
    /// Full names announced and not withdrawn.
    pub(super) active: BTreeSet<Namespace>,
    /// Bytes charged for `active`.
    pub(super) active_bytes: usize,
}

impl NamespaceSubscription {
    pub(super) fn new(prefix: Namespace) -> Self {
        Self { prefix, active: BTreeSet::new(), active_bytes: 0 }
    }
}

#[derive(Debug)]
pub(super) struct TracksSubscription {
    pub(super) prefix: Namespace,
    /// Tracks PUBLISH_BLOCKED was sent for.
    pub(super) blocked: BTreeSet<FullTrackName>,
}

impl TracksSubscription {
    pub(super) fn new(prefix: Namespace) -> Self {
        Self { prefix, blocked: BTreeSet::new() }
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    /// The peer opened a stream and has not said for what.
    Unread,
    Subscription(Subscription),
    Fetch(Fetch),
    TrackStatus,
    PublishNamespace,
    SubscribeNamespace(NamespaceSubscription),
    SubscribeTracks(TracksSubscription),
}

impl Kind {
    /// Which of the seven requests it is; `None` while unread.
    fn request_kind(&self, opener: Opener) -> Option<RequestKind> {
        Some(match self {
            Self::Unread => return None,
            Self::Subscription(subscription) => match (opener, subscription.role) {
                (Opener::Local, Role::Publisher) | (Opener::Peer, Role::Subscriber) => RequestKind::Publish,
                (Opener::Local, Role::Subscriber) | (Opener::Peer, Role::Publisher) => RequestKind::Subscribe,
            },
            Self::Fetch(_) => RequestKind::Fetch,
            Self::TrackStatus => RequestKind::TrackStatus,
            Self::PublishNamespace => RequestKind::PublishNamespace,
            Self::SubscribeNamespace(_) => RequestKind::SubscribeNamespace,
            Self::SubscribeTracks(_) => RequestKind::SubscribeTracks,
        })
    }

    /// The prefix of a namespace subscription.
    pub(super) fn prefix(&self) -> Option<&Namespace> {
        match self {
            Self::SubscribeNamespace(subscription) => Some(&subscription.prefix),
            Self::SubscribeTracks(subscription) => Some(&subscription.prefix),
            _ => None,
        }
    }
}

/// A REQUEST_UPDATE without an answer.
#[derive(Clone, Debug)]
pub(super) struct PendingUpdate {
    pub(super) forward: Option<bool>,
    pub(super) prefix: Option<Namespace>,
}

impl From<&Parameters> for PendingUpdate {
    fn from(parameters: &Parameters) -> Self {
        Self { forward: parameters.forward, prefix: parameters.namespace_prefix.clone() }
    }
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) opener: Opener,
    pub(super) id: Option<RequestId>,
    pub(super) kind: Kind,
    /// The OK was sent or received.
    pub(super) established: bool,
    /// The application knows the key.
    pub(super) announced: bool,
    /// Bytes of messages not complete yet, or that came before SETUP.
    pub(super) input: BytesMut,
    /// The peer finished its half before it could be read.
    pub(super) early_fin: bool,
    /// This side's half is stopped by the peer or finished.
    pub(super) write_closed: bool,
    pub(super) sent_updates: VecDeque<PendingUpdate>,
    pub(super) received_updates: VecDeque<PendingUpdate>,
    pub(super) goaway_sent: bool,
    pub(super) goaway_received: bool,
}

impl Request {
    pub(super) fn new(opener: Opener, id: Option<RequestId>, kind: Kind) -> Self {
        Self {
            opener,
            id,
            kind,
            established: false,
            announced: opener == Opener::Local,
            input: BytesMut::new(),
            early_fin: false,
            write_closed: false,
            sent_updates: VecDeque::new(),
            received_updates: VecDeque::new(),
            goaway_sent: false,
            goaway_received: false,
        }
    }

    pub(super) fn subscription(&self) -> Option<&Subscription> {
        match &self.kind {
            Kind::Subscription(subscription) => Some(subscription),
            _ => None,
        }
    }

    pub(super) fn subscription_mut(&mut self) -> Option<&mut Subscription> {
        match &mut self.kind {
            Kind::Subscription(subscription) => Some(subscription),
            _ => None,
        }
    }

    /// Whether this side plays `role` in the subscription this request is.
    pub(super) fn has_role(&self, role: Role) -> bool {
        self.subscription().is_some_and(|subscription| subscription.role == role)
    }

    /// Which of the seven requests it is; `None` while unread.
    pub(super) fn request_kind(&self) -> Option<RequestKind> {
        self.kind.request_kind(self.opener)
    }

    /// Whether this side opened it and still waits for the answer.
    pub(super) fn awaits_response(&self) -> bool {
        self.opener == Opener::Local && !self.established
    }
}

/// The requests of this side's subscriber role for one track: a PUBLISH may cross a pending
/// SUBSCRIBE.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TrackKeys {
    pub(super) subscribe: Option<RequestKey>,
    pub(super) publish: Option<RequestKey>,
}

/// All live requests with the indexes that must agree with them.
#[derive(Debug, Default)]
pub(super) struct Requests {
    live: BTreeMap<RequestKey, Request>,
    by_id: HashMap<RequestId, RequestKey>,
    publishing: HashMap<FullTrackName, RequestKey>,
    subscribing: HashMap<FullTrackName, TrackKeys>,
    sent_aliases: HashMap<TrackAlias, RequestKey>,
    received_aliases: HashMap<TrackAlias, RequestKey>,
    finished: VecDeque<(TrackAlias, RequestKey)>,
    retired: VecDeque<TrackAlias>,
    next_key: u64,
    next_alias: u64,
    local: usize,
    held_bytes: usize,
}

impl Requests {
    pub(super) fn next_key(&mut self) -> RequestKey {
        let key = RequestKey(self.next_key);
        self.next_key += 1;
        key
    }

    pub(super) fn insert(&mut self, key: RequestKey, request: Request) {
        if request.opener == Opener::Local {
            self.local += 1;
        }
        self.index(key, request.id, &request.kind);
        self.live.insert(key, request);
    }

    /// Says what an unread stream turned out to be.
    pub(super) fn identify(&mut self, key: RequestKey, id: RequestId, kind: Kind) {
        self.index(key, Some(id), &kind);
        if let Some(request) = self.live.get_mut(&key) {
            request.id = Some(id);
            request.kind = kind;
        }
    }

    fn index(&mut self, key: RequestKey, id: Option<RequestId>, kind: &Kind) {
        if let Some(id) = id {
            self.by_id.insert(id, key);
        }
        let Kind::Subscription(subscription) = kind else { return };
        match subscription.role {
            Role::Publisher => {
                self.publishing.insert(subscription.track.clone(), key);
            }
            Role::Subscriber => {
                let keys = self.subscribing.entry(subscription.track.clone()).or_default();
                // Only a PUBLISH knows its alias from the start.
                if subscription.alias.is_some() {
                    keys.publish = Some(key);
                } else {
                    keys.subscribe = Some(key);
                }
            }
        }
        if let Some(alias) = subscription.alias {
            self.index_alias(subscription.role, alias, key);
        }
    }

    fn index_alias(&mut self, role: Role, alias: TrackAlias, key: RequestKey) {
        match role {
            Role::Publisher => {
                self.sent_aliases.insert(alias, key);
            }
            Role::Subscriber => {
                self.finished.retain(|(finished, _)| *finished != alias);
                self.retired.retain(|retired| *retired != alias);
                self.received_aliases.insert(alias, key);
            }
        }
    }

    /// Gives a subscription the alias of its SUBSCRIBE_OK.
    pub(super) fn set_alias(&mut self, key: RequestKey, alias: TrackAlias) {
        let Some(subscription) = self.live.get_mut(&key).and_then(Request::subscription_mut) else { return };
        subscription.alias = Some(alias);
        let role = subscription.role;
        self.index_alias(role, alias, key);
    }

    /// Takes the request out, with everything that pointed at it. A received alias is kept as
    /// retired.
    pub(super) fn remove(&mut self, key: RequestKey) -> Option<Request> {
        let request = self.live.remove(&key)?;
        if request.opener == Opener::Local {
            self.local -= 1;
        }
        self.held_bytes -= request.input.len();
        if let Some(id) = request.id {
            self.by_id.remove(&id);
        }
        if let Kind::Subscription(subscription) = &request.kind {
            self.forget_subscription(key, subscription);
        }
        Some(request)
    }

    fn forget_subscription(&mut self, key: RequestKey, subscription: &Subscription) {
        match subscription.role {
            Role::Publisher => {
                self.publishing.remove(&subscription.track);
                if let Some(alias) = subscription.alias {
                    self.sent_aliases.remove(&alias);
                }
            }
            Role::Subscriber => {
                if let Some(keys) = self.subscribing.get_mut(&subscription.track) {
                    keys.subscribe = keys.subscribe.filter(|other| *other != key);
                    keys.publish = keys.publish.filter(|other| *other != key);
                    if keys.subscribe.is_none() && keys.publish.is_none() {
                        self.subscribing.remove(&subscription.track);
                    }
                }
                if let Some(alias) = subscription.alias
                    && self.received_aliases.get(&alias) == Some(&key)
                {
                    self.received_aliases.remove(&alias);
                    push_bounded(&mut self.retired, alias, MAX_RETIRED_ALIASES);
                }
            }
        }
    }

    /// Takes out a subscription that the publisher ended; its alias still finds the key.
    pub(super) fn finish_subscription(&mut self, key: RequestKey) -> Option<Request> {
        let request = self.remove(key)?;
        if let Some(alias) = request.subscription().and_then(|subscription| subscription.alias) {
            self.retired.retain(|retired| *retired != alias);
            push_bounded(&mut self.finished, (alias, key), MAX_FINISHED_SUBSCRIPTIONS);
        }
        Some(request)
    }

    /// Forgets a finished subscription's alias. Says whether the key was one.
    pub(super) fn release_finished(&mut self, key: RequestKey) -> bool {
        let Some(position) = self.finished.iter().position(|(_, finished)| *finished == key) else { return false };
        if let Some((alias, _)) = self.finished.remove(position) {
            push_bounded(&mut self.retired, alias, MAX_RETIRED_ALIASES);
        }
        true
    }

    pub(super) fn get(&self, key: RequestKey) -> Option<&Request> {
        self.live.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: RequestKey) -> Option<&mut Request> {
        self.live.get_mut(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RequestKey, &Request)> {
        self.live.iter().map(|(key, request)| (*key, request))
    }

    pub(super) fn keys(&self) -> Vec<RequestKey> {
        self.live.keys().copied().collect()
    }

    pub(super) fn by_id(&self, id: RequestId) -> Option<RequestKey> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn publishing(&self, track: &FullTrackName) -> Option<RequestKey> {
        self.publishing.get(track).copied()
    }

    pub(super) fn subscribing(&self, track: &FullTrackName) -> TrackKeys {
        self.subscribing.get(track).copied().unwrap_or_default()
    }

    pub(super) fn sent_alias(&self, alias: TrackAlias) -> Option<RequestKey> {
        self.sent_aliases.get(&alias).copied()
    }

    /// The live subscription objects with this alias belong to.
    pub(super) fn received_alias(&self, alias: TrackAlias) -> Option<RequestKey> {
        self.received_aliases.get(&alias).copied()
    }

    /// As [`received_alias`](Self::received_alias), finished ones included.
    pub(super) fn reader_of(&self, alias: TrackAlias) -> Option<RequestKey> {
        self.received_alias(alias)
            .or_else(|| self.finished.iter().find(|(finished, _)| *finished == alias).map(|(_, key)| *key))
    }

    pub(super) fn is_retired(&self, alias: TrackAlias) -> bool {
        self.retired.contains(&alias)
    }

    /// An alias that no track of this side has; counts up, so that one is not used again soon.
    pub(super) fn allocate_alias(&mut self) -> TrackAlias {
        loop {
            let alias = TrackAlias(self.next_alias);
            self.next_alias = self.next_alias.wrapping_add(1);
            if !self.sent_aliases.contains_key(&alias) {
                return alias;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn local_len(&self) -> usize {
        self.local
    }

    pub(super) fn peer_len(&self) -> usize {
        self.live.len() - self.local
    }

    /// Appends bytes of the peer to the request's input.
    pub(super) fn hold(&mut self, key: RequestKey, bytes: &[u8]) {
        if let Some(request) = self.live.get_mut(&key) {
            request.input.extend_from_slice(bytes);
            self.held_bytes += bytes.len();
        }
    }

    /// Bytes held as input over all requests.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Lets a FETCH wait for a subscription, and forgets those that stopped waiting.
    pub(super) fn add_waiting(&mut self, key: RequestKey, fetch: RequestKey) {
        let subscription = self.live.get_mut(&key).and_then(Request::subscription_mut);
        let Some(mut waiting) = subscription.map(|waited| std::mem::take(&mut waited.waiting)) else {
            return;
        };
        waiting.retain(|other| self.live.contains_key(other));
        waiting.push(fetch);
        if let Some(subscription) = self.live.get_mut(&key).and_then(Request::subscription_mut) {
            subscription.waiting = waiting;
        }
    }

    /// Remembers an alias whose objects are not wanted.
    pub(super) fn retire(&mut self, alias: TrackAlias) {
        if !self.received_aliases.contains_key(&alias) && !self.retired.contains(&alias) {
            push_bounded(&mut self.retired, alias, MAX_RETIRED_ALIASES);
        }
    }

    /// Runs `read` on the request's input and keeps the count of held bytes right.
    pub(super) fn read<T>(&mut self, key: RequestKey, read: impl FnOnce(&mut BytesMut) -> T) -> Option<T> {
        let request = self.live.get_mut(&key)?;
        let before = request.input.len();
        let result = read(&mut request.input);
        self.held_bytes -= before - request.input.len();
        if request.input.is_empty() {
            // The buffer has the size of the largest message so far; idle requests should cost
            // little.
            request.input = BytesMut::new();
        }
        Some(result)
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() == limit {
        queue.pop_front();
    }
    queue.push_back(item);
}
