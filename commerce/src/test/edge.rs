//! The stack before a small actor: what it lets through and what it refuses, and how.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::ServiceExt;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{TestProcess, post, read};
use crate::auth::{Caller, Role, Scope};
use crate::context::Actor;
use crate::fault::Fault;
use crate::http::{Command, Entry, IfMatch, Live, Page, tagged};
use crate::problem::Problem;
use crate::settings::{CommerceSettings, LimitSettings};

#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    #[garde(dive, length(min = 1, max = 3))]
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[garde(range(min = 1))]
    quantity: i64,
}

pub(super) fn routes() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(thing, change))
        .routes(routes!(list))
        .routes(routes!(wish))
        .routes(routes!(watch))
}

#[utoipa::path(get, path = "/things/{id}", responses((status = 200)))]
async fn thing(headers: HeaderMap) -> Response {
    tagged(7, &headers, &json!({ "text": "thing ".repeat(500) }))
}

#[utoipa::path(put, path = "/things/{id}", responses((status = 204)))]
async fn change(IfMatch(version): IfMatch, caller: Caller) -> Result<StatusCode, Problem> {
    caller.require(Scope::CatalogWrite)?;
    if version == 7 { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::stale("it is 7")) }
}

#[utoipa::path(get, path = "/things", params(Page), responses((status = 200)))]
async fn list(page: Page) -> Result<Response, Problem> {
    let after: i64 = page.after()?.unwrap_or(0);
    let items: Vec<i64> = (after + 1..=10).take(page.limit as usize).collect();
    let next = items.last().filter(|last| **last < 10);
    Ok(page.answer(items.clone(), next))
}

#[utoipa::path(post, path = "/wishes", request_body = Wish, responses((status = 201)))]
async fn wish(caller: Caller, command: Command<Wish>) -> Result<impl IntoResponse, Problem> {
    caller.require(Scope::OrderWrite)?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = json!({ "owner": command.once.owner, "hash": command.once.hash, "lines": command.body.lines.len() });
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

#[utoipa::path(get, path = "/live", responses((status = 200, content_type = "text/event-stream")))]
async fn watch(live: Live) -> Response {
    let from = live.last.unwrap_or(0) + 1;
    let entries = (from..=3).map(|id| Entry { id, kind: "step".to_owned(), data: json!({ "id": id }) });
    live.answer(futures_util::stream::iter(entries))
}

const BASE: &str = "/api/v1/grocery";

pub(super) async fn process(limit: LimitSettings) -> TestProcess {
    let mut process = TestProcess::with(CommerceSettings { limit, demo: true, ..CommerceSettings::default() }).await;
    process.mount(Actor::Grocery, routes());
    process
}

#[tokio::test]
async fn bodies_are_read_strictly_and_faults_are_pointed_at() {
    let process = process(LimitSettings::default()).await;
    let token = process.token(Role::Customer, "demo-1");
    let send =
        async |body: serde_json::Value| process.post(&format!("{BASE}/wishes"), Some("k"), &body, Some(&token)).await;
    let good = send(json!({ "lines": [{ "quantity": 2 }] })).await;
    assert_eq!((good.status, good.json()["owner"].clone()), (StatusCode::CREATED, json!("demo-1")));
    assert!(good.headers.contains_key("x-request-id"));
    for (body, pointer) in [
        (json!({ "lines": [{ "quantity": -1 }] }), "/lines/0/quantity"),
        (json!({ "lines": [{ "quantity": "2" }] }), "/lines/0/quantity"),
        (json!({ "lines": [{ "quantity": 1, "price": 0 }] }), "/lines/0/price"),
        (json!({ "lines": [] }), "/lines"),
        (json!({}), ""),
    ] {
        let answer = send(body.clone()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request"));
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}: {:?}", answer.body);
    }
    let request = |kind: &str, body: &'static str| {
        let request = Request::post(format!("{BASE}/wishes")).header(header::AUTHORIZATION, format!("Bearer {token}"));
        request.header("idempotency-key", "k").header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap()
    };
    assert_eq!(process.send(request("application/json", "{\"lines\":")).await.problem(), "malformed-request");
    assert_eq!(
        process.send(request("application/json", "{\"lines\":[{\"quantity\":1}]}x")).await.problem(),
        "malformed-request"
    );
    assert_eq!(process.send(request("text/plain", "{}")).await.problem(), "unsupported-media-type");
}

#[tokio::test]
async fn keys_are_needed_and_not_worked_on_twice_at_once() {
    let process = process(LimitSettings::default()).await;
    let token = process.token(Role::Customer, "demo-1");
    let (path, body) = (format!("{BASE}/wishes"), json!({ "lines": [{ "quantity": 1 }] }));
    assert_eq!(process.post(&path, None, &body, Some(&token)).await.problem(), "idempotency-key-missing");
    let long = "k".repeat(200);
    assert_eq!(process.post(&path, Some(&long), &body, Some(&token)).await.problem(), "malformed-request");
    let other = process.token(Role::Customer, "demo-2");
    let (first, second, strangers) = tokio::join!(
        process.post(&path, Some("same"), &body, Some(&token)),
        process.post(&path, Some("\"same\""), &body, Some(&token)),
        process.post(&path, Some("same"), &body, Some(&other)),
    );
    assert_eq!((first.status, strangers.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(second.problem(), "idempotency-key-in-flight");
    assert_eq!(second.headers[header::RETRY_AFTER], "1");
    let again = process.post(&path, Some("same"), &body, Some(&token)).await;
    assert_eq!(again.json()["hash"], first.json()["hash"], "a repeat is known by its digest");
    let changed = process.post(&path, Some("same"), &json!({ "lines": [{ "quantity": 2 }] }), Some(&token)).await;
    assert_ne!(changed.json()["hash"], first.json()["hash"]);
    // The key is free again when nobody waits for the answer.
    let gone = process.router().oneshot(post(&path, Some("gone"), &body, Some(&token)));
    assert!(tokio::time::timeout(Duration::from_millis(5), gone).await.is_err());
    assert_eq!(process.post(&path, Some("gone"), &body, Some(&token)).await.status, StatusCode::CREATED);
    // The demo token says by its mark that it needs no key.
    let demo = process.post("/api/v1/demo/token", None, &json!({ "role": "customer" }), None).await;
    assert_eq!(demo.status, StatusCode::CREATED);
    let real = json!({ "role": "customer", "subject": "anna" });
    assert_eq!(process.post("/api/v1/demo/token", None, &real, None).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn callers_are_limited_by_name_and_told() {
    let process = process(LimitSettings { rate: 1, burst: 3, ..LimitSettings::default() }).await;
    let token = process.token(Role::Customer, "demo-1");
    let path = format!("{BASE}/things");
    for left in ["2", "1", "0"] {
        let answer = process.get(&path, Some(&token)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["ratelimit-policy"], "\"caller\";q=3;w=3");
        assert!(answer.headers["ratelimit"].to_str().unwrap().starts_with(&format!("\"caller\";r={left};t=")));
    }
    let refused = process.get(&path, Some(&token)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::TOO_MANY_REQUESTS, "rate-limited"));
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(process.get(&path, None).await.status, StatusCode::OK, "others are not touched");
}

#[tokio::test]
async fn overload_and_slowness_are_answered_at_once() {
    let limit = LimitSettings { in_flight: 2, timeout_ms: 200, ..LimitSettings::default() };
    let process = process(limit).await;
    let token = process.token(Role::Customer, "demo-1");
    let (path, body) = (format!("{BASE}/wishes"), json!({ "lines": [{ "quantity": 1 }] }));
    let (a, b, c) = tokio::join!(
        process.post(&path, Some("a"), &body, Some(&token)),
        process.post(&path, Some("b"), &body, Some(&token)),
        process.post(&path, Some("c"), &body, Some(&token)),
    );
    assert_eq!((a.status, b.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!((c.status, c.problem().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
    assert_eq!(c.headers[header::RETRY_AFTER], "1");
    assert_eq!(
        process.post(&path, Some("c"), &body, Some(&token)).await.status,
        StatusCode::CREATED,
        "places come back"
    );
    process.context.faults.set([("shop.slow".to_owned(), Fault { delay_ms: 1000, ..Fault::default() })].into());
    let slow = process.get(&format!("{BASE}/things"), None).await;
    assert_eq!((slow.status, slow.problem().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "timed-out"));
}

#[tokio::test]
async fn bodies_have_a_length() {
    let process = process(LimitSettings { body_bytes: 64, ..LimitSettings::default() }).await;
    let token = process.token(Role::Customer, "demo-1");
    let big = json!({ "lines": vec![json!({ "quantity": 1 }); 100] });
    let path = format!("{BASE}/wishes");
    let mut request = post(&path, Some("k"), &big, Some(&token));
    request.headers_mut().insert(header::CONTENT_LENGTH, 1700.into());
    let told = process.send(request).await;
    let untold = process.post(&path, Some("k"), &big, Some(&token)).await;
    for answer in [told, untold] {
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"));
        assert_eq!(answer.headers[header::CONNECTION], "close");
    }
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let process = process(LimitSettings::default()).await;
    let (mut path, mut seen) = (format!("{BASE}/things?limit=4&q=x"), Vec::new());
    loop {
        let answer = process.get(&path, None).await;
        seen.extend(answer.json()["items"].as_array().unwrap().iter().map(|item| item.as_i64().unwrap()));
        let Some(link) = answer.headers.get(header::LINK) else {
            assert!(answer.json()["next"].is_null());
            break;
        };
        let link = link.to_str().unwrap();
        let query = link.strip_prefix('<').unwrap().split('>').next().unwrap();
        assert!(query.contains("limit=4&q=x&cursor=") && link.ends_with("rel=\"next\""), "{link}");
        path = format!("{BASE}/things{query}");
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    for wrong in ["cursor=%21", "cursor=bnVsbCAx", "limit=0", "limit=1000", "limit=x"] {
        assert_eq!(
            process.get(&format!("{BASE}/things?{wrong}"), None).await.problem(),
            "malformed-request",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn versions_are_tags() {
    let process = process(LimitSettings::default()).await;
    let path = format!("{BASE}/things/1");
    let first = process.get(&path, None).await;
    assert_eq!((first.status, &first.headers[header::ETAG]), (StatusCode::OK, &"\"7\"".parse().unwrap()));
    let known = Request::get(&path).header(header::IF_NONE_MATCH, "W/\"3\", \"7\"").body(Body::empty()).unwrap();
    let known = process.send(known).await;
    assert!(known.status == StatusCode::NOT_MODIFIED && known.body.is_empty());
    let token = process.token(Role::Operator, "demo-9");
    let put = |version: Option<&str>| {
        let request = Request::put(&path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        version
            .into_iter()
            .fold(request, |request, version| request.header(header::IF_MATCH, version))
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(process.send(put(None)).await.problem(), "if-match-required");
    assert_eq!(process.send(put(Some("7"))).await.problem(), "malformed-request");
    assert_eq!(process.send(put(Some("\"6\""))).await.problem(), "stale-version");
    assert_eq!(process.send(put(Some("\"7\""))).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_takes_it() {
    let process = process(LimitSettings::default()).await;
    let ask = |path: &str| {
        Request::get(format!("{BASE}{path}")).header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap()
    };
    let large = process.send(ask("/things/1")).await;
    assert_eq!(large.headers[header::CONTENT_ENCODING], "gzip");
    assert!(large.body.len() < 500);
    assert!(!process.send(ask("/things?limit=2")).await.headers.contains_key(header::CONTENT_ENCODING));
    assert!(!process.send(ask("/live")).await.headers.contains_key(header::CONTENT_ENCODING));
}

#[tokio::test]
async fn live_streams_go_on_where_they_were_and_are_few() {
    let process = process(LimitSettings { streams: 1, ..LimitSettings::default() }).await;
    let path = format!("{BASE}/live");
    let request = Request::get(&path).header("last-event-id", "2").body(Body::empty()).unwrap();
    let resumed = process.send(request).await;
    let text = String::from_utf8(resumed.body.to_vec()).unwrap();
    assert!(text.contains("id: 3") && !text.contains("id: 2") && text.contains("event: step"), "{text}");
    let held = process.router().oneshot(Request::get(&path).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(process.get(&path, None).await.problem(), "overloaded");
    read(held).await;
    assert_eq!(process.get(&path, None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn faults_are_set_by_who_may() {
    let process = process(LimitSettings::default()).await;
    let put = |token: &str, body: &'static str| {
        let request = Request::put("/api/v1/faults").header(header::AUTHORIZATION, format!("Bearer {token}"));
        request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap()
    };
    let (customer, operator) = (process.token(Role::Customer, "demo-1"), process.token(Role::Operator, "demo-2"));
    assert_eq!(process.send(put(&customer, "{}")).await.problem(), "forbidden");
    let set = process.send(put(&operator, r#"{"payment.refused": {"times": 1}}"#)).await;
    assert_eq!(set.status, StatusCode::OK, "{:?}", set.body);
    assert!(process.context.faults.hit("payment.refused") && !process.context.faults.hit("payment.refused"));
    let wrong = process.send(put(&operator, r#"{"payment.refused": {"percent": 101}}"#)).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_description_names_every_route() {
    let process = process(LimitSettings::default()).await;
    let (router, api) = process.assembly.parts();
    let api = crate::describe::describe(api);
    let reading = crate::routes::reading_routes(&api).unwrap();
    let router = router.merge(reading);
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        read(router.clone().oneshot(request).await.unwrap()).await
    };
    let json = ask("/api/openapi.json").await.json();
    for path in ["/api/v1/grocery/things/{id}", "/api/v1/grocery/wishes", "/api/v1/faults", "/api/v1/demo/token"] {
        assert!(json["paths"][path].is_object(), "{path}");
    }
    assert_eq!(json["paths"]["/api/v1/demo/token"]["post"]["x-keyless"], true);
    assert!(json["components"]["schemas"]["Wish"].is_object());
    assert!(json["components"]["securitySchemes"]["token"].is_object());
    let page = ask("/api/docs").await;
    assert!(String::from_utf8_lossy(&page.body).contains("/api/openapi.json"));
    assert_eq!(ask("/api/v1/nothing").await.problem(), "not-found");
    let kinds = ask("/api/v1/problems").await.json();
    assert!(kinds.as_array().unwrap().iter().any(|kind| kind["type"] == "urn:efir:problem:out-of-stock"));
}
