//! A name for each request, in its answer and in the logs.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use super::gate::Gate;
use super::limit::REQUEST_ID_BYTES;
use crate::problem::Problem;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Keeps the `X-Request-Id` that came with a request, or makes one.
#[derive(Debug, Clone)]
pub(crate) struct RequestIdGate {
    /// Differs between processes, so that ids do.
    prefix: u32,
    next: Arc<AtomicU64>,
}

impl RequestIdGate {
    /// Starts to count.
    pub(crate) fn new() -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        Self { prefix: random as u32, next: Arc::default() }
    }

    fn make(&self) -> Option<HeaderValue> {
        let mut text = String::with_capacity(25);
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        write!(text, "{:08x}-{count:x}", self.prefix).ok()?;
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
    }
}

impl Gate for RequestIdGate {
    type Pass = Option<HeaderValue>;

    fn enter(&self, request: &mut Request) -> Result<Self::Pass, Problem> {
        let given = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned();
        let id = given.or_else(|| self.make());
        if let Some(id) = &id {
            request.headers_mut().insert(REQUEST_ID, id.clone());
        }
        Ok(id)
    }

    fn leave(pass: Self::Pass, response: &mut Response) {
        if let Some(id) = pass {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }
}

/// It goes to the log as it is.
fn is_plain(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=REQUEST_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(plain)
}
