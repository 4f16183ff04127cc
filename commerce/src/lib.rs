//! Pharmacy, grocery, furniture shop, reseller, warehouse and couriers as tower services.

mod address;
mod clock;
mod id;
mod language;
mod money;
