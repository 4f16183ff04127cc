//! Prescriptions as people use them: written, read (and every reading noted), taken back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pharmacy;
use super::medicine::Vnr;
use super::prescription::{Draft, Prescription, Refusal, Supply, WriteError};
use super::store::{self, Access};
use crate::clock::Timestamp;
use crate::id::{OrderId, PrescriptionId};
use crate::problem::Problem;
use crate::store::{Once, StoreError};

/// A prescription as patients and pharmacists see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PrescriptionView {
    /// Its number.
    pub id: PrescriptionId,
    /// Who it is for.
    pub patient: String,
    /// The package it is for.
    pub vnr: Vnr,
    /// The package's name, strength and size.
    pub medicine: String,
    /// How much of it was given out.
    pub state: Supply,
    /// Packages prescribed.
    pub packages: i64,
    /// Packages not given out yet.
    pub remaining: i64,
    /// Whether another package of the same group may be given.
    pub substitution: bool,
    /// Days between two dispensings.
    pub interval_days: i64,
    /// When the next package may be given out, if that has to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// How to take it.
    pub dosage: String,
    /// First moment.
    pub valid_from: Timestamp,
    /// Last moment.
    pub valid_until: Timestamp,
    /// The order that has hold of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<OrderId>,
    /// When that hold ends by itself; a confirmed order's does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    /// Whether it is of a made-up medicine.
    pub synthetic: bool,
    /// Grows with each change.
    pub version: i64,
}

/// Why something cannot be done with a prescription.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RxError {
    /// There is none, or not for this caller.
    #[error("there is no such prescription")]
    NotFound,
    /// There is no such package.
    #[error("there is no such medicine")]
    UnknownMedicine,
    /// It cannot be written like this.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RxError> for Problem {
    fn from(error: RxError) -> Self {
        let text = error.to_string();
        match error {
            RxError::NotFound => Self::not_found(text),
            RxError::UnknownMedicine => Self::invalid("the prescription cannot be written").at("/vnr", text),
            RxError::Write(error) => {
                let pointer = match error {
                    WriteError::SelfCare => "/vnr",
                    WriteError::TooLong(_) | WriteError::Ends => "/valid_until",
                    WriteError::Quantity => "/packages",
                    WriteError::Interval => "/interval_days",
                };
                Self::invalid("the prescription cannot be written").at(pointer, text)
            }
            RxError::Refused(_) => Self::conflict(text),
            RxError::Store(error) => error.into(),
        }
    }
}

/// Who reads prescriptions, and why.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    /// For whom.
    pub(super) who: String,
    /// Who acts for them.
    pub(super) actor: Option<String>,
    /// Why.
    pub(super) why: String,
    /// Only the reader's own; a pharmacist sees everybody's.
    pub(super) own: bool,
}

impl Reader {
    fn access(&self) -> Access {
        Access { who: self.who.clone(), actor: self.actor.clone(), what: "read", why: self.why.clone() }
    }
}

impl Pharmacy {
    /// Writes a prescription.
    pub(super) async fn prescribe(
        &self,
        once: Option<&Once>,
        prescriber: String,
        vnr: &Vnr,
        draft: Draft,
    ) -> Result<PrescriptionView, RxError> {
        let index = self.catalogue.index().await?;
        let medicine = index.by_vnr(vnr.as_str()).cloned().ok_or(RxError::UnknownMedicine)?;
        let pharmacy = self.clone();
        self.shop
            .db()
            .write::<PrescriptionView, RxError, _>(once, move |tx| {
                Box::pin(async move {
                    let new = Prescription::write(draft, &prescriber, &medicine, tx.now())?;
                    store::insert(tx, &new).await?;
                    let access = Access { who: prescriber, actor: None, what: "write", why: "prescribed".to_owned() };
                    store::note(tx, &[new.id.as_str()], &access).await?;
                    Ok(pharmacy.view(&new, tx.now()))
                })
            })
            .await
    }

    /// One prescription. The reading is noted with it: neither is without the other.
    pub(super) async fn prescription(&self, id: PrescriptionId, reader: Reader) -> Result<PrescriptionView, RxError> {
        let pharmacy = self.clone();
        self.shop
            .db()
            .write::<PrescriptionView, RxError, _>(None, move |tx| {
                Box::pin(async move {
                    let found = store::by_ids(tx, &[id.as_str()]).await?.pop();
                    let found =
                        found.filter(|found| !reader.own || found.patient == reader.who).ok_or(RxError::NotFound)?;
                    store::note(tx, &[id.as_str()], &reader.access()).await?;
                    Ok(pharmacy.view(&found, tx.now()))
                })
            })
            .await
    }

    /// A person's prescriptions after an id. Each one's reading is noted with it.
    pub(super) async fn prescriptions(
        &self,
        patient: String,
        after: String,
        limit: i64,
        reader: Reader,
    ) -> Result<Vec<PrescriptionView>, RxError> {
        let pharmacy = self.clone();
        self.shop
            .db()
            .write::<Vec<PrescriptionView>, RxError, _>(None, move |tx| {
                Box::pin(async move {
                    let found = store::of_patient(tx, &patient, &after, limit).await?;
                    let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
                    store::note(tx, &ids, &reader.access()).await?;
                    Ok(found.iter().map(|found| pharmacy.view(found, tx.now())).collect())
                })
            })
            .await
    }

    /// Takes back what its prescriber wrote.
    pub(super) async fn withdraw(
        &self,
        once: Option<&Once>,
        id: PrescriptionId,
        prescriber: String,
        reason: String,
    ) -> Result<PrescriptionView, RxError> {
        let pharmacy = self.clone();
        self.shop
            .db()
            .write::<PrescriptionView, RxError, _>(once, move |tx| {
                Box::pin(async move {
                    let found = store::by_ids(tx, &[id.as_str()]).await?.pop();
                    let mut found = found.filter(|found| found.prescriber == prescriber).ok_or(RxError::NotFound)?;
                    found.cancel(tx.now())?;
                    store::save(tx, &[&found]).await?;
                    let access = Access { who: prescriber, actor: None, what: "cancel", why: reason };
                    store::note(tx, &[id.as_str()], &access).await?;
                    Ok(pharmacy.view(&found, tx.now()))
                })
            })
            .await
    }

    fn view(&self, of: &Prescription, now: Timestamp) -> PrescriptionView {
        let index = self.catalogue.current();
        let medicine = index.by_vnr(of.prescribed.vnr.as_str());
        let held = of.held(now);
        PrescriptionView {
            id: of.id.clone(),
            patient: of.patient.clone(),
            vnr: of.prescribed.vnr.clone(),
            medicine: medicine.map_or_else(String::new, |medicine| medicine.title()),
            state: of.supply(),
            packages: of.packages,
            remaining: of.remaining,
            substitution: of.substitution,
            interval_days: of.interval_days,
            next_at: of.next_at().filter(|next| now < *next),
            dosage: of.dosage.clone(),
            valid_from: of.valid_from,
            valid_until: of.valid_until,
            held_by: held.map(|lock| lock.order.clone()),
            held_until: held.and_then(|lock| lock.until),
            synthetic: medicine.is_some_and(|medicine| medicine.synthetic),
            version: of.version,
        }
    }
}
