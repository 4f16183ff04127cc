//! The operator's own PEM files, read again when their contents change.

use std::{path::PathBuf, time::SystemTime};

use crate::{CertificateError, file, pair::Pair};

/// Bytes of both files. Compared whole: modification times are too coarse and lie when links are switched.
type Contents = (Vec<u8>, Vec<u8>);

#[derive(Debug)]
pub(crate) struct PemFiles {
    certificate: PathBuf,
    key: PathBuf,
    served: Contents,
    served_pair: Pair,
    /// What the previous poll saw and has not been taken into service.
    resting: Option<Contents>,
}

impl PemFiles {
    pub(crate) fn open(certificate: PathBuf, key: PathBuf, now: SystemTime) -> Result<Self, CertificateError> {
        let served = (file::read(&certificate)?, file::read(&key)?);
        let served_pair = Pair::from_pem((&certificate, &served.0), (&key, &served.1))?;
        served_pair.check_time(&certificate, now)?;
        Ok(Self { certificate, key, served, served_pair, resting: None })
    }

    /// Takes changed files into service once they have rested for one poll: the two are seldom replaced in one step.
    /// After an error the pair in service is unchanged.
    pub(crate) fn refresh(&mut self, now: SystemTime) -> Result<(), CertificateError> {
        let seen = (file::read(&self.certificate)?, file::read(&self.key)?);
        if seen == self.served {
            self.resting = None;
            return self.served_pair.check_time(&self.certificate, now);
        }
        if self.resting.as_ref() != Some(&seen) {
            self.resting = Some(seen);
            return Ok(());
        }
        let pair = Pair::from_pem((&self.certificate, &seen.0), (&self.key, &seen.1))?;
        pair.check_time(&self.certificate, now)?;
        (self.served, self.served_pair, self.resting) = (seen, pair, None);
        Ok(())
    }

    pub(crate) fn pair(&self) -> &Pair {
        &self.served_pair
    }
}
