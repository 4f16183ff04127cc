//! Pharmacy, grocery, furniture shop, reseller, warehouse and couriers as tower services.
//!
//! Each actor is a folder with its pure rules apart from storage and HTTP, a database of its own, and routes behind one
//! visible stack of middleware (`stack`). Actors talk to each other through `peer`s: in memory when they share a process,
//! over HTTP when they do not. `commerce` wires them up.

mod actor;
mod address;
mod auth;
mod carrier;
mod clock;
mod command;
mod commerce;
mod context;
mod courier;
mod describe;
mod event;
mod fault;
mod furniture;
mod grocery;
mod http;
mod id;
mod job;
mod language;
mod layer;
mod limit;
mod money;
mod page;
mod peer;
mod pharmacy;
mod problem;
mod reseller;
mod routes;
mod settings;
mod shop;
mod stack;
mod store;
#[cfg(test)]
mod test;
mod warehouse;
mod webhook;

pub use actor::Actor;
pub use auth::{AuthSettings, KeyError};
pub use carrier::CarrierSettings;
pub use command::{Flags, start};
pub use commerce::{Commerce, StartError};
pub use courier::CourierSettings;
pub use fault::Fault;
pub use furniture::FurnitureSettings;
pub use peer::PeerUrlError;
pub use pharmacy::PharmacySettings;
pub use reseller::{ResellerSettings, Rounding};
pub use settings::{ActorSettings, CommerceSettings, LimitSettings, PeerSettings};
pub use shop::ShopSettings;
pub use store::{StorageError, StorageSettings};
pub use warehouse::WarehouseSettings;
pub use webhook::WebhookSettings;
