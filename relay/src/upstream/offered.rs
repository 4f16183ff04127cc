//! A track offered by PUBLISH: accepted at once with forward off, switched on while somebody watches.

use moqt::{Location, Parameters};
use tokio::sync::{mpsc, oneshot};
use transport::{FetchReader, RequestFailure, Session, Subscription, TrackEvent};

/// The way to a subscription that a publisher made by PUBLISH.
#[derive(Debug)]
pub(crate) struct OfferedTrack {
    wanted: mpsc::Sender<oneshot::Sender<Lent>>,
}

/// Holds the subscription while nobody watches, and lends it out.
#[derive(Debug)]
pub(crate) struct OfferHolder {
    subscription: Subscription,
    wanted: mpsc::Receiver<oneshot::Sender<Lent>>,
}

/// The subscription, in use. Dropped without [`Lent::give_back`] it is over, and the offer with it.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) subscription: Subscription,
    back: oneshot::Sender<Subscription>,
}

/// A subscription that was switched on.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) lent: Lent,
    /// The beginning of the current group, if anything was published.
    pub(crate) head: Option<FetchReader>,
    /// The largest location when it was switched on.
    pub(crate) joining: Option<Location>,
}

/// A track and the task that holds it.
pub(crate) fn offered(subscription: Subscription) -> (OfferedTrack, OfferHolder) {
    // One at a time has use for the subscription: the track's upstream task.
    let (sender, wanted) = mpsc::channel(1);
    (OfferedTrack { wanted: sender }, OfferHolder { subscription, wanted })
}

impl OfferedTrack {
    /// A track whose subscription is gone.
    #[cfg(test)]
    pub(crate) fn unheld() -> Self {
        Self { wanted: mpsc::channel(1).0 }
    }

    /// Switches the track on and fetches the beginning of its current group. `None` after it ended.
    pub(crate) async fn start(&self, session: &Session) -> Result<Option<Started>, RequestFailure> {
        let (give, given) = oneshot::channel();
        if self.wanted.send(give).await.is_err() {
            return Ok(None);
        }
        let Ok(lent) = given.await else { return Ok(None) };
        let on = Parameters { forward: Some(true), ..Parameters::default() };
        let answer = lent.subscription.update(on).await?;
        let joining = answer.largest_object.max(lent.subscription.parameters().largest_object);
        let head = match joining {
            Some(_) => Some(session.fetch_joining(&lent.subscription, 0, Parameters::default())?),
            None => None,
        };
        Ok(Some(Started { lent, head, joining }))
    }
}

impl Lent {
    /// Switches the track off and keeps it for the next viewer.
    pub(crate) async fn give_back(self) {
        let off = Parameters { forward: Some(false), ..Parameters::default() };
        if self.subscription.update(off).await.is_ok() {
            // A holder that is gone has withdrawn the offer: the subscription ends here.
            let _ = self.back.send(self.subscription);
        }
    }
}

impl OfferHolder {
    /// Lends the subscription to whoever wants it, until the publisher ends the track, in use or not.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                event = self.subscription.next() => {
                    if matches!(event, TrackEvent::Done { .. } | TrackEvent::Lost(_)) {
                        return;
                    }
                }
                Some(give) = self.wanted.recv() => {
                    let (back, returned) = oneshot::channel();
                    self.subscription = match give.send(Lent { subscription: self.subscription, back }) {
                        Ok(()) => match returned.await {
                            Ok(subscription) => subscription,
                            Err(_) => return,
                        },
                        Err(unwanted) => unwanted.subscription,
                    };
                }
            }
        }
    }
}
