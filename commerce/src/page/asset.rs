//! One file, and how it is answered.

use std::io::Write;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::bare::bare;
use super::files::is_script;

/// What the page may do: load its own files, talk to its own server, and show pictures that it fetched with a token (`blob:`).
pub(super) const POLICY: &str = include_str!("../../page/policy.txt");
/// Bytes of a hash that make a tag.
const TAG_BYTES: usize = 16;

/// A file in both codings. Clones share it.
#[derive(Clone)]
pub(super) struct Asset {
    kind: &'static str,
    plain: Coded,
    gzip: Coded,
}

#[derive(Clone)]
struct Coded {
    tag: HeaderValue,
    bytes: Bytes,
}

impl Asset {
    pub(super) fn new(kind: &'static str, bytes: &'static [u8]) -> Self {
        let sent = match std::str::from_utf8(bytes) {
            Ok(script) if is_script(kind) => Bytes::from(bare(script)),
            _ => Bytes::from_static(bytes),
        };
        let hash = Sha256::digest(&sent);
        let hex: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
        // Another coding is another representation, and has another tag.
        let tag = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        let gzip = Coded { tag: tag(format!("\"{hex}-gzip\"")), bytes: compress(&sent) };
        Self { kind, plain: Coded { tag: tag(format!("\"{hex}\"")), bytes: sent }, gzip }
    }

    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let gzip = takes_gzip(request);
        let Coded { tag, bytes } = if gzip { &self.gzip } else { &self.plain };
        let mut headers = self.headers();
        headers.insert(header::ETAG, tag.clone());
        if has(request, tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        (headers, bytes.clone()).into_response()
    }

    fn headers(&self) -> HeaderMap {
        let fields = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, POLICY.trim_ascii_end()),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    /// Bytes on the way to a browser that takes gzip.
    #[cfg(test)]
    pub(super) fn compressed_len(&self) -> usize {
        self.gzip.bytes.len()
    }
}

fn compress(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map(Bytes::from).unwrap_or_default()
}

/// Whether the browser takes gzip (RFC 9110 section 12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let given = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Whether the browser has this representation already (RFC 9110 section 13.1.2).
fn has(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let given = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given).as_bytes() == tag.as_bytes())
}
