//! Statements on either engine.
//!
//! The statements are the same for both; what differs is how a connection is got and what it is
//! called in sqlx.

use std::time::Duration;

use tokio::time::timeout;

use super::fault;
#[cfg(feature = "postgres")]
use super::postgres::Postgres;
#[cfg(feature = "sqlite")]
use super::sqlite::{Sqlite, Turn};
use crate::accounts::error::{AccountError, AccountErrorKind};

/// The engine of a database.
pub(super) enum Engine {
    #[cfg(feature = "sqlite")]
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

/// A parameter.
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    /// Of a column of texts.
    Null,
}

/// A row of an answer.
pub(super) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

/// A transaction. Dropped before it is committed, it has not happened.
pub(super) enum Work {
    #[cfg(feature = "sqlite")]
    Sqlite(Turn),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// A prepared statement with its parameters, whichever engine it is for.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Integer(number) => query.bind(number),
                Value::Flag(flag) => query.bind(flag),
                Value::Null => query.bind(None::<String>),
            };
        }
        query
    }};
}

impl Engine {
    /// The rows that a statement answers that changes nothing.
    pub(super) async fn read<const N: usize>(
        &self,
        sql: &'static str,
        values: [Value; N],
    ) -> Result<Vec<Row>, AccountError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(sqlite) => {
                let mut reader = sqlite.reader().await?;
                let rows = bound!(sql, values).fetch_all(reader.connection()).await;
                Ok(rows.map_err(fault::of)?.into_iter().map(Row::Sqlite).collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => {
                let rows = bound!(sql, values).fetch_all(postgres.pool()).await;
                Ok(rows.map_err(fault::of)?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// The rows that a statement answers that is a transaction of its own.
    pub(super) async fn write<const N: usize>(
        &self,
        sql: &'static str,
        values: [Value; N],
    ) -> Result<Vec<Row>, AccountError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(sqlite) => {
                let mut turn = sqlite.turn().await;
                // Read to its end: sqlx would otherwise not tell that the commit failed.
                let rows = bound!(sql, values).fetch_all(turn.connection()).await;
                Ok(rows.map_err(fault::of)?.into_iter().map(Row::Sqlite).collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self.read(sql, values).await,
        }
    }

    pub(super) async fn begin(&self) -> Result<Work, AccountError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(sqlite) => {
                let mut turn = sqlite.turn().await;
                turn.begin().await?;
                Ok(Work::Sqlite(turn))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => {
                postgres.pool().begin().await.map(Work::Postgres).map_err(fault::of)
            }
        }
    }
}

impl Work {
    pub(super) async fn rows<const N: usize>(
        &mut self,
        sql: &'static str,
        values: [Value; N],
    ) -> Result<Vec<Row>, AccountError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(turn) => {
                let rows = bound!(sql, values).fetch_all(turn.connection()).await;
                Ok(rows.map_err(fault::of)?.into_iter().map(Row::Sqlite).collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => {
                let rows = bound!(sql, values).fetch_all(&mut **transaction).await;
                Ok(rows.map_err(fault::of)?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    pub(super) async fn commit(self) -> Result<(), AccountError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(mut turn) => turn.commit().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.commit().await.map_err(fault::of),
        }
    }
}

macro_rules! column {
    ($row:expr, $at:expr) => {
        match $row {
            #[cfg(feature = "sqlite")]
            Row::Sqlite(row) => sqlx::Row::try_get(row, $at),
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => sqlx::Row::try_get(row, $at),
        }
    };
}

impl Row {
    pub(super) fn text(&self, at: usize) -> Result<String, AccountError> {
        column!(self, at).map_err(fault::of)
    }

    pub(super) fn optional(&self, at: usize) -> Result<Option<String>, AccountError> {
        column!(self, at).map_err(fault::of)
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool, AccountError> {
        column!(self, at).map_err(fault::of)
    }

    /// A number that is never negative.
    pub(super) fn number(&self, at: usize) -> Result<u64, AccountError> {
        let number: i64 = column!(self, at).map_err(fault::of)?;
        Ok(u64::try_from(number).unwrap_or_default())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// What takes longer than it may has failed, and is undone.
pub(super) async fn in_time<V>(
    call: impl Future<Output = Result<V, AccountError>>,
) -> Result<V, AccountError> {
    timeout(PATIENCE, call).await.unwrap_or_else(|_| {
        Err(AccountError::new(AccountErrorKind::Store).with_source("the database takes too long"))
    })
}

/// How long a call may take. Account calls wait for a disk or a network, and for other writers.
const PATIENCE: Duration = Duration::from_secs(5);
