//! The files, and how they are answered.

use std::io::Write;
use std::sync::OnceLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// What the page may do: its own scripts and styles, workers and worklets made of text it came with (`blob:`), and connections
/// to any relay. A shadow root's styles count as inline.
const POLICY: &str = "default-src 'none'; script-src 'self' blob:; worker-src 'self' blob:; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src *; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Bytes of a hash that make a tag.
const TAG_BYTES: usize = 16;

/// One built file.
struct Asset {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    prepared: OnceLock<Prepared>,
    compressed: OnceLock<Bytes>,
}

/// Header fields that depend on a file's content.
struct Prepared {
    plain: HeaderValue,
    gzip: HeaderValue,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: [Asset; 8] = [
    Asset::new("/", "text/html; charset=utf-8", include_bytes!("../dist/index.html")),
    Asset::new("/first.js", SCRIPT, include_bytes!("../dist/first.js")),
    Asset::new("/page.js", SCRIPT, include_bytes!("../dist/page.js")),
    Asset::new("/style.css", "text/css; charset=utf-8", include_bytes!("../dist/style.css")),
    Asset::new("/efir-player.js", SCRIPT, include_bytes!("../dist/efir-player.js")),
    Asset::new("/efir-fallback.js", SCRIPT, include_bytes!("../dist/efir-fallback.js")),
    Asset::new("/efir-publish.js", SCRIPT, include_bytes!("../dist/efir-publish.js")),
    Asset::new("/favicon.svg", "image/svg+xml", include_bytes!("../dist/favicon.svg")),
];

/// The page at `/` and every other file under its name.
pub fn routes() -> Router {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(async |headers: HeaderMap| asset.answer(&headers)))
    })
}

impl Asset {
    const fn new(path: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        Self { path, kind, bytes, prepared: OnceLock::new(), compressed: OnceLock::new() }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let gzip = takes_gzip(request);
        let prepared = self.prepared.get_or_init(|| Prepared::of(self.bytes));
        let tag = if gzip { &prepared.gzip } else { &prepared.plain };
        let mut headers = self.headers();
        headers.insert(header::ETAG, tag.clone());
        if has(request, tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        if !gzip {
            return (headers, Bytes::from_static(self.bytes)).into_response();
        }
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        (headers, self.compressed.get_or_init(|| compress(self.bytes)).clone()).into_response()
    }

    fn headers(&self) -> HeaderMap {
        let fields = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            // Other pages embed the player as a script of theirs.
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
        ];
        fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }
}

impl Prepared {
    fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let hex: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
        // Another coding is another representation, and has another tag.
        let tag = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { plain: tag(format!("\"{hex}\"")), gzip: tag(format!("\"{hex}-gzip\"")) }
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;

    use super::*;

    async fn ask(path: &str, fields: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.headers_mut().extend(fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())));
        let answer = tower::ServiceExt::oneshot(routes(), request).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, parts.headers, to_bytes(body, 10 << 20).await.unwrap())
    }

    #[tokio::test]
    async fn every_file_is_itself_plain_and_compressed() {
        for asset in &ASSETS {
            let (status, headers, plain) = ask(asset.path, &[]).await;
            assert_eq!((status, &plain[..]), (StatusCode::OK, asset.bytes), "{}", asset.path);
            assert_eq!(headers[header::CONTENT_TYPE], asset.kind);
            assert_eq!(
                (&headers[header::VARY], &headers[header::CACHE_CONTROL]),
                (&"accept-encoding".parse().unwrap(), &"no-cache".parse().unwrap())
            );
            let (_, compressed, body) = ask(asset.path, &[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]).await;
            assert_eq!(compressed[header::CONTENT_ENCODING], "gzip");
            assert_ne!(compressed[header::ETAG], headers[header::ETAG]);
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, asset.bytes, "{}", asset.path);
        }
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        for coding in ["gzip", "identity"] {
            let (_, first, _) = ask("/", &[(header::ACCEPT_ENCODING, coding)]).await;
            let tag = first[header::ETAG].to_str().unwrap();
            let (status, again, body) =
                ask("/", &[(header::ACCEPT_ENCODING, coding), (header::IF_NONE_MATCH, tag)]).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{coding}");
            assert_eq!(again[header::ETAG], tag);
            let (status, ..) = ask("/", &[(header::ACCEPT_ENCODING, coding), (header::IF_NONE_MATCH, "\"old\"")]).await;
            assert_eq!(status, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn the_player_may_be_embedded_and_the_page_loads_nothing_foreign() {
        let (_, script, _) = ask("/efir-player.js", &[]).await;
        assert_eq!(script[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(script[CROSS_ORIGIN_RESOURCE_POLICY], "cross-origin");
        let (_, page, _) = ask("/", &[]).await;
        let policy = page[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self' blob:;") && policy.contains("connect-src *"), "{policy}");
        assert_eq!(page[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[test]
    fn gzip_is_taken_only_where_it_is_wanted() {
        let takes =
            |value: &str| takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]));
        assert!(takes("gzip, deflate, br") && takes("br;q=1.0, GZIP; q=0.8"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("x-gzip") && !takes(""));
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
