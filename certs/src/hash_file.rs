//! Hash files: how a client of the same user on the same computer comes to trust a development certificate.
//!
//! One file per server port, one line per certificate: the hash in hexadecimal, a space, the expiry in Unix seconds.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{CertificateError, CertificateHash, FileProblem, Validity, file, hash_from_hex, hash_to_hex};

/// A file that follows the store and disappears with the server.
#[derive(Debug)]
pub(crate) struct HashFile {
    path: PathBuf,
    contents: String,
}

impl HashFile {
    pub(crate) fn create(
        directory: &Path,
        port: u16,
        hashes: &[(CertificateHash, Validity)],
    ) -> Result<Self, CertificateError> {
        file::create_directory(directory)?;
        let mut this = Self { path: path_of(directory, port), contents: String::new() };
        this.update(hashes)?;
        Ok(this)
    }

    pub(crate) fn update(&mut self, hashes: &[(CertificateHash, Validity)]) -> Result<(), CertificateError> {
        let contents = render(hashes);
        if contents != self.contents {
            file::replace(&self.path, contents.as_bytes())?;
            self.contents = contents;
        }
        Ok(())
    }
}

impl Drop for HashFile {
    fn drop(&mut self) {
        // A server that took over the port has put its own hashes there.
        if file::read(&self.path).is_ok_and(|seen| seen == self.contents.as_bytes()) {
            // Lines that stay behind expire by themselves.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Hashes that a server of this user on this computer published for `port`; empty if there is none or all have expired.
///
/// `directory` is the one given to [`Watcher::publish_hashes`](crate::Watcher::publish_hashes).
///
/// # Errors
///
/// The file exists but cannot be read or is not a hash file.
pub fn development_hashes(directory: &Path, port: u16) -> Result<Vec<CertificateHash>, CertificateError> {
    let path = path_of(directory, port);
    let bytes = match file::read(&path) {
        Err(CertificateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        read => read?,
    };
    parse(&String::from_utf8_lossy(&bytes), SystemTime::now())
        .map_err(|line| CertificateError::File { path, problem: FileProblem::HashLine(line) })
}

fn path_of(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("{port}.sha256"))
}

fn render(hashes: &[(CertificateHash, Validity)]) -> String {
    let line = |(hash, validity): &(CertificateHash, Validity)| {
        let expiry = validity.not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        format!("{} {expiry}\n", hash_to_hex(hash))
    };
    hashes.iter().map(line).collect()
}

/// The number of the first bad line, counted from 1, on error.
fn parse(text: &str, now: SystemTime) -> Result<Vec<CertificateHash>, usize> {
    let mut hashes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields = line.split_once(' ').and_then(|(hash, expiry)| Some((hash_from_hex(hash)?, expiry.parse().ok()?)));
        let (hash, expiry) = fields.ok_or(index + 1)?;
        if UNIX_EPOCH.checked_add(Duration::from_secs(expiry)).is_some_and(|expiry| expiry >= now) {
            hashes.push(hash);
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validity(not_after: u64) -> Validity {
        Validity { not_before: UNIX_EPOCH, not_after: UNIX_EPOCH + Duration::from_secs(not_after) }
    }

    #[test]
    fn expired_lines_are_passed_over() {
        let text = render(&[([1; 32], validity(100)), ([2; 32], validity(200))]);
        let at = |seconds| parse(&text, UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        assert_eq!(at(100), [[1; 32], [2; 32]]);
        assert_eq!(at(101), [[2; 32]]);
        assert!(at(201).is_empty());
    }

    #[test]
    fn bad_lines_are_named() {
        let good = render(&[([1; 32], validity(100))]);
        assert_eq!(parse(&format!("{good}nonsense\n"), UNIX_EPOCH), Err(2));
        assert_eq!(parse(&good.replace(" 100", " soon"), UNIX_EPOCH), Err(1));
        assert!(parse(&good.replace(" 100", &format!(" {}", u64::MAX)), UNIX_EPOCH).unwrap().is_empty());
    }
}
