//! Why the warehouse does not do what it was asked.

use axum::http::StatusCode;

use super::model::State;
use crate::problem::Problem;
use crate::store::StoreError;

/// Why an operation was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WarehouseError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// The shipment is not where this step can follow.
    #[error("the shipment is {state}: {why}", state = .0.as_str(), why = .1)]
    Step(State, &'static str),
    /// The delivery note came before with other goods.
    #[error("a receipt with this reference came before, with other lines")]
    Reference,
    /// A value of the body contradicts the others, or what is known: pointer and reason.
    #[error("{1}")]
    Body(String, String),
    /// There is no bin for these goods.
    #[error("there is no bin for such goods")]
    NoBin,
    /// All numbers for labels are used.
    #[error("no SSCC is left")]
    NoSscc,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WarehouseError> for Problem {
    fn from(error: WarehouseError) -> Self {
        let detail = error.to_string();
        match error {
            WarehouseError::Unknown(_) => Self::not_found(detail),
            WarehouseError::Step(..) => Self::conflict(detail),
            WarehouseError::Reference => {
                Self::new("reference-reused", StatusCode::CONFLICT, "The reference belongs to another receipt", detail)
            }
            WarehouseError::Body(pointer, reason) => Self::invalid("some values are not allowed").at(pointer, reason),
            WarehouseError::NoBin | WarehouseError::NoSscc => Self::internal(detail),
            WarehouseError::Store(error) => error.into(),
        }
    }
}
