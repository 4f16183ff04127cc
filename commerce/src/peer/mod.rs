//! How one actor asks another: the same typed calls whether it lives in this process, where its whole middleware stack is
//! called directly, or behind a URL.
//!
//! Whom a peer reaches is decided after all actors are built, because they know each other in circles. A call is bounded in
//! time; a POST carries an `Idempotency-Key` that its caller derives from its own step, so that repeating it is safe. After
//! several failures in a row a peer is left alone for a while, and callers hear so at once.

mod breaker;
mod carrier;
mod limit;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::breaker::Breaker;
use self::carrier::Carrier;
pub use self::carrier::PeerUrlError;
pub(crate) use self::limit::PEER_TIMEOUT;
use self::limit::{PEER_TRIES, PEER_TRY_AGAIN};
use crate::actor::Actor;
use crate::auth::{Authority, Scope};
use crate::http::KEY_HEADER;
use crate::problem::Problem;

/// As whom an actor calls another.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The calling actor.
    pub(crate) from: Actor,
    /// What the call needs.
    pub(crate) scopes: Vec<Scope>,
    /// The customer for whom it calls; `None` for itself.
    pub(crate) on_behalf_of: Option<String>,
}

/// Why a call brought no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PeerError {
    /// The peer says no, and will say so again.
    #[error("refused: {}", .0.title)]
    Refused(Problem),
    /// The peer cannot be reached, is too busy or fails: the same call may succeed later.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The peer answered something else than was asked for.
    #[error("garbled answer: {0}")]
    Garbled(String),
}

impl From<PeerError> for Problem {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Refused(problem) => problem,
            PeerError::Unavailable(detail) => Self::unavailable(detail).retry_after(PEER_TRY_AGAIN),
            PeerError::Garbled(detail) => {
                tracing::error!(detail, "a peer's answer cannot be read");
                Self::unavailable("a peer's answer cannot be read")
            }
        }
    }
}

/// All actors as others reach them. Clones share where they are.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    targets: Arc<BTreeMap<Actor, Arc<Target>>>,
}

#[derive(Debug)]
struct Target {
    actor: Actor,
    authority: Authority,
    carrier: RwLock<Option<Carrier>>,
    breaker: Breaker,
}

impl Peers {
    /// Peers of which none can be reached yet.
    pub(crate) fn new(authority: &Authority) -> Self {
        let target = |actor| {
            let (authority, carrier, breaker) = (authority.clone(), RwLock::new(None), Breaker::new());
            (actor, Arc::new(Target { actor, authority, carrier, breaker }))
        };
        Self { targets: Arc::new(Actor::ALL.into_iter().map(target).collect()) }
    }

    /// The peer of this name; whether it can be reached shows when it is called.
    pub(crate) fn get(&self, actor: Actor) -> Peer {
        Peer { target: Arc::clone(&self.targets[&actor]) }
    }

    /// This actor lives in this process: its routes below `/api/v1/<actor>`, with their middleware.
    pub(crate) fn bind_here(&self, actor: Actor, router: Router) {
        self.bind(actor, Some(Carrier::Here(router)));
    }

    /// This actor is reached at a URL, before `/api/v1/<actor>`.
    ///
    /// # Errors
    /// It is no URL of HTTP.
    pub(crate) fn bind_url(&self, actor: Actor, url: &str, client: &reqwest::Client) -> Result<(), PeerUrlError> {
        self.bind(actor, Some(Carrier::remote(url, client)?));
        Ok(())
    }

    /// Lets go of all: actors hold peers and peers hold actors.
    pub(crate) fn unbind(&self) {
        for actor in Actor::ALL {
            self.bind(actor, None);
        }
    }

    fn bind(&self, actor: Actor, carrier: Option<Carrier>) {
        *self.targets[&actor].carrier.write().unwrap_or_else(PoisonError::into_inner) = carrier;
    }
}

/// Another actor. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    target: Arc<Target>,
}

impl Peer {
    /// Reads something; `path` comes after `/api/v1/<actor>`. Cancel safe.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, as_: &Identity) -> Result<T, PeerError> {
        self.call(Method::GET, path, None, Bytes::new(), as_).await
    }

    /// Has something done, once for each `key` however often it is asked. Cancel safe in the same way.
    ///
    /// # Errors
    /// See [`PeerError`]. After [`PeerError::Unavailable`] it may have been done; the same call again tells.
    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &B,
        as_: &Identity,
    ) -> Result<T, PeerError> {
        let body = serde_json::to_vec(body).map_err(|error| PeerError::Garbled(error.to_string()))?;
        self.call(Method::POST, path, Some(key), body.into(), as_).await
    }

    /// Hands over a signed webhook: bytes that prove themselves, by their headers and without a token.
    ///
    /// # Errors
    /// See [`PeerError`]. Sent again, it is taken once: the receiver knows its id.
    pub(crate) async fn deliver(
        &self,
        path: &str,
        proof: &[(&'static str, String)],
        body: String,
    ) -> Result<(), PeerError> {
        let wrong = |_| PeerError::Garbled("a header cannot be written".to_owned());
        let mut headers = HeaderMap::with_capacity(proof.len() + 1);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in proof {
            headers.insert(*name, HeaderValue::try_from(value).map_err(wrong)?);
        }
        self.exchange(Method::POST, path, headers, body.into()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
        as_: &Identity,
    ) -> Result<T, PeerError> {
        let headers = self.target.headers(key, !body.is_empty(), as_)?;
        self.exchange(method, path, headers, body).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<T, PeerError> {
        let target = &self.target;
        target.breaker.permit().map_err(|wait| target.unavailable(&format!("failed lately; next try in {wait:?}")))?;
        let carrier = target.carrier.read().unwrap_or_else(PoisonError::into_inner).clone();
        let carrier = carrier.ok_or_else(|| target.unavailable("neither in this process nor given a url"))?;
        let path = format!("/api/v1/{}{path}", target.actor);
        let mut tries = 0;
        let answered = loop {
            tries += 1;
            match carrier.send(method.clone(), &path, headers.clone(), body.clone()).await {
                // Nothing was sent, or it is safe to send again: a POST has its key.
                Err(lost) if lost.again && tries < PEER_TRIES => {}
                answered => break answered,
            }
        };
        let outcome = match answered {
            Ok((status, body)) => read(target, status, &body),
            Err(lost) => Err(target.unavailable(&lost.reason)),
        };
        target.breaker.report(!matches!(outcome, Err(PeerError::Unavailable(_))));
        outcome
    }
}

impl Target {
    fn unavailable(&self, reason: &str) -> PeerError {
        PeerError::Unavailable(format!("{}: {reason}", self.actor))
    }

    fn headers(&self, key: Option<&str>, json: bool, as_: &Identity) -> Result<HeaderMap, PeerError> {
        let wrong = |_| PeerError::Garbled("a header cannot be written".to_owned());
        let token = self.authority.service_token(as_.from, self.actor, &as_.scopes, as_.on_behalf_of.as_deref());
        let token = token.map_err(|error| PeerError::Garbled(error.to_string()))?;
        let mut headers = HeaderMap::with_capacity(4);
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(wrong)?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if json {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = key {
            headers.insert(KEY_HEADER, HeaderValue::try_from(key).map_err(wrong)?);
        }
        Ok(headers)
    }
}

/// What an answer means to who asked.
fn read<T: DeserializeOwned>(target: &Target, status: StatusCode, body: &[u8]) -> Result<T, PeerError> {
    if status.is_success() {
        // No content reads as null, which is `()`.
        let body = if body.is_empty() { b"null" } else { body };
        return serde_json::from_slice(body).map_err(|error| PeerError::Garbled(format!("{}: {error}", target.actor)));
    }
    let problem = serde_json::from_slice::<Problem>(body);
    let again = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        || problem.as_ref().is_ok_and(|problem| problem.word() == Problem::key_in_flight("").word());
    match problem {
        _ if again => Err(target.unavailable(status.as_str())),
        Ok(problem) => Err(PeerError::Refused(problem)),
        Err(_) => Err(PeerError::Garbled(format!("{}: status {status} without a reason", target.actor))),
    }
}

/// How long the whole of one try may take.
pub(crate) fn client(ca: Option<&[u8]>, timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = ca {
        for certificate in reqwest::Certificate::from_pem_bundle(pem)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build()
}
