//! Middleware that looks at requests and answers but does not wait.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::problem::Problem;

/// Lets requests in or refuses them, and sees the answers of those it let in.
pub(crate) trait Gate {
    /// What it keeps while the request is worked on; dropped with the request if nobody waits for the answer any more.
    type Pass;

    /// Looks at a request and may change it.
    ///
    /// # Errors
    /// The request goes no further.
    fn enter(&self, request: &mut Request) -> Result<Self::Pass, Problem>;

    /// Looks at the answer and may change it.
    fn leave(pass: Self::Pass, response: &mut Response);
}

/// A gate before a service; before there is one, the layer that puts it there.
#[derive(Debug, Clone)]
pub(crate) struct Gated<G, S = ()> {
    gate: G,
    inner: S,
}

impl<G> Gated<G> {
    /// The layer of a gate.
    pub(crate) fn by(gate: G) -> Self {
        Self { gate, inner: () }
    }
}

impl<G: Clone, S> Layer<S> for Gated<G> {
    type Service = Gated<G, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated { gate: self.gate.clone(), inner }
    }
}

impl<G, S> Service<Request> for Gated<G, S>
where
    G: Gate,
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Passage<G, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.gate.enter(&mut request) {
            Ok(pass) => Passage::Admitted { future: self.inner.call(request), pass: Some(pass) },
            Err(problem) => Passage::Refused { response: Some(problem.into_response()) },
        }
    }
}

pin_project! {
    /// A request on its way through a gate.
    #[project = Way]
    pub(crate) enum Passage<G: Gate, F> {
        Admitted { #[pin] future: F, pass: Option<G::Pass> },
        Refused { response: Option<Response> },
    }
}

impl<G, F> Future for Passage<G, F>
where
    G: Gate,
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Way::Admitted { future, pass } => {
                let Ok(mut response) = ready!(future.poll(cx));
                if let Some(pass) = pass.take() {
                    G::leave(pass, &mut response);
                }
                Poll::Ready(Ok(response))
            }
            Way::Refused { response } => Poll::Ready(Ok(response.take().unwrap_or_default())),
        }
    }
}
