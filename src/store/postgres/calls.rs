//! The calls of the contract: bind, send, read.

use std::fmt;
use std::sync::Arc;

use sqlx::postgres::PgRow;

use super::connections::{Connections, Repeat};
use super::row::{self, Bound};
use super::statements::Statements;
use super::wire::{Key, Moment};
use super::{MakeData, fault};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};
use crate::store::{
    Admission, Created, Cursor, Revoke, Revoked, Saved, Scanned, Swept, context, json,
};

/// A table, and how to reach it.
pub(super) struct Calls<T> {
    pub(super) connections: Connections,
    pub(super) statements: Statements,
    pub(super) max_data: usize,
    pub(super) when_missing: Option<MakeData<T>>,
}

impl<T: SessionData> Calls<T> {
    pub(super) async fn load(
        &self,
        id: Id,
        now: Timestamp,
    ) -> Result<Option<Arc<Record<T>>>, StoreError> {
        let bound = Bound::default().with(Key::from(id))?.with(Moment::end_of(now))?;
        let rows = self.rows(&self.statements.load, bound, Repeat::Harmless).await?;
        rows.first().map(|row| self.record(row).map(Arc::new)).transpose()
    }

    fn record(&self, row: &PgRow) -> Result<Record<T>, StoreError> {
        let meta = row::meta(row)?;
        let data = match (row::get::<Option<&str>>(row, row::AFTER_META)?, &self.when_missing) {
            (Some(text), _) => json::decode(text)?,
            (None, Some(make)) => make(&meta),
            (None, None) => json::decode("null")?,
        };
        Ok(Record::new(meta, data))
    }

    pub(super) async fn create(
        &self,
        id: Id,
        record: &Record<T>,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let meta = &record.meta;
        let limit = admission.limit;
        let bound = Bound::default()
            .with(Key::from(id))?
            .with(meta.subject.as_deref().map(row::subject).transpose()?)?
            .with(Moment::from(meta.deadline()))?
            .with(Moment::from(meta.created))?
            .with(row::bigint(meta.version)?)?
            .with(i64::from(meta.generation))?
            .with(meta.confirmed)?
            .with(meta.persistent)?
            .with(Moment::from(meta.renewed))?
            .with(Moment::from(meta.authenticated))?
            .with(Moment::from(meta.last_seen()))?
            .with(Moment::from(meta.absolute))?
            .with(row::idle(meta))?
            .with(json::encode(&record.data, self.max_data)?)?
            .with(context::encode(meta))?
            .with(Moment::end_of(now))?
            .with(admission.replacing.map(Key::from))?
            .with(limit.map(|limit| row::at_most(limit.max)))?
            .with(limit.is_some_and(|limit| limit.denies()))?;
        let rows = self.rows(&self.statements.create, bound, Repeat::Never).await?;
        let row = rows.first().ok_or_else(unexpected)?;
        match row::get::<i16>(row, 0)? {
            0 => Ok(Created::Done { replaced: row::get(row, 1)?, evicted: ids(row, 2)? }),
            1 => Ok(Created::Exists),
            2 => Ok(Created::Limit),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn replace(
        &self,
        id: Id,
        expected: u64,
        record: &Record<T>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let meta = &record.meta;
        // No stored version is as high as one that does not fit.
        let expected = i64::try_from(expected).unwrap_or(-1);
        let data = json::encode(&record.data, self.max_data)?;
        let context = context::encode(meta);
        for _ in 0..MOST_ATTEMPTS {
            let bound = Bound::default()
                .with(Key::from(id))?
                .with(Moment::end_of(now))?
                .with(expected)?
                .with(meta.subject.as_deref().map(row::subject).transpose()?)?
                .with(Moment::from(meta.created))?
                .with(row::bigint(meta.version)?)?
                .with(i64::from(meta.generation))?
                .with(meta.confirmed)?
                .with(meta.persistent)?
                .with(Moment::from(meta.renewed))?
                .with(Moment::from(meta.authenticated))?
                .with(Moment::from(meta.absolute))?
                .with(row::idle(meta))?
                .with(Moment::from(meta.last_seen()))?
                .with(data.as_str())?
                .with(context.as_deref())?;
            let rows = self.rows(&self.statements.replace, bound, Repeat::Never).await?;
            let row = rows.first().ok_or_else(unexpected)?;
            match (row::get(row, 0)?, row::get::<Option<i64>>(row, 1)?) {
                (true, _) => return Ok(Saved::Done),
                (false, None) => return Ok(Saved::Gone),
                (false, Some(version)) if version != expected => return Ok(Saved::Stale),
                // Written or ended since the statement began: only a new one can see which.
                (false, Some(_)) => {}
            }
        }
        Ok(Saved::Stale)
    }

    pub(super) async fn touch(&self, id: Id, now: Timestamp) -> Result<Saved, StoreError> {
        let bound = Bound::default()
            .with(Key::from(id))?
            .with(Moment::end_of(now))?
            .with(Moment::from(now))?;
        let rows = self.rows(&self.statements.touch, bound, Repeat::Harmless).await?;
        Ok(if rows.is_empty() { Saved::Gone } else { Saved::Done })
    }

    pub(super) async fn delete(&self, id: Id, now: Timestamp) -> Result<bool, StoreError> {
        let bound = Bound::default().with(Key::from(id))?.with(Moment::end_of(now))?;
        // Sent again, it may answer that nobody was there. Better than a logout that fails.
        let rows = self.rows(&self.statements.delete, bound, Repeat::Harmless).await?;
        rows.first().map_or(Ok(false), |row| row::get(row, 0))
    }

    pub(super) async fn sweep(&self, now: Timestamp, max: usize) -> Result<Swept, StoreError> {
        let bound = Bound::default().with(Moment::end_of(now))?.with(row::at_most(max))?;
        let rows = self.rows(&self.statements.sweep, bound, Repeat::Harmless).await?;
        let removed = number(&rows)?;
        Ok(Swept::new(removed, removed >= max))
    }

    pub(super) async fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Result<Vec<(Id, Meta)>, StoreError> {
        let Ok(subject) = row::subject(subject) else {
            return Ok(Vec::new()); // nobody was ever let in under it
        };
        let bound = Bound::default()
            .with(subject)?
            .with(Moment::end_of(now))?
            .with(after.map_or(Key::BEFORE_ALL, Key::from))?
            .with(row::at_most(max))?;
        let rows = self.rows(&self.statements.list, bound, Repeat::Harmless).await?;
        rows.iter().map(listed).collect()
    }

    pub(super) async fn count(&self, subject: &str, now: Timestamp) -> Result<usize, StoreError> {
        let Ok(subject) = row::subject(subject) else {
            return Ok(0);
        };
        let bound = Bound::default().with(subject)?.with(Moment::end_of(now))?;
        number(&self.rows(&self.statements.count, bound, Repeat::Harmless).await?)
    }

    pub(super) async fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Result<Revoked, StoreError> {
        let Ok(subject) = row::subject(subject) else {
            return Ok(Revoked::default());
        };
        let (one, others) = match which {
            Revoke::One(id) => (Some(Key::from(id)), None),
            Revoke::Others(current) => (None, Some(Key::from(current))),
            Revoke::All => (None, None),
        };
        let bound = Bound::default()
            .with(subject)?
            .with(Moment::end_of(now))?
            .with(row::at_most(max))?
            .with(one)?
            .with(others)?;
        let rows = self.rows(&self.statements.revoke, bound, Repeat::Never).await?;
        let row = rows.first().ok_or_else(unexpected)?;
        Ok(Revoked::new(ids(row, 0)?, row::get(row, 1)?))
    }

    /// Rows that cannot be read are passed over: an administrator's task must get to the end.
    pub(super) async fn scan(
        &self,
        from: Option<Cursor>,
        max: usize,
        now: Timestamp,
    ) -> Result<Scanned, StoreError> {
        let from = match from {
            Some(cursor) => Key::from(cursor.as_str().parse::<Id>().map_err(|error| {
                StoreError::new(StoreErrorKind::Undecodable).with_source(error)
            })?),
            None => Key::BEFORE_ALL,
        };
        let max = row::at_most(max.max(1));
        let bound = Bound::default().with(Moment::end_of(now))?.with(from)?.with(max)?;
        let rows = self.rows(&self.statements.scan, bound, Repeat::Harmless).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|found| found >= max);
        let last = rows.last().filter(|_| full).map(|row| row::id(row, row::AFTER_META));
        let next = last.transpose()?.map(|id| Cursor::new(id.to_string()));
        Ok(Scanned::new(rows.iter().filter_map(|row| listed(row).ok()).collect(), next))
    }

    async fn rows(
        &self,
        sql: &Arc<str>,
        bound: Bound,
        repeat: Repeat,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.connections.rows(sql, bound.done(), repeat).await.map_err(fault::store_error)
    }
}

fn listed(row: &PgRow) -> Result<(Id, Meta), StoreError> {
    Ok((row::id(row, row::AFTER_META)?, row::meta(row)?))
}

fn ids(row: &PgRow, column: usize) -> Result<Vec<Id>, StoreError> {
    let keys: Vec<Key> = row::get(row, column)?;
    Ok(keys.into_iter().filter_map(Key::id).collect())
}

fn number(rows: &[PgRow]) -> Result<usize, StoreError> {
    let number: i64 = row::get(rows.first().ok_or_else(unexpected)?, 0)?;
    usize::try_from(number).map_err(|_| unexpected())
}

/// The server did not answer what these statements answer.
fn unexpected() -> StoreError {
    StoreError::new(StoreErrorKind::Undecodable)
}

impl<T> fmt::Debug for Calls<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// Each is lost only to somebody else who wrote in that very moment.
const MOST_ATTEMPTS: u32 = 8;
