//! A record as a row, and back.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::failure;
use super::query::Query;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{context, json};

/// The columns of a record's [`Meta`], in the order in which they are bound and read.
pub(super) const META: &str = "subject, version, generation, confirmed, persistent, renewed, \
                               created, authenticated, idle, absolute, last_seen, context";

/// How many these are, with the data.
pub(super) const COLUMNS: usize = 13;

impl Query {
    /// Binds the columns of [`META`], and the data after them.
    pub(super) fn record(self, meta: &Meta, data: &Arc<str>) -> Self {
        self.bind(meta.subject.clone())
            .bind(meta.version)
            .bind(u64::from(meta.generation))
            .bind(meta.confirmed)
            .bind(meta.persistent)
            .bind(meta.renewed)
            .bind(meta.created)
            .bind(meta.authenticated)
            .bind(Timestamp::from_millis(0).plus(meta.idle()))
            .bind(meta.absolute)
            .bind(meta.last_seen())
            .bind(context::encode(meta).map(Arc::from))
            .bind(Some(Arc::clone(data)))
    }
}

/// A row of [`META`] and the data.
pub(super) fn record<T: DeserializeOwned>(row: &SqliteRow) -> Result<Record<T>, StoreError> {
    let data = row.try_get::<&str, _>(COLUMNS - 1).map_err(failure)?;
    Ok(Record::new(meta(row, 0)?, json::decode(data)?))
}

/// A row with the id and [`META`].
pub(super) fn session(row: &SqliteRow) -> Result<(Id, Meta), StoreError> {
    Ok((id(row)?, meta(row, 1)?))
}

/// The id in a row that begins with it.
pub(super) fn id(row: &SqliteRow) -> Result<Id, StoreError> {
    row.try_get::<&str, _>(0).map_err(failure)?.parse().map_err(undecodable)
}

/// [`META`] from this column on.
fn meta(row: &SqliteRow, first: usize) -> Result<Meta, StoreError> {
    let number = |column| number(row, first + column);
    let time = |column| number(column).map(Timestamp::from_millis);
    let mut meta = Meta::new(time(6)?, Duration::from_millis(number(8)?), Duration::ZERO);
    meta.subject = row.try_get::<Option<&str>, _>(first).map_err(failure)?.map(Arc::from);
    meta.version = number(1)?;
    meta.generation = number(2)?.try_into().map_err(undecodable)?;
    meta.confirmed = number(3)? != 0;
    meta.persistent = number(4)? != 0;
    meta.renewed = time(5)?;
    meta.authenticated = time(7)?;
    meta.absolute = time(9)?;
    meta.touch(time(10)?);
    meta.context = context::decode(row.try_get(first + 11).map_err(failure)?)?;
    Ok(meta)
}

pub(super) fn number(row: &SqliteRow, column: usize) -> Result<u64, StoreError> {
    match row.try_get::<i64, _>(column).map_err(failure)? {
        i64::MAX => Ok(u64::MAX),
        number => u64::try_from(number).map_err(undecodable),
    }
}

pub(super) fn flag(row: &SqliteRow, column: usize) -> Result<bool, StoreError> {
    row.try_get(column).map_err(failure)
}

/// SQLite's integers end at 2^63 - 1, which stands for all that is later: for ever. In
/// milliseconds that is the year 292 million.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Undecodable).with_source(error)
}
