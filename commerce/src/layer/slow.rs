//! The fault `shop.slow`.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures_util::future::{BoxFuture, Either, FutureExt};
use tower::{Layer, Service, ServiceExt};

use crate::fault::Faults;

const FAULT: &str = "shop.slow";

/// Holds requests up while the fault is set; costs nothing otherwise.
#[derive(Debug, Clone)]
pub(crate) struct SlowLayer<S = ()> {
    faults: Faults,
    inner: S,
}

impl SlowLayer {
    /// As these faults say.
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, inner: () }
    }
}

impl<S> Layer<S> for SlowLayer {
    type Service = SlowLayer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SlowLayer { faults: self.faults.clone(), inner }
    }
}

impl<S> Service<Request> for SlowLayer<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if !self.faults.are_armed() {
            return Either::Left(self.inner.call(request));
        }
        let (faults, inner) = (self.faults.clone(), self.inner.clone());
        let later = async move {
            faults.delay(FAULT).await;
            inner.oneshot(request).await
        };
        Either::Right(later.boxed())
    }
}
