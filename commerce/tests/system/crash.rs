//! The process dies at every named step, as by `kill -9`: after a restart nothing that was answered is lost, nothing is done
//! twice, and the order ends.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::interaction::{audit, follow, medicine, prescribe, product};
use crate::server::{Place, Server, address, wait_for};

/// Steps on the way of an order that is delivered.
const DELIVERED: &[&str] = &[
    "writer.before_commit",
    "writer.after_commit",
    "shop.before_place",
    "shop.after_place",
    "shop.before_step",
    "shop.after_step",
    "reseller.placed",
    "reseller.before_hold",
    "reseller.after_hold",
    "reseller.recorded_hold",
    "reseller.before_charge",
    "reseller.after_charge",
    "reseller.recorded_charge",
    "reseller.before_confirm",
    "reseller.after_confirm",
    "reseller.recorded_confirm",
    "reseller.before_receive",
    "reseller.after_receive",
    "reseller.recorded_receive",
    "reseller.before_ship",
    "reseller.after_ship",
    "reseller.recorded_ship",
    "warehouse.after_receipt",
    "warehouse.after_shipment",
    "warehouse.after_pick",
    "warehouse.after_pack",
    "warehouse.after_ship",
    "warehouse.before_booking",
    "warehouse.after_booking",
    "pharmacy.after_dispatch",
    "pharmacy.after_parcel",
    "courier.booked",
    "courier.chosen",
    "courier.taken",
    "carrier.step",
];

/// Steps on the way of an order whose payment is refused.
const REFUSED: &[&str] = &["reseller.before_release", "reseller.after_release", "reseller.recorded_release"];

/// Steps on the way of an export.
const EXPORTED: &[&str] =
    &["furniture.export_half", "furniture.export_written", "furniture.export_named", "furniture.export_ready"];

/// Servers that crash side by side.
const AT_ONCE: usize = 4;

/// Parts of names that the reseller puts together, and what they stand for here.
const COMPOSED: [&str; 3] = ["reseller.before_", "reseller.after_", "reseller.recorded_"];

/// Places an order, lets the process die at `step`, starts it again and follows the order to its end.
async fn survives(step: &str, refused: bool) {
    let place = Place::new().await;
    let mut server = Server::start(&place, "").await;
    let customer = server.token("customer", "demo-1").await;
    let staff = server.token("operator", "demo-operator").await;
    let vnr = medicine(&server, true).await["vnr"].as_str().unwrap().to_owned();
    let prescription = prescribe(&server, "demo-1", &vnr).await;
    let sofa = product(&server, "furniture", "").await["sku"].as_str().unwrap().to_owned();
    let lines = json!([
        { "shop": "pharmacy", "sku": vnr, "quantity": 1, "prescription": prescription },
        { "shop": "furniture", "sku": sofa, "quantity": 1 },
    ]);
    let quote = json!({ "lines": lines, "deliver_to": address() });
    wait_for("a quote", async || {
        let key = uuid::Uuid::now_v7().to_string();
        server.post("/api/v1/reseller/quotes", &customer, &key, &quote).await.0.is_success().then_some(())
    })
    .await;
    let mut faults = json!({ format!("kill:{step}"): { "times": 1 } });
    if refused {
        faults["payment.refused"] = json!({});
    }
    // The answer may be the last thing it says.
    drop(server.ask(Method::PUT, "/api/v1/faults", &staff, "", Some(&faults)).await);
    let payment = json!({ "method": "demo-card", "token": "demo-card" });
    let basket = json!({ "lines": lines, "deliver_to": address(), "payment": payment });
    let before = server.ask(Method::POST, "/api/v1/reseller/orders", &customer, "basket", Some(&basket)).await;
    assert!(server.died().await, "{step}: the process did not get there");
    let server = Server::start(&place, if refused { "[fault.'payment.refused']" } else { "" }).await;
    let after = server.done("/api/v1/reseller/orders", &customer, "basket", &basket).await;
    if let Some((status, answered)) = before
        && status.is_success()
    {
        assert_eq!(answered["id"], after["id"], "{step}: what was answered is there, once");
    }
    let order = follow(&server, &customer, after["id"].as_str().unwrap(), &["delivered", "cancelled"]).await;
    check(step, refused, &order);
    audit(&server).await;
    let orders = server.read("/api/v1/reseller/orders", &customer).await;
    assert_eq!(orders["items"].as_array().map(Vec::len), Some(1), "{step}: one order");
}

fn check(step: &str, refused: bool, order: &Value) {
    let minor = |field: &str| order[field]["minor"].as_i64().unwrap_or(0);
    let kept = minor("paid") - minor("refunded");
    if refused {
        assert_eq!((order["state"].as_str(), kept), (Some("cancelled"), 0), "{step}: {order:#}");
    } else {
        assert_eq!((order["state"].as_str(), kept), (Some("delivered"), minor("total")), "{step}: {order:#}");
    }
}

#[tokio::test]
async fn an_order_survives_a_crash_at_every_step_to_the_door() {
    stream::iter(DELIVERED).for_each_concurrent(AT_ONCE, |step| survives(step, false)).await;
}

#[tokio::test]
async fn an_order_survives_a_crash_at_every_step_back() {
    stream::iter(REFUSED).for_each_concurrent(AT_ONCE, |step| survives(step, true)).await;
}

#[tokio::test]
async fn an_export_survives_a_crash_at_every_step() {
    stream::iter(EXPORTED).for_each_concurrent(AT_ONCE, |step| export_survives(step)).await;
}

/// Orders an export, lets the process die at `step`, starts it again: the file gets ready, whole.
async fn export_survives(step: &str) {
    let place = Place::new().await;
    // Progress is told, and a part of the file lost, only in a large export.
    place.command(&["seed", "furniture", "--rows", "60000"]).await;
    let mut server = Server::start(&place, "").await;
    let staff = server.token("operator", "demo-operator").await;
    let faults = json!({ format!("kill:{step}"): { "times": 1 } });
    server.ask(Method::PUT, "/api/v1/faults", &staff, "", Some(&faults)).await.expect("faults are set");
    let asked = json!({ "format": "ndjson" });
    let export = server.done("/api/v1/furniture/exports", &staff, "export", &asked).await;
    assert!(server.died().await, "{step}: the process did not get there");
    let server = Server::start(&place, "").await;
    let path = format!("/api/v1/furniture/exports/{}", export["id"].as_str().unwrap());
    let ready = wait_for("the export is ready", async || {
        let export = server.read(&path, &staff).await;
        assert_ne!(export["state"], "failed", "{step}: {export}");
        (export["state"] == "ready").then_some(export)
    })
    .await;
    let file = server.bytes(&format!("{path}/file"), &staff).await;
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ready["sha256"].as_str(), Some(digest.as_str()), "{step}");
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(ready["rows_done"].as_u64(), u64::try_from(lines).ok(), "{step}: {ready}");
}

/// Every step that the sources name is tried here.
#[test]
fn no_step_is_forgotten() {
    let mut named = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut named);
    let tried: BTreeSet<_> = DELIVERED.iter().chain(REFUSED).chain(EXPORTED).map(|step| (*step).to_owned()).collect();
    let forgotten: Vec<_> =
        named.iter().filter(|step| !tried.contains(*step) && !COMPOSED.contains(&step.as_str())).collect();
    assert!(forgotten.is_empty(), "not in this file's lists: {forgotten:?}");
    assert!(named.len() > 10, "the sources name steps as `.step(\"…\")`");
}

fn collect(folder: &Path, named: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, named);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            for call in source.split(".step(").skip(1) {
                let call = call.trim_start_matches("&format!(");
                if let Some(name) = call.strip_prefix('"').and_then(|rest| rest.split(['"', '{']).next()) {
                    named.insert(name.to_owned());
                }
            }
        }
    }
}
