//! The feed of an actor's events.

#![expect(unused_qualifications, reason = "the description of routes writes out paths")]

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Event, EventPage};
use crate::auth::{Caller, Scope};
use crate::http::Query;
use crate::limit::{EVENTS_PER_PAGE, EVENTS_POLL, EVENTS_WAIT};
use crate::problem::Problem;
use crate::store::{Database, Row, StoreError, args};

/// Which part of a feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// Only events after this number.
    after: i64,
    /// At most so many events: 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: i64,
    /// If there are none, wait for some so many milliseconds: at most 4,000.
    #[param(maximum = 4_000)]
    wait_ms: u64,
}

impl Default for FeedQuery {
    fn default() -> Self {
        Self { after: 0, limit: EVENTS_PER_PAGE, wait_ms: 0 }
    }
}

/// The path of the feed.
pub(crate) fn routes(database: &Database) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(feed)).with_state(Arc::new(database.clone()))
}

/// What happened here, in order. For services; the token needs the scope `events:read`.
#[utoipa::path(get, path = "/events", params(FeedQuery), responses((status = 200, body = EventPage)))]
async fn feed(
    State(database): State<Arc<Database>>,
    caller: Caller,
    Query(query): Query<FeedQuery>,
) -> Result<Json<EventPage>, Problem> {
    caller.require(Scope::EventsRead)?;
    let (limit, wait) = (query.limit, Duration::from_millis(query.wait_ms));
    if !(1..=EVENTS_PER_PAGE).contains(&limit) || wait > EVENTS_WAIT {
        let most = EVENTS_WAIT.as_millis();
        return Err(Problem::malformed(format!("limit: from 1 to {EVENTS_PER_PAGE}; wait_ms: up to {most}")));
    }
    let until = Instant::now() + wait;
    let mut committed = database.committed();
    loop {
        committed.mark_unchanged();
        let events = read(&database, query.after, limit).await?;
        if !events.is_empty() || Instant::now() >= until {
            let next = events.last().map_or(query.after, |event| event.seq);
            return Ok(Json(EventPage { events, next }));
        }
        // Other processes may write to the same database without waking this one.
        let look_again = until.min(Instant::now() + EVENTS_POLL);
        if let Ok(Err(_)) = timeout_at(look_again, committed.changed()).await {
            return Err(StoreError::Closed.into());
        }
    }
}

/// Events after a number, in order.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn read(database: &Database, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
    let select = "SELECT seq, id, kind, subject, at, data FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2";
    database.rows(select, args![after, limit]).await?.iter().map(event).collect()
}

fn event(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        seq: row.int(0)?,
        id: row.text(1)?.to_owned(),
        kind: row.text(2)?.to_owned(),
        subject: row.text(3)?.to_owned(),
        at: row.time(4)?,
        data: RawValue::from_string(row.text(5)?.to_owned())?,
    })
}
