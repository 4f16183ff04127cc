//! Every shipped plan with shops in a small form, and shops that are wrong: each fault is told by its name.

use std::time::Duration;

use tests::system::RunningRelay;

use super::shop_double::{BrokenShops, Shops, Wrong};
use super::{Told, Tool, never};

async fn small(plan: &str, url: &str, more: &[&str]) -> Told {
    let more = [&["--shops", url], more].concat();
    Tool::run(plan, &[], &more).told(never()).await
}

/// Kinds of a count of everybody.
fn kinds(told: &Told, count: &str) -> Vec<String> {
    let kinds = told.report["overall"]["scopes"]["all"]["kinds"][count].as_object();
    kinds.into_iter().flat_map(|kinds| kinds.keys().cloned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn shops() {
    let real = Shops::start().await;
    let told = small("shops", &real.url(), &["--duration", "4s"]).await;
    told.assert_met();
    assert_eq!(kinds(&told, "orders"), ["grocery", "pharmacy", "reseller"]);
    assert_eq!(told.everybody("counts.delivered"), 4.0, "every basket reaches the door");
    assert_eq!(told.everybody("times.delivery.count"), 4.0);
    assert!(told.everybody("counts.rows") > 0.0);
    let arrivals = told.report["arrivals"].as_f64().unwrap();
    assert_eq!((told.everybody("times.start_lag.count"), told.everybody("counts.visits_done")), (arrivals, arrivals));
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_peak() {
    let real = Shops::start().await;
    let told = small("promotion_peak", &real.url(), &["--duration", "3s", "--arrivals", "0.5"]).await;
    told.assert_met();
    let hunters = &told.report["overall"]["scopes"]["hunters"];
    assert_eq!(hunters["counts"]["orders"].as_u64(), Some(100));
    assert_eq!(hunters["kinds"]["turned_down"]["reserve: 409 promotion-limit"].as_u64(), Some(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything() {
    let (relay, real) = (RunningRelay::start(tests::system::settings()).await, Shops::start().await);
    let url = real.url();
    let more = ["--shops", url.as_str(), "--duration", "5s", "--viewers", "6"];
    let told = Tool::run("everything", &[relay.address], &more).told(never()).await;
    told.assert_met();
    assert!(told.everybody("counts.frames") > 0.0 && told.everybody("counts.answers") > 0.0);
    assert_eq!(told.report["overall"]["scopes"]["hunters"]["counts"]["orders"].as_u64(), Some(50));
}

const FAULTS: &str = "
name = 'faults'
require = ['failed=0', 'shed=0']
[shops]
customers = 50
settle = '40s'
repeat = 1.0
[[shops.scenarios]]
name = 'buyers'
does = 'buy'
rate = 10
[[shops.scenarios]]
name = 'hunters'
does = 'promotion'
rate = 5
quota = 3
[[shops.scenarios]]
name = 'downloaders'
does = 'download'
rate = 2
[[shops.scenarios]]
name = 'baskets'
does = 'basket'
rate = 1
";

/// Three seconds of customers at shops that do this wrong, who ask for everything twice.
async fn through(wrong: Wrong) -> Told {
    through_plan(wrong, FAULTS).await
}

/// The same with customers who ask once.
async fn once_through(wrong: Wrong) -> Told {
    through_plan(wrong, &FAULTS.replace("repeat = 1.0", "repeat = 0.0")).await
}

async fn through_plan(wrong: Wrong, text: &str) -> Told {
    let shops = BrokenShops::start(wrong).await;
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    std::fs::write(&plan, text).unwrap();
    small(plan.to_str().unwrap(), &shops.url(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn shops_behind_a_server_that_passes_all_on_are_not_wrong() {
    let told = through(Wrong::Nothing).await;
    told.assert_met();
    assert_eq!(told.report["overall"]["scopes"]["hunters"]["counts"]["orders"].as_u64(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_were_is_oversold() {
    let told = through(Wrong::Oversells).await;
    told.assert_unmet(&["oversold"]);
    assert_eq!(kinds(&told, "oversold"), ["promotion: given to more than there were"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_payment_is_a_lost_order() {
    let told = once_through(Wrong::LosesPayments).await;
    told.assert_unmet(&["lost_orders"]);
    assert_eq!(kinds(&told, "lost_orders"), ["grocery: reserved though it was confirmed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_there_is_lost() {
    let told = once_through(Wrong::LosesOrders).await;
    assert_eq!(told.code, 4);
    assert!(told.unmet().contains(&"lost_orders".to_owned()), "{:?}", told.unmet());
    let kinds = kinds(&told, "lost_orders");
    assert!(kinds.contains(&"grocery: not there".to_owned()), "{kinds:?}");
    assert!(kinds.contains(&"grocery: not in the customer's list".to_owned()), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cent_too_much_is_noticed() {
    let told = through(Wrong::Miscounts).await;
    told.assert_unmet(&["money_wrong"]);
    assert!(kinds(&told, "money_wrong").contains(&"grocery: lines that are not the total".to_owned()));
    let told = through(Wrong::KeepsTheChange).await;
    told.assert_unmet(&["money_wrong"]);
    assert!(
        kinds(&told, "money_wrong").contains(&"reseller: kept another amount than for what was delivered".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_counts_twice_is_noticed() {
    let told = through(Wrong::ForgetsKeys).await;
    told.assert_unmet(&["repeats_wrong", "money_wrong"]);
    assert_eq!(kinds(&told, "money_wrong"), ["grocery: an order that nobody placed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_without_a_row_is_torn() {
    let told = through(Wrong::TearsExports).await;
    told.assert_unmet(&["torn"]);
}

const STALLS: &str = "
name = 'stalls'
[shops]
in_flight = 10
[[shops.scenarios]]
name = 'searchers'
does = 'search'
rate = 20
";

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_stands_still_is_not_flattered() {
    let told = through_plan(Wrong::Stalls, STALLS).await;
    told.assert_met();
    // Twenty came in the second of silence: ten were let in and waited up to a second, as long as the plan had them wait.
    assert_eq!(told.everybody("times.search.count") + told.everybody("counts.unstarted"), 60.0);
    assert!((5.0..=15.0).contains(&told.everybody("counts.unstarted")), "{}", told.everybody("counts.unstarted"));
    let (p50, p90) = (told.everybody("times.search.p50"), told.everybody("times.search.p90"));
    assert!(p50 < 500.0 && p90 > 600.0, "{p50} {p90}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_visit_to_the_shops_still_tells_what_it_saw() {
    let real = Shops::start().await;
    let url = real.url();
    let tool = Tool::run("shops", &[], &["--shops", url.as_str(), "--duration", "60s"]);
    let shutdown = never();
    let (told, ()) = tokio::join!(tool.told(shutdown.clone()), async {
        tokio::time::sleep(Duration::from_millis(3500)).await;
        shutdown.begin();
    });
    assert_eq!(told.report["interrupted"], true);
    assert!(told.everybody("counts.answers") > 0.0);
    // What had come to no end is no fault, and all else was checked.
    let unmet = told.unmet();
    assert!(unmet.iter().all(|name| name == "baskets.delivered" || name == "unverified"), "{unmet:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shops_that_are_not_ours_to_load_or_not_there_are_refused() {
    let nobody = format!("http://{}/api/v1", tests::system::free_port());
    assert_eq!(small("shops", "http://192.0.2.1/api/v1", &[]).await.code, 2);
    assert_eq!(small("shops", "http://localhost:1", &["--arrivals", "-1"]).await.code, 2);
    assert_eq!(small("steady", &nobody, &[]).await.code, 2, "it loads no shops");
    assert_eq!(Tool::run("shops", &[tests::system::free_port()], &[]).told(never()).await.code, 2, "it loads no relay");
    assert_eq!(small("shops", &nobody, &[]).await.code, 3);
}
