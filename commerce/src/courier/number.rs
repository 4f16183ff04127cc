//! Parcel numbers: what a person follows a parcel by, without logging in.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::id::IdError;

/// How every number begins.
const PREFIX: &str = "EF";

/// Random characters: 13 of 5 bits are 65 bits. Whoever guesses a thousand numbers a second finds one of ten million parcels
/// in more than a hundred years.
const RANDOM: usize = 13;

/// Digits and letters that people do not mix up when they read them out.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A parcel's number: `EF`, 13 random characters and a check character (ISO/IEC 7064, MOD 37,36).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^EF[0-9A-Z]{14}$", example = "EF7K2QX0M4T9VBC1")]
pub(crate) struct ParcelNumber(String);

impl ParcelNumber {
    /// A new one that nobody can guess; nothing if the operating system has no randomness.
    pub(crate) fn random(source: &SystemRandom) -> Option<Self> {
        let mut bytes = [0; RANDOM];
        source.fill(&mut bytes).ok()?;
        let random = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        let body: String = PREFIX.chars().chain(random).collect();
        let check = check_character(&body)?;
        Some(Self(format!("{body}{check}")))
    }

    /// Reads a number as people write it: small letters, spaces and hyphens are fine.
    ///
    /// # Errors
    /// Another form, or a wrong check character.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        let error = IdError("parcel number");
        if text.len() > 4 * (PREFIX.len() + RANDOM + 1) {
            return Err(error);
        }
        let plain = text.chars().filter(|letter| !matches!(letter, ' ' | '-'));
        let number: String = plain.map(|letter| letter.to_ascii_uppercase()).collect();
        let letters = number.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if !letters || number.len() != PREFIX.len() + RANDOM + 1 || !number.starts_with(PREFIX) {
            return Err(error);
        }
        let (body, check) = number.split_at(number.len() - 1);
        if check_character(body) == check.chars().next() { Ok(Self(number)) } else { Err(error) }
    }

    /// The text, without spaces.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParcelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ParcelNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The check character of ISO/IEC 7064, MOD 37,36: finds every wrong character and nearly every swap of neighbours.
fn check_character(body: &str) -> Option<char> {
    let mut product = 36;
    for letter in body.chars() {
        let sum = (product + letter.to_digit(36)?) % 36;
        product = (if sum == 0 { 36 } else { sum }) * 2 % 37;
    }
    char::from_digit((37 - product) % 36, 36).map(|letter| letter.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    use super::{ParcelNumber, check_character};

    #[test]
    fn the_standard_is_kept() {
        // The example of ISO/IEC 7064 for MOD 37,36.
        assert_eq!(check_character("A12425GABC1234002"), Some('M'));
    }

    #[test]
    fn people_may_write_them_their_way() {
        let number = ParcelNumber::random(&SystemRandom::new()).unwrap();
        let spoken =
            format!("{} {}-{}", &number.as_str()[..4].to_lowercase(), &number.as_str()[4..9], &number.as_str()[9..]);
        assert_eq!(ParcelNumber::parse(&spoken).unwrap(), number);
        for bad in ["", "EF", "ÄF7K2QX0M4T9VBC1", &"E".repeat(500)] {
            assert!(ParcelNumber::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_found(place in 2_usize..16, other in 0_u32..36) {
            let number = ParcelNumber::random(&SystemRandom::new()).unwrap();
            let other = char::from_digit(other, 36).unwrap().to_ascii_uppercase();
            let mut letters: Vec<char> = number.as_str().chars().collect();
            prop_assume!(letters[place] != other);
            letters[place] = other;
            prop_assert!(ParcelNumber::parse(&letters.iter().collect::<String>()).is_err());
        }
    }
}
