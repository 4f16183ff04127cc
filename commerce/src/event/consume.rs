//! Following another actor's events: each has its effect here once, whatever is delivered twice and whoever dies in between.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use process::Backoff;
use tokio::time::{Instant, sleep_until};

use super::{BusError, Event, EventPage};
use crate::auth::Scope;
use crate::context::{Actor, Context, Tasks};
use crate::fault::Faults;
use crate::limit::{DUTY, EVENTS_PER_PAGE, EVENTS_ROUND, EVENTS_WAIT};
use crate::peer::{Identity, Peer};
use crate::store::{Database, StoreError, Tx, args};

/// What an event changes in the consumer's own database.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Runs in the transaction that also notes the event as handled: nothing but rows of this database may change. An error
    /// stops the feed here until it succeeds, so events that do not concern the consumer are `Ok`.
    fn handle<'t>(&'t self, tx: &'t mut Tx, event: &'t Event) -> BoxFuture<'t, Result<(), StoreError>>;

    /// The subjects that concern the consumer, of many events at once and in the same transaction: the others' events are noted but
    /// not handled. `None` for all, unless the handler can tell by one statement.
    fn concerning<'t>(&'t self, _: &'t mut Tx, _: &'t [&'t Event]) -> Concerning<'t> {
        Box::pin(async { Ok(None) })
    }
}

/// See [`Handler::concerning`].
pub(crate) type Concerning<'t> = BoxFuture<'t, Result<Option<HashSet<String>>, StoreError>>;

/// Follows an actor's events from the first one on, until shutdown. `consumer` names the follower in its database and never
/// changes. Of several processes that share the database one follows.
pub(crate) fn consume(
    tasks: &mut Tasks,
    context: &Context,
    database: &Database,
    consumer: &'static str,
    from: Actor,
    handler: Arc<dyn Handler>,
) {
    #[cfg(feature = "nats")]
    if let Some(bus) = &context.bus {
        return bus.follow(tasks, database, consumer, from, handler);
    }
    // A database is called what its actor is called; one of a test is nobody's.
    let reader = Actor::parse(database.name()).unwrap_or(from);
    let identity = Identity { from: reader, scopes: vec![Scope::EventsRead], on_behalf_of: None };
    let (peer, faults) = (context.peers.get(from), context.faults.clone());
    tasks.spawn(consumer, Follower { database: database.clone(), peer, consumer, identity, handler, faults }.run());
}

struct Follower {
    database: Database,
    peer: Peer,
    consumer: &'static str,
    identity: Identity,
    handler: Arc<dyn Handler>,
    faults: Faults,
}

impl Follower {
    async fn run(self) {
        let mut pause = Pause::new(self.consumer);
        loop {
            let begun = Instant::now();
            pause.after(self.round().await).await;
            sleep_until(begun + EVENTS_ROUND).await;
        }
    }

    async fn round(&self) -> Result<(), BusError> {
        if !self.database.lease(self.consumer, DUTY).await? {
            tokio::time::sleep(DUTY / 3).await;
            return Ok(());
        }
        let after = self.progress().await?;
        let wait = EVENTS_WAIT.min(DUTY / 3).as_millis();
        let path = format!("/events?after={after}&limit={EVENTS_PER_PAGE}&wait_ms={wait}");
        let page: EventPage = self.peer.get(&path, &self.identity).await?;
        if page.events.is_empty() {
            return Ok(());
        }
        let (handler, consumer) = (Arc::clone(&self.handler), self.consumer);
        let doubled = self.faults.hit("event.doubled");
        self.database
            .write::<_, StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let mut events = page.events;
                    if doubled {
                        events.extend(events.clone());
                    }
                    apply(tx, consumer, handler.as_ref(), &events).await?;
                    let note = "
                        INSERT INTO progress (consumer, seq) VALUES ($1, $2)
                        ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq WHERE progress.seq < excluded.seq";
                    tx.run(note, args![consumer, page.next]).await.map(drop)
                })
            })
            .await?;
        Ok(())
    }

    async fn progress(&self) -> Result<i64, StoreError> {
        let row = self.database.row("SELECT seq FROM progress WHERE consumer = $1", args![self.consumer]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }
}

/// The pauses of a task that repeats rounds: none after a good one, longer ones after every further failure.
pub(super) struct Pause {
    task: &'static str,
    backoff: Backoff,
}

impl Pause {
    pub(super) fn new(task: &'static str) -> Self {
        Self { task, backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)) }
    }

    pub(super) async fn after(&mut self, round: Result<(), BusError>) {
        match round {
            Ok(()) => self.backoff.reset(),
            Err(error) => {
                let wait = self.backoff.next_wait();
                tracing::warn!(task = self.task, %error, ?wait, "following events failed");
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Handles those events that were not handled before. Statements do not grow with the number of events that do not concern the
/// consumer: a busy shop tells of thousands a second.
pub(super) async fn apply(
    tx: &mut Tx,
    consumer: &'static str,
    handler: &dyn Handler,
    events: &[Event],
) -> Result<(), StoreError> {
    let ids: Vec<_> = events.iter().map(|event| (event.id.as_str(),)).collect();
    let note = "
        INSERT INTO inbox (consumer, id, at) SELECT $1, x.id, $2 FROM {rows $3 (id text)} AS x WHERE true
        ON CONFLICT DO NOTHING RETURNING id";
    let noted = tx.rows(note, args![consumer, tx.now(), serde_json::to_string(&ids)?]).await?;
    let mut fresh = noted.iter().map(|row| row.text(0)).collect::<Result<HashSet<_>, _>>()?;
    // The first of those that came twice.
    let fresh: Vec<&Event> = events.iter().filter(|event| fresh.remove(event.id.as_str())).collect();
    let concerning = handler.concerning(tx, &fresh).await?;
    for event in fresh {
        if concerning.as_ref().is_none_or(|subjects| subjects.contains(&event.subject)) {
            handler.handle(tx, event).await?;
        }
    }
    Ok(())
}
