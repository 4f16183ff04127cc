//! Who may see what there is.

use access::{Denial, Standing, Want};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};

use super::path::{TrackPath, Wanted};
use super::{Edge, broadcast};
use crate::metric;

/// Answers 401 to those who may not watch, before anything is looked up; 403 to those whose token is good for other things.
/// A browser asks with OPTIONS, without its token, whether it may ask. A body ends with the token that it was given for.
pub(super) async fn guard(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let shown = request.headers().get(header::AUTHORIZATION).map(|field| field.as_bytes());
    let visitor = edge.context.access.http(request.uri().query(), shown);
    let want = wanted(&request);
    match visitor.admit(want.clone(), &[]).await {
        Ok(standing) => {
            request.extensions_mut().insert(standing.clone());
            let response = next.run(request).await;
            if standing.ends() { response.map(|body| until_ended(body, standing)) } else { response }
        }
        Err(denial) => {
            metric::refused("http", denial.code());
            let reason = format!("{}\n", denial.reason(&want));
            if denial == Denial::Right && visitor.is_known() {
                return (StatusCode::FORBIDDEN, reason).into_response();
            }
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], reason).into_response()
        }
    }
}

/// What a GET wants. A path that names no track is refused later, in words, to those who may see anything at all.
fn wanted(request: &Request) -> Want {
    let uri = request.uri();
    if !uri.path().starts_with("/tracks/") {
        return broadcast::prefix(uri.query().unwrap_or_default()).map_or(Want::Own, Want::List);
    }
    match TrackPath::parse(uri.path()) {
        Ok(TrackPath { track, wanted: Wanted::Group(_) | Wanted::Latest }) => Want::Fetch(track),
        Ok(TrackPath { track, wanted: Wanted::Init }) => Want::TrackStatus(track),
        Ok(TrackPath { track, wanted: Wanted::Live | Wanted::Objects }) => Want::Subscribe(track),
        Err(_) => Want::Own,
    }
}

/// A body that breaks off when the right to it is over: its reader must not take that for its end.
fn until_ended(body: Body, standing: Standing) -> Body {
    let state = Some((body.into_data_stream(), standing));
    Body::from_stream(stream::unfold(state, async |state| {
        let (mut chunks, mut standing) = state?;
        let chunk = tokio::select! {
            biased;
            () = standing.ended() => return Some((Err(axum::Error::new(Expired)), None)),
            chunk = chunks.next() => chunk?,
        };
        Some((chunk, Some((chunks, standing))))
    }))
}

#[derive(Debug, thiserror::Error)]
#[error("the token has expired")]
struct Expired;
