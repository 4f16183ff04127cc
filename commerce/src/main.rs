//! `efir-commerce`: the shops, the reseller, the warehouse and the couriers.

fn main() {}
