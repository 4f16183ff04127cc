//! Keeps this origin's broadcasts published at a relay.

use std::{sync::Arc, time::Duration};

use access::{Access, Credential};
use certs::hash_from_hex;
use futures_util::future::select_all;
use moqt::{Parameters, SessionErrorCode};
use process::{Backoff, Secret, Shutdown};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use transport::{
    Address, ClientEndpoint, DialError, GoAwayNotice, NamespacePublication, RequestFailure, Session, SessionSettings,
    StartError, TrustSettings,
};

use crate::{
    limit::{
        DIAL_DELAY, DIAL_DELAY_MAX, DIAL_TIMEOUT, HEALTHY_AFTER, MAX_REDIRECTS, MAX_RETIRING, MIGRATION_TIME,
        SESSION_REQUESTS,
    },
    metric,
    serve::{Publications, serve},
    settings::RelayTrustSettings,
};

/// One relay to publish to.
#[derive(Debug)]
pub(crate) struct RelayLink {
    pub(crate) address: Address,
    pub(crate) trust: RelayTrustSettings,
    /// What the relay wants to see in SETUP.
    pub(crate) credential: Credential,
    pub(crate) client: Arc<ClientEndpoint>,
    pub(crate) publications: Arc<Publications>,
    /// For everybody: who was dialled may have all.
    pub(crate) access: Arc<Access>,
}

/// Why a relay does not carry the broadcasts now. Every one of these is tried again.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("{0}")]
    Trust(String),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the relay wants a valid token for publishing: give it with --publish-token or EFIR_PUBLISH_TOKEN")]
    Unauthorized,
    #[error("PUBLISH_NAMESPACE {0}: {1}")]
    Publish(String, RequestFailure),
    #[error("no answer to SETUP and PUBLISH_NAMESPACE in time")]
    Timeout,
}

/// A session on which everything is announced. The task that moves it belongs to the caller's set.
struct Published {
    session: Session,
    announcements: Vec<NamespacePublication>,
    /// The token it was begun with.
    shown: Option<Secret>,
}

/// What ended a publication.
enum Ending {
    Closed(String),
    Moved(GoAwayNotice),
    Shutdown,
}

impl RelayLink {
    /// Dials, publishes and serves until shutdown; again and again, with a growing wait while it fails.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(DIAL_DELAY, DIAL_DELAY_MAX);
        let mut sessions = JoinSet::new();
        let mut address = self.address.clone();
        let mut redirects = 0;
        loop {
            while sessions.try_join_next().is_some() {}
            let started = Instant::now();
            let ending = tokio::select! {
                published = self.publish(&address, &mut sessions) => match published {
                    Ok(published) => {
                        tracing::info!(relay = %address.without_query(), "publishing to the relay");
                        self.keep(published, &mut sessions, &shutdown).await
                    }
                    Err(error) => Ending::Closed(error.to_string()),
                },
                () = shutdown.begun() => Ending::Shutdown,
            };
            if started.elapsed() >= HEALTHY_AFTER {
                backoff.reset();
                redirects = 0;
            }
            match ending {
                Ending::Shutdown => break,
                Ending::Closed(reason) => {
                    tracing::warn!(relay = %address.without_query(), reason, "not publishing to the relay, trying again");
                    address = self.address.clone();
                    redirects = 0;
                }
                Ending::Moved(notice) => {
                    redirects += 1;
                    address = next_address(&self.address, &address, &notice, redirects);
                    tracing::info!(relay = %address.without_query(), "the relay asks to move");
                    if started.elapsed() >= HEALTHY_AFTER {
                        continue;
                    }
                }
            }
            tokio::select! {
                () = sleep(backoff.next_wait()) => {}
                () = shutdown.begun() => break,
            }
        }
        // The sessions close by themselves: keep() told them to.
        tokio::select! {
            () = async { while sessions.join_next().await.is_some() {} } => {}
            () = shutdown.expired() => {}
        }
    }

    /// Connects and announces every broadcast.
    async fn publish(&self, address: &Address, sessions: &mut JoinSet<()>) -> Result<Published, LinkError> {
        let trust = self.trust(address)?;
        let connection = self.client.dial(address, &trust).await?;
        let shown = self.credential.current().await;
        let settings = SessionSettings {
            path: Some(address.path.clone()),
            authority: Some(address.authority()),
            tokens: Credential::tokens(shown.as_ref()),
            request_limit: SESSION_REQUESTS,
            ..SessionSettings::default()
        };
        let (session, driver) = transport::start(connection, settings)?;
        let (serving, publications, access) = (session.clone(), self.publications.clone(), self.access.clone());
        sessions.spawn(async move {
            tokio::select! {
                _ = driver => {}
                () = serve(&serving, &publications, access) => {}
            }
        });
        let announced = timeout(DIAL_TIMEOUT, self.announce(&session)).await;
        match announced.unwrap_or(Err(LinkError::Timeout)) {
            Ok(announcements) => Ok(Published { session, announcements, shown }),
            Err(error) => {
                session.close(SessionErrorCode::NoError, "nothing could be published");
                Err(error)
            }
        }
    }

    async fn announce(&self, session: &Session) -> Result<Vec<NamespacePublication>, LinkError> {
        let mut announcements = Vec::new();
        for namespace in self.publications.namespaces() {
            let answer = session.publish_namespace(namespace.clone(), Parameters::default()).await;
            announcements.push(answer.map_err(|error| match error {
                RequestFailure::Refused(refusal) if refusal.code.is_about_authorization() => LinkError::Unauthorized,
                error => LinkError::Publish(namespace.to_string(), error),
            })?);
        }
        Ok(announcements)
    }

    /// Stays published until something ends it. A relay that asks to move keeps what it has for
    /// [`MIGRATION_TIME`], so that the new session takes over before the old one ends.
    async fn keep(&self, published: Published, sessions: &mut JoinSet<()>, shutdown: &Shutdown) -> Ending {
        let Published { session, mut announcements, shown } = published;
        let _present = metric::Present::relay();
        let ending = tokio::select! {
            ending = wait_for_end(&session, &mut announcements, shutdown) => ending,
            () = self.credential.changed(shown.as_ref()) => {
                Ending::Moved(GoAwayNotice { uri: String::new(), timeout: Duration::ZERO })
            }
        };
        match &ending {
            Ending::Shutdown => {
                // Withdrawn first: the relay then tells its viewers that the tracks are gone.
                drop(announcements);
                session.go_away("", MIGRATION_TIME);
                sessions.spawn(leave(session, shutdown.clone()));
            }
            Ending::Moved(_) if sessions.len() >= MAX_RETIRING => session.close(SessionErrorCode::NoError, "moved"),
            Ending::Moved(notice) => {
                let given = Some(notice.timeout).filter(|given| !given.is_zero());
                let grace = given.map_or(MIGRATION_TIME, |given| given.min(MIGRATION_TIME));
                sessions.spawn(retire(session, announcements, grace));
            }
            Ending::Closed(reason) => session.close(SessionErrorCode::NoError, reason),
        }
        ending
    }

    /// Which certificate the relay may show.
    fn trust(&self, address: &Address) -> Result<TrustSettings, LinkError> {
        let RelayTrustSettings { ca, hashes, insecure } = &self.trust;
        if *insecure {
            return Ok(TrustSettings::Insecure);
        }
        if !hashes.is_empty() {
            let parsed = hashes.iter().map(|text| {
                hash_from_hex(text).ok_or_else(|| LinkError::Trust(format!("{text:?} is no SHA-256 hash")))
            });
            return Ok(TrustSettings::CertificateHashes(parsed.collect::<Result<_, _>>()?));
        }
        if let Some(ca) = ca {
            return Ok(TrustSettings::Ca(ca.clone()));
        }
        if address.is_localhost()
            && let Some(directory) = process::state_directory()
        {
            let known = certs::development_hashes(&directory, address.port);
            let known = known.map_err(|error| LinkError::Trust(error.to_string()))?;
            if !known.is_empty() {
                return Ok(TrustSettings::CertificateHashes(known));
            }
        }
        Ok(TrustSettings::System)
    }
}

async fn wait_for_end(session: &Session, announcements: &mut [NamespacePublication], shutdown: &Shutdown) -> Ending {
    let revoked = select_all(announcements.iter_mut().map(|held| Box::pin(held.ended())));
    tokio::select! {
        biased;
        () = shutdown.begun() => Ending::Shutdown,
        reason = session.closed() => Ending::Closed(reason.to_string()),
        notice = session.goaway_received() => Ending::Moved(notice),
        _ = revoked => Ending::Closed("the relay ended a publication".to_owned()),
    }
}

/// Ends a session at the deadline of the shutdown, unless the relay does before.
async fn leave(session: Session, shutdown: Shutdown) {
    tokio::select! {
        () = shutdown.expired() => session.close(SessionErrorCode::NoError, "shutdown"),
        _ = session.closed() => {}
    }
}

/// Keeps an old session while its subscriptions move, then ends it.
async fn retire(session: Session, announcements: Vec<NamespacePublication>, grace: Duration) {
    tokio::select! {
        () = sleep(grace) => {}
        _ = session.closed() => {}
    }
    drop(announcements);
    session.close(SessionErrorCode::NoError, "moved");
}

/// Where to go after a GOAWAY: the URI it names, else the same relay; home after too many redirects.
fn next_address(home: &Address, current: &Address, notice: &GoAwayNotice, redirects: u32) -> Address {
    if redirects > MAX_REDIRECTS {
        return home.clone();
    }
    if notice.uri.is_empty() {
        return current.clone();
    }
    notice.uri.parse().unwrap_or_else(|error| {
        tracing::warn!(%error, "the relay's GOAWAY names no usable address");
        current.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goaway_is_followed_but_not_in_circles() {
        let home: Address = "https://relay.example/live".parse().unwrap();
        let notice = |uri: &str| GoAwayNotice { uri: uri.to_owned(), timeout: Duration::ZERO };
        let other: Address = "https://other.example/live".parse().unwrap();
        assert_eq!(next_address(&home, &home, &notice("https://other.example/live"), 1), other);
        assert_eq!(next_address(&home, &other, &notice(""), 2), other);
        assert_eq!(next_address(&home, &other, &notice("not a url"), 2), other);
        assert_eq!(next_address(&home, &other, &notice("https://third.example/"), MAX_REDIRECTS + 1), home);
    }
}
