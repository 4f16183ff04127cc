//! No request waits for ever.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::{FutureExt, Map};
use tokio::time::Timeout;
use tokio::time::error::Elapsed;
use tower::{Layer, Service};

use super::limit::COME_BACK;
use crate::problem::Problem;

/// Gives up on answers whose head is not there in time. Bodies may take as long as they do: streams of events and exports are
/// bounded by the patience of who reads them.
#[derive(Debug, Clone)]
pub(crate) struct TimeoutLayer<S = ()> {
    longest: Duration,
    inner: S,
}

impl TimeoutLayer {
    /// So long.
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, inner: () }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutLayer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutLayer { longest: self.longest, inner }
    }
}

type Outcome = Result<Response, Infallible>;

impl<S> Service<Request> for TimeoutLayer<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Map<Timeout<S::Future>, fn(Result<Outcome, Elapsed>) -> Outcome>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let judge: fn(Result<Outcome, Elapsed>) -> Outcome = judge;
        tokio::time::timeout(self.longest, self.inner.call(request)).map(judge)
    }
}

fn judge(outcome: Result<Outcome, Elapsed>) -> Outcome {
    outcome.unwrap_or_else(|_| {
        let problem = Problem::too_slow("send it again with the same Idempotency-Key: it may have been done");
        Ok(problem.retry_after(COME_BACK).into_response())
    })
}
