//! What the warehouse does by itself: asks the courier, throws away what expires, and lets robots walk where it is told to.

use std::time::Duration;

use metrics::gauge;
use process::Shutdown;

use super::Warehouse;
use super::counting;
use super::error::WarehouseError;
use super::limit::{GAUGES, ROUND, TICK};
use super::model::{State, Walk};
use crate::clock::Timestamp;
use crate::limit::DUTY;
use crate::store::{StoreError, args};

/// Who acts when robots do.
const ROBOT: &str = "robot";

impl Warehouse {
    /// Works in rounds until shutdown.
    pub(super) async fn drive(self, shutdown: Shutdown) {
        let mut news = self.database.committed();
        let mut counted = Timestamp(i64::MIN);
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "a round of the warehouse failed");
            }
            let now = self.clock.now();
            if counted.after(GAUGES) <= now {
                counted = now;
                if let Err(error) = self.show().await {
                    tracing::warn!(%error, "shipments cannot be counted");
                }
            }
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(TICK) => {}
                // Many commits are one reason to look.
                Ok(()) = news.changed() => tokio::time::sleep(TICK / 10).await,
            }
        }
    }

    /// One round; of several processes that share the database one makes it.
    pub(super) async fn round(&self) -> Result<(), StoreError> {
        if !self.database.lease("warehouse.driver", DUTY).await? {
            return Ok(());
        }
        let now = self.clock.now();
        let expired = "SELECT id FROM stock WHERE expires_at <= $1 AND on_hand > 0 AND bin <> 'PACK' LIMIT 1";
        if self.database.row(expired, args![now]).await?.is_some() {
            let throw = self.database.write(None, |tx| Box::pin(counting::throw_expired(tx)));
            settle(throw.await.map(drop))?;
        }
        let due = "SELECT shipment FROM booking WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
        for row in self.database.rows(due, args![now, ROUND]).await? {
            settle(self.book(row.text(0)?).await)?;
        }
        if self.settings.auto_ms > 0 {
            self.robots(now).await?;
        }
        Ok(())
    }

    /// Robots take the next step of every shipment that has waited for it long enough.
    async fn robots(&self, now: Timestamp) -> Result<(), StoreError> {
        let since = now.before(Duration::from_millis(self.settings.auto_ms));
        let find = "
            SELECT s.id, s.state,
                (SELECT COUNT(*) FROM allocation a JOIN stock k ON k.id = a.stock
                 WHERE a.shipment = s.id AND k.bin <> 'PACK')
            FROM shipment s LEFT JOIN booking b ON b.shipment = s.id
            WHERE s.state IN ('reserved', 'picking', 'packed') AND s.changed_at <= $1 AND b.shipment IS NULL
            ORDER BY s.changed_at LIMIT $2";
        for row in self.database.rows(find, args![since, ROUND]).await? {
            let (id, to_pick) = (row.text(0)?, row.int(2)?);
            let step = match row.parse(1, State::parse)? {
                State::Reserved => self.pick(None, ROBOT, id, Walk::default()).await,
                State::Picking if to_pick > 0 => self.pick(None, ROBOT, id, Walk::default()).await,
                State::Picking => self.pack(None, id).await,
                _ => self.ship(None, id).await,
            };
            settle(step.map(drop))?;
        }
        Ok(())
    }

    /// Shows how many shipments are in each state.
    async fn show(&self) -> Result<(), StoreError> {
        let rows = self.database.rows("SELECT state, COUNT(*) FROM shipment GROUP BY state", args![]).await?;
        for state in State::ALL {
            let row = rows.iter().find(|row| row.text(0).is_ok_and(|word| word == state.as_str()));
            let count = row.map_or(Ok(0), |row| row.int(1))?;
            #[expect(clippy::cast_precision_loss, reason = "far fewer shipments than a double counts")]
            gauge!("efir_commerce_warehouse_shipments", "state" => state.as_str()).set(count as f64);
        }
        Ok(())
    }
}

/// A step that somebody else took first is no reason to stop; failing storage is.
fn settle(done: Result<(), WarehouseError>) -> Result<(), StoreError> {
    match done {
        Ok(()) => Ok(()),
        Err(WarehouseError::Store(error)) => Err(error),
        Err(error) => {
            tracing::debug!(%error, "a step of the warehouse was not taken");
            Ok(())
        }
    }
}
