//! Subscriptions and deliveries as they are shown and stored.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::SubscriptionId;
use crate::store::{Migration, Row, StoreError};

/// Subscriptions and what was or is to be delivered to them: for the database of every actor that has webhooks.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 150,
    name: "webhooks",
    sql: "
        CREATE TABLE webhook (
            id TEXT NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            url TEXT NOT NULL,
            events TEXT NOT NULL,
            secret TEXT NOT NULL,
            old_secret TEXT,
            old_until BIGINT NOT NULL,
            disabled TEXT,
            created_at BIGINT NOT NULL
        );
        CREATE INDEX webhook_owner ON webhook (owner, id);
        CREATE TABLE webhook_delivery (
            id TEXT NOT NULL PRIMARY KEY,
            webhook TEXT NOT NULL,
            kind TEXT NOT NULL,
            body TEXT NOT NULL,
            state TEXT NOT NULL,
            status BIGINT,
            attempts BIGINT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook, id);
        CREATE INDEX webhook_delivery_waiting ON webhook_delivery (id) WHERE state = 'waiting';
    ",
}];

/// A subscription, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Subscription {
    /// Its name.
    pub(crate) id: SubscriptionId,
    /// Where events are sent.
    pub(crate) url: String,
    /// Kinds of events that are sent.
    pub(crate) events: Vec<String>,
    /// Why nothing is sent any more, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) disabled: Option<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
}

/// A subscription and its new secret, which is never shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Subscribed {
    /// The subscription.
    #[serde(flatten)]
    pub(crate) subscription: Subscription,
    /// Signs every call (standardwebhooks.com).
    #[schema(example = "whsec_…")]
    pub(crate) secret: String,
}

/// What became of one event for one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// `webhook-id` of every try.
    pub(crate) id: String,
    /// Kind of event.
    pub(crate) kind: String,
    /// `waiting`, `done`, `failed` or `dropped`.
    pub(crate) state: String,
    /// The status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<i64>,
    /// Tries so far.
    pub(crate) attempts: i64,
    /// When the event was, or when the delivery ended.
    pub(crate) at: Timestamp,
}

/// The columns of [`Subscription::read`].
macro_rules! subscription_columns {
    () => {
        "id, url, events, disabled, created_at"
    };
}
pub(super) use subscription_columns;

impl Subscription {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse(0, SubscriptionId::parse)?,
            url: row.text(1)?.to_owned(),
            events: row.json(2)?,
            disabled: row.opt_text(3)?.map(str::to_owned),
            created_at: row.time(4)?,
        })
    }
}

impl DeliveryView {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text(0)?.to_owned(),
            kind: row.text(1)?.to_owned(),
            state: row.text(2)?.to_owned(),
            status: row.opt_int(3)?,
            attempts: row.int(4)?,
            at: row.time(5)?,
        })
    }
}
