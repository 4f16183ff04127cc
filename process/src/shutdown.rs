//! One way to stop: a token that everything in the process watches, with one deadline.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Tells all parts of a process when to stop and until when. Clones are the same token.
///
/// Running, then *begun* (finish what is under way, take nothing new), then *expired* (drop everything).
#[derive(Clone, Debug)]
pub struct Shutdown {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    grace: Duration,
    /// Set once shutdown has begun; only ever moves nearer.
    deadline: Option<Instant>,
    aborted: bool,
}

impl Shutdown {
    /// A token for a process that has `grace` from the first request to stop until the deadline.
    pub fn new(grace: Duration) -> Self {
        let state = State { grace, deadline: None, aborted: false };
        Self { state: Arc::new(watch::Sender::new(state)) }
    }

    /// Changes the time allowed, once settings are known. No effect on a shutdown that has begun.
    pub fn set_grace(&self, grace: Duration) {
        self.state.send_if_modified(|state| {
            state.grace = grace;
            false
        });
    }

    /// Asks everything to stop before the deadline. Later calls change nothing.
    pub fn begin(&self) {
        self.state.send_if_modified(|state| {
            let first = state.deadline.is_none();
            state.deadline.get_or_insert_with(|| Instant::now() + state.grace);
            first
        });
    }

    /// Asks everything to stop now: the deadline is this moment.
    pub fn abort(&self) {
        self.state.send_modify(|state| {
            let now = Instant::now();
            state.deadline = Some(state.deadline.map_or(now, |deadline| deadline.min(now)));
            state.aborted = true;
        });
    }

    /// Whether everything is asked to stop.
    pub fn has_begun(&self) -> bool {
        self.state.borrow().deadline.is_some()
    }

    /// Moment at which whatever has not stopped is dropped; `None` while nothing is asked to stop.
    pub fn deadline(&self) -> Option<Instant> {
        self.state.borrow().deadline
    }

    /// Waits until everything is asked to stop. Cancel safe.
    pub async fn begun(&self) {
        self.when(|state| state.deadline.is_some()).await;
    }

    /// Waits until the deadline has passed. Cancel safe.
    pub async fn expired(&self) {
        self.begun().await;
        tokio::select! {
            () = self.until_deadline() => {}
            () = self.aborted() => {}
        }
    }

    /// Turns SIGTERM and Ctrl-C alike into [`begin`](Self::begin), and a second one into [`abort`](Self::abort). Runs until
    /// it is dropped; from its first poll on, these signals no longer end the process by themselves.
    ///
    /// # Errors
    ///
    /// The operating system refuses the signal handlers.
    pub async fn signals(&self) -> io::Result<Infallible> {
        let mut signals = Signals::install()?;
        loop {
            let name = signals.next().await;
            if self.has_begun() {
                tracing::warn!(signal = name, "stopping at once");
                self.abort();
            } else {
                tracing::info!(signal = name, "stopping");
                self.begin();
            }
        }
    }

    /// Waits until [`abort`](Self::abort) is called.
    pub(crate) async fn aborted(&self) {
        self.when(|state| state.aborted).await;
    }

    async fn until_deadline(&self) {
        if let Some(deadline) = self.deadline() {
            sleep_until(deadline).await;
        }
    }

    async fn when(&self, condition: impl Fn(&State) -> bool) {
        // The sender is ours, so the channel cannot close while this waits.
        drop(self.state.subscribe().wait_for(condition).await);
    }
}

/// The two signals that mean "stop".
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    fn install() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const GRACE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn waits_until_begun_and_then_until_the_deadline() {
        let shutdown = Shutdown::new(Duration::ZERO);
        shutdown.set_grace(GRACE);
        assert!(timeout(GRACE, shutdown.begun()).await.is_err());
        assert_eq!((shutdown.has_begun(), shutdown.deadline()), (false, None));

        let start = Instant::now();
        shutdown.clone().begin();
        shutdown.begun().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        shutdown.expired().await;
        assert!(start.elapsed() >= GRACE && start.elapsed() < 2 * GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_never_moves_away() {
        let shutdown = Shutdown::new(GRACE);
        shutdown.begin();
        let deadline = shutdown.deadline();
        tokio::time::advance(GRACE / 2).await;
        shutdown.begin();
        assert_eq!(shutdown.deadline(), deadline);
        tokio::time::advance(GRACE).await;
        shutdown.abort();
        assert_eq!(shutdown.deadline(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn an_abort_ends_the_wait_at_once() {
        let shutdown = Shutdown::new(GRACE);
        shutdown.begin();
        let start = Instant::now();
        let abort = async {
            tokio::time::sleep(GRACE / 5).await;
            shutdown.abort();
        };
        tokio::join!(shutdown.expired(), abort);
        assert!(start.elapsed() < GRACE / 2, "{:?}", start.elapsed());
        assert!(timeout(Duration::ZERO, shutdown.aborted()).await.is_ok());
    }
}
