//! An order as a state machine: pure rules that say what to do next and what follows from what happened.
//!
//! [`Saga::next`] names the actions that are due, [`Saga::apply`] takes in what came of them and what the shops tell, in any
//! order and any number of times. Nothing else changes a saga. Each part of an order (what one shop sells of it) goes its own
//! way; the order's own state follows from its parts:
//!
//! ```text
//! wanted > held (> advice) > [charge] > confirmed > dispatched > received > shipping > delivered
//!    |       |       |                      |                                  |
//!    +-------+-------+-------> undoing <----+                                  +--> lost, returned
//!                                 |
//!                              undone  (refunded, if it was paid)
//! ```
//!
//! Money: what was charged minus what was refunded is what the delivered and kept goods cost, once nothing is left to do.

mod apply;
mod model;
mod next;
#[cfg(test)]
mod tests;
mod undo;
mod words;

pub(crate) use apply::{Fact, ShipmentNews, ShopNews};
pub(crate) use model::{Entry, OrderState, Parcel, Part, PartLine, PartState, Payment, Policy, Retry, Saga, Shop};
pub(crate) use next::Action;
pub(crate) use words::placed;
