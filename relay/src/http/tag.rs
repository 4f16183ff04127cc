//! ETags of groups, and whether a client has one already.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use fanout::{FetchRange, FetchSink, GroupLog, NoObserver, SinkError, serve_fetch};
use futures_util::FutureExt;
use moqt::{FetchObjectHeader, Location, StreamErrorCode};

use super::body::One;
use crate::limit;

/// The ETag of this part of a group, the same on every relay: of its payloads if they are small, so that a catalog which a
/// restarted publisher changed under the same ids has another one. `None` for what is large and may still grow.
pub(super) fn of(group: &Arc<GroupLog>, range: FetchRange) -> Option<HeaderValue> {
    let complete = group.is_complete();
    if !complete && range.end.object == 0 {
        return None;
    }
    let mut digest = Digest::default();
    let place = format!("{}-{}", group.id(), group.largest_object().unwrap_or_default());
    // Nothing of it has to be waited for, and an answer that would wait has no tag.
    let small = serve_fetch(&One(group.clone()), range, &mut digest, &NoObserver).now_or_never()?.is_ok();
    let text = match small {
        true => format!("\"{place}-{:016x}\"", digest.state),
        false if complete => format!("\"{place}\""),
        false => return None,
    };
    HeaderValue::from_str(&text).ok()
}

/// FNV-1a over places and payloads.
struct Digest {
    state: u64,
    left: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { state: 0xcbf2_9ce4_8422_2325, left: limit::HTTP_TAG_BYTES }
    }
}

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = (self.state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl FetchSink for &mut Digest {
    fn object(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError> {
        self.left = self.left.checked_sub(header.payload_len).ok_or(SinkError::Stopped)?;
        self.add(&header.location.object.to_be_bytes());
        Ok(())
    }

    fn end_of_range(&mut self, _location: Location, _known: bool) -> Result<(), SinkError> {
        Ok(())
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), SinkError> {
        chunks.iter().for_each(|chunk| self.add(chunk));
        Ok(())
    }

    async fn cancelled(&mut self) {
        std::future::pending().await
    }

    async fn finish(self) -> Result<(), SinkError> {
        Ok(())
    }

    fn reset(self, _code: StreamErrorCode) {}
}

/// Whether the client has this one already (RFC 9110 section 13.1.2).
pub(super) fn matches(headers: &HeaderMap, tag: &HeaderValue) -> bool {
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
