//! After the load: asks the shops what became of what they promised.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::sleep;

use super::check::{self, Wrong, is_over};
use super::client::{Client, Request};
use super::ledger::{Basket, Books, Placed};
use super::prepare::{Promotion, Shared};
use super::series::{UNFINISHED, UNVERIFIED};
use crate::limit;
use crate::measure::Meter;

/// Actors with books of their own.
const AUDITED: [&str; 4] = ["pharmacy", "grocery", "furniture", "warehouse"];

/// Holds what is there against what was promised.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) client: Client,
    pub(super) shared: Arc<Shared>,
    pub(super) meter: Meter,
}

impl Verifier {
    /// Checks everything; what is wrong is counted.
    pub(super) async fn run(self) {
        let books = std::mem::take(&mut *self.shared.ledger.books());
        stream::iter(&books.orders).for_each_concurrent(limit::VERIFY_AT_ONCE, |placed| self.order(placed)).await;
        stream::iter(&books.baskets).for_each_concurrent(limit::VERIFY_AT_ONCE, |basket| self.basket(basket)).await;
        let lists = books.lists();
        let lists = stream::iter(&lists);
        lists.for_each_concurrent(limit::VERIFY_AT_ONCE, |(whose, mine)| self.list(&books, *whose, mine)).await;
        for promotion in self.shared.goods.promotions.values() {
            self.promotion(&books, promotion).await;
        }
        for shop in AUDITED {
            let view = self.look(&format!("{shop}: its audit"), &format!("/{shop}/audit"), &self.shared.operator).await;
            if let Some(view) = view {
                self.tell(check::audit(shop, &view.unwrap_or_default()));
            }
        }
    }

    fn tell(&self, all: Vec<Wrong>) {
        for Wrong { series, what } in all {
            if series != &UNFINISHED || self.shared.must_end() {
                self.meter.labelled(series, &what);
            }
        }
    }

    fn token(&self, customer: usize) -> &str {
        self.shared.customers.get(customer).map_or("", |customer| &customer.token)
    }

    /// What is at a path; `Some(None)` if there is nothing. What cannot be found out is counted and `None`.
    async fn look(&self, what: &str, path: &str, token: &str) -> Option<Option<Value>> {
        let request = Request::get(path, token);
        let mut reason = String::new();
        for _ in 0..limit::VERIFY_TRIES {
            let wait = match self.client.ask(&request).await {
                Ok(answer) if answer.is_good() => return Some(Some(answer.body)),
                Ok(answer) if answer.status == 404 => return Some(None),
                Ok(answer) => {
                    reason = answer.kind();
                    answer.retry_after.unwrap_or(limit::VERIFY_PAUSE)
                }
                Err(none) => {
                    reason = none.to_string();
                    limit::VERIFY_PAUSE
                }
            };
            sleep(wait).await;
        }
        self.meter.labelled(&UNVERIFIED, &format!("{what}: {reason}"));
        None
    }

    async fn order(&self, placed: &Placed) {
        let path = format!("/{}/orders/{}", placed.shop, placed.id);
        let found = self.look(&format!("{}: an order", placed.shop), &path, self.token(placed.customer)).await;
        if let Some(found) = found {
            self.tell(check::order(placed, found.as_ref()));
        }
    }

    async fn basket(&self, basket: &Basket) {
        let token = self.token(basket.customer);
        let found = self.look("reseller: an order", &format!("/reseller/orders/{}", basket.id), token).await;
        let Some(found) = found else { return };
        self.tell(check::basket(basket, found.as_ref()));
        let over = found.as_ref().filter(|view| is_over(view));
        for parcel in over.iter().flat_map(|view| view["parcels"].as_array()).flatten() {
            let path = format!("/courier/parcels/{}", parcel["number"].as_str().unwrap_or_default());
            // Anybody may look; a token of one's own has an allowance of one's own.
            if let Some(found) = self.look("courier: a parcel", &path, token).await {
                self.tell(check::parcel(parcel, found.as_ref()));
            }
        }
    }

    /// Checks that a customer's list of orders at one place is complete, and has nothing that he did not order.
    async fn list(&self, books: &Books, (customer, at): (usize, &'static str), promised: &HashSet<&str>) {
        let mut listed = HashSet::new();
        let mut cursor = String::new();
        for _ in 0..limit::LIST_PAGES {
            let path = format!("/{at}/orders?limit=100{cursor}");
            let Some(Some(page)) = self.look(&format!("{at}: a list of orders"), &path, self.token(customer)).await
            else {
                return;
            };
            // What the reseller ordered for this customer is the reseller's to answer for.
            let own = page["items"].as_array().into_iter().flatten().filter(|item| item["reference"].is_null());
            listed.extend(own.filter_map(|item| Some(item["id"].as_str()?.to_owned())));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let unsure = books.unsure.get(&(customer, at)).copied().unwrap_or_default();
        self.tell(check::list(at, promised, &listed, unsure));
    }

    /// Checks a promotion of this run, and ends it.
    async fn promotion(&self, books: &Books, promotion: &Promotion) {
        let path = format!("/grocery/promotions/{}", promotion.id);
        let found = self.look("grocery: a promotion", &path, &self.shared.operator).await;
        let Some(found) = found.map(Option::unwrap_or_default) else { return };
        let (paid, most) = books.given(&promotion.id);
        self.tell(check::promotion(promotion.quota, paid, most, found["used"].as_i64().unwrap_or(-1)));
        let version = found["version"].as_i64();
        let ended = self.client.ask(&Request::delete(path, &self.shared.operator, version)).await;
        if !ended.as_ref().is_ok_and(super::client::Answer::is_good) {
            tracing::warn!(promotion = promotion.id, "a promotion of this run could not be ended");
        }
    }
}
