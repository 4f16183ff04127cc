//! Everything under `/tracks/`: finds the track, and says what its bytes are.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use moqt::{FullTrackName, Properties, property};

use super::path::{TrackPath, Wanted};
use super::{Edge, NO_CACHE, group, live};
use crate::downstream::TrackGroups;
use crate::limit;
use crate::relay::Context;
use crate::track::{Refusal, Viewing};

/// For tracks that do not say what they are, and those whose word a browser would act on.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What a publisher may say its track is. A page or a script among these would act in the name of this server.
const MEDIA: [&str; 2] = ["video/", "audio/"];
const DATA: [&str; 4] = ["application/json", "application/mp4", "text/plain", "text/vtt"];

/// Answers one request under `/tracks/`.
pub(super) async fn serve(State(edge): State<Edge>, method: Method, headers: HeaderMap, uri: Uri) -> Response {
    let path = match TrackPath::parse(uri.path()) {
        Ok(path) => path,
        Err(reason) => return refuse(StatusCode::BAD_REQUEST, reason),
    };
    let head_only = method == Method::HEAD;
    match path.wanted {
        Wanted::Group(id) => group::serve(&edge, &path.track, Some(id), &headers, head_only).await,
        Wanted::Latest => group::serve(&edge, &path.track, None, &headers, head_only).await,
        Wanted::Init => init(&edge, &path.track).await,
        Wanted::Live => live::serve(&edge, &path.track, live::Form::Payloads, head_only).await,
        Wanted::Objects => live::serve(&edge, &path.track, live::Form::Objects, head_only).await,
    }
}

/// An answer that says what is wrong.
pub(super) fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, [(header::CACHE_CONTROL, NO_CACHE)], format!("{reason}\n")).into_response()
}

/// A track that somebody reads over HTTP.
pub(super) struct Opened {
    pub(super) viewing: Viewing,
    pub(super) properties: Properties,
}

impl Opened {
    /// Opens the track, waiting for its upstream as long as a session's viewer would.
    pub(super) async fn new(context: &Arc<Context>, name: &FullTrackName) -> Result<Self, Refusal> {
        let viewing = context.open(name, &[])?;
        let patience = limit::SOURCE_WAIT + Duration::from_secs(1);
        let ready = tokio::time::timeout(patience, viewing.ready()).await;
        let late = || {
            let reason = "upstream did not answer in time".to_owned();
            Err(Refusal {
                code: moqt::RequestErrorCode::Timeout,
                retry: Some(limit::SOURCE_WAIT),
                reason,
                redirect: None,
            })
        };
        let properties = ready.unwrap_or_else(|_| late())?;
        Ok(Self { viewing, properties })
    }

    /// The track's groups.
    pub(super) fn groups(&self, context: &Arc<Context>) -> TrackGroups {
        let track = self.viewing.track.clone();
        TrackGroups {
            context: context.clone(),
            name: track.name.clone(),
            track: Some(track),
            hops: Vec::new(),
            fill: None,
            misses: AtomicUsize::new(0),
        }
    }
}

/// Why a track cannot be read, in HTTP's words.
pub(super) fn refused(refusal: &Refusal) -> Response {
    use moqt::RequestErrorCode::{ExcessiveLoad, InternalError, Timeout};
    let status = match refusal.code {
        ExcessiveLoad => StatusCode::SERVICE_UNAVAILABLE,
        Timeout | InternalError => StatusCode::BAD_GATEWAY,
        _ => StatusCode::NOT_FOUND,
    };
    refuse(status, &refusal.reason)
}

/// What the track's payloads are, one after the other.
pub(super) fn content_type(properties: &Properties) -> HeaderValue {
    let Some(named) = properties.get_bytes(property::CONTENT_TYPE) else { return BYTES };
    let essence = named.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let harmless = MEDIA.iter().any(|kind| essence.starts_with(kind.as_bytes()))
        || DATA.iter().any(|kind| essence == kind.as_bytes());
    HeaderValue::from_bytes(&named).ok().filter(|_| harmless).unwrap_or(BYTES)
}

/// What a reader of the payloads must have before the first one.
pub(super) fn prologue(properties: &Properties) -> Option<Bytes> {
    properties.get_bytes(property::PROLOGUE)
}

async fn init(edge: &Edge, name: &FullTrackName) -> Response {
    let opened = match Opened::new(&edge.context, name).await {
        Ok(opened) => opened,
        Err(refusal) => return refused(&refusal),
    };
    let Some(prologue) = prologue(&opened.properties) else {
        return refuse(StatusCode::NOT_FOUND, &format!("{name} needs nothing before its first group"));
    };
    let kind = content_type(&opened.properties);
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static(NO_CACHE))], prologue)
        .into_response()
}

#[cfg(test)]
mod tests {
    use moqt::Pair;

    use super::*;

    fn named(kind: &'static [u8]) -> HeaderValue {
        let pair = Pair::new(property::CONTENT_TYPE, Bytes::from_static(kind));
        content_type(&Properties::from_pairs([pair]).unwrap())
    }

    #[test]
    fn publishers_name_media_and_data() {
        for kind in ["video/mp4; codecs=\"avc1.64001f\"", "audio/mp4", "application/json", "Text/VTT;charset=utf-8"] {
            assert_eq!(named(kind.as_bytes()), kind);
        }
        assert_eq!(content_type(&Properties::EMPTY), BYTES);
    }

    #[test]
    fn nothing_that_a_browser_would_run_or_that_is_no_header() {
        let wrong: [&[u8]; 6] = [
            b"text/html",
            b" TEXT/HTML; x=video/mp4",
            b"image/svg+xml",
            b"text/javascript",
            b"video/mp4\r\nset-cookie: a=b",
            b"",
        ];
        for kind in wrong {
            assert_eq!(named(kind), BYTES, "{}", kind.escape_ascii());
        }
    }
}
