//! The HTTP edge: metrics, health, the certificate's hash, and plain GETs of groups so that curl can look inside.
//!
//! Served over TCP on localhost and, but for metrics and readiness, over HTTP/3 on the relay's UDP port.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use certs::CertificateStore;
use fanout::{FetchRange, FetchSink, GroupAnswer, GroupLog, GroupSource, NoObserver, SinkError, serve_fetch};
use futures_util::stream;
use moqt::{FetchObjectHeader, FullTrackName, GroupOrder, Location, Namespace, StreamErrorCode, TrackName};
use percent_encoding::percent_decode_str;
use process::Metrics;
use tokio::sync::mpsc;

use crate::downstream::TrackGroups;
use crate::limit;
use crate::metric;
use crate::relay::Context;

/// Everything a handler needs.
#[derive(Debug, Clone)]
struct Edge {
    context: Arc<Context>,
    certificates: Arc<CertificateStore>,
    metrics: Metrics,
}

/// The relay's paths: for everybody who reaches its UDP port, and those for its operator besides.
pub(crate) fn routes(context: Arc<Context>, certificates: Arc<CertificateStore>, metrics: Metrics) -> (Router, Router) {
    let edge = Edge { context, certificates, metrics };
    let public = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/certificate.sha256", get(certificate_hash))
        .route("/tracks/{*path}", get(group))
        .with_state(edge.clone());
    let operator = Router::new().route("/metrics", get(render_metrics)).route("/readyz", get(ready)).with_state(edge);
    (public.clone(), public.merge(operator))
}

async fn render_metrics(State(edge): State<Edge>) -> impl IntoResponse {
    metric::memory(edge.context.budget.used(), edge.context.budget.limit());
    edge.context.cache.report().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], edge.metrics.render())
}

/// Ready: not draining, and every configured upstream is connected.
async fn ready(State(edge): State<Edge>) -> Response {
    let unavailable = |reason: &'static str| (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
    if edge.context.drain.is_cancelled() {
        unavailable("draining\n")
    } else if !edge.context.router.upstreams_ready() {
        unavailable("an upstream is not connected\n")
    } else {
        "ready\n".into_response()
    }
}

/// SHA-256 of the certificate in service, hex, as `serverCertificateHashes` wants it; around a rotation further lines follow.
async fn certificate_hash(State(edge): State<Edge>) -> impl IntoResponse {
    let hashes: String = edge.certificates.hashes().iter().map(|hash| certs::hash_to_hex(hash) + "\n").collect();
    ([(header::CACHE_CONTROL, "no-cache"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], hashes)
}

/// What a path under `/tracks/` names: the namespace's fields, the track, and a group id or `latest`.
#[derive(Debug, PartialEq, Eq)]
struct GroupPath {
    track: FullTrackName,
    /// `None` = the newest complete group.
    group: Option<u64>,
}

impl GroupPath {
    /// Reads the raw path, so that `%2F` stays inside a field.
    fn parse(path: &str) -> Result<Self, &'static str> {
        let rest = path.strip_prefix("/tracks/").ok_or("path must begin with /tracks/")?;
        let mut parts: Vec<Bytes> =
            rest.split('/').map(|part| percent_decode_str(part).collect::<Vec<u8>>().into()).collect();
        let (Some(group), Some(name)) = (parts.pop(), parts.pop()) else {
            return Err("path must be /tracks/<namespace>/<track>/<group>");
        };
        let group = match &group[..] {
            b"latest" => None,
            digits => {
                let text = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                Some(text.ok_or("group must be a number or `latest`")?)
            }
        };
        let namespace = Namespace::new(parts).map_err(|_| "namespace is too long or has an empty field")?;
        let name = TrackName::new(name);
        let track = name.and_then(|name| FullTrackName::new(namespace, name)).map_err(|_| "track name is too long")?;
        Ok(Self { track, group })
    }
}

/// The payloads of one group's objects, in order. A group that is complete never changes and may be cached for ever.
async fn group(State(edge): State<Edge>, uri: Uri) -> Response {
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
    let control = if by_id && group.is_complete() { "public, max-age=31536000, immutable" } else { "no-cache" };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_fields_track_and_group() {
        let path = GroupPath::parse("/tracks/live/a%2Fb/video0/17").unwrap();
        let fields: Vec<_> = path.track.namespace.fields().iter().map(|field| field.to_vec()).collect();
        assert_eq!(fields, [b"live".to_vec(), b"a/b".to_vec()]);
        assert_eq!((&path.track.name.as_bytes()[..], path.group), (&b"video0"[..], Some(17)));
        assert_eq!(GroupPath::parse("/tracks/live/demo/video0/latest").unwrap().group, None);
    }

    #[test]
    fn wrong_paths_say_what_is_wrong() {
        assert!(GroupPath::parse("/tracks/x").unwrap_err().contains("<group>"));
        assert!(GroupPath::parse("/tracks/live/video0/newest").unwrap_err().contains("latest"));
        assert!(GroupPath::parse("/tracks/live//video0/1").unwrap_err().contains("empty field"));
    }

    #[tokio::test]
    async fn metrics_and_readiness_are_for_the_operator_alone() {
        let context = Context::new(crate::RelaySettings::default(), Vec::new()).unwrap();
        let (certificates, _) = CertificateStore::load(&certs::CertificateSettings::default()).unwrap();
        let (public, all) = routes(context, certificates, Metrics::install().unwrap());
        let status = async |router: &Router, path: &str| {
            let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
            tower::ServiceExt::oneshot(router.clone(), request).await.unwrap().status()
        };
        for path in ["/metrics", "/readyz"] {
            assert_eq!(status(&public, path).await, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(status(&all, path).await, StatusCode::OK, "{path}");
        }
        for path in ["/healthz", "/certificate.sha256"] {
            assert_eq!(status(&public, path).await, StatusCode::OK, "{path}");
        }
    }
}
