//! Places for live streams, handed to the handlers that open them.

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use super::gate::Gate;
use crate::http::Streams;
use crate::problem::Problem;

/// Leaves the process's places for live streams where [`Live`](crate::http::Live) finds them.
#[derive(Debug, Clone)]
pub(crate) struct StreamsGate {
    streams: Streams,
}

impl StreamsGate {
    /// These places.
    pub(crate) fn new(streams: Streams) -> Self {
        Self { streams }
    }
}

impl Gate for StreamsGate {
    type Pass = ();

    fn enter(&self, request: &mut Request) -> Result<(), Problem> {
        if request.method() == Method::GET {
            request.extensions_mut().insert(self.streams.clone());
        }
        Ok(())
    }

    fn leave((): (), _: &mut Response) {}
}
