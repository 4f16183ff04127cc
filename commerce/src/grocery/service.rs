//! What staff does with promotions, and the round that tells of those that began or ended.

use crate::clock::Timestamp;
use crate::id::PromotionId;
use crate::shop::Rejection;
use crate::store::{Once, StoreError};

use super::limit::{PER_PRODUCT, TELL_EVERY, TELL_LEASE, TOLD};
use super::model::Promotion;
use super::{Grocery, store};

fn wrong(pointer: &str, detail: &'static str) -> Rejection {
    Rejection::Invalid { pointer: pointer.to_owned(), detail }
}

impl Grocery {
    /// Makes a new promotion.
    ///
    /// # Errors
    /// There is no such product, it has too many promotions at that time, or the values make no sense together.
    pub(super) async fn add_promotion(&self, once: &Once, promotion: Promotion) -> Result<Promotion, Rejection> {
        let made = self
            .shop
            .db()
            .write::<Promotion, Rejection, _>(Some(once), move |tx| {
                Box::pin(async move {
                    check(tx, &promotion).await?;
                    if promotion.ends_at <= tx.now() {
                        return Err(wrong("/ends_at", "is past"));
                    }
                    store::put(tx, &promotion).await?;
                    Ok(promotion)
                })
            })
            .await?;
        self.shop.changed(&made.sku).await;
        Ok(made)
    }

    /// Changes a promotion, if `version` is its newest. What it takes off, and of what, stays as it is from its beginning on:
    /// the prices that were asked are history.
    ///
    /// # Errors
    /// As [`Grocery::add_promotion`], or it is not the newest version, or has begun.
    pub(super) async fn change_promotion(&self, version: i64, mut to: Promotion) -> Result<Promotion, Rejection> {
        let changed = self
            .shop
            .db()
            .write::<Promotion, Rejection, _>(None, move |tx| {
                Box::pin(async move {
                    let old = store::one_in(tx, &to.id).await?.ok_or(Rejection::NotFound("promotion"))?;
                    if old.version != version {
                        return Err(Rejection::Stale(old.version));
                    }
                    let fixed = (&old.sku, old.reduction, old.starts_at) == (&to.sku, to.reduction, to.starts_at);
                    if old.starts_at <= tx.now() && !fixed {
                        return Err(wrong(
                            "/reduction",
                            "product, reduction and beginning are fixed once it has begun",
                        ));
                    }
                    if to.quota.is_some_and(|quota| quota < old.used) {
                        return Err(wrong("/quota", "is less than what was given away"));
                    }
                    // The past stays: it can end now, not earlier.
                    if old.starts_at <= tx.now() && to.ends_at < tx.now().min(old.ends_at) {
                        return Err(wrong("/ends_at", "is past"));
                    }
                    check(tx, &to).await?;
                    (to.version, to.used) = (old.version + 1, old.used);
                    store::put(tx, &to).await?;
                    crate::shop::touch(tx, std::slice::from_ref(&to.sku)).await?;
                    Ok(to)
                })
            })
            .await?;
        self.shop.changed(&changed.sku).await;
        Ok(changed)
    }

    /// Ends a promotion now; one that has not begun is removed.
    ///
    /// # Errors
    /// There is none, or `version` is not its newest.
    pub(super) async fn end_promotion(&self, id: PromotionId, version: i64) -> Result<(), Rejection> {
        let ended = self
            .shop
            .db()
            .write::<Promotion, Rejection, _>(None, move |tx| {
                Box::pin(async move {
                    let mut promotion = store::one_in(tx, &id).await?.ok_or(Rejection::NotFound("promotion"))?;
                    if promotion.version != version {
                        return Err(Rejection::Stale(promotion.version));
                    }
                    let now = tx.now();
                    if promotion.starts_at > now {
                        store::remove(tx, &id).await?;
                    } else if promotion.ends_at > now {
                        promotion.version += 1;
                        // Never shorter than a moment: what was sold at its price was sold while it held.
                        promotion.ends_at = now.max(Timestamp(promotion.starts_at.0 + 1));
                        store::put(tx, &promotion).await?;
                        crate::shop::touch(tx, std::slice::from_ref(&promotion.sku)).await?;
                    }
                    Ok(promotion)
                })
            })
            .await?;
        self.shop.changed(&ended.sku).await;
        Ok(())
    }

    /// Tells of promotions that began or ended until it is dropped; one process of several does it. Cancel safe.
    pub(super) async fn tell(self) {
        loop {
            match self.tell_once().await {
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "promotions were not told of"),
                Ok(_) => {}
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    }

    /// One round. Returns how many products were told of.
    pub(super) async fn tell_once(&self) -> Result<usize, StoreError> {
        let db = self.shop.db();
        if !store::untold(db, self.shop.now()).await? || !db.lease("promotions", TELL_LEASE).await? {
            return Ok(0);
        }
        let told = db.write::<_, StoreError, _>(None, |tx| Box::pin(store::tell(tx, TOLD))).await?;
        for sku in &told {
            self.shop.changed(sku).await;
        }
        Ok(told.len())
    }
}

/// Whether a promotion makes sense beside the product and its other promotions.
async fn check(tx: &mut crate::store::Tx, promotion: &Promotion) -> Result<(), Rejection> {
    if promotion.ends_at <= promotion.starts_at {
        return Err(wrong("/ends_at", "must be after the beginning"));
    }
    let Some((product, _)) = crate::shop::product_in(tx, &promotion.sku).await? else {
        return Err(wrong("/sku", "there is no such product"));
    };
    if promotion.reduction.price(product.price)?.is_none() {
        return Err(wrong("/reduction", "must be less than the list price, in its currency"));
    }
    if store::overlapping(tx, promotion).await? >= i64::try_from(PER_PRODUCT).unwrap_or(i64::MAX) {
        return Err(wrong("/sku", "has too many promotions at that time"));
    }
    Ok(())
}
