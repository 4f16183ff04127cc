//! The whole catalogue, or what changed in it, as one stream or file.
//!
//! All rows of an export come from one statement, and so from one state of the database, whatever is ordered or changed
//! meanwhile; the number of the newest change in that state is the export's *snapshot*. Asking for the changes since it gives
//! what came later: changed products whole, withdrawn ones as `deleted`. An export that a crash cut short begins anew with a new
//! snapshot, since rows of two states must not meet in one file.

#[cfg(feature = "arrow")]
mod arrow;
mod encode;
mod file;
mod format;
mod job;
mod model;
mod read;
mod row;
mod stream;

pub(super) use file::answer;
pub(super) use format::Format;
pub(super) use job::{Exports, READY};
pub(super) use model::ExportView;
pub(super) use read::open;
pub(super) use stream::body;
