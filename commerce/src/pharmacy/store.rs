//! Prescriptions in the database, and the record of everybody who saw or used one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::medicine::{Prescribed, Vnr};
use super::prescription::{Lock, Prescription};
use crate::clock::Timestamp;
use crate::id::{OrderId, PrescriptionId};
use crate::store::{Database, Row, StoreError, Tx, args};

macro_rules! columns {
    () => {
        "p.id, p.patient, p.prescriber, p.vnr, p.substitution_group, p.packages, p.remaining, p.substitution, \
         p.interval_days, p.dosage, p.valid_from, p.valid_until, p.cancelled, p.last_dispensed, p.lock_order, \
         p.lock_quantity, p.lock_until, p.version"
    };
}

fn read(row: &Row) -> Result<Prescription, StoreError> {
    let lock = match (row.opt_text(14)?, row.opt_int(15)?) {
        (Some(_), Some(quantity)) => {
            Some(Lock { order: row.parse(14, OrderId::parse)?, quantity, until: row.opt_int(16)?.map(Timestamp) })
        }
        _ => None,
    };
    Ok(Prescription {
        id: row.parse(0, PrescriptionId::parse)?,
        patient: row.text(1)?.to_owned(),
        prescriber: row.text(2)?.to_owned(),
        prescribed: Prescribed { vnr: row.parse(3, Vnr::parse)?, group: row.opt_text(4)?.map(str::to_owned) },
        packages: row.int(5)?,
        remaining: row.int(6)?,
        substitution: row.flag(7)?,
        interval_days: row.int(8)?,
        dosage: row.text(9)?.to_owned(),
        valid_from: row.time(10)?,
        valid_until: row.time(11)?,
        cancelled: row.flag(12)?,
        last_dispensed: row.opt_int(13)?.map(Timestamp),
        lock,
        version: row.int(17)?,
    })
}

fn json(ids: &[&str]) -> Result<String, StoreError> {
    let ids: Vec<_> = ids.iter().map(|id| (id,)).collect();
    Ok(serde_json::to_string(&ids)?)
}

/// These prescriptions; those that do not exist are left out.
pub(super) async fn by_ids(tx: &mut Tx, ids: &[&str]) -> Result<Vec<Prescription>, StoreError> {
    let select = concat!("SELECT ", columns!(), " FROM {rows $1 (id text)} AS x JOIN prescription AS p ON p.id = x.id");
    tx.rows(select, args![json(ids)?]).await?.iter().map(read).collect()
}

/// The prescriptions that these orders have hold of.
pub(super) async fn held_by(tx: &mut Tx, orders: &[&str]) -> Result<Vec<Prescription>, StoreError> {
    let select =
        concat!("SELECT ", columns!(), " FROM {rows $1 (id text)} AS x JOIN prescription AS p ON p.lock_order = x.id");
    tx.rows(select, args![json(orders)?]).await?.iter().map(read).collect()
}

/// A person's prescriptions after an id, oldest first.
pub(super) async fn of_patient(
    tx: &mut Tx,
    patient: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Prescription>, StoreError> {
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM prescription AS p WHERE p.patient = $1 AND p.id > $2 ORDER BY p.id LIMIT $3"
    );
    tx.rows(select, args![patient, after, limit]).await?.iter().map(read).collect()
}

/// Writes a new one.
pub(super) async fn insert(tx: &mut Tx, new: &Prescription) -> Result<(), StoreError> {
    let insert = "
        INSERT INTO prescription (id, version, patient, prescriber, vnr, substitution_group, packages, remaining,
            substitution, interval_days, dosage, valid_from, valid_until, cancelled)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let values = args![
        new.id.as_str(),
        new.version,
        &new.patient,
        &new.prescriber,
        new.prescribed.vnr.as_str(),
        new.prescribed.group.as_deref(),
        new.packages,
        new.remaining,
        new.substitution,
        new.interval_days,
        &new.dosage,
        new.valid_from,
        new.valid_until,
        new.cancelled,
    ];
    tx.run(insert, values).await?;
    Ok(())
}

/// Writes what may change of these. The table's own checks stand behind it.
pub(super) async fn save(tx: &mut Tx, changed: &[&Prescription]) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = changed
        .iter()
        .map(|p| {
            let lock = p.lock.as_ref();
            (
                p.id.as_str(),
                p.version,
                p.remaining,
                i64::from(p.cancelled),
                p.last_dispensed.map(|at| at.0),
                lock.map(|lock| lock.order.as_str()),
                lock.map(|lock| lock.quantity),
                lock.and_then(|lock| lock.until).map(|at| at.0),
            )
        })
        .collect();
    let update = "
        UPDATE prescription SET version = x.version, remaining = x.remaining, cancelled = x.cancelled,
            last_dispensed = x.last_dispensed, lock_order = x.lock_order, lock_quantity = x.lock_quantity,
            lock_until = x.lock_until
        FROM {rows $1 (id text, version int, remaining int, cancelled int, last_dispensed int, lock_order text,
            lock_quantity int, lock_until int)} AS x
        WHERE prescription.id = x.id";
    tx.run(update, args![serde_json::to_string(&rows)?]).await?;
    Ok(())
}

/// Notes what was given out for an order: `(prescription, packages)`.
pub(super) async fn note_dispensed(tx: &mut Tx, given: &[(String, String, i64)]) -> Result<(), StoreError> {
    let insert = "
        INSERT INTO dispensing (prescription, purchase, quantity, at) SELECT x.prescription, x.purchase, x.quantity, $2
        FROM {rows $1 (prescription text, purchase text, quantity int)} AS x";
    tx.run(insert, args![serde_json::to_string(given)?, tx.now()]).await?;
    Ok(())
}

/// Who looks at or uses a prescription, and why.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// For whom.
    pub(super) who: String,
    /// Who acts for them.
    pub(super) actor: Option<String>,
    /// What they do.
    pub(super) what: &'static str,
    /// Why.
    pub(super) why: String,
}

/// Notes that somebody saw or used these prescriptions. In the same transaction as the deed: one never is without the other.
pub(super) async fn note(tx: &mut Tx, prescriptions: &[&str], access: &Access) -> Result<(), StoreError> {
    if prescriptions.is_empty() {
        return Ok(());
    }
    let insert = "
        INSERT INTO prescription_access (prescription, at, who, actor, what, why)
        SELECT x.id, $2, $3, $4, $5, $6 FROM {rows $1 (id text)} AS x";
    let values = args![json(prescriptions)?, tx.now(), &access.who, access.actor.as_deref(), access.what, &access.why,];
    tx.run(insert, values).await?;
    Ok(())
}

/// One line of the record of who saw or used a prescription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccessEntry {
    /// Counts upwards.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who, or for whom.
    pub who: String,
    /// Who acted for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What they did.
    pub what: String,
    /// Why.
    pub why: String,
}

/// The record of one prescription after an entry, oldest first.
pub(super) async fn accesses(
    db: &Database,
    id: &PrescriptionId,
    after: i64,
    limit: i64,
) -> Result<Vec<AccessEntry>, StoreError> {
    let select = "
        SELECT seq, at, who, actor, what, why FROM prescription_access
        WHERE prescription = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let rows = db.rows(select, args![id.as_str(), after, limit]).await?;
    let entry = |row: &Row| {
        Ok(AccessEntry {
            seq: row.int(0)?,
            at: row.time(1)?,
            who: row.text(2)?.to_owned(),
            actor: row.opt_text(3)?.map(str::to_owned),
            what: row.text(4)?.to_owned(),
            why: row.text(5)?.to_owned(),
        })
    };
    rows.iter().map(entry).collect()
}

/// Whose a prescription is.
pub(super) async fn patient_of(db: &Database, id: &PrescriptionId) -> Result<Option<String>, StoreError> {
    let row = db.row("SELECT patient FROM prescription WHERE id = $1", args![id.as_str()]).await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}
