//! One try to deliver one event.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Response, StatusCode};

use super::guard::{self, GuardedResolver, WebhookSettings};
use super::limit;
use super::service::{Inner, Push};
use super::sign::sign;
use crate::clock::Timestamp;
use crate::job::{Job, JobError};
use crate::store::{StoreError, args};

/// Calls subscribers: never a proxy, never a redirect, never a private address.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(settings: WebhookSettings) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("efir-webhooks/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(std::sync::Arc::new(GuardedResolver(settings)))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(limit::CONNECT)
            .timeout(limit::ANSWER)
            .pool_max_idle_per_host(1);
        for root in rustls_native_certs::load_native_certs().certs {
            if let Ok(certificate) = Certificate::from_der(&root) {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self { http: builder.build()? })
    }
}

/// What a try needs to know.
struct Sending {
    webhook: String,
    url: String,
    secret: String,
    old_secret: Option<String>,
    old_until: Timestamp,
    body: String,
}

/// What came of it.
enum Outcome {
    Done(i64),
    /// The subscriber wants no more, ever.
    Gone,
    Failed {
        status: Option<i64>,
        text: String,
        wait: Option<Duration>,
    },
}

impl Inner {
    /// Delivers what a job names, and notes what came of it.
    pub(super) async fn deliver(&self, job: &Job<Push>) -> Result<(), JobError> {
        let id = &job.payload.delivery;
        let Some(sending) = self.sending(id).await? else { return Ok(()) };
        let outcome = self.call(id, &sending).await;
        let attempts = i64::try_from(job.attempt).unwrap_or(i64::MAX);
        match outcome {
            Outcome::Done(status) => {
                metrics::counter!("efir_commerce_webhooks_total", "outcome" => "done").increment(1);
                Ok(self.end(id, "done", Some(status), attempts).await?)
            }
            Outcome::Gone => {
                metrics::counter!("efir_commerce_webhooks_total", "outcome" => "gone").increment(1);
                self.end(id, "failed", Some(410), attempts).await?;
                Ok(self.disable(sending.webhook, "the address answered 410 Gone").await?)
            }
            Outcome::Failed { status, text, wait } => {
                metrics::counter!("efir_commerce_webhooks_total", "outcome" => "failed").increment(1);
                if job.last {
                    self.end(id, "failed", status, attempts).await?;
                    self.disable(sending.webhook, "no answer for days").await?;
                    return Err(JobError::Never(text));
                }
                self.end(id, "waiting", status, attempts).await?;
                Err(match wait {
                    Some(wait) => JobError::After(wait, text),
                    None => JobError::Again(text),
                })
            }
        }
    }

    /// What is to be sent, unless it is done, dropped or disabled.
    async fn sending(&self, id: &str) -> Result<Option<Sending>, StoreError> {
        let select = "
            SELECT w.id, w.url, w.secret, w.old_secret, w.old_until, d.body
            FROM webhook_delivery AS d JOIN webhook AS w ON w.id = d.webhook
            WHERE d.id = $1 AND d.state = 'waiting' AND w.disabled IS NULL";
        let Some(row) = self.db.row(select, args![id]).await? else { return Ok(None) };
        Ok(Some(Sending {
            webhook: row.text(0)?.to_owned(),
            url: row.text(1)?.to_owned(),
            secret: row.text(2)?.to_owned(),
            old_secret: row.opt_text(3)?.map(str::to_owned),
            old_until: row.time(4)?,
            body: row.text(5)?.to_owned(),
        }))
    }

    async fn call(&self, id: &str, sending: &Sending) -> Outcome {
        let failed = |text: String| Outcome::Failed { status: None, text, wait: None };
        // Again: the settings may have become stricter since the subscription.
        let url = match guard::parse(&sending.url, self.settings) {
            Ok(url) => url,
            Err(error) => return failed(error.to_string()),
        };
        let now = self.db.clock().now();
        let mut secrets = vec![sending.secret.as_str()];
        secrets.extend(sending.old_secret.as_deref().filter(|_| sending.old_until > now));
        let Ok(headers) = sign(&secrets, id, now, sending.body.as_bytes()) else {
            return failed("the secret cannot sign".to_owned());
        };
        let mut request = self.client.http.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        // The answer's body is never read: nothing a subscriber sends can fill our memory.
        match request.body(sending.body.clone()).send().await {
            Ok(response) => outcome(&response),
            // Without the address: it may hold a token of the subscriber's.
            Err(error) => failed(error.without_url().to_string()),
        }
    }

    async fn end(&self, id: &str, state: &'static str, status: Option<i64>, attempts: i64) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.db
            .write::<(), StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let update = "
                        UPDATE webhook_delivery SET state = $1, status = $2, attempts = $3, at = $4
                        WHERE id = $5 AND state = 'waiting'";
                    let now = tx.now();
                    tx.run(update, args![state, status, attempts, now, id]).await.map(drop)
                })
            })
            .await
    }

    /// Sends nothing any more to a subscription.
    async fn disable(&self, webhook: String, why: &'static str) -> Result<(), StoreError> {
        tracing::info!(webhook, why, "webhook disabled");
        self.db
            .write::<(), StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    tx.run("UPDATE webhook SET disabled = $1 WHERE id = $2", args![why, &webhook]).await?;
                    let drop_waiting = "
                        UPDATE webhook_delivery SET state = 'dropped' WHERE webhook = $1 AND state = 'waiting'";
                    tx.run(drop_waiting, args![&webhook]).await.map(drop)
                })
            })
            .await
    }
}

fn outcome(response: &Response) -> Outcome {
    let status = response.status();
    let code = i64::from(status.as_u16());
    if status.is_success() {
        return Outcome::Done(code);
    }
    if status == StatusCode::GONE {
        return Outcome::Gone;
    }
    let wait = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let wait = response.headers().get(RETRY_AFTER).filter(|_| wait).and_then(|value| value.to_str().ok()?.parse().ok());
    Outcome::Failed { status: Some(code), text: format!("status {code}"), wait: wait.map(Duration::from_secs) }
}
