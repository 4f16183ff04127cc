//! No caller takes what is there for all. The headers are those of draft-ietf-httpapi-ratelimit-headers.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::gate::Gate;
use super::limit::{CALLERS, FORGET_EVERY, SHARED_ALLOWANCES};
use super::load_shed::Inside;
use crate::auth::Caller;
use crate::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, DefaultClock, StateInformationMiddleware>;

/// What all callers have left, each for itself. Clones share it.
#[derive(Clone)]
pub(crate) struct RateLimits {
    /// None if callers are not limited.
    shared: Option<Arc<Shared>>,
}

struct Shared {
    limiter: Limiter,
    hasher: RandomState,
    seen: AtomicU64,
    /// More callers than are remembered: newcomers share allowances until some are forgotten.
    crowded: AtomicBool,
    policy: HeaderValue,
    burst: u32,
    per_second: u32,
}

impl std::fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let policy = self.shared.as_ref().map(|shared| &shared.policy);
        f.debug_struct("RateLimits").field("policy", &policy).finish()
    }
}

impl RateLimits {
    /// Each caller may make `burst` requests at once and gains `per_second`; zero of either sets no limit.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let limits = NonZeroU32::new(per_second).zip(NonZeroU32::new(burst));
        let shared = limits.and_then(|(per_second, burst)| {
            let quota = Quota::per_second(per_second).allow_burst(burst);
            let window = burst.get().div_ceil(per_second.get());
            let policy = HeaderValue::from_str(&format!("\"caller\";q={burst};w={window}")).ok()?;
            let limiter = RateLimiter::dashmap(quota).with_middleware();
            let (burst, per_second) = (burst.get(), per_second.get());
            let (hasher, seen, crowded) = (RandomState::new(), AtomicU64::new(0), AtomicBool::new(false));
            Some(Arc::new(Shared { limiter, hasher, seen, crowded, policy, burst, per_second }))
        });
        Self { shared }
    }
}

impl Shared {
    /// Whom the request counts for: the subject of its token, or where it comes from.
    fn key(&self, request: &Request) -> u64 {
        let key = match request.extensions().get::<Arc<Caller>>() {
            Some(caller) => self.hasher.hash_one(&caller.subject),
            None => {
                let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
                self.hasher.hash_one(peer.map(|ConnectInfo(peer)| network(peer.ip())))
            }
        };
        if self.crowded.load(Ordering::Relaxed) { key % SHARED_ALLOWANCES } else { key }
    }

    /// Forgets callers that have used nothing lately, now and then, so that memory does not grow with all that ever came.
    fn forget(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.crowded.store(self.limiter.len() > CALLERS, Ordering::Relaxed);
        }
    }
}

/// Whoever has an IPv6 address has at least 64 bits of them.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

/// Refuses callers that ask too often with 429. Our own actors are not limited: they ask for many.
#[derive(Debug, Clone)]
pub(crate) struct RateLimitGate {
    limits: RateLimits,
}

impl RateLimitGate {
    /// These limits.
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self { limits }
    }
}

/// What the caller is told: what is left, and when all of it is back.
type Left = Option<(HeaderValue, HeaderValue)>;

impl Gate for RateLimitGate {
    type Pass = Left;

    fn enter(&self, request: &mut Request) -> Result<Left, Problem> {
        let Some(shared) = &self.limits.shared else { return Ok(None) };
        let service = request.extensions().get::<Arc<Caller>>().is_some_and(|caller| caller.is_service());
        if service || request.extensions().get::<Inside>().is_some() {
            return Ok(None);
        }
        shared.forget();
        match shared.limiter.check_key(&shared.key(request)) {
            Ok(state) => Ok(shared.headers(state.remaining_burst_capacity())),
            Err(refusal) => {
                let wait = refusal.wait_time_from(shared.limiter.clock().now());
                Err(Problem::too_many("slow down").retry_after(wait.max(Duration::from_secs(1))))
            }
        }
    }

    fn leave(left: Left, response: &mut Response) {
        if let Some((policy, limit)) = left {
            response.headers_mut().insert(POLICY, policy);
            response.headers_mut().insert(LIMIT, limit);
        }
    }
}

impl Shared {
    fn headers(&self, left: u32) -> Left {
        let whole = (self.burst - left.min(self.burst)).div_ceil(self.per_second);
        let limit =
            HeaderValue::from_maybe_shared(bytes::Bytes::from(format!("\"caller\";r={left};t={whole}"))).ok()?;
        Some((self.policy.clone(), limit))
    }
}
