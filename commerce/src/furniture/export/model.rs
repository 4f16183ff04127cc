//! Export jobs as they are shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::format::Format;
use crate::clock::Timestamp;
use crate::id::ExportId;
use crate::store::{Row, StoreError};

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ExportState)]
pub(in crate::furniture) enum State {
    /// Waits for its turn.
    Queued,
    /// Rows are being written.
    Running,
    /// The file is there, whole.
    Ready,
    /// Given up; make another one.
    Failed,
}

impl State {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Queued, "queued"), (Self::Running, "running"), (Self::Ready, "ready"), (Self::Failed, "failed")];

    fn parse(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|(_, name)| *name == word)
            .map(|(state, _)| state)
            .ok_or_else(|| format!("no state: {word}"))
    }
}

/// An export job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(in crate::furniture) struct ExportView {
    /// Its name.
    pub(in crate::furniture) id: ExportId,
    /// Where it stands.
    pub(in crate::furniture) state: State,
    /// How rows are written.
    pub(in crate::furniture) format: Format,
    /// Only what changed after this change; everything if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::furniture) since: Option<i64>,
    /// Rows written.
    pub(in crate::furniture) rows_done: i64,
    /// Rows to write: an estimate until it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::furniture) rows_total: Option<i64>,
    /// Size of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::furniture) bytes: Option<i64>,
    /// SHA-256 of the file, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::furniture) sha256: Option<String>,
    /// Number of the newest change in the file: `since` of the next export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::furniture) snapshot: Option<i64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::furniture) error: Option<String>,
    /// When it was asked for.
    pub(in crate::furniture) created_at: Timestamp,
    /// When it was ready or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::furniture) finished_at: Option<Timestamp>,
    /// When it and its file are removed.
    pub(in crate::furniture) expires_at: Timestamp,
    /// Counts its changes; the ETag.
    pub(in crate::furniture) version: i64,
}

/// The columns of [`ExportView::read`].
macro_rules! export_view_columns {
    () => {
        "id, state, format, since, rows_done, rows_total, bytes, sha256, snapshot, error, created_at, finished_at, \
         expires_at, version"
    };
}
pub(super) use export_view_columns;

impl ExportView {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let format = |word: &str| Format::parse(word).ok_or_else(|| format!("no format: {word}"));
        Ok(Self {
            id: row.parse(0, ExportId::parse)?,
            state: row.parse(1, State::parse)?,
            format: row.parse(2, format)?,
            since: row.opt_int(3)?,
            rows_done: row.int(4)?,
            rows_total: row.opt_int(5)?,
            bytes: row.opt_int(6)?,
            sha256: row.opt_text(7)?.map(str::to_owned),
            snapshot: row.opt_int(8)?,
            error: row.opt_text(9)?.map(str::to_owned),
            created_at: row.time(10)?,
            finished_at: row.opt_int(11)?.map(Timestamp),
            expires_at: row.time(12)?,
            version: row.int(13)?,
        })
    }

    /// The name of its file.
    pub(super) fn file_name(&self) -> String {
        format!("{}.{}", self.id, self.format.as_str())
    }
}
