//! The middleware before every actor, from the outside in.
//!
//! It is put around each route after routing, so that every layer knows the route's template. An actor's routes with this
//! stack are the `tower::Service` that it is: strangers reach it over HTTP, other actors in this process call it directly.

use std::sync::Arc;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::actor::Actor;
use crate::auth::Authority;
use crate::fault::Faults;
use crate::http::Streams;
use crate::layer::{
    AuthGate, BodyLimitGate, CompressionLayer, Gated, HangUpGate, IdempotencyGate, KeysInFlight, LoadShedGate,
    MetricsGate, RateLimitGate, RateLimits, RequestIdGate, Routes, SlowLayer, StreamsGate, TimeoutLayer, TraceLayer,
};
use crate::problem::Problem;
use crate::settings::LimitSettings;

/// What the stacks of all actors share: bounds count for the process, not for each of them.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    authority: Authority,
    faults: Faults,
    streams: Streams,
    limit: LimitSettings,
    ids: RequestIdGate,
    load: LoadShedGate,
    rates: RateLimits,
    keys: KeysInFlight,
}

impl Edge {
    /// The edge of a process.
    pub(crate) fn new(authority: Authority, faults: Faults, streams: Streams, limit: LimitSettings) -> Self {
        let load = LoadShedGate::new(limit.in_flight);
        let rates = RateLimits::new(limit.rate, limit.burst);
        Self {
            authority,
            faults,
            streams,
            limit,
            ids: RequestIdGate::new(),
            load,
            rates,
            keys: KeysInFlight::default(),
        }
    }

    /// Routes with the stack around them, under `prefix`, and their description. With `actor` the routes are that actor's,
    /// otherwise those of the process.
    pub(crate) fn wrap(&self, prefix: &str, actor: Option<Actor>, routes: OpenApiRouter) -> (Router, OpenApi) {
        let (router, api) = OpenApiRouter::new().nest(prefix, routes).split_for_parts();
        let routes = Arc::new(Routes::of(actor.map_or("process", Actor::as_str), &api));
        let keyed = IdempotencyGate::new(Arc::clone(&routes), self.keys.clone());
        let stack = (
            // A name for the request, in its answer and in the logs.
            Gated::by(self.ids.clone()),
            // A span with that name.
            TraceLayer::new(Arc::clone(&routes)),
            // Sees every answer, refusals of the layers below included.
            Gated::by(MetricsGate::new(routes)),
            // Whoever is turned away costs as little as can be.
            Gated::by(self.load.clone()),
            TimeoutLayer::new(self.limit.timeout()),
            Gated::by(HangUpGate),
            Gated::by(BodyLimitGate::new(self.limit.body_bytes)),
            CompressionLayer,
            // A fault of the shops, inside of the time limit as a slow shop would be.
            SlowLayer::new(if is_shop(actor) { self.faults.clone() } else { Faults::default() }),
            Gated::by(AuthGate::new(self.authority.clone(), actor)),
            // After the caller is known, who is limited by name rather than by address.
            Gated::by(RateLimitGate::new(self.rates.clone())),
            Gated::by(keyed),
            Gated::by(StreamsGate::new(self.streams.clone())),
        );
        let router = router.method_not_allowed_fallback(async || Problem::wrong_method("see Allow"));
        (router.layer(stack), api)
    }
}

fn is_shop(actor: Option<Actor>) -> bool {
    matches!(actor, Some(Actor::Pharmacy | Actor::Grocery | Actor::Furniture))
}
