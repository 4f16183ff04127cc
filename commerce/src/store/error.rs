//! Why storage does not do what it was asked.

use std::sync::Arc;

/// Why a read or write failed. Nothing of a failed write is kept; only after [`StoreError::Database`] from the commit itself
/// is it unknown, and a repeat with the same [`Once`](super::Once) tells.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StoreError {
    /// More writes wait than the queue holds: try again later.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The caller's key came with another request before.
    #[error("the key belongs to another request")]
    KeyReused,
    /// The process is stopping.
    #[error("the database is closed")]
    Closed,
    /// The database refused or is gone.
    #[error("database: {0}")]
    Database(Arc<sqlx::Error>),
    /// A column is not what the code expects.
    #[error("stored value: {0}")]
    Value(String),
    /// The database cannot be brought to this version of the program.
    #[error("migration: {0}")]
    Migration(String),
    /// A stored answer or event cannot be written or read as JSON.
    #[error("stored answer: {0}")]
    Answer(Arc<serde_json::Error>),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            error => Self::Database(Arc::new(error)),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Answer(Arc::new(error))
    }
}
