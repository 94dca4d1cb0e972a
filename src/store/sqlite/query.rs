//! A statement and its parameters.

use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::error::{failure, is_busy};
use super::row::stored;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::id::Id;

/// A statement with its parameters, kept so that it can be tried again.
pub(super) struct Query {
    sql: Arc<str>,
    values: Vec<Value>,
}

#[derive(Clone)]
pub(super) enum Value {
    Integer(i64),
    Text(Arc<str>),
    Null,
}

impl Query {
    pub(super) fn new(sql: &Arc<str>) -> Self {
        Self { sql: Arc::clone(sql), values: Vec::new() }
    }

    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Carries it out to its end, and gives its rows.
    ///
    /// Writes tell with `RETURNING` what they did, and are read to the end all the same: sqlx's
    /// `fetch_one` and `fetch_optional` reset a statement at its first row and drop the outcome of
    /// the commit that this brings about, so a write that failed (the disk is full) would pass for
    /// done.
    pub(super) async fn rows(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        for _ in 1..ATTEMPTS {
            match self.prepared().fetch_all(&mut *connection).await {
                Err(error) if is_busy(&error) => {}
                outcome => return outcome.map_err(failure),
            }
        }
        self.prepared().fetch_all(connection).await.map_err(failure)
    }

    /// Whether it gives a row.
    pub(super) async fn any(&self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        self.rows(connection).await.map(|rows| !rows.is_empty())
    }

    fn prepared(&self) -> sqlx::query::Query<'_, Sqlite, SqliteArguments> {
        // The one thing that varies in our SQL is the table's name, which is a checked identifier.
        let query = sqlx::query(AssertSqlSafe(Arc::clone(&self.sql)));
        self.values.iter().fold(query, |query, value| match value {
            Value::Integer(number) => query.bind(*number),
            Value::Text(text) => query.bind(Arc::clone(text)),
            Value::Null => query.bind(None::<String>),
        })
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(stored(number))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(flag.into())
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        time.as_millis().into()
    }
}

impl From<Id> for Value {
    fn from(id: Id) -> Self {
        Self::Text(id.to_string().into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Option<Arc<str>>> for Value {
    fn from(text: Option<Arc<str>>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// How often a statement is tried while another process holds the lock. SQLite itself waits
/// [`BUSY`](super::engine::BUSY) in each, at growing intervals of up to 100 ms; beginning anew
/// keeps the intervals short, or a steady writer elsewhere would always be quicker.
const ATTEMPTS: u32 = 10;
