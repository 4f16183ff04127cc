//! What senders may do with parcels, and the errands that follow from it.
//!
//! A parcel is kept first, then brought to a carrier by an errand: a row with a time, tried until it is done. Who carries it is
//! written down before the carrier is told, and the parcel's number is the carrier's key, so that a crash in between never
//! books a parcel twice.

use std::time::Duration;

use futures_util::StreamExt;

use super::Courier;
use super::adapter::{Adapter, AdapterError, News};
use super::limit::{ANSWER_WITHIN, PARCELS_AT_ONCE, RETRY_FIRST, RETRY_LONGEST};
use super::model::{Entry, Parcel, ParcelState};
use super::number::ParcelNumber;
use super::request::{ParcelRequest, choose};
use super::store::{self, Errand};
use crate::clock::Timestamp;
use crate::problem::Problem;
use crate::store::{Once, StoreError};
use crate::webhook;

/// Why a parcel cannot be booked or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParcelError {
    /// There is no such parcel, or it is somebody else's.
    #[error("there is no such parcel")]
    Unknown,
    /// The reference is taken by another request.
    #[error("the reference belongs to another parcel")]
    ReferenceTaken,
    /// It is too late to stop it.
    #[error("the parcel is on its way")]
    Moving,
    /// The operating system gives no random numbers.
    #[error("no random numbers")]
    Random,
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ParcelError> for Problem {
    fn from(error: ParcelError) -> Self {
        match error {
            ParcelError::Unknown => Self::not_found(error.to_string()),
            ParcelError::ReferenceTaken => Self::conflict(error.to_string()).at("/reference", "used before"),
            ParcelError::Moving => Self::conflict(error.to_string()),
            ParcelError::Random => Self::internal(error.to_string()),
            ParcelError::Store(error) => error.into(),
        }
    }
}

impl Courier {
    /// Books a parcel. One that the owner named before is not booked again.
    pub(crate) async fn book(&self, once: &Once, owner: String, asked: ParcelRequest) -> Result<Parcel, ParcelError> {
        let fresh = ParcelNumber::random(&self.random).ok_or(ParcelError::Random)?;
        let number = self
            .database
            .write(Some(once), move |tx| {
                Box::pin(async move {
                    if let Some((number, before)) = store::known(tx, &owner, &asked.reference).await? {
                        return if before == asked { Ok(number) } else { Err(ParcelError::ReferenceTaken) };
                    }
                    store::insert(tx, &fresh, &owner, &asked).await?;
                    Ok(fresh)
                })
            })
            .await?;
        self.context.faults.step("courier.booked");
        self.try_now(&number).await;
        store::read(&self.database, &number).await?.ok_or(ParcelError::Unknown)
    }

    /// Stops a parcel that its carrier has not moved.
    pub(crate) async fn cancel(&self, once: &Once, owner: &str, number: ParcelNumber) -> Result<Parcel, ParcelError> {
        if !self.is_owner(&number, owner).await? {
            return Err(ParcelError::Unknown);
        }
        let asked = number.clone();
        self.database
            .write(Some(once), move |tx| {
                Box::pin(async move {
                    let parcel = store::read_in(tx, &asked).await?.ok_or(ParcelError::Unknown)?;
                    match parcel.state {
                        ParcelState::Booked | ParcelState::Accepted => Ok(store::stop(tx, &asked).await?),
                        ParcelState::Cancelled => Ok(()),
                        _ => Err(ParcelError::Moving),
                    }
                })
            })
            .await?;
        self.try_now(&number).await;
        let parcel = store::read(&self.database, &number).await?.ok_or(ParcelError::Unknown)?;
        let open = store::errand(&self.database, &number).await?.is_some();
        // The carrier said no, or it went on its way meanwhile.
        if parcel.state == ParcelState::Cancelled || open { Ok(parcel) } else { Err(ParcelError::Moving) }
    }

    /// A parcel as its owner sees it.
    pub(crate) async fn parcel(&self, number: &ParcelNumber) -> Result<Parcel, ParcelError> {
        store::read(&self.database, number).await?.ok_or(ParcelError::Unknown)
    }

    /// Whether a parcel is of this sender.
    pub(crate) async fn is_owner(&self, number: &ParcelNumber, owner: &str) -> Result<bool, ParcelError> {
        Ok(store::owner(&self.database, number).await?.is_some_and(|of| of == owner))
    }

    /// Runs an errand while the caller waits, but not for long: the loop goes on with it.
    async fn try_now(&self, number: &ParcelNumber) {
        match tokio::time::timeout(ANSWER_WITHIN, self.errand(number)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a parcel's errand waits"),
            Err(_) => tracing::debug!("a parcel's errand goes on later"),
        }
        self.wake.notify_one();
    }

    /// Runs all errands that are due.
    pub(super) async fn errands(&self) -> Result<(), StoreError> {
        let due = store::due(&self.database, self.context.clock.now()).await?;
        let done = futures_util::stream::iter(due).map(|number| async move { self.errand(&number).await });
        for outcome in done.buffer_unordered(PARCELS_AT_ONCE).collect::<Vec<_>>().await {
            outcome?;
        }
        Ok(())
    }

    /// Brings a parcel one or more steps towards a carrier, or stops it.
    async fn errand(&self, number: &ParcelNumber) -> Result<(), StoreError> {
        // As many turns as carriers may refuse.
        for _ in 0..super::limit::CARRIERS_ASKED {
            let Some(errand) = store::errand(&self.database, number).await? else { return Ok(()) };
            let again = match (errand.stop, errand.carrier.is_empty()) {
                _ if errand.state.is_final() => self.drop(&errand).await?,
                (true, true) => self.end(&errand, "stopped by the sender").await?,
                (true, false) => self.stop(&errand).await?,
                (false, true) => self.find(&errand).await?,
                (false, false) => self.hand_over(&errand).await?,
            };
            if !again {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks all carriers and writes down the best. Whether there is more to do at once.
    async fn find(&self, errand: &Errand) -> Result<bool, StoreError> {
        let mut offers = Vec::new();
        for adapter in self.adapters.iter() {
            match adapter.quote(&errand.asked).await {
                Ok(more) => offers.extend(more),
                Err(error) => return self.put_off(errand, &error).await,
            }
        }
        let now = self.context.clock.now();
        let best = choose(&errand.asked, &offers, &errand.refused, self.settings.hour_value, now);
        let Some(carrier) = best.map(|offer| offer.carrier.clone()) else {
            return self.end(errand, "no carrier takes it").await;
        };
        let number = errand.number.clone();
        self.write(move |tx| Box::pin(async move { store::choose(tx, &number, &carrier).await })).await?;
        self.context.faults.step("courier.chosen");
        Ok(true)
    }

    /// Tells the carrier.
    async fn hand_over(&self, errand: &Errand) -> Result<bool, StoreError> {
        let Some(adapter) = self.adapter(&errand.carrier) else {
            return self.refused(errand).await;
        };
        let Ok(fresh) = webhook::new_secret() else {
            return self.put_off(errand, &AdapterError::Unavailable("no random numbers".to_owned())).await;
        };
        let secret = store::secret(&self.database, &errand.carrier, fresh).await?;
        let taken = match adapter.book(&errand.number, &errand.carrier, &errand.asked, &secret).await {
            Ok(taken) => taken,
            Err(AdapterError::Refused(_)) => return self.refused(errand).await,
            Err(error) => return self.put_off(errand, &error).await,
        };
        self.context.faults.step("courier.taken");
        let ask_at = self.ask_at(self.context.clock.now(), i64::from(taken.pace));
        let errand = errand.clone();
        self.write(move |tx| Box::pin(async move { store::taken(tx, &errand, &taken, ask_at).await })).await?;
        Ok(true)
    }

    /// The chosen carrier does not want it.
    async fn refused(&self, errand: &Errand) -> Result<bool, StoreError> {
        let number = errand.number.clone();
        let mut refused = errand.refused.clone();
        refused.push(errand.carrier.clone());
        self.write(move |tx| Box::pin(async move { store::refuse(tx, &number, &refused).await })).await?;
        Ok(true)
    }

    /// Has the carrier stop it.
    async fn stop(&self, errand: &Errand) -> Result<bool, StoreError> {
        let Some(adapter) = self.adapter(&errand.carrier) else {
            return self.end(errand, "stopped by the sender").await;
        };
        match adapter.cancel(&errand.number).await {
            Ok(()) => self.end(errand, "stopped by the sender").await,
            Err(AdapterError::Refused(_)) => self.drop(errand).await,
            Err(error) => self.put_off(errand, &error).await,
        }
    }

    /// There is nothing to stop any more.
    async fn drop(&self, errand: &Errand) -> Result<bool, StoreError> {
        let number = errand.number.clone();
        self.write(move |tx| Box::pin(async move { store::go_on(tx, &number).await })).await?;
        Ok(!errand.taken && !errand.state.is_final())
    }

    /// Ends a parcel that nobody carries.
    async fn end(&self, errand: &Errand, why: &'static str) -> Result<bool, StoreError> {
        let number = errand.number.clone();
        let at = self.context.clock.now();
        let entry = Entry { at, state: ParcelState::Cancelled, place: String::new(), detail: why.to_owned() };
        let news = News { number, entry, promised_at: None };
        self.write(move |tx| Box::pin(async move { store::report(tx, &news, None).await.map(|_| ()) })).await?;
        Ok(false)
    }

    async fn put_off(&self, errand: &Errand, error: &AdapterError) -> Result<bool, StoreError> {
        tracing::info!(attempts = errand.attempts, %error, "a carrier is asked again later");
        let number = errand.number.clone();
        let at = self.context.clock.now().after(pause(errand.attempts));
        self.write(move |tx| Box::pin(async move { store::later(tx, &number, at).await })).await?;
        Ok(false)
    }

    /// Who speaks with a carrier.
    pub(super) fn adapter(&self, carrier: &str) -> Option<&dyn Adapter> {
        self.adapters.iter().find(|adapter| adapter.serves(carrier)).map(AsRef::as_ref)
    }

    /// When to ask about a parcel that was heard of now.
    pub(super) fn ask_at(&self, now: Timestamp, pace: i64) -> Timestamp {
        now.after(hours(self.settings.ask_after_hours, pace))
    }
}

/// Hours of the carrier's time.
pub(super) fn hours(hours: u32, pace: i64) -> Duration {
    Duration::from_millis(u64::from(hours) * 3_600_000 / u64::try_from(pace.max(1)).unwrap_or(1))
}

/// Twice as long each time, up to the longest.
fn pause(attempts: i64) -> Duration {
    let doubled = u32::try_from(attempts.clamp(0, 16)).unwrap_or(16);
    RETRY_FIRST.saturating_mul(1 << doubled).min(RETRY_LONGEST)
}
