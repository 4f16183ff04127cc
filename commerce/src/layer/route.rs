//! What is known of each route before a request comes: its label, its counters, whether it does without a key.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, PathItem};

/// The mark of operations in the OpenAPI document that need no `Idempotency-Key`: `extensions(("x-keyless" = json!(true)))`.
const KEYLESS: &str = "x-keyless";

/// Counters per route: the statuses we answer with; what is none of them counts under its class.
const STATUSES: [u16; 22] =
    [200, 201, 202, 204, 206, 304, 400, 401, 402, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429, 500, 503];

/// The routes of one actor, by template and method.
#[derive(Debug)]
pub(crate) struct Routes {
    actor: &'static str,
    by_template: HashMap<String, [Option<Arc<Route>>; 5]>,
    other: Arc<Route>,
}

/// One operation.
pub(crate) struct Route {
    actor: &'static str,
    method: &'static str,
    /// Path without what stands for a value in a request.
    pub(super) template: String,
    /// Whether a POST does without a key.
    pub(super) keyless: bool,
    pub(super) seconds: Histogram,
    answered: [OnceLock<Counter>; STATUSES.len()],
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

impl Routes {
    /// Those of an OpenAPI document.
    pub(crate) fn of(actor: &'static str, api: &OpenApi) -> Self {
        let by_template = api.paths.paths.iter().map(|(path, item)| {
            let routes = operations(item).map(|(method, operation)| {
                operation.map(|operation| Arc::new(Route::new(actor, method, path, is_keyless(operation))))
            });
            (path.clone(), routes)
        });
        let by_template = by_template.collect();
        // What is no route is refused as such, and not for want of a key.
        Self { actor, by_template, other: Arc::new(Route::new(actor, "other", "other", true)) }
    }

    /// The actor's name.
    pub(super) fn actor(&self) -> &'static str {
        self.actor
    }

    /// The route that a request has been matched to; one for all others together.
    pub(super) fn find(&self, request: &Request) -> &Arc<Route> {
        let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let routes = template.and_then(|template| self.by_template.get(template));
        let index = index_of(request.method());
        routes.zip(index).and_then(|(routes, index)| routes[index].as_ref()).unwrap_or(&self.other)
    }
}

fn index_of(method: &Method) -> Option<usize> {
    match *method {
        // A HEAD is answered by the route of GET.
        Method::GET | Method::HEAD => Some(0),
        Method::POST => Some(1),
        Method::PUT => Some(2),
        Method::PATCH => Some(3),
        Method::DELETE => Some(4),
        _ => None,
    }
}

fn operations(item: &PathItem) -> [(&'static str, Option<&Operation>); 5] {
    [
        ("GET", item.get.as_ref()),
        ("POST", item.post.as_ref()),
        ("PUT", item.put.as_ref()),
        ("PATCH", item.patch.as_ref()),
        ("DELETE", item.delete.as_ref()),
    ]
}

/// Whether a POST does without a key.
pub(crate) fn is_keyless(operation: &Operation) -> bool {
    operation.extensions.as_ref().is_some_and(|extensions| extensions.get(KEYLESS).is_some_and(|mark| mark == true))
}

impl Route {
    fn new(actor: &'static str, method: &'static str, template: &str, keyless: bool) -> Self {
        let seconds = metrics::histogram!(
            "efir_commerce_request_seconds", "actor" => actor, "method" => method, "route" => template.to_owned()
        );
        Self {
            actor,
            method,
            template: template.to_owned(),
            keyless,
            seconds,
            answered: [const { OnceLock::new() }; STATUSES.len()],
        }
    }

    /// Counts an answer. Registers the counter when its status is first seen: most routes never give most of them.
    pub(super) fn count(&self, status: StatusCode) {
        let status = status.as_u16();
        let class = if status < 500 { status / 100 * 100 } else { 500 };
        let place = |wanted| STATUSES.iter().position(|known| *known == wanted);
        let Some(index) = place(status).or_else(|| place(class)) else { return };
        let counter = self.answered[index].get_or_init(|| {
            metrics::counter!(
                "efir_commerce_requests_total",
                "actor" => self.actor, "method" => self.method, "route" => self.template.clone(),
                "status" => STATUSES[index].to_string()
            )
        });
        counter.increment(1);
    }
}
