//! What the carriers do: quote, take, stop, move, report.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;

use super::Carrier;
use super::limit::{REPORTS_AT_ONCE, RETRIES, RETRY_FIRST, RETRY_LONGEST};
use super::model::{Booking, Consignment, Door, FLEETS, Fleet, Milestone, Quote, QuoteQuery, Report, Round, round};
use super::store::{self, Due, Outgoing, Taken};
use crate::actor::Actor;
use crate::clock::Timestamp;
use crate::problem::Problem;
use crate::store::{StoreError, args};
use crate::webhook;

/// Why a carrier does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CarrierError {
    /// There is no such carrier.
    #[error("there is no such carrier")]
    Stranger,
    /// The parcel is not one for this carrier.
    #[error("too heavy, too large, or not to be kept cold by this carrier")]
    NotTaken,
    /// The parcel was cancelled before.
    #[error("the parcel was cancelled")]
    Cancelled,
    /// The parcel is on its way.
    #[error("the parcel is on its way")]
    Moving,
    /// Nobody knows the parcel.
    #[error("there is no such parcel")]
    Unknown,
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CarrierError> for Problem {
    fn from(error: CarrierError) -> Self {
        match error {
            CarrierError::Stranger | CarrierError::NotTaken => Self::invalid(error.to_string()),
            CarrierError::Cancelled | CarrierError::Moving => Self::conflict(error.to_string()),
            CarrierError::Unknown => Self::not_found(error.to_string()),
            CarrierError::Store(error) => error.into(),
        }
    }
}

impl Carrier {
    /// What it would cost and when it would be there, of all that can take it.
    pub(super) fn quotes(&self, asked: &QuoteQuery) -> Vec<Quote> {
        let now = self.context.clock.now();
        let able = FLEETS.iter().filter(|fleet| fleet.takes(asked.weight_g, asked.volume_ml, asked.cold_chain));
        let quote = |fleet: &Fleet| Quote {
            carrier: fleet.id.to_owned(),
            price: fleet.price(asked.weight_g, &asked.to),
            promised_at: fleet.promise(&asked.to, now, self.settings.speed),
            cold_chain: fleet.cold_chain,
            pace: self.settings.speed,
        };
        able.map(quote).collect()
    }

    /// Takes a parcel. One that was taken before is not taken again.
    pub(super) async fn take(&self, booking: Booking) -> Result<Consignment, CarrierError> {
        let fleet = Fleet::of(&booking.carrier).ok_or(CarrierError::Stranger)?;
        if !fleet.takes(booking.weight_g, booking.volume_ml, booking.cold_chain) {
            return Err(CarrierError::NotTaken);
        }
        let reference = booking.reference.clone();
        let settings = self.settings.clone();
        self.database
            .write(None, move |tx| {
                Box::pin(async move {
                    let select = "SELECT cancelled FROM consignment WHERE reference = $1";
                    if let Some(row) = tx.row(select, args![&booking.reference]).await? {
                        return if row.flag(0)? { Err(CarrierError::Cancelled) } else { Ok(()) };
                    }
                    let now = tx.now();
                    let to = &booking.to.postcode;
                    let taken = Taken {
                        price: fleet.price(booking.weight_g, to),
                        promised_at: fleet.promise(to, now, settings.speed),
                        reference: booking.reference.clone(),
                        carrier: booking.carrier,
                        secret: booking.secret,
                        cancelled: false,
                    };
                    let steps = fleet.journey(&booking.reference, to, now, &settings);
                    store::take(tx, &taken, &steps).await?;
                    Ok(())
                })
            })
            .await?;
        self.wake.notify_one();
        self.consignment(&reference).await
    }

    /// Stops a parcel that has not moved. A parcel that is not known yet will not be taken any more: the booking may still be
    /// on its way.
    pub(super) async fn cancel(&self, reference: String) -> Result<(), CarrierError> {
        self.database
            .write(None, move |tx| {
                Box::pin(async move {
                    let select = "
                        SELECT cancelled, (SELECT COUNT(*) FROM report r WHERE r.reference = c.reference AND r.number > 0)
                        FROM consignment c WHERE reference = $1";
                    let Some(row) = tx.row(select, args![&reference]).await? else {
                        return Ok(store::take(tx, &Taken::never(reference, tx.now()), &[]).await?);
                    };
                    if row.flag(0)? {
                        return Ok(());
                    }
                    if row.int(1)? > 0 {
                        return Err(CarrierError::Moving);
                    }
                    store::drop_steps(tx, &reference).await?;
                    tx.run("UPDATE consignment SET cancelled = 1 WHERE reference = $1", args![reference]).await?;
                    Ok(())
                })
            })
            .await
    }

    /// A parcel with all its reports.
    pub(super) async fn consignment(&self, reference: &str) -> Result<Consignment, CarrierError> {
        let found = store::consignment(&self.database, reference, self.settings.speed).await?;
        found.ok_or(CarrierError::Unknown)
    }

    /// Visits the doors of a round in its order, as far as they are still to be visited.
    pub(super) async fn drive(&self, order: Round) -> Result<Vec<Door>, StoreError> {
        self.database
            .write(None, move |tx| {
                Box::pin(async move {
                    let mut doors = Vec::new();
                    for reference in order.references {
                        let select = "
                            SELECT s.number, s.due_at, COALESCE((SELECT MAX(b.due_at) FROM step b
                                WHERE b.reference = s.reference AND b.number < s.number), 0)
                            FROM step s WHERE s.reference = $1 AND s.milestone = 'handed_over'";
                        if let Some(row) = tx.row(select, args![&reference]).await? {
                            doors.push((reference, row.int(0)?, (row.int(2)?, row.int(1)?)));
                        }
                    }
                    let times = round(&doors.iter().map(|(_, _, door)| *door).collect::<Vec<_>>());
                    let mut visits = Vec::with_capacity(doors.len());
                    for ((reference, number, _), due) in doors.into_iter().zip(times) {
                        let update = "UPDATE step SET due_at = $1 WHERE reference = $2 AND number = $3";
                        tx.run(update, args![due, &reference, number]).await?;
                        visits.push(Door { reference, at: Timestamp(due) });
                    }
                    Ok(visits)
                })
            })
            .await
    }

    /// Does what is due: moves parcels, then sends reports. When to come again.
    pub(crate) async fn turn(&self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.context.clock.now();
        for due in store::due_steps(&self.database, now).await? {
            self.step(due).await?;
        }
        // Those of one parcel one after the other, so that most arrive in order.
        let mut parcels: BTreeMap<String, Vec<Outgoing>> = BTreeMap::new();
        for report in store::due_reports(&self.database, now).await? {
            parcels.entry(report.reference.clone()).or_default().push(report);
        }
        let sent = futures_util::stream::iter(parcels.into_values()).map(|reports| self.reports(reports));
        let sent = sent.buffer_unordered(REPORTS_AT_ONCE);
        for outcome in sent.collect::<Vec<_>>().await {
            outcome?;
        }
        store::next(&self.database).await
    }

    /// Lets one step happen, or what a fault makes of it.
    async fn step(&self, due: Due) -> Result<(), StoreError> {
        let lost = !due.milestone.is_last() && self.context.faults.hit("carrier.lost");
        let late = !due.delayed && due.number > 0 && self.context.faults.hit("carrier.delay");
        let by = Fleet::of(&due.carrier).map_or(0, |fleet| fleet.delay(self.settings.speed)).max(1);
        self.context.faults.step("carrier.step");
        self.database
            .write(None, move |tx| {
                Box::pin(async move {
                    let taken = "DELETE FROM step WHERE reference = $1 AND number = $2";
                    let mut report = Report {
                        reference: due.reference.clone(),
                        carrier: due.carrier,
                        milestone: due.milestone,
                        at: due.due_at,
                        place: due.place,
                        detail: due.detail,
                        promised_at: Some(due.promised_at),
                    };
                    if late && !lost {
                        let shift = "UPDATE step SET due_at = due_at + $1 WHERE reference = $2";
                        tx.run(shift, args![by, &due.reference]).await?;
                        let mark =
                            "UPDATE consignment SET delayed = 1, promised_at = promised_at + $1 WHERE reference = $2";
                        tx.run(mark, args![by, &due.reference]).await?;
                        report.milestone = Milestone::Late;
                        report.detail = "held up".to_owned();
                        report.promised_at = Some(Timestamp(due.promised_at.0 + by));
                        // Numbers of their own: the step itself is still to come.
                        return store::tell(tx, 1000 + due.number, &report).await;
                    }
                    if tx.run(taken, args![&due.reference, due.number]).await? == 0 {
                        return Ok(());
                    }
                    if lost {
                        store::drop_steps(tx, &due.reference).await?;
                        report.milestone = Milestone::Missing;
                        report.detail = "not to be found".to_owned();
                    }
                    store::tell(tx, due.number, &report).await
                })
            })
            .await
    }

    async fn reports(&self, reports: Vec<Outgoing>) -> Result<(), StoreError> {
        for report in reports {
            self.report(report).await?;
        }
        Ok(())
    }

    /// Sends one report; if that fails, later again.
    async fn report(&self, report: Outgoing) -> Result<(), StoreError> {
        let now = self.context.clock.now();
        let sent = self.send(&report, now).await;
        if let Err(error) = &sent {
            tracing::debug!(
                carrier = report.carrier,
                attempts = report.attempts,
                error,
                "the courier did not take a report"
            );
        }
        let again = (sent.is_err() && report.attempts < RETRIES).then(|| now.after(pause(report.attempts)));
        self.database
            .write(None, move |tx| {
                Box::pin(async move {
                    let update = "UPDATE report SET attempts = attempts + 1, due_at = $1 WHERE id = $2";
                    tx.run(update, args![again, report.id]).await.map(|_| ())
                })
            })
            .await
    }

    async fn send(&self, report: &Outgoing, now: Timestamp) -> Result<(), String> {
        let signed = webhook::sign(&[&report.secret], &report.id, now, report.body.as_bytes());
        let headers = signed.map_err(|error| error.to_string())?;
        let path = format!("/webhooks/{}", report.carrier);
        let peer = self.context.peers.get(Actor::Courier);
        peer.deliver(&path, &headers, report.body.clone()).await.map_err(|error| error.to_string())
    }
}

/// Twice as long each time, up to the longest.
fn pause(attempts: i64) -> Duration {
    let doubled = u32::try_from(attempts.clamp(0, 20)).unwrap_or(20);
    RETRY_FIRST.saturating_mul(1 << doubled).min(RETRY_LONGEST)
}
