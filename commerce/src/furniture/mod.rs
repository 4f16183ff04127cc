//! The furniture shop: catalogue, discounts, orders through the shared order book, and the whole catalogue as exports.
//!
//! Prices are list prices and discounts over them ([`discount`]); [`export`] tells of exports, which are streamed, or written
//! into files by jobs with a signed webhook at the end.

mod discount;
mod export;
mod limit;
mod routes;
mod rules;
mod schema;
mod seed;
mod service;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

use self::export::Exports;
pub(crate) use self::limit::BULK_ROWS;
use self::rules::FurnitureRules;
pub(crate) use self::seed::bulk;
pub use self::settings::FurnitureSettings;
use crate::clock::Timestamp;
use crate::commerce::StartError;
use crate::context::{Actor, Context, Tasks};
use crate::event;
use crate::job::JobKind;
use crate::money::Money;
use crate::shop::{self, Profile, Shop, ShopSettings};
use crate::store::{Database, StoreError};
use crate::webhook::{self, Webhooks};

/// Where the goods are: one place.
const LOCATION: &str = "store";
/// Delivers webhooks.
const DELIVERY: JobKind = webhook::delivery_kind("furniture.webhook");
/// Goes through the books at night.
const AUDIT: JobKind = JobKind::new("furniture.audit");

/// The furniture shop. Clones are the same shop.
#[derive(Debug, Clone)]
pub(crate) struct Furniture {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shop: Shop<FurnitureRules>,
    exports: Exports,
    webhooks: Webhooks,
    /// Places for exports that are streamed.
    streamed: Arc<Semaphore>,
}

/// Why a discount is not made.
#[derive(Debug, thiserror::Error)]
enum NewDiscountError {
    /// It ends before it begins, or lasts too long.
    #[error("the time is not allowed")]
    Window,
    /// Something else.
    #[error(transparent)]
    Discount(#[from] store::DiscountError),
}

/// The shop's database.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn database(context: &Context) -> Result<Database, StoreError> {
    context.database(Actor::Furniture, &[shop::MIGRATIONS, webhook::MIGRATIONS, schema::MIGRATIONS]).await
}

/// Opens the shop, and fills an empty one if asked to.
///
/// # Errors
/// The database or the folder of exports cannot be used.
pub(crate) async fn open(
    context: &Context,
    settings: &FurnitureSettings,
    orders: &ShopSettings,
) -> Result<Furniture, StartError> {
    let db = database(context).await?;
    if context.seed && shop::is_empty(&db).await? {
        seed::fill(&db, context.demo).await?;
    }
    let profile = Profile {
        actor: Actor::Furniture,
        seller: "Efir Furniture (demo)",
        location: LOCATION,
        restricted: None,
        shipping: Money::eur(3990),
        free_from: Some(Money::eur(50_000)),
    };
    let (clock, faults) = (context.clock.clone(), context.faults.clone());
    let shop = Shop::new(db.clone(), profile, FurnitureRules, orders, clock, faults.clone());
    let webhooks = Webhooks::new(db.clone(), &context.jobs, DELIVERY, &[export::READY], settings.webhook)
        .map_err(|error| StartError::Database(error.into()))?;
    let folder = export_folder(context, settings)?;
    let file = |source| StartError::File { path: folder.clone(), source };
    let exports = Exports::new(db, &context.jobs, faults, webhooks.clone(), folder.clone(), settings.export_keep())
        .map_err(file)?;
    let streamed = Arc::new(Semaphore::new(limit::STREAMED));
    let furniture = Furniture { inner: Arc::new(Inner { shop, exports, webhooks, streamed }) };
    furniture.shop().audit_nightly(&context.jobs, AUDIT);
    Ok(furniture)
}

fn export_folder(context: &Context, settings: &FurnitureSettings) -> Result<PathBuf, StartError> {
    let beside = || context.storage.path().map(|folder| folder.join("furniture-exports"));
    settings.export_folder.clone().or_else(beside).ok_or_else(|| {
        let source = std::io::Error::other("`furniture.export_folder` must be set with PostgreSQL");
        StartError::File { path: PathBuf::from("furniture-exports"), source }
    })
}

impl Furniture {
    /// Everything it offers, without its prefix.
    pub(crate) fn routes(&self) -> OpenApiRouter {
        shop::routes(self.inner.shop.clone())
            .merge(routes::routes(self.clone()))
            .merge(webhook::routes(self.inner.webhooks.clone()))
            .merge(event::routes(self.db()))
    }

    /// Gives it its tasks.
    pub(crate) fn spawn(&self, tasks: &mut Tasks) {
        tasks.spawn("furniture.sweep", self.inner.shop.run());
        tasks.spawn("furniture.discounts", self.clone().tell());
        tasks.spawn("furniture.exports", self.clone().tidy());
    }

    fn shop(&self) -> &Shop<FurnitureRules> {
        &self.inner.shop
    }

    fn db(&self) -> &Database {
        self.inner.shop.db()
    }

    fn exports(&self) -> &Exports {
        &self.inner.exports
    }

    fn now(&self) -> Timestamp {
        self.inner.shop.now()
    }
}
