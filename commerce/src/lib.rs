//! Pharmacy, grocery, furniture shop, reseller, warehouse and couriers as tower services.

mod actor;
mod address;
mod auth;
mod clock;
mod fault;
mod http;
mod id;
mod job;
mod language;
mod limit;
mod money;
mod problem;
mod store;
