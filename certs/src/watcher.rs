//! Keeps a store up to date: polls the clock and the files.

use std::{convert::Infallible, path::Path, sync::Arc, time::SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    CertificateError, CertificateStore, Clock, POLL_INTERVAL, development::DevelopmentCertificates,
    hash_file::HashFile, hash_to_hex, pem::PemFiles, store::Snapshot,
};

/// Where certificates come from.
#[derive(Debug)]
pub(crate) enum Source {
    Pem(PemFiles),
    Development(DevelopmentCertificates),
}

impl Source {
    fn refresh(&mut self, now: SystemTime) -> Result<(), CertificateError> {
        match self {
            Self::Pem(files) => files.refresh(now),
            Self::Development(certificates) => certificates.refresh(now),
        }
    }

    /// `None` if there is nothing to serve.
    pub(crate) fn snapshot(&self, now: SystemTime) -> Option<Snapshot> {
        match self {
            Self::Pem(files) => Some(Snapshot::new(files.pair(), &[])),
            Self::Development(certificates) => {
                let ordered = certificates.in_order(now);
                ordered.split_first().map(|(current, others)| Snapshot::new(current, others))
            }
        }
    }
}

/// Rotates the development certificate and reloads changed PEM files while [`run`](Self::run) is driven.
#[derive(Debug)]
pub struct Watcher {
    store: Arc<CertificateStore>,
    source: Source,
    clock: Clock,
    hash_file: Option<HashFile>,
    /// The error last logged, so that one that lasts is not logged at every poll.
    reported: Option<String>,
}

impl Watcher {
    pub(crate) fn new(store: Arc<CertificateStore>, source: Source, clock: Clock) -> Self {
        let snapshot = store.snapshot();
        let kind = match source {
            Source::Pem(_) => "PEM files",
            Source::Development(_) => "development certificate",
        };
        tracing::info!(kind, hash = %current_hash(&snapshot), "certificate in service");
        Self { store, source, clock, hash_file: None, reported: None }
    }

    /// Writes the hashes of the server on `port` into `directory`, now and at every change, for
    /// [`development_hashes`](crate::development_hashes) in clients of the same user. The file is removed when the watcher is dropped.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or written.
    pub fn publish_hashes(&mut self, directory: &Path, port: u16) -> Result<(), CertificateError> {
        let file = HashFile::create(directory, port, &self.store.snapshot().hashes)?;
        self.hash_file = Some(file);
        Ok(())
    }

    /// Looks at the clock and the files once.
    ///
    /// # Errors
    ///
    /// What is wrong with the new files; the certificate in service stays.
    pub fn poll_once(&mut self) -> Result<(), CertificateError> {
        let now = self.clock.now();
        let refreshed = self.source.refresh(now);
        // Also after an error: the switch to a successor made earlier must not wait for a disk to come back.
        if let Some(next) = self.source.snapshot(now) {
            let old = self.store.snapshot();
            if old.hashes != next.hashes {
                if old.hashes.first() != next.hashes.first() {
                    tracing::info!(hash = %current_hash(&next), "new certificate in service");
                }
                self.store.replace(next);
            }
        }
        let published = self.hash_file.as_mut().map_or(Ok(()), |file| file.update(&self.store.snapshot().hashes));
        refreshed.and(published)
    }

    /// Polls every [`POLL_INTERVAL`] for ever; errors are logged once each. Cancel safe: dropping it stops the watching.
    ///
    /// The few small files are read on the calling task, well under a millisecond per poll.
    pub async fn run(mut self) -> Infallible {
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.poll_once() {
                Ok(()) => self.reported = None,
                Err(error) => self.report(&error),
            }
        }
    }

    fn report(&mut self, error: &CertificateError) {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let text = format!("{error}{cause}");
        if self.reported.as_ref() != Some(&text) {
            tracing::error!(error = text, "the certificate in service stays");
            self.reported = Some(text);
        }
    }
}

fn current_hash(snapshot: &Snapshot) -> String {
    snapshot.hashes.first().map(|(hash, _)| hash_to_hex(hash)).unwrap_or_default()
}
