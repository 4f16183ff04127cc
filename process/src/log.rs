//! Logs: one subscriber on standard error, and a brake for lines that a peer could repeat at will.

use std::{
    collections::HashMap,
    hash::Hash,
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::limit::{LOG_REPEAT, MAX_LOG_KEYS};

/// Libraries that say at `info` what is of use only to who looks into them; a level for their target in the settings wins.
const QUIET: &str = "apalis_core=warn";

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`, also per target: `info,relay::fanout=debug`.
    pub level: String,
    /// Form of a line.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is not a filter.
    #[error("log level {level:?}: {reason}")]
    Level {
        /// The level as configured.
        level: String,
        /// Why it is refused.
        reason: String,
    },
    /// A subscriber is in place already: a fault of the program.
    #[error("logs are set up already")]
    AlreadySet,
}

/// Sends the logs of this process to standard error from now on.
///
/// # Errors
///
/// The level cannot be understood, or this is the second call.
pub fn init_logs(settings: &LogSettings) -> Result<(), LogError> {
    let subscriber = subscriber(settings, io::stderr, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::AlreadySet)
}

fn subscriber<W>(
    settings: &LogSettings,
    writer: W,
    colours: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let LogSettings { level, format } = settings;
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{level}"))
        .map_err(|error| LogError::Level { level: level.clone(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    Ok(match format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

/// Lets a log line through at most once in ten seconds per key, for example per peer address. Bounded: while 1024 keys are
/// remembered, lines with new keys are left out.
#[derive(Debug)]
pub struct LogLimit<K> {
    last: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> LogLimit<K> {
    /// Nothing was logged yet.
    pub fn new() -> Self {
        Self { last: Mutex::new(HashMap::new()) }
    }

    /// Whether to log a line about `key` now. Must not be called for lines that are not then written.
    pub fn permits(&self, key: K) -> bool {
        let now = Instant::now();
        let fresh = |last: &Instant| now.duration_since(*last) < LOG_REPEAT;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&key).is_some_and(fresh) {
            return false;
        }
        if last.len() >= MAX_LOG_KEYS {
            last.retain(|_, time| fresh(time));
        }
        let room = last.len() < MAX_LOG_KEYS || last.contains_key(&key);
        if room {
            last.insert(key, now);
        }
        room
    }
}

impl<K: Eq + Hash> Default for LogLimit<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: LogFormat) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let settings = LogSettings { level: level.to_owned(), format };
        let subscriber = subscriber(&settings, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(answer = 42, "informed");
            tracing::debug!("debugged");
        });
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_level_decides_what_is_logged() {
        assert_eq!(logged("warn", LogFormat::Text), "");
        let text = logged("info", LogFormat::Text);
        assert!(text.contains("informed answer=42") && !text.contains("debugged"), "{text}");
        assert!(logged("process=debug", LogFormat::Text).contains("debugged"));
    }

    #[test]
    fn json_lines_are_objects_with_flat_fields() {
        let line = logged("info", LogFormat::Json);
        assert!(line.starts_with('{') && line.trim_end().ends_with('}'), "{line}");
        assert!(line.contains(r#""answer":42"#) && line.contains(r#""level":"INFO""#), "{line}");
    }

    #[test]
    fn a_bad_level_is_named() {
        let settings = LogSettings { level: "a=b=c".to_owned(), ..LogSettings::default() };
        let error = init_logs(&settings).unwrap_err().to_string();
        assert!(error.starts_with("log level \"a=b=c\""), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_lines_wait_per_key() {
        let limit = LogLimit::new();
        assert!(limit.permits("a") && limit.permits("b"));
        tokio::time::advance(LOG_REPEAT / 2).await;
        assert!(!limit.permits("a"));
        tokio::time::advance(LOG_REPEAT / 2).await;
        assert!(limit.permits("a") && !limit.permits("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_keys_is_bounded() {
        let limit = LogLimit::new();
        let permitted = (0..2 * MAX_LOG_KEYS).filter(|&key| limit.permits(key)).count();
        assert_eq!(permitted, MAX_LOG_KEYS);
        tokio::time::advance(LOG_REPEAT).await;
        assert!(limit.permits(usize::MAX));
    }
}
