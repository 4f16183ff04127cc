//! A track offered by PUBLISH: accepted at once with forward off, switched on while somebody watches.

use moqt::Parameters;
use tokio::sync::{Mutex, Notify, watch};
use transport::{FetchReader, RequestFailure, Session, Subscription, TrackEvent};

/// The subscription a publisher made by PUBLISH, waiting for use or in use.
#[derive(Debug)]
pub(crate) struct OfferedTrack {
    waiting: Mutex<Option<Subscription>>,
    /// Somebody wants the subscription: whoever listens on it lets go.
    wanted: Notify,
    place: watch::Sender<Place>,
}

/// Where the subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    InUse,
    Over,
}

impl OfferedTrack {
    pub(crate) fn new(subscription: Subscription) -> Self {
        let place = watch::Sender::new(Place::Waiting);
        Self { waiting: Mutex::new(Some(subscription)), wanted: Notify::new(), place }
    }

    /// Switches the track on and fetches the beginning of its current group. `None` while it is in use or after it ended.
    pub(crate) async fn start(
        &self,
        session: &Session,
    ) -> Result<Option<(Subscription, Option<FetchReader>)>, RequestFailure> {
        if *self.place.borrow() != Place::Waiting {
            return Ok(None);
        }
        self.wanted.notify_one();
        let Some(subscription) = self.waiting.lock().await.take() else { return Ok(None) };
        self.place.send_replace(Place::InUse);
        let started = switch_on(session, &subscription).await;
        match started {
            Ok(head) => Ok(Some((subscription, head))),
            Err(error) => {
                self.place.send_replace(Place::Over);
                Err(error)
            }
        }
    }

    /// Switches the track off and keeps it for the next viewer.
    pub(crate) async fn stop(&self, subscription: Subscription) {
        let off = Parameters { forward: Some(false), ..Parameters::default() };
        if subscription.update(off).await.is_ok() {
            *self.waiting.lock().await = Some(subscription);
            self.place.send_replace(Place::Waiting);
        } else {
            self.finish();
        }
    }

    /// The publisher ended the track, or was lost.
    pub(crate) fn finish(&self) {
        self.place.send_replace(Place::Over);
    }

    /// Waits until the publisher ends the track, in use or not.
    pub(crate) async fn ended(&self) {
        let mut place = self.place.subscribe();
        loop {
            let mut waiting = self.waiting.lock().await;
            if let Some(subscription) = waiting.as_mut() {
                tokio::select! {
                    event = subscription.next() => {
                        if matches!(event, TrackEvent::Done { .. } | TrackEvent::Lost(_)) {
                            *waiting = None;
                            self.finish();
                            return;
                        }
                        continue;
                    }
                    () = self.wanted.notified() => {}
                }
            }
            drop(waiting);
            match place.wait_for(|place| *place != Place::InUse).await.map(|place| *place) {
                Ok(Place::Waiting) => tokio::task::yield_now().await,
                _ => return,
            }
        }
    }
}

async fn switch_on(session: &Session, subscription: &Subscription) -> Result<Option<FetchReader>, RequestFailure> {
    let on = Parameters { forward: Some(true), ..Parameters::default() };
    let answer = subscription.update(on).await?;
    let published = answer.largest_object.is_some() || subscription.parameters().largest_object.is_some();
    if published { session.fetch_joining(subscription, 0, Parameters::default()).map(Some) } else { Ok(None) }
}
