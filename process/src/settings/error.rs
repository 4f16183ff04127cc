//! What is wrong with settings, and where.

use std::{fmt, io, path::PathBuf};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsOrigin {
    /// A settings file, with the line counted from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag,
    /// Nowhere: a default, or a value that is missing.
    Default,
}

impl fmt::Display for SettingsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag => f.write_str("command line"),
            Self::Default => f.write_str("settings"),
        }
    }
}

/// A key that is not a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// Path of the key, levels separated by dots.
    pub key: String,
    /// Where it was set.
    pub origin: SettingsOrigin,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: unknown setting `{}`", self.origin, self.key)
    }
}

/// Settings that each are fine but not together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("settings: `{key}` {reason}")]
pub struct Contradiction {
    /// Path of the setting, levels separated by dots.
    pub key: String,
    /// What is wrong with it, to be read after its name.
    pub reason: String,
}

impl Contradiction {
    /// Blames one setting.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

/// The settings cannot be used; always the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings file cannot be read.
    #[error("cannot read the settings file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
    /// The settings file is not TOML.
    #[error("{origin}: {message}")]
    Syntax {
        /// File and line.
        origin: SettingsOrigin,
        /// What the parser expected.
        message: String,
    },
    /// An environment variable is not Unicode text.
    #[error("environment variable {0} is not Unicode text")]
    NotUnicode(String),
    /// Keys that are not settings, all of them.
    #[error("{}", list(.0))]
    UnknownKeys(Vec<UnknownKey>),
    /// A value does not fit its setting.
    #[error("{origin}: `{key}`: {message}")]
    Invalid {
        /// Path of the setting, levels separated by dots.
        key: String,
        /// Where the value was set.
        origin: SettingsOrigin,
        /// What was found and expected.
        message: String,
    },
    /// Settings that each are fine but not together.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The flags or settings have no form in TOML: a fault of the program.
    #[error("settings cannot be written as TOML: {0}")]
    Serialize(String),
    /// Standard output does not take the printed settings.
    #[error("cannot print the settings")]
    Print(#[source] io::Error),
}

fn list(keys: &[UnknownKey]) -> String {
    keys.iter().map(UnknownKey::to_string).collect::<Vec<_>>().join("; ")
}
