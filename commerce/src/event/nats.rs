//! NATS JetStream between processes, fed by the outbox: what it loses is sent again, what it doubles is handled once.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use super::consume::{Pause, apply};
use super::{BusError, Event, Handler, read};
use crate::context::{Actor, Tasks};
use crate::limit::{DUTY, EVENTS_PER_PAGE, EVENTS_POLL};
use crate::store::{Database, StoreError, args};
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Message, stream};
use futures_util::StreamExt;
use futures_util::future::try_join_all;

/// How long the bus keeps an event: longer than any consumer may be away. The outbox keeps its own.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the bus remembers ids, to drop what a restarted publisher sends again.
const DUPLICATES: Duration = Duration::from_secs(120);
/// Under which name the publisher notes how far it has come.
const PUBLISHER: &str = "nats.publish";

/// A connection to the event bus. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    context: jetstream::Context,
    stream: stream::Stream,
    /// Name of the stream, and first word of its subjects.
    name: Arc<str>,
}

impl Bus {
    /// Connects, and makes the stream of this name for the events of all actors if it is not there.
    ///
    /// # Errors
    /// The server cannot be reached or refuses; the address is the operator's to mend.
    pub(crate) async fn connect(url: &str, name: &str) -> Result<Self, BusError> {
        let context = jetstream::new(async_nats::connect(url).await?);
        let stream = context
            .get_or_create_stream(stream::Config {
                name: name.to_owned(),
                subjects: vec![format!("{name}.>")],
                storage: stream::StorageType::File,
                max_age: MAX_AGE,
                duplicate_window: DUPLICATES,
                ..stream::Config::default()
            })
            .await?;
        Ok(Self { context, stream, name: name.into() })
    }

    /// Sends what is in an actor's outbox to the bus, until shutdown.
    pub(crate) fn feed(&self, tasks: &mut Tasks, from: Actor, database: &Database) {
        let (bus, database) = (self.clone(), database.clone());
        tasks.spawn(PUBLISHER, async move {
            let mut pause = Pause::new(PUBLISHER);
            loop {
                pause.after(bus.publish_round(from, &database).await).await;
            }
        });
    }

    /// Follows an actor's events on the bus, until shutdown.
    pub(super) fn follow(
        &self,
        tasks: &mut Tasks,
        database: &Database,
        consumer: &'static str,
        from: Actor,
        handler: Arc<dyn Handler>,
    ) {
        let (bus, database) = (self.clone(), database.clone());
        tasks.spawn(consumer, async move {
            let mut pause = Pause::new(consumer);
            loop {
                pause.after(bus.follow_round(&database, consumer, from, &handler).await).await;
            }
        });
    }

    async fn publish_round(&self, from: Actor, database: &Database) -> Result<(), BusError> {
        if !database.lease(PUBLISHER, DUTY).await? {
            tokio::time::sleep(DUTY / 3).await;
            return Ok(());
        }
        let mut committed = database.committed();
        committed.mark_unchanged();
        let row = database.row("SELECT seq FROM progress WHERE consumer = $1", args![PUBLISHER]).await?;
        let after = row.map_or(Ok(0), |row| row.int(0))?;
        let events = read(database, after, EVENTS_PER_PAGE).await?;
        let Some(newest) = events.last().map(|event| event.seq) else {
            drop(tokio::time::timeout(EVENTS_POLL, committed.changed()).await);
            return Ok(());
        };
        let mut stored = Vec::with_capacity(events.len());
        for event in events {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, event.id.as_str());
            let subject = format!("{}.{}.{}", self.name, from.as_str(), event.kind);
            let payload = serde_json::to_vec(&event)?.into();
            stored.push(self.context.publish_with_headers(subject, headers, payload).await?);
        }
        // Only what the bus says it has stored counts as sent.
        try_join_all(stored.into_iter().map(IntoFuture::into_future)).await?;
        database
            .write::<_, StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let note = "
                        INSERT INTO progress (consumer, seq) VALUES ($1, $2)
                        ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq WHERE progress.seq < excluded.seq";
                    tx.run(note, args![PUBLISHER, newest]).await.map(drop)
                })
            })
            .await?;
        Ok(())
    }

    async fn follow_round(
        &self,
        database: &Database,
        consumer: &'static str,
        from: Actor,
        handler: &Arc<dyn Handler>,
    ) -> Result<(), BusError> {
        if !database.lease(consumer, DUTY).await? {
            tokio::time::sleep(DUTY / 3).await;
            return Ok(());
        }
        // Durable names hold no dots.
        let durable = format!("{}_{}", database.name(), consumer.replace('.', "_"));
        let config = pull::Config {
            durable_name: Some(durable.clone()),
            filter_subject: format!("{}.{}.>", self.name, from.as_str()),
            ack_policy: AckPolicy::Explicit,
            ..pull::Config::default()
        };
        let subscription = self.stream.get_or_create_consumer(&durable, config).await?;
        let limit = usize::try_from(EVENTS_PER_PAGE)?;
        let mut chunks = subscription.messages().await?.ready_chunks(limit);
        // What comes is handled at once; if nothing comes, the duty is prolonged.
        while let Ok(Some(chunk)) = tokio::time::timeout(DUTY / 3, chunks.next()).await {
            let messages: Vec<Message> = chunk.into_iter().collect::<Result<_, _>>()?;
            handle(database, consumer, Arc::clone(handler), &messages).await?;
            if !database.lease(consumer, DUTY).await? {
                break;
            }
        }
        Ok(())
    }
}

/// Handles messages in one transaction and tells the bus afterwards.
async fn handle(
    database: &Database,
    consumer: &'static str,
    handler: Arc<dyn Handler>,
    messages: &[Message],
) -> Result<(), BusError> {
    let events: Vec<Event> =
        messages.iter().map(|message| serde_json::from_slice(&message.payload)).collect::<Result<_, _>>()?;
    database
        .write::<_, StoreError, _>(None, move |tx| {
            Box::pin(async move { apply(tx, consumer, handler.as_ref(), &events).await })
        })
        .await?;
    for message in messages {
        message.ack().await?;
    }
    Ok(())
}
