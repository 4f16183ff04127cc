//! One shop's order book: what its routes, its sweeper and the code beside it call.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::auth::Scope;
use crate::clock::{Clock, Timestamp};
use crate::fault::Faults;
use crate::id::{OrderId, Sku};
use crate::language::Language;
use crate::money::Money;
use crate::problem::Problem;
use crate::store::{Database, Once, StoreError};

use super::cache::{Answer, ProductCache, SoldOut, tag};
use super::catalogue::{self, Available, Filter};
use super::limit::{ANNOUNCE, ANNOUNCE_EVERY, ANNOUNCE_SHARE, SWEEP, SWEEP_EVERY, SWEEP_LEASE};
use super::model::{NewOrder, Order, OrderState, Step};
use super::place::{Desk, Orders, Placing};
use super::read::{self, Audit, Whose};
use super::repeat::{self, Repeats};
use super::step::{self, Note};
use super::{Offer, Offers, ProductView, Rejection, Rules, ShopSettings, Terms};

/// What is known of a shop without asking anybody.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// Which shop.
    pub(crate) actor: Actor,
    /// Who sells, as on the receipt.
    pub(crate) seller: &'static str,
    /// Where orders take their goods from, unless the shop says otherwise.
    pub(crate) location: &'static str,
    /// Without this (or being staff) a caller sees an empty shop.
    pub(crate) restricted: Option<Scope>,
    /// What sending one order costs.
    pub(crate) shipping: Money,
    /// From this total on it costs nothing.
    pub(crate) free_from: Option<Money>,
}

/// A shop: catalogue, stock and orders in one database. Clones share it.
#[derive(Debug)]
pub(crate) struct Shop<R> {
    inner: Arc<Inner<R>>,
}

impl<R> Clone for Shop<R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

#[derive(Debug)]
struct Inner<R> {
    db: Database,
    desk: Arc<Desk<R>>,
    profile: Profile,
    ttl: Duration,
    clock: Clock,
    faults: Faults,
    cache: ProductCache,
    sold_out: SoldOut,
    repeats: Repeats,
    waiting: Semaphore,
}

impl<R: Rules> Shop<R> {
    /// A shop over a database that has [`MIGRATIONS`](super::MIGRATIONS).
    pub(crate) fn new(
        db: Database,
        profile: Profile,
        rules: R,
        settings: &ShopSettings,
        clock: Clock,
        faults: Faults,
    ) -> Self {
        let ttl = settings.ttl();
        let desk = Desk::new(profile.actor, profile.seller, rules, ttl, settings.dispatch_after());
        let waiting = Semaphore::new(settings.waiting.clamp(1, Semaphore::MAX_PERMITS));
        let (cache, sold_out, repeats) = (ProductCache::default(), SoldOut::default(), Repeats::default());
        Self { inner: Arc::new(Inner { db, desk, profile, ttl, clock, faults, cache, sold_out, repeats, waiting }) }
    }

    /// The shop's database.
    pub(crate) fn db(&self) -> &Database {
        &self.inner.db
    }

    /// Who takes orders, for work of the shop's own within a transaction.
    pub(crate) fn desk(&self) -> &Arc<Desk<R>> {
        &self.inner.desk
    }

    /// What is known of the shop.
    pub(crate) fn profile(&self) -> &Profile {
        &self.inner.profile
    }

    /// The time in this shop.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Takes an order: durable when it answers. What is known to be sold out, and what would wait too long, is refused at
    /// once. Cancel safety: dropping the future does not undo it.
    ///
    /// # Errors
    /// See [`Rejection`].
    pub(crate) async fn place(&self, once: Option<&Once>, order: NewOrder) -> Result<Order, Rejection> {
        let inner = &*self.inner;
        let now = self.now();
        let location = order.location;
        let refusal = order.lines.iter().find_map(|line| inner.sold_out.refusal(location, &line.sku, now));
        if let Some(refusal) = refusal
            && !self.may_repeat(once).await?
        {
            return Err(refusal.into());
        }
        let Ok(_place) = inner.waiting.try_acquire() else { return Err(StoreError::Overloaded.into()) };
        if let Some(once) = once {
            // Before it is done: whoever hangs up now may ask again.
            inner.repeats.insert(&once.owner, &once.key);
        }
        inner.faults.step("shop.before_place");
        let placing = Placing { desk: inner.desk.clone(), order };
        let outcome = inner.db.submit::<Orders<R>>(once, placing).await;
        inner.faults.step("shop.after_place");
        if let Err(rejection) = &outcome {
            self.remember(location, rejection);
        }
        outcome
    }

    /// Whether the writer may have an answer for this key already.
    async fn may_repeat(&self, once: Option<&Once>) -> Result<bool, StoreError> {
        let Some(once) = once else { return Ok(false) };
        let known = self.inner.repeats.contains(once);
        Ok(known || (self.db().is_shared() && repeat::is_answered(self.db(), once).await?))
    }

    /// Remembers what nobody can have.
    fn remember(&self, location: &'static str, rejection: &Rejection) {
        let (Rejection::OutOfStock { sku, available: 0, .. }
        | Rejection::Promotion { sku, left: 0, exhausted: true, .. }) = rejection
        else {
            return;
        };
        let problem = Problem { errors: Vec::new(), ..rejection.clone().into() };
        self.inner.sold_out.insert(location, sku, problem, self.now());
    }

    /// Does one step to one order.
    ///
    /// # Errors
    /// See [`Rejection`].
    pub(crate) async fn step(
        &self,
        once: Option<&Once>,
        id: OrderId,
        whose: Whose,
        step: Step,
        note: Note,
    ) -> Result<Order, Rejection> {
        self.inner.faults.step("shop.before_step");
        let desk = self.inner.desk.clone();
        let order = self
            .inner
            .db
            .write::<Order, Rejection, _>(once, move |tx| {
                Box::pin(async move { step::step(tx, &desk, &id, &whose, step, note).await })
            })
            .await?;
        self.inner.faults.step("shop.after_step");
        self.freed(std::slice::from_ref(&order)).await;
        Ok(order)
    }

    /// Forgets what is said of the goods of orders that ended: some may be free again. For shops that change orders by
    /// [`step::step`](super::step) in a transaction of their own, after it.
    pub(crate) async fn freed(&self, orders: &[Order]) {
        for order in orders.iter().filter(|order| !order.state.is_open()) {
            self.inner.sold_out.forget(order.lines.iter().map(|line| &line.sku));
            for line in &order.lines {
                self.inner.cache.forget(&line.sku).await;
            }
        }
    }

    /// Forgets what is said of a product that has changed.
    pub(crate) async fn changed(&self, sku: &Sku) {
        self.inner.sold_out.forget([sku]);
        self.inner.cache.forget(sku).await;
    }

    /// One order, if it exists and may be seen.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn order(&self, id: &OrderId, whose: &Whose) -> Result<Option<Order>, StoreError> {
        read::order(self.db(), self.desk(), id, whose).await
    }

    /// Orders after an id, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn orders(
        &self,
        whose: &Whose,
        state: Option<OrderState>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        read::orders(self.db(), self.desk(), whose, state, after, limit).await
    }

    /// A product as JSON, up to [`CACHE_TIME`](super::limit::CACHE_TIME) old. A hit asks nobody and writes nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn product(&self, sku: Sku, language: Language) -> Result<Option<Answer>, StoreError> {
        let key = (sku, language);
        if let Some(answer) = self.inner.cache.get(&key).await {
            return Ok(Some(answer));
        }
        let Some(found) = catalogue::product(self.db(), &key.0).await? else { return Ok(None) };
        let Some(view) = self.views(vec![found], language).await?.pop() else { return Ok(None) };
        let answer = answer(&view)?;
        self.inner.cache.insert(key, answer.clone()).await;
        Ok(Some(answer))
    }

    /// Products after a code, by code.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn products(
        &self,
        filter: &Filter,
        after: &str,
        limit: i64,
        language: Language,
    ) -> Result<Vec<ProductView>, StoreError> {
        let found = catalogue::products(self.db(), filter, after, limit).await?;
        self.views(found, language).await
    }

    /// These products as readers see them now.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn views(
        &self,
        found: Vec<Available>,
        language: Language,
    ) -> Result<Vec<ProductView>, StoreError> {
        let (products, available): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let shown = self.inner.desk.rules.shown(self.db(), &products, self.now()).await?;
        let views = products.iter().zip(available).zip(shown);
        Ok(views.map(|((product, available), shown)| ProductView::new(product, available, shown, language)).collect())
    }

    /// The partners' feed after a change.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn offers(&self, after: i64, limit: i64) -> Result<Offers, StoreError> {
        let mut found = catalogue::changed(self.db(), after, limit + 1).await?;
        let more = i64::try_from(found.len()).is_ok_and(|count| count > limit);
        if more {
            found.pop();
        }
        let next = found.last().map_or(after, |(product, _)| product.change);
        let (products, available): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let shown = self.inner.desk.rules.shown(self.db(), &products, self.now()).await?;
        let offers = products.into_iter().zip(available).zip(shown).map(|((product, available), shown)| Offer {
            sku: product.sku,
            gtin: product.gtin,
            name: product.name,
            category: product.category,
            price: shown.price,
            vat_rate: product.vat_rate,
            available,
            weight_g: product.weight_g,
            volume_ml: product.volume_ml,
            cold_chain: product.cold_chain,
            restricted: self.inner.profile.restricted.is_some(),
            change: product.change,
        });
        Ok(Offers { offers: offers.collect(), next, more })
    }

    /// What a partner has to know before ordering.
    pub(crate) fn terms(&self) -> Terms {
        let Profile { seller, shipping, free_from, .. } = self.inner.profile.clone();
        Terms { seller: seller.to_owned(), shipping, free_from, order_ttl_s: self.inner.ttl.as_secs() }
    }

    /// Gives a product another list price.
    ///
    /// # Errors
    /// See [`Rejection`].
    pub(crate) async fn set_price(
        &self,
        sku: Sku,
        version: i64,
        price: Money,
        language: Language,
    ) -> Result<ProductView, Rejection> {
        let asked = sku.clone();
        self.inner
            .db
            .write::<(), Rejection, _>(None, move |tx| {
                Box::pin(async move { catalogue::set_price(tx, &asked, version, price).await.map(drop) })
            })
            .await?;
        self.view(&sku, language).await
    }

    /// Puts more of a product on a shelf.
    ///
    /// # Errors
    /// See [`Rejection`].
    pub(crate) async fn restock(
        &self,
        once: Option<&Once>,
        location: &'static str,
        sku: Sku,
        quantity: i64,
        who: String,
        language: Language,
    ) -> Result<ProductView, Rejection> {
        let asked = sku.clone();
        self.inner
            .db
            .write::<(), Rejection, _>(once, move |tx| {
                Box::pin(async move { catalogue::restock(tx, location, &asked, quantity, &who).await.map(drop) })
            })
            .await?;
        self.view(&sku, language).await
    }

    /// A product after this process changed it.
    async fn view(&self, sku: &Sku, language: Language) -> Result<ProductView, Rejection> {
        self.changed(sku).await;
        let found = catalogue::product(self.db(), sku).await?.ok_or(Rejection::NotFound("product"))?;
        let view = self.views(vec![found], language).await?.pop();
        view.ok_or(Rejection::NotFound("product"))
    }

    /// Goes through the books.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn audit(&self) -> Result<Audit, StoreError> {
        read::audit(self.db()).await
    }

    /// Ends what was not confirmed in time and dispatches what is due, one bounded round. Returns how many orders changed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn sweep(&self) -> Result<usize, StoreError> {
        let desk = self.inner.desk.clone();
        let changed = self
            .inner
            .db
            .write::<Vec<Order>, StoreError, _>(None, move |tx| {
                Box::pin(async move { step::sweep(tx, &desk, SWEEP).await })
            })
            .await?;
        self.freed(&changed).await;
        Ok(changed.len())
    }

    /// Sweeps and tells partners about stock until it is dropped; one process of several does it. Cancel safe.
    pub(crate) fn run(&self) -> impl Future<Output = ()> + Send + 'static {
        let shop = self.clone();
        async move {
            if let Err(error) = shop.inner.repeats.recall(shop.db()).await {
                tracing::warn!(shop = shop.inner.profile.actor.as_str(), %error, "keys of orders were not recalled");
            }
            // The look at the stock takes as long as the stock is large: it gets a small share of the time.
            let mut look_at = Instant::now();
            loop {
                let mut outcome = shop.round().await;
                if outcome.is_ok() && look_at <= Instant::now() {
                    let began = Instant::now();
                    outcome = outcome.and(shop.announce().await.map(|told| told >= ANNOUNCE));
                    look_at = Instant::now() + ANNOUNCE_EVERY.max(began.elapsed() * ANNOUNCE_SHARE);
                }
                match outcome {
                    Ok(true) => {}
                    Ok(false) => tokio::time::sleep(SWEEP_EVERY).await,
                    Err(StoreError::Closed) => return,
                    Err(error) => {
                        tracing::warn!(shop = shop.inner.profile.actor.as_str(), %error, "sweep failed");
                        tokio::time::sleep(SWEEP_LEASE).await;
                    }
                }
            }
        }
    }

    /// One round; `true` if there may be more to do at once. Looks before it asks the writer.
    async fn round(&self) -> Result<bool, StoreError> {
        if !self.inner.db.lease("sweep", SWEEP_LEASE).await? {
            return Ok(false);
        }
        let due = "SELECT id FROM purchase WHERE due_at IS NOT NULL AND due_at <= $1 LIMIT 1";
        let swept = match self.inner.db.row(due, crate::store::args![self.now()]).await? {
            Some(_) => self.sweep().await?,
            None => 0,
        };
        Ok(i64::try_from(swept).unwrap_or(SWEEP) >= SWEEP)
    }

    /// Tells partners about stock, if they think too wrongly of it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn announce(&self) -> Result<i64, StoreError> {
        if !catalogue::stale_offers(self.db()).await? {
            return Ok(0);
        }
        self.inner.db.write::<i64, StoreError, _>(None, |tx| Box::pin(catalogue::announce(tx))).await
    }
}

fn answer(view: &ProductView) -> Result<Answer, StoreError> {
    let json = serde_json::to_vec(view)?;
    Ok(Answer { tag: tag(view.version, &json), json: json.into() })
}
