//! What every binary needs once: settings, logs, metrics, admin HTTP, shutdown, and what the kernel knows of a process.
//!
//! This crate alone reads the environment. A binary's `main` is one call of [`run`], which hands over a [`Shutdown`] and turns
//! the result into an exit code; [`load_settings`] reads the settings, [`init_logs`] and [`Metrics::install`] set up what is
//! global, [`serve_http`] serves a router until shutdown.
//!
//! ```no_run
//! use std::{error::Error, process::ExitCode};
//!
//! use clap::Parser;
//!
//! #[derive(Default, serde::Serialize, serde::Deserialize)]
//! #[serde(default)]
//! struct RelaySettings {
//!     log: process::LogSettings,
//!     admin: process::HttpSettings,
//! }
//!
//! #[derive(clap::Parser, serde::Serialize)]
//! struct Flags {
//!     #[command(flatten)]
//!     #[serde(skip)]
//!     common: process::SettingsArguments,
//! }
//!
//! fn main() -> ExitCode {
//!     let flags = Flags::parse();
//!     process::run("efir-relay", |shutdown| relay(flags, shutdown))
//! }
//!
//! async fn relay(flags: Flags, shutdown: process::Shutdown) -> Result<(), Box<dyn Error + Send + Sync>> {
//!     let Some(RelaySettings { log, admin }) = process::load_settings(&flags.common, &flags, |_| Ok(()))? else {
//!         return Ok(());
//!     };
//!     process::init_logs(&log)?;
//!     let listeners = process::bind_localhost(8080)?;
//!     process::serve_http(listeners, axum::Router::new(), &admin, &shutdown).await;
//!     Ok(())
//! }
//! ```

mod backoff;
mod directory;
mod http;
mod limit;
mod log;
mod metric;
mod run;
mod secret;
mod settings;
mod shutdown;
mod usage;

pub use backoff::Backoff;
pub use directory::state_directory;
pub use http::{HttpSettings, bind_localhost, listen, serve_http, serve_http_after};
pub use limit::{
    CLOSE_MARGIN, DEFAULT_GRACE, HANDSHAKE_TIMEOUT, HEADER_TIMEOUT, MAX_HEADER_BYTES, SECONDS_BUCKETS, UPKEEP_INTERVAL,
};
pub use log::{LogError, LogFormat, LogLimit, LogSettings, init_logs};
pub use metric::{Metrics, MetricsError};
pub use run::{StopError, run};
pub use secret::Secret;
pub use settings::{
    Contradiction, SettingsArguments, SettingsError, SettingsLayers, SettingsOrigin, UnknownKey, load_settings,
    load_settings_over, token_from_environment, variable,
};
pub use shutdown::Shutdown;
pub use usage::{ThreadUsage, Usage, own_threads};
