//! How many requests, with which answers, how fast.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use tokio::time::Instant;

use super::gate::Gate;
use super::route::{Route, Routes};
use crate::problem::Problem;

/// Counts `efir_commerce_requests_total` and measures `efir_commerce_request_seconds` until the head of the answer. A request
/// that nobody waits for any more counts nowhere.
#[derive(Debug, Clone)]
pub(crate) struct MetricsGate {
    routes: Arc<Routes>,
}

impl MetricsGate {
    /// For requests to these routes.
    pub(crate) fn new(routes: Arc<Routes>) -> Self {
        Self { routes }
    }
}

impl Gate for MetricsGate {
    type Pass = (Instant, Arc<Route>);

    fn enter(&self, request: &mut Request) -> Result<Self::Pass, Problem> {
        Ok((Instant::now(), Arc::clone(self.routes.find(request))))
    }

    fn leave((start, route): Self::Pass, response: &mut Response) {
        route.seconds.record(start.elapsed().as_secs_f64());
        route.count(response.status());
    }
}
