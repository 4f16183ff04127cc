//! The grocery «Запрещенка РФ»: kinds of food whose import was restricted, seen only with the scope `catalog:restricted`; without
//! it every path answers as if nothing were there. Promotions with window, quota and limit per customer.
//!
//! All goods are made up; see `seed.rs`.

mod limit;
mod model;
mod routes;
mod rules;
mod seed;
mod service;
mod store;
#[cfg(test)]
mod tests;

use utoipa_axum::router::OpenApiRouter;

use crate::auth::Scope;
use crate::commerce::StartError;
use crate::context::{Actor, Context, Tasks};
use crate::id::IdError;
use crate::job::JobKind;
use crate::money::Money;
use crate::shop::{self, Profile, Shop, ShopSettings};
use crate::store::StoreError;

use rules::Promotions;

/// The grocery. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Grocery {
    shop: Shop<Promotions>,
}

impl Grocery {
    /// Opens its database, brings it to this version, and fills it with made-up goods if it is empty and that is wanted.
    ///
    /// # Errors
    /// The database cannot be used.
    pub(crate) async fn open(context: &Context, settings: &ShopSettings) -> Result<Self, StartError> {
        let db = context.database(Actor::Grocery, &[shop::MIGRATIONS, store::MIGRATIONS]).await?;
        if context.seed && shop::is_empty(&db).await? {
            let odd = |error: IdError| StoreError::Value(error.to_string());
            let (goods, promotions) =
                (seed::goods().map_err(odd)?, seed::promotions(context.clock.now()).map_err(odd)?);
            db.write::<(), StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    shop::fill(tx, &goods, "seed").await?;
                    for promotion in &promotions {
                        store::put(tx, promotion).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        let profile = Profile {
            actor: Actor::Grocery,
            seller: "Запрещенка РФ (demo)",
            location: "main",
            restricted: Some(Scope::CatalogRestricted),
            shipping: Money::eur(590),
            free_from: Some(Money::eur(6000)),
        };
        let (clock, faults) = (context.clock.clone(), context.faults.clone());
        let shop = Shop::new(db, profile, Promotions, settings, clock, faults);
        shop.audit_nightly(&context.jobs, JobKind::new("grocery.audit"));
        Ok(Self { shop })
    }

    /// All routes, without a prefix.
    pub(crate) fn routes(&self) -> OpenApiRouter {
        shop::routes(self.shop.clone()).merge(routes::routes(self.clone())).merge(crate::event::routes(self.shop.db()))
    }

    /// Gives the tasks their owner: ending and dispatching orders, telling partners.
    pub(crate) fn spawn(&self, tasks: &mut Tasks) {
        tasks.spawn("grocery orders", self.shop.run());
        tasks.spawn("grocery promotions", self.clone().tell());
    }
}
