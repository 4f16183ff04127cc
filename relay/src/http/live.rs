//! Bodies without end: a track from its newest group on, as payloads or as a FETCH stream.
//!
//! A reader gets every group from its first object to its end. One that is further behind than the slow-viewer policy allows
//! when a group ends goes on with the newest one; in the middle of a group nothing is ever left out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use fanout::{
    FetchFailure, FetchSink, GroupAnswer, GroupLog, GroupSource, ServeObserver, SinkError, TrackLog, serve_fetch,
};
use moqt::{
    Encode, FetchEncoder, FetchObjectHeader, FullTrackName, GroupOrder, Location, RequestId, StreamErrorCode,
    UniStreamHeader, Version,
};
use tokio_util::sync::CancellationToken;

use super::body::{BodySink, Framing, One, body, whole};
use super::track::{Opened, content_type, prologue, refuse, refused};
use super::{Edge, NO_STORE};
use crate::metric::{self, LiveGauge};
use crate::relay::Context;
use crate::settings::SlowViewerSettings;

/// A FETCH stream's bytes over HTTP.
const OBJECTS: HeaderValue = HeaderValue::from_static("application/vnd.efir.objects");

/// How a track is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// What a reader needs first, then payloads.
    Payloads,
    /// A FETCH stream from its header on.
    Objects,
}

/// Answers with a track from its newest group's first object on.
pub(super) async fn serve(edge: &Edge, name: &FullTrackName, form: Form, head_only: bool) -> Response {
    let Ok(place) = edge.live.clone().try_acquire_owned() else {
        metric::http_live_refused();
        let full = refuse(StatusCode::SERVICE_UNAVAILABLE, "too many readers of live tracks; try again");
        return ([(header::RETRY_AFTER, "5")], full).into_response();
    };
    let opened = match Opened::new(&edge.context, name).await {
        Ok(opened) => opened,
        Err(refusal) => return refused(&refusal),
    };
    if edge.context.drain.is_cancelled() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "this server is leaving");
    }
    let (framing, first, kind) = match form {
        Form::Payloads => (Framing::Payloads, prologue(&opened.properties), content_type(&opened.properties)),
        Form::Objects => {
            let encoder = FetchEncoder::new(Version::Draft18, GroupOrder::Ascending);
            (Framing::Objects(encoder), Some(stream_header()), OBJECTS)
        }
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE))];
    if head_only {
        return (headers, Body::empty()).into_response();
    }
    let (sender, body) = body();
    let reader = Reader {
        context: edge.context.clone(),
        log: opened.viewing.track.log.clone(),
        opened,
        sink: BodySink::new(sender, framing),
        drain: edge.context.drain.clone(),
    };
    // Ends with the response's body: the sink's writes fail once the client is gone.
    edge.context.spawn(async move {
        let _gauge = LiveGauge::http_live();
        reader.run(first).await;
        drop(place);
    });
    (headers, body).into_response()
}

fn stream_header() -> Bytes {
    let mut out = BytesMut::new();
    let encoded = UniStreamHeader::Fetch { request_id: RequestId(0) }.encode(&mut out, Version::Draft18);
    debug_assert!(encoded.is_ok(), "a request id of 0 has a form in every draft");
    out.freeze()
}

/// One client's reading of one track.
struct Reader {
    context: Arc<Context>,
    /// Holds the upstream subscription open.
    opened: Opened,
    log: TrackLog,
    sink: BodySink,
    drain: CancellationToken,
}

/// How the writing of one group ended.
enum Written {
    /// Whatever of it there is was written; another group may follow.
    Group,
    /// The track, the relay or the client's patience ended between two objects.
    End,
    /// Something is missing that cannot be left out.
    Broken(&'static str),
}

impl Reader {
    async fn run(mut self, first: Option<Bytes>) {
        if let Some(first) = first
            && self.sink.raw(first).await.is_err()
        {
            return;
        }
        let mut last = None;
        while let Some(group) = self.next(last).await {
            last = Some(group.id());
            match self.write(group).await {
                Written::Group => {}
                Written::End => return,
                Written::Broken(reason) => {
                    tracing::debug!(track = %self.opened.viewing.track.name, reason, "live response broken off");
                    return self.sink.fail(reason);
                }
            }
        }
    }

    /// The group that follows `last`; the newest one if there is none or the reader is too slow. `None`: there is no more to
    /// come, or nobody to read it.
    async fn next(&mut self, last: Option<u64>) -> Option<Arc<GroupLog>> {
        let Self { context, log, opened, sink, drain } = self;
        let next = async {
            match last {
                None => first_group(context, opened).await,
                Some(last) => following(log, last).await,
            }
        };
        let groups = tokio::select! {
            biased;
            () = sink.sender.closed() => return None,
            () = drain.cancelled() => return None,
            groups = next => groups,
        };
        let policy = &context.settings.slow_viewer;
        let chosen = if last.is_some() && is_late(&groups, policy) { groups.last() } else { groups.first() }?;
        if let Some(last) = last
            && chosen.id() != last.saturating_add(1)
        {
            if groups.first().is_some_and(|first| first.id() != chosen.id()) {
                metric::http_skip();
            }
            // Groups that are not here are not said to be missing.
            let before = Location { group: chosen.id().saturating_sub(1), object: LAST_OBJECT };
            FetchSink::end_of_range(&mut &mut *sink, before, false).ok()?;
        }
        Some(chosen.clone())
    }

    async fn write(&mut self, group: Arc<GroupLog>) -> Written {
        let priority = self.opened.properties.default_publisher_priority();
        let mut sink = LiveSink {
            sink: &mut self.sink,
            log: &self.log,
            drain: &self.drain,
            policy: &self.context.settings.slow_viewer,
            group: group.id(),
        };
        let range = whole(group.id(), priority);
        let failure = match serve_fetch(&One(group), range, &mut sink, &Observer).await {
            Ok(()) => return Written::Group,
            Err(failure) => failure,
        };
        match failure {
            FetchFailure::Sink(SinkError::Gone) => Written::Broken("the client does not read"),
            _ if self.sink.sender.is_closed() => Written::End,
            FetchFailure::Sink(SinkError::Stopped) if !self.sink.between_objects() => {
                Written::Broken("the rest of an object did not come")
            }
            FetchFailure::Sink(SinkError::Stopped) if self.drain.is_cancelled() => Written::End,
            FetchFailure::Sink(SinkError::Stopped) => Written::Group,
            FetchFailure::Interrupted => Written::Broken("an object was interrupted upstream"),
            FetchFailure::Malformed => Written::Broken("what was published contradicts itself"),
            FetchFailure::TooManySteps => Written::Broken("the group is too fragmented"),
        }
    }
}

/// The largest object id that every draft can express.
const LAST_OBJECT: u64 = (1 << 62) - 1;

/// The newest group, from its first object on, as soon as there is one.
async fn first_group(context: &Arc<Context>, opened: &Opened) -> Vec<Arc<GroupLog>> {
    let track = &opened.viewing.track;
    let newest = |log: &TrackLog| {
        let largest = track.largest().map(|largest| largest.group);
        largest.map(Some).or_else(|| log.ended().map(|_| None))
    };
    let Some(id) = track.log.wait_for(newest).await else { return Vec::new() };
    match opened.groups(context).group(id, id).await {
        GroupAnswer::Found(group) => vec![group],
        // Its beginning is not to be had: the next one is.
        _ => following(&track.log, id).await,
    }
}

/// The groups after `last` that are here, oldest first; none once the track has ended.
async fn following(log: &TrackLog, last: u64) -> Vec<Arc<GroupLog>> {
    let later = |log: &TrackLog| {
        let groups = log.groups_from(last.saturating_add(1));
        (!groups.is_empty() || log.ended().is_some()).then_some(groups)
    };
    log.wait_for(later).await
}

/// Whether a reader that is about to begin the first of these groups is further behind the last than viewers may be.
fn is_late(groups: &[Arc<GroupLog>], policy: &SlowViewerSettings) -> bool {
    let superseded = groups.get(1).map(|next| next.received());
    groups.len() > policy.groups
        || superseded.is_some_and(|at| at.elapsed() > Duration::from_millis(policy.milliseconds))
}

/// Counts what is sent over HTTP like what sessions are sent.
struct Observer;

impl ServeObserver for Observer {
    fn sent(&self, objects: u64, bytes: u64) {
        metric::sent(objects, bytes);
    }
}

/// The body as one group's writer sees it: it is over as well when the relay drains, and when the group does not go on while
/// newer ones come.
struct LiveSink<'a> {
    sink: &'a mut BodySink,
    log: &'a TrackLog,
    drain: &'a CancellationToken,
    policy: &'a SlowViewerSettings,
    group: u64,
}

impl FetchSink for &mut LiveSink<'_> {
    fn object(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError> {
        if self.drain.is_cancelled() {
            return Err(SinkError::Stopped);
        }
        (&mut *self.sink).object(header)
    }

    fn end_of_range(&mut self, location: Location, known: bool) -> Result<(), SinkError> {
        (&mut *self.sink).end_of_range(location, known)
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), SinkError> {
        (&mut *self.sink).write(chunks).await
    }

    async fn cancelled(&mut self) {
        let between = self.sink.between_objects();
        tokio::select! {
            () = self.sink.sender.closed() => {}
            () = self.drain.cancelled(), if between => {}
            () = overtaken(self.log, self.group, self.policy), if between => {}
        }
    }

    async fn finish(self) -> Result<(), SinkError> {
        Ok(())
    }

    // The reader decides what becomes of the body.
    fn reset(self, _code: StreamErrorCode) {}
}

/// Waits until newer groups have been here for longer than viewers wait.
async fn overtaken(log: &TrackLog, group: u64, policy: &SlowViewerSettings) {
    let newer = |log: &TrackLog| log.groups_from(group.saturating_add(1));
    let next = log.wait_for(|log| newer(log).first().cloned()).await;
    let patience = Duration::from_millis(policy.milliseconds).saturating_sub(next.received().elapsed());
    let crowded = log.wait_for(|log| (newer(log).len() > policy.groups).then_some(()));
    tokio::select! {
        () = tokio::time::sleep(patience) => {}
        () = crowded => {}
    }
}
