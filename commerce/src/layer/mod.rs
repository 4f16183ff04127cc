//! Middleware, one per file. What they are for and in which order they stand is told in [`stack`](crate::stack).
//!
//! Most of them only look at a request on its way in and at its answer on the way out: these are [`Gate`](gate::Gate)s, which
//! cost no allocation and no box. The few that wait or change bodies are services of their own.

mod auth;
mod body_limit;
mod compression;
mod gate;
mod hang_up;
mod idempotency;
mod limit;
mod load_shed;
mod metrics;
mod rate_limit;
mod request_id;
mod route;
mod slow;
mod streams;
mod timeout;
mod trace;

pub(crate) use self::metrics::MetricsGate;
pub(crate) use auth::AuthGate;
pub(crate) use body_limit::BodyLimitGate;
pub(crate) use compression::CompressionLayer;
pub(crate) use gate::Gated;
pub(crate) use hang_up::HangUpGate;
pub(crate) use idempotency::{IdempotencyGate, KeysInFlight};
pub(crate) use load_shed::{Inside, LoadShedGate};
pub(crate) use rate_limit::{RateLimitGate, RateLimits};
pub(crate) use request_id::RequestIdGate;
pub(crate) use route::{Routes, is_keyless};
pub(crate) use slow::SlowLayer;
pub(crate) use streams::StreamsGate;
pub(crate) use timeout::TimeoutLayer;
pub(crate) use trace::TraceLayer;
