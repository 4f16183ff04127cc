//! What tests of all actors need: a context that is thrown away, and a client of routes behind their whole stack.

mod edge;
mod peers;
mod tokens;
mod whole;

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Builder;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use process::Shutdown;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::{Grant, Role, Scopes};
use crate::clock::{Clock, Timestamp};
use crate::commerce::{Assembly, context_in};
use crate::context::{Actor, Context};
use crate::http::KEY_HEADER;
use crate::settings::CommerceSettings;
use crate::store::{Storage, test_storage};

/// A process without actors whose data is thrown away with it.
pub(crate) struct TestProcess {
    pub(crate) context: Context,
    assembly: Assembly,
    _folder: TempDir,
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The word of the problem that it is.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{:?}", self.body);
        self.json()["type"].as_str().unwrap().trim_start_matches(crate::problem::PREFIX).to_owned()
    }
}

/// What an actor is given, with its data in this place.
pub(crate) async fn context(storage: Storage, folder: &Path, clock: Clock, demo: bool, seed: bool) -> Context {
    let settings = CommerceSettings { demo, seed, ..CommerceSettings::default() };
    context_in(&settings, storage, folder, clock, Shutdown::new(Duration::from_secs(1))).await.unwrap()
}

impl TestProcess {
    /// With default settings.
    pub(crate) async fn new() -> Self {
        Self::with(CommerceSettings::default()).await
    }

    /// With these settings, in a place of its own. Its clock stands in November 2026 until it is advanced.
    pub(crate) async fn with(settings: CommerceSettings) -> Self {
        let folder = TempDir::new().unwrap();
        let (storage, clock) = (test_storage(&folder), Clock::manual(Timestamp(1_795_000_000_000)));
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let context = context_in(&settings, storage, folder.path(), clock, shutdown).await.unwrap();
        let mut assembly = Assembly::new(&settings, &context);
        assembly.mount_process(&context);
        Self { context, assembly, _folder: folder }
    }

    /// Mounts an actor's routes.
    pub(crate) fn mount(&mut self, actor: Actor, routes: OpenApiRouter) {
        self.assembly.mount(actor, routes);
    }

    /// A token of a role for a subject, for all actors.
    pub(crate) fn token(&self, role: Role, subject: &str) -> String {
        self.token_of(role.scopes(), subject, &Actor::ALL, Duration::from_secs(600))
    }

    pub(crate) fn token_of(&self, scopes: Scopes, subject: &str, audience: &[Actor], ttl: Duration) -> String {
        let grant = Grant { subject, actor: None, audience, scopes, ttl };
        self.context.authority.issue(&grant).unwrap()
    }

    pub(crate) fn router(&self) -> Router {
        self.assembly.parts().0
    }

    /// Sends a request through the whole stack.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        read(self.router().oneshot(request).await.unwrap()).await
    }

    /// A GET of a whole path.
    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send(with_token(Request::get(path), token).body(Body::empty()).unwrap()).await
    }

    /// A POST of JSON to a whole path.
    pub(crate) async fn post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &impl Serialize,
        token: Option<&str>,
    ) -> Answer {
        self.send(post(path, key, body, token)).await
    }
}

pub(crate) fn post(path: &str, key: Option<&str>, body: &impl Serialize, token: Option<&str>) -> Request {
    let request = with_token(Request::post(path), token).header(header::CONTENT_TYPE, "application/json");
    let request = key.into_iter().fold(request, |request, key| request.header(KEY_HEADER, key));
    request.body(Body::from(serde_json::to_vec(body).unwrap())).unwrap()
}

fn with_token(request: Builder, token: Option<&str>) -> Builder {
    token.into_iter().fold(request, |request, token| request.header(header::AUTHORIZATION, format!("Bearer {token}")))
}

pub(crate) async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}
