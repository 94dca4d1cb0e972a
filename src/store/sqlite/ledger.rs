//! The operations of the store.

use std::sync::Arc;

use sqlx::Row;

use super::engine::Engine;
use super::error::failure;
use super::query::Query;
use super::row::{self, COLUMNS};
use super::statements::Statements;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};
use crate::store::{
    Admission, Created, Cursor, Excess, Revoke, Revoked, Saved, Scanned, Swept, json,
};

/// One table and the connections to it.
pub(super) struct Ledger {
    pub(super) engine: Engine,
    pub(super) sql: Statements,
    pub(super) max_data: usize,
}

impl Ledger {
    pub(super) async fn load<T: SessionData>(
        &self,
        id: Id,
        now: Timestamp,
    ) -> Result<Option<Record<T>>, StoreError> {
        let rows = self.engine.read(Query::new(&self.sql.load).bind(id).bind(now)).await?;
        rows.first().map(row::record).transpose()
    }

    pub(super) async fn create<T: SessionData>(
        &self,
        id: Id,
        record: &Record<T>,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let data: Arc<str> = json::encode(&record.data, self.max_data)?.into();
        let newcomer = Newcomer { id, meta: &record.meta, data, admission, now };
        let created = self.admit(&newcomer).await;
        let full = matches!(&created, Err(error) if error.kind() == StoreErrorKind::Full);
        if full && self.sweep(now, BATCH).await?.removed > 0 {
            return self.admit(&newcomer).await;
        }
        created
    }

    async fn admit(&self, newcomer: &Newcomer<'_>) -> Result<Created, StoreError> {
        let Some(query) = newcomer.query(&self.sql) else {
            let taken = Query::new(&self.sql.taken).bind(newcomer.id).bind(newcomer.now);
            let taken = !self.engine.read(taken).await?.is_empty();
            return Ok(if taken { Created::Exists } else { Created::Limit });
        };
        let (mut done, mut taken) = (false, !newcomer.needs_room());
        let (mut replaced, mut evicted) = (false, Vec::new());
        for row in &self.engine.write(query).await? {
            let (id, flag) = (row::id(row)?, row::flag(row, 1)?);
            if id == newcomer.id {
                (done, taken) = (flag, !flag);
            } else if newcomer.admission.replacing == Some(id) {
                replaced = flag;
            } else {
                evicted.push(id);
            }
        }
        Ok(match (done, taken) {
            (true, _) => Created::Done { evicted, replaced },
            (false, true) => Created::Exists,
            (false, false) => Created::Limit,
        })
    }

    pub(super) async fn replace<T: SessionData>(
        &self,
        id: Id,
        expected: u64,
        record: &Record<T>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let data: Arc<str> = json::encode(&record.data, self.max_data)?.into();
        loop {
            let replace = Query::new(&self.sql.replace).record(&record.meta, &data);
            let replace = replace.bind(id).bind(expected).bind(now);
            if !self.engine.write(replace).await?.is_empty() {
                return Ok(Saved::Done);
            }
            let version = Query::new(&self.sql.version).bind(id).bind(now);
            let rows = self.engine.read(version).await?;
            match rows.first().map(|row| row::number(row, 0)).transpose()? {
                None => return Ok(Saved::Gone),
                Some(version) if version != expected => return Ok(Saved::Stale),
                // Somebody has put a record there between the two statements.
                Some(_) => {}
            }
        }
    }

    pub(super) async fn touch(&self, id: Id, now: Timestamp) -> Result<Saved, StoreError> {
        let query = Query::new(&self.sql.touch).bind(now).bind(id).bind(now);
        let rows = self.engine.write(query).await?;
        Ok(if rows.is_empty() { Saved::Gone } else { Saved::Done })
    }

    /// Whether there was one, and live.
    pub(super) async fn delete(&self, id: Id, now: Timestamp) -> Result<bool, StoreError> {
        let rows = self.engine.write(Query::new(&self.sql.delete).bind(id).bind(now)).await?;
        rows.first().map_or(Ok(false), |row| row::flag(row, 1))
    }

    /// Each batch takes its turn, so that others get theirs in between.
    pub(super) async fn sweep(&self, now: Timestamp, max: usize) -> Result<Swept, StoreError> {
        let mut removed = 0;
        while removed < max {
            let batch = BATCH.min(max - removed);
            let query = Query::new(&self.sql.sweep).bind(now).bind(batch);
            let swept = self.engine.write(query).await?.len();
            removed += swept;
            if swept < batch {
                return Ok(Swept::new(removed, false));
            }
        }
        Ok(Swept::new(removed, true))
    }

    pub(super) async fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Result<Vec<(Id, Meta)>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        let query = Query::new(&self.sql.list).bind(subject).bind(&*after).bind(now).bind(max);
        self.engine.read(query).await?.iter().map(row::session).collect()
    }

    pub(super) async fn count(&self, subject: &str, now: Timestamp) -> Result<usize, StoreError> {
        let rows = self.engine.read(Query::new(&self.sql.count).bind(subject).bind(now)).await?;
        let counted = rows.first().map_or(Ok(0), |row| row::number(row, 0))?;
        Ok(usize::try_from(counted).unwrap_or(usize::MAX))
    }

    pub(super) async fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Result<Revoked, StoreError> {
        let (revocation, id) = self.sql.revoke(which);
        let query = |statement| Query::new(statement).bind(subject).bind(&*id).bind(now);
        let rows = self.engine.write(query(&revocation.end).bind(max)).await?;
        let mut ids = rows.iter().map(row::id).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        let rest = query(&revocation.rest);
        let more = ids.len() == max && !self.engine.read(rest).await?.is_empty();
        Ok(Revoked::new(ids, more))
    }

    /// Rows that are no sessions of ours are passed over: an administrator's task must get to
    /// the end.
    pub(super) async fn scan(
        &self,
        from: Option<Cursor>,
        max: usize,
        now: Timestamp,
    ) -> Result<Scanned, StoreError> {
        let (after, max) = (from.as_ref().map_or("", Cursor::as_str), max.max(1));
        let query = Query::new(&self.sql.scan).bind(now).bind(after).bind(max);
        let rows = self.engine.read(query).await?;
        let last = rows.last().filter(|_| rows.len() == max);
        let next = last.map(|row| row.try_get::<&str, _>(0).map(Cursor::new)).transpose();
        let live = rows.iter().filter(|row| row::flag(row, COLUMNS).unwrap_or(false));
        Ok(Scanned::new(
            live.filter_map(|row| row::session(row).ok()).collect(),
            next.map_err(failure)?,
        ))
    }
}

/// A record that is to be kept, and on what terms.
struct Newcomer<'a> {
    id: Id,
    meta: &'a Meta,
    data: Arc<str>,
    admission: Admission,
    now: Timestamp,
}

impl Newcomer<'_> {
    /// What admits it; `None` if the limit is none at all.
    fn query(&self, sql: &Statements) -> Option<Query> {
        let (id, now) = (self.id, self.now);
        let record = |query: Query| query.bind(id).record(self.meta, &self.data);
        let old = self.admission.replacing.filter(|old| *old != id);
        let Some((limit, subject)) = self.admission.limit.zip(self.meta.subject.as_deref()) else {
            return Some(match old {
                None => record(Query::new(&sql.insert)).bind(now),
                Some(old) => record(Query::new(&sql.insert_for)).bind(now).bind(old).bind(now),
            });
        };
        let others = limit.max.checked_sub(1)?;
        let beside = |query: Query| {
            let replacing = old.unwrap_or(id);
            query.bind(subject).bind(id).bind(replacing).bind(now).bind(others)
        };
        Some(match limit.excess {
            Excess::Deny => {
                let taken = Query::new(&sql.insert_if_room).bind(id).bind(now);
                beside(record(taken)).bind(now).bind(old).bind(now)
            }
            Excess::EvictOldest => {
                beside(record(Query::new(&sql.insert_and_evict)).bind(now)).bind(old).bind(now)
            }
        })
    }

    /// Whether it is refused when there is no room.
    fn needs_room(&self) -> bool {
        let limit = self.admission.limit.as_ref().filter(|_| self.meta.subject.is_some());
        limit.is_some_and(|limit| limit.excess == Excess::Deny)
    }
}

/// How many expired records one statement removes, so that it is over within milliseconds.
const BATCH: usize = 200;
