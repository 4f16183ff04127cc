//! How long a request of the peer may go on: until its authorization expires, unless an update prolongs it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use moqt::session::ResolvedToken;
use moqt::{Namespace, Parameters, RequestErrorCode};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

use super::shared::RequestEvent;

/// What a request of the peer is allowed for, held by the handle that serves it.
pub trait Lease: Send + Sync + fmt::Debug {
    /// Judges a REQUEST_UPDATE: its tokens, and the prefix it moves the request to.
    ///
    /// # Errors
    /// The update must be refused, which ends the request.
    fn renew(&mut self, prefix: Option<&Namespace>, tokens: &[ResolvedToken]) -> Result<(), LeaseRefusal>;

    /// The time of [`Lease::until`] has come: may have it prolonged without an update.
    fn recheck(&mut self);

    /// When the request ends by itself; `None` = never.
    fn until(&self) -> Option<Instant>;
}

/// Why an update is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRefusal {
    /// For REQUEST_ERROR.
    pub code: RequestErrorCode,
    /// In words.
    pub reason: &'static str,
}

/// What happens to a request of the peer while it is served.
#[derive(Debug)]
pub(super) enum Turn {
    /// The peer asks for a change that it may ask for; to be answered.
    Update(Parameters),
    /// The peer asks for what it may not have; to be refused, with the request.
    Refused(LeaseRefusal),
    /// The authorization has expired.
    Expired,
    /// The peer or the session is gone.
    Ended,
    /// Anything else about the request.
    Other(RequestEvent),
}

/// A request of the peer from its arrival to its end: what the peer says of it, and its lease if it has one.
#[derive(Debug)]
pub(super) struct Course {
    events: mpsc::Receiver<RequestEvent>,
    lease: Option<Box<dyn Lease>>,
    /// Outlives the futures that wait for it, so that a wait that is given up and taken up again costs nothing.
    timer: Option<Pin<Box<Sleep>>>,
    /// Updates that came too early; the session's machine bounds them.
    early: VecDeque<RequestEvent>,
}

impl Course {
    pub(super) fn new(events: mpsc::Receiver<RequestEvent>) -> Self {
        Self { events, lease: None, timer: None, early: VecDeque::new() }
    }

    /// The same, for whoever serves the request from here on.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(mpsc::channel(1).1))
    }

    pub(super) fn hold(&mut self, lease: Box<dyn Lease>) {
        self.lease = Some(lease);
        self.wind();
    }

    /// The time that is left, for the parameter EXPIRES.
    pub(super) fn left(&self) -> Option<Duration> {
        let until = self.lease.as_ref()?.until()?;
        // Zero would say that there is no end.
        Some(until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
    }

    /// Waits until the peer gives up a request that has no answer yet. Cancel safe.
    pub(super) async fn given_up(&mut self) {
        loop {
            match self.events.recv().await {
                Some(RequestEvent::Ended) | None => return,
                Some(update @ RequestEvent::Update { .. }) => self.early.push_back(update),
                Some(_) => {}
            }
        }
    }

    /// An event that nobody waited for any more.
    pub(super) fn left_over(&mut self) -> Option<RequestEvent> {
        self.events.try_recv().ok()
    }

    /// What happens next. Cancel safe.
    pub(super) async fn next(&mut self) -> Turn {
        let event = match self.early.pop_front() {
            early @ Some(_) => early,
            None => loop {
                let Self { events, timer, .. } = self;
                tokio::select! {
                    biased;
                    event = events.recv() => break event,
                    () = expired(timer) => {}
                }
                if self.has_expired() {
                    return Turn::Expired;
                }
            },
        };
        match event {
            Some(RequestEvent::Update { parameters, tokens }) => {
                match self.renew(parameters.namespace_prefix.as_ref(), &tokens) {
                    Ok(()) => Turn::Update(parameters),
                    Err(refusal) => Turn::Refused(refusal),
                }
            }
            Some(RequestEvent::Ended) | None => Turn::Ended,
            Some(other) => Turn::Other(other),
        }
    }

    fn renew(&mut self, prefix: Option<&Namespace>, tokens: &[ResolvedToken]) -> Result<(), LeaseRefusal> {
        if let Some(lease) = &mut self.lease {
            lease.renew(prefix, tokens)?;
            self.wind();
        }
        Ok(())
    }

    /// Whether the time that has come is the end.
    fn has_expired(&mut self) -> bool {
        let Some(lease) = &mut self.lease else { return false };
        lease.recheck();
        let over = lease.until().is_some_and(|until| until <= Instant::now());
        self.wind();
        over
    }

    /// Sets the timer to the lease's end.
    fn wind(&mut self) {
        match self.lease.as_ref().and_then(|lease| lease.until()) {
            None => self.timer = None,
            Some(until) => match &mut self.timer {
                Some(timer) => timer.as_mut().reset(until),
                None => self.timer = Some(Box::pin(sleep_until(until))),
            },
        }
    }
}

async fn expired(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.as_mut().await,
        None => std::future::pending().await,
    }
}
