//! A track offered by PUBLISH: accepted at once with forward off, switched on while somebody watches.

use tokio::sync::{mpsc, oneshot};
use transport::{Subscription, TrackEvent};

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

    /// The subscription, with forward off. `None` after it ended.
    pub(crate) async fn borrow(&self) -> Option<Lent> {
        let (give, given) = oneshot::channel();
        self.wanted.send(give).await.ok()?;
        given.await.ok()
    }
}

impl Lent {
    /// Keeps it, switched off, for the next viewer.
    pub(crate) fn give_back(self) {
        // A holder that is gone has withdrawn the offer: the subscription ends here.
        let _ = self.back.send(self.subscription);
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
