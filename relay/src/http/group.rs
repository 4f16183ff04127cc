//! One group of a track.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use access::Want;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fanout::{
    FetchFailure, FetchRange, FetchSink, GroupAnswer, GroupLog, GroupSource, NoObserver, SinkError, TrackLog,
    serve_fetch,
};
use moqt::{FetchObjectHeader, FullTrackName, Location, Properties, StreamErrorCode};
use tokio::time::{Instant, timeout};

use super::body::{BodySink, Framing, One, body, whole};
use super::track::{content_type, refuse};
use super::{Edge, NO_CACHE, tag};
use crate::downstream::TrackGroups;
use crate::limit;
use crate::relay::Context;
use crate::track::Track;

/// A group that is complete never changes and may be kept for ever.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The same where not everybody may have it.
const PRIVATE: &str = "private, max-age=31536000, immutable";

/// The payloads of one group's objects, in order.
///
/// `None` is the newest complete group; if none is known to be complete, what is here of the newest one. An incomplete group
/// asked for by its id is followed to its end, or until nothing has come of it for [`limit::HTTP_GROUP_QUIET`].
pub(super) async fn serve(
    edge: &Edge,
    name: &FullTrackName,
    id: Option<u64>,
    headers: &HeaderMap,
    head_only: bool,
) -> Response {
    let Some(found) = find(&edge.context, name, id).await else {
        let what = id.map_or_else(|| "no group yet".to_owned(), |id| format!("no group {id}"));
        return refuse(StatusCode::NOT_FOUND, &format!("{what} of {name}"));
    };
    let complete = found.group.is_complete();
    let range = if complete || id.is_some() { whole(found.group.id(), 0) } else { snapshot(&found.group) };
    let control = match complete && id.is_some() {
        true if edge.context.access.is_private(&Want::Fetch(name.clone())) => PRIVATE,
        true => IMMUTABLE,
        false => NO_CACHE,
    };
    let mut answer = HeaderMap::new();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    answer.insert(header::CONTENT_TYPE, content_type(&found.properties));
    if let Some(tag) = tag::of(&found.group, range) {
        let known = tag::matches(headers, &tag);
        answer.insert(header::ETAG, tag);
        if known {
            return (StatusCode::NOT_MODIFIED, answer).into_response();
        }
    }
    if head_only {
        return (answer, Body::empty()).into_response();
    }
    let (sender, body) = body();
    let Found { source, group, .. } = found;
    let context = source.context.clone();
    // Ends with the response's body: the sink's writes fail once the client is gone.
    context.spawn(async move {
        let mut sink = BodySink::new(sender, Framing::Payloads);
        let patient = PatientSink { sink: &mut sink, until: Instant::now() + limit::HTTP_GROUP_QUIET };
        match serve_fetch(&One(group), range, patient, &NoObserver).await {
            Ok(()) => {}
            Err(FetchFailure::Sink(SinkError::Stopped)) if sink.between_objects() => {}
            Err(error) => {
                tracing::debug!(track = %source.name, %error, "group response ended early");
                sink.fail("group ended early");
            }
        }
    });
    (answer, body).into_response()
}

/// The part of a group that is here now, to the last object that is whole; at least its first object.
fn snapshot(group: &GroupLog) -> FetchRange {
    let last = group.largest_whole_object().or_else(|| group.largest_object()).unwrap_or_default();
    let end = Location { group: group.id(), object: last.saturating_add(1) };
    FetchRange { end, ..whole(group.id(), 0) }
}

struct Found {
    source: TrackGroups,
    group: Arc<GroupLog>,
    properties: Properties,
}

async fn find(context: &Arc<Context>, name: &FullTrackName, id: Option<u64>) -> Option<Found> {
    let viewing = context.open(name, &[]).ok()?;
    let patience = limit::SOURCE_WAIT + Duration::from_secs(1);
    let properties = timeout(patience, viewing.ready()).await.ok()?.ok();
    let track = viewing.track.clone();
    let source = TrackGroups {
        context: context.clone(),
        name: name.clone(),
        track: properties.is_some().then(|| track.clone()),
        hops: Vec::new(),
        fill: None,
        misses: AtomicUsize::new(0),
    };
    let found = async {
        match id {
            Some(id) => by_id(&source, id).await,
            None if properties.is_none() => None,
            None => Some(latest(&track).await),
        }
    };
    let group = timeout(limit::HEAD_WAIT + Duration::from_secs(1), found).await.ok()??;
    Some(Found { source, group, properties: properties.unwrap_or_default() })
}

/// The newest complete group, or the newest one with what the joining FETCH brings of it.
async fn latest(track: &Track) -> Arc<GroupLog> {
    let head = async {
        if let Some(told) = track.largest() {
            track.log.head_settled(told.group).await;
        }
    };
    // One that takes longer is served as far as it has come.
    let _ = timeout(limit::HEAD_WAIT, head).await;
    let newest = track.log.wait_for(TrackLog::newest_group).await;
    track.log.groups_from(0).into_iter().rev().find(|group| group.is_complete()).unwrap_or(newest)
}

async fn by_id(source: &TrackGroups, id: u64) -> Option<Arc<GroupLog>> {
    let GroupAnswer::Found(group) = source.group(id, id).await else { return None };
    if group.id() == id { Some(source.settled(group).await) } else { None }
}

/// A body that ends when nothing has come for a while.
struct PatientSink<'a> {
    sink: &'a mut BodySink,
    until: Instant,
}

impl FetchSink for PatientSink<'_> {
    fn object(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError> {
        (&mut *self.sink).object(header)
    }

    fn end_of_range(&mut self, location: Location, known: bool) -> Result<(), SinkError> {
        (&mut *self.sink).end_of_range(location, known)
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), SinkError> {
        let written = (&mut *self.sink).write(chunks).await;
        self.until = Instant::now() + limit::HTTP_GROUP_QUIET;
        written
    }

    async fn cancelled(&mut self) {
        tokio::select! {
            () = self.sink.sender.closed() => {}
            () = tokio::time::sleep_until(self.until) => {}
        }
    }

    async fn finish(self) -> Result<(), SinkError> {
        Ok(())
    }

    // Who made the sink says what becomes of the body.
    fn reset(self, _code: StreamErrorCode) {}
}
