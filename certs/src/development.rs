//! Development certificates: made on the spot, numbered, replaced before they expire.
//!
//! Processes that share a directory need no lock and no talk to agree on the certificate to use. Each certificate is a file
//! of its own with the next free number, created exclusively; whoever loses the race for a number reads the winner's file.
//! Which one is in service follows from the files and the time of day alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};

use crate::{
    CertificateError, file,
    limit::{ANNOUNCE_BEFORE, BACKDATE, MAX_CREATE_ATTEMPTS, MAX_GENERATIONS, ROTATE_BEFORE, VALIDITY},
    pair::Pair,
};

/// File names are this, the number, and [`SUFFIX`]; key and certificate share a file, so they can never be mixed up.
const PREFIX: &str = "development-";
const SUFFIX: &str = ".pem";

#[derive(Debug)]
pub(crate) struct DevelopmentCertificates {
    hosts: Vec<String>,
    directory: Option<PathBuf>,
    /// Usable certificates by number; never empty once opened.
    generations: BTreeMap<u64, Pair>,
    /// Numbers of files that are not for these hosts or cannot be read; each was reported once.
    skipped: BTreeSet<u64>,
}

impl DevelopmentCertificates {
    pub(crate) fn open(
        hosts: &[String],
        directory: Option<PathBuf>,
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let hosts = hosts.iter().map(|host| normalize(host)).collect();
        if let Some(directory) = &directory {
            file::create_directory(directory)?;
        }
        let mut this = Self { hosts, directory, generations: BTreeMap::new(), skipped: BTreeSet::new() };
        this.refresh(now)?;
        Ok(this)
    }

    /// Looks for certificates of other processes, forgets expired ones and makes the successor when it is due.
    /// After an error the certificates known before are still there as long as they are valid.
    pub(crate) fn refresh(&mut self, now: SystemTime) -> Result<(), CertificateError> {
        for _ in 0..MAX_CREATE_ATTEMPTS {
            let taken = self.read_directory(now)?;
            if !self.successor_due(now) {
                self.generations.retain(|_, pair| pair.validity.contains(now));
                return Ok(());
            }
            let next = taken.max(self.generations.keys().next_back().copied()).map_or(1, |last| last.saturating_add(1));
            self.create(next, now)?;
        }
        Err(CertificateError::Contended(self.directory.clone().unwrap_or_default()))
    }

    /// Certificates to publish, the one in service first.
    pub(crate) fn in_order(&self, now: SystemTime) -> Vec<&Pair> {
        let mut ordered: Vec<&Pair> = self.generations.values().filter(|pair| pair.validity.contains(now)).collect();
        let lasting = ordered.iter().position(|pair| pair.validity.remaining(now) > ROTATE_BEFORE);
        // If none lasts, its successor could not be made: the newest serves to its end.
        let newest = ordered.len().saturating_sub(1);
        let current = lasting.unwrap_or(newest);
        if current > 0 {
            ordered[..=current].rotate_right(1);
        }
        ordered
    }

    /// Whether no certificate outlives the moment at which a successor must be public.
    fn successor_due(&self, now: SystemTime) -> bool {
        let mut usable = self.generations.values().filter(|pair| pair.validity.contains(now));
        !usable.any(|pair| pair.validity.remaining(now) > ANNOUNCE_BEFORE)
    }

    /// Makes certificate `number`, unless another process just did.
    fn create(&mut self, number: u64, now: SystemTime) -> Result<(), CertificateError> {
        let pem = generate(&self.hosts, now)?;
        if let Some(directory) = &self.directory {
            // Either way the next look at the directory finds a certificate with this number.
            let created = file::create_exclusively(&path_of(directory, number), pem.as_bytes())?;
            tracing::info!(number, created, directory = %directory.display(), "kept a development certificate");
        } else {
            let pair = Pair::from_pem((Path::new("memory"), pem.as_bytes()), (Path::new("memory"), pem.as_bytes()))?;
            self.generations.insert(number, pair);
        }
        Ok(())
    }

    /// Reads certificates not known yet and removes expired files; returns the highest number in use.
    fn read_directory(&mut self, now: SystemTime) -> Result<Option<u64>, CertificateError> {
        let Some(directory) = self.directory.clone() else {
            return Ok(None);
        };
        let numbers = list(&directory)?;
        self.generations.retain(|number, _| numbers.contains(number));
        self.skipped.retain(|number| numbers.contains(number));
        for &number in numbers.iter().rev().take(MAX_GENERATIONS) {
            if self.generations.contains_key(&number) || self.skipped.contains(&number) {
                continue;
            }
            let path = path_of(&directory, number);
            match file::read(&path).and_then(|pem| Pair::from_pem((&path, &pem), (&path, &pem))) {
                Ok(pair) if pair.covers(&self.hosts) => drop(self.generations.insert(number, pair)),
                Ok(pair) if pair.validity.not_after < now => remove(&path),
                Ok(_) => drop(self.skipped.insert(number)),
                Err(error) => {
                    tracing::warn!(%error, "passing over a development certificate that cannot be used");
                    self.skipped.insert(number);
                }
            }
        }
        let expired = self.generations.iter().filter(|(_, pair)| pair.validity.not_after < now);
        expired.for_each(|(&number, _)| remove(&path_of(&directory, number)));
        Ok(numbers.last().copied())
    }
}

/// Addresses in the form they are read back from a certificate; names in lower case.
fn normalize(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string())
}

fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{number}{SUFFIX}"))
}

fn list(directory: &Path) -> Result<BTreeSet<u64>, CertificateError> {
    let list = || {
        let mut numbers = BTreeSet::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse::<u64>().ok());
            numbers.extend(number);
        }
        Ok(numbers)
    };
    list().map_err(|source| CertificateError::Read { path: directory.to_owned(), source })
}

/// Another process may have removed it first, and an expired file that stays is only untidy.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "an expired development certificate stays");
    }
}

/// Makes a self-signed certificate and its key, both as PEM text.
fn generate(hosts: &[String], now: SystemTime) -> Result<String, CertificateError> {
    let refuse = |error: rcgen::Error| CertificateError::Generate(error.to_string());
    for host in hosts {
        CertificateParams::new([host.clone()])
            .map_err(|error| CertificateError::Host { host: host.clone(), reason: error.to_string() })?;
    }
    let mut params = CertificateParams::new(hosts).map_err(refuse)?;
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let not_before = UNIX_EPOCH + std::time::Duration::from_secs(seconds.saturating_sub(BACKDATE.as_secs()));
    params.not_before = not_before.into();
    params.not_after = (not_before + VALIDITY).into();
    params.distinguished_name.push(DnType::CommonName, "Efir development certificate");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(refuse)?;
    let certificate = params.self_signed(&key).map_err(refuse)?;
    Ok(certificate.pem() + &key.serialize_pem())
}
