//! SHA-256 of a certificate's DER bytes: what a browser takes as `serverCertificateHashes`.

use sha2::{Digest, Sha256};

/// SHA-256 over the DER bytes of a leaf certificate.
pub type CertificateHash = [u8; 32];

pub(crate) fn hash_of(der: &[u8]) -> CertificateHash {
    Sha256::digest(der).into()
}

/// The hash as 64 lower-case hexadecimal digits.
pub fn hash_to_hex(hash: &CertificateHash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    hash.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

/// Reads 64 hexadecimal digits of either case; `None` for anything else. Colons between bytes, as OpenSSL prints them, are accepted.
pub fn hash_from_hex(text: &str) -> Option<CertificateHash> {
    let mut nibbles = text.chars().filter(|&c| c != ':').map(|c| c.to_digit(16));
    let mut hash = CertificateHash::default();
    for byte in &mut hash {
        let (high, low) = (nibbles.next()??, nibbles.next()??);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    nibbles.next().is_none().then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_the_known_vector() {
        assert_eq!(hash_to_hex(&hash_of(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn reads_back_what_it_prints_and_nothing_else() {
        let hash = hash_of(b"efir");
        let hex = hash_to_hex(&hash);
        assert_eq!(hash_from_hex(&hex), Some(hash));
        assert_eq!(hash_from_hex(&hex.to_uppercase()), Some(hash));
        let bytes: Vec<&str> = (0..32).map(|i| &hex[2 * i..2 * i + 2]).collect();
        assert_eq!(hash_from_hex(&bytes.join(":")), Some(hash));
        assert_eq!(hash_from_hex(&hex[1..]), None);
        assert_eq!(hash_from_hex(&format!("{hex}0")), None);
        assert_eq!(hash_from_hex(&hex.replace(&hex[..1], "g")), None);
        assert_eq!(hash_from_hex(""), None);
    }
}
