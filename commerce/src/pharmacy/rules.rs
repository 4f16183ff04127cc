//! What the pharmacy adds to the order book: prescriptions are held, given out and let go with the orders that name them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::catalogue::Catalogue;
use super::index::Index;
use super::medicine::{Medicine, Status};
use super::outgoing;
use super::prescription::{Prescription, Refusal};
use super::store::{self, Access};
use crate::clock::Timestamp;
use crate::id::OrderId;
use crate::problem::Problem;
use crate::shop::{LinePrice, NewOrder, Order, OrderState, Product, Rejection, Round, Rules, Shown, Step};
use crate::store::{Database, StoreError, Tx};

/// The rules of the pharmacy. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct PharmacyRules {
    /// What is sold, and whether it needs a prescription.
    pub(crate) catalogue: Catalogue,
    /// How long an order that is not confirmed has hold of prescriptions: as long as of goods.
    pub(crate) ttl: Duration,
    /// How long after it is confirmed an order goes out by itself, if at all.
    pub(crate) dispatch_after: Option<Duration>,
}

impl Rules for PharmacyRules {
    type Round = RxRound;

    async fn load(&self, tx: &mut Tx, orders: &[NewOrder]) -> Result<RxRound, StoreError> {
        let named = orders.iter().flat_map(|order| &order.lines).filter_map(|line| line.prescription.as_deref());
        let mut ids: Vec<&str> = named.collect();
        ids.sort_unstable();
        ids.dedup();
        let found = if ids.is_empty() { Vec::new() } else { store::by_ids(tx, &ids).await? };
        Ok(RxRound {
            index: self.catalogue.current(),
            known: found.into_iter().map(|found| (found.id.as_str().to_owned(), found)).collect(),
            before: Vec::new(),
            held: Vec::new(),
            now: tx.now(),
            until: tx.now().after(self.ttl),
        })
    }

    async fn stepped(&self, tx: &mut Tx, orders: &[Order], step: Step) -> Result<(), StoreError> {
        match step {
            Step::Advise => Ok(()),
            Step::Confirm => {
                self.change_held(tx, orders, step).await?;
                outgoing::expect(tx, orders, self.dispatch_after).await
            }
            Step::Dispatch => self.change_held(tx, orders, step).await,
            Step::Cancel | Step::Expire => {
                self.change_held(tx, orders, step).await?;
                outgoing::give_up(tx, orders).await
            }
        }
    }

    async fn shown(&self, _: &Database, products: &[Product], _: Timestamp) -> Result<Vec<Shown>, StoreError> {
        let index = self.catalogue.current();
        let shown = |product: &Product| {
            let mut extra = Map::new();
            if let Some(medicine) = index.by_vnr(product.sku.as_str()) {
                extra.insert("status".to_owned(), Value::from(medicine.status.as_str()));
                extra.insert("synthetic".to_owned(), Value::from(medicine.synthetic));
            }
            Shown { extra, ..Shown::list(product.price) }
        };
        Ok(products.iter().map(shown).collect())
    }
}

impl PharmacyRules {
    /// Does a step of these orders to the prescriptions they have hold of, and notes it.
    async fn change_held(&self, tx: &mut Tx, orders: &[Order], step: Step) -> Result<(), StoreError> {
        let with = orders.iter().filter(|order| order.lines.iter().any(|line| line.prescription.is_some()));
        let with: HashMap<&str, &Order> = with.map(|order| (order.id.as_str(), order)).collect();
        if with.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = with.keys().copied().collect();
        let mut held = store::held_by(tx, &ids).await?;
        let mut given = Vec::new();
        for prescription in &mut held {
            let Some(id) = prescription.lock.as_ref().map(|lock| lock.order.clone()) else { continue };
            let done = match step {
                Step::Confirm => prescription.confirm(&id),
                Step::Dispatch => prescription.dispense(&id, tx.now()).map(|packages| {
                    given.push((prescription.id.as_str().to_owned(), id.as_str().to_owned(), packages));
                }),
                Step::Advise | Step::Cancel | Step::Expire => {
                    prescription.release(&id);
                    Ok(())
                }
            };
            done.map_err(|refusal| StoreError::Value(format!("a prescription that an order holds: {refusal}")))?;
        }
        let whole = orders_held_whole(&with, &given);
        if step == Step::Dispatch && !whole {
            return Err(StoreError::Value("an order that is to go out does not hold its prescription".to_owned()));
        }
        if !given.is_empty() {
            store::note_dispensed(tx, &given).await?;
        }
        store::save(tx, &held.iter().collect::<Vec<_>>()).await?;
        let what = match step {
            Step::Confirm => "confirm",
            Step::Dispatch => "dispense",
            Step::Advise | Step::Cancel | Step::Expire => "release",
        };
        for (id, order) in with {
            let of_order = order.lines.iter().filter_map(|line| line.prescription.as_deref());
            let of_order: Vec<&str> = of_order.collect();
            let access = Access { who: order.customer.clone(), actor: None, what, why: format!("order {id}") };
            store::note(tx, &of_order, &access).await?;
        }
        Ok(())
    }
}

/// Whether every line that names a prescription was given out.
fn orders_held_whole(orders: &HashMap<&str, &Order>, given: &[(String, String, i64)]) -> bool {
    orders.values().all(|order| {
        let mut lines = order.lines.iter().filter_map(|line| Some((line.prescription.as_deref()?, line.quantity)));
        lines.all(|(prescription, quantity)| {
            given.iter().any(|(id, purchase, packages)| {
                id == prescription && purchase == order.id.as_str() && *packages == quantity
            })
        })
    })
}

/// The prescriptions that one batch of orders names.
pub(crate) struct RxRound {
    index: Arc<Index>,
    known: HashMap<String, Prescription>,
    /// As they were before the order that is being decided.
    before: Vec<Prescription>,
    /// Held by orders that are taken: prescription, order, customer.
    held: Vec<(String, OrderId, String)>,
    now: Timestamp,
    until: Timestamp,
}

impl Round for RxRound {
    fn price(&mut self, order: &NewOrder, line: usize, product: &Product) -> Result<LinePrice, Rejection> {
        let asked = &order.lines[line];
        let index = Arc::clone(&self.index);
        let Some(medicine) = index.by_vnr(product.sku.as_str()) else {
            return Err(Rejection::UnknownProduct { line, sku: product.sku.clone() });
        };
        match (medicine.status, asked.prescription.as_deref()) {
            (Status::K, None) => {}
            (Status::K, Some(_)) => {
                let pointer = format!("/lines/{line}/prescription");
                return Err(Rejection::Invalid { pointer, detail: "this medicine needs no prescription" });
            }
            (Status::R, None) => return Err(required(line, "this medicine is only sold on prescription").into()),
            (Status::R, Some(id)) => self.hold(order, line, id, medicine)?,
        }
        Ok(LinePrice::list(product.price))
    }

    fn settle(&mut self, order: &OrderId, taken: bool) {
        for before in self.before.drain(..) {
            let id = before.id.as_str().to_owned();
            if taken {
                self.held.push((id, order.clone(), before.patient));
            } else {
                self.known.insert(id, before);
            }
        }
    }

    async fn save(self, tx: &mut Tx) -> Result<(), StoreError> {
        let held: Vec<&Prescription> = self.held.iter().filter_map(|(id, ..)| self.known.get(id)).collect();
        store::save(tx, &held).await?;
        for (id, order, customer) in &self.held {
            let why = format!("order {order}");
            let access = Access { who: customer.clone(), actor: None, what: "reserve", why };
            store::note(tx, &[id.as_str()], &access).await?;
        }
        Ok(())
    }
}

impl RxRound {
    fn hold(&mut self, order: &NewOrder, line: usize, id: &str, medicine: &Medicine) -> Result<(), Rejection> {
        if order.state != OrderState::Advice {
            // The catalogue changed between the request and its turn: what was self-care now needs a prescription.
            return Err(Problem::unavailable("the catalogue has just changed")
                .retry_after(Duration::from_secs(1))
                .into());
        }
        // Somebody else's is as good as none, and looks the same.
        let mine = self.known.get_mut(id).filter(|prescription| prescription.patient == order.customer);
        let prescription = mine.ok_or_else(|| required(line, "there is no such prescription"))?;
        if prescription.lock.as_ref().is_some_and(|lock| lock.order == order.id) {
            let pointer = format!("/lines/{line}/prescription");
            return Err(Rejection::Invalid { pointer, detail: "another line names this prescription already" });
        }
        let before = prescription.clone();
        let held = prescription.lock(&order.id, medicine, order.lines[line].quantity, self.now, self.until);
        held.map_err(|refusal| refused(line, refusal))?;
        self.before.push(before);
        Ok(())
    }
}

fn required(line: usize, detail: &str) -> Problem {
    Problem::prescription_required("a line needs a valid prescription")
        .at(format!("/lines/{line}/prescription"), detail)
}

/// What the customer hears of a prescription of their own that does not serve.
fn refused(line: usize, refusal: Refusal) -> Problem {
    let (word, title) = match refusal {
        Refusal::Cancelled => ("prescription-cancelled", "The prescription was cancelled"),
        Refusal::NotYet | Refusal::TooSoon(_) => ("prescription-too-soon", "The prescription does not serve yet"),
        Refusal::Expired => ("prescription-expired", "The prescription has expired"),
        Refusal::OtherMedicine => ("prescription-mismatch", "The prescription is for another medicine"),
        Refusal::UsedUp | Refusal::TooMany(_) => ("prescription-used-up", "Not enough is left of the prescription"),
        Refusal::Locked | Refusal::NotHeld => ("prescription-locked", "Another order holds the prescription"),
    };
    let detail = refusal.to_string();
    Problem::new(word, StatusCode::CONFLICT, title, detail.clone()).at(format!("/lines/{line}/prescription"), detail)
}
