//! How a run ends: sources fall silent, those who listen leave, then the sources do.

use tokio::sync::watch;

/// What a run is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Before its beginning and during it.
    Running,
    /// Nothing new is produced or comes; what is on the way arrives.
    Draining,
    /// Those who take leave, before those who give: what ends must not look like a fault to those who still look.
    Leaving,
    /// Everybody else leaves.
    Ended,
}

/// Moves a run on.
#[derive(Debug)]
pub(crate) struct PhaseSender(watch::Sender<Phase>);

/// Tells whoever takes part in a run when to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Phase>);

/// A run's phases, from [`Phase::Running`] on.
pub(crate) fn phases() -> (PhaseSender, Stop) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (PhaseSender(sender), Stop(receiver))
}

impl PhaseSender {
    /// The run is in this phase now; there is no way back.
    pub(crate) fn reach(&self, phase: Phase) {
        self.0.send_if_modified(|now| std::mem::replace(now, phase.max(*now)) != *now);
    }
}

impl Stop {
    /// Waits for a phase, or for the end of whoever tells them. Cancel safe.
    pub(crate) async fn reached(&self, phase: Phase) {
        // An error says that nobody is left who could tell: that is the end, too.
        let _ = self.0.clone().wait_for(|now| *now >= phase).await;
    }

    /// Whether that phase is reached.
    pub(crate) fn has(&self, phase: Phase) -> bool {
        *self.0.borrow() >= phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_go_forward_and_a_lost_sender_is_the_end() {
        let (sender, stop) = phases();
        sender.reach(Phase::Draining);
        sender.reach(Phase::Running);
        stop.reached(Phase::Draining).await;
        assert!(stop.has(Phase::Draining) && !stop.has(Phase::Ended));
        drop(sender);
        stop.reached(Phase::Ended).await;
    }
}
