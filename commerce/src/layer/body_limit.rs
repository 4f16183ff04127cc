//! No body fills the memory.

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header;
use axum::response::Response;

use super::gate::Gate;
use crate::problem::Problem;

/// Refuses bodies that say they are too long, and has extractors stop reading those that do not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimitGate {
    longest: usize,
}

impl BodyLimitGate {
    /// So many bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Self { longest }
    }
}

impl Gate for BodyLimitGate {
    type Pass = ();

    fn enter(&self, request: &mut Request) -> Result<(), Problem> {
        let headers = request.headers();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.longest) {
            return Err(Problem::too_large(format!("at most {} bytes", self.longest)));
        }
        if !request.method().is_safe() {
            DefaultBodyLimit::max(self.longest).apply(request);
        }
        Ok(())
    }

    fn leave((): (), _: &mut Response) {}
}
