//! What happens to orders after they are taken: set by set, with one code path for one order and for hundreds.

use std::collections::BTreeMap;

use crate::id::OrderId;
use crate::store::{StoreError, Tx, args};

use super::model::{Order, OrderState, Step};
use super::place::Desk;
use super::read::{Whose, orders_in};
use super::{Rejection, Rules};

/// What is kept with a step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Note {
    /// The payment of a confirmation.
    pub(crate) payment: Option<String>,
    /// The reason of a cancellation.
    pub(crate) reason: Option<String>,
    /// The parcel that is dispatched.
    pub(crate) parcel: Option<String>,
}

/// Does one step to one order. Calling off what is called off or expired already changes nothing and is no error: whoever
/// makes sure that nothing is kept for him may ask again.
///
/// # Errors
/// There is no such order for this caller, or its state or time does not allow the step.
pub(crate) async fn step<R: Rules>(
    tx: &mut Tx,
    desk: &Desk<R>,
    id: &OrderId,
    whose: &Whose,
    step: Step,
    note: Note,
) -> Result<Order, Rejection> {
    let found = orders_in(tx, desk, &[id.as_str()]).await?;
    let order = found.into_iter().find(|order| whose.may_see(order)).ok_or(Rejection::NotFound("order"))?;
    if step == Step::Cancel && matches!(order.state, OrderState::Cancelled | OrderState::Expired) {
        return Ok(order);
    }
    if step == Step::Confirm && order.state.expires() && order.expires_at <= tx.now() {
        return Err(Rejection::Late);
    }
    if order.state.after(step).is_none() {
        return Err(Rejection::State { state: order.state, step });
    }
    let stepped = advance(tx, desk, vec![order], step, &note).await?;
    stepped.into_iter().next().ok_or(Rejection::NotFound("order"))
}

/// Does a step to all of these orders that allow it, and returns those, changed.
///
/// # Errors
/// Storage failed: none was changed.
pub(crate) async fn advance<R: Rules>(
    tx: &mut Tx,
    desk: &Desk<R>,
    orders: Vec<Order>,
    step: Step,
    note: &Note,
) -> Result<Vec<Order>, StoreError> {
    let mut changed = Vec::with_capacity(orders.len());
    for mut order in orders {
        let Some(state) = order.state.after(step) else { continue };
        order.state = state;
        order.version += 1;
        if let Some(payment) = &note.payment {
            order.payment = Some(payment.clone());
        }
        if let Some(reason) = &note.reason {
            order.reason = Some(reason.clone());
        }
        if let Some(parcel) = &note.parcel {
            order.parcel = Some(parcel.clone());
        }
        changed.push(order);
    }
    if changed.is_empty() {
        return Ok(changed);
    }
    write(tx, desk, &changed, step).await?;
    if matches!(step, Step::Cancel | Step::Expire) {
        free(
            tx,
            &changed,
            "
            UPDATE stock SET reserved = stock.reserved - x.quantity
            FROM {rows $1 (location text, sku text, quantity int)} AS x
            WHERE stock.location = x.location AND stock.sku = x.sku",
        )
        .await?;
        desk.rules.release(tx, &changed).await?;
    } else if step == Step::Dispatch {
        free(
            tx,
            &changed,
            "
            UPDATE stock SET reserved = stock.reserved - x.quantity, on_hand = stock.on_hand - x.quantity
            FROM {rows $1 (location text, sku text, quantity int)} AS x
            WHERE stock.location = x.location AND stock.sku = x.sku",
        )
        .await?;
    }
    desk.rules.stepped(tx, &changed, step).await?;
    for order in &changed {
        tx.publish(step.event(), order.id.as_str(), order)?;
    }
    Ok(changed)
}

async fn write<R: Rules>(tx: &mut Tx, desk: &Desk<R>, orders: &[Order], step: Step) -> Result<(), StoreError> {
    let rows: Vec<_> = orders
        .iter()
        .map(|order| {
            let due = match step {
                Step::Confirm => desk.dispatch_after.map(|wait| tx.now().after(wait).0),
                Step::Advise => Some(order.expires_at.0),
                Step::Dispatch | Step::Cancel | Step::Expire => None,
            };
            (order.id.as_str(), order.state.as_str(), due, &order.payment, &order.reason, &order.parcel)
        })
        .collect();
    let update = "
        UPDATE purchase SET version = purchase.version + 1, state = x.state, due_at = x.due_at, payment = x.payment,
            reason = x.reason, parcel = x.parcel
        FROM {rows $1 (id text, state text, due_at int, payment text, reason text, parcel text)} AS x WHERE purchase.id = x.id";
    tx.run(update, args![serde_json::to_string(&rows)?]).await?;
    Ok(())
}

/// Takes the goods of these orders off the books, as `update` says.
async fn free(tx: &mut Tx, orders: &[Order], update: &'static str) -> Result<(), StoreError> {
    let mut sums: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for order in orders {
        for line in &order.lines {
            *sums.entry((&order.location, line.sku.as_str())).or_default() += line.quantity;
        }
    }
    let rows: Vec<_> = sums.iter().map(|((location, sku), quantity)| (location, sku, quantity)).collect();
    tx.run(update, args![serde_json::to_string(&rows)?]).await?;
    Ok(())
}

/// Ends what nobody confirmed in time and dispatches what is due, at most `max` orders. Returns those it changed.
///
/// # Errors
/// Storage failed: nothing was changed.
pub(crate) async fn sweep<R: Rules>(tx: &mut Tx, desk: &Desk<R>, max: i64) -> Result<Vec<Order>, StoreError> {
    let select = "SELECT id FROM purchase WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2";
    let due = tx.rows(select, args![tx.now(), max]).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let ids = due.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    let (expired, confirmed) = orders_in(tx, desk, &ids).await?.into_iter().partition(|order| order.state.expires());
    let mut changed = advance(tx, desk, expired, Step::Expire, &Note::default()).await?;
    changed.extend(advance(tx, desk, confirmed, Step::Dispatch, &Note::default()).await?);
    Ok(changed)
}
