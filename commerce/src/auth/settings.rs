//! What an operator decides about tokens.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Keys and times of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// PEM file with the Ed25519 private key (PKCS #8) that signs tokens; made at first start if it is not there. `token.pem`
    /// in the data folder unless named. Processes that share a database share it, or trust each other by `jwks`.
    pub key: Option<PathBuf>,
    /// JWKS file with further public keys to trust: of other processes, or of the key before a rotation.
    pub jwks: Option<PathBuf>,
    /// Longest time in seconds that a token may hold; tokens that claim more are refused.
    pub longest_s: u64,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self { key: None, jwks: None, longest_s: 30 * 24 * 3600 }
    }
}
