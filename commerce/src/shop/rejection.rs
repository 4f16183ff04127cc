//! Why a shop does not do what it was asked.

use axum::http::StatusCode;

use crate::id::Sku;
use crate::money::MoneyError;
use crate::problem::Problem;
use crate::store::StoreError;

use super::model::{OrderState, Step};

/// Why an order is not taken, or not changed. Nothing of it was done.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Rejection {
    /// No such product here, or not for this customer.
    #[error("there is no product {sku}")]
    UnknownProduct {
        /// Which line, from 0.
        line: usize,
        /// What was asked for.
        sku: Sku,
    },
    /// Fewer are free than were asked for.
    #[error("of {sku} only {available} are available")]
    OutOfStock {
        /// Which line, from 0.
        line: usize,
        /// What was asked for.
        sku: Sku,
        /// How many could be had.
        available: i64,
    },
    /// A promotion does not give as many.
    #[error("the promotion of {sku} does not allow {asked} more, only {left}")]
    Promotion {
        /// Which line, from 0.
        line: usize,
        /// What was asked for.
        sku: Sku,
        /// How many were asked for.
        asked: i64,
        /// How many could be had.
        left: i64,
        /// Whether that holds for everybody, not only for this customer.
        exhausted: bool,
    },
    /// The order itself makes no sense.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer to what is wrong.
        pointer: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// No such thing, or not the caller's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The order's state does not allow the step.
    #[error("an order that is {} cannot take the step {step:?}", state.as_str())]
    State {
        /// Where it stands.
        state: OrderState,
        /// What was to be done.
        step: Step,
    },
    /// The time to confirm is over.
    #[error("the reservation is over")]
    Late,
    /// The version that was to be changed is not the newest.
    #[error("version {0} is the newest")]
    Stale(i64),
    /// Amounts that cannot be combined.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A rule of one shop, in its own words.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        let at = |line: usize, field: &str| format!("/lines/{line}/{field}");
        match rejection {
            Rejection::UnknownProduct { line, .. } => {
                Self::invalid("a line names something that is not sold here").at(at(line, "sku"), text)
            }
            Rejection::OutOfStock { line, .. } => Self::out_of_stock(text.clone()).at(at(line, "quantity"), text),
            Rejection::Promotion { line, .. } => Self::promotion_limit(text.clone()).at(at(line, "quantity"), text),
            Rejection::Invalid { pointer, detail } => Self::invalid("the order cannot be taken").at(pointer, detail),
            Rejection::NotFound(_) => Self::not_found(text),
            Rejection::State { .. } => Self::conflict(text),
            Rejection::Late => {
                Self::new("reservation-over", StatusCode::CONFLICT, "The reservation is over", "order again")
            }
            Rejection::Stale(_) => Self::stale(text),
            Rejection::Money(error) => error.into(),
            Rejection::Refused(problem) => *problem,
            Rejection::Store(error) => error.into(),
        }
    }
}
