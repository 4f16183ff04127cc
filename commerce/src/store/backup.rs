//! Copies of databases while they are in use, and back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::{Storage, StorageError, StorageSettings};

/// How the files of databases end.
const SQLITE: &str = "sqlite";

/// Writes a consistent copy of each SQLite database of `folder` to a folder that holds none, while another process reads and
/// writes them. Returns their number.
///
/// # Errors
/// The databases are on a server, which has tools of its own; a file cannot be read; a copy is there already.
pub(crate) async fn back_up(settings: &StorageSettings, folder: &Path, to: &Path) -> Result<usize, StorageError> {
    let files = databases(settings, folder)?;
    fs::create_dir_all(to).map_err(|source| StorageError::Folder { path: to.to_owned(), source })?;
    for file in &files {
        let copy = to.join(file.file_name().unwrap_or_default());
        let failed =
            |source: sqlx::Error| StorageError::Folder { path: file.clone(), source: io::Error::other(source) };
        let name = copy.to_str().ok_or_else(|| failed(sqlx::Error::Configuration("the path is not Unicode".into())))?;
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let mut connection: SqliteConnection = options.connect().await.map_err(failed)?;
        sqlx::query("VACUUM INTO $1").bind(name).execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
    }
    Ok(files.len())
}

/// Puts the copies of a backup in place of the databases of `folder`, which no process may be using. Returns their number.
///
/// # Errors
/// The databases are on a server; the folder is in use; a file cannot be copied.
pub(crate) fn restore(settings: &StorageSettings, folder: &Path, from: &Path) -> Result<usize, StorageError> {
    // Held until all are copied.
    let _locked = Storage::open(settings, folder)?;
    let copies = databases(settings, from)?;
    for copy in &copies {
        let file = folder.join(copy.file_name().unwrap_or_default());
        let failed = |source| StorageError::Folder { path: file.clone(), source };
        // What an old log holds is not to be played into the copy.
        for beside in ["-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(beside);
            match fs::remove_file(PathBuf::from(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        let draft = file.with_extension("draft");
        fs::copy(copy, &draft).and_then(|_| fs::rename(&draft, &file)).map_err(failed)?;
    }
    Ok(copies.len())
}

fn databases(settings: &StorageSettings, folder: &Path) -> Result<Vec<PathBuf>, StorageError> {
    if settings.database_url.is_some() {
        return Err(StorageError::NotFiles);
    }
    let failed = |source| StorageError::Folder { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == SQLITE) {
            files.push(path);
        }
    }
    if files.is_empty() { Err(StorageError::NoDatabases(folder.to_owned())) } else { Ok(files) }
}
