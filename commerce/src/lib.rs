//! Pharmacy, grocery, furniture shop, reseller, warehouse and couriers as tower services.

mod address;
mod clock;
mod fault;
mod id;
mod job;
mod language;
mod limit;
mod money;
mod problem;
mod store;
