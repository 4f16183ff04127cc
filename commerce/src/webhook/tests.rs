//! Deliveries to a real server on loopback.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;
use standardwebhooks::Webhook;

use super::model::Subscribed;
use super::service::{Push, WebhookError};
use super::{MIGRATIONS, WebhookSettings, Webhooks, delivery_kind, verify};
use crate::id::new_uuid;
use crate::job::{Job, JobError, Jobs};
use crate::store::{StoreError, TestDatabase, test_database};

/// What a subscriber was sent.
type Calls = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A subscriber that answers with these statuses in turn, then with 204, and remembers what it got.
async fn subscriber(answers: &[u16]) -> (SocketAddr, Calls) {
    let calls = Calls::default();
    let answers: Arc<Mutex<VecDeque<u16>>> = Arc::new(Mutex::new(answers.iter().copied().collect()));
    let app = Router::new()
        .fallback(
            async |State((calls, answers)): State<(Calls, Arc<Mutex<VecDeque<u16>>>)>,
                   headers: HeaderMap,
                   body: Bytes| {
                calls.lock().unwrap().push((headers, body));
                let status = answers.lock().unwrap().pop_front().unwrap_or(204);
                let location = [("location", "/elsewhere"), ("retry-after", "7")];
                (StatusCode::from_u16(status).unwrap(), location).into_response()
            },
        )
        .with_state((Arc::clone(&calls), answers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, calls)
}

struct Fixture {
    test: TestDatabase,
    webhooks: Webhooks,
}

async fn fixture(settings: WebhookSettings) -> Fixture {
    let test = test_database(&[MIGRATIONS]).await;
    let jobs = Jobs::open(&test.storage).await.unwrap();
    let kind = delivery_kind(Box::leak(format!("test.{}", new_uuid()).into_boxed_str()));
    let webhooks = Webhooks::new(test.database.clone(), &jobs, kind, &["export.ready"], settings).unwrap();
    Fixture { test, webhooks }
}

const LOOSE: WebhookSettings = WebhookSettings { allow_private: true };

impl Fixture {
    async fn subscribe(&self, address: SocketAddr) -> Subscribed {
        let url = format!("http://{address}/hook");
        self.webhooks.subscribe(None, "demo-1".to_owned(), &url, vec!["export.ready".to_owned()]).await.unwrap()
    }

    async fn note(&self, owner: &'static str, event: &'static str) -> Vec<String> {
        let webhooks = self.webhooks.clone();
        self.test
            .database
            .write::<_, StoreError, _>(None, move |tx| {
                Box::pin(async move { webhooks.note(tx, owner, event, &json!({ "rows": 3 })).await })
            })
            .await
            .unwrap()
    }

    async fn deliver(&self, delivery: &str, attempt: usize, last: bool) -> Result<(), JobError> {
        let payload = Push { delivery: delivery.to_owned() };
        self.webhooks.inner.deliver(&Job { payload, attempt, last }).await
    }
}

#[tokio::test]
async fn the_reference_implementation_believes_our_calls() {
    // Signatures are judged by the system's clock there, so they are made by it here.
    let fixture = fixture(LOOSE).await;
    let (address, calls) = subscriber(&[]).await;
    let first = fixture.subscribe(address).await;
    let now = crate::clock::Clock::system().now();
    fixture.test.clock.advance(fixture.test.clock.now().until(now));
    let behind = now.until(fixture.test.clock.now());
    assert_eq!(fixture.note("demo-2", "export.ready").await, Vec::<String>::new());
    assert_eq!(fixture.note("demo-1", "export.other").await, Vec::<String>::new());
    let noted = fixture.note("demo-1", "export.ready").await;
    let second = fixture.webhooks.rotate(None, "demo-1".to_owned(), first.subscription.id.clone()).await.unwrap();
    assert_ne!(first.secret, second.secret);
    fixture.deliver(&noted[0], 1, false).await.unwrap();
    // Again: a job that comes twice is no second call.
    fixture.deliver(&noted[0], 2, false).await.unwrap();
    let calls = calls.lock().unwrap().clone();
    let [(headers, body)] = calls.as_slice() else { panic!("{} calls", calls.len()) };
    let event: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&event["type"], &event["data"]["rows"]), (&json!("export.ready"), &json!(3)));
    for secret in [&first.secret, &second.secret] {
        if behind.is_zero() {
            Webhook::new(secret).unwrap().verify(body, headers).unwrap();
        }
        let delivery = verify(&[secret], headers, body, fixture.test.clock.now()).unwrap();
        assert_eq!(delivery.id, noted[0]);
    }
    let seen = fixture.webhooks.deliveries("demo-1", &first.subscription.id).await.unwrap();
    assert_eq!((seen[0].state.as_str(), seen[0].status, seen[0].attempts), ("done", Some(204), 1));
}

#[tokio::test]
async fn the_old_secret_ends() {
    let fixture = fixture(LOOSE).await;
    let (address, calls) = subscriber(&[]).await;
    let first = fixture.subscribe(address).await;
    fixture.webhooks.rotate(None, "demo-1".to_owned(), first.subscription.id).await.unwrap();
    fixture.test.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let noted = fixture.note("demo-1", "export.ready").await;
    fixture.deliver(&noted[0], 1, false).await.unwrap();
    let calls = calls.lock().unwrap().clone();
    let now = fixture.test.clock.now();
    assert!(verify(&[&first.secret], &calls[0].0, &calls[0].1, now).is_err());
}

#[tokio::test]
async fn failures_are_tried_again_and_redirects_are_not_followed() {
    let fixture = fixture(LOOSE).await;
    let (address, calls) = subscriber(&[500, 302, 503]).await;
    fixture.subscribe(address).await;
    let noted = fixture.note("demo-1", "export.ready").await;
    assert!(matches!(fixture.deliver(&noted[0], 1, false).await, Err(JobError::Again(_))));
    assert!(matches!(fixture.deliver(&noted[0], 2, false).await, Err(JobError::Again(_))));
    let Err(JobError::After(wait, _)) = fixture.deliver(&noted[0], 3, false).await else { panic!() };
    assert_eq!(wait, Duration::from_secs(7));
    fixture.deliver(&noted[0], 4, false).await.unwrap();
    assert_eq!(calls.lock().unwrap().len(), 4);
    let ids: Vec<_> = calls.lock().unwrap().iter().map(|(headers, _)| headers["webhook-id"].clone()).collect();
    assert!(ids.iter().all(|id| id == noted[0].as_str()));
}

#[tokio::test]
async fn gone_disables() {
    let fixture = fixture(LOOSE).await;
    let (address, calls) = subscriber(&[410]).await;
    let made = fixture.subscribe(address).await;
    let first = fixture.note("demo-1", "export.ready").await;
    let second = fixture.note("demo-1", "export.ready").await;
    fixture.deliver(&first[0], 1, false).await.unwrap();
    fixture.deliver(&second[0], 1, false).await.unwrap();
    assert_eq!(calls.lock().unwrap().len(), 1);
    assert!(fixture.note("demo-1", "export.ready").await.is_empty());
    assert!(fixture.webhooks.subscriptions("demo-1").await.unwrap()[0].disabled.is_some());
    let states: Vec<_> = fixture.webhooks.deliveries("demo-1", &made.subscription.id).await.unwrap();
    assert_eq!(states.iter().map(|seen| seen.state.as_str()).collect::<Vec<_>>(), ["dropped", "failed"]);
}

#[tokio::test]
async fn who_never_answers_is_given_up() {
    let fixture = fixture(LOOSE).await;
    let (address, _) = subscriber(&[500]).await;
    fixture.subscribe(address).await;
    let noted = fixture.note("demo-1", "export.ready").await;
    assert!(matches!(fixture.deliver(&noted[0], 17, true).await, Err(JobError::Never(_))));
    assert!(fixture.webhooks.subscriptions("demo-1").await.unwrap()[0].disabled.is_some());
}

#[tokio::test]
async fn names_of_our_own_network_are_not_connected_to() {
    let fixture = fixture(WebhookSettings::default()).await;
    let (address, calls) = subscriber(&[]).await;
    let events = || vec!["export.ready".to_owned()];
    let numbers = format!("https://127.0.0.1:{}/", address.port());
    let refused = fixture.webhooks.subscribe(None, "demo-1".to_owned(), &numbers, events()).await;
    assert!(matches!(refused, Err(WebhookError::Url(_))));
    // A name passes at first, like one whose answer changes later; what counts is what would be connected to.
    let name = format!("https://localhost:{}/", address.port());
    fixture.webhooks.subscribe(None, "demo-1".to_owned(), &name, events()).await.unwrap();
    let noted = fixture.note("demo-1", "export.ready").await;
    assert!(matches!(fixture.deliver(&noted[0], 1, false).await, Err(JobError::Again(_))));
    assert!(calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn subscriptions_are_their_owners_and_bounded() {
    let fixture = fixture(LOOSE).await;
    let (address, _) = subscriber(&[]).await;
    let made = fixture.subscribe(address).await;
    let id = made.subscription.id;
    let url = format!("http://{address}/");
    let other = || "demo-2".to_owned();
    assert!(matches!(fixture.webhooks.unsubscribe(other(), id.clone()).await, Err(WebhookError::NotFound)));
    assert!(matches!(fixture.webhooks.rotate(None, other(), id.clone()).await, Err(WebhookError::NotFound)));
    assert!(matches!(fixture.webhooks.deliveries("demo-2", &id).await, Err(WebhookError::NotFound)));
    let unknown = fixture.webhooks.subscribe(None, other(), &url, vec!["order.paid".to_owned()]).await;
    assert!(matches!(unknown, Err(WebhookError::Event(_))));
    for _ in 1..20 {
        fixture.subscribe(address).await;
    }
    let more = fixture.webhooks.subscribe(None, "demo-1".to_owned(), &url, vec!["export.ready".to_owned()]).await;
    assert!(matches!(more, Err(WebhookError::Full)));
    fixture.webhooks.unsubscribe("demo-1".to_owned(), id).await.unwrap();
    assert_eq!(fixture.webhooks.subscriptions("demo-1").await.unwrap().len(), 19);
}
