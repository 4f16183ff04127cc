//! The order book over a database.

use std::collections::BTreeMap;
use std::time::Duration;

use super::catalogue::Filter;
use super::model::{NewLine, NewOrder, OrderState, Step};
use super::rules::tests::ListPrices;
use super::{MIGRATIONS, NewProduct, Note, Order, Profile, Rejection, Shop, ShopSettings, Whose, fill};
use crate::actor::Actor;
use crate::fault::Faults;
use crate::id::{OrderId, Sku};
use crate::language::{Language, Localized};
use crate::money::Money;
use crate::store::{Once, StoreError, TestDatabase, args, test_database};

const TTL: Duration = Duration::from_secs(600);

fn sku(code: &str) -> Sku {
    Sku::parse(code).unwrap()
}

fn thing(code: &str, stock: i64) -> NewProduct {
    NewProduct {
        sku: sku(code),
        gtin: None,
        name: Localized::from([(Language::En, "Thing"), (Language::Fi, "Tavara")]),
        description: Localized::default(),
        category: "things".to_owned(),
        price: Money::eur(250),
        vat_rate: 2550,
        weight_g: 100,
        volume_ml: 100,
        cold_chain: false,
        attributes: BTreeMap::new(),
        stock: vec![("main", stock)],
    }
}

async fn shop(settings: ShopSettings) -> (Shop<ListPrices>, TestDatabase) {
    let test = test_database(&[MIGRATIONS]).await;
    let profile = Profile {
        actor: Actor::Furniture,
        seller: "Test",
        location: "main",
        restricted: None,
        shipping: Money::eur(490),
        free_from: None,
    };
    let db = test.database.clone();
    let goods = vec![thing("A", 10), thing("B", 5), thing("C", 100)];
    db.write::<(), StoreError, _>(None, move |tx| Box::pin(async move { fill(tx, &goods, "seed").await }))
        .await
        .unwrap();
    (Shop::new(db, profile, ListPrices, &settings, test.clock.clone(), Faults::default()), test)
}

fn order(customer: &str, lines: &[(&str, i64)]) -> NewOrder {
    let line = |&(code, quantity): &(&str, i64)| NewLine { sku: sku(code), quantity, prescription: None };
    NewOrder {
        id: OrderId::new(),
        location: "main",
        customer: customer.to_owned(),
        reference: Some("mine".to_owned()),
        deliver_to: None,
        language: Language::Fi,
        lines: lines.iter().map(line).collect(),
        state: OrderState::Reserved,
    }
}

async fn stock(shop: &Shop<ListPrices>, code: &str) -> (i64, i64) {
    let row = shop.db().row("SELECT on_hand, reserved FROM stock WHERE sku = $1", args![code]).await.unwrap().unwrap();
    (row.int(0).unwrap(), row.int(1).unwrap())
}

async fn whole(shop: &Shop<ListPrices>) {
    let audit = shop.audit().await.unwrap();
    assert!(audit.whole, "{audit:?}");
}

fn mine() -> Whose {
    Whose::Of("demo-1".to_owned())
}

#[tokio::test]
async fn an_order_is_the_reservation() {
    let (shop, test) = shop(ShopSettings::default()).await;
    let placed = shop.place(None, order("demo-1", &[("A", 3), ("C", 2)])).await.unwrap();
    assert_eq!((placed.total, placed.lines[0].name.as_str()), (Money::eur(1250), "Tavara"));
    assert_eq!(placed.expires_at, test.clock.now().after(TTL));
    assert_eq!(shop.order(&placed.id, &mine()).await.unwrap(), Some(placed.clone()));
    assert_eq!(shop.order(&placed.id, &Whose::Of("demo-2".to_owned())).await.unwrap(), None);
    assert_eq!(stock(&shop, "A").await, (10, 3));

    let paid = Note { payment: Some("demo".to_owned()), ..Note::default() };
    let confirmed = shop.step(None, placed.id.clone(), mine(), Step::Confirm, paid).await.unwrap();
    assert_eq!((confirmed.state, confirmed.version), (OrderState::Confirmed, 2));
    let again = shop.step(None, placed.id.clone(), mine(), Step::Confirm, Note::default()).await;
    assert!(matches!(again, Err(Rejection::State { .. })));
    let sent = shop.step(None, placed.id.clone(), Whose::All, Step::Dispatch, Note::default()).await.unwrap();
    assert_eq!(sent.payment.as_deref(), Some("demo"));
    assert_eq!(shop.order(&placed.id, &mine()).await.unwrap(), Some(sent));
    assert_eq!(stock(&shop, "A").await, (7, 0));
    let late = shop.step(None, placed.id, mine(), Step::Cancel, Note::default()).await;
    assert!(matches!(late, Err(Rejection::State { .. })));
    whole(&shop).await;
    let kinds = shop.db().rows("SELECT kind FROM outbox ORDER BY seq", Vec::new()).await.unwrap();
    let kinds: Vec<_> = kinds.iter().map(|row| row.text(0).unwrap()).collect();
    assert_eq!(kinds, ["order.reserved", "order.confirmed", "order.dispatched"]);
}

#[tokio::test]
async fn all_or_nothing() {
    let (shop, _test) = shop(ShopSettings::default()).await;
    let refused = shop.place(None, order("demo-1", &[("A", 3), ("B", 6)])).await;
    assert!(matches!(refused, Err(Rejection::OutOfStock { line: 1, available: 5, .. })), "{refused:?}");
    let refused = shop.place(None, order("demo-1", &[("A", 3), ("NONE", 1)])).await;
    assert!(matches!(refused, Err(Rejection::UnknownProduct { line: 1, .. })), "{refused:?}");
    let refused = shop.place(None, order("demo-1", &[("A", 6), ("A", 6)])).await;
    assert!(matches!(refused, Err(Rejection::OutOfStock { line: 1, available: 4, .. })), "{refused:?}");
    for quantity in [0, -1, i64::MAX] {
        let refused = shop.place(None, order("demo-1", &[("A", 1), ("B", quantity)])).await;
        assert!(matches!(refused, Err(Rejection::Invalid { .. })), "{refused:?}");
    }
    assert_eq!(stock(&shop, "A").await, (10, 0));
    assert_eq!(shop.orders(&Whose::All, None, "", 10).await.unwrap(), []);
    whole(&shop).await;
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    let (shop, _test) = shop(ShopSettings::default()).await;
    let once = Once::new("demo-1", "key", "hash");
    let first = shop.place(Some(&once), order("demo-1", &[("A", 3)])).await.unwrap();
    // Another id and a full shelf: only the key counts.
    let second = shop.place(Some(&once), order("demo-1", &[("A", 9)])).await.unwrap();
    assert_eq!(first, second);
    let other = shop.place(Some(&Once::new("demo-1", "key", "other")), order("demo-1", &[("A", 1)])).await;
    assert!(matches!(other, Err(Rejection::Store(StoreError::KeyReused))));
    assert_eq!(stock(&shop, "A").await, (10, 3));

    // A repeat is no latecomer, even when it is known from memory that nothing is left.
    let last = Once::new("demo-1", "last", "hash");
    let first = shop.place(Some(&last), order("demo-1", &[("A", 7)])).await.unwrap();
    for _ in 0..2 {
        let late = shop.place(Some(&Once::new("demo-2", "late", "hash")), order("demo-2", &[("A", 1)])).await;
        assert!(matches!(late, Err(Rejection::OutOfStock { .. } | Rejection::Refused(_))), "{late:?}");
    }
    let second = shop.place(Some(&last), order("demo-1", &[("A", 7)])).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn what_ends_frees_its_goods() {
    let (shop, test) = shop(ShopSettings::default()).await;
    let called_off = shop.place(None, order("demo-1", &[("A", 4)])).await.unwrap();
    let forgotten = shop.place(None, order("demo-1", &[("A", 6)])).await.unwrap();
    let refused = shop.place(None, order("demo-2", &[("A", 1)])).await;
    assert!(matches!(refused, Err(Rejection::OutOfStock { available: 0, .. })));
    // Known from memory now.
    let refused = shop.place(None, order("demo-2", &[("A", 1)])).await;
    assert!(matches!(refused, Err(Rejection::Refused(_))), "{refused:?}");
    let note = Note { reason: Some("changed my mind".to_owned()), ..Note::default() };
    for _ in 0..2 {
        let ended = shop.step(None, called_off.id.clone(), mine(), Step::Cancel, note.clone()).await.unwrap();
        assert_eq!((ended.state, ended.version), (OrderState::Cancelled, 2));
    }
    shop.place(None, order("demo-2", &[("A", 4)])).await.unwrap();

    test.clock.advance(TTL);
    let late = shop.step(None, forgotten.id.clone(), mine(), Step::Confirm, Note::default()).await;
    assert!(matches!(late, Err(Rejection::Late)));
    assert_eq!(shop.sweep().await.unwrap(), 2);
    assert_eq!(shop.sweep().await.unwrap(), 0);
    let ended = shop.order(&forgotten.id, &mine()).await.unwrap().unwrap();
    assert_eq!(ended.state, OrderState::Expired);
    assert_eq!(stock(&shop, "A").await, (10, 0));
    whole(&shop).await;
}

#[tokio::test]
async fn confirmed_orders_leave_by_themselves() {
    let (shop, test) = shop(ShopSettings { dispatch_after_ms: 1000, ..ShopSettings::default() }).await;
    let placed = shop.place(None, order("demo-1", &[("B", 5)])).await.unwrap();
    shop.step(None, placed.id.clone(), mine(), Step::Confirm, Note::default()).await.unwrap();
    assert_eq!(shop.sweep().await.unwrap(), 0);
    test.clock.advance(Duration::from_secs(1));
    assert_eq!(shop.sweep().await.unwrap(), 1);
    assert_eq!(stock(&shop, "B").await, (0, 0));
    whole(&shop).await;
}

#[tokio::test]
async fn staff_changes_are_seen_at_once() {
    let (shop, test) = shop(ShopSettings::default()).await;
    let before = shop.product(sku("A"), Language::En).await.unwrap().unwrap();
    test.clock.advance(Duration::from_secs(1));
    let view = shop.set_price(sku("A"), 1, Money::eur(199), Language::En).await.unwrap();
    assert_eq!((view.price, view.version), (Money::eur(199), 2));
    let stale = shop.set_price(sku("A"), 1, Money::eur(1), Language::En).await;
    assert!(matches!(stale, Err(Rejection::Stale(2))));
    let after = shop.product(sku("A"), Language::En).await.unwrap().unwrap();
    assert!(before.tag != after.tag && before.json != after.json);
    // The writer prices by the newest version.
    let placed = shop.place(None, order("demo-1", &[("A", 10)])).await.unwrap();
    assert_eq!(placed.total, Money::eur(1990));
    let refused = shop.place(None, order("demo-1", &[("A", 1)])).await;
    assert!(matches!(refused, Err(Rejection::OutOfStock { .. })));
    let view = shop.restock(None, "main", sku("A"), 7, "demo-staff".to_owned(), Language::Fi).await.unwrap();
    assert_eq!((view.available, view.name.as_str()), (7, "Tavara"));
    shop.place(None, order("demo-1", &[("A", 7)])).await.unwrap();
    whole(&shop).await;
}

#[tokio::test]
async fn partners_hear_what_changed() {
    let (shop, _test) = shop(ShopSettings::default()).await;
    let first = shop.offers(0, 2).await.unwrap();
    assert_eq!((first.offers.len(), first.more, first.next), (2, true, 2));
    let rest = shop.offers(first.next, 2).await.unwrap();
    assert_eq!((rest.offers.len(), rest.more), (1, false));
    assert_eq!(shop.announce().await.unwrap(), 0);
    shop.place(None, order("demo-1", &[("B", 5), ("C", 1)])).await.unwrap();
    // Sold out is told, one of a hundred is not.
    assert_eq!(shop.announce().await.unwrap(), 1);
    let news = shop.offers(rest.next, 10).await.unwrap();
    let news: Vec<_> = news.offers.iter().map(|offer| (offer.sku.as_str(), offer.available)).collect();
    assert_eq!(news, [("B", 0)]);
}

#[tokio::test]
async fn lists_are_narrowed_and_paged() {
    let (shop, _test) = shop(ShopSettings::default()).await;
    let find = async |text: &str, after: &str| -> Vec<String> {
        let filter = Filter { category: "things".to_owned(), text: text.to_owned() };
        let found = shop.products(&filter, after, 2, Language::En).await.unwrap();
        found.into_iter().map(|view| view.sku.to_string()).collect()
    };
    assert_eq!(find("TAVAR", "").await, ["A", "B"]);
    assert_eq!(find("", "B").await, ["C"]);
    assert_eq!(find("%", "").await, Vec::<String>::new());
    let mut placed: Vec<Order> = Vec::new();
    for _ in 0..3 {
        placed.push(shop.place(None, order("demo-1", &[("C", 1)])).await.unwrap());
    }
    shop.place(None, order("demo-2", &[("C", 1)])).await.unwrap();
    let page = shop.orders(&mine(), None, "", 2).await.unwrap();
    assert_eq!(page, placed[..2]);
    let page = shop.orders(&mine(), Some(OrderState::Reserved), page[1].id.as_str(), 2).await.unwrap();
    assert_eq!(page, placed[2..]);
    assert_eq!(shop.orders(&mine(), Some(OrderState::Expired), "", 2).await.unwrap(), []);
}

#[tokio::test]
async fn too_many_at_once_are_refused_early() {
    let (shop, _test) = shop(ShopSettings { waiting: 1, ..ShopSettings::default() }).await;
    let (first, second) =
        tokio::join!(shop.place(None, order("demo-1", &[("C", 1)])), shop.place(None, order("demo-1", &[("C", 1)])),);
    first.unwrap();
    assert!(matches!(second, Err(Rejection::Store(StoreError::Overloaded))));
    shop.place(None, order("demo-1", &[("C", 1)])).await.unwrap();
}
