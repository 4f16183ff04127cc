//! Before the load: tokens of customers and staff, goods that are there, promotions of the run's own.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::client::{Answer, Client, Request};
use super::ledger::Ledger;
use crate::error::Failure;
use crate::limit;
use crate::plan::{Errand, ShopsPlan};

/// What all visits of a run have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) plan: ShopsPlan,
    pub(super) seed: u64,
    /// Tells this run from earlier ones at the same shops.
    pub(super) run: u64,
    pub(super) customers: Vec<Customer>,
    /// Tokens of staff.
    pub(super) operator: String,
    pub(super) prescriber: String,
    pub(super) goods: Goods,
    pub(super) ledger: Ledger,
    /// The run ended before its time: what has come to no end is no fault.
    pub(super) interrupted: AtomicBool,
}

/// A customer with a token.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(super) subject: String,
    pub(super) token: String,
}

/// What can be bought.
#[derive(Debug, Default)]
pub(crate) struct Goods {
    pub(super) groceries: Vec<String>,
    pub(super) furniture: Vec<String>,
    pub(super) self_care: Vec<String>,
    pub(super) on_prescription: Vec<String>,
    /// By scenario.
    pub(super) promotions: BTreeMap<usize, Promotion>,
}

/// A promotion that was made for this run.
#[derive(Debug, Clone)]
pub(crate) struct Promotion {
    pub(super) id: String,
    pub(super) sku: String,
    pub(super) quota: i64,
}

impl Shared {
    /// Whether what was begun must have come to its end by the end of the plan's `settle`.
    pub(super) fn must_end(&self) -> bool {
        !self.interrupted.load(Ordering::Relaxed)
    }

    /// Gets everything ready at the shops.
    ///
    /// # Errors
    /// They are not there, hand out no demo tokens, or have nothing.
    pub(super) async fn prepare(plan: &ShopsPlan, seed: u64, run: u64) -> Result<Self, Failure> {
        let unusable = |reason: String| {
            let hint = "are the shops running, and do they hand out demo tokens?";
            Failure::Connection(format!("the shops at {} cannot be loaded: {reason}; {hint}", plan.url))
        };
        let client = Client::new(&plan.url, plan.timeout.0).map_err(|error| unusable(error.to_string()))?;
        let desk = Desk { client, run };
        let ready = timeout(limit::SHOPS_START, desk.open(plan, seed)).await;
        ready.unwrap_or_else(|_| Err(format!("not ready within {:?}", limit::SHOPS_START))).map_err(unusable)
    }
}

/// Who asks before the load.
struct Desk {
    client: Client,
    run: u64,
}

impl Desk {
    async fn open(&self, plan: &ShopsPlan, seed: u64) -> Result<Shared, String> {
        let operator = self.token("operator", "demo-operator".to_owned()).await?.token;
        let prescriber = self.token("prescriber", "demo-prescriber".to_owned()).await?.token;
        let subjects = (0..plan.customers).map(|number| format!("demo-s{:x}-{number}", self.run));
        let customers = stream::iter(subjects.map(|subject| self.token("customer", subject)));
        let customers: Vec<Customer> = customers.buffered(limit::VERIFY_AT_ONCE).try_collect().await?;
        let goods = self.goods(plan, &operator, &customers[0].token).await?;
        Ok(Shared {
            plan: plan.clone(),
            seed,
            run: self.run,
            customers,
            operator,
            prescriber,
            goods,
            ledger: Ledger::default(),
            interrupted: AtomicBool::new(false),
        })
    }

    /// Asks until there is a good answer, as long as it may become one.
    async fn done(&self, request: &Request) -> Result<Answer, String> {
        let mut left = limit::PREPARE_TRIES;
        loop {
            let answer = self.client.ask(request).await;
            left -= 1;
            let (wait, reason) = match answer {
                Ok(answer) if answer.is_good() => return Ok(answer),
                Ok(answer) => (answer.retry_after.filter(|_| left > 0), answer.kind()),
                Err(none) => (None, none.to_string()),
            };
            let Some(wait) = wait else { return Err(format!("{} {}: {reason}", request.method, request.path)) };
            sleep(wait).await;
        }
    }

    async fn token(&self, role: &str, subject: String) -> Result<Customer, String> {
        let body = json!({ "role": role, "subject": subject });
        let request = Request { method: Method::POST, body: Some(body), ..Request::get("/demo/token", "") };
        let answer = self.done(&request).await?;
        let token = answer.body["token"].as_str().ok_or("POST /demo/token: no token in its answer")?;
        Ok(Customer { subject, token: token.to_owned() })
    }

    async fn items(&self, path: &str, token: &str) -> Result<Vec<Value>, String> {
        let mut page = self.done(&Request::get(path, token)).await?.body;
        match page["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(format!("GET {path}: no items in its answer")),
        }
    }

    /// Finds what each scenario of the plan needs, and fills the shelves with it.
    async fn goods(&self, plan: &ShopsPlan, operator: &str, customer: &str) -> Result<Goods, String> {
        let has = |errands: &[Errand]| plan.scenarios.iter().any(|scenario| errands.contains(&scenario.does));
        let mut goods = Goods::default();
        if has(&[Errand::Buy, Errand::Promotion, Errand::Basket]) {
            let taken = self.items("/grocery/promotions?limit=100", customer).await?;
            let taken: HashSet<&str> = taken.iter().filter_map(|one| one["sku"].as_str()).collect();
            let free = |item: &Value| item["sku"].as_str().is_some_and(|sku| !taken.contains(sku));
            let mut skus = self.stocked("grocery", operator, customer, free).await?;
            for (number, scenario) in plan.scenarios.iter().enumerate().filter(|(_, one)| one.does == Errand::Promotion)
            {
                let sku = skus.pop().filter(|_| !skus.is_empty()).ok_or("the grocery has too few products")?;
                goods.promotions.insert(number, self.promotion(sku, scenario.quota.into(), operator).await?);
            }
            goods.groceries = skus;
        }
        if has(&[Errand::Basket]) {
            goods.furniture = self.stocked("furniture", operator, customer, |_| true).await?;
        }
        if has(&[Errand::Basket, Errand::Prescription]) {
            (goods.self_care, goods.on_prescription) = self.medicines(operator, customer).await?;
        }
        if has(&[Errand::Basket]) {
            self.offered(&goods, customer).await?;
        }
        Ok(goods)
    }

    /// Some products of a shop, of which there is plenty then.
    async fn stocked(
        &self,
        shop: &str,
        operator: &str,
        customer: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Vec<String>, String> {
        let items = self.items(&format!("/{shop}/products?limit=100"), customer).await?;
        let there = |item: &&Value| item["available"].as_i64() > Some(0) && fits(item);
        let skus = items.iter().filter(there).filter_map(|item| Some(item["sku"].as_str()?.to_owned()));
        let skus: Vec<String> = skus.take(limit::PRODUCTS).collect();
        if skus.is_empty() {
            return Err(format!("{shop} has nothing"));
        }
        self.restock(shop, &skus, operator).await?;
        Ok(skus)
    }

    async fn restock(&self, shop: &str, skus: &[String], operator: &str) -> Result<(), String> {
        for sku in skus {
            let (path, key) =
                (format!("/{shop}/products/{sku}/restock"), format!("{:x}-restock-{shop}-{sku}", self.run));
            self.done(&Request::post(path, operator, key, json!({ "quantity": limit::RESTOCKED }))).await?;
        }
        Ok(())
    }

    /// Medicines for self-care, and on prescription.
    async fn medicines(&self, operator: &str, customer: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let items = self.items("/pharmacy/medicines?q=tablet&limit=100", customer).await?;
        let of = |status: &str| -> Vec<String> {
            let fits = |item: &&Value| {
                let there = item["status"] == status && item["available"].as_i64() > Some(0);
                there && item["price"]["minor"].is_i64()
            };
            let codes = items.iter().filter(fits).filter_map(|item| Some(item["vnr"].as_str()?.to_owned()));
            codes.take(limit::PRODUCTS).collect()
        };
        let (self_care, on_prescription) = (of("K"), of("R"));
        if self_care.is_empty() || on_prescription.is_empty() {
            return Err("the pharmacy has too few medicines".to_owned());
        }
        self.restock("pharmacy", &self_care, operator).await?;
        self.restock("pharmacy", &on_prescription, operator).await?;
        Ok((self_care, on_prescription))
    }

    async fn promotion(&self, sku: String, quota: i64, operator: &str) -> Result<Promotion, String> {
        let body = json!({
            "name": { "en": "efir-stress" }, "sku": sku, "reduction": { "off": 5000 }, "quota": quota,
            "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z", "per_customer": 1, "beyond": "refuse",
        });
        let key = format!("{:x}-promotion-{sku}", self.run);
        let made = self.done(&Request::post("/grocery/promotions", operator, key, body)).await?.body;
        let id = made["id"].as_str().ok_or("POST /grocery/promotions: no id in its answer")?;
        Ok(Promotion { id: id.to_owned(), sku, quota })
    }

    /// Waits until the reseller has heard of the shops' goods.
    async fn offered(&self, goods: &Goods, customer: &str) -> Result<(), String> {
        let of = |shop: &str, skus: &[String]| -> Vec<Value> {
            skus.iter().map(|sku| json!({ "shop": shop, "sku": sku, "quantity": 1 })).collect()
        };
        let lines = [of("grocery", &goods.groceries), of("furniture", &goods.furniture)].concat();
        let mut tries = 0;
        loop {
            let key = format!("{:x}-offered-{tries}", self.run);
            let request = Request::post("/reseller/quotes", customer, key, json!({ "lines": lines }));
            match self.client.ask(&request).await {
                Ok(answer) if answer.is_good() && answer.body["short"].as_array().is_none_or(Vec::is_empty) => {
                    return Ok(());
                }
                // The start as a whole is bounded.
                _ => sleep(limit::FOLLOW_EVERY).await,
            }
            tries += 1;
        }
    }
}
