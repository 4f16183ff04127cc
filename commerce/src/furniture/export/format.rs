//! The formats an export can have.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::furniture) enum Format {
    /// One JSON object per line.
    Ndjson,
    /// RFC 4180 with a header line.
    Csv,
    /// The Arrow IPC stream format.
    Arrow,
}

impl Format {
    /// All of them.
    const ALL: [Self; 3] = [Self::Ndjson, Self::Csv, Self::Arrow];

    /// The word in requests, and the end of a file's name.
    pub(in crate::furniture) fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
        }
    }

    /// The media type.
    pub(in crate::furniture) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The format of a word.
    pub(in crate::furniture) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Refuses what this program was built without.
    ///
    /// # Errors
    /// 501, naming the cargo feature.
    pub(in crate::furniture) fn require_built(self) -> Result<Self, Problem> {
        if self == Self::Arrow && !cfg!(feature = "arrow") {
            let detail = "this server was built without the cargo feature `arrow`; ask for ndjson or csv";
            return Err(Problem::new("not-built-in", StatusCode::NOT_IMPLEMENTED, "Not in this build", detail));
        }
        Ok(self)
    }
}
