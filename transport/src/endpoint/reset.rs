//! Telling peers at once that a restarted server no longer knows their connection (stateless reset, RFC 9000 section 10.3).

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

/// Name of the file that keeps the secret.
const FILE: &str = "reset.secret";

/// What reset tokens and connection ids are derived from. The same secret after a restart makes the new process answer
/// packets of lost connections with a reset, so that peers need not wait for their idle timeout.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetSecret([u8; 32]);

impl fmt::Debug for ResetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetSecret(..)")
    }
}

impl ResetSecret {
    /// The secret kept in this directory, which only its owner may read; made at the first call. Servers of one user share it.
    ///
    /// # Errors
    /// The directory cannot be written, or its file is not a secret.
    pub fn load(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        match fs::File::open(&path) {
            Ok(file) => Self::read(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(directory)?;
                Self::make(directory, &path)?;
                Self::read(fs::File::open(&path)?)
            }
            Err(error) => Err(error),
        }
    }

    fn read(mut file: fs::File) -> io::Result<Self> {
        let mut secret = [0; 32];
        file.read_exact(&mut secret)?;
        Ok(Self(secret))
    }

    /// Writes a new secret under a name of its own and links it into place: whoever comes first wins, and nobody reads half.
    fn make(directory: &Path, path: &Path) -> io::Result<()> {
        let mut secret = [0; 32];
        let random = SystemRandom::new();
        random.fill(&mut secret).map_err(|_| io::Error::other("the system has no random numbers"))?;
        let mut name = [0; 8];
        random.fill(&mut name).map_err(|_| io::Error::other("the system has no random numbers"))?;
        let draft = directory.join(format!("{FILE}.{:016x}", u64::from_ne_bytes(name)));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let linked = file.write_all(&secret).and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// A part of the secret for one purpose.
    fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new().chain_update(purpose).chain_update(self.0).finalize().into()
    }

    /// Configuration of an endpoint whose tokens and connection ids come from this secret.
    pub(super) fn endpoint_config(&self) -> EndpointConfig {
        let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &self.derive("reset token"))));
        let [a, b, c, d, e, f, g, h, ..] = self.derive("connection id");
        let key = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(key)));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stays_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let secret = ResetSecret::load(directory.path()).unwrap();
        assert_eq!(ResetSecret::load(directory.path()).unwrap(), secret);
        let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
        assert_eq!(format!("{secret:?}"), "ResetSecret(..)");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "short").unwrap();
        assert!(ResetSecret::load(directory.path()).is_err());
    }
}
