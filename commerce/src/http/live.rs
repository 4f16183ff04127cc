//! Server-sent events: what happens to an order or a parcel, as it happens.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use process::Shutdown;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limit::{KEEP_ALIVE, RECONNECT};
use crate::problem::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Places for live streams in this process, and when they end. Clones share the places.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Streams {
    /// So many streams at a time, until shutdown begins.
    pub(crate) fn new(places: usize, shutdown: Shutdown) -> Self {
        Self { places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))), shutdown }
    }
}

/// A place for one live stream, as an extractor; 503 if all are taken.
#[derive(Debug)]
pub(crate) struct Live {
    /// The last entry that the client has seen, if it comes back.
    pub(crate) last: Option<i64>,
    place: OwnedSemaphorePermit,
    shutdown: Shutdown,
}

/// One entry of a live stream.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    /// Its place in the history: the client names the last one when it comes back.
    pub(crate) id: i64,
    /// What kind of entry.
    pub(crate) kind: String,
    /// What happened; sent as JSON.
    pub(crate) data: T,
}

impl<S: Sync> FromRequestParts<S> for Live {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let full = || Problem::overloaded("too many live streams").retry_after(RECONNECT);
        let Streams { places, shutdown } = parts.extensions.get::<Streams>().cloned().ok_or_else(full)?;
        let place = places.try_acquire_owned().map_err(|_| full())?;
        let last = parts.headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Self { last, place, shutdown })
    }
}

impl Live {
    /// Sends entries as they come, with signs of life between them, until the stream or the process ends.
    pub(crate) fn answer<T: Serialize>(self, entries: impl Stream<Item = Entry<T>> + Send + 'static) -> Response {
        let Self { place, shutdown, last: _ } = self;
        let first = futures_util::stream::once(async { Ok(Event::default().retry(RECONNECT)) });
        let events = entries.filter_map(move |entry| {
            // The place is given back when the stream is dropped.
            let _held = &place;
            std::future::ready(event(&entry).map(Ok::<_, Infallible>))
        });
        let events = first.chain(events).take_until(async move { shutdown.begun().await });
        let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn event<T: Serialize>(entry: &Entry<T>) -> Option<Event> {
    match Event::default().id(entry.id.to_string()).event(&entry.kind).json_data(&entry.data) {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::error!(%error, kind = entry.kind, "an event cannot be written as JSON");
            None
        }
    }
}
