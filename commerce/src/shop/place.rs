//! The hot path: many orders in a handful of statements.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::actor::Actor;
use crate::clock::Timestamp;
use crate::id::Sku;
use crate::store::{Batch, StoreError, Tx, args};

use super::decide::{Frame, Shelves, decide};
use super::limit::KNOWN_PRODUCTS;
use super::model::{NewOrder, Order};
use super::product::product_columns;
use super::{Product, Rejection, Round, Rules};

/// Who takes the orders of one shop: its rules and what it remembers. Shared by all orders.
#[derive(Debug)]
pub(crate) struct Desk<R> {
    /// The shop's own rules.
    pub(crate) rules: R,
    pub(super) frame: Frame,
    /// How long after it is confirmed an order is dispatched by itself; never if absent.
    pub(super) dispatch_after: Option<Duration>,
    known: Mutex<HashMap<Sku, Arc<Product>>>,
}

impl<R: Rules> Desk<R> {
    /// A desk of a shop. `ttl`: how long a reservation lasts.
    pub(crate) fn new(
        actor: Actor,
        seller: &str,
        rules: R,
        ttl: Duration,
        dispatch_after: Option<Duration>,
    ) -> Arc<Self> {
        let frame = Frame { shop: actor.as_str(), seller: seller.to_owned(), ttl };
        Arc::new(Self { rules, frame, dispatch_after, known: Mutex::default() })
    }

    /// The product if it is known as it was changed last: two changes never share both version and moment.
    fn known(&self, sku: &Sku, version: i64, updated_at: Timestamp) -> Option<Arc<Product>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(sku).filter(|product| product.version == version && product.updated_at == updated_at).cloned()
    }

    fn learn(&self, product: &Arc<Product>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_PRODUCTS {
            known.clear();
        }
        known.insert(product.sku.clone(), product.clone());
    }
}

/// One order on its way to the writer.
#[derive(Debug)]
pub(crate) struct Placing<R> {
    pub(crate) desk: Arc<Desk<R>>,
    pub(crate) order: NewOrder,
}

/// Orders that arrive at about the same time, decided together.
#[derive(Debug)]
pub(crate) struct Orders<R>(std::marker::PhantomData<R>);

impl<R: Rules> Batch for Orders<R> {
    type Item = Placing<R>;
    type Answer = Order;
    type Rejection = Rejection;

    async fn apply(tx: &mut Tx, items: Vec<Placing<R>>) -> Result<Vec<Result<Order, Rejection>>, StoreError> {
        let Some(desk) = items.first().map(|item| item.desk.clone()) else { return Ok(Vec::new()) };
        place(tx, &desk, items.into_iter().map(|item| item.order).collect()).await
    }
}

/// Takes orders within a transaction: decided in their order, each whole or not at all. One outcome for each.
///
/// # Errors
/// Storage failed: none was taken.
pub(crate) async fn place<R: Rules>(
    tx: &mut Tx,
    desk: &Desk<R>,
    orders: Vec<NewOrder>,
) -> Result<Vec<Result<Order, Rejection>>, StoreError> {
    let mut shelves = Shelves::of(&orders);
    load(tx, desk, &mut shelves).await?;
    let mut round = desk.rules.load(tx, &orders).await?;
    let outcomes = decide(&desk.frame, &orders, &mut shelves, &mut round, tx.now());
    if outcomes.iter().any(Result::is_ok) {
        reserve(tx, &shelves).await?;
        insert(tx, &orders, &outcomes).await?;
        round.save(tx).await?;
        for order in outcomes.iter().flatten() {
            tx.publish("order.reserved", order.id.as_str(), order)?;
        }
    }
    Ok(outcomes)
}

/// Looks what is on the shelves. Products that are known already are not read again.
async fn load<R: Rules>(tx: &mut Tx, desk: &Desk<R>, shelves: &mut Shelves) -> Result<(), StoreError> {
    let asked: Vec<_> =
        shelves.all.iter().enumerate().map(|(index, shelf)| (index, shelf.location, shelf.sku.as_str())).collect();
    let select = "
        SELECT x.i, s.on_hand - s.reserved, p.version, p.updated_at
        FROM {rows $1 (i int, location text, sku text)} AS x
        JOIN stock AS s ON s.location = x.location AND s.sku = x.sku
        JOIN product AS p ON p.sku = x.sku
        WHERE p.active = 1";
    let rows = tx.rows(select, args![serde_json::to_string(&asked)?]).await?;
    let mut unknown: HashMap<String, Vec<usize>> = HashMap::new();
    for row in rows {
        let Some((index, shelf)) = usize::try_from(row.int(0)?).ok().and_then(|i| Some((i, shelves.all.get_mut(i)?)))
        else {
            continue;
        };
        shelf.available = row.int(1)?;
        shelf.product = desk.known(&shelf.sku, row.int(2)?, row.time(3)?);
        if shelf.product.is_none() {
            unknown.entry(shelf.sku.as_str().to_owned()).or_default().push(index);
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let skus: Vec<_> = unknown.keys().map(|sku| (sku,)).collect();
    let select =
        concat!("SELECT ", product_columns!(), " FROM {rows $1 (sku text)} AS x JOIN product AS p ON p.sku = x.sku");
    for row in tx.rows(select, args![serde_json::to_string(&skus)?]).await? {
        let product = Arc::new(Product::read(&row)?);
        desk.learn(&product);
        for &index in unknown.get(product.sku.as_str()).into_iter().flatten() {
            shelves.all[index].product = Some(product.clone());
        }
    }
    Ok(())
}

/// Keeps what the orders take. The table's own checks stand behind it.
async fn reserve(tx: &mut Tx, shelves: &Shelves) -> Result<(), StoreError> {
    let taken: Vec<_> = shelves
        .all
        .iter()
        .filter(|shelf| shelf.taken > 0)
        .map(|shelf| (shelf.location, shelf.sku.as_str(), shelf.taken))
        .collect();
    let update = "
        UPDATE stock SET reserved = stock.reserved + x.quantity
        FROM {rows $1 (location text, sku text, quantity int)} AS x
        WHERE stock.location = x.location AND stock.sku = x.sku";
    tx.run(update, args![serde_json::to_string(&taken)?]).await?;
    Ok(())
}

async fn insert(tx: &mut Tx, asked: &[NewOrder], outcomes: &[Result<Order, Rejection>]) -> Result<(), StoreError> {
    let mut orders = Vec::with_capacity(outcomes.len());
    let mut lines = Vec::with_capacity(outcomes.len() * 3);
    for (order, asked) in outcomes.iter().zip(asked) {
        let Ok(order) = order else { continue };
        let address = asked.deliver_to.as_ref().map(serde_json::to_string).transpose()?;
        orders.push((
            order.id.as_str(),
            order.state.as_str(),
            &order.location,
            &order.customer,
            order.expires_at.0,
            order.total.minor,
            order.total.currency.code(),
            &order.reference,
            address,
        ));
        lines.extend(order.lines.iter().enumerate().map(|(index, line)| {
            (
                order.id.as_str(),
                index,
                line.sku.as_str(),
                line.quantity,
                line.unit_price.minor,
                line.discount.minor,
                line.vat_rate,
                &line.name,
                &line.promotion,
                &line.prescription,
            )
        }));
    }
    let insert = "
        INSERT INTO purchase (id, version, state, location, customer, created_at, expires_at, due_at, minor, currency,
            reference, deliver_to)
        SELECT x.id, 1, x.state, x.location, x.customer, $2, x.expires_at, x.expires_at, x.minor, x.currency,
            x.reference, x.deliver_to
        FROM {rows $1 (id text, state text, location text, customer text, expires_at int, minor int, currency text,
            reference text, deliver_to text)} AS x";
    tx.run(insert, args![serde_json::to_string(&orders)?, tx.now()]).await?;
    let insert = "
        INSERT INTO purchase_line (purchase, line, sku, quantity, unit_minor, discount, vat_rate, name, promotion,
            prescription)
        SELECT x.purchase, x.line, x.sku, x.quantity, x.unit_minor, x.discount, x.vat_rate, x.name, x.promotion,
            x.prescription
        FROM {rows $1 (purchase text, line int, sku text, quantity int, unit_minor int, discount int, vat_rate int,
            name text, promotion text, prescription text)} AS x";
    tx.run(insert, args![serde_json::to_string(&lines)?]).await?;
    Ok(())
}
