//! Webhooks: events sent to whoever subscribed, signed as standardwebhooks.com asks, and the check of those that come in.
//!
//! An event is noted for its subscribers in the transaction that it belongs to ([`Webhooks::note`]) and delivered by jobs: tried
//! for about three days, 2xx is success, 410 ends the subscription, redirects are not followed. Subscribers may hear an event
//! twice, under the same `webhook-id`. [`guard`] keeps subscribers from pointing us at our own network.

mod deliver;
mod guard;
mod limit;
mod model;
mod routes;
mod service;
mod sign;
#[cfg(test)]
mod tests;

pub use self::guard::WebhookSettings;
pub(crate) use self::model::MIGRATIONS;
pub(crate) use self::routes::routes;
pub(crate) use self::service::{Webhooks, delivery_kind};
pub(crate) use self::sign::{VerifyError, new_secret, sign, verify};
