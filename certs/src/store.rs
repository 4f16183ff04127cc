//! The certificate in service, swapped without disturbing connections.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    CertificateError, CertificateHash, CertificateSettings, Clock, Validity, development::DevelopmentCertificates,
    pair::Pair, pem::PemFiles, watcher::Source, watcher::Watcher,
};

/// Answers TLS handshakes with the certificate in service. Shared; all methods are cheap.
#[derive(Debug)]
pub struct CertificateStore {
    snapshot: RwLock<Arc<Snapshot>>,
}

/// What is in service and what is published, changed as one.
#[derive(Debug)]
pub(crate) struct Snapshot {
    key: Arc<CertifiedKey>,
    validity: Validity,
    /// Published hashes with the life of their certificates; that in service first, never empty.
    pub(crate) hashes: Vec<(CertificateHash, Validity)>,
}

impl Snapshot {
    pub(crate) fn new(current: &Pair, others: &[&Pair]) -> Self {
        let all = std::iter::once(current).chain(others.iter().copied());
        Self {
            key: Arc::clone(&current.key),
            validity: current.validity,
            hashes: all.map(|pair| (pair.hash, pair.validity)).collect(),
        }
    }
}

impl CertificateStore {
    /// Loads the PEM files, or makes or finds the development certificate, as `settings` say.
    ///
    /// The [`Watcher`] keeps the store up to date for as long as [`Watcher::run`] is driven.
    ///
    /// # Errors
    ///
    /// Files that are missing, damaged, expired or do not fit together; a directory that cannot be written; a host that
    /// cannot be put into a certificate.
    pub fn load(settings: &CertificateSettings) -> Result<(Arc<Self>, Watcher), CertificateError> {
        Self::load_at(settings, Clock::system())
    }

    /// [`load`](Self::load) under another clock.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    pub fn load_at(settings: &CertificateSettings, clock: Clock) -> Result<(Arc<Self>, Watcher), CertificateError> {
        let CertificateSettings { certificate, key, hosts, directory } = settings;
        let now = clock.now();
        let source = match (certificate, key) {
            (Some(certificate), Some(key)) => Source::Pem(PemFiles::open(certificate.clone(), key.clone(), now)?),
            (None, None) => Source::Development(DevelopmentCertificates::open(hosts, directory.clone(), now)?),
            (Some(_), None) => {
                return Err(CertificateError::HalfPair { given: "certificate", missing: "key" });
            }
            (None, Some(_)) => {
                return Err(CertificateError::HalfPair { given: "key", missing: "certificate" });
            }
        };
        let snapshot =
            source.snapshot(now).ok_or_else(|| CertificateError::Generate("none is valid now".to_owned()))?;
        let store = Arc::new(Self { snapshot: RwLock::new(Arc::new(snapshot)) });
        Ok((Arc::clone(&store), Watcher::new(store, source, clock)))
    }

    /// Hashes a client may pin, that of the certificate in service first. Around a rotation there are two: the successor's
    /// from a day before it goes into service, the predecessor's until it expires.
    pub fn hashes(&self) -> Vec<CertificateHash> {
        self.snapshot().hashes.iter().map(|(hash, _)| *hash).collect()
    }

    /// Life of the certificate in service.
    pub fn validity(&self) -> Validity {
        self.snapshot().validity
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, snapshot: Snapshot) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.snapshot().key))
    }
}
