//! Who publishes what: announced namespaces, offered tracks and configured upstreams, found by prefix.
//!
//! Pure bookkeeping under one short lock; nothing here talks to a peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moqt::{FullTrackName, Namespace};
use tokio::sync::{mpsc, watch};
use transport::{NamespaceEvent, Session};

use crate::limit;
use crate::upstream::OfferedTrack;

/// One source of tracks: a session that can be asked for them.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) session: Session,
    /// The track itself, when it was offered by PUBLISH.
    pub(crate) offered: Option<Arc<OfferedTrack>>,
    /// A configured upstream, not a publisher that came to this relay.
    pub(crate) upstream: bool,
}

impl Source {
    /// Whether both are the same way to the same publisher.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same_offer = match (&self.offered, &other.offered) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_offer && self.session.same(&other.session)
    }
}

/// The table of sources and of those who want to hear about it.
#[derive(Debug, Default)]
pub(crate) struct Router {
    table: Mutex<Table>,
    /// Counts changes: tracks without a source wait for it.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    announcements: HashMap<Namespace, Vec<(u64, Session)>>,
    offers: HashMap<FullTrackName, Vec<(u64, Source)>>,
    /// Sessions to configured upstreams, by their place in the settings.
    upstreams: Vec<Option<Session>>,
    namespace_watchers: HashMap<u64, (Namespace, mpsc::Sender<NamespaceEvent>)>,
    track_watchers: HashMap<u64, (Namespace, mpsc::Sender<FullTrackName>)>,
}

/// What is being withdrawn when a registration ends.
#[derive(Debug)]
enum Registered {
    Namespace(Namespace),
    Track(FullTrackName),
    NamespaceWatcher,
    TrackWatcher,
}

/// A place in the table; dropping it withdraws it.
#[derive(Debug)]
pub(crate) struct Registration {
    router: Arc<Router>,
    id: u64,
    what: Registered,
}

/// The table is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("relay already holds its limit of announcements")]
pub(crate) struct RouterFull;

impl Router {
    pub(crate) fn new(upstreams: usize) -> Self {
        let table = Table { upstreams: vec![None; upstreams], ..Table::default() };
        Self { table: Mutex::new(table), changed: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told whenever a source appears.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn bump(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// A session publishes a namespace.
    pub(crate) fn announce(
        self: &Arc<Self>,
        namespace: Namespace,
        session: Session,
    ) -> Result<Registration, RouterFull> {
        let id = {
            let mut table = self.lock();
            if table.announcements.len() >= limit::ANNOUNCEMENTS && !table.announcements.contains_key(&namespace) {
                return Err(RouterFull);
            }
            let id = table.take_id();
            let sources = table.announcements.entry(namespace.clone()).or_default();
            sources.push((id, session));
            if sources.len() == 1 {
                table.tell(&NamespaceEvent::Added(namespace.clone()));
            }
            id
        };
        self.bump();
        Ok(Registration { router: self.clone(), id, what: Registered::Namespace(namespace) })
    }

    /// A session offers one track by PUBLISH.
    pub(crate) fn offer(self: &Arc<Self>, track: FullTrackName, source: Source) -> Result<Registration, RouterFull> {
        let id = {
            let mut table = self.lock();
            if table.offers.len() >= limit::ANNOUNCEMENTS && !table.offers.contains_key(&track) {
                return Err(RouterFull);
            }
            let id = table.take_id();
            let sources = table.offers.entry(track.clone()).or_default();
            sources.push((id, source));
            if sources.len() == 1 {
                table.tell_track(&track);
            }
            id
        };
        self.bump();
        Ok(Registration { router: self.clone(), id, what: Registered::Track(track) })
    }

    /// The session to a configured upstream came up or went away.
    pub(crate) fn set_upstream(&self, index: usize, session: Option<Session>) {
        let up = session.is_some();
        let mut table = self.lock();
        if let Some(place) = table.upstreams.get_mut(index) {
            *place = session;
        }
        if up {
            // Under the lock: who sees that it is ready sees that something has changed.
            self.bump();
        }
    }

    /// Whether every configured upstream has a session.
    pub(crate) fn upstreams_ready(&self) -> bool {
        self.lock().upstreams.iter().all(|upstream| upstream.as_ref().is_some_and(|session| !session.is_closed()))
    }

    /// Sources for a track, best first: an offer of the track itself, the longest announced prefix (the newest publisher of it
    /// first), then configured upstreams in order.
    pub(crate) fn sources(&self, track: &FullTrackName) -> Vec<Source> {
        let table = self.lock();
        let mut sources: Vec<Source> = Vec::new();
        let offers = table.offers.get(track).into_iter().flatten();
        sources.extend(offers.rev().map(|(_, source)| source.clone()));
        let fields = track.namespace.fields();
        let prefixes =
            (0..=fields.len()).rev().filter_map(|length| Namespace::new(fields[..length].iter().cloned()).ok());
        let announced = prefixes.filter_map(|prefix| table.announcements.get(&prefix));
        let sessions = announced.flat_map(|sessions| sessions.iter().rev().map(|(_, session)| session));
        for session in sessions.chain(table.upstreams.iter().flatten()) {
            // A configured upstream also announces, and a publisher may announce several prefixes: each is asked once.
            if !sources.iter().any(|source| source.offered.is_none() && source.session.same(session)) {
                let upstream = table.upstreams.iter().flatten().any(|upstream| upstream.same(session));
                sources.push(Source { session: session.clone(), offered: None, upstream });
            }
        }
        sources.retain(|source| !source.session.is_closed());
        sources
    }

    /// The namespaces announced under a prefix now, in no order.
    pub(crate) fn namespaces(&self, prefix: &Namespace) -> Vec<Namespace> {
        self.lock().announcements.keys().filter(|namespace| prefix.is_prefix_of(namespace)).cloned().collect()
    }

    /// Listens to namespaces under a prefix: those there are now, then changes. The receiver ends when it falls too far behind.
    pub(crate) fn watch_namespaces(
        self: &Arc<Self>,
        prefix: &Namespace,
    ) -> (Registration, Vec<Namespace>, mpsc::Receiver<NamespaceEvent>) {
        let (sender, receiver) = mpsc::channel(limit::WATCHER_QUEUE);
        let mut table = self.lock();
        let id = table.take_id();
        let known = table.announcements.keys().filter(|namespace| prefix.is_prefix_of(namespace)).cloned().collect();
        table.namespace_watchers.insert(id, (prefix.clone(), sender));
        (Registration { router: self.clone(), id, what: Registered::NamespaceWatcher }, known, receiver)
    }

    /// Listens to tracks offered under a prefix: those there are now, then new ones.
    pub(crate) fn watch_tracks(
        self: &Arc<Self>,
        prefix: &Namespace,
    ) -> (Registration, Vec<FullTrackName>, mpsc::Receiver<FullTrackName>) {
        let (sender, receiver) = mpsc::channel(limit::WATCHER_QUEUE);
        let mut table = self.lock();
        let id = table.take_id();
        let known = table.offers.keys().filter(|track| prefix.is_prefix_of(&track.namespace)).cloned().collect();
        table.track_watchers.insert(id, (prefix.clone(), sender));
        (Registration { router: self.clone(), id, what: Registered::TrackWatcher }, known, receiver)
    }

    fn withdraw(&self, id: u64, what: &Registered) {
        let mut table = self.lock();
        match what {
            Registered::Namespace(namespace) => {
                let Some(sources) = table.announcements.get_mut(namespace) else { return };
                sources.retain(|(other, _)| *other != id);
                if sources.is_empty() {
                    table.announcements.remove(namespace);
                    table.tell(&NamespaceEvent::Removed(namespace.clone()));
                }
            }
            Registered::Track(track) => {
                let Some(sources) = table.offers.get_mut(track) else { return };
                sources.retain(|(other, _)| *other != id);
                if sources.is_empty() {
                    table.offers.remove(track);
                }
            }
            Registered::NamespaceWatcher => {
                table.namespace_watchers.remove(&id);
            }
            Registered::TrackWatcher => {
                table.track_watchers.remove(&id);
            }
        }
    }
}

impl Table {
    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Tells watchers of matching prefixes; one that does not keep up is dropped and its subscriber's stream ends.
    fn tell(&mut self, event: &NamespaceEvent) {
        let (NamespaceEvent::Added(namespace) | NamespaceEvent::Removed(namespace)) = event;
        self.namespace_watchers
            .retain(|_, (prefix, sender)| !prefix.is_prefix_of(namespace) || sender.try_send(event.clone()).is_ok());
    }

    fn tell_track(&mut self, track: &FullTrackName) {
        self.track_watchers.retain(|_, (prefix, sender)| {
            !prefix.is_prefix_of(&track.namespace) || sender.try_send(track.clone()).is_ok()
        });
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.router.withdraw(self.id, &self.what);
    }
}

#[cfg(test)]
mod tests;
