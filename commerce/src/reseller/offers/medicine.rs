//! Availability of medicines: the pharmacy is asked for what people asked for lately, on a schedule with jitter and back-off,
//! and at once when somebody wants to buy.

use std::time::Duration;

use serde::Deserialize;

use super::feed::jittered;
use super::model::{Medicine, Product};
use super::store::{due_medicines, medicine, medicine_failed, put_medicines, want_medicines};
use crate::peer::PeerError;
use crate::problem::Problem;
use crate::reseller::Reseller;
use crate::reseller::limit::{MAX_PRICE, MEDICINES_DEFAULT, MEDICINES_PER_ROUND};
use crate::reseller::saga::Shop;
use crate::store::StoreError;

/// The polling process's duty, and how long it keeps it without a sign of life.
const DUTY: (&str, Duration) = ("medicines", Duration::from_secs(60));

/// Pause between two rounds: a round takes up what is due, medicine by medicine.
const ROUND: Duration = Duration::from_secs(1);

/// The pharmacy's list, as far as it is needed.
#[derive(Deserialize)]
struct Listed {
    items: Vec<Product>,
}

/// Polls until it is dropped.
pub(crate) async fn poll(reseller: Reseller) {
    let mut failures = 0_u32;
    let mut started = false;
    loop {
        let done = async {
            if !reseller.db().lease(DUTY.0, DUTY.1).await.map_err(|error| error.to_string())? {
                return Ok(());
            }
            if !started {
                begin(&reseller).await?;
                started = true;
            }
            round(&reseller).await
        };
        match done.await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(error = String::as_str(&error), failures, "medicines cannot be polled");
            }
        }
        tokio::time::sleep(jittered(ROUND, failures)).await;
    }
}

/// Wants some of the pharmacy's own list, so that there is something to see before anybody asks.
async fn begin(reseller: &Reseller) -> Result<(), String> {
    let path = format!("/products?limit={MEDICINES_DEFAULT}");
    let listed: Listed =
        reseller.peer(Shop::Pharmacy).get(&path, &Reseller::partner()).await.map_err(|error| error.to_string())?;
    let skus: Vec<String> = listed.items.into_iter().map(|product| product.sku).collect();
    let wanted = reseller
        .db()
        .write::<(), StoreError, _>(None, move |tx| Box::pin(async move { want_medicines(tx, &skus).await }));
    wanted.await.map_err(|error| error.to_string())
}

async fn round(reseller: &Reseller) -> Result<(), String> {
    let (db, now) = (reseller.db(), reseller.now());
    let every = Duration::from_secs(reseller.settings().medicines_every_s);
    let due = due_medicines(db, now, MEDICINES_PER_ROUND).await.map_err(|error| error.to_string())?;
    let mut told = Vec::new();
    for (sku, failures) in due {
        match ask(reseller, &sku).await {
            Ok(product) => told.push((product, jittered(every, 0))),
            Err(error) => {
                let wait = jittered(every, failures.saturating_add(1));
                let failed = db.write::<(), StoreError, _>(None, move |tx| {
                    Box::pin(async move { medicine_failed(tx, &sku, wait).await })
                });
                failed.await.map_err(|error| error.to_string())?;
                if let PeerError::Unavailable(why) = error {
                    return Err(why);
                }
            }
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    let kept = db.write::<(), StoreError, _>(None, move |tx| Box::pin(async move { put_medicines(tx, &told).await }));
    kept.await.map_err(|error| error.to_string())
}

async fn ask(reseller: &Reseller, sku: &str) -> Result<Product, PeerError> {
    let path = format!("/products/{sku}");
    let product: Product = reseller.peer(Shop::Pharmacy).get(&path, &Reseller::partner()).await?;
    if product.sku == sku && (0..=MAX_PRICE).contains(&product.price.minor) {
        Ok(product)
    } else {
        Err(PeerError::Garbled("another product, or a price outside the limits".to_owned()))
    }
}

/// A medicine as the pharmacy tells now, or as it last told if it does not answer. None if it has no such medicine. From now
/// on it is polled.
pub(crate) async fn fresh(reseller: &Reseller, sku: &str) -> Result<Option<Medicine>, Problem> {
    let every = Duration::from_secs(reseller.settings().medicines_every_s);
    match ask(reseller, sku).await {
        Ok(product) => {
            let (now, told) = (reseller.now(), product.clone());
            let kept = reseller.db().write::<(), StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    want_medicines(tx, std::slice::from_ref(&told.sku)).await?;
                    put_medicines(tx, &[(told, jittered(every, 0))]).await
                })
            });
            kept.await?;
            Ok(Some(Medicine { product, seen_at: now }))
        }
        Err(PeerError::Refused(_)) => Ok(None),
        Err(PeerError::Unavailable(_) | PeerError::Garbled(_)) => match medicine(reseller.db(), sku).await? {
            Some(known) => Ok(Some(known)),
            None => Err(Problem::unavailable("the pharmacy does not answer").retry_after(Duration::from_secs(5))),
        },
    }
}
