//! The reseller (темщик): other shops' goods under one order, to one door.
//!
//! It collects what grocery and furniture shop offer, prices it with a margin and relays the pharmacy's medicines at the
//! pharmacy's price. A basket is spread over the shops at the least cost ([`sourcing`]); the order then goes its way as a
//! [`saga`], which ends whole or undone whatever fails: a [`driver`] does what the saga says is due, through the other actors'
//! services, and writes down what came of it.

mod book;
mod driver;
mod limit;
mod news;
mod offers;
mod order;
mod payment;
mod perform;
mod quote;
mod routes;
mod saga;
mod schema;
mod settings;
mod sourcing;
#[cfg(test)]
mod tests;
use std::sync::Arc;
use std::time::Duration;

use utoipa_axum::router::OpenApiRouter;

use crate::auth::Scope;
use crate::clock::Timestamp;
use crate::commerce::StartError;
use crate::context::{Actor, Context, Tasks};
use crate::fault::Faults;
use crate::id::new_uuid;
use crate::peer::{Identity, Peer};
use crate::store::Database;

use offers::Margins;
use payment::{DemoProvider, Provider};
use saga::{Policy, Shop};
use sourcing::Planner;

pub use offers::Rounding;
pub use settings::ResellerSettings;
pub(crate) use sourcing::measure as measure_sourcing;

/// The reseller. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Reseller {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    context: Context,
    db: Database,
    settings: ResellerSettings,
    policy: Policy,
    margins: Margins,
    planner: Planner,
    provider: Arc<dyn Provider>,
    /// Names this process in claims on orders.
    process: String,
}

impl Reseller {
    /// Opens the database.
    ///
    /// # Errors
    /// See [`StartError`].
    pub(crate) async fn open(context: &Context, settings: &ResellerSettings) -> Result<Self, StartError> {
        let db = context.database(Actor::Reseller, &[schema::MIGRATIONS]).await?;
        let provider = Arc::new(DemoProvider::new(db.clone(), context.faults.clone()));
        Ok(Self::with(context, settings, db, provider).await?)
    }

    /// With a database and a payment provider.
    async fn with(
        context: &Context,
        settings: &ResellerSettings,
        db: Database,
        provider: Arc<dyn Provider>,
    ) -> Result<Self, crate::store::StoreError> {
        book::forget_claims(&db).await?;
        let shared = Shared {
            context: context.clone(),
            db,
            policy: settings.policy(),
            margins: settings.margins(),
            planner: Planner::new(Duration::from_millis(settings.sourcing_ms)),
            settings: settings.clone(),
            provider,
            process: new_uuid(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The HTTP routes, without a prefix.
    pub(crate) fn routes(&self) -> OpenApiRouter {
        routes::routes(self.clone()).merge(crate::event::routes(&self.shared.db))
    }

    /// Starts what works by itself: following offers and events, polling medicines, driving orders.
    pub(crate) fn spawn(&self, tasks: &mut Tasks) {
        tasks.spawn("reseller.offers.grocery", offers::follow(self.clone(), Shop::Grocery));
        tasks.spawn("reseller.offers.furniture", offers::follow(self.clone(), Shop::Furniture));
        tasks.spawn("reseller.offers.pharmacy", offers::follow(self.clone(), Shop::Pharmacy));
        tasks.spawn("reseller.medicines", offers::poll(self.clone()));
        tasks.spawn("reseller.driver", driver::drive(self.clone()));
        news::follow(self, tasks);
    }

    fn db(&self) -> &Database {
        &self.shared.db
    }

    fn context(&self) -> &Context {
        &self.shared.context
    }

    fn settings(&self) -> &ResellerSettings {
        &self.shared.settings
    }

    fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    fn margins(&self) -> &Margins {
        &self.shared.margins
    }

    fn planner(&self) -> &Planner {
        &self.shared.planner
    }

    fn provider(&self) -> &dyn Provider {
        self.shared.provider.as_ref()
    }

    fn faults(&self) -> &Faults {
        &self.shared.context.faults
    }

    fn process(&self) -> &str {
        &self.shared.process
    }

    fn now(&self) -> Timestamp {
        self.shared.context.clock.now()
    }

    fn peer(&self, shop: Shop) -> Peer {
        self.shared.context.peers.get(actor(shop))
    }

    /// As whom the reseller reads what partners may read.
    fn partner() -> Identity {
        let scopes = vec![Scope::OffersRead, Scope::CatalogRestricted];
        Identity { from: Actor::Reseller, scopes, on_behalf_of: None }
    }
}

/// The actor that is a shop.
fn actor(shop: Shop) -> Actor {
    match shop {
        Shop::Grocery => Actor::Grocery,
        Shop::Furniture => Actor::Furniture,
        Shop::Pharmacy => Actor::Pharmacy,
    }
}
