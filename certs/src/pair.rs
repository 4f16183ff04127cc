//! A certificate chain with its private key, checked once.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{CertificateError, CertificateHash, FileProblem, hash::hash_of};

/// When a certificate may be used, in seconds of wall-clock time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: SystemTime,
    /// Last moment.
    pub not_after: SystemTime,
}

impl Validity {
    pub(crate) fn contains(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Time until expiry; zero once expired.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }
}

/// A chain whose leaf fits its key.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) hash: CertificateHash,
    pub(crate) validity: Validity,
    /// Names and addresses of the leaf, as text.
    hosts: Vec<String>,
}

impl Pair {
    /// Reads the chain and the key from PEM text; the paths are for messages only.
    pub(crate) fn from_pem(certificate: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, CertificateError> {
        let fail = |path: &Path, problem| CertificateError::File { path: path.to_owned(), problem };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate.1)
            .collect::<Result<_, _>>()
            .map_err(|error| fail(certificate.0, FileProblem::Pem(error.to_string())))?;
        let leaf = chain.first().ok_or_else(|| fail(certificate.0, FileProblem::NoCertificate))?;
        let (hash, (validity, hosts)) =
            (hash_of(leaf), read_leaf(leaf).map_err(|problem| fail(certificate.0, problem))?);
        let key_der = PrivateKeyDer::from_pem_slice(key.1).map_err(|error| match error {
            pem::Error::NoItemsFound => fail(key.0, FileProblem::NoKey),
            error => fail(key.0, FileProblem::Pem(error.to_string())),
        })?;
        let signer = any_supported_type(&key_der).map_err(|error| fail(key.0, FileProblem::Key(error.to_string())))?;
        let certified = CertifiedKey::new(chain, signer);
        certified.keys_match().map_err(|_| fail(key.0, FileProblem::Mismatch(certificate.0.to_owned())))?;
        Ok(Self { key: Arc::new(certified), hash, validity, hosts })
    }

    /// Refuses a certificate whose time is over or has not come.
    pub(crate) fn check_time(&self, path: &Path, now: SystemTime) -> Result<(), CertificateError> {
        let problem = if now > self.validity.not_after {
            FileProblem::Expired(self.validity.not_after.into())
        } else if now < self.validity.not_before {
            FileProblem::NotYetValid(self.validity.not_before.into())
        } else {
            return Ok(());
        };
        Err(CertificateError::File { path: path.to_owned(), problem })
    }

    /// Whether the certificate is made for every one of `hosts`.
    pub(crate) fn covers(&self, hosts: &[String]) -> bool {
        hosts.iter().all(|host| self.hosts.contains(host))
    }
}

fn read_leaf(der: &[u8]) -> Result<(Validity, Vec<String>), FileProblem> {
    let bad = |error: &dyn std::fmt::Display| FileProblem::Certificate(error.to_string());
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| bad(&error))?;
    let validity = Validity {
        not_before: from_unix(certificate.validity().not_before.timestamp()),
        not_after: from_unix(certificate.validity().not_after.timestamp()),
    };
    let names = certificate.subject_alternative_name().map_err(|error| bad(&error))?;
    let hosts = names.iter().flat_map(|names| &names.value.general_names).filter_map(host).collect();
    Ok((validity, hosts))
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|octets| std::net::Ipv4Addr::from(octets).to_string());
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(|octets| std::net::Ipv6Addr::from(octets).to_string())).ok()
        }
        _ => None,
    }
}

fn from_unix(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}
