//! The append-only ledger, and the balances that change in the same transaction. Nothing else changes a balance.

use std::collections::BTreeMap;

use metrics::counter;

use super::bins::{BinLoad, DOCK, PACK, layout};
use super::model::Movement;
use crate::clock::Timestamp;
use crate::store::{StoreError, Tx, args};

/// One row of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: Movement,
    /// The stock row.
    pub(super) stock: i64,
    /// Units more in the bin.
    pub(super) on_hand: i64,
    /// Units more of them set aside.
    pub(super) reserved: i64,
    /// For which shipment.
    pub(super) shipment: Option<String>,
    pub(super) reason: String,
}

/// Entries of one act, and who does it.
#[derive(Debug)]
pub(super) struct Journal {
    who: String,
    reason: String,
    entries: Vec<Entry>,
}

impl Journal {
    /// An empty one.
    pub(super) fn new(who: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { who: who.into(), reason: reason.into(), entries: Vec::new() }
    }

    /// Adds an entry for nobody in particular.
    pub(super) fn add(&mut self, kind: Movement, stock: i64, on_hand: i64, reserved: i64) {
        let reason = self.reason.clone();
        self.entries.push(Entry { kind, stock, on_hand, reserved, shipment: None, reason });
    }

    /// Adds an entry for a shipment.
    pub(super) fn add_for(&mut self, shipment: &str, kind: Movement, stock: i64, on_hand: i64, reserved: i64) {
        self.add(kind, stock, on_hand, reserved);
        if let Some(entry) = self.entries.last_mut() {
            entry.shipment = Some(shipment.to_owned());
        }
    }

    /// Writes the entries and changes the balances by their sums, in two statements. The database refuses balances that make
    /// no sense.
    ///
    /// # Errors
    /// A stock row does not exist, or would be overdrawn.
    pub(super) async fn post(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Ok(());
        }
        let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for entry in &entries {
            let sum = sums.entry(entry.stock).or_default();
            *sum = (sum.0 + entry.on_hand, sum.1 + entry.reserved);
        }
        let rows = sums.iter().map(|(stock, (on_hand, reserved))| (stock, on_hand, reserved));
        let rows = serde_json::to_string(&rows.collect::<Vec<_>>())?;
        let change = "
            UPDATE stock SET on_hand = stock.on_hand + x.plus, reserved = stock.reserved + x.aside
            FROM {rows $1 (row int, plus int, aside int)} AS x WHERE stock.id = x.row";
        let changed = tx.run(change, args![rows]).await?;
        if usize::try_from(changed) != Ok(sums.len()) {
            return Err(StoreError::Value("a movement of stock that is not there".to_owned()));
        }
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| {
                (entry.kind.as_str(), entry.stock, entry.on_hand, entry.reserved, &entry.shipment, &entry.reason)
            })
            .collect();
        let write = "
            INSERT INTO ledger (at, kind, stock, on_hand, reserved, shipment, reason, who)
            SELECT $2, x.kind, x.row, x.plus, x.aside, x.shipment, x.reason, $3
            FROM {rows $1 (kind text, row int, plus int, aside int, shipment text, reason text)} AS x WHERE true";
        let now = tx.now();
        tx.run(write, args![serde_json::to_string(&rows)?, now, self.who.clone()]).await?;
        for entry in &entries {
            counter!("efir_commerce_warehouse_movements_total", "kind" => entry.kind.as_str()).increment(1);
        }
        Ok(())
    }
}

/// What makes a stock row: a lot of an item in a bin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) item: String,
    pub(super) lot: String,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) bin: String,
}

impl Place {
    /// The same lot in another bin.
    pub(super) fn moved(&self, bin: &str) -> Self {
        Self { bin: bin.to_owned(), ..self.clone() }
    }
}

/// The stock rows of places, made with nothing in them where there are none.
pub(super) async fn stock_rows(tx: &mut Tx, places: Vec<Place>) -> Result<BTreeMap<Place, i64>, StoreError> {
    let mut wanted: Vec<_> = places;
    wanted.sort();
    wanted.dedup();
    let rows: Vec<_> =
        wanted.iter().map(|place| (&place.item, &place.lot, place.expires_at.map(|end| end.0), &place.bin)).collect();
    // The update changes nothing; it makes rows that were there come back too.
    let find = "
        INSERT INTO stock (item, lot, expires_at, bin, on_hand, reserved)
        SELECT x.item, x.lot, x.expires_at, x.bin, 0, 0
        FROM {rows $1 (item text, lot text, expires_at int, bin text)} AS x WHERE true
        ON CONFLICT (item, lot, bin) DO UPDATE SET item = excluded.item
        RETURNING id, item, lot, expires_at, bin";
    let found = tx.rows(find, args![serde_json::to_string(&rows)?]).await?;
    found
        .iter()
        .map(|row| {
            let (item, lot, bin) = (row.text(1)?.to_owned(), row.text(2)?.to_owned(), row.text(4)?.to_owned());
            Ok((Place { item, lot, expires_at: row.opt_int(3)?.map(Timestamp), bin }, row.int(0)?))
        })
        .collect()
}

/// How full the bins are.
pub(super) async fn loads(tx: &mut Tx) -> Result<Vec<BinLoad>, StoreError> {
    let rows = tx.rows(LOADS, args![]).await?;
    let used = rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?)));
    let used: BTreeMap<String, i64> = used.collect::<Result<_, StoreError>>()?;
    let load = |bin: super::bins::Bin| {
        let used_ml = used.get(&bin.name).copied().unwrap_or(0);
        BinLoad { bin, used_ml, has_item: false }
    };
    Ok(layout().into_iter().map(load).collect())
}

/// Millilitres of what is in each bin.
pub(super) const LOADS: &str = "
    SELECT s.bin, CAST(SUM(s.on_hand * i.volume_ml) AS BIGINT) FROM stock s JOIN item i ON i.item = s.item
    WHERE s.on_hand > 0 GROUP BY s.bin";

/// Where items lie already, apart from the places that they only pass.
pub(super) async fn homes(tx: &mut Tx, items: &[&str]) -> Result<Vec<(String, String)>, StoreError> {
    let find = "
        SELECT DISTINCT s.item, s.bin FROM {rows $1 (item text)} AS x JOIN stock s ON s.item = x.item
        WHERE s.on_hand > 0 AND s.bin <> $2 AND s.bin <> $3";
    let items: Vec<_> = items.iter().map(|item| (item,)).collect();
    let rows = tx.rows(find, args![serde_json::to_string(&items)?, DOCK, PACK]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
}
