//! Following the shops' offers: everything that changed since the last look, at intervals with jitter, more and more rarely
//! while a shop does not answer.

use std::time::Duration;

use super::model::{ShopOffers, ShopTerms};
use super::store::{progress, put_offers, put_terms};
use crate::limit::DUTY;
use crate::reseller::Reseller;
use crate::reseller::limit::{LAST_POLL, OFFERS_PER_PAGE};
use crate::reseller::saga::Shop;
use crate::store::StoreError;

/// Follows one shop until it is dropped.
pub(crate) async fn follow(reseller: Reseller, shop: Shop) {
    let every = Duration::from_millis(reseller.settings().offers_every_ms);
    let mut failures = 0_u32;
    loop {
        match round(&reseller, shop).await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(shop = shop.as_str(), error, failures, "offers cannot be read");
            }
        }
        tokio::time::sleep(jittered(every, failures)).await;
    }
}

/// The pause before the next look: doubled by each failure, and a fifth shorter or longer, so that many who follow the same
/// service do not all come at once.
pub(crate) fn jittered(every: Duration, failures: u32) -> Duration {
    let wait = every.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX)).min(LAST_POLL.max(every));
    // The last bits of a time-ordered identifier are random.
    let dice = uuid::Uuid::now_v7().as_bytes()[15];
    wait.mul_f64(0.8 + 0.4 * f64::from(dice) / 255.0)
}

/// The duty's name, one per shop.
fn duty(shop: Shop) -> &'static str {
    match shop {
        Shop::Grocery => "offers.grocery",
        Shop::Furniture => "offers.furniture",
        Shop::Pharmacy => "offers.pharmacy",
    }
}

async fn round(reseller: &Reseller, shop: Shop) -> Result<(), String> {
    let db = reseller.db();
    if !db.lease(duty(shop), DUTY).await.map_err(|error| error.to_string())? {
        return Ok(());
    }
    let (peer, identity) = (reseller.peer(shop), Reseller::partner());
    let terms: ShopTerms = peer.get("/terms", &identity).await.map_err(|error| error.to_string())?;
    let kept =
        db.write::<(), StoreError, _>(None, move |tx| Box::pin(async move { put_terms(tx, shop, &terms).await }));
    kept.await.map_err(|error| error.to_string())?;
    // Medicines are not collected: the pharmacy is asked for those that people want.
    if !shop.through_warehouse() {
        return Ok(());
    }
    loop {
        let after = progress(db, shop).await.map_err(|error| error.to_string())?;
        let path = format!("/offers?after={after}&limit={OFFERS_PER_PAGE}");
        let page: ShopOffers = peer.get(&path, &identity).await.map_err(|error| error.to_string())?;
        let (more, next) = (page.more && page.next > after, page.next.max(after));
        let kept = db.write::<u64, StoreError, _>(None, move |tx| {
            Box::pin(async move { put_offers(tx, shop, &page.offers, next).await })
        });
        kept.await.map_err(|error| error.to_string())?;
        if !more {
            return Ok(());
        }
    }
}
