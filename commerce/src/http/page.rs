//! Long lists in pages: an opaque cursor says where the next one begins, so that nothing is skipped or repeated while the list
//! changes.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::address::Query;
use super::limit::{CURSOR_BYTES, LONGEST_PAGE, PAGE};
use crate::problem::Problem;

/// Which page the caller wants.
#[derive(Debug, Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Where the page begins: `next` of the page before. The first page if absent.
    #[param(required = false)]
    pub(crate) cursor: Option<String>,
    /// How many items, at most 200.
    #[param(required = false, minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: u32,
    /// What was asked for, to link the next page.
    #[param(ignore)]
    query: String,
}

/// One page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// What is on the page.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; null on the last one.
    pub(crate) next: Option<String>,
}

#[derive(Deserialize)]
struct Asked {
    cursor: Option<String>,
    limit: Option<u32>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(Asked { cursor, limit }) = Query::from_request_parts(parts, state).await?;
        let limit = limit.unwrap_or(PAGE);
        if !(1..=LONGEST_PAGE).contains(&limit) {
            return Err(Problem::malformed(format!("limit: from 1 to {LONGEST_PAGE}")));
        }
        Ok(Self { cursor, limit, query: parts.uri.query().unwrap_or_default().to_owned() })
    }
}

impl Page {
    /// The key after which the page begins; `None` for the first page.
    ///
    /// # Errors
    /// The cursor is none of this list.
    pub(crate) fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
        let json = Some(cursor).filter(|cursor| cursor.len() <= CURSOR_BYTES);
        let json = json.and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        let key = json.and_then(|json| serde_json::from_slice(&json).ok());
        key.map(Some).ok_or_else(|| Problem::malformed("cursor: not one of this list"))
    }

    /// Answers with a page; `next` is the key of its last item if there are more.
    pub(crate) fn answer<T: Serialize>(&self, items: Vec<T>, next: Option<&impl Serialize>) -> Response {
        let next = next.and_then(|key| serde_json::to_vec(key).ok()).map(|json| URL_SAFE_NO_PAD.encode(json));
        let link = next.as_deref().and_then(|cursor| HeaderValue::from_str(&self.link(cursor)).ok());
        let mut response = axum::Json(Listed { items, next }).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    /// The same request with another cursor, as a reference relative to it (RFC 8288 allows that).
    fn link(&self, cursor: &str) -> String {
        let mut link = "<?".to_owned();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor")) {
            link.push_str(pair);
            link.push('&');
        }
        link + "cursor=" + cursor + ">; rel=\"next\""
    }
}
