//! Events have their effect once.

#[cfg(feature = "nats")]
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::consume::apply;
use super::{Event, Handler, read};
use crate::store::{Migration, StoreError, Tx, args, test_database};

const SEEN: &[Migration] = &[Migration {
    version: 200,
    name: "seen",
    sql: "CREATE TABLE seen (subject TEXT NOT NULL PRIMARY KEY, times BIGINT NOT NULL)",
}];

/// Counts per subject; refuses one kind.
struct Count;

impl Handler for Count {
    fn handle<'t>(&'t self, tx: &'t mut Tx, event: &'t Event) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            if event.kind == "bad" {
                return Err(StoreError::Value("cannot handle this".to_owned()));
            }
            let count = "
                INSERT INTO seen (subject, times) VALUES ($1, 1)
                ON CONFLICT (subject) DO UPDATE SET times = seen.times + 1";
            tx.run(count, args![event.subject.as_str()]).await.map(drop)
        })
    }
}

async fn deliver(database: &crate::store::Database, events: Vec<Event>) -> Result<(), StoreError> {
    database.write(None, move |tx| Box::pin(async move { apply(tx, "counter", &Count, &events).await })).await
}

#[tokio::test]
async fn what_comes_twice_counts_once() {
    let test = test_database(&[SEEN]).await;
    let database = &test.database;
    database
        .write::<_, StoreError, _>(None, |tx| {
            Box::pin(async move {
                tx.publish("good", "one", &1)?;
                tx.publish("good", "two", &2)?;
                tx.publish("bad", "three", &3)
            })
        })
        .await
        .unwrap();
    let events = read(database, 0, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(events[1].data.get(), "2");
    let good = events[..2].to_vec();
    deliver(database, good.clone()).await.unwrap();
    deliver(database, [good, events[..1].to_vec()].concat()).await.unwrap();
    // One that cannot be handled takes those delivered with it back; they come again.
    assert!(deliver(database, events).await.is_err());
    let seen = database.rows("SELECT times FROM seen", Vec::new()).await.unwrap();
    assert_eq!(seen.iter().map(|row| row.int(0).unwrap()).collect::<Vec<_>>(), [1, 1]);
}

/// The bus delivers what one database published to another, and what was sent twice counts once.
#[cfg(feature = "nats")]
#[tokio::test]
async fn the_bus_carries_events() {
    use crate::context::{Actor, Tasks};
    let Ok(url) = std::env::var("TEST_NATS_URL") else {
        // scripts/test starts a server and says where.
        return;
    };
    let (producer, consumer) = (test_database(&[SEEN]).await, test_database(&[SEEN]).await);
    let bus = super::Bus::connect(&url, &crate::id::new_uuid()).await.unwrap();
    let mut tasks = Tasks::default();
    bus.feed(&mut tasks, Actor::Grocery, &producer.database);
    let name: &'static str = Box::leak(crate::id::new_uuid().into_boxed_str());
    bus.follow(&mut tasks, &consumer.database, name, Actor::Grocery, Arc::new(Count));
    let running =
        tokio::spawn(async move { tasks.run(&process::Shutdown::new(std::time::Duration::from_secs(1))).await });
    let subject = crate::id::new_uuid();
    let published = subject.clone();
    let publish = producer
        .database
        .write::<_, StoreError, _>(None, move |tx| Box::pin(async move { tx.publish("good", published, &1) }));
    publish.await.unwrap();
    let arrived = async {
        loop {
            let seen = consumer.database.row("SELECT times FROM seen WHERE subject = $1", args![subject.as_str()]);
            if let Some(row) = seen.await.unwrap() {
                return row.int(0).unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let times = tokio::time::timeout(std::time::Duration::from_secs(20), arrived).await.expect("the event arrives");
    assert_eq!(times, 1);
    running.abort();
}
