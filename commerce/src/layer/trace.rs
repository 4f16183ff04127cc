//! A span around each request, with its name, method and route: no path, query or header, which may hold personal data.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures_util::future::{FutureExt, Map};
use tower::{Layer, Service};
use tracing::Instrument;
use tracing::instrument::Instrumented;

use super::request_id::REQUEST_ID;
use super::route::Routes;

/// Puts a span (level debug) around requests.
#[derive(Debug, Clone)]
pub(crate) struct TraceLayer<S = ()> {
    routes: Arc<Routes>,
    inner: S,
}

impl TraceLayer {
    /// For requests to these routes.
    pub(crate) fn new(routes: Arc<Routes>) -> Self {
        Self { routes, inner: () }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = TraceLayer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceLayer { routes: Arc::clone(&self.routes), inner }
    }
}

type Outcome = Result<Response, Infallible>;

impl<S> Service<Request> for TraceLayer<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Instrumented<Map<S::Future, fn(Outcome) -> Outcome>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let span = tracing::debug_span!(
            "request",
            actor = self.routes.actor(),
            id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()),
            method = %request.method(),
            route = self.routes.find(&request).template,
        );
        let report: fn(Outcome) -> Outcome = report;
        self.inner.call(request).map(report).instrument(span)
    }
}

fn report(outcome: Outcome) -> Outcome {
    let Ok(response) = outcome;
    tracing::debug!(status = response.status().as_u16(), "answered");
    Ok(response)
}
