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

/// Binds the columns of [`META`], and the data after them.
pub(super) fn bind_record(query: Query, meta: &Meta, data: &str) -> Query {
    query
        .bind(meta.subject.clone())
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
        .bind(data)
}

/// A row of [`META`] and the data.
pub(super) fn record<T: DeserializeOwned>(row: &SqliteRow) -> Result<Record<T>, StoreError> {
    let data = row.try_get::<&str, _>("data").map_err(failure)?;
    Ok(Record::new(meta(row)?, json::decode(data)?))
}

/// A row with the id and [`META`].
pub(super) fn session(row: &SqliteRow) -> Result<(Id, Meta), StoreError> {
    Ok((id(row)?, meta(row)?))
}

/// The id in a row.
pub(super) fn id(row: &SqliteRow) -> Result<Id, StoreError> {
    row.try_get::<&str, _>("id").map_err(failure)?.parse().map_err(undecodable)
}

fn meta(row: &SqliteRow) -> Result<Meta, StoreError> {
    let created = time(row, "created")?;
    let idle = Duration::from_millis(number(row, "idle")?);
    let mut meta = Meta::new(created, idle, Duration::ZERO);
    meta.version = number(row, "version")?;
    meta.generation = number(row, "generation")?.try_into().map_err(undecodable)?;
    meta.confirmed = number(row, "confirmed")? != 0;
    meta.persistent = number(row, "persistent")? != 0;
    meta.renewed = time(row, "renewed")?;
    meta.authenticated = time(row, "authenticated")?;
    meta.absolute = time(row, "absolute")?;
    meta.subject = row.try_get::<Option<&str>, _>("subject").map_err(failure)?.map(Arc::from);
    meta.touch(time(row, "last_seen")?);
    meta.context = context::decode(row.try_get("context").map_err(failure)?)?;
    Ok(meta)
}

fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    number(row, column).map(Timestamp::from_millis)
}

pub(super) fn number(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    match row.try_get::<i64, _>(column).map_err(failure)? {
        i64::MAX => Ok(u64::MAX),
        number => u64::try_from(number).map_err(undecodable),
    }
}

/// SQLite's integers end at 2^63 - 1, which stands for all that is later: for ever. In
/// milliseconds that is the year 292 million.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Undecodable).with_source(error)
}
