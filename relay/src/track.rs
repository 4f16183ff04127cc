//! One track in this relay: its live log, its state, and who watches it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanout::TrackLog;
use moqt::{FullTrackName, Location, Properties, PublishDoneCode, Redirect, RequestErrorCode};
use tokio::sync::watch;

use crate::delay::Dwell;
use crate::group_request::GroupRequests;
use crate::relay::Context;
use crate::upstream;
use crate::{limit, metric};

/// A track that somebody watches, or watched a linger ago.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) name: FullTrackName,
    pub(crate) log: TrackLog,
    state: watch::Sender<TrackState>,
    viewers: watch::Sender<usize>,
    /// How long its objects stay here.
    pub(crate) dwell: Dwell,
    /// New groups that viewers ask for.
    pub(crate) group_requests: GroupRequests,
}

/// Where a track stands with its upstream.
#[derive(Debug, Clone)]
pub(crate) enum TrackState {
    /// No upstream has answered yet.
    Opening,
    /// An upstream subscription was established; it may be down for a moment.
    Live(Properties),
    /// No upstream serves it.
    Refused(Refusal),
    /// The publisher ended it, or it was gone for too long; with the properties it had.
    Ended(PublishDoneCode, Option<Properties>),
}

impl TrackState {
    fn properties(&self) -> Option<&Properties> {
        match self {
            Self::Live(properties) | Self::Ended(_, Some(properties)) => Some(properties),
            _ => None,
        }
    }
}

/// Why a track cannot be had.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: RequestErrorCode,
    pub(crate) retry: Option<Duration>,
    pub(crate) reason: String,
    /// Where the upstream says it can be had: for the viewer to follow.
    pub(crate) redirect: Option<Box<Redirect>>,
}

impl Track {
    fn new(name: FullTrackName, log: TrackLog, new_group: Option<u64>) -> Self {
        let (state, viewers) = (watch::Sender::new(TrackState::Opening), watch::Sender::new(0));
        let group_requests = GroupRequests::new(new_group);
        Self { name, log, state, viewers, dwell: Dwell::new(), group_requests }
    }

    pub(crate) fn set(&self, state: TrackState) {
        self.state.send_replace(state);
    }

    /// Nothing more comes.
    pub(crate) fn end(&self, status: PublishDoneCode) {
        self.state.send_modify(|state| *state = TrackState::Ended(status, state.properties().cloned()));
    }

    /// The track's properties, as the upstream last told them.
    pub(crate) fn properties(&self) -> Properties {
        self.state.borrow().properties().cloned().unwrap_or_default()
    }

    /// The properties of a track that its publisher ended in good order: what there was of it can be fetched still.
    pub(crate) fn ended(&self) -> Option<Properties> {
        match &*self.state.borrow() {
            TrackState::Ended(PublishDoneCode::TrackEnded, properties) => properties.clone(),
            _ => None,
        }
    }

    /// Takes the upstream's word on the largest location; another upstream's word before is void.
    pub(crate) fn tell_largest(&self, largest: Option<Location>) {
        self.log.tell_largest(largest);
    }

    /// The largest location: what the upstream told or what has arrived, whichever is later.
    pub(crate) fn largest(&self) -> Option<Location> {
        self.log.known_largest()
    }

    /// A viewer asks for a group at or above this one to begin soon; 0 = any new one.
    pub(crate) fn request_group(&self, value: u64) {
        let newest = self.largest().map(|largest| largest.group);
        self.group_requests.ask(value, self.properties().dynamic_groups(), newest);
    }

    /// Waits until nobody has watched for `linger`.
    pub(crate) async fn idle(&self, linger: Duration) {
        let mut viewers = self.viewers.subscribe();
        loop {
            if viewers.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(linger) => return,
                _ = viewers.wait_for(|count| *count > 0) => {}
            }
        }
    }
}

/// Every open track by name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    tracks: Mutex<HashMap<FullTrackName, Arc<Track>>>,
}

/// The relay holds its limit of tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("relay already holds its limit of tracks")]
pub(crate) struct RegistryFull;

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<FullTrackName, Arc<Track>>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The track with this name, opened upstream if it is not yet. `hops` are the relays the request came through, `new_group` is
    /// its NEW_GROUP_REQUEST.
    pub(crate) fn open(
        &self,
        context: &Arc<Context>,
        name: &FullTrackName,
        hops: &[u64],
        new_group: Option<u64>,
    ) -> Result<Viewing, RegistryFull> {
        let mut tracks = self.lock();
        let from_relay = !hops.is_empty();
        if let Some(track) = tracks.get(name) {
            if let Some(value) = new_group {
                track.request_group(value);
            }
            return Ok(Viewing::new(track.clone(), from_relay));
        }
        if tracks.len() >= context.settings.limit.tracks {
            return Err(RegistryFull);
        }
        let track = Arc::new(Track::new(name.clone(), context.new_log(), new_group));
        tracks.insert(name.clone(), track.clone());
        metric::tracks(tracks.len());
        let viewing = Viewing::new(track.clone(), from_relay);
        context.spawn(upstream::run(context.clone(), track, hops.to_vec()));
        Ok(viewing)
    }

    /// Forgets a track whose upstream task ends; with `unless_watched` only while nobody watches it.
    pub(crate) fn close(&self, track: &Arc<Track>, unless_watched: bool) -> bool {
        let mut tracks = self.lock();
        if unless_watched && *track.viewers.borrow() > 0 {
            return false;
        }
        if tracks.get(&track.name).is_some_and(|open| Arc::ptr_eq(open, track)) {
            tracks.remove(&track.name);
            metric::tracks(tracks.len());
        }
        true
    }
}

/// A viewer's hold on a track; its upstream subscription lasts while there is one.
#[derive(Debug)]
pub(crate) struct Viewing {
    pub(crate) track: Arc<Track>,
    /// Another relay waits for the answer.
    from_relay: bool,
}

impl Viewing {
    fn new(track: Arc<Track>, from_relay: bool) -> Self {
        track.viewers.send_modify(|count| *count += 1);
        Self { track, from_relay }
    }

    /// Waits for the upstream's answer: the track's properties, or why it cannot be had.
    ///
    /// Relays do not wait for one another for long: two that open the same track of each other at the same time would wait
    /// in a circle.
    pub(crate) async fn ready(&self) -> Result<Properties, Refusal> {
        let mut state = self.track.state.subscribe();
        let patience = if self.from_relay { limit::RELAY_WAIT } else { Duration::MAX };
        let answered = state.wait_for(|state| !matches!(state, TrackState::Opening));
        let Ok(answered) = tokio::time::timeout(patience, answered).await else {
            let reason = "no answer from upstream yet".to_owned();
            return Err(Refusal {
                code: RequestErrorCode::Timeout,
                retry: Some(limit::SOURCE_WAIT),
                reason,
                redirect: None,
            });
        };
        match answered.map(|state| state.clone()) {
            Ok(TrackState::Live(properties)) => Ok(properties),
            Ok(TrackState::Refused(refusal)) => Err(refusal),
            Ok(TrackState::Ended(status, _)) => Err(Refusal {
                code: RequestErrorCode::DoesNotExist,
                retry: None,
                reason: format!("track has ended: {status:?}"),
                redirect: None,
            }),
            Ok(TrackState::Opening) | Err(_) => Err(Refusal {
                code: RequestErrorCode::InternalError,
                retry: Some(limit::SOURCE_WAIT),
                reason: "relay is stopping".to_owned(),
                redirect: None,
            }),
        }
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.track.viewers.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RelaySettings;

    fn context(tracks: usize) -> Arc<Context> {
        let mut settings = RelaySettings::default();
        settings.limit.tracks = tracks;
        Context::new(settings, Vec::new(), None).unwrap()
    }

    fn name(text: &str) -> FullTrackName {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_track_that_nobody_publishes_is_refused_and_forgotten() {
        let context = context(1);
        let viewing = context.open(&name("live-demo--video0"), &[]).unwrap();
        let refusal = viewing.ready().await.unwrap_err();
        assert_eq!((refusal.code, refusal.retry), (RequestErrorCode::DoesNotExist, None));
        assert!(refusal.reason.contains("live-demo--video0"), "{}", refusal.reason);
        let other = context.open(&name("live-demo--audio0"), &[]);
        assert!(other.is_ok(), "a refused track has no place any more");
    }

    #[tokio::test]
    async fn open_tracks_are_shared_and_bounded() {
        let context = context(1);
        let first = context.open(&name("live-demo--video0"), &[]).unwrap();
        let second = context.open(&name("live-demo--video0"), &[]).unwrap();
        assert!(Arc::ptr_eq(&first.track, &second.track));
        let refusal = context.open(&name("live-demo--audio0"), &[]).unwrap_err();
        assert_eq!(refusal.code, RequestErrorCode::ExcessiveLoad);
        assert!(refusal.retry.is_some());
    }

    #[tokio::test]
    async fn requests_in_a_circle_and_from_too_far_are_refused() {
        let context = context(10);
        for hops in [vec![1, context.id, 2], vec![7; limit::HOPS]] {
            let refusal = context.open(&name("live-demo--video0"), &hops).unwrap_err();
            assert_eq!((refusal.code, refusal.retry), (RequestErrorCode::DoesNotExist, None));
        }
        assert_eq!(context.onward(&[1, 2]), [1, 2, context.id]);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_is_a_whole_linger_without_anybody() {
        let context = context(1);
        let track = Arc::new(Track::new(name("live-demo--video0"), context.new_log(), None));
        let linger = Duration::from_secs(5);
        let waiting = track.clone();
        let idle = tokio::spawn(async move { waiting.idle(linger).await });
        let pass = async |seconds| tokio::time::sleep(Duration::from_secs(seconds)).await;
        let first = Viewing::new(track.clone(), false);
        pass(60).await;
        let second = Viewing::new(track.clone(), false);
        drop(first);
        pass(60).await;
        drop(second);
        pass(4).await;
        let third = Viewing::new(track.clone(), false);
        pass(60).await;
        assert!(!idle.is_finished());
        drop(third);
        pass(4).await;
        assert!(!idle.is_finished());
        pass(2).await;
        assert!(idle.is_finished());
    }

    #[tokio::test]
    async fn a_watched_track_is_not_closed_for_idleness() {
        let context = context(1);
        let viewing = context.open(&name("live-demo--video0"), &[]).unwrap();
        let track = viewing.track.clone();
        assert!(!context.registry.close(&track, true));
        drop(viewing);
        assert!(context.registry.close(&track, true));
        let again = context.open(&name("live-demo--video0"), &[]).unwrap();
        assert!(!Arc::ptr_eq(&track, &again.track));
        assert!(context.registry.close(&track, false), "closing twice closes nothing else");
        assert!(Arc::ptr_eq(&again.track, &context.open(&name("live-demo--video0"), &[]).unwrap().track));
    }
}
