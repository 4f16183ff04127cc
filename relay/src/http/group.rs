//! One group of a track.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fanout::{GroupAnswer, GroupLog, GroupSource, NoObserver, serve_fetch};
use moqt::{FullTrackName, Properties};

use super::body::{BodySink, Framing, One, body, whole};
use super::track::{content_type, refuse};
use super::{Edge, NO_CACHE};
use crate::downstream::TrackGroups;
use crate::limit;
use crate::relay::Context;

/// A group that is complete never changes and may be kept for ever.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The same where not everybody may have it.
const PRIVATE: &str = "private, max-age=31536000, immutable";

/// The payloads of one group's objects, in order; `None` is the newest complete group, or the only one there is.
pub(super) async fn serve(
    edge: &Edge,
    name: &FullTrackName,
    id: Option<u64>,
    headers: &HeaderMap,
    head_only: bool,
) -> Response {
    let answer = find(&edge.context, name, id);
    let Ok(Some(found)) = tokio::time::timeout(limit::SOURCE_WAIT + Duration::from_secs(1), answer).await else {
        let what = id.map_or_else(|| "no group yet".to_owned(), |id| format!("no group {id}"));
        return refuse(StatusCode::NOT_FOUND, &format!("{what} of {name}"));
    };
    let complete = found.group.is_complete();
    let control = match complete && id.is_some() {
        true if edge.context.access.is_private() => PRIVATE,
        true => IMMUTABLE,
        false => NO_CACHE,
    };
    let mut answer = HeaderMap::new();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    answer.insert(header::CONTENT_TYPE, content_type(&found.properties));
    if complete {
        let tag = tag(&found.group);
        if matches(headers, &tag) {
            answer.insert(header::ETAG, tag);
            return (StatusCode::NOT_MODIFIED, answer).into_response();
        }
        answer.insert(header::ETAG, tag);
    }
    if head_only {
        return (answer, Body::empty()).into_response();
    }
    let (sender, body) = body();
    let Found { source, group, .. } = found;
    let context = source.context.clone();
    // Ends with the response's body: the sink's writes fail once the client is gone.
    context.spawn(async move {
        let range = whole(group.id(), 0);
        let mut sink = BodySink::new(sender, Framing::Payloads);
        if let Err(error) = serve_fetch(&One(group), range, &mut sink, &NoObserver).await {
            tracing::debug!(track = %source.name, %error, "group response ended early");
            sink.fail("group ended early");
        }
    });
    (answer, body).into_response()
}

struct Found {
    source: TrackGroups,
    group: Arc<GroupLog>,
    properties: Properties,
}

async fn find(context: &Arc<Context>, name: &FullTrackName, id: Option<u64>) -> Option<Found> {
    let viewing = context.open(name, &[]).ok()?;
    let properties = viewing.ready().await.ok();
    let track = viewing.track.clone();
    let source = TrackGroups {
        context: context.clone(),
        name: name.clone(),
        track: properties.is_some().then(|| track.clone()),
        hops: Vec::new(),
        fill: None,
        misses: AtomicUsize::new(0),
    };
    let id = match id {
        Some(id) => id,
        None if properties.is_none() => return None,
        None => {
            let newest = track.log.wait_for(fanout::TrackLog::newest_group).await;
            let complete = track.log.groups_from(0).into_iter().rev().find(|group| group.is_complete());
            complete.unwrap_or(newest).id()
        }
    };
    match source.group(id, id).await {
        GroupAnswer::Found(group) if group.id() == id => {
            Some(Found { source, group, properties: properties.unwrap_or_default() })
        }
        _ => None,
    }
}

/// The same for the same group on every relay; another one for a publisher that began anew under the same ids, mostly.
fn tag(group: &GroupLog) -> HeaderValue {
    let text = format!("\"{}-{}\"", group.id(), group.largest_object().unwrap_or_default());
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether the client has this one already (RFC 9110 section 13.1.2).
fn matches(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given).as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_alone_in_lists_and_weakly() {
        let tag = HeaderValue::from_static("\"7-3\"");
        let has = |value: &'static str| {
            matches(&HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]), &tag)
        };
        for value in ["\"7-3\"", "W/\"7-3\"", "\"1-1\", \"7-3\"", "*"] {
            assert!(has(value), "{value}");
        }
        for value in ["\"7-4\"", "7-3", ""] {
            assert!(!has(value), "{value}");
        }
        assert!(!matches(&HeaderMap::new(), &tag));
    }
}
