//! One group of a track.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fanout::{FetchRange, FetchSink, GroupAnswer, GroupLog, GroupSource, NoObserver, SinkError, serve_fetch};
use futures_util::stream;
use moqt::{FetchObjectHeader, GroupOrder, Location, StreamErrorCode};
use tokio::sync::mpsc;

use super::Edge;
use super::path::GroupPath;
use crate::downstream::TrackGroups;
use crate::limit;
use crate::relay::Context;

/// The payloads of one group's objects, in order. A group that is complete never changes and may be cached for ever.
pub(super) async fn group(State(edge): State<Edge>, uri: Uri) -> Response {
    let path = match GroupPath::parse(uri.path()) {
        Ok(path) => path,
        Err(reason) => return (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response(),
    };
    let answer = find(&edge.context, &path);
    match tokio::time::timeout(limit::SOURCE_WAIT + Duration::from_secs(1), answer).await {
        Ok(Some((source, group))) => respond(source, &group, path.group.is_some()),
        _ => (StatusCode::NOT_FOUND, format!("no such group of {}\n", path.track)).into_response(),
    }
}

async fn find(context: &Arc<Context>, path: &GroupPath) -> Option<(TrackGroups, Arc<GroupLog>)> {
    let viewing = context.open(&path.track, &[]).ok()?;
    let ready = viewing.ready().await.is_ok();
    let track = viewing.track.clone();
    let source = TrackGroups {
        context: context.clone(),
        name: path.track.clone(),
        track: ready.then(|| track.clone()),
        hops: Vec::new(),
        fill: None,
        misses: AtomicUsize::new(0),
    };
    let id = match path.group {
        Some(id) => id,
        None if !ready => return None,
        None => {
            let newest = track.log.wait_for(fanout::TrackLog::newest_group).await;
            let complete = track.log.groups_from(0).into_iter().rev().find(|group| group.is_complete());
            complete.unwrap_or(newest).id()
        }
    };
    match source.group(id, id).await {
        GroupAnswer::Found(group) if group.id() == id => Some((source, group)),
        _ => None,
    }
}

fn respond(source: TrackGroups, group: &GroupLog, by_id: bool) -> Response {
    let id = group.id();
    let mut headers = HeaderMap::new();
    let control = match by_id && group.is_complete() {
        true if source.context.access.is_private() => "private, max-age=31536000, immutable",
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    for (name, value) in [
        (header::CACHE_CONTROL, control.to_owned()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        (header::ETAG, format!("\"{id}\"")),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    let (sender, receiver) = mpsc::channel(limit::HTTP_CHUNKS);
    let whole = Location { group: id, object: 0 };
    let range = FetchRange { start: whole, end: whole, order: GroupOrder::Ascending, default_priority: 0 };
    let context = source.context.clone();
    // Ends with the response's body: the sink's writes fail once the client is gone.
    context.spawn(async move {
        if let Err(error) = serve_fetch(&source, range, BodySink { sender }, &NoObserver).await {
            tracing::debug!(%error, "group response ended early");
        }
    });
    let chunks = stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|chunk| (chunk, receiver)));
    (headers, Body::from_stream(chunks)).into_response()
}

/// Writes payloads into an HTTP response's body; headers of objects have no place there.
#[derive(Debug)]
struct BodySink {
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
}

impl FetchSink for BodySink {
    fn object(&mut self, _header: &FetchObjectHeader) -> Result<(), SinkError> {
        Ok(())
    }

    fn end_of_range(&mut self, _location: Location, _known: bool) -> Result<(), SinkError> {
        Ok(())
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), SinkError> {
        for chunk in chunks {
            self.sender.send(Ok(std::mem::take(chunk))).await.map_err(|_| SinkError::Gone)?;
        }
        Ok(())
    }

    async fn cancelled(&mut self) {
        self.sender.closed().await;
    }

    async fn finish(self) -> Result<(), SinkError> {
        Ok(())
    }

    fn reset(self, code: StreamErrorCode) {
        // An error instead of an end tells the client that the group is not whole.
        let _ = self.sender.try_send(Err(std::io::Error::other(format!("group ended early: {code:?}"))));
    }
}
