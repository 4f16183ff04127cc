//! What an operator decides about access.

use std::path::PathBuf;

use process::{Contradiction, Secret};
use serde::{Deserialize, Serialize};

use crate::token::{Rules, namespace_of};

/// Numbers of the claims `moqt` and `moqt-reval` in the examples of draft-ietf-moq-c4m.
const MOQT_CLAIM: i64 = 327;
const REVALIDATION_CLAIM: i64 = 328;

/// Who may publish and who may watch; without any of it, everybody. Keys close both doors to all who show nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// One shared token for offering any track and namespace. Whoever has it may watch, too.
    pub publish_token: Option<Secret>,
    /// One shared token for listing, watching and fetching any track, over MOQT and HTTP.
    pub subscribe_token: Option<Secret>,
    /// Files with keys whose tokens are believed: a public key in PEM, a JWK or a JWKS. Read again when `refresh_s` is over.
    pub keys: Vec<PathBuf>,
    /// URL of a JWKS whose tokens are believed, read again when `refresh_s` is over and when a token names a key that is not in it.
    pub jwks_url: Option<String>,
    /// PEM file of the only authority to accept for `jwks_url`; without it, the operating system's.
    pub jwks_ca: Option<PathBuf>,
    /// Seconds between two readings of keys.
    pub refresh_s: u64,
    /// Issuers whose tokens are believed; without one, any that has a key.
    pub issuers: Vec<String>,
    /// Names of this server: with one, tokens must be for it; without, tokens must be for nobody in particular.
    pub audiences: Vec<String>,
    /// Seconds by which the clocks of issuers may differ.
    pub leeway_s: u64,
    /// Namespaces, fields between slashes, in which everybody may publish.
    pub anonymous_publish: Vec<String>,
    /// Namespaces, fields between slashes, which everybody may watch; `""` is all of them.
    pub anonymous_subscribe: Vec<String>,
    /// Number of the claim `moqt` in CBOR tokens, which the draft leaves open.
    pub moqt_claim: i64,
    /// Number of the claim `moqt-reval` in CBOR tokens.
    pub moqt_reval_claim: i64,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            publish_token: None,
            subscribe_token: None,
            keys: Vec::new(),
            jwks_url: None,
            jwks_ca: None,
            refresh_s: 300,
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway_s: 5,
            anonymous_publish: Vec::new(),
            anonymous_subscribe: Vec::new(),
            moqt_claim: MOQT_CLAIM,
            moqt_reval_claim: REVALIDATION_CLAIM,
        }
    }
}

impl AccessSettings {
    /// Checks what does not need the files.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), Contradiction> {
        let wrong = |key: &str, reason: &str| Err(Contradiction::new(format!("access.{key}"), reason));
        let lists =
            [("anonymous_publish", &self.anonymous_publish), ("anonymous_subscribe", &self.anonymous_subscribe)];
        for (key, paths) in lists {
            if paths.iter().any(|path| namespace_of(path).is_err()) {
                return wrong(key, "names no namespace: at most 32 fields and 4096 bytes");
            }
        }
        if self.refresh_s == 0 {
            return wrong("refresh_s", "must be at least 1");
        }
        match self.jwks_url.as_deref().map(reqwest::Url::parse) {
            Some(Ok(url)) if url.scheme() == "https" || is_this_machine(&url) => {}
            None if self.jwks_ca.is_none() => {}
            None => return wrong("jwks_ca", "needs access.jwks_url"),
            Some(_) => return wrong("jwks_url", "must be an https:// URL (http:// only to this machine)"),
        }
        if self.moqt_claim == self.moqt_reval_claim {
            return wrong("moqt_claim", "is the same as access.moqt_reval_claim");
        }
        Ok(())
    }

    /// Whether tokens with keys are believed.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || self.jwks_url.is_some()
    }

    /// What is asked of tokens.
    pub fn rules(&self) -> Rules {
        Rules {
            issuers: self.issuers.clone(),
            audiences: self.audiences.clone(),
            leeway_s: self.leeway_s,
            moqt_claim: self.moqt_claim,
            revalidation_claim: self.moqt_reval_claim,
        }
    }
}

fn is_this_machine(url: &reqwest::Url) -> bool {
    let local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    url.scheme() == "http" && url.host_str().is_some_and(local)
}
