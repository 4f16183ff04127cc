//! What goes into a statement and what comes out of it: the few types that both databases share.

use serde::de::DeserializeOwned;

use super::StoreError;
use crate::clock::Timestamp;
use crate::id::{Gtin, OrderId, Sku};

/// A parameter of a statement, or a column of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// BIGINT.
    Int(Option<i64>),
    /// TEXT.
    Text(Option<String>),
}

/// The parameters of a statement, in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::Value::from($value)),*] };
}
pub(crate) use args;

macro_rules! from {
    ($($type:ty => |$value:ident| $make:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $make
            }
        })*
    };
}

from! {
    i64 => |value| Self::Int(Some(value));
    i32 => |value| Self::Int(Some(value.into()));
    u32 => |value| Self::Int(Some(value.into()));
    bool => |value| Self::Int(Some(value.into()));
    Option<i64> => |value| Self::Int(value);
    Timestamp => |value| Self::Int(Some(value.0));
    Option<Timestamp> => |value| Self::Int(value.map(|time| time.0));
    &str => |value| Self::Text(Some(value.to_owned()));
    String => |value| Self::Text(Some(value));
    &String => |value| Self::Text(Some(value.clone()));
    Option<&str> => |value| Self::Text(value.map(str::to_owned));
    Option<String> => |value| Self::Text(value);
    &Sku => |value| Self::Text(Some(value.as_str().to_owned()));
    &Gtin => |value| Self::Text(Some(value.as_str().to_owned()));
    &OrderId => |value| Self::Text(Some(value.as_str().to_owned()));
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(pub(super) Vec<Value>);

impl Row {
    fn value(&self, column: usize) -> Result<&Value, StoreError> {
        self.0.get(column).ok_or_else(|| StoreError::Value(format!("there is no column {column}")))
    }

    /// A BIGINT, if it is not NULL. Columns count from 0.
    ///
    /// # Errors
    /// The column holds something else.
    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.value(column)? {
            Value::Int(value) => Ok(*value),
            Value::Text(None) => Ok(None),
            other => Err(mismatch(column, "BIGINT", other)),
        }
    }

    /// A TEXT, if it is not NULL.
    ///
    /// # Errors
    /// The column holds something else.
    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.value(column)? {
            Value::Text(value) => Ok(value.as_deref()),
            Value::Int(None) => Ok(None),
            other => Err(mismatch(column, "TEXT", other)),
        }
    }

    /// A BIGINT.
    ///
    /// # Errors
    /// NULL, or something else.
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// A TEXT.
    ///
    /// # Errors
    /// NULL, or something else.
    pub(crate) fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    /// A moment, kept as milliseconds.
    ///
    /// # Errors
    /// NULL, or something else.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp)
    }

    /// A 0 or 1 that means no or yes.
    ///
    /// # Errors
    /// NULL, or something else.
    pub(crate) fn flag(&self, column: usize) -> Result<bool, StoreError> {
        self.int(column).map(|value| value != 0)
    }

    /// JSON kept as TEXT.
    ///
    /// # Errors
    /// NULL, no text, or not the JSON that is expected.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, StoreError> {
        Ok(serde_json::from_str(self.text(column)?)?)
    }

    /// Something that is read from text, such as a [`Sku`].
    ///
    /// # Errors
    /// NULL, no text, or text that `parse` refuses.
    pub(crate) fn parse<T, E: std::fmt::Display>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(self.text(column)?).map_err(|error| StoreError::Value(format!("column {column}: {error}")))
    }
}

fn mismatch(column: usize, wanted: &str, found: &Value) -> StoreError {
    let found = match found {
        Value::Int(_) => "BIGINT",
        Value::Text(_) => "TEXT",
    };
    StoreError::Value(format!("column {column} is {found}, not {wanted}"))
}

fn null(column: usize) -> StoreError {
    StoreError::Value(format!("column {column} is NULL"))
}
