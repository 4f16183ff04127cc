//! What the furniture shop does beside taking orders.

use tokio::sync::OwnedSemaphorePermit;

use super::limit::{DISCOUNT_TIME, TELL_EVERY, TELL_LEASE, TIDY_EVERY};
use super::store::{self, DiscountError, DiscountView};
use super::{Furniture, NewDiscountError};
use crate::id::Sku;
use crate::problem::Problem;
use crate::shop;
use crate::store::{Once, StoreError, args};

impl Furniture {
    /// A place among those whose exports are streamed.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.inner.streamed.clone().try_acquire_owned().map_err(|_| {
            let problem =
                Problem::overloaded("as many exports are being streamed as may be; POST /exports has no such bound");
            problem.retry_after(std::time::Duration::from_secs(10))
        })
    }

    /// Makes a discount.
    ///
    /// # Errors
    /// See [`NewDiscountError`].
    pub(super) async fn make_discount(
        &self,
        once: Option<&Once>,
        new: DiscountView,
    ) -> Result<DiscountView, NewDiscountError> {
        let longest = new.starts_at.after(DISCOUNT_TIME);
        if new.ends_at <= new.starts_at || new.ends_at <= self.now() || new.ends_at > longest {
            return Err(NewDiscountError::Window);
        }
        let made = self
            .db()
            .write::<DiscountView, DiscountError, _>(once, move |tx| {
                Box::pin(async move {
                    store::insert(tx, &new).await?;
                    Ok(new)
                })
            })
            .await?;
        self.forget(&made.skus).await;
        Ok(made)
    }

    /// Discounts that are on or to come.
    pub(super) async fn discounts(&self) -> Result<Vec<DiscountView>, StoreError> {
        store::list(self.db(), self.now()).await
    }

    /// Ends a discount now.
    pub(super) async fn end_discount(&self, id: String) -> Result<(), DiscountError> {
        self.db()
            .write::<(), DiscountError, _>(None, move |tx| Box::pin(async move { store::end(tx, &id).await }))
            .await
    }

    /// Takes a product out of the catalogue; `false` if there is no such product.
    pub(super) async fn withdraw(&self, once: Option<&Once>, sku: Sku) -> Result<bool, StoreError> {
        let asked = sku.clone();
        let known = self
            .db()
            .write::<bool, StoreError, _>(once, move |tx| {
                Box::pin(async move {
                    let update = "UPDATE product SET active = 0 WHERE sku = $1 AND active = 1";
                    if tx.run(update, args![&asked]).await? == 0 {
                        return Ok(false);
                    }
                    shop::touch(tx, std::slice::from_ref(&asked)).await?;
                    Ok(true)
                })
            })
            .await?;
        self.forget(&[sku]).await;
        Ok(known)
    }

    pub(super) async fn forget(&self, skus: &[Sku]) {
        for sku in skus {
            self.shop().changed(sku).await;
        }
    }

    /// Tells partners of discounts that begin or end, until it is dropped; one process of several does it.
    pub(super) async fn tell(self) {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            match self.tell_once().await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "discounts could not be told"),
            }
        }
    }

    /// One round of [`Furniture::tell`].
    pub(super) async fn tell_once(&self) -> Result<(), StoreError> {
        if !self.db().lease("discount", TELL_LEASE).await? || !store::is_due(self.db(), self.now()).await? {
            return Ok(());
        }
        self.db().write::<(), StoreError, _>(None, |tx| Box::pin(async move { store::tell(tx).await })).await
    }

    /// Queues what a crash left, then removes what is no longer needed again and again, until it is dropped.
    pub(super) async fn tidy(self) {
        if let Err(error) = self.resume().await {
            tracing::error!(%error, "exports and webhooks could not be taken up again");
        }
        loop {
            match self.exports().tidy().await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "old exports could not be removed"),
            }
            tokio::time::sleep(TIDY_EVERY).await;
        }
    }

    async fn resume(&self) -> Result<(), StoreError> {
        self.exports().resume().await?;
        self.inner.webhooks.resume().await
    }
}
