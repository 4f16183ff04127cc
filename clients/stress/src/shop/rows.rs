//! Whether an export is whole: its rows, piece by piece as they come. Pure.

use serde::Deserialize;

use crate::limit;

/// What is wrong with an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Torn {
    #[error("a row that is no row")]
    Row,
    #[error("a row out of order")]
    Order,
    #[error("the last row is cut off")]
    Cut,
    #[error("no rows at all")]
    Empty,
}

/// Reads newline-separated JSON whose codes must ascend.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// The beginning of a row whose end has not come.
    rest: Vec<u8>,
    last: Option<String>,
    count: u64,
}

#[derive(Deserialize)]
struct Row {
    sku: String,
}

impl Rows {
    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Torn> {
        let mut piece = piece;
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(&piece[..end]);
            piece = &piece[end + 1..];
            let row: Row = serde_json::from_slice(&self.rest).map_err(|_| Torn::Row)?;
            self.rest.clear();
            if self.last.as_ref().is_some_and(|last| *last >= row.sku) {
                return Err(Torn::Order);
            }
            self.last = Some(row.sku);
            self.count += 1;
        }
        self.rest.extend_from_slice(piece);
        if self.rest.len() > limit::MAX_ROW_BYTES { Err(Torn::Row) } else { Ok(()) }
    }

    /// How many there were.
    pub(crate) fn end(&self) -> Result<u64, Torn> {
        match (self.rest.is_empty(), self.count) {
            (false, _) => Err(Torn::Cut),
            (true, 0) => Err(Torn::Empty),
            (true, count) => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&str]) -> Result<u64, Torn> {
        let mut rows = Rows::default();
        pieces.iter().try_for_each(|piece| rows.push(piece.as_bytes()))?;
        rows.end()
    }

    #[test]
    fn what_is_torn_is_told() {
        assert_eq!(read(&["{\"sku\":\"A\",\"price\":1}\n{\"sk", "u\":\"B\"}\n"]), Ok(2));
        assert_eq!(read(&["{\"sku\":\"A\"}\n{\"sku\":\"B\"}"]), Err(Torn::Cut));
        assert_eq!(read(&["{\"sku\":\"B\"}\n{\"sku\":\"A\"}\n"]), Err(Torn::Order));
        assert_eq!(read(&["{\"sku\":\"A\"}\n{\"sku\":\"A\"}\n"]), Err(Torn::Order));
        assert_eq!(read(&["{\"sku\":\"A\"}\n\n"]), Err(Torn::Row));
        assert_eq!(read(&["{\"name\":\"A\"}\n"]), Err(Torn::Row));
        assert_eq!(read(&[]), Err(Torn::Empty));
        let long = "x".repeat(limit::MAX_ROW_BYTES + 1);
        assert_eq!(read(&[&long]), Err(Torn::Row));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(rows in 1..40u32, cut in prop::collection::vec(0..2000usize, 0..10)) {
            let text: String = (0..rows).map(|row| format!("{{\"sku\":\"F-{row:05}\",\"name\":\"ö\"}}\n")).collect();
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cut.into_iter().map(|at| at % bytes.len()).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut read = Rows::default();
            for part in cuts.windows(2) {
                prop_assert_eq!(read.push(&bytes[part[0]..part[1]]), Ok(()));
            }
            prop_assert_eq!(read.end(), Ok(u64::from(rows)));
        }
    }
}
