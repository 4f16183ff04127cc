//! Namespaces: reserved ones, overlapping prefixes, and the messages on namespace subscriptions
//! (sections 3.2, 6, 10.16 to 10.20).

use bytes::Bytes;

use super::event::{CommandError, Event, RequestKey};
use super::limit::{MAX_ACTIVE_NAMESPACE_BYTES, MAX_BLOCKED_TRACKS, NAMESPACE_OVERHEAD};
use super::request::{Kind, NamespaceSubscription, Opener, TracksSubscription};
use super::{Session, incoming};
use crate::{
    FullTrackName, Message, NameError, Namespace, NamespaceAdded, NamespaceRemoved, ProtocolError, PublishBlocked,
    TrackName,
};

/// `.` may never be used, and nothing is defined below `.session`. Other dotted names are the
/// application's.
pub(super) fn is_reserved(namespace: &Namespace) -> bool {
    namespace.fields().first().is_some_and(|field| matches!(&field[..], b"." | b".session"))
}

/// The namespace in memory of its own, apart from the message it was read from.
pub(super) fn detached(namespace: &Namespace) -> Namespace {
    let fields = namespace.fields().iter().map(|field| Bytes::copy_from_slice(field));
    Namespace::new(fields).unwrap_or_else(|_| namespace.clone())
}

impl NamespaceSubscription {
    /// Adds a full name; `false` if it was there.
    fn add(&mut self, namespace: Namespace) -> bool {
        let bytes = namespace.byte_len() + NAMESPACE_OVERHEAD;
        let new = self.active.insert(namespace);
        if new {
            self.active_bytes += bytes;
        }
        new
    }

    fn remove(&mut self, namespace: &Namespace) -> bool {
        let known = self.active.remove(namespace);
        if known {
            self.active_bytes -= namespace.byte_len() + NAMESPACE_OVERHEAD;
        }
        known
    }

    fn is_full(&self, more: &Namespace) -> bool {
        self.active_bytes + more.byte_len() + NAMESPACE_OVERHEAD > MAX_ACTIVE_NAMESPACE_BYTES
    }

    /// Takes a new prefix; what is not below it cannot be named any more and is forgotten.
    pub(super) fn set_prefix(&mut self, prefix: Namespace) {
        self.active.retain(|namespace| prefix.is_prefix_of(namespace));
        self.active_bytes = self.active.iter().map(|namespace| namespace.byte_len() + NAMESPACE_OVERHEAD).sum();
        self.prefix = prefix;
    }
}

impl Session {
    /// Tells the subscriber of a namespace under its prefix. Does nothing if it was told already.
    ///
    /// # Errors
    /// [`CommandError`] when the request is no accepted SUBSCRIBE_NAMESPACE of the peer, or it has
    /// too many namespaces.
    pub fn namespace_added(&mut self, key: RequestKey, suffix: Namespace) -> Result<(), CommandError> {
        let subscription = self.namespaces_of(key)?;
        let namespace = subscription.prefix.join(&suffix).map_err(invalid_name)?;
        if subscription.active.contains(&namespace) {
            return Ok(());
        }
        if subscription.is_full(&namespace) {
            return Err(CommandError::Limit("namespaces on one subscription"));
        }
        subscription.add(namespace);
        self.write(key, &Message::Namespace(NamespaceAdded { suffix }), false)
    }

    /// Tells the subscriber that a namespace is gone.
    ///
    /// # Errors
    /// [`CommandError`] when the request is no accepted SUBSCRIBE_NAMESPACE of the peer, or the
    /// namespace was not added.
    pub fn namespace_removed(&mut self, key: RequestKey, suffix: Namespace) -> Result<(), CommandError> {
        let subscription = self.namespaces_of(key)?;
        let namespace = subscription.prefix.join(&suffix).map_err(invalid_name)?;
        if !subscription.remove(&namespace) {
            return Err(CommandError::WrongState("the namespace was not added"));
        }
        self.write(key, &Message::NamespaceDone(NamespaceRemoved { suffix }), false)
    }

    /// Tells the subscriber that a track cannot be published to it. [`publish`](Self::publish)
    /// refuses the track from then on.
    ///
    /// # Errors
    /// [`CommandError`] when the request is no accepted SUBSCRIBE_TRACKS of the peer, or too many
    /// tracks are blocked.
    pub fn publish_blocked(&mut self, key: RequestKey, suffix: Namespace, name: TrackName) -> Result<(), CommandError> {
        let subscription = self.tracks_of(key)?;
        let namespace = subscription.prefix.join(&suffix).map_err(invalid_name)?;
        let track = FullTrackName::new(namespace, name.clone()).map_err(invalid_name)?;
        if subscription.blocked.contains(&track) {
            return Ok(());
        }
        if subscription.blocked.len() >= MAX_BLOCKED_TRACKS {
            return Err(CommandError::Limit("blocked tracks on one subscription"));
        }
        subscription.blocked.insert(track);
        self.write(key, &Message::PublishBlocked(PublishBlocked { suffix, name }), false)
    }

    fn namespaces_of(&mut self, key: RequestKey) -> Result<&mut NamespaceSubscription, CommandError> {
        let request = self.requests.get_mut(key).ok_or(CommandError::UnknownRequest)?;
        match (&mut request.kind, request.opener, request.established) {
            (Kind::SubscribeNamespace(subscription), Opener::Peer, true) => Ok(subscription),
            _ => Err(CommandError::WrongState("not an accepted SUBSCRIBE_NAMESPACE of the peer")),
        }
    }

    fn tracks_of(&mut self, key: RequestKey) -> Result<&mut TracksSubscription, CommandError> {
        let request = self.requests.get_mut(key).ok_or(CommandError::UnknownRequest)?;
        match (&mut request.kind, request.opener, request.established) {
            (Kind::SubscribeTracks(subscription), Opener::Peer, true) => Ok(subscription),
            _ => Err(CommandError::WrongState("not an accepted SUBSCRIBE_TRACKS of the peer")),
        }
    }

    /// PUBLISH_BLOCKED was sent for the track on a subscription that is still alive.
    pub(super) fn is_blocked(&self, track: &FullTrackName) -> bool {
        self.requests.iter().any(|(_, request)| match &request.kind {
            Kind::SubscribeTracks(subscription) => subscription.blocked.contains(track),
            _ => false,
        })
    }

    /// Whether another subscription of the peer, of the same kind, has or is about to get a prefix
    /// that overlaps.
    pub(super) fn overlaps(&self, key: RequestKey, kind: &Kind, prefix: &Namespace) -> bool {
        self.requests.iter().any(|(other, request)| {
            let same_kind = std::mem::discriminant(&request.kind) == std::mem::discriminant(kind);
            let updates = request.received_updates.iter().filter_map(|update| update.prefix.as_ref());
            let mut prefixes = request.kind.prefix().into_iter().chain(updates);
            other != key && request.opener == Opener::Peer && same_kind && prefixes.any(|other| other.overlaps(prefix))
        })
    }

    pub(super) fn receive_namespace(&mut self, key: RequestKey, suffix: Namespace) -> Result<(), ProtocolError> {
        let Some(subscription) = self.local_namespaces(key)? else { return Ok(()) };
        let namespace = full_name(subscription, &suffix)?;
        if subscription.is_full(&namespace) {
            self.overloaded(key);
        } else if subscription.add(namespace) {
            self.event(Event::NamespaceAdded { key, suffix });
        }
        Ok(())
    }

    pub(super) fn receive_namespace_done(&mut self, key: RequestKey, suffix: &Namespace) -> Result<(), ProtocolError> {
        let Some(subscription) = self.local_namespaces(key)? else { return Ok(()) };
        let namespace = full_name(subscription, suffix)?;
        if !subscription.remove(&namespace) {
            return Err(ProtocolError::violation(format!("NAMESPACE_DONE without NAMESPACE for {namespace}")));
        }
        self.event(Event::NamespaceRemoved { key, suffix: suffix.clone() });
        Ok(())
    }

    fn local_namespaces(&mut self, key: RequestKey) -> Result<Option<&mut NamespaceSubscription>, ProtocolError> {
        let Some(request) = self.requests.get_mut(key) else { return Ok(None) };
        match (&mut request.kind, request.opener) {
            (Kind::SubscribeNamespace(subscription), Opener::Local) => Ok(Some(subscription)),
            _ => {
                Err(ProtocolError::violation("NAMESPACE or NAMESPACE_DONE outside the answer to a SUBSCRIBE_NAMESPACE"))
            }
        }
    }

    pub(super) fn receive_publish_blocked(
        &mut self,
        key: RequestKey,
        blocked: PublishBlocked,
    ) -> Result<(), ProtocolError> {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let Some(kind) = request.request_kind() else { return Ok(()) };
        match (&request.kind, request.opener) {
            (Kind::SubscribeTracks(_), Opener::Local) => {
                self.event(Event::TrackBlocked { key, suffix: blocked.suffix, name: blocked.name });
                Ok(())
            }
            _ => Err(incoming::misplaced(&Message::PublishBlocked(blocked), kind)),
        }
    }
}

fn full_name(subscription: &NamespaceSubscription, suffix: &Namespace) -> Result<Namespace, ProtocolError> {
    let joined = subscription.prefix.join(&detached(suffix));
    joined.map_err(|error| ProtocolError::violation(format!("prefix and suffix make no namespace: {error}")))
}

fn invalid_name(error: NameError) -> CommandError {
    CommandError::Message(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_defined_names_are_reserved() {
        for (field, reserved) in [(".", true), (".session", true), (".other", false), ("a", false), ("..", false)] {
            assert_eq!(is_reserved(&Namespace::new([field, "b"]).unwrap()), reserved, "{field}");
        }
        assert!(!is_reserved(&Namespace::default()));
    }

    #[test]
    fn active_namespaces_are_charged_and_given_back() {
        let mut subscription = NamespaceSubscription::new(Namespace::new(["a"]).unwrap());
        let name = Namespace::new(["a", "b"]).unwrap();
        assert!(subscription.add(name.clone()));
        assert!(!subscription.add(name.clone()));
        assert_eq!(subscription.active_bytes, 2 + NAMESPACE_OVERHEAD);
        subscription.set_prefix(Namespace::new(["c"]).unwrap());
        assert_eq!(subscription.active_bytes, 0);
        assert!(!subscription.remove(&name));
    }
}
