//! Keys on disk: the private one that signs, and the public ones to trust.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::AuthSettings;
use super::limit::PUBLIC_KEYS;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Why there are no keys to sign or verify with. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds no Ed25519 private key in PKCS #8.
    #[error("{0}: no Ed25519 private key (PKCS #8, PEM)")]
    Private(PathBuf),
    /// A file holds no set of Ed25519 public keys.
    #[error("{path}: no JWKS of Ed25519 keys with `kid`: {reason}")]
    Public {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system has no randomness, or ring does not sign.
    #[error("cannot make or use an Ed25519 key")]
    Ring,
}

/// Public keys (RFC 7517) as they are published and read.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KeySet {
    keys: Vec<PublicKey>,
}

/// An Ed25519 public key (RFC 8037). Members that we do not need may stand beside these.
#[derive(Debug, Serialize, Deserialize)]
struct PublicKey {
    kty: String,
    crv: String,
    x: String,
    kid: String,
}

/// The key that signs, and all that are trusted by their names.
pub(super) struct Keys {
    pub(super) signing: EncodingKey,
    /// Name of the key that signs.
    pub(super) name: String,
    pub(super) trusted: HashMap<String, DecodingKey>,
    pub(super) published: KeySet,
}

impl Keys {
    /// Reads the keys, and makes the private one if there is none yet. Blocks.
    pub(super) fn load(settings: &AuthSettings, folder: &Path) -> Result<Self, KeyError> {
        let path = settings.key.clone().unwrap_or_else(|| folder.join("token.pem"));
        let der = match fs::read_to_string(&path) {
            Ok(text) => decode_pem(&text).ok_or_else(|| KeyError::Private(path.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path)?,
            Err(source) => return Err(KeyError::File { path, source }),
        };
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError::Private(path))?;
        let public = PublicKey::of(pair.public_key().as_ref());
        let name = public.kid.clone();
        let mut published = settings.jwks.as_deref().map(KeySet::read).transpose()?.unwrap_or_default();
        published.keys.retain(|key| key.kid != name);
        published.keys.insert(0, public);
        let trusted = published.decoding().ok_or(KeyError::Ring)?;
        Ok(Self { signing: EncodingKey::from_ed_der(&der), name, trusted, published })
    }
}

impl PublicKey {
    fn of(bytes: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(bytes);
        // Its thumbprint (RFC 7638) is the same in every process.
        let print = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x, kid: URL_SAFE_NO_PAD.encode(print) }
    }

    fn bytes(&self) -> Option<[u8; 32]> {
        let ours = self.kty == "OKP" && self.crv == "Ed25519" && !self.kid.is_empty();
        URL_SAFE_NO_PAD.decode(&self.x).ok().filter(|_| ours)?.try_into().ok()
    }
}

impl KeySet {
    fn read(path: &Path) -> Result<Self, KeyError> {
        let wrong = |reason: String| KeyError::Public { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        let set: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if set.keys.len() > PUBLIC_KEYS {
            return Err(wrong(format!("more than {PUBLIC_KEYS} keys")));
        }
        match set.keys.iter().find(|key| key.bytes().is_none()) {
            Some(key) => Err(wrong(format!("key `{}`", key.kid))),
            None => Ok(set),
        }
    }

    fn decoding(&self) -> Option<HashMap<String, DecodingKey>> {
        self.keys.iter().map(|key| Some((key.kid.clone(), DecodingKey::from_ed_der(&key.bytes()?)))).collect()
    }
}

fn decode_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

/// Makes a key and keeps it where only this user can read it.
fn make(path: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Ring)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Two processes that start together must end up with one key: the whole file appears at once, for the first of them.
    let draft = path.with_extension(format!("{}.draft", crate::id::new_uuid()));
    let text = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der.as_ref()));
    let written =
        options.open(&draft).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft).map_err(failed)?;
    match linked {
        Ok(()) => Ok(der.as_ref().to_vec()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = fs::read_to_string(path).map_err(failed)?;
            decode_pem(&text).ok_or_else(|| KeyError::Private(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}
