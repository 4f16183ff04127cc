//! What happened in one actor, for the others: numbered, kept in the same transaction, delivered at least once, and with the
//! inbox of the consumer exactly once in effect.
//!
//! A producer publishes with [`Tx::publish`](crate::store::Tx::publish). Everybody else reads its feed, an HTTP resource: in the
//! same process through the same stack without a socket, or over NATS JetStream where that is configured.

mod consume;
mod feed;
#[cfg(feature = "nats")]
mod nats;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::clock::Timestamp;
#[cfg(feature = "nats")]
use crate::context::Actor;
use crate::context::{Context, Tasks};

pub(crate) use consume::{Concerning, Handler, consume};
#[cfg(any(test, feature = "nats"))]
pub(crate) use feed::read;
pub(crate) use feed::routes;
#[cfg(feature = "nats")]
pub(crate) use nats::Bus;

/// Connects to the bus of the settings, if they name one.
///
/// # Errors
/// It cannot be reached.
#[cfg(feature = "nats")]
pub(crate) async fn connect(url: Option<&str>, name: &str) -> Result<Option<Bus>, BusError> {
    match url {
        Some(url) => Bus::connect(url, name).await.map(Some),
        None => Ok(None),
    }
}

/// Refuses the settings that this program cannot follow.
///
/// # Errors
/// A bus is named.
#[cfg(not(feature = "nats"))]
pub(crate) async fn connect(url: Option<&str>, _: &str) -> Result<(), BusError> {
    url.map_or(Ok(()), |_| Err("this program was built without the feature `nats`".into()))
}

/// Sends the events of all actors of this process to the bus, if there is one.
pub(crate) fn publish(tasks: &mut Tasks, context: &Context) {
    #[cfg(feature = "nats")]
    if let Some(bus) = &context.bus {
        for database in context.databases.list() {
            if let Some(actor) = Actor::parse(database.name()) {
                bus.feed(tasks, actor, &database);
            }
        }
    }
    #[cfg(not(feature = "nats"))]
    let _ = (tasks, context);
}

/// Why a round of following or sending events failed: the network, the other side, or the own database.
type BusError = Box<dyn std::error::Error + Send + Sync>;

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Event {
    /// Place in the producer's order; without meaning between producers.
    pub(crate) seq: i64,
    /// The same however often the event is delivered.
    pub(crate) id: String,
    /// What happened, such as `order.confirmed`.
    pub(crate) kind: String,
    /// To what: an order's id, a parcel's number.
    pub(crate) subject: String,
    /// When.
    pub(crate) at: Timestamp,
    /// The thing as it is now.
    #[schema(value_type = Object)]
    pub(crate) data: Box<RawValue>,
}

/// Part of a feed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventPage {
    /// Events in the order of their numbers.
    pub(crate) events: Vec<Event>,
    /// Ask after this number next.
    pub(crate) next: i64,
}
