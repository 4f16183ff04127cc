//! Files read with a bound and written in one step.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{CertificateError, FileProblem, limit::MAX_FILE_BYTES};

/// Reads a whole file of at most [`MAX_FILE_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| CertificateError::Read { path: path.to_owned(), source })?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= MAX_FILE_BYTES) {
        Ok(bytes)
    } else {
        let problem = FileProblem::TooLarge(MAX_FILE_BYTES);
        Err(CertificateError::File { path: path.to_owned(), problem })
    }
}

/// Makes a directory, and those above it, that only this user may enter. One that exists is left as it is.
pub(crate) fn create_directory(path: &Path) -> Result<(), CertificateError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| CertificateError::Write { path: path.to_owned(), source })
}

/// Puts a complete file at `path` unless one is there already: `Ok(false)` says that another process was first.
pub(crate) fn create_exclusively(path: &Path, contents: &[u8]) -> Result<bool, CertificateError> {
    let result = write_aside(path, contents).and_then(|aside| {
        // A hard link, unlike a rename, never replaces what is there.
        let linked = match fs::hard_link(&aside, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        };
        fs::remove_file(&aside)?;
        linked
    });
    result.map_err(|source| CertificateError::Write { path: path.to_owned(), source })
}

/// Puts a complete file at `path` in place of whatever is there.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), CertificateError> {
    write_aside(path, contents)
        .and_then(|aside| fs::rename(&aside, path).inspect_err(|_| drop(fs::remove_file(&aside))))
        .map_err(|source| CertificateError::Write { path: path.to_owned(), source })
}

/// Writes and syncs a new file beside `path`, readable by this user only, under a name no other writer uses.
fn write_aside(path: &Path, contents: &[u8]) -> io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{count}.new", process::id()));
    let aside = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A writer of the same process id that died half way (in a container all ids are alike) may have left its file.
    let mut file = options.open(&aside).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => fs::remove_file(&aside).and_then(|()| options.open(&aside)),
        _ => Err(error),
    })?;
    match file.write_all(contents).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(aside),
        Err(error) => {
            fs::remove_file(&aside)?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_creator_changes_nothing_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        assert!(create_exclusively(&path, b"first").unwrap());
        assert!(!create_exclusively(&path, b"second").unwrap());
        assert_eq!(read(&path).unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("x/y");
        create_directory(&inner).unwrap();
        create_exclusively(&inner.join("key"), b"secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&inner.join("key")), 0o600);
        assert_eq!(mode(&inner), 0o700);
    }

    #[test]
    fn refuses_a_huge_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("huge");
        File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, CertificateError::File { problem: FileProblem::TooLarge(_), .. }), "{error}");
    }
}
