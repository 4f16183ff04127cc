//! One statement, one state: the rows of an export as chunks of bytes.

use axum::body::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};

use super::encode::Encoder;
use super::format::Format;
use super::row::{Item, export_columns};
use crate::furniture::LOCATION;
use crate::problem::Problem;
use crate::store::{Database, Row, StoreError, args};

/// Why an export does not begin.
#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::furniture) enum ExportError {
    /// The asked change is still to come.
    #[error("since: the newest change is {0}")]
    Future(i64),
    /// The format is not in this build.
    #[error("{}", .0.detail)]
    Format(Problem),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Future(_) => Self::malformed(error.to_string()),
            ExportError::Format(problem) => problem,
            ExportError::Store(error) => error.into(),
        }
    }
}

/// Some bytes of an export and how many rows are in all that came so far.
#[derive(Debug)]
pub(in crate::furniture) struct Chunk {
    pub(in crate::furniture) bytes: Bytes,
    pub(in crate::furniture) rows: u64,
}

/// An export that has begun: its state of the database is fixed.
pub(in crate::furniture) struct Export {
    /// Number of the newest change in it.
    pub(in crate::furniture) snapshot: i64,
    /// About how many rows there will be.
    pub(in crate::furniture) total: i64,
    /// The bytes, in order.
    pub(in crate::furniture) chunks: BoxStream<'static, Result<Chunk, StoreError>>,
}

/// Columns before those of the row: the snapshot and the number of rows.
const BEFORE: usize = 2;

/// Everything that is sold, by code. The join to the catalogue's own row gives a first row even if nothing is sold.
const ALL: &str = concat!(
    "SELECT c.change, (SELECT COUNT(*) FROM product), ",
    export_columns!(),
    " FROM catalogue AS c LEFT JOIN product AS p ON p.active = 1 ",
    "LEFT JOIN stock AS s ON s.location = $1 AND s.sku = p.sku WHERE c.one = 1 ORDER BY p.sku"
);

/// What changed since, in the order of the last changes.
const SINCE: &str = concat!(
    "SELECT c.change, (SELECT COUNT(*) FROM product WHERE change > $2), ",
    export_columns!(),
    " FROM catalogue AS c LEFT JOIN product AS p ON p.change > $2 ",
    "LEFT JOIN stock AS s ON s.location = $1 AND s.sku = p.sku WHERE c.one = 1 ORDER BY p.change"
);

/// Begins an export. Memory does not grow with its rows. It holds one of the database's reading connections until the chunks
/// are dropped.
///
/// # Errors
/// See [`ExportError`].
pub(in crate::furniture) async fn open(
    db: &Database,
    format: Format,
    since: Option<i64>,
) -> Result<Export, ExportError> {
    let encoder = Encoder::new(format).map_err(ExportError::Format)?;
    let mut rows = match since {
        None => db.stream(ALL, args![LOCATION]).boxed(),
        Some(since) => db.stream(SINCE, args![LOCATION, since]).boxed(),
    };
    let first = rows.try_next().await?.ok_or_else(|| StoreError::Value("there is no catalogue".to_owned()))?;
    let (snapshot, total) = (first.int(0)?, first.int(1)?);
    if since.is_some_and(|since| since > snapshot) {
        return Err(ExportError::Future(snapshot));
    }
    Ok(Export { snapshot, total, chunks: chunks(first, rows, encoder).boxed() })
}

fn chunks(
    first: Row,
    mut rows: BoxStream<'static, Result<Row, StoreError>>,
    mut encoder: Encoder,
) -> impl futures_util::Stream<Item = Result<Chunk, StoreError>> + Send {
    async_stream::try_stream! {
        let mut next = Some(first);
        let mut count = 0;
        while let Some(row) = next {
            if let Some(item) = Item::read(&row, BEFORE)? {
                encoder.push(&item)?;
                count += 1;
                if let Some(bytes) = encoder.chunk()? {
                    yield Chunk { bytes: bytes.into(), rows: count };
                }
            }
            next = rows.try_next().await?;
        }
        let bytes = encoder.finish()?;
        yield Chunk { bytes: bytes.into(), rows: count };
    }
}
