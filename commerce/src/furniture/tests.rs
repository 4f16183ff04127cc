//! The furniture shop through its routes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::TryStreamExt;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::export::Format;
use crate::shop::ShopSettings;

use super::{Furniture, FurnitureSettings, export, open, seed};
use crate::auth::{Grant, Role};
use crate::clock::Clock;
use crate::context::{Actor, Context};
use crate::http::Streams;
use crate::id::{Sku, new_uuid};
use crate::settings::CommerceSettings;
use crate::stack::Edge;
use crate::store::{Storage, args, test_storage};
use crate::webhook::{self, WebhookSettings};

struct Fixture {
    context: Context,
    furniture: Furniture,
    router: Router,
}

/// The answer to a request.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn fixture(folder: &TempDir) -> Fixture {
    fixture_at(&test_storage(folder), folder).await
}

async fn fixture_at(storage: &Storage, folder: &TempDir) -> Fixture {
    let clock = Clock::system();
    let context = crate::test::context(storage.clone(), folder.path(), clock, true, true).await;
    let settings = FurnitureSettings {
        webhook: WebhookSettings { allow_private: true },
        export_folder: Some(folder.path().join("furniture-exports")),
        ..FurnitureSettings::default()
    };
    let furniture = open(&context, &settings, &ShopSettings::default()).await.unwrap();
    let streams = Streams::new(8, context.shutdown.clone());
    let edge = Edge::new(context.authority.clone(), context.faults.clone(), streams, CommerceSettings::default().limit);
    let (router, _) = edge.wrap("/api/v1/furniture", Some(Actor::Furniture), furniture.routes());
    Fixture { context, furniture, router }
}

impl Fixture {
    fn token(&self, role: Role, subject: &str) -> String {
        let (audience, ttl) = (&[Actor::Furniture][..], Duration::from_secs(600));
        self.context.authority.issue(&Grant { subject, actor: None, audience, scopes: role.scopes(), ttl }).unwrap()
    }

    async fn send(&self, request: Builder, body: Body) -> Answer {
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn request(&self, method: &str, path: &str, role: Role) -> Builder {
        let token = self.token(role, "demo-1");
        Request::builder()
            .method(method)
            .uri(format!("/api/v1/furniture{path}"))
            .header("authorization", format!("Bearer {token}"))
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, Role::Customer), Body::empty()).await
    }

    async fn post(&self, path: &str, role: Role, body: &Value) -> Answer {
        let request = self.request("POST", path, role).header("idempotency-key", new_uuid());
        self.send(request.header("content-type", "application/json"), Body::from(body.to_string())).await
    }

    /// Runs jobs until the fixture's shutdown.
    fn work(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.context.jobs.clone().run(self.context.shutdown.clone()))
    }

    /// Waits until an export is over.
    async fn over(&self, id: &str) -> Value {
        for _ in 0..3000 {
            let view = self.get(&format!("/exports/{id}")).await.json();
            if view["state"] == "ready" || view["state"] == "failed" {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the export never ends");
    }

    /// What is sold, from the table itself: code, cents, change.
    async fn table(&self) -> BTreeMap<String, (i64, i64)> {
        let rows = self.furniture.db().rows("SELECT sku, minor, change FROM product WHERE active = 1", args![]).await;
        let row =
            |row: &crate::store::Row| (row.text(0).unwrap().to_owned(), (row.int(1).unwrap(), row.int(2).unwrap()));
        rows.unwrap().iter().map(row).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ndjson(body: &[u8]) -> Vec<Value> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn of_ndjson(body: &[u8]) -> BTreeMap<String, (i64, i64)> {
    let pair = |row: Value| {
        let sku = row["sku"].as_str().unwrap().to_owned();
        (sku, (row["price"]["minor"].as_i64().unwrap(), row["change"].as_i64().unwrap()))
    };
    let rows = ndjson(body);
    let count = rows.len();
    let found: BTreeMap<_, _> = rows.into_iter().map(pair).collect();
    assert_eq!(found.len(), count, "a row came twice");
    found
}

fn of_csv(body: &[u8]) -> BTreeMap<String, (i64, i64)> {
    let mut reader = csv::Reader::from_reader(body);
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (sku, minor, change) = (column("sku"), column("price_minor"), column("change"));
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row.unwrap();
        (row[sku].to_owned(), (row[minor].parse().unwrap(), row[change].parse().unwrap()))
    };
    reader.records().map(row).collect()
}

#[cfg(feature = "arrow")]
fn of_arrow(body: &[u8]) -> BTreeMap<String, (i64, i64)> {
    use arrow_array::{Int64Array, StringArray};
    let reader = arrow_ipc::reader::StreamReader::try_new(body, None).unwrap();
    let mut found = BTreeMap::new();
    for batch in reader {
        let batch = batch.unwrap();
        assert!(batch.num_rows() <= super::limit::BATCH_ROWS);
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let (sku, minor, change) = (column("sku"), column("price_minor"), column("change"));
        let sku: &StringArray = sku.as_any().downcast_ref().unwrap();
        let minor: &Int64Array = minor.as_any().downcast_ref().unwrap();
        let change: &Int64Array = change.as_any().downcast_ref().unwrap();
        found.extend(
            (0..batch.num_rows()).map(|row| (sku.value(row).to_owned(), (minor.value(row), change.value(row)))),
        );
    }
    found
}

#[tokio::test]
async fn an_export_is_the_table_in_every_format() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    seed::bulk(fixture.furniture.db(), 5000).await.unwrap();
    let table = fixture.table().await;
    assert_eq!(table.len(), 5209);
    let answer = fixture.get("/export?format=ndjson").await;
    assert_eq!((answer.status, of_ndjson(&answer.body) == table), (StatusCode::OK, true));
    let snapshot: i64 = answer.headers["efir-snapshot"].to_str().unwrap().parse().unwrap();
    assert_eq!(table.values().map(|(_, change)| *change).max(), Some(snapshot));
    let first = &ndjson(&answer.body)[0];
    assert!(first["name"]["fi"].is_string() && first["attributes"]["width_mm"].is_string(), "{first}");
    let answer = fixture.get("/export?format=csv").await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(of_csv(&answer.body), table);
    #[cfg(feature = "arrow")]
    assert_eq!(of_arrow(&fixture.get("/export?format=arrow").await.body), table);
    #[cfg(not(feature = "arrow"))]
    assert_eq!(fixture.get("/export?format=arrow").await.status, StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test]
async fn rows_of_an_export_never_mix_two_states() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    seed::bulk(fixture.furniture.db(), 3000).await.unwrap();
    let table = fixture.table().await;
    let mut begun = export::open(fixture.furniture.db(), Format::Ndjson, None).await.unwrap();
    let mut bytes = begun.chunks.try_next().await.unwrap().unwrap().bytes.to_vec();
    let (first, last) = (table.keys().next().unwrap().clone(), table.keys().last().unwrap().clone());
    fixture.furniture.withdraw(None, Sku::parse(&last).unwrap()).await.unwrap();
    fixture.furniture.withdraw(None, Sku::parse(&first).unwrap()).await.unwrap();
    seed::bulk(fixture.furniture.db(), 3500).await.unwrap();
    while let Some(chunk) = begun.chunks.try_next().await.unwrap() {
        bytes.extend_from_slice(&chunk.bytes);
    }
    assert_eq!(of_ndjson(&bytes), table);
}

#[tokio::test]
async fn changes_since_tell_of_withdrawn_products() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    let before = fixture.get("/export?format=ndjson").await;
    let snapshot = before.headers["efir-snapshot"].to_str().unwrap().to_owned();
    let none = fixture.get(&format!("/export?format=ndjson&since={snapshot}")).await;
    assert_eq!((none.status, none.body.len()), (StatusCode::OK, 0));
    let price = json!({ "price": { "minor": 4242, "currency": "EUR" } });
    let put = fixture.request("PUT", "/products/STOOL-GREY/price", Role::Operator);
    let version = fixture.get("/products/STOOL-GREY").await.json()["version"].clone();
    let put = put.header("if-match", format!("\"{version}\"")).header("content-type", "application/json");
    assert_eq!(fixture.send(put, Body::from(price.to_string())).await.status, StatusCode::OK);
    let withdrawn = fixture.post("/products/RUG-GREY/withdraw", Role::Operator, &json!({})).await;
    assert_eq!(withdrawn.status, StatusCode::NO_CONTENT);
    assert_eq!(fixture.get("/products/RUG-GREY").await.status, StatusCode::NOT_FOUND);
    let changes = fixture.get(&format!("/export?format=ndjson&since={snapshot}")).await;
    let rows: BTreeMap<_, _> =
        ndjson(&changes.body).into_iter().map(|row| (row["sku"].as_str().unwrap().to_owned(), row)).collect();
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["RUG-GREY", "STOOL-GREY"]);
    assert_eq!((&rows["RUG-GREY"]["deleted"], &rows["STOOL-GREY"]["price"]["minor"]), (&json!(true), &json!(4242)));
    let csv = fixture.get(&format!("/export?format=csv&since={snapshot}")).await;
    assert_eq!(csv.body.iter().filter(|byte| **byte == b'\n').count(), 3);
    // A reader that applies the changes to what it had ends with what is sold now.
    let mut copy = of_ndjson(&before.body);
    for (sku, row) in rows {
        match row["price"]["minor"].as_i64() {
            Some(minor) => copy.insert(sku, (minor, row["change"].as_i64().unwrap())),
            None => copy.remove(&sku),
        };
    }
    assert_eq!(copy, fixture.table().await);
}

#[tokio::test]
async fn a_download_resumes_to_the_same_digest() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    let working = fixture.work();
    let queued = fixture.post("/exports", Role::Customer, &json!({ "format": "csv" })).await;
    assert_eq!(queued.status, StatusCode::ACCEPTED, "{:?}", queued.body);
    let location = queued.headers["location"].to_str().unwrap().to_owned();
    let id = queued.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/api/v1/furniture/exports/{id}"));
    let view = fixture.over(&id).await;
    assert_eq!((&view["state"], &view["rows_done"], &view["rows_total"]), (&json!("ready"), &json!(209), &json!(209)));
    let file = format!("/exports/{id}/file");
    let whole = fixture.get(&file).await;
    assert_eq!(of_csv(&whole.body), fixture.table().await);
    assert_eq!((json!(hex(&whole.body)), json!(whole.body.len())), (view["sha256"].clone(), view["bytes"].clone()));
    let tag = whole.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", hex(&whole.body)));
    assert!(whole.headers["repr-digest"].to_str().unwrap().starts_with("sha-256=:"));
    let range = |range: &str, tag: &str| {
        fixture.request("GET", &file, Role::Customer).header("range", range).header("if-range", tag)
    };
    let head = fixture.send(range("bytes=0-9999", &tag), Body::empty()).await;
    let tail = fixture.send(range("bytes=10000-", &tag), Body::empty()).await;
    assert_eq!((head.status, tail.status), (StatusCode::PARTIAL_CONTENT, StatusCode::PARTIAL_CONTENT));
    assert_eq!(hex(&[head.body, tail.body].concat()), hex(&whole.body));
    // Another file than the one that was begun: all of it.
    let other = fixture.send(range("bytes=10000-", "\"other\""), Body::empty()).await;
    assert_eq!((other.status, other.body.len()), (StatusCode::OK, whole.body.len()));
    let beyond = fixture.send(range("bytes=99999999-", &tag), Body::empty()).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let known = fixture.request("GET", &file, Role::Customer).header("if-none-match", &tag);
    assert_eq!(fixture.send(known, Body::empty()).await.status, StatusCode::NOT_MODIFIED);
    let stranger = fixture.token(Role::Customer, "demo-2");
    let stranger = Request::builder()
        .uri(format!("/api/v1/furniture{file}"))
        .header("authorization", format!("Bearer {stranger}"));
    assert_eq!(fixture.send(stranger, Body::empty()).await.status, StatusCode::NOT_FOUND);
    let gone = fixture.send(fixture.request("DELETE", &format!("/exports/{id}"), Role::Customer), Body::empty()).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(fixture.get(&file).await.status, StatusCode::NOT_FOUND);
    assert_eq!(std::fs::read_dir(folder.path().join("furniture-exports")).unwrap().count(), 0);
    fixture.context.shutdown.begin();
    working.await.unwrap();
}

#[tokio::test]
async fn a_crash_in_the_middle_of_an_export_is_made_good() {
    let folder = TempDir::new().unwrap();
    let exports = folder.path().join("furniture-exports");
    let storage = test_storage(&folder);
    let id = {
        let fixture = fixture_at(&storage, &folder).await;
        seed::bulk(fixture.furniture.db(), 20_000).await.unwrap();
        let queued = fixture.post("/exports", Role::Customer, &json!({ "format": "ndjson" })).await;
        let id = queued.json()["id"].as_str().unwrap().to_owned();
        let working = fixture.work();
        // Cut off as soon as something is written, and no sooner.
        let begun = || std::fs::read_dir(&exports).unwrap().any(|entry| entry.unwrap().metadata().unwrap().len() > 0);
        while !begun() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
        assert_eq!(fixture.get(&format!("/exports/{id}")).await.json()["state"], "running");
        assert!(!exports.join(format!("{id}.ndjson")).exists());
        id
    };
    let fixture = fixture_at(&storage, &folder).await;
    let working = fixture.work();
    let view = fixture.over(&id).await;
    assert_eq!((&view["state"], &view["rows_done"]), (&json!("ready"), &json!(20_209)));
    let file = fixture.get(&format!("/exports/{id}/file")).await;
    assert_eq!(json!(hex(&file.body)), view["sha256"]);
    assert_eq!(of_ndjson(&file.body), fixture.table().await);
    fixture.context.shutdown.begin();
    working.await.unwrap();
}

#[tokio::test]
async fn subscribers_hear_of_a_finished_export() {
    type Calls = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    let calls = Calls::default();
    let heard = Arc::clone(&calls);
    let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        heard.lock().unwrap().push((headers, body));
        async { StatusCode::OK }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let made = fixture.post("/webhooks", Role::Customer, &json!({ "url": url, "events": ["export.ready"] })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
    let working = fixture.work();
    let queued = fixture.post("/exports", Role::Customer, &json!({ "format": "ndjson" })).await.json();
    let view = fixture.over(queued["id"].as_str().unwrap()).await;
    for _ in 0..1000 {
        if !calls.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let calls = calls.lock().unwrap().clone();
    let [(headers, body)] = calls.as_slice() else { panic!("{} calls", calls.len()) };
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    standardwebhooks::Webhook::new(secret).unwrap().verify(body, headers).unwrap();
    webhook::verify(&[secret], headers, body, fixture.context.clock.now()).unwrap();
    let event: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&event["type"], &event["data"]["sha256"]), (&json!("export.ready"), &view["sha256"]));
    // The list shows no secret.
    let listed = fixture.get("/webhooks").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains("whsec_"));
    fixture.context.shutdown.begin();
    working.await.unwrap();
    serving.abort();
}

#[tokio::test]
async fn odd_requests_are_refused_and_explained() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    for (query, word) in [
        ("", "format"),
        ("?format=xml", "`ndjson`, `csv`, `arrow`"),
        ("?format=csv&since=-1", "since"),
        ("?format=csv&since=x", "since"),
        ("?format=csv&since=999999999", "newest change"),
        ("?format=csv&until=3", "until"),
    ] {
        let answer = fixture.get(&format!("/export{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{query}: {}", answer.json());
    }
    for body in
        [json!({ "format": "xml" }), json!({ "format": "csv", "since": -1 }), json!({ "format": "csv", "x": 1 })]
    {
        let answer = fixture.post("/exports", Role::Customer, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.json()["errors"][0]["pointer"].is_string(), "{body}");
    }
    let future = fixture.post("/exports", Role::Customer, &json!({ "format": "csv", "since": 999_999_999 })).await;
    assert_eq!(
        (future.status, &future.json()["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/since"))
    );
    let keyless = fixture.request("POST", "/exports", Role::Customer).header("content-type", "application/json");
    assert_eq!(fixture.send(keyless, Body::from(r#"{"format":"csv"}"#)).await.status, StatusCode::BAD_REQUEST);
    let nobody = Request::builder().uri("/api/v1/furniture/export?format=csv");
    assert_eq!(fixture.send(nobody, Body::empty()).await.status, StatusCode::UNAUTHORIZED);
    let prescriber = fixture.request("GET", "/export?format=csv", Role::Prescriber);
    assert_eq!(fixture.send(prescriber, Body::empty()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(fixture.get("/exports/42").await.status, StatusCode::NOT_FOUND);
    let customer = fixture.post("/products/RUG-GREY/withdraw", Role::Customer, &json!({})).await;
    assert_eq!(customer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn no_more_exports_at_a_time_than_there_are_places() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    let places: Vec<_> = (0..super::limit::STREAMED).map(|_| fixture.furniture.place().unwrap()).collect();
    let refused = fixture.get("/export?format=csv").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers.contains_key("retry-after"));
    drop(places);
    assert_eq!(fixture.get("/export?format=csv").await.status, StatusCode::OK);
}

#[tokio::test]
async fn discounts_are_shown_charged_and_told() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture(&folder).await;
    let list = fixture.get("/products/STOOL-GREY").await.json();
    assert_eq!((&list["price"]["minor"], list.get("was")), (&json!(1990), None));
    let ends_at = fixture.context.clock.now().after(Duration::from_secs(3600));
    let starts_at = fixture.context.clock.now();
    let discount = |cut: Value| json!({ "title": "Test", "cut": cut, "starts_at": starts_at, "ends_at": ends_at, "skus": ["STOOL-GREY"] });
    for cut in [json!({ "percent": 1000 }), json!({ "amount": 500 })] {
        let made = fixture.post("/discounts", Role::Operator, &discount(cut)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
    }
    let shown = fixture.get("/products/STOOL-GREY").await.json();
    assert_eq!((&shown["price"]["minor"], &shown["was"]["minor"]), (&json!(1490), &json!(1990)));
    let order = json!({ "lines": [{ "sku": "STOOL-GREY", "quantity": 3 }] });
    let order = fixture.post("/orders", Role::Customer, &order).await.json();
    assert_eq!((&order["total"]["minor"], &order["lines"][0]["discount"]["minor"]), (&json!(4470), &json!(1500)));
    let before: i64 =
        fixture.get("/export?format=ndjson").await.headers["efir-snapshot"].to_str().unwrap().parse().unwrap();
    fixture.furniture.tell_once().await.unwrap();
    let told = fixture.get(&format!("/export?format=ndjson&since={before}")).await;
    let told: BTreeSet<_> = ndjson(&told.body).iter().map(|row| row["sku"].as_str().unwrap().to_owned()).collect();
    assert!(told.contains("STOOL-GREY") && told.contains("SOFA2-GREY"), "{told:?}");
    // Once the discounts are over, the list price is back.
    for made in fixture.get("/discounts").await.json()["items"].as_array().unwrap() {
        let path = format!("/discounts/{}", made["id"].as_str().unwrap());
        let ended = fixture.send(fixture.request("DELETE", &path, Role::Operator), Body::empty()).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT);
    }
    fixture.furniture.forget(&[Sku::parse("STOOL-GREY").unwrap()]).await;
    assert_eq!(fixture.get("/products/STOOL-GREY").await.json()["price"]["minor"], 1990);
    let odd = json!({ "title": "x", "cut": { "percent": 20_000 }, "ends_at": ends_at, "skus": ["STOOL-GREY"] });
    assert_eq!(fixture.post("/discounts", Role::Operator, &odd).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let unknown = json!({ "title": "x", "cut": { "percent": 2000 }, "ends_at": ends_at, "skus": ["NOTHING"] });
    assert_eq!(fixture.post("/discounts", Role::Operator, &unknown).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let late =
        json!({ "title": "x", "cut": { "percent": 2000 }, "ends_at": "2020-01-01T00:00:00Z", "skus": ["STOOL-GREY"] });
    assert_eq!(fixture.post("/discounts", Role::Operator, &late).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let customer = fixture.post("/discounts", Role::Customer, &discount(json!({ "percent": 1000 }))).await;
    assert_eq!(customer.status, StatusCode::FORBIDDEN);
}
