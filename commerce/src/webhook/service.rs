//! What is done with subscriptions, and how events come to them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::deliver::Client;
use super::guard::{self, GuardError, WebhookSettings};
use super::limit;
use super::model::{DeliveryView, Subscribed, Subscription, subscription_columns};
use super::sign::{SignError, new_secret};
use crate::id::{SubscriptionId, new_uuid};
use crate::job::{Job, JobKind, Jobs};
use crate::problem::Problem;
use crate::store::{Database, Once, StoreError, Tx, args};

/// Why a subscription is not made or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum WebhookError {
    /// The address is refused.
    #[error("the address {0}")]
    Url(#[from] GuardError),
    /// There is no such event.
    #[error("there is no event {0}")]
    Event(String),
    /// The owner has as many as there may be.
    #[error("there are {} subscriptions already", limit::SUBSCRIPTIONS)]
    Full,
    /// No such subscription, or another's.
    #[error("there is no such subscription")]
    NotFound,
    /// No random numbers.
    #[error(transparent)]
    Secret(#[from] SignError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let text = error.to_string();
        match error {
            WebhookError::Url(error) => Self::invalid("the address is refused").at("/url", error.to_string()),
            WebhookError::Event(_) => Self::invalid("an event is not known").at("/events", text),
            WebhookError::Full => Self::new("too-many-webhooks", StatusCode::CONFLICT, "Too many subscriptions", text),
            WebhookError::NotFound => Self::not_found(text),
            WebhookError::Secret(_) => Self::internal(text),
            WebhookError::Store(error) => error.into(),
        }
    }
}

/// What a job carries.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Push {
    pub(super) delivery: String,
}

/// The webhooks of one actor. Clones are the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) db: Database,
    pub(super) jobs: Jobs,
    /// What delivers: a kind of the actor's own.
    pub(super) kind: JobKind,
    /// What can be subscribed to.
    pub(super) events: &'static [&'static str],
    pub(super) settings: WebhookSettings,
    pub(super) client: Client,
}

/// The kind of an actor's delivery jobs: tried for about three days, most of them at half-day steps.
pub(crate) const fn delivery_kind(name: &'static str) -> JobKind {
    let (first, longest) = (Duration::from_secs(30), Duration::from_secs(12 * 3600));
    JobKind::new(name).at_once(8).tries(17, first, longest).timeout(Duration::from_secs(60))
}

impl Webhooks {
    /// Webhooks over a database with [`MIGRATIONS`](super::MIGRATIONS). Registers the handler of `kind`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub(crate) fn new(
        db: Database,
        jobs: &Jobs,
        kind: JobKind,
        events: &'static [&'static str],
        settings: WebhookSettings,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::new(settings)?;
        let inner = Arc::new(Inner { db, jobs: jobs.clone(), kind, events, settings, client });
        // The queue keeps the handler and the handler must not keep the queue.
        let weak = Arc::downgrade(&inner);
        jobs.handle(kind, move |job: Job<Push>| {
            let inner = weak.upgrade();
            async move {
                match inner {
                    Some(inner) => inner.deliver(&job).await,
                    None => Err(crate::job::JobError::Again("stopping".to_owned())),
                }
            }
        });
        Ok(Self { inner })
    }

    /// Queues anew what waits: what a crash left between the commit and the push. Forgets what ended long ago.
    ///
    /// # Errors
    /// Storage failed.
    pub(crate) async fn resume(&self) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let select = "SELECT id FROM webhook_delivery WHERE state = 'waiting' AND id > $1 ORDER BY id LIMIT $2";
            let rows = self.inner.db.rows(select, args![&after, limit::RESUMED]).await?;
            let ids = rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect::<Result<Vec<_>, StoreError>>()?;
            let Some(last) = ids.last() else { break };
            after.clone_from(last);
            self.kick(&ids).await;
        }
        self.inner
            .db
            .write::<(), StoreError, _>(None, |tx| {
                Box::pin(async move {
                    let delete = "DELETE FROM webhook_delivery WHERE state <> 'waiting' AND at < $1";
                    let before = tx.now().before(limit::KEEP);
                    tx.run(delete, args![before]).await.map(drop)
                })
            })
            .await
    }

    /// Notes an event for all subscriptions of its owner, in the transaction that it belongs to. Hand the result to
    /// [`Webhooks::kick`] after the commit.
    ///
    /// # Errors
    /// Storage failed, or the event is too large.
    pub(crate) async fn note(
        &self,
        tx: &mut Tx,
        owner: &str,
        event: &str,
        data: &impl Serialize,
    ) -> Result<Vec<String>, StoreError> {
        let select = "SELECT id, events FROM webhook WHERE owner = $1 AND disabled IS NULL ORDER BY id";
        let rows = tx.rows(select, args![owner]).await?;
        let body = json!({ "type": event, "timestamp": tx.now(), "data": data }).to_string();
        if body.len() > limit::BODY_BYTES {
            return Err(StoreError::Value(format!("the event {event} is too large for webhooks")));
        }
        let mut noted = Vec::new();
        for row in &rows {
            let events: Vec<String> = row.json(1)?;
            if !events.iter().any(|wanted| wanted == event) {
                continue;
            }
            let id = format!("msg_{}", new_uuid());
            let insert = "
                INSERT INTO webhook_delivery (id, webhook, kind, body, state, attempts, at)
                VALUES ($1, $2, $3, $4, 'waiting', 0, $5)";
            tx.run(insert, args![&id, row.text(0)?, event, &body, tx.now()]).await?;
            noted.push(id);
        }
        Ok(noted)
    }

    /// Has noted events delivered soon. What cannot be queued now is queued at the next start.
    pub(crate) async fn kick(&self, deliveries: &[String]) {
        for delivery in deliveries {
            let push = Push { delivery: delivery.clone() };
            if let Err(error) = self.inner.jobs.push(self.inner.kind, &push, Duration::ZERO, delivery).await {
                tracing::warn!(%error, "a webhook waits for the next start");
            }
        }
    }

    /// Makes a subscription.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub(crate) async fn subscribe(
        &self,
        once: Option<&Once>,
        owner: String,
        url: &str,
        events: Vec<String>,
    ) -> Result<Subscribed, WebhookError> {
        let url = guard::parse(url, self.inner.settings)?.to_string();
        if let Some(unknown) = events.iter().find(|event| !self.inner.events.contains(&event.as_str())) {
            return Err(WebhookError::Event(unknown.clone()));
        }
        let secret = new_secret()?;
        self.inner
            .db
            .write::<_, WebhookError, _>(once, move |tx| {
                Box::pin(async move {
                    let count = tx.row("SELECT COUNT(*) FROM webhook WHERE owner = $1", args![&owner]).await?;
                    if count.map_or(Ok(0), |row| row.int(0))? >= limit::SUBSCRIPTIONS {
                        return Err(WebhookError::Full);
                    }
                    let created_at = tx.now();
                    let id = SubscriptionId::new();
                    let json = serde_json::to_string(&events).map_err(StoreError::from)?;
                    let insert = "
                        INSERT INTO webhook (id, owner, url, events, secret, old_until, created_at)
                        VALUES ($1, $2, $3, $4, $5, 0, $6)";
                    tx.run(insert, args![id.as_str(), owner, &url, json, &secret, created_at]).await?;
                    let subscription = Subscription { id, url, events, disabled: None, created_at };
                    Ok(Subscribed { subscription, secret })
                })
            })
            .await
    }

    /// The owner's subscriptions, oldest first.
    ///
    /// # Errors
    /// Storage failed.
    pub(crate) async fn subscriptions(&self, owner: &str) -> Result<Vec<Subscription>, StoreError> {
        let select = concat!("SELECT ", subscription_columns!(), " FROM webhook WHERE owner = $1 ORDER BY id LIMIT $2");
        let rows = self.inner.db.rows(select, args![owner, limit::SUBSCRIPTIONS]).await?;
        rows.iter().map(Subscription::read).collect()
    }

    /// What became of the newest events for a subscription.
    ///
    /// # Errors
    /// No such subscription of this owner.
    pub(crate) async fn deliveries(&self, owner: &str, id: &SubscriptionId) -> Result<Vec<DeliveryView>, WebhookError> {
        let known = self.inner.db.row("SELECT id FROM webhook WHERE id = $1 AND owner = $2", args![id.as_str(), owner]);
        known.await?.ok_or(WebhookError::NotFound)?;
        let select = "
            SELECT id, kind, state, status, attempts, at FROM webhook_delivery WHERE webhook = $1
            ORDER BY id DESC LIMIT $2";
        let rows = self.inner.db.rows(select, args![id.as_str(), limit::LISTED]).await?;
        Ok(rows.iter().map(DeliveryView::read).collect::<Result<_, _>>()?)
    }

    /// Ends a subscription; what waits for it is dropped.
    ///
    /// # Errors
    /// No such subscription of this owner.
    pub(crate) async fn unsubscribe(&self, owner: String, id: SubscriptionId) -> Result<(), WebhookError> {
        self.inner
            .db
            .write::<(), WebhookError, _>(None, move |tx| {
                Box::pin(async move {
                    let delete = "DELETE FROM webhook WHERE id = $1 AND owner = $2";
                    if tx.run(delete, args![id.as_str(), owner]).await? == 0 {
                        return Err(WebhookError::NotFound);
                    }
                    tx.run("DELETE FROM webhook_delivery WHERE webhook = $1", args![id.as_str()]).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Gives a subscription a new secret. The one before signs beside it for [`limit::OLD_SECRET`]; one before that ends now.
    ///
    /// # Errors
    /// No such subscription of this owner.
    pub(crate) async fn rotate(
        &self,
        once: Option<&Once>,
        owner: String,
        id: SubscriptionId,
    ) -> Result<Subscribed, WebhookError> {
        let secret = new_secret()?;
        self.inner
            .db
            .write::<_, WebhookError, _>(once, move |tx| {
                Box::pin(async move {
                    let until = tx.now().after(limit::OLD_SECRET);
                    let update = concat!(
                        "UPDATE webhook SET old_secret = secret, old_until = $1, secret = $2 ",
                        "WHERE id = $3 AND owner = $4 RETURNING ",
                        subscription_columns!()
                    );
                    let row = tx.row(update, args![until, &secret, id.as_str(), owner]).await?;
                    let subscription = Subscription::read(&row.ok_or(WebhookError::NotFound)?)?;
                    Ok(Subscribed { subscription, secret })
                })
            })
            .await
    }
}
