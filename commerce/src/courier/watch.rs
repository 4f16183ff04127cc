//! What carriers tell, and what is done when they do not.

use axum::http::HeaderMap;
use futures_util::StreamExt;

use super::Courier;
use super::adapter::{AdapterError, News};
use super::limit::{PARCELS_AT_ONCE, REPORT_IDS_KEPT};
use super::model::{Entry, ParcelState};
use super::number::ParcelNumber;
use super::service::hours;
use super::store;
use crate::clock::Timestamp;
use crate::problem::Problem;
use crate::store::StoreError;
use crate::webhook::{self, VerifyError};

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// Nobody of that name reports to us.
    #[error("there is no such carrier")]
    Stranger,
    /// It is not from the carrier, or old.
    #[error(transparent)]
    Forged(#[from] VerifyError),
    /// It is signed but says nothing that is understood.
    #[error("the report cannot be read")]
    Garbled,
    /// It is about a parcel that the carrier does not have.
    #[error("there is no such parcel")]
    Unknown,
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            // Who guesses carriers learns nothing.
            ReportError::Stranger => Self::unauthenticated(VerifyError::Signature.to_string()),
            ReportError::Forged(error) => Self::unauthenticated(error.to_string()),
            ReportError::Garbled => Self::invalid(error.to_string()),
            ReportError::Unknown => Self::not_found(error.to_string()),
            ReportError::Store(error) => error.into(),
        }
    }
}

impl Courier {
    /// Takes a report of a carrier, once however often it comes.
    pub(crate) async fn hear(&self, carrier: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), ReportError> {
        let adapter = self.adapter(carrier).ok_or(ReportError::Stranger)?;
        let now = self.context.clock.now();
        let secret = store::known_secret(&self.database, carrier).await?.ok_or(ReportError::Stranger)?;
        let id = webhook::verify(&[&secret], headers, body, now)?.id;
        let news = adapter.parse(body).map_err(|error| {
            tracing::warn!(carrier, %error, "a signed report cannot be read");
            ReportError::Garbled
        })?;
        let carrier = carrier.to_owned();
        let courier = self.clone();
        self.database
            .write(None, move |tx| {
                Box::pin(async move {
                    let parcel = store::read_in(tx, &news.number).await?;
                    if parcel.is_none_or(|parcel| parcel.carrier != carrier) {
                        return Err(ReportError::Unknown);
                    }
                    let id = format!("{carrier}/{id}");
                    if store::is_new_report(tx, &id, tx.now().before(REPORT_IDS_KEPT)).await? {
                        let ask_at = courier.ask_at(tx.now(), store::pace(tx, &news.number).await?);
                        store::report(tx, &news, Some(ask_at)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Asks about all parcels that have been silent for too long.
    pub(super) async fn ask_silent(&self) -> Result<(), StoreError> {
        let silent = store::silent(&self.database, self.context.clock.now()).await?;
        let asked = futures_util::stream::iter(silent).map(|number| async move { self.ask(&number).await });
        for outcome in asked.buffer_unordered(PARCELS_AT_ONCE).collect::<Vec<_>>().await {
            outcome?;
        }
        Ok(())
    }

    /// Asks a carrier about one parcel; if nobody has heard of it for too long, it is lost.
    async fn ask(&self, number: &ParcelNumber) -> Result<(), StoreError> {
        let Some((silence, carrier)) = store::silence(&self.database, number).await? else { return Ok(()) };
        let now = self.context.clock.now();
        let told = match self.adapter(&carrier) {
            Some(adapter) => adapter.ask(number).await,
            None => Err(AdapterError::Unavailable("no adapter".to_owned())),
        };
        let mut news = told.unwrap_or_else(|error| {
            tracing::info!(carrier, %error, "a carrier that was silent does not answer");
            Vec::new()
        });
        // What it says about other parcels was not asked.
        news.retain(|news| news.number == *number);
        let lost_after = hours(self.settings.lost_after_hours, silence.pace);
        let is_over = overdue(silence.heard_at, silence.promised_at, now) > lost_after;
        let ask_at = self.ask_at(now, silence.pace);
        let number = number.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let before = store::read_in(tx, &number).await?.map(|parcel| parcel.version);
                for news in &news {
                    store::report(tx, news, Some(ask_at)).await?;
                }
                let after = store::read_in(tx, &number).await?.map(|parcel| parcel.version);
                if before == after && is_over {
                    let detail = "no report for too long".to_owned();
                    let entry = Entry { at: tx.now(), state: ParcelState::Lost, place: String::new(), detail };
                    store::report(tx, &News { number: number.clone(), entry, promised_at: None }, None).await?;
                }
                store::ask_later(tx, &number, ask_at).await
            })
        })
        .await
    }
}

/// For how long a parcel has been both unheard of and late.
fn overdue(heard_at: Timestamp, promised_at: Option<Timestamp>, now: Timestamp) -> std::time::Duration {
    heard_at.max(promised_at.unwrap_or(heard_at)).until(now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::overdue;
    use crate::clock::Timestamp;

    #[test]
    fn silence_counts_from_the_promise() {
        let (heard, promised) = (Timestamp(1000), Some(Timestamp(5000)));
        assert_eq!(overdue(heard, promised, Timestamp(4000)), Duration::ZERO);
        assert_eq!(overdue(heard, promised, Timestamp(5300)), Duration::from_millis(300));
        assert_eq!(overdue(Timestamp(6000), promised, Timestamp(6100)), Duration::from_millis(100));
        assert_eq!(overdue(heard, None, Timestamp(1100)), Duration::from_millis(100));
    }
}
