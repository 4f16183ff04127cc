//! Goods come in: booked at the dock, put into bins, given to those who wait for them.

use std::collections::{BTreeMap, HashMap};

use super::allocate::expired;
use super::bins::{BinLoad, DOCK, put_away};
use super::error::WarehouseError;
use super::fill::{self, Which};
use super::ledger::{Journal, Place, homes, loads, stock_rows};
use super::model::{Item, Movement, NewReceipt, PutAway, Receipt};
use crate::clock::Timestamp;
use crate::id::new_uuid;
use crate::store::{StoreError, Tx, args};

/// Units of a lot that are to be put into a bin.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) item: String,
    pub(super) lot: String,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) quantity: i64,
    pub(super) volume_ml: i64,
    pub(super) cold_chain: bool,
}

/// Books a receipt. The same delivery note again gives the first receipt.
pub(super) async fn receive(tx: &mut Tx, who: &str, new: &NewReceipt) -> Result<Receipt, WarehouseError> {
    let asked = serde_json::to_string(&new.lines).map_err(StoreError::from)?;
    let before = "SELECT asked, body FROM receipt WHERE reference = $1";
    if let Some(row) = tx.row(before, args![&new.reference]).await? {
        return if row.text(0)? == asked { Ok(row.json(1)?) } else { Err(WarehouseError::Reference) };
    }
    check(tx, new).await?;
    learn(tx, new).await?;
    let arrivals: Vec<_> = new
        .lines
        .iter()
        .map(|line| Arrival {
            item: line.item.as_str().to_owned(),
            lot: line.lot_code(),
            expires_at: line.expires_at,
            quantity: line.quantity,
            volume_ml: line.volume_ml,
            cold_chain: line.cold_chain,
        })
        .collect();
    let mut journal = Journal::new(who, new.reference.as_str());
    let bins = store(tx, &mut journal, Movement::Receive, &arrivals).await?;
    let put = |(line, (arrival, bin)): (&super::model::ReceiptLine, (Arrival, String))| PutAway {
        item: line.item.clone(),
        lot: arrival.lot,
        quantity: arrival.quantity,
        bin,
    };
    let lines = new.lines.iter().zip(arrivals.into_iter().zip(bins)).map(put).collect();
    let receipt = Receipt { id: new_uuid(), reference: new.reference.clone(), lines, received_at: tx.now() };
    let body = serde_json::to_string(&receipt).map_err(StoreError::from)?;
    let keep = "INSERT INTO receipt (id, reference, asked, body) VALUES ($1, $2, $3, $4)";
    tx.run(keep, args![&receipt.id, &receipt.reference, asked, body]).await?;
    tx.publish("receipt.received", receipt.id.as_str(), &receipt)?;
    fill::fill(tx, Which::Items(new.lines.iter().map(|line| line.item.as_str().to_owned()).collect())).await?;
    Ok(receipt)
}

/// Refuses what has expired, what contradicts itself and what contradicts what is known.
async fn check(tx: &mut Tx, new: &NewReceipt) -> Result<(), WarehouseError> {
    let at = |index: usize, member: &str, reason: &str| {
        Err(WarehouseError::Body(format!("/lines/{index}/{member}"), reason.to_owned()))
    };
    let items: Vec<_> = new.lines.iter().map(|line| (line.item.as_str(),)).collect();
    let items = serde_json::to_string(&items).map_err(StoreError::from)?;
    let find = "SELECT DISTINCT i.item, i.cold_chain FROM {rows $1 (item text)} AS x JOIN item i ON i.item = x.item";
    let mut cold: HashMap<String, bool> = HashMap::new();
    for row in tx.rows(find, args![items.as_str()]).await? {
        cold.insert(row.text(0)?.to_owned(), row.flag(1)?);
    }
    let find = "
        SELECT DISTINCT s.item, s.lot, s.expires_at FROM {rows $1 (item text)} AS x JOIN stock s ON s.item = x.item";
    let mut ends: HashMap<(String, String), Option<Timestamp>> = HashMap::new();
    for row in tx.rows(find, args![items]).await? {
        ends.insert((row.text(0)?.to_owned(), row.text(1)?.to_owned()), row.opt_int(2)?.map(Timestamp));
    }
    for (index, line) in new.lines.iter().enumerate() {
        let item = line.item.as_str().to_owned();
        if expired(line.expires_at, tx.now()) {
            return at(index, "expires_at", "has expired");
        }
        if *cold.entry(item.clone()).or_insert(line.cold_chain) != line.cold_chain {
            return at(index, "cold_chain", "this item is kept otherwise");
        }
        if *ends.entry((item, line.lot_code())).or_insert(line.expires_at) != line.expires_at {
            return at(index, "expires_at", "this lot expires at another time");
        }
    }
    Ok(())
}

/// Keeps what the goods are called and how big they are; the newest word counts.
async fn learn(tx: &mut Tx, new: &NewReceipt) -> Result<(), StoreError> {
    let lines = new.lines.iter().map(|line| (line.item.as_str(), line));
    let lines: BTreeMap<_, _> = lines.collect();
    let rows: Vec<_> = lines
        .values()
        .map(|line| (line.item.as_str(), &line.name, line.weight_g, line.volume_ml, i64::from(line.cold_chain)))
        .collect();
    let keep = "
        INSERT INTO item (item, name, weight_g, volume_ml, cold_chain)
        SELECT x.item, x.name, x.weight_g, x.volume_ml, x.cold_chain
        FROM {rows $1 (item text, name text, weight_g int, volume_ml int, cold_chain int)} AS x WHERE true
        ON CONFLICT (item) DO UPDATE
        SET name = excluded.name, weight_g = excluded.weight_g, volume_ml = excluded.volume_ml";
    tx.run(keep, args![serde_json::to_string(&rows)?]).await.map(drop)
}

/// Books goods at the dock as `kind` and puts each arrival into a bin. The bins, in the order of the arrivals.
pub(super) async fn store(
    tx: &mut Tx,
    journal: &mut Journal,
    kind: Movement,
    arrivals: &[Arrival],
) -> Result<Vec<String>, WarehouseError> {
    let bins = choose(tx, arrivals).await?;
    let dock = |arrival: &Arrival| Place {
        item: arrival.item.clone(),
        lot: arrival.lot.clone(),
        expires_at: arrival.expires_at,
        bin: DOCK.to_owned(),
    };
    let places = arrivals.iter().zip(&bins).flat_map(|(arrival, bin)| [dock(arrival), dock(arrival).moved(bin)]);
    let rows = stock_rows(tx, places.collect()).await?;
    for (arrival, bin) in arrivals.iter().zip(&bins) {
        let from = dock(arrival);
        let (Some(here), Some(there)) = (rows.get(&from), rows.get(&from.moved(bin))) else {
            return Err(StoreError::Value("a stock row was not made".to_owned()).into());
        };
        journal.add(kind, *here, arrival.quantity, 0);
        journal.add(Movement::Put, *here, -arrival.quantity, 0);
        journal.add(Movement::Put, *there, arrival.quantity, 0);
    }
    journal.post(tx).await?;
    Ok(bins)
}

/// A bin for each arrival, as if those before it lay in theirs already.
pub(super) async fn choose(tx: &mut Tx, arrivals: &[Arrival]) -> Result<Vec<String>, WarehouseError> {
    let mut loads: Vec<BinLoad> = loads(tx).await?;
    let items: Vec<&str> = arrivals.iter().map(|arrival| arrival.item.as_str()).collect();
    let mut homes = homes(tx, &items).await?;
    let mut bins = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        for load in &mut loads {
            load.has_item = homes.iter().any(|(item, bin)| *item == arrival.item && *bin == load.bin.name);
        }
        let volume = arrival.quantity.saturating_mul(arrival.volume_ml);
        let bin = put_away(&loads, arrival.cold_chain, volume).ok_or(WarehouseError::NoBin)?.bin.name.clone();
        if let Some(load) = loads.iter_mut().find(|load| load.bin.name == bin) {
            load.used_ml = load.used_ml.saturating_add(volume);
        }
        homes.push((arrival.item.clone(), bin.clone()));
        bins.push(bin);
    }
    Ok(bins)
}

/// What is known of goods that go back to the shelf: volume of a unit and whether they are kept cold.
pub(super) async fn known(tx: &mut Tx, item: &Item) -> Result<(i64, bool), WarehouseError> {
    let find = "SELECT volume_ml, cold_chain FROM item WHERE item = $1";
    let row = tx.row(find, args![item.as_str()]).await?.ok_or(WarehouseError::Unknown("item"))?;
    Ok((row.int(0)?, row.flag(1)?))
}
