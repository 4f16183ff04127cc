//! Every POST carries a key, and no two requests with the same key are worked on at once. That a key is used once is the
//! store's to see to, in the transaction of the work; this keeps repeats from piling up behind a slow first one.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use super::gate::Gate;
use super::limit::COME_BACK;
use super::route::Routes;
use crate::auth::Caller;
use crate::http::{MISSING, key_of};
use crate::problem::Problem;

/// Keys of requests under way in this process: no more than there are places for requests. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeysInFlight {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    hasher: RandomState,
    /// Hashes of route, owner and key. Two that meet by chance only make one of them wait.
    keys: Mutex<HashSet<u64>>,
}

/// Refuses POSTs without a key, and those whose key is being worked on.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyGate {
    routes: Arc<Routes>,
    keys: KeysInFlight,
}

impl IdempotencyGate {
    /// For requests to these routes.
    pub(crate) fn new(routes: Arc<Routes>, keys: KeysInFlight) -> Self {
        Self { routes, keys }
    }
}

/// A key under way, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    shared: Arc<Shared>,
    hash: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

impl Gate for IdempotencyGate {
    type Pass = Option<Held>;

    fn enter(&self, request: &mut Request) -> Result<Option<Held>, Problem> {
        if request.method() != Method::POST || self.routes.find(request).keyless {
            return Ok(None);
        }
        let key = key_of(request.headers())?.ok_or_else(|| Problem::key_missing(MISSING))?;
        let owner = request.extensions().get::<Arc<Caller>>().map(|caller| (&caller.subject, &caller.actor));
        let shared = &self.keys.shared;
        let hash = shared.hasher.hash_one((self.routes.actor(), owner, key));
        if !shared.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(hash) {
            return Err(Problem::key_in_flight("ask again in a moment").retry_after(COME_BACK));
        }
        Ok(Some(Held { shared: Arc::clone(shared), hash }))
    }

    fn leave(held: Option<Held>, _: &mut Response) {
        drop(held);
    }
}
