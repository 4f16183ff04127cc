//! The reseller among services that keep the contract and go wrong at every place in turn.

mod fake;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use self::fake::{Fakes, TROUBLES, Trouble};
use super::book::load;
use super::order::{NewOrder, OrderView};
use super::payment::{DemoProvider, of_order};
use super::quote::{Shopper, WantedLine};
use super::saga::{OrderState, Payment, Shop};
use super::{Reseller, ResellerSettings, driver, news, offers};
use crate::auth::{Caller, Scope};
use crate::clock::Clock;
use crate::context::{Actor, Context, Tasks};
use crate::fault::{Fault, Faults};
use crate::language::Language;
use crate::problem::Problem;
use crate::store::{Once, args, test_storage};

const GTIN: &str = "06291041500213";

struct World {
    context: Context,
    reseller: Reseller,
    fakes: Fakes,
    running: Vec<JoinHandle<()>>,
    _folder: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
        self.context.peers.unbind();
    }
}

async fn world(settings: ResellerSettings) -> World {
    let folder = TempDir::new().unwrap();
    let storage = test_storage(&folder);
    let clock = Clock::system();
    let context = crate::test::context(storage, folder.path(), clock, true, false).await;
    let fakes = Fakes::new(&context.peers);
    fakes.offer(Actor::Furniture, "SOFA", 30_000, 100, None);
    fakes.offer(Actor::Furniture, "LAMP", 2_000, 100, Some(GTIN));
    fakes.offer(Actor::Grocery, "LAMP-G", 2_100, 100, Some(GTIN));
    fakes.offer(Actor::Grocery, "CHEESE", 500, 100, None);
    fakes.offer(Actor::Pharmacy, "123456", 900, 100, None);
    let reseller = Reseller::open(&context, &settings).await.unwrap();
    let mut world = World { context, reseller, fakes, running: Vec::new(), _folder: folder };
    world.running.push(tokio::spawn(world.fakes.clone().nature()));
    world.start();
    world.until(async |world| offers::terms(world.reseller.db()).await.unwrap().len() == 3).await;
    let all = async |world: &World| offers::search(world.reseller.db(), &everything()).await.unwrap().len() == 4;
    world.until(all).await;
    world
}

fn everything() -> offers::Search {
    offers::Search { restricted: true, limit: 10, ..offers::Search::default() }
}

impl World {
    /// Starts the reseller's own work.
    fn start(&mut self) {
        let mut tasks = Tasks::default();
        news::follow(&self.reseller, &mut tasks);
        let shutdown = self.context.shutdown.clone();
        for shop in Shop::ALL {
            self.running.push(tokio::spawn(offers::follow(self.reseller.clone(), shop)));
        }
        self.running.push(tokio::spawn(driver::drive(self.reseller.clone())));
        self.running.push(tokio::spawn(async move { tasks.run(&shutdown).await }));
    }

    fn stop(&mut self) {
        self.running.drain(..).for_each(|task| task.abort());
    }

    /// Kills the reseller where it stands and starts it again on the same database.
    async fn crash(&mut self, settings: &ResellerSettings) {
        for task in self.running.drain(..) {
            task.abort();
            let _ = task.await;
        }
        let db = self.reseller.db().clone();
        let provider = std::sync::Arc::new(DemoProvider::new(db.clone(), self.context.faults.clone()));
        self.reseller = Reseller::with(&self.context, settings, db, provider).await.unwrap();
        self.running.push(tokio::spawn(self.fakes.clone().nature()));
        self.start();
    }

    async fn until(&self, holds: impl AsyncFn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self).await {
            assert!(start.elapsed() < Duration::from_secs(60), "waits in vain: {:?}", self.fakes.lock().trouble);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn place(&self, lines: Value, token: &str) -> Result<OrderView, Problem> {
        self.place_once(&Once::new("demo-1", crate::id::new_uuid(), "hash"), lines, token).await
    }

    async fn place_once(&self, once: &Once, lines: Value, token: &str) -> Result<OrderView, Problem> {
        let body = json!({
            "lines": lines,
            "deliver_to": { "name": "demo", "street": "Demo 1", "postcode": "00100", "city": "Helsinki" },
            "payment": { "method": "demo-card", "token": token },
        });
        let body: NewOrder = serde_json::from_value(body).unwrap();
        self.reseller.place(once, body, &customer(true), Language::En).await
    }

    async fn end(&self, id: &str) -> OrderView {
        let done = async |world: &Self| load(world.reseller.db(), id).await.unwrap().unwrap().saga.is_done();
        if tokio::time::timeout(Duration::from_secs(40), self.until(done)).await.is_err() {
            let order = load(self.reseller.db(), id).await.unwrap().unwrap();
            let fakes = self.fakes.lock();
            panic!("no end: {:?} of {order:?}, posts {:?}", fakes.trouble, fakes.posts);
        }
        self.reseller.view(id, "demo-1").await.unwrap()
    }

    /// Whole or undone, and the money adds up: in the order, the ledger, at the provider and at the shops.
    async fn audit(&self, order: &OrderView) {
        assert!(matches!(order.state, OrderState::Delivered | OrderState::Cancelled), "{order:?}");
        let sum = |kind: &str| {
            let of_kind = order.movements.iter().filter(|entry| entry.kind == kind);
            of_kind.map(|entry| entry.amount.minor).sum::<i64>()
        };
        assert_eq!((sum("charge"), sum("refund")), (order.paid.minor, order.refunded.minor));
        let provider =
            "SELECT CAST(COALESCE(SUM(CASE kind WHEN 'charge' THEN minor WHEN 'refund' THEN -minor ELSE 0 END), 0) AS BIGINT)
            FROM demo_payment";
        let left = self.reseller.db().row(provider, args![]).await.unwrap().unwrap().int(0).unwrap();
        assert_eq!(left, order.paid.minor - order.refunded.minor, "the provider's book");
        let delivered = order.sub_orders.iter().filter(|part| part.state == super::saga::PartState::Delivered);
        assert_eq!(left, delivered.map(|part| part.total.minor).sum::<i64>(), "paid is what was delivered: {order:?}");
        let wanted: BTreeSet<&str> = order.sub_orders.iter().filter_map(|part| part.id.as_deref()).collect();
        for ((actor, id), thing) in &self.fakes.lock().things {
            let state = thing["state"].as_str().unwrap();
            if matches!(actor, Actor::Warehouse | Actor::Courier) || state == "cancelled" {
                continue;
            }
            assert!(state == "dispatched" && wanted.contains(id.as_str()), "{actor} keeps {thing}");
        }
        let keys: Vec<String> = self.fakes.lock().posts.clone();
        assert!(keys.iter().all(|key| key.contains(&order.id)), "keys name the order");
    }
}

fn customer(restricted: bool) -> Caller {
    let mut scopes = vec![Scope::OrderWrite, Scope::RxOrder, Scope::RxRead];
    scopes.extend(restricted.then_some(Scope::CatalogRestricted));
    Caller { subject: "demo-1".to_owned(), actor: None, scopes: scopes.into_iter().collect() }
}

fn basket() -> Value {
    json!([
        { "shop": "furniture", "sku": "SOFA", "quantity": 1 },
        { "shop": "grocery", "sku": "CHEESE", "quantity": 2 },
        { "shop": "pharmacy", "sku": "123456", "quantity": 1, "prescription": "rx-1" },
    ])
}

#[tokio::test]
async fn a_sofa_a_cheese_and_a_medicine_reach_the_door() {
    let world = world(ResellerSettings::default()).await;
    let order = world.place(basket(), "demo-card").await.unwrap();
    let order = world.end(&order.id).await;
    world.audit(&order).await;
    assert_eq!((order.state, order.partly_refunded), (OrderState::Delivered, false));
    // 33,600 + 2 x 560 with margin, 900 without; three times shipping.
    assert_eq!(order.total.minor, 33_600 + 1_120 + 900 + 3 * 490);
    assert_eq!((order.parcels.len(), order.sub_orders.len()), (2, 3));
    let steps: Vec<&str> = order.history.iter().map(|entry| entry.step.as_str()).collect();
    for step in ["placed", "held", "advised", "paid", "confirmed", "received", "parcel", "delivered"] {
        assert!(steps.contains(&step), "{step} is missing in {steps:?}");
    }
}

#[tokio::test]
async fn a_request_that_comes_again_gets_its_first_answer() {
    let world = world(ResellerSettings::default()).await;
    let once = Once::new("demo-1", crate::id::new_uuid(), "hash");
    let first = world.place_once(&once, basket(), "demo-card").await.unwrap();
    assert_eq!((first.state, first.version, first.history.len()), (OrderState::Placed, 1, 1));
    assert_eq!(world.end(&first.id).await.state, OrderState::Delivered);
    assert_eq!(world.place_once(&once, basket(), "demo-card").await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_may_go_wrong_in_every_way() {
    let settings = ResellerSettings { offers_every_ms: 3_600_000, ..ResellerSettings::default() };
    let runs = (0..12).flat_map(|at| TROUBLES.map(|trouble| (at, trouble)));
    let run = |(at, trouble): (usize, Trouble)| {
        let settings = settings.clone();
        async move {
            let mut world = world(settings.clone()).await;
            world.fakes.lock().trouble = Some((at, trouble));
            let order = world.place(basket(), "demo-card").await.unwrap();
            if matches!(trouble, Trouble::CrashBefore | Trouble::CrashAfter) {
                let crash = world.fakes.crash.clone();
                if tokio::time::timeout(Duration::from_secs(5), crash.notified()).await.is_ok() {
                    world.crash(&settings).await;
                }
            }
            let order = world.end(&order.id).await;
            world.audit(&order).await;
            if trouble != Trouble::Refuse {
                assert_eq!((order.state, order.refunded.minor), (OrderState::Delivered, 0), "{at} {trouble:?}");
            }
            (order.state, order.refunded.minor > 0)
        }
    };
    let ends: BTreeSet<String> =
        futures_util::stream::iter(runs).map(run).buffer_unordered(6).map(|end| format!("{end:?}")).collect().await;
    // Whole, undone before the payment, and refunded in part after it: all were seen.
    assert!(ends.len() >= 3, "{ends:?}");
}

#[tokio::test]
async fn a_refused_payment_releases_everything() {
    let world = world(ResellerSettings::default()).await;
    let order = world.place(basket(), "stolen").await.unwrap();
    let order = world.end(&order.id).await;
    world.audit(&order).await;
    assert_eq!((order.state, order.payment, order.paid.minor), (OrderState::Cancelled, Payment::Refused, 0));
    world.context.faults.set([("payment.refused".to_owned(), Fault::default())].into());
    let order = world.place(json!([{ "shop": "furniture", "sku": "SOFA", "quantity": 1 }]), "demo-card").await.unwrap();
    assert_eq!(world.end(&order.id).await.state, OrderState::Cancelled);
}

#[tokio::test]
async fn a_medicine_waits_for_the_pharmacist_and_may_be_cancelled_meanwhile() {
    let world = world(ResellerSettings::default()).await;
    world.fakes.lock().advises = false;
    let order = world.place(basket(), "demo-card").await.unwrap();
    let waiting = async |world: &World| {
        world.reseller.view(&order.id, "demo-1").await.unwrap().state == OrderState::WaitingAdvice
    };
    world.until(waiting).await;
    assert!(of_order(world.reseller.db(), &order.id).await.unwrap().is_empty(), "charged before the advice");
    let cancel = serde_json::from_value(json!({ "reason": "too slow" })).unwrap();
    let once = Once::new("demo-1", "cancel", "hash");
    world.reseller.cancel(&once, order.id.clone(), cancel, "demo-1".to_owned()).await.unwrap();
    let order = world.end(&order.id).await;
    world.audit(&order).await;
    assert_eq!(order.state, OrderState::Cancelled);
    assert!(world.reseller.view(&order.id, "demo-2").await.is_err_and(|problem| problem.status == 404));
}

#[tokio::test]
async fn a_gtin_comes_from_the_shop_that_is_cheapest_with_shipping_or_from_the_other() {
    let world = world(ResellerSettings { loss: 10_000, ..ResellerSettings::default() }).await;
    let wanted: Vec<WantedLine> = serde_json::from_value(json!([{ "gtin": GTIN, "quantity": 1 }])).unwrap();
    let shopper = |restricted| Shopper { restricted, language: Language::En };
    let quote = world.reseller.quote(&wanted, shopper(true)).await.unwrap();
    assert_eq!(quote.parts[0].shop, Shop::Furniture);
    world.fakes.lock().shipping.insert(Actor::Furniture, 2_000);
    let dearer = async |world: &World| {
        world.reseller.quote(&wanted, shopper(true)).await.unwrap().parts[0].shop == Shop::Grocery
    };
    world.until(dearer).await;
    // Who may not see the grocery pays the shipping.
    assert_eq!(world.reseller.quote(&wanted, shopper(false)).await.unwrap().parts[0].shop, Shop::Furniture);
    // The grocery has sold out meanwhile: the other shop stands in, at the price agreed.
    world.fakes.lock().sold_out.push(Actor::Grocery);
    let order = world.place(json!([{ "gtin": GTIN, "quantity": 1 }]), "demo-card").await.unwrap();
    let agreed = order.total;
    let order = world.end(&order.id).await;
    world.audit(&order).await;
    assert_eq!((order.state, order.total, order.sub_orders[0].shop), (OrderState::Delivered, agreed, Shop::Furniture));
}

#[tokio::test]
async fn restricted_goods_are_as_if_not_there() {
    let world = world(ResellerSettings::default()).await;
    let wanted: Vec<WantedLine> =
        serde_json::from_value(json!([{ "shop": "grocery", "sku": "CHEESE", "quantity": 1 }])).unwrap();
    let shopper = |restricted| Shopper { restricted, language: Language::En };
    assert!(world.reseller.quote(&wanted, shopper(true)).await.is_ok());
    assert_eq!(world.reseller.quote(&wanted, shopper(false)).await.unwrap_err().status, 404);
    let seen =
        offers::search(world.reseller.db(), &offers::Search { restricted: false, ..everything() }).await.unwrap();
    assert_eq!(seen.len(), 2);
    let found = offers::Search { words: vec!["cHEESe".to_owned(), "%".to_owned()], ..everything() };
    assert_eq!(offers::search(world.reseller.db(), &found).await.unwrap().len(), 0);
    let found = offers::Search { words: vec!["cHEESe".to_owned()], ..everything() };
    assert_eq!(offers::search(world.reseller.db(), &found).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lost_parcel_is_refunded_or_bought_again() {
    for reship in [false, true] {
        let world = world(ResellerSettings { reship, ..ResellerSettings::default() }).await;
        world.fakes.lock().parcel_end = Some("lost");
        let order =
            world.place(json!([{ "shop": "furniture", "sku": "SOFA", "quantity": 1 }]), "demo-card").await.unwrap();
        if reship {
            let again = async |world: &World| {
                let view = world.reseller.view(&order.id, "demo-1").await.unwrap();
                view.history.iter().any(|entry| entry.step == "bought_again")
            };
            world.until(again).await;
            world.fakes.lock().parcel_end = Some("delivered");
        }
        let order = world.end(&order.id).await;
        let end = if reship { OrderState::Delivered } else { OrderState::Cancelled };
        assert_eq!((order.state, order.refunded == order.paid), (end, !reship));
    }
}

#[tokio::test]
async fn two_drivers_do_not_do_a_step_twice() {
    let mut world = world(ResellerSettings::default()).await;
    let db = world.reseller.db().clone();
    for _ in 0..3 {
        let provider = std::sync::Arc::new(DemoProvider::new(db.clone(), Faults::default()));
        let other = Reseller::with(&world.context, &ResellerSettings::default(), db.clone(), provider).await.unwrap();
        world.running.push(tokio::spawn(driver::drive(other)));
    }
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(world.place(basket(), "demo-card").await.unwrap().id);
    }
    for id in &orders {
        assert_eq!(world.end(id).await.state, OrderState::Delivered);
    }
    let posts = world.fakes.lock().posts.clone();
    let once: BTreeSet<&String> = posts.iter().collect();
    assert_eq!(once.len(), posts.len(), "a step was done twice");
}
