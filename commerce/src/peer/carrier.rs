//! What carries a call: this process's own memory, or HTTP.

use std::fmt;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use tower::ServiceExt;

use super::limit::{PEER_ANSWER, PEER_TIMEOUT};
use crate::layer::Inside;

/// A URL in the settings that leads to no peer.
#[derive(Debug, thiserror::Error)]
#[error("`{url}`: {reason}")]
pub struct PeerUrlError {
    /// What was given.
    pub url: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The way to a peer.
#[derive(Clone)]
pub(super) enum Carrier {
    /// In this process.
    Here(Router),
    /// Behind a URL, without a slash at its end.
    Remote { client: reqwest::Client, base: String },
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::Remote { base, .. } => f.debug_tuple("Remote").field(base).finish(),
        }
    }
}

/// No answer came.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) reason: String,
    /// Whether another try at once may meet a better connection.
    pub(super) again: bool,
}

impl Carrier {
    pub(super) fn remote(url: &str, client: &reqwest::Client) -> Result<Self, PeerUrlError> {
        let wrong = |reason: &str| PeerUrlError { url: url.to_owned(), reason: reason.to_owned() };
        let parsed = reqwest::Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong("must be http:// or https://, a host, and perhaps a path"));
        }
        Ok(Self::Remote { client: client.clone(), base: parsed.as_str().trim_end_matches('/').to_owned() })
    }

    /// One try.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Lost> {
        match self {
            Self::Here(router) => {
                let late = |_| Lost { reason: format!("no answer in {PEER_TIMEOUT:?}"), again: false };
                let call = call_here(router.clone(), method, path, headers, body);
                tokio::time::timeout(PEER_TIMEOUT, Box::pin(call)).await.map_err(late)?
            }
            Self::Remote { client, base } => call_remote(client, method, format!("{base}{path}"), headers, body).await,
        }
    }
}

async fn call_here(
    router: Router,
    method: Method,
    path: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Lost> {
    let wrong = |reason: String| Lost { reason, again: false };
    let mut request = Request::builder().method(method).uri(path);
    if let Some(all) = request.headers_mut() {
        *all = headers;
    }
    let request = request.extension(Inside).body(Body::from(body)).map_err(|error| wrong(error.to_string()))?;
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, PEER_ANSWER).collect().await.map_err(|error| wrong(error.to_string()))?;
    Ok((parts.status, body.to_bytes()))
}

async fn call_remote(
    client: &reqwest::Client,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Lost> {
    let lost = |error: reqwest::Error| {
        // The URL is in the settings, and a path may name somebody's order.
        let error = error.without_url();
        Lost { reason: error.to_string(), again: error.is_connect() || error.is_request() && !error.is_timeout() }
    };
    let response = client.request(method, url).headers(headers).body(body).send().await.map_err(lost)?;
    let status = response.status();
    let body = Limited::new(reqwest::Body::from(response), PEER_ANSWER);
    let body = body.collect().await.map_err(|error| Lost { reason: error.to_string(), again: false })?;
    Ok((status, body.to_bytes()))
}
