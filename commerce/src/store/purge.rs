//! Forgetting: what every database keeps for a time only.
//!
//! Small steps through the writer, so that nobody waits long behind one; what is old is looked for by readers.

use std::time::Duration;

use super::{Database, StoreError, args};
use crate::limit::{KEEP_ANSWERS, KEEP_EVENTS, KEEP_INBOX, PURGE_EVERY, PURGE_STEP};

impl Database {
    /// Forgets answers to repeated requests, events and the ids of events taken in whose time is over. Returns how many rows.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn purge(&self) -> Result<u64, StoreError> {
        let now = self.clock().now();
        let answers = "
            DELETE FROM answer WHERE (owner, key) IN (
                SELECT owner, key FROM answer WHERE at < $1 ORDER BY at LIMIT $2)";
        let inbox = "
            DELETE FROM inbox WHERE (consumer, id) IN (
                SELECT consumer, id FROM inbox WHERE at < $1 ORDER BY at LIMIT $2)";
        let mut purged = 0;
        for (delete, keep) in [(answers, KEEP_ANSWERS), (inbox, KEEP_INBOX)] {
            purged += self.purge_steps(delete, now.before(keep).0).await?;
        }
        // Events are in the order of time; the newest stays, as it tells where the numbers are.
        while let Some(last) = self.old_events(now.before(KEEP_EVENTS).0).await? {
            purged += self.purge_step("DELETE FROM outbox WHERE seq <= $1 AND seq > $1 - $2", last).await?;
        }
        Ok(purged)
    }

    async fn purge_steps(&self, delete: &'static str, before: i64) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            let step = self.purge_step(delete, before).await?;
            purged += step;
            if step < PURGE_STEP.unsigned_abs() {
                return Ok(purged);
            }
        }
    }

    async fn purge_step(&self, delete: &'static str, bound: i64) -> Result<u64, StoreError> {
        self.write::<u64, StoreError, _>(None, move |tx| {
            Box::pin(async move { tx.run(delete, args![bound, PURGE_STEP]).await })
        })
        .await
    }

    /// The last of the oldest events that are from before a moment and not the newest of all.
    async fn old_events(&self, before: i64) -> Result<Option<i64>, StoreError> {
        let select = "
            SELECT MAX(o.seq) FROM (SELECT seq, at FROM outbox ORDER BY seq LIMIT $2) AS o
            WHERE o.at < $1 AND o.seq < (SELECT MAX(seq) FROM outbox)";
        let row = self.row(select, args![before, PURGE_STEP]).await?;
        row.map_or(Ok(None), |row| row.opt_int(0))
    }
}

/// Purges these databases again and again, each by one process of several, until it is dropped.
pub(crate) async fn purge_all(databases: impl Fn() -> Vec<Database> + Send) {
    loop {
        for database in databases() {
            let purged = async {
                // Held longer than the pause, so that the duty stays where it is.
                let ours = database.lease("purge", PURGE_EVERY + Duration::from_secs(60)).await?;
                if ours { database.purge().await } else { Ok(0) }
            };
            match purged.await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(database = database.name(), rows, "old rows forgotten"),
                Err(error) => tracing::warn!(database = database.name(), %error, "old rows could not be forgotten"),
            }
        }
        tokio::time::sleep(PURGE_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::limit::{KEEP_ANSWERS, KEEP_EVENTS, PURGE_STEP};
    use crate::store::{Database, Once, StoreError, args, test_database};

    async fn write(db: &Database, once: &Once, events: i64) {
        db.write::<i64, StoreError, _>(Some(once), move |tx| {
            Box::pin(async move {
                for number in 0..events {
                    tx.publish("test.event", number.to_string(), &number)?;
                }
                Ok(events)
            })
        })
        .await
        .unwrap();
    }

    async fn count(db: &Database, sql: &'static str) -> i64 {
        db.row(sql, args![]).await.unwrap().unwrap().int(0).unwrap()
    }

    #[tokio::test]
    async fn what_is_old_goes_and_the_rest_stays() {
        let test = test_database(&[]).await;
        let db = &test.database;
        write(db, &Once::new("demo-1", "old", "hash"), PURGE_STEP + 10).await;
        test.clock.advance(KEEP_ANSWERS + Duration::from_secs(1));
        write(db, &Once::new("demo-1", "new", "hash"), 5).await;
        assert_eq!(db.purge().await.unwrap(), 1);
        assert_eq!(count(db, "SELECT COUNT(*) FROM answer").await, 1);
        test.clock.advance(KEEP_EVENTS - KEEP_ANSWERS);
        // The other answer as well, and all events of the first write.
        assert_eq!(db.purge().await.unwrap(), 1 + u64::try_from(PURGE_STEP).unwrap() + 10);
        assert_eq!(count(db, "SELECT COUNT(*) FROM outbox").await, 5);
        test.clock.advance(KEEP_EVENTS);
        // The newest event tells where the numbers are.
        assert_eq!(db.purge().await.unwrap(), 4);
        assert_eq!(count(db, "SELECT COUNT(*) FROM outbox").await, 1);
        assert_eq!(db.purge().await.unwrap(), 0);
    }
}
