//! The pharmacy: medicines, prescriptions, advice, and orders that only a pharmacy may fill.
//!
//! Orders go through the order book that all shops share; [`rules`] adds that a prescription medicine needs a prescription of
//! the customer's own, which the order holds (locked) until it is dispensed, called off or expires. Everything that is seen or
//! done with a prescription leaves a note in the same transaction. The seller of record is the pharmacy, also where another
//! relays the order; what was dispensed cannot be returned, so there is no such route.
//!
//! The search index lives in memory and is built from the database's rows ([`index`]); the catalogue of the demonstration is
//! made up and says so in every answer (`synthetic`).

mod advice;
mod catalogue;
mod import;
mod index;
mod limit;
mod medicine;
mod nomenclature;
mod outgoing;
mod prescription;
mod price_list;
#[expect(unused_qualifications, reason = "what describes the routes qualifies the types of parameters")]
mod routes;
mod rules;
mod rx;
#[expect(unused_qualifications, reason = "what describes the routes qualifies the types of parameters")]
mod rx_routes;
mod schema;
mod seed;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use utoipa_axum::router::OpenApiRouter;

use self::catalogue::Catalogue;
use self::limit::{DESK_BATCH, DESK_EVERY, DESK_LEASE};
use self::nomenclature::Nomenclature;
use self::rules::PharmacyRules;
use crate::actor::Actor;
use crate::commerce::StartError;
use crate::context::{Context, Tasks};
use crate::fault::Faults;
use crate::job::JobKind;
use crate::money::Money;
use crate::peer::Peers;
use crate::shop::{self, Profile, Shop, ShopSettings};
use crate::store::{Migration, StoreError};

#[cfg(test)]
pub(crate) use import::ImportError;
pub(crate) use import::import;
pub(crate) use price_list::Columns;
pub use settings::PharmacySettings;

/// The tables of the pharmacy's database.
pub(crate) const MIGRATIONS: &[&[Migration]] = &[shop::MIGRATIONS, schema::MIGRATIONS];

/// The pharmacy. Clones share it.
#[derive(Clone)]
pub(crate) struct Pharmacy {
    shop: Shop<PharmacyRules>,
    catalogue: Catalogue,
    peers: Peers,
    faults: Faults,
    auto_advice: Option<Duration>,
}

impl Pharmacy {
    /// Opens the pharmacy's database and catalogue; fills an empty one if the settings say so.
    pub(crate) async fn open(
        context: &Context,
        settings: &PharmacySettings,
        orders: &ShopSettings,
    ) -> Result<Self, StartError> {
        let db = context.database(Actor::Pharmacy, MIGRATIONS).await?;
        let names = Nomenclature::load().map_err(|error| StoreError::Value(error.to_string()))?;
        let catalogue = Catalogue::open(db.clone(), names).await?;
        if context.seed {
            let packages = seed::packages(settings.seed_packages);
            catalogue.seed(packages.map_err(|error| StoreError::Value(error.to_string()))?).await?;
        }
        let profile = Profile {
            actor: Actor::Pharmacy,
            seller: "Demo Apteekki",
            location: seed::PHARMACIES[0].location,
            restricted: None,
            shipping: Money::eur(0),
            free_from: None,
        };
        let (ttl, dispatch_after) = (settings.ttl(), orders.dispatch_after());
        let rules = PharmacyRules { catalogue: catalogue.clone(), ttl, dispatch_after };
        // The pharmacy sends its orders itself, with a parcel: the order book must not.
        let orders = ShopSettings { order_ttl_s: ttl.as_secs(), dispatch_after_ms: 0, ..orders.clone() };
        let shop = Shop::new(db, profile, rules, &orders, context.clock.clone(), context.faults.clone());
        shop.audit_nightly(&context.jobs, JobKind::new("pharmacy.audit"));
        let (peers, faults) = (context.peers.clone(), context.faults.clone());
        Ok(Self { shop, catalogue, peers, faults, auto_advice: settings.auto_advice() })
    }

    /// What it answers, without the prefix.
    pub(crate) fn routes(&self) -> OpenApiRouter {
        shop::catalogue_routes(self.shop.clone())
            .merge(shop::customer_step_routes(self.shop.clone()))
            .merge(routes::routes(self.clone()))
            .merge(rx_routes::routes(self.clone()))
            .merge(crate::event::routes(self.shop.db()))
    }

    /// Starts what it does by itself.
    pub(crate) fn spawn(&self, tasks: &mut Tasks) {
        tasks.spawn("pharmacy.orders", self.shop.run());
        tasks.spawn("pharmacy.desk", self.clone().run());
    }

    /// Advises (demonstration) and sends orders until it is dropped; one process of several does it. Cancel safe.
    async fn run(self) {
        loop {
            match self.round().await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(DESK_EVERY).await,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the pharmacy's desk failed");
                    tokio::time::sleep(DESK_LEASE).await;
                }
            }
        }
    }

    /// One round; `true` if there may be more to do at once.
    async fn round(&self) -> Result<bool, StoreError> {
        if !self.shop.db().lease("pharmacy.desk", DESK_LEASE).await? {
            return Ok(false);
        }
        let (advised, sent) = (self.advise_due().await?, self.send_due().await?);
        let full = usize::try_from(DESK_BATCH).unwrap_or(usize::MAX);
        Ok(advised >= full || sent >= full)
    }
}
