//! Keeps the trusted keys fresh: reads files and the URL again and again, and keeps what it had when that fails.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use process::Backoff;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::jwk::KeyParseError;
use super::set::KeySet;
use crate::settings::AccessSettings;
use crate::{limit, metric};

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read.
    #[error("key file {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// A file holds no keys.
    #[error("key file {}: {error}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        error: KeyParseError,
    },
    /// The client for the URL cannot be made.
    #[error("access.jwks_ca: {0}")]
    Client(String),
    /// The URL does not give keys.
    #[error("{0}")]
    Url(String),
}

/// Where keys come from.
#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url { url: String, client: reqwest::Client },
}

/// Trusted keys, and what keeps them fresh.
#[derive(Debug)]
pub struct Keyring {
    sources: Vec<Source>,
    refresh: Duration,
    /// What each source last gave, and all of it with a number that grows when it changes.
    trusted: RwLock<(Vec<KeySet>, Arc<KeySet>, u64)>,
    /// Counts readings, good or bad.
    readings: watch::Sender<u64>,
    wanted: Notify,
}

impl Keyring {
    /// Reads the files. The URL is read by [`Keyring::run`], so that a server starts without it.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn load(settings: &AccessSettings) -> Result<Self, KeyError> {
        let mut sources = Vec::new();
        let mut sets = Vec::new();
        for path in &settings.keys {
            sets.push(read_file(path)?);
            sources.push(Source::File(path.clone()));
        }
        if let Some(url) = &settings.jwks_url {
            let client = client(settings.jwks_ca.as_deref())?;
            sources.push(Source::Url { url: url.clone(), client });
            sets.push(KeySet::default());
        }
        let all = Arc::new(together(&sets));
        metric::keys(all.keys().len());
        Ok(Self {
            sources,
            refresh: Duration::from_secs(settings.refresh_s),
            trusted: RwLock::new((sets, all, 0)),
            readings: watch::Sender::new(0),
            wanted: Notify::new(),
        })
    }

    /// The keys trusted now, and a number that differs for different ones.
    pub fn keys(&self) -> (Arc<KeySet>, u64) {
        let trusted = self.trusted.read().unwrap_or_else(PoisonError::into_inner);
        (trusted.1.clone(), trusted.2)
    }

    /// Whether there is anything to read keys from.
    pub fn is_used(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Reads the keys whenever it is time, for ever.
    pub async fn run(&self) -> Infallible {
        if !self.is_used() {
            return std::future::pending().await;
        }
        let mut backoff = Backoff::new(limit::RETRY_FIRST, limit::RETRY_MOST);
        let remote = self.sources.iter().any(|source| matches!(source, Source::Url { .. }));
        let mut wait = if remote { Duration::ZERO } else { self.refresh };
        loop {
            tokio::select! {
                () = sleep(wait) => {}
                () = self.wanted.notified() => {}
            }
            let began = Instant::now();
            wait = if self.read().await {
                backoff.reset();
                metric::all_read();
                self.refresh
            } else {
                backoff.next_wait().min(self.refresh)
            };
            self.readings.send_modify(|count| *count += 1);
            sleep(limit::DEMAND_PAUSE.saturating_sub(began.elapsed())).await;
        }
    }

    /// Has the keys read again, and waits for it, but not for long.
    pub(crate) async fn reread(&self) {
        if self.is_used() {
            let mut readings = self.readings.subscribe();
            readings.mark_unchanged();
            self.ask();
            let _ = timeout(limit::KEY_WAIT, readings.changed()).await;
        }
    }

    /// Has the keys read again soon.
    pub(crate) fn ask(&self) {
        self.wanted.notify_one();
    }

    /// Reads every source; one that fails keeps its keys.
    async fn read(&self) -> bool {
        let mut well = true;
        for (index, source) in self.sources.iter().enumerate() {
            let (label, read) = match source {
                Source::File(path) => ("file", read_file(path)),
                Source::Url { url, client } => ("url", fetch(client, url).await.map_err(KeyError::Url)),
            };
            metric::reading(label, read.is_ok());
            match read {
                Ok(set) => self.take(index, set),
                Err(error) => {
                    well = false;
                    tracing::warn!(%error, "keys for tokens cannot be read; those known before go on");
                }
            }
        }
        well
    }

    fn take(&self, index: usize, set: KeySet) {
        let mut trusted = self.trusted.write().unwrap_or_else(PoisonError::into_inner);
        let (sets, all, number) = &mut *trusted;
        if sets.get(index) == Some(&set) {
            return;
        }
        if let Some(place) = sets.get_mut(index) {
            *place = set;
        }
        *all = Arc::new(together(sets));
        *number += 1;
        metric::keys(all.keys().len());
        let names: Vec<_> = all.keys().iter().map(|key| key.name().unwrap_or("(nameless)")).collect();
        tracing::info!(?names, "keys for tokens have changed");
    }
}

fn together(sets: &[KeySet]) -> KeySet {
    sets.iter().flat_map(KeySet::keys).cloned().collect()
}

fn read_file(path: &Path) -> Result<KeySet, KeyError> {
    let unreadable = |error| KeyError::File { path: path.to_owned(), error };
    let content = |error| KeyError::Content { path: path.to_owned(), error };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > limit::KEY_SET_BYTES as u64 {
        return Err(content(KeyParseError::Content(format!("over {} bytes", limit::KEY_SET_BYTES))));
    }
    KeySet::from_file(&std::fs::read_to_string(path).map_err(unreadable)?).map_err(content)
}

fn client(ca: Option<&Path>) -> Result<reqwest::Client, KeyError> {
    let wrong = |error: reqwest::Error| KeyError::Client(error.to_string());
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("efir/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limit::FETCH_TIMEOUT)
        .pool_max_idle_per_host(1);
    match ca {
        Some(path) => {
            let pem = std::fs::read(path).map_err(|error| KeyError::File { path: path.to_owned(), error })?;
            for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(wrong)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        None => {
            for root in rustls_native_certs::load_native_certs().certs {
                if let Ok(certificate) = reqwest::Certificate::from_der(&root) {
                    builder = builder.add_root_certificate(certificate);
                }
            }
        }
    }
    builder.build().map_err(wrong)
}

/// Reads a key set from a URL, up to its bound.
async fn fetch(client: &reqwest::Client, url: &str) -> Result<KeySet, String> {
    let failed = |error: reqwest::Error| format!("access.jwks_url: {}", error.without_url());
    let mut answer = client.get(url).send().await.map_err(failed)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("access.jwks_url: answers {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > limit::KEY_SET_BYTES {
            return Err(format!("access.jwks_url: answers more than {} bytes", limit::KEY_SET_BYTES));
        }
    }
    KeySet::from_url(&String::from_utf8_lossy(&body)).map_err(|error| format!("access.jwks_url: {error}"))
}
