//! What an operator decides about the furniture shop.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::webhook::WebhookSettings;

/// Settings of the furniture shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FurnitureSettings {
    /// Where it is if not in this process: `http://host:port`, before `/api/v1`.
    pub url: Option<String>,
    /// Calls to subscribers.
    pub webhook: WebhookSettings,
    /// Folder of finished exports; beside the databases unless named. With PostgreSQL it must be named, and shared by all
    /// processes that serve furniture.
    pub export_folder: Option<PathBuf>,
    /// Hours that a finished export is kept.
    pub export_keep_h: u64,
}

impl Default for FurnitureSettings {
    fn default() -> Self {
        Self { url: None, webhook: WebhookSettings::default(), export_folder: None, export_keep_h: 24 }
    }
}

impl FurnitureSettings {
    /// How long a finished export is kept: at least an hour.
    pub(super) fn export_keep(&self) -> Duration {
        Duration::from_secs(self.export_keep_h.clamp(1, 24 * 366) * 3600)
    }
}
