//! Where databases live: a folder of SQLite files, or one PostgreSQL server.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::Secret;
use serde::{Deserialize, Serialize};

/// Where the shops keep what they know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSettings {
    /// Folder of the SQLite files; `commerce` in the state directory unless named.
    pub folder: Option<PathBuf>,
    /// PostgreSQL instead: `postgres://user:password@host/database`, with a schema per actor. Several processes may share it.
    pub database_url: Option<Secret>,
}

/// An opened place for databases. Clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Storage {
    /// One file per actor in a folder that this process has locked.
    Folder(Arc<Folder>),
    /// One schema per actor.
    #[cfg(feature = "postgres")]
    Server(Arc<Server>),
}

/// A folder that no other process uses while this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Held locked.
    _lock: File,
}

/// A PostgreSQL server, and what precedes the actors' names in those of their schemas.
#[cfg(feature = "postgres")]
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) options: sqlx::postgres::PgConnectOptions,
    pub(crate) prefix: String,
}

/// Why there is no place for databases. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The folder cannot be made or written to.
    #[error("{path}: {source}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another process has its databases there.
    #[error("{0}: another process uses this folder")]
    InUse(PathBuf),
    /// A backup or restore was asked for, and the databases are no files.
    #[error("the databases are on a PostgreSQL server: copy them with pg_dump and pg_restore")]
    NotFiles,
    /// A backup or restore was asked for, and there is nothing to copy.
    #[error("{0}: holds no databases")]
    NoDatabases(PathBuf),
    /// This program was built without PostgreSQL.
    #[cfg(not(feature = "postgres"))]
    #[error("database_url is set, but this program was built without the feature `postgres`")]
    WithoutPostgres,
    /// The address cannot be read.
    #[cfg(feature = "postgres")]
    #[error("database_url: {0}")]
    Url(sqlx::Error),
}

impl Storage {
    /// Opens the place that the settings name; `default_folder` if they name none.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub(crate) fn open(settings: &StorageSettings, default_folder: &Path) -> Result<Self, StorageError> {
        match &settings.database_url {
            Some(url) => Self::server(url),
            None => Self::folder(settings.folder.as_deref().unwrap_or(default_folder)),
        }
    }

    #[cfg(not(feature = "postgres"))]
    fn server(_: &Secret) -> Result<Self, StorageError> {
        Err(StorageError::WithoutPostgres)
    }

    #[cfg(feature = "postgres")]
    fn server(url: &Secret) -> Result<Self, StorageError> {
        let options: sqlx::postgres::PgConnectOptions = url.expose().parse().map_err(StorageError::Url)?;
        let options = sqlx::ConnectOptions::disable_statement_logging(options);
        Ok(Self::Server(Arc::new(Server { options, prefix: "efir_".to_owned() })))
    }

    fn folder(path: &Path) -> Result<Self, StorageError> {
        let failed = |source| StorageError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        let lock = File::create(path.join("lock")).map_err(failed)?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self::Folder(Arc::new(Folder { path: path.to_owned(), _lock: lock }))),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StorageError::InUse(path.to_owned())),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The folder, for files beside the databases. None on a server.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(&folder.path),
            #[cfg(feature = "postgres")]
            Self::Server(_) => None,
        }
    }
}
