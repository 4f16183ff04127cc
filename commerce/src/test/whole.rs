//! A process from its settings to its end.

use std::time::Duration;

use process::{Metrics, SettingsLayers, Shutdown};
use serde_json::Value;
use tempfile::TempDir;

use crate::commerce::Commerce;
use crate::settings::{CommerceSettings, LimitSettings};

#[tokio::test]
async fn starts_serves_and_ends() {
    let folder = TempDir::new().unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let settings = CommerceSettings { actors: Vec::new(), listen: vec![address], ..CommerceSettings::default() };
    let (metrics, shutdown) = (Metrics::install().unwrap(), Shutdown::new(Duration::from_secs(5)));
    let state = Some(folder.path().to_owned());
    let commerce = Commerce::open(settings.clone(), metrics.clone(), state.clone(), shutdown.clone()).await.unwrap();
    let again = Commerce::open(settings, metrics, state, shutdown.clone()).await;
    assert!(again.unwrap_err().to_string().contains("another process"), "a folder belongs to one");
    let base = format!("http://{}", commerce.addresses()[0]);
    let running = tokio::spawn(commerce.run(shutdown.clone()));
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await.0, 200);
    assert_eq!(get("/api/v1/demo/token").await.0, 404, "only if the operator says so");
    let (status, keys) = get("/api/v1/jwks.json").await;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    assert!(status == 200 && keys["keys"][0]["crv"] == "Ed25519" && keys["keys"][0].get("d").is_none());
    let (_, metrics) = get("/metrics").await;
    let mut counters = metrics.lines().filter(|line| line.starts_with("efir_commerce_requests_total{"));
    let counted = counters.find(|line| line.contains("route=\"/api/v1/jwks.json\"")).expect("it is counted");
    assert!(counted.contains("status=\"200\"") && counted.ends_with(" 1"), "{counted}");
    shutdown.begin();
    tokio::time::timeout(Duration::from_secs(5), running).await.expect("ends in time").unwrap();
}

#[test]
fn settings_are_checked_in_the_operators_words() {
    let settings = CommerceSettings::default();
    assert!(settings.check().is_ok());
    let load = |variables: &[(&str, &str)]| {
        let mut layers = SettingsLayers::new();
        layers.environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into()))).unwrap();
        layers.load::<CommerceSettings>()
    };
    let loaded = load(&[("EFIR_LIMIT__IN_FLIGHT", "7"), ("EFIR_GROCERY__URL", "http://grocery:1")]).unwrap();
    assert_eq!(loaded.limit, LimitSettings { in_flight: 7, ..LimitSettings::default() });
    assert_eq!(loaded.check().unwrap_err().key, "grocery.url", "it is in this process");
    assert!(load(&[("EFIR_LIMIT__IN_FLIHGT", "7")]).is_err());
    let zero = CommerceSettings { limit: LimitSettings { timeout_ms: 0, ..LimitSettings::default() }, ..settings };
    assert_eq!(zero.check().unwrap_err().key, "limit.timeout_ms");
}
