//! What is announced here, for a page that offers a choice.

use access::{Standing, Want};
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use moqt::Namespace;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{Edge, NO_CACHE};

#[derive(Debug, Serialize)]
struct Broadcasts {
    broadcasts: Vec<Broadcast>,
}

/// One announced namespace. Those whose fields are no text have no form in JSON and are left out.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Broadcast {
    namespace: Vec<String>,
}

/// The announced namespaces that whoever asks may see, those under `?prefix=field/field` only if it is given.
pub(super) async fn list(State(edge): State<Edge>, Extension(standing): Extension<Standing>, uri: Uri) -> Response {
    let prefix = match prefix(uri.query().unwrap_or_default()) {
        Ok(prefix) => prefix,
        Err(reason) => return (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response(),
    };
    let namespaces = edge.context.router.namespaces(&prefix);
    let view = standing.view();
    let visible = namespaces.iter().filter(|namespace| view.allows(&Want::See((*namespace).clone())));
    let mut broadcasts: Vec<_> = visible.filter_map(as_text).collect();
    broadcasts.sort();
    ([(header::CACHE_CONTROL, NO_CACHE)], Json(Broadcasts { broadcasts })).into_response()
}

fn as_text(namespace: &Namespace) -> Option<Broadcast> {
    let fields = namespace.fields().iter().map(|field| String::from_utf8(field.to_vec()).ok());
    Some(Broadcast { namespace: fields.collect::<Option<_>>()? })
}

/// The prefix of a query.
pub(super) fn prefix(query: &str) -> Result<Namespace, &'static str> {
    let given = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
    let fields = given.unwrap_or_default().split('/').filter(|field| !field.is_empty());
    let fields = fields.map(|field| percent_decode_str(field).collect::<Vec<u8>>());
    Namespace::new(fields).map_err(|_| "prefix is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_fields_between_slashes() {
        let fields = |query| {
            let prefix = prefix(query).unwrap();
            prefix.fields().iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(fields("token=x&prefix=live/a%2Fb"), ["live", "a/b"]);
        assert_eq!(fields("prefix=live/"), ["live"]);
        assert!(fields("prefix=").is_empty() && fields("").is_empty());
        assert!(prefix(&format!("prefix={}", "a/".repeat(40))).unwrap_err().contains("too long"));
    }

    #[test]
    fn fields_that_are_no_text_have_no_form() {
        let namespace = Namespace::new([vec![0xFF]]).unwrap();
        assert_eq!(as_text(&namespace), None);
    }
}
