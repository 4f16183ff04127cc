//! Keys as PEM: public ones as SubjectPublicKeyInfo (RFC 5280), private ones as PKCS #8.

use x509_parser::pem::parse_x509_pem;

use super::jwk::KeyParseError;
use super::{Algorithm, VerifyKey};

/// What stands before an Ed25519 point (RFC 8410 section 4).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before an uncompressed P-256 point (RFC 5480 section 2).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of an Ed25519 point.
const ED25519_POINT: usize = 32;
/// Bytes of an uncompressed P-256 point.
const P256_POINT: usize = 65;

/// Reads `-----BEGIN PUBLIC KEY-----`.
pub(super) fn public(text: &str) -> Result<VerifyKey, KeyParseError> {
    if text.contains("PRIVATE KEY-----") {
        return Err(KeyParseError::Private);
    }
    let der = contents(text, "PUBLIC KEY")?;
    let point = |prefix: &[u8], length| der.strip_prefix(prefix).filter(|point| point.len() == length);
    let (algorithm, point) = if let Some(point) = point(&ED25519, ED25519_POINT) {
        (Algorithm::EdDsa, point)
    } else if let Some(point) = point(&P256, P256_POINT) {
        (Algorithm::Es256, point)
    } else {
        return Err(KeyParseError::Nothing);
    };
    Ok(VerifyKey { name: None, algorithm, material: point.to_vec() })
}

/// Reads `-----BEGIN PRIVATE KEY-----`.
pub(super) fn private(text: &str) -> Result<Vec<u8>, KeyParseError> {
    contents(text, "PRIVATE KEY")
}

fn contents(text: &str, label: &str) -> Result<Vec<u8>, KeyParseError> {
    let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| KeyParseError::Content("broken PEM".to_owned()))?;
    if pem.label == label { Ok(pem.contents) } else { Err(KeyParseError::Content(format!("no {label}"))) }
}
