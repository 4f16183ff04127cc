//! What a server's operator decides about certificates.

use std::path::PathBuf;

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
