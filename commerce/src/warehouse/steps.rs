//! A shipment from its order to the courier's door.

use super::bins::PACK;
use super::error::WarehouseError;
use super::fill::{self, Which};
use super::ledger::{Journal, Place, stock_rows};
use super::limit::BOX_G;
use super::model::{Item, Movement, NewShipment, Shipment, State, Step};
use super::receive::{Arrival, choose, known};
use super::shipments::{self, Change, load, load_one};
use super::sscc::sscc;
use crate::clock::Timestamp;
use crate::id::new_uuid;
use crate::store::{Batch, Row, StoreError, Tx, args};

/// New shipments, as many as come at about the same time, with a number of statements that does not grow with theirs.
pub(super) struct Placing;

impl Batch for Placing {
    type Item = NewShipment;
    type Answer = Shipment;
    type Rejection = WarehouseError;

    async fn apply(tx: &mut Tx, items: Vec<NewShipment>) -> Result<Vec<Result<Shipment, WarehouseError>>, StoreError> {
        let (mut shipments, mut lines, mut which) = (Vec::new(), Vec::new(), Vec::new());
        let currency = |new: &NewShipment| new.value.currency.to_string();
        for new in &items {
            let id = new_uuid();
            let address = serde_json::to_string(&new.deliver_to)?;
            shipments.push((
                id.clone(),
                &new.reference,
                i64::from(new.partial),
                address,
                new.value.minor,
                currency(new),
            ));
            for (line, want) in (0_i64..).zip(&new.lines) {
                lines.push((id.clone(), line, want.item.as_str(), want.quantity));
            }
            which.push(id);
        }
        let write = "
            INSERT INTO shipment (id, reference, state, partial, lacking, deliver_to, value, currency, cold_chain, inspected,
                created_at, changed_at, version)
            SELECT x.id, x.reference, 'waiting', x.partial, 1, x.address, x.value, x.currency, 0, 0, $2, $2, 1
            FROM {rows $1 (id text, reference text, partial int, address text, value int, currency text)} AS x WHERE true";
        let now = tx.now();
        tx.run(write, args![serde_json::to_string(&shipments)?, now]).await?;
        let write = "
            INSERT INTO shipment_line (shipment, line, item, quantity, shipped)
            SELECT x.id, x.line, x.item, x.quantity, 0
            FROM {rows $1 (id text, line int, item text, quantity int)} AS x WHERE true";
        tx.run(write, args![serde_json::to_string(&lines)?]).await?;
        fill::fill(tx, Which::Shipments(which.clone())).await?;
        let mut placed = load(tx, &which).await?;
        placed.sort_by_key(|shipment| which.iter().position(|id| *id == shipment.id));
        if placed.len() != items.len() {
            return Err(StoreError::Value("a new shipment is not there".to_owned()));
        }
        Ok(placed.into_iter().map(Ok).collect())
    }
}

/// Packs what was picked: weight, volume and the number on the label.
pub(super) async fn pack(tx: &mut Tx, id: &str) -> Result<Shipment, WarehouseError> {
    let shipment = load_one(tx, id).await?;
    if !shipment.state.allows(Step::Pack) {
        return Err(WarehouseError::Step(shipment.state, "there is nothing to pack"));
    }
    let whole =
        |line: &super::model::Line| line.picked == line.reserved && (shipment.partial || line.picked == line.quantity);
    if !shipment.lines.iter().all(whole) || shipment.lines.iter().all(|line| line.picked == 0) {
        return Err(WarehouseError::Step(shipment.state, "not everything is picked"));
    }
    let sums = "
        SELECT CAST(SUM(a.quantity * i.weight_g) AS BIGINT), CAST(SUM(a.quantity * i.volume_ml) AS BIGINT),
            MAX(i.cold_chain)
        FROM allocation a JOIN stock k ON k.id = a.stock JOIN item i ON i.item = k.item WHERE a.shipment = $1";
    let row = tx.row(sums, args![id]).await?.ok_or(WarehouseError::Unknown("shipment"))?;
    let (weight, volume, cold) = (row.int(0)? + BOX_G, row.int(1)?, row.int(2)?);
    let number = tx.row("INSERT INTO sscc (shipment) VALUES ($1) RETURNING serial", args![id]).await?;
    let serial = number.map_or(Ok(0), |row| row.int(0))?;
    let sscc = sscc(serial).ok_or(WarehouseError::NoSscc)?;
    let write = "UPDATE shipment SET sscc = $2, weight_g = $3, volume_ml = $4, cold_chain = $5 WHERE id = $1";
    tx.run(write, args![id, sscc, weight, volume, cold]).await?;
    moved(tx, id, State::Packed).await
}

/// Makes the courier's call due. It is made until the courier has answered, whatever happens to this process.
pub(super) async fn hand_over(tx: &mut Tx, id: &str) -> Result<Shipment, WarehouseError> {
    let shipment = load_one(tx, id).await?;
    if !shipment.state.allows(Step::Ship) {
        return Err(WarehouseError::Step(shipment.state, "it is not packed"));
    }
    let due = "
        INSERT INTO booking (shipment, due_at, attempts) VALUES ($1, $2, 0)
        ON CONFLICT (shipment) DO UPDATE SET due_at = excluded.due_at, error = NULL";
    let now = tx.now();
    tx.run(due, args![id, now]).await?;
    load_one(tx, id).await
}

/// The courier has the parcel: its units are no longer here. Nothing happens if that was known.
pub(super) async fn shipped(tx: &mut Tx, id: &str, parcel: &str) -> Result<Shipment, WarehouseError> {
    tx.run("DELETE FROM booking WHERE shipment = $1", args![id]).await?;
    let shipment = load_one(tx, id).await?;
    if shipment.state != State::Packed {
        return Ok(shipment);
    }
    let mut journal = Journal::new("courier", parcel);
    for row in tx.rows("SELECT stock, quantity FROM allocation WHERE shipment = $1", args![id]).await? {
        journal.add_for(id, Movement::Ship, row.int(0)?, -row.int(1)?, -row.int(1)?);
    }
    journal.post(tx).await?;
    let lines = "
        UPDATE shipment_line SET shipped = (
            SELECT CAST(COALESCE(SUM(a.quantity), 0) AS BIGINT) FROM allocation a
            WHERE a.shipment = shipment_line.shipment AND a.line = shipment_line.line)
        WHERE shipment = $1";
    tx.run(lines, args![id]).await?;
    tx.run("DELETE FROM allocation WHERE shipment = $1", args![id]).await?;
    tx.run("UPDATE shipment SET parcel = $2 WHERE id = $1", args![id, parcel]).await?;
    moved(tx, id, State::Shipped).await
}

/// Calls a shipment off: what was set aside is free again, what was picked goes back to a bin.
pub(super) async fn cancel(tx: &mut Tx, who: &str, id: &str, reason: &str) -> Result<Shipment, WarehouseError> {
    let shipment = load_one(tx, id).await?;
    if !shipment.state.allows(Step::Cancel) {
        return Err(WarehouseError::Step(shipment.state, "it cannot be called off any more"));
    }
    if tx.row("SELECT shipment FROM booking WHERE shipment = $1 AND due_at IS NOT NULL", args![id]).await?.is_some() {
        return Err(WarehouseError::Step(shipment.state, "the courier is being called"));
    }
    let find = "
        SELECT a.stock, a.quantity, k.bin, k.item, k.lot, k.expires_at
        FROM allocation a JOIN stock k ON k.id = a.stock WHERE a.shipment = $1";
    let rows = tx.rows(find, args![id]).await?;
    let mut journal = Journal::new(who, reason);
    let mut back = Vec::new();
    for row in &rows {
        journal.add_for(id, Movement::Release, row.int(0)?, 0, -row.int(1)?);
        if row.text(2)? == PACK {
            back.push(row);
        }
    }
    journal.post(tx).await?;
    put_back(tx, &mut journal, &back).await?;
    tx.run("DELETE FROM allocation WHERE shipment = $1", args![id]).await?;
    tx.run("DELETE FROM booking WHERE shipment = $1", args![id]).await?;
    let cancelled = moved(tx, id, State::Cancelled).await?;
    let items = shipment.lines.iter().map(|line| line.item.as_str().to_owned());
    fill::fill(tx, Which::Items(items.collect())).await?;
    Ok(cancelled)
}

/// Nobody carries a parcel that was handed over: its units are here after all, and go back to their bins.
pub(super) async fn stayed(tx: &mut Tx, id: &str, parcel: &str) -> Result<Shipment, WarehouseError> {
    let shipment = load_one(tx, id).await?;
    let find = "
        SELECT g.stock, -g.on_hand, k.bin, k.item, k.lot, k.expires_at
        FROM ledger g JOIN stock k ON k.id = g.stock WHERE g.shipment = $1 AND g.kind = 'ship' ORDER BY g.seq";
    let rows = tx.rows(find, args![id]).await?;
    let mut journal = Journal::new("courier", parcel);
    for row in &rows {
        journal.add_for(id, Movement::Return, row.int(0)?, row.int(1)?, 0);
    }
    journal.post(tx).await?;
    put_back(tx, &mut journal, &rows.iter().collect::<Vec<_>>()).await?;
    tx.run("UPDATE shipment_line SET shipped = 0 WHERE shipment = $1", args![id]).await?;
    let cancelled = moved(tx, id, State::Cancelled).await?;
    let items = shipment.lines.iter().map(|line| line.item.as_str().to_owned());
    fill::fill(tx, Which::Items(items.collect())).await?;
    Ok(cancelled)
}

/// Puts units from the packing place into bins: stock row, units, bin, item, lot, expiry.
async fn put_back(tx: &mut Tx, journal: &mut Journal, rows: &[&Row]) -> Result<(), WarehouseError> {
    let mut arrivals = Vec::new();
    for row in rows {
        let (volume_ml, cold_chain) = known(tx, &row.parse(3, Item::parse)?).await?;
        let (item, lot) = (row.text(3)?.to_owned(), row.text(4)?.to_owned());
        let expires_at = row.opt_int(5)?.map(Timestamp);
        arrivals.push(Arrival { item, lot, expires_at, quantity: row.int(1)?, volume_ml, cold_chain });
    }
    let bins = choose(tx, &arrivals).await?;
    let place = |(arrival, bin): (&Arrival, &String)| Place {
        item: arrival.item.clone(),
        lot: arrival.lot.clone(),
        expires_at: arrival.expires_at,
        bin: bin.clone(),
    };
    let places: Vec<_> = arrivals.iter().zip(&bins).map(place).collect();
    let stock = stock_rows(tx, places.clone()).await?;
    for ((row, arrival), place) in rows.iter().zip(&arrivals).zip(&places) {
        let there = stock.get(place).ok_or_else(|| StoreError::Value("a stock row was not made".to_owned()))?;
        journal.add(Movement::Put, row.int(0)?, -arrival.quantity, 0);
        journal.add(Movement::Put, *there, arrival.quantity, 0);
    }
    Ok(journal.post(tx).await?)
}

/// Moves a shipment on, and tells.
pub(super) async fn moved(tx: &mut Tx, id: &str, state: State) -> Result<Shipment, WarehouseError> {
    shipments::change(tx, &[Change { shipment: id, state, lacking: false }]).await?;
    shipments::tell(tx, &[id.to_owned()]).await?.pop().ok_or(WarehouseError::Unknown("shipment"))
}
