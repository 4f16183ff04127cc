//! Keeps a session: dials again when it is lost, follows GOAWAY.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use transport::{Address, GoAwayNotice, Session, SessionError};

use crate::connect::{Connector, Link};
use crate::error::Failure;
use crate::limit;

/// Pauses that double up to a bound, with jitter: many clients of one relay must not come back as one.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { pause: limit::RETRY_FIRST }
    }
}

impl Backoff {
    /// The next pause: between half and all of the current step.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(limit::RETRY_MOST);
        let random = RandomState::new().build_hasher().finish();
        pause.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
    }

    /// It worked: begin with short pauses again.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Keeps one session to one server.
#[derive(Debug)]
pub(crate) struct Supervisor<'a> {
    connector: &'a Connector,
    /// Where the command line said; tried again when a server we were sent to does not answer.
    home: Address,
    address: Address,
    /// How long to try to get back; `None`: not at all.
    retry_for: Option<Duration>,
    sessions: watch::Sender<Option<Session>>,
}

impl<'a> Supervisor<'a> {
    /// Begins with an established session, which every receiver finds.
    pub(crate) fn new(
        connector: &'a Connector,
        address: Address,
        retry_for: Option<Duration>,
        link: &Link,
    ) -> (Self, watch::Receiver<Option<Session>>) {
        let (sessions, receiver) = watch::channel(Some(link.session.clone()));
        (Self { connector, home: address.clone(), address, retry_for, sessions }, receiver)
    }

    /// Holds sessions, one after the other, until there is none to be had. Dropping it ends them.
    pub(crate) async fn run(mut self, mut link: Link) -> Failure {
        // The session we were asked to leave serves on until its followers are gone.
        let mut old: Option<(Link, Instant)> = None;
        loop {
            let session = link.session.clone();
            let leaving = old.as_ref().map(|(_, until)| *until);
            let moved = tokio::select! {
                biased;
                error = session.closed() => self.replace(&error).await,
                notice = session.goaway_received() => self.leave(&session, &notice).await,
                () = sleep_until(leaving.unwrap_or_else(Instant::now)), if leaving.is_some() => {
                    if let Some((old, _)) = old.take() {
                        old.close().await;
                    }
                    continue;
                }
            };
            match moved {
                Ok(new) => {
                    self.sessions.send_replace(Some(new.session.clone()));
                    old = Some((std::mem::replace(&mut link, new), Instant::now() + limit::MOVE_WAIT));
                }
                Err(failure) => return failure,
            }
        }
    }

    /// A new session for the one that was lost.
    async fn replace(&mut self, error: &SessionError) -> Result<Link, Failure> {
        self.sessions.send_replace(None);
        let lost = format!("session with {} was lost: {error}", self.home.authority());
        let Some(patience) = self.retry_for else { return Err(Failure::Connection(lost)) };
        let begin = Instant::now();
        let mut backoff = Backoff::default();
        let mut last = None;
        let dial = async {
            loop {
                match timeout(limit::REDIAL, self.connector.connect(&self.address)).await {
                    Ok(Ok(link)) => return link,
                    Ok(Err(failure)) => last = Some(failure),
                    Err(_) => {}
                }
                std::mem::swap(&mut self.address, &mut self.home);
                sleep(backoff.next()).await;
            }
        };
        match timeout(patience, dial).await {
            Ok(link) => Ok(link),
            Err(_) => {
                let last = last.map(|failure| format!("; last: {failure}")).unwrap_or_default();
                Err(Failure::Connection(format!("{lost}; not back after {:.0?}{last}", begin.elapsed())))
            }
        }
    }

    /// A session where the server sends us, dialed while the old one still serves.
    async fn leave(&mut self, session: &Session, notice: &GoAwayNotice) -> Result<Link, Failure> {
        if !notice.uri.is_empty()
            && let Ok(address) = notice.uri.parse::<Address>()
        {
            self.address = address;
        }
        let mut backoff = Backoff::default();
        let dial = async {
            loop {
                if let Ok(Ok(link)) = timeout(limit::REDIAL, self.connector.connect(&self.address)).await {
                    return link;
                }
                sleep(backoff.next()).await;
            }
        };
        let error = tokio::select! {
            link = dial => return Ok(link),
            error = session.closed() => error,
        };
        self.replace(&error).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over() {
        let mut backoff = Backoff::default();
        for step in 0..12 {
            let most = (limit::RETRY_FIRST * 2_u32.pow(step)).min(limit::RETRY_MOST);
            let pause = backoff.next();
            assert!(pause <= most && pause >= most / 2, "{step}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= limit::RETRY_FIRST);
    }
}
