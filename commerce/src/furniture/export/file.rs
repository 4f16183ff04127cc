//! Serving a finished export: whole, or from where a reader stopped.

use std::path::Path;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tower_http::services::ServeFile;

use super::model::ExportView;
use crate::problem::Problem;

/// The file, a range of it, or that the reader has it already. The file of an export never changes, so its digest is its ETag:
/// a reader that resumes with `If-Range` gets the rest of the same bytes, or all of others.
///
/// # Errors
/// It is not ready, or the file is gone.
pub(in crate::furniture) async fn answer(
    view: &ExportView,
    path: &Path,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let digest = view.sha256.as_deref().filter(|_| view.is_ready());
    let digest = digest.ok_or_else(|| {
        let problem = Problem::conflict("the export is not ready");
        problem.retry_after(std::time::Duration::from_secs(1))
    })?;
    let tag = format!("\"{digest}\"");
    let known =
        |value: &str| value.split(',').any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == tag);
    let mut response = if text(headers, header::IF_NONE_MATCH).is_some_and(known) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        serve(path, headers, &tag).await?
    };
    let out = response.headers_mut();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            out.insert(name, value);
        }
    };
    set(header::ETAG, tag);
    set(header::CACHE_CONTROL, "private, immutable, no-transform".to_owned());
    if response.status() != StatusCode::NOT_MODIFIED && response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(view.format.media_type()));
        let name = format!("attachment; filename=\"furniture-{}\"", view.file_name());
        if let (Ok(name), Some(digest)) = (HeaderValue::from_str(&name), repr_digest(digest)) {
            out.insert(header::CONTENT_DISPOSITION, name);
            out.insert("repr-digest", digest);
        }
    }
    Ok(response)
}

async fn serve(path: &Path, headers: &HeaderMap, tag: &str) -> Result<Response, Problem> {
    let mut request = Request::builder().method(Method::GET);
    // Conditions are ours to judge: the file server knows only times and sizes.
    let same = text(headers, header::IF_RANGE).is_none_or(|value| value == tag);
    if let Some(range) = headers.get(header::RANGE).filter(|_| same) {
        request = request.header(header::RANGE, range);
    }
    let request = request.body(Body::empty()).map_err(|error| Problem::internal(error.to_string()))?;
    let served = ServeFile::new(path).try_call(request).await;
    let response = served.map_err(|error| {
        tracing::error!(%error, "an export's file cannot be read");
        Problem::internal("the file cannot be read")
    })?;
    if response.status() == StatusCode::NOT_FOUND {
        return Err(Problem::not_found("the file is gone: make another export"));
    }
    Ok(response.map(Body::new))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `Repr-Digest` (RFC 9530): of the whole file, also with a range of it.
fn repr_digest(hex: &str) -> Option<HeaderValue> {
    let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
    HeaderValue::from_str(&format!("sha-256=:{}:", STANDARD.encode(bytes?))).ok()
}
