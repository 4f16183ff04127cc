//! A connection to either database, and statements on it.

use std::borrow::Cow;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Column, Decode, Row as _, SqlSafeStr, Sqlite, TypeInfo, ValueRef};

use super::StoreError;
use super::sql::Dialect;
use super::value::{Row, Value};

/// One connection, taken from a pool.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(PoolConnection<sqlx::Postgres>),
}

fn bind<A: Arguments>(args: Vec<Value>) -> Result<A, StoreError>
where
    for<'t> Option<i64>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<String>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
{
    let mut bound = A::default();
    for value in args {
        let added = match value {
            Value::Int(value) => bound.add(value),
            Value::Text(value) => bound.add(value),
        };
        added.map_err(|error| StoreError::from(sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

/// The text as sqlx takes it: it comes from the program alone, never from a request.
fn safe(sql: Cow<'static, str>) -> impl SqlSafeStr {
    AssertSqlSafe(sql)
}

impl Connection {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Statements without parameters or answer, such as `BEGIN`.
    pub(super) async fn raw(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await?;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn run(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        let text = safe(self.dialect().render(sql)?);
        Ok(match self {
            Self::Sqlite(connection) => {
                sqlx::query_with(text, bind::<SqliteArguments>(args)?).execute(&mut **connection).await?.rows_affected()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let args = bind::<sqlx::postgres::PgArguments>(args)?;
                sqlx::query_with(text, args).execute(&mut **connection).await?.rows_affected()
            }
        })
    }

    pub(super) async fn rows(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let text = safe(self.dialect().render(sql)?);
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query_with(text, bind::<SqliteArguments>(args)?).fetch_all(&mut **connection).await?;
                rows.iter().map(sqlite_row).collect()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let args = bind::<sqlx::postgres::PgArguments>(args)?;
                let rows = sqlx::query_with(text, args).fetch_all(&mut **connection).await?;
                rows.iter().map(postgres::row).collect()
            }
        }
    }

    /// The rows one by one: memory does not grow with their number.
    pub(super) fn stream<'c>(
        &'c mut self,
        sql: &'static str,
        args: Vec<Value>,
    ) -> Result<BoxStream<'c, Result<Row, StoreError>>, StoreError> {
        let text = safe(self.dialect().render(sql)?);
        Ok(match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query_with(text, bind::<SqliteArguments>(args)?).fetch(&mut **connection);
                Box::pin(rows.map_err(StoreError::from).and_then(async |row| sqlite_row(&row)))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let args = bind::<sqlx::postgres::PgArguments>(args)?;
                let rows = sqlx::query_with(text, args).fetch(&mut **connection);
                Box::pin(rows.map_err(StoreError::from).and_then(async |row| postgres::row(&row)))
            }
        })
    }
}

fn sqlite_row(row: &SqliteRow) -> Result<Row, StoreError> {
    let value = |column: usize| {
        let raw = row.try_get_raw(column)?;
        if raw.is_null() {
            return Ok(Value::Text(None));
        }
        let decoded = match raw.type_info().name() {
            "INTEGER" | "BOOLEAN" => <i64 as Decode<'_, Sqlite>>::decode(raw).map(|value| Value::Int(Some(value))),
            _ => <String as Decode<'_, Sqlite>>::decode(raw).map(|value| Value::Text(Some(value))),
        };
        decoded.map_err(|source| column_error(row.columns()[column].name(), source))
    };
    (0..row.len()).map(value).collect::<Result<_, _>>().map(Row)
}

fn column_error(name: &str, source: sqlx::error::BoxDynError) -> StoreError {
    StoreError::from(sqlx::Error::ColumnDecode { index: name.to_owned(), source })
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::postgres::PgRow;
    use sqlx::{Column, Decode, Postgres, Row as _, TypeInfo, ValueRef};

    use super::{Row, StoreError, Value, column_error};

    pub(super) fn row(row: &PgRow) -> Result<Row, StoreError> {
        let value = |column: usize| {
            let raw = row.try_get_raw(column)?;
            if raw.is_null() {
                return Ok(Value::Text(None));
            }
            let decoded = match raw.type_info().name() {
                "INT8" => <i64 as Decode<'_, Postgres>>::decode(raw).map(|value| Value::Int(Some(value))),
                "INT4" => <i32 as Decode<'_, Postgres>>::decode(raw).map(|value| Value::Int(Some(value.into()))),
                "BOOL" => <bool as Decode<'_, Postgres>>::decode(raw).map(|value| Value::Int(Some(value.into()))),
                "TEXT" | "VARCHAR" | "NAME" => {
                    <String as Decode<'_, Postgres>>::decode(raw).map(|value| Value::Text(Some(value)))
                }
                other => Err(format!("type {other}: cast it to BIGINT or TEXT").into()),
            };
            decoded.map_err(|source| column_error(row.columns()[column].name(), source))
        };
        (0..row.len()).map(value).collect::<Result<_, _>>().map(Row)
    }
}
