//! Settings that must not show up in logs or printed settings.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

const REDACTED: &str = "[redacted]";

/// Text that prints and serializes as `[redacted]`. In flags use a plain string: flags are merged in serialized form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Printed settings that are read again do not hold the secret any more, and what stands in its place is known to all.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == REDACTED {
            return Err(D::Error::custom(format!(
                "{REDACTED} stands for a secret that was not printed: write it here"
            )));
        }
        Ok(Self(text))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Settings {
        token: Secret,
    }

    #[test]
    fn what_was_printed_is_not_taken_for_the_secret() {
        let settings: Settings = toml::from_str("token = 'hush'").unwrap();
        assert_eq!(settings.token.expose(), "hush");
        let printed = toml::to_string(&settings).unwrap();
        assert!(!printed.contains("hush") && !format!("{settings:?}").contains("hush"));
        let error = toml::from_str::<Settings>(&printed).unwrap_err();
        assert!(error.to_string().contains("write it here"), "{error}");
    }
}
