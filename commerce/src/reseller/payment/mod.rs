//! Payments: a provider that moves money, and a ledger that says what it moved.
//!
//! Every call carries a name that the provider never works on twice. The ledger is only ever appended to, in the transaction
//! that changes the order.

mod demo;
mod ledger;
#[cfg(test)]
mod tests;

use futures_util::future::BoxFuture;

use crate::money::Money;

pub(crate) use demo::DemoProvider;
pub(crate) use ledger::{LedgerEntry, book, of_order, of_order_in};

/// Why a provider did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PaymentError {
    /// It never will.
    #[error("refused: {0}")]
    Refused(String),
    /// It may, later.
    #[error("no answer: {0}")]
    Unavailable(String),
}

/// Whoever moves the money. Each call may be repeated: a name stands for one movement for ever, and has one outcome.
pub(crate) trait Provider: Send + Sync + std::fmt::Debug {
    /// Takes money. A name that was voided is refused.
    fn charge<'a>(&'a self, name: &'a str, amount: Money, token: &'a str) -> BoxFuture<'a, Result<(), PaymentError>>;

    /// Makes sure that the charge of this name is not made any more. Tells how much was taken if it was too late.
    fn void<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<i64>, PaymentError>>;

    /// Gives back part of a charge. Never more in sum than was taken.
    fn refund<'a>(&'a self, name: &'a str, charge: &'a str, amount: Money) -> BoxFuture<'a, Result<(), PaymentError>>;
}
