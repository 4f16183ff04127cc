//! What a server's operator decides about certificates.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the server's certificate comes from. By default: a development certificate for this computer, kept in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificateSettings {
    /// PEM file with the certificate chain, leaf first. Needs `key`; without both, a development certificate is made.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key of `certificate`.
    pub key: Option<PathBuf>,
    /// Names and addresses a development certificate is made for.
    pub hosts: Vec<String>,
    /// Directory that keeps development certificates over restarts and shares them between processes; must not be
    /// readable by others. Without it they live in memory only.
    pub directory: Option<PathBuf>,
}

/// Folder of the state directory that keeps development certificates.
const FOLDER: &str = "certificates";

impl CertificateSettings {
    /// Keeps development certificates in a folder of this user's state directory, unless another directory is named: a server
    /// that is restarted is then recognized by who pinned its certificate.
    #[must_use]
    pub fn kept_in(mut self, state_directory: Option<&Path>) -> Self {
        self.directory = self.directory.or_else(|| state_directory.map(|state| state.join(FOLDER)));
        self
    }
}

impl Default for CertificateSettings {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            hosts: ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec(),
            directory: None,
        }
    }
}
