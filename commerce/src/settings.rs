//! What an operator decides: TOML file, then environment (`EFIR_…`), then flags.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use process::{Contradiction, HttpSettings, LogSettings};
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::auth::AuthSettings;
use crate::carrier::CarrierSettings;
use crate::courier::CourierSettings;
use crate::fault::Fault;
use crate::furniture::FurnitureSettings;
use crate::pharmacy::PharmacySettings;
use crate::reseller::ResellerSettings;
use crate::shop::ShopSettings;
use crate::store::StorageSettings;
use crate::warehouse::WarehouseSettings;

/// TCP port of a process of its own.
const DEFAULT_PORT: u16 = 8090;

/// Settings of the shops, in a process of their own or beside others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommerceSettings {
    /// Actors that live in this process. The others are reached at their `url`.
    pub actors: Vec<Actor>,
    /// TCP addresses for HTTP; none if another server of the process carries the routes.
    pub listen: Vec<SocketAddr>,
    /// HTTP over TCP.
    pub http: HttpSettings,
    /// Bounds on callers.
    pub limit: LimitSettings,
    /// Tokens.
    pub auth: AuthSettings,
    /// Databases.
    pub storage: StorageSettings,
    /// Calls to actors elsewhere.
    pub peer: PeerSettings,
    /// NATS server whose JetStream carries events between processes: `nats://host:4222`. Without it actors read each other's
    /// feeds over HTTP. Needs the feature `nats`.
    pub nats_url: Option<String>,
    /// Name of the stream there and first word of its subjects: letters, digits, `-` and `_`. Several installations on one
    /// server need names of their own.
    pub nats_name: String,
    /// For trying things out on one machine: hands out demo tokens to everybody who asks, and whatever people would do by
    /// hand (advise, dispatch, pick, pack) goes by itself after a few seconds.
    pub demo: bool,
    /// Fills empty databases with synthetic goods.
    pub seed: bool,
    /// Faults on purpose from the start, by name, for tests.
    pub fault: BTreeMap<String, Fault>,
    /// Orders of all shops.
    pub shop: ShopSettings,
    /// The pharmacy.
    pub pharmacy: PharmacySettings,
    /// The grocery.
    pub grocery: ActorSettings,
    /// The furniture shop.
    pub furniture: FurnitureSettings,
    /// The reseller.
    pub reseller: ResellerSettings,
    /// The warehouse.
    pub warehouse: WarehouseSettings,
    /// The couriers.
    pub courier: CourierSettings,
    /// The simulated carrier.
    pub carrier: CarrierSettings,
    /// Logs; those of the process if it has other parts.
    pub log: LogSettings,
}

/// Settings of an actor that has none of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActorSettings {
    /// Where it is if not in this process: `http://host:port`, before `/api/v1`.
    pub url: Option<String>,
}

/// Bounds on callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests under way at a time in this process; further ones are answered 503 at once.
    pub in_flight: usize,
    /// Milliseconds until the head of an answer must be there.
    pub timeout_ms: u64,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Requests per second that each caller may make in the long run; 0 for as many as it likes.
    pub rate: u32,
    /// Requests that a caller who was quiet may make at once.
    pub burst: u32,
    /// Live streams of events at a time; further ones are answered 503.
    pub streams: usize,
}

/// Calls to actors elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeerSettings {
    /// PEM file of the authorities to trust for `https://` URLs.
    pub ca: Option<PathBuf>,
}

impl Default for CommerceSettings {
    fn default() -> Self {
        Self {
            actors: Actor::ALL.to_vec(),
            listen: vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into(), (Ipv6Addr::LOCALHOST, DEFAULT_PORT).into()],
            http: HttpSettings::default(),
            limit: LimitSettings::default(),
            auth: AuthSettings::default(),
            storage: StorageSettings::default(),
            peer: PeerSettings::default(),
            nats_url: None,
            nats_name: "efir".to_owned(),
            demo: false,
            seed: true,
            fault: BTreeMap::new(),
            shop: ShopSettings::default(),
            pharmacy: PharmacySettings::default(),
            grocery: ActorSettings::default(),
            furniture: FurnitureSettings::default(),
            reseller: ResellerSettings::default(),
            warehouse: WarehouseSettings::default(),
            courier: CourierSettings::default(),
            carrier: CarrierSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { in_flight: 1024, timeout_ms: 10_000, body_bytes: 256 * 1024, rate: 200, burst: 1000, streams: 256 }
    }
}

impl LimitSettings {
    /// How long until the head of an answer must be there.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// How long a demonstration lets people see each step, in milliseconds.
const DEMO_STEP_MS: u64 = 3_000;

impl CommerceSettings {
    /// What is in effect: in a demonstration nothing waits for hands, unless the settings say when it goes by itself.
    pub(crate) fn in_effect(mut self) -> Self {
        if self.demo {
            let steps =
                [&mut self.shop.dispatch_after_ms, &mut self.pharmacy.auto_advice_ms, &mut self.warehouse.auto_ms];
            for step in steps {
                if *step == 0 {
                    *step = DEMO_STEP_MS;
                }
            }
        }
        self
    }

    /// Where an actor is that is not in this process. One line per actor, as their settings are types of their own.
    pub(crate) fn url(&self, actor: Actor) -> Option<&str> {
        let url = match actor {
            Actor::Pharmacy => &self.pharmacy.url,
            Actor::Grocery => &self.grocery.url,
            Actor::Furniture => &self.furniture.url,
            Actor::Reseller => &self.reseller.url,
            Actor::Warehouse => &self.warehouse.url,
            Actor::Courier => &self.courier.url,
            Actor::Carrier => &self.carrier.url,
        };
        url.as_deref()
    }

    /// What makes no sense together.
    ///
    /// # Errors
    /// The first contradiction, in the operator's words.
    pub fn check(&self) -> Result<(), Contradiction> {
        let zero = |key: &str| Err(Contradiction::new(key, "must be at least 1"));
        let LimitSettings { in_flight, timeout_ms, body_bytes, rate, burst, streams: _ } = &self.limit;
        if *in_flight == 0 {
            return zero("limit.in_flight");
        }
        if *timeout_ms == 0 {
            return zero("limit.timeout_ms");
        }
        if *body_bytes == 0 {
            return zero("limit.body_bytes");
        }
        if *rate > 0 && *burst == 0 {
            return zero("limit.burst");
        }
        if self.shop.order_ttl_s == 0 {
            return zero("shop.order_ttl_s");
        }
        if self.pharmacy.order_ttl_s == 0 {
            return zero("pharmacy.order_ttl_s");
        }
        if self.shop.waiting == 0 {
            return zero("shop.waiting");
        }
        if self.auth.longest_s == 0 {
            return zero("auth.longest_s");
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.nats_name.is_empty() || !self.nats_name.bytes().all(letter) {
            return Err(Contradiction::new("nats_name", "takes letters, digits, - and _"));
        }
        for actor in &self.actors {
            if self.url(*actor).is_some() {
                return Err(Contradiction::new(format!("{actor}.url"), "names a place for an actor of this process"));
            }
        }
        if let Err(report) = garde::Validate::validate(&self.courier) {
            return Err(Contradiction::new("courier", report.to_string()));
        }
        if let Err(report) = garde::Validate::validate(&self.carrier) {
            return Err(Contradiction::new("carrier", report.to_string()));
        }
        if let Err(report) = garde::Validate::validate(&self.reseller) {
            let key = report.iter().next().map_or_else(String::new, |(path, _)| path.to_string());
            return Err(Contradiction::new(format!("reseller.{key}"), "is out of range"));
        }
        for (name, fault) in &self.fault {
            if garde::Validate::validate(fault).is_err() {
                return Err(Contradiction::new(format!("fault.\"{name}\""), "is out of range"));
            }
        }
        Ok(())
    }
}
