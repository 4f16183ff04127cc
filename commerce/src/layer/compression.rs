//! Gzip for clients that take it, where it pays.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use futures_util::future::{FutureExt, Map};
use tower::{Layer, Service};
use tower_http::compression::predicate::{And, DefaultPredicate, Predicate, SizeAbove};
use tower_http::compression::{Compression, CompressionBody, CompressionLevel};

use super::limit::COMPRESS_FROM;

/// Compresses bodies of some size; neither events, which are to arrive at once, nor files that are read in ranges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompressionLayer;

impl<S> Layer<S> for CompressionLayer {
    type Service = Compressed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let predicate = DefaultPredicate::new().and(SizeAbove::new(COMPRESS_FROM.into())).and(Whole);
        let inner = Compression::new(inner).quality(CompressionLevel::Fastest).compress_when(predicate);
        Compressed { inner }
    }
}

/// Answers that are not parts of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole;

impl Predicate for Whole {
    fn should_compress<B: http_body::Body>(&self, response: &http::Response<B>) -> bool {
        !response.headers().contains_key(header::ACCEPT_RANGES)
            && !response.headers().contains_key(header::CONTENT_RANGE)
    }
}

/// A service whose answers are compressed.
#[derive(Clone)]
pub(crate) struct Compressed<S> {
    inner: Compression<S, And<And<DefaultPredicate, SizeAbove>, Whole>>,
}

type Outcome<B> = Result<http::Response<B>, Infallible>;

impl<S> Service<Request> for Compressed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Map<
        <Compression<S, And<And<DefaultPredicate, SizeAbove>, Whole>> as Service<Request>>::Future,
        fn(Outcome<CompressionBody<Body>>) -> Outcome<Body>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let hide: fn(Outcome<CompressionBody<Body>>) -> Outcome<Body> = |outcome| Ok(outcome?.map(Body::new));
        self.inner.call(request).map(hide)
    }
}
