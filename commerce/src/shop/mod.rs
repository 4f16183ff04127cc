//! The order book that grocery, furniture shop and pharmacy share: catalogue, stock, orders, and their HTTP face.
//!
//! An open order *is* the reservation of its goods: `stock.reserved` is at every commit the sum of the lines of open orders, and
//! never more than `stock.on_hand`. Orders are decided by the database's one writer, many in one transaction and in the order of
//! their arrival, each whole or not at all; what a shop adds to that ([`Rules`]: promotions, prescriptions) is decided in the same
//! transaction. The number of statements does not grow with the number of orders.
//!
//! A shop makes a [`Shop`] over a database with [`MIGRATIONS`], merges [`routes()`] into its own and spawns [`Shop::run`].

mod book;
mod cache;
mod catalogue;
mod decide;
mod limit;
mod model;
mod nightly;
mod place;
mod product;
mod read;
mod rejection;
mod repeat;
mod routes;
mod rules;
mod schema;
mod settings;
mod step;
#[cfg(test)]
mod tests;

pub(crate) use book::{Profile, Shop};
pub(crate) use catalogue::{fill, is_empty, prices, product_in, touch};
#[cfg(test)]
pub(crate) use model::NewLine;
pub(crate) use model::{LinePrice, NewOrder, Order, OrderState, Step};
pub(crate) use product::{NewProduct, Offer, Offers, Product, ProductView, Terms};
pub(crate) use read::{Whose, orders_in};
pub(crate) use rejection::Rejection;
pub(crate) use routes::{OrderBody, catalogue_routes, customer_step_routes, order_answer, routes};
pub(crate) use rules::{Round, Rules, Shown};
pub(crate) use schema::MIGRATIONS;
pub use settings::ShopSettings;
pub(crate) use step::{Note, step};
