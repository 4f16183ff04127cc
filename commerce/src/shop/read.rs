//! Reading orders, and checking the books.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{OrderId, Sku};
use crate::money::Money;
use crate::store::{Database, Row, StoreError, Tx, Value, args};

use super::limit::AUDIT_NAMED;
use super::model::{Order, OrderLine, OrderState, vat_of};
use super::place::Desk;
use super::product::currency;

/// Whose orders a caller may see and change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of one customer.
    Of(String),
    /// Everybody's: staff.
    All,
}

impl Whose {
    pub(super) fn may_see(&self, order: &Order) -> bool {
        match self {
            Self::Of(customer) => *customer == order.customer,
            Self::All => true,
        }
    }
}

macro_rules! order_columns {
    () => {
        "o.id, o.version, o.state, o.location, o.customer, o.created_at, o.expires_at, o.minor, o.currency, o.reference, \
         o.payment, o.reason, o.parcel"
    };
}

macro_rules! line_columns {
    () => {
        "l.purchase, l.sku, l.quantity, l.unit_minor, l.discount, l.vat_rate, l.name, l.promotion, l.prescription"
    };
}

const ORDERS: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM {rows $1 (id text)} AS x JOIN purchase AS o ON o.id = x.id ORDER BY o.id"
);
const LINES: &str = concat!(
    "SELECT ",
    line_columns!(),
    " FROM {rows $1 (id text)} AS x JOIN purchase_line AS l ON l.purchase = x.id ORDER BY l.purchase, l.line"
);

/// These orders, as the transaction sees them, by id. Those that do not exist are left out.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn orders_in<R>(tx: &mut Tx, desk: &Desk<R>, ids: &[&str]) -> Result<Vec<Order>, StoreError> {
    let ids = ids_json(ids)?;
    let orders = tx.rows(ORDERS, args![&ids]).await?;
    let lines = tx.rows(LINES, args![ids]).await?;
    assemble(desk, &orders, &lines)
}

/// These orders as committed, by id. Two reads: a line never changes after its order was placed.
pub(super) async fn orders_of<R>(db: &Database, desk: &Desk<R>, ids: &[&str]) -> Result<Vec<Order>, StoreError> {
    let ids = ids_json(ids)?;
    let (orders, lines) = tokio::try_join!(db.rows(ORDERS, args![&ids]), db.rows(LINES, args![ids.clone()]))?;
    assemble(desk, &orders, &lines)
}

/// One order.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn order<R>(
    db: &Database,
    desk: &Desk<R>,
    id: &OrderId,
    whose: &Whose,
) -> Result<Option<Order>, StoreError> {
    let found = orders_of(db, desk, &[id.as_str()]).await?;
    Ok(found.into_iter().find(|order| whose.may_see(order)))
}

/// Orders after an id, oldest first, of one state or of all.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn orders<R>(
    db: &Database,
    desk: &Desk<R>,
    whose: &Whose,
    state: Option<OrderState>,
    after: &str,
    limit: i64,
) -> Result<Vec<Order>, StoreError> {
    let state = state.map_or("", OrderState::as_str);
    let ids = match whose {
        Whose::Of(customer) => {
            let select = "
                SELECT id FROM purchase WHERE customer = $1 AND id > $2 AND ($3 = '' OR state = $3) ORDER BY id LIMIT $4";
            db.rows(select, args![customer, after, state, limit]).await?
        }
        Whose::All => {
            let select = "SELECT id FROM purchase WHERE id > $1 AND ($2 = '' OR state = $2) ORDER BY id LIMIT $3";
            db.rows(select, args![after, state, limit]).await?
        }
    };
    let ids = ids.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    orders_of(db, desk, &ids).await
}

fn ids_json(ids: &[&str]) -> Result<String, StoreError> {
    let ids: Vec<_> = ids.iter().map(|id| (id,)).collect();
    Ok(serde_json::to_string(&ids)?)
}

fn assemble<R>(desk: &Desk<R>, orders: &[Row], lines: &[Row]) -> Result<Vec<Order>, StoreError> {
    let mut by_order: HashMap<&str, Vec<&Row>> = HashMap::new();
    for line in lines {
        by_order.entry(line.text(0)?).or_default().push(line);
    }
    let order = |row: &Row| {
        let currency = currency(row.text(8)?)?;
        let money = |minor| Money { minor, currency };
        let line = |row: &&Row| {
            let (quantity, unit, discount) = (row.int(2)?, money(row.int(3)?), money(row.int(4)?));
            let total = unit.times(quantity).and_then(|whole| whole.minus(discount));
            Ok::<_, StoreError>(OrderLine {
                sku: row.parse(1, Sku::parse)?,
                name: row.text(6)?.to_owned(),
                quantity,
                unit_price: unit,
                discount,
                total: total.map_err(|error| StoreError::Value(error.to_string()))?,
                vat_rate: row.int(5)?,
                promotion: row.opt_text(7)?.map(str::to_owned),
                prescription: row.opt_text(8)?.map(str::to_owned),
            })
        };
        let lines = by_order.get(row.text(0)?).map_or(&[][..], Vec::as_slice);
        let lines = lines.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        let state = OrderState::parse(row.text(2)?);
        Ok(Order {
            id: row.parse(0, OrderId::parse)?,
            shop: desk.frame.shop.to_owned(),
            seller: desk.frame.seller.clone(),
            location: row.text(3)?.to_owned(),
            customer: row.text(4)?.to_owned(),
            reference: row.opt_text(9)?.map(str::to_owned),
            state: state.ok_or_else(|| StoreError::Value("unknown state of an order".to_owned()))?,
            vat: vat_of(currency, &lines).map_err(|error| StoreError::Value(error.to_string()))?,
            lines,
            total: money(row.int(7)?),
            payment: row.opt_text(10)?.map(str::to_owned),
            reason: row.opt_text(11)?.map(str::to_owned),
            parcel: row.opt_text(12)?.map(str::to_owned),
            created_at: row.time(5)?,
            expires_at: row.time(6)?,
            version: row.int(1)?,
        })
    };
    orders.iter().map(order).collect()
}

/// What the books say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShopAudit)]
pub(crate) struct Audit {
    /// Whether everything adds up: per place and product, open lines = reserved <= on hand = received - dispatched.
    pub(crate) whole: bool,
    /// Places and products looked at.
    pub(crate) shelves: i64,
    /// Units there, all together.
    pub(crate) on_hand: i64,
    /// Of these, kept for orders.
    pub(crate) reserved: i64,
    /// Units in lines of open orders.
    pub(crate) open: i64,
    /// Orders of every state.
    pub(crate) orders: i64,
    /// The first places and products where something does not add up, as `location/sku`.
    pub(crate) differing: Vec<String>,
}

/// Goes through the books: every order, line and restock. All that is compared is of the same moment.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn audit(db: &Database) -> Result<Audit, StoreError> {
    let select = "
        WITH moved AS (
            SELECT o.location AS location, l.sku AS sku,
                SUM(CASE WHEN o.state IN ('reserved', 'advice', 'advised', 'confirmed') THEN l.quantity ELSE 0 END) AS open,
                SUM(CASE WHEN o.state = 'dispatched' THEN l.quantity ELSE 0 END) AS gone
            FROM purchase_line AS l JOIN purchase AS o ON o.id = l.purchase GROUP BY o.location, l.sku
        ), received AS (
            SELECT location, sku, SUM(quantity) AS quantity FROM restock GROUP BY location, sku
        ), shelf AS (
            SELECT location, sku FROM stock UNION SELECT location, sku FROM moved
        )
        SELECT f.location, f.sku, COALESCE(s.on_hand, -1), COALESCE(s.reserved, -1), CAST(COALESCE(m.open, 0) AS BIGINT),
            CAST(COALESCE(m.gone, 0) AS BIGINT), CAST(COALESCE(r.quantity, 0) AS BIGINT),
            (SELECT COUNT(*) FROM purchase)
        FROM shelf AS f
        LEFT JOIN stock AS s ON s.location = f.location AND s.sku = f.sku
        LEFT JOIN moved AS m ON m.location = f.location AND m.sku = f.sku
        LEFT JOIN received AS r ON r.location = f.location AND r.sku = f.sku";
    let mut audit =
        Audit { whole: true, shelves: 0, on_hand: 0, reserved: 0, open: 0, orders: 0, differing: Vec::new() };
    let mut rows = std::pin::pin!(db.stream(select, Vec::<Value>::new()));
    while let Some(row) = futures_util::StreamExt::next(&mut rows).await {
        let row = row?;
        let (on_hand, reserved, open) = (row.int(2)?, row.int(3)?, row.int(4)?);
        audit.shelves += 1;
        audit.on_hand += on_hand;
        audit.reserved += reserved;
        audit.open += open;
        audit.orders = row.int(7)?;
        if open != reserved || reserved > on_hand || on_hand != row.int(6)? - row.int(5)? {
            audit.whole = false;
            if audit.differing.len() < AUDIT_NAMED {
                audit.differing.push(format!("{}/{}", row.text(0)?, row.text(1)?));
            }
        }
    }
    Ok(audit)
}
