//! Every bound of the furniture shop, with its unit and its reason.

use std::time::Duration;

/// Products of one discount: a page of a leaflet.
pub(super) const DISCOUNT_PRODUCTS: usize = 100;
/// Discounts that are on or to come: more than anybody keeps an overview of.
pub(super) const DISCOUNTS: i64 = 1000;
/// Longest discount. What is always cheaper is not reduced.
pub(super) const DISCOUNT_TIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// How far back the lowest prior price is looked for (Directive 98/6/EC, article 6a).
pub(super) const PRIOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Discounts told to partners in one round.
pub(super) const TOLD: i64 = 100;
/// Between two looks for discounts that begin or end.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long one process of several has the duty to tell.
pub(super) const TELL_LEASE: Duration = Duration::from_secs(10);

/// Bytes after which a chunk of text is handed on: few system calls, little memory.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;
/// Rows of one Arrow record batch: some hundred kilobytes, what readers like.
#[cfg(feature = "arrow")]
pub(super) const BATCH_ROWS: usize = 4096;
/// Chunks that wait for a slow reader.
pub(super) const CHUNKS_WAITING: usize = 4;
/// How long a reader may take for one chunk before the export is cut off: it holds a database connection.
pub(super) const STALL: Duration = Duration::from_secs(30);
/// Exports streamed at a time: each holds one of the database's reading connections; the rest is for everybody else.
pub(super) const STREAMED: usize = 2;
/// Exports of one owner that are kept or queued.
pub(super) const EXPORTS: i64 = 20;
/// Rows between two notes of a job's progress.
pub(super) const PROGRESS: u64 = 50_000;
/// How long one try of an export job may take: a hundred times what a million rows take.
pub(super) const EXPORT_TIME: Duration = Duration::from_secs(30 * 60);
/// Between two looks for exports that nobody needs any more.
pub(super) const TIDY_EVERY: Duration = Duration::from_secs(600);
/// Age at which a file that belongs to no export is removed.
pub(super) const STRAY: Duration = Duration::from_secs(3600);
/// Bytes collected before the file is written to.
pub(super) const FILE_BUFFER: usize = 1024 * 1024;
/// Synthetic products made in one transaction by the bulk seed.
pub(super) const BULK: i64 = 20_000;
/// Most products that the bulk seed makes: what ten digits of a GTIN's body can number.
pub(crate) const BULK_ROWS: i64 = 10_000_000;
