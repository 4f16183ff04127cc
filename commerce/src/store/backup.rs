//! Copies of databases while they are in use.

use std::path::Path;

use super::{Database, StoreError, args};

impl Database {
    /// Writes a consistent copy of an SQLite database to a new file, while reading and writing go on.
    ///
    /// # Errors
    /// The file exists, cannot be written, or the database is not a file.
    pub(crate) async fn backup_to(&self, file: &Path) -> Result<(), StoreError> {
        let Some(file) = file.to_str() else {
            return Err(StoreError::Value(format!("{}: the path is not Unicode", file.display())));
        };
        self.rows("VACUUM INTO $1", args![file]).await.map(drop)
    }
}
