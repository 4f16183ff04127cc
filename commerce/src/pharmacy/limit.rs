//! Bounds of the pharmacy: what each counts, and why it is as large as it is.

use std::time::Duration;

/// Packages the catalogue may hold: ten times those on sale in Finland. Bounds the memory of the search index.
pub(crate) const MAX_PACKAGES: usize = 100_000;

/// Characters of a search that are read: longer than any name of a medicine with its strength and form.
pub(crate) const MAX_QUERY_CHARS: usize = 120;

/// Words of a search that are looked up.
pub(crate) const MAX_QUERY_WORDS: usize = 8;

/// Words of the vocabulary that one beginning of a word may stand for; more says nothing about what was meant.
pub(crate) const MAX_EXPANSIONS: usize = 64;

/// Words of the vocabulary whose spelling is compared with a misspelt one.
pub(crate) const MAX_SIMILAR: usize = 40;

/// Shortest part of a word that is looked for inside other words, in characters.
pub(crate) const MIN_PART_CHARS: usize = 4;

/// Packages one question about availability may name.
pub(crate) const MAX_AVAILABILITY: usize = 50;

/// Packages that one prescription may be for: two years of monthly packages, doubled.
pub(crate) const MAX_PRESCRIBED: i64 = 48;

/// How long a process serves its copy of the catalogue before it asks whether another has changed it.
pub(crate) const CATALOGUE_CHECK: Duration = Duration::from_secs(1);

/// Between two looks for orders that wait for advice or a parcel.
pub(crate) const DESK_EVERY: Duration = Duration::from_millis(250);

/// How long a process keeps the duty to look for them without asking again.
pub(crate) const DESK_LEASE: Duration = Duration::from_secs(10);

/// Orders one look takes on, so that each look ends soon.
pub(crate) const DESK_BATCH: i64 = 50;

/// Wait before the second try to book a parcel; doubles with each further one.
pub(crate) const PARCEL_RETRY: Duration = Duration::from_millis(500);

/// Longest wait between two tries to book a parcel.
pub(crate) const PARCEL_RETRY_MAX: Duration = Duration::from_secs(60);

/// Characters of an advice, a reason or a dosage: a page of text.
pub(crate) const MAX_TEXT: usize = 4000;

/// Rows of an import that are written in one transaction's statement: about 200 kB of JSON.
pub(crate) const IMPORT_CHUNK: usize = 500;

/// Bytes of one line of an import: the documented fields sum up to less than 500.
pub(crate) const MAX_IMPORT_LINE: usize = 4096;

/// Errors an import reports before it gives up.
pub(crate) const MAX_IMPORT_ERRORS: usize = 20;
