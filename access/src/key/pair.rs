//! Keys that sign.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use super::jwk::{COORDINATE, Jwk, KeyParseError};
use super::{Algorithm, VerifyKey, pem};

/// Where the private number stands in the PKCS #8 that ring makes for P-256, which is always the same around it.
const P256_PRIVATE: std::ops::Range<usize> = 36..68;

/// The system has no randomness, or the key does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key cannot be made or used: {0}")]
pub struct SignError(&'static str);

/// A key that signs tokens, with its public half.
pub struct KeyPair {
    jwk: Jwk,
    algorithm: Algorithm,
    secret: Secret,
}

enum Secret {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Hmac(hmac::Key),
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("name", &self.jwk.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl KeyPair {
    /// Makes a key. Without a name it is called by its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate(algorithm: Algorithm, name: Option<String>) -> Result<Self, SignError> {
        let random = SystemRandom::new();
        let mut bytes = [0; 32];
        random.fill(&mut bytes).map_err(|_| SignError("no randomness"))?;
        let text = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let mut jwk = Jwk { alg: Some(algorithm.name().to_owned()), kid: name, ..Jwk::default() };
        match algorithm {
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&bytes).map_err(|_| SignError("no key of the seed"))?;
                (jwk.kty, jwk.crv) = ("OKP".to_owned(), Some("Ed25519".to_owned()));
                (jwk.x, jwk.d) = (text(pair.public_key().as_ref()), text(&bytes));
            }
            Algorithm::Es256 => {
                let wrong = |_| SignError("no key of the system's randomness");
                let document =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(wrong)?;
                let d = document.as_ref().get(P256_PRIVATE).ok_or(SignError("a key of another form"))?;
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
                let pair = pair.map_err(|_| SignError("a key of another form"))?;
                jwk = Jwk { d: text(d), ..p256_public(jwk, &pair) };
            }
            Algorithm::Hs256 => (jwk.kty, jwk.k) = (Jwk::SECRET.to_owned(), text(&bytes)),
        }
        jwk.kid = jwk.kid.take().or_else(|| thumbprint(&jwk));
        jwk.key_ops = Some(vec!["sign".to_owned(), "verify".to_owned()]);
        Self::new(jwk).map_err(|_| SignError("a key that does not fit its public half"))
    }

    /// Reads a private key: a JWK, plain or in base64url, or PKCS #8 as PEM.
    ///
    /// # Errors
    /// It is no private key for tokens.
    pub fn from_file(text: &str) -> Result<Self, KeyParseError> {
        if !text.trim_start().starts_with("-----BEGIN") {
            return Self::new(Jwk::from_text(text)?);
        }
        let der = pem::private(text)?;
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            let x = Some(URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()));
            let jwk = Jwk { kty: "OKP".to_owned(), crv: Some("Ed25519".to_owned()), x, ..Jwk::default() };
            return Ok(Self { jwk, algorithm: Algorithm::EdDsa, secret: Secret::Ed25519(pair) });
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new());
        let pair = pair.map_err(|_| KeyParseError::Nothing)?;
        let jwk = p256_public(Jwk::default(), &pair);
        Ok(Self { jwk, algorithm: Algorithm::Es256, secret: Secret::P256(pair) })
    }

    fn new(jwk: Jwk) -> Result<Self, KeyParseError> {
        let public = jwk.verifying().ok_or(KeyParseError::Nothing)?;
        let wrong = |what: &str| KeyParseError::Content(what.to_owned());
        let private = || -> Result<Vec<u8>, KeyParseError> {
            let text = jwk.d.as_deref().ok_or_else(|| wrong("only a public key: nobody can sign with it"))?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong("`d` is not base64url"))
        };
        let differ = |_| wrong("the private and the public half do not belong together");
        let secret = match public.algorithm {
            Algorithm::EdDsa => Secret::Ed25519(
                Ed25519KeyPair::from_seed_and_public_key(&private()?, &public.material).map_err(differ)?,
            ),
            Algorithm::Es256 => {
                let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
                let pair =
                    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private()?, &public.material, &random);
                Secret::P256(pair.map_err(differ)?)
            }
            Algorithm::Hs256 => Secret::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &public.material)),
        };
        Ok(Self { jwk, algorithm: public.algorithm, secret })
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What tokens call it.
    pub fn name(&self) -> Option<&str> {
        self.jwk.kid.as_deref()
    }

    /// The key as a JWK, with what must stay secret.
    pub fn to_json(&self) -> String {
        // A handful of strings.
        serde_json::to_string(&self.jwk).unwrap_or_default()
    }

    /// The half that verifies, as a JWK; `None` = there is none that everybody may see.
    pub fn public_json(&self) -> Option<String> {
        let key_ops = self.jwk.key_ops.as_ref().map(|_| vec!["verify".to_owned()]);
        let alg = Some(self.algorithm.name().to_owned());
        let public = Jwk { d: None, key_ops, alg, ..self.jwk.clone() };
        (self.algorithm != Algorithm::Hs256).then(|| serde_json::to_string(&public).unwrap_or_default())
    }

    /// The half that verifies.
    pub fn verifying(&self) -> Option<VerifyKey> {
        self.jwk.verifying()
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(match &self.secret {
            Secret::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Secret::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message);
                signed.map_err(|_| SignError("no randomness"))?.as_ref().to_vec()
            }
            Secret::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
        })
    }
}

/// The public members of a P-256 key.
fn p256_public(jwk: Jwk, pair: &EcdsaKeyPair) -> Jwk {
    // 4, then both coordinates.
    let point = pair.public_key().as_ref();
    let (x, y) = point.get(1..).and_then(|both| both.split_at_checked(COORDINATE)).unwrap_or_default();
    let text = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
    Jwk { kty: "EC".to_owned(), crv: Some("P-256".to_owned()), x: text(x), y: text(y), ..jwk }
}

/// The name of a key after what it is; a secret's tells nothing of it but whether two are the same.
fn thumbprint(jwk: &Jwk) -> Option<String> {
    let Jwk { kty, crv, x, y, k, .. } = jwk;
    let text = match (kty.as_str(), crv, x, y, k) {
        ("OKP", Some(crv), Some(x), ..) => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        ("EC", Some(crv), Some(x), Some(y), _) => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
        (_, _, _, _, Some(k)) => format!(r#"{{"k":"{k}","kty":"oct"}}"#),
        _ => return None,
    };
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())))
}
