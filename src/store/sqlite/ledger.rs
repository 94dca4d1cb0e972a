//! The operations of the store.

use std::sync::Arc;

use sqlx::Row;

use super::engine::{Engine, Turn};
use super::error::failure;
use super::query::Query;
use super::row::{self, bind_record};
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
        let query = Query::new(&self.sql.load).bind(id).bind(now);
        let rows = query.rows(self.engine.reader().await?.connection()).await?;
        rows.first().map(row::record).transpose()
    }

    pub(super) async fn create<T: SessionData>(
        self: &Arc<Self>,
        id: Id,
        record: &Record<T>,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let data = json::encode(&record.data, self.max_data)?;
        let insert = bind_record(Query::new(&self.sql.insert).bind(id), &record.meta, &data);
        let insert = insert.bind(now);
        let subject = record.meta.subject.clone();
        let newcomer = Arc::new(Newcomer { id, insert, subject, admission, now });
        let created = self.admit(&newcomer).await;
        let full = matches!(&created, Err(error) if error.kind() == StoreErrorKind::Full);
        if full && self.sweep(now, BATCH).await?.removed > 0 {
            return self.admit(&newcomer).await;
        }
        created
    }

    async fn admit(self: &Arc<Self>, newcomer: &Arc<Newcomer>) -> Result<Created, StoreError> {
        let mut turn = self.engine.turn().await?;
        if newcomer.comes_alone() {
            return newcomer.insert(&mut turn).await;
        }
        let (ledger, newcomer) = (Arc::clone(self), Arc::clone(newcomer));
        // In a task of its own: whoever stops polling or drops this call would else leave a
        // transaction open, and everybody waiting for it.
        let task = tokio::spawn(async move { newcomer.admit(turn, &ledger.sql).await });
        task.await.unwrap_or_else(|lost| Err(unavailable(lost)))
    }

    pub(super) async fn replace<T: SessionData>(
        &self,
        id: Id,
        expected: u64,
        record: &Record<T>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let data = json::encode(&record.data, self.max_data)?;
        let replace = bind_record(Query::new(&self.sql.replace).bind(id), &record.meta, &data);
        let replace = replace.bind(now).bind(expected);
        let version = Query::new(&self.sql.version).bind(id).bind(now);
        let mut turn = self.engine.turn().await?;
        loop {
            if replace.any(turn.connection()).await? {
                return Ok(Saved::Done);
            }
            let rows = version.rows(turn.connection()).await?;
            match rows.first().map(|row| row::number(row, "version")).transpose()? {
                None => return Ok(Saved::Gone),
                Some(version) if version != expected => return Ok(Saved::Stale),
                // Another process has put a record there between the two statements.
                Some(_) => {}
            }
        }
    }

    pub(super) async fn touch(&self, id: Id, now: Timestamp) -> Result<Saved, StoreError> {
        let query = Query::new(&self.sql.touch).bind(id).bind(now);
        let mut turn = self.engine.turn().await?;
        let done = query.any(turn.connection()).await?;
        Ok(if done { Saved::Done } else { Saved::Gone })
    }

    pub(super) async fn delete(&self, id: Id, now: Timestamp) -> Result<bool, StoreError> {
        let query = Query::new(&self.sql.delete).bind(id).bind(now);
        let mut turn = self.engine.turn().await?;
        was_live(&query, &mut turn).await
    }

    /// Each batch takes its turn, so that others get theirs in between.
    pub(super) async fn sweep(&self, now: Timestamp, max: usize) -> Result<Swept, StoreError> {
        let mut removed = 0;
        while removed < max {
            let batch = BATCH.min(max - removed);
            let query = Query::new(&self.sql.sweep).bind(now).bind(batch);
            let mut turn = self.engine.turn().await?;
            let swept = query.rows(turn.connection()).await?.len();
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
        let rows = query.rows(self.engine.reader().await?.connection()).await?;
        rows.iter().map(row::session).collect()
    }

    pub(super) async fn count(&self, subject: &str, now: Timestamp) -> Result<usize, StoreError> {
        let query = Query::new(&self.sql.count).bind(subject).bind(now);
        let rows = query.rows(self.engine.reader().await?.connection()).await?;
        let counted = rows.first().map_or(Ok(0), |row| row::number(row, "sessions"))?;
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
        let query = |sql| Query::new(sql).bind(subject).bind(&*id).bind(now);
        let mut turn = self.engine.turn().await?;
        let rows = query(&revocation.end).bind(max).rows(turn.connection()).await?;
        let mut ids = rows.iter().map(row::id).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        let more = ids.len() == max && query(&revocation.rest).any(turn.connection()).await?;
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
        let query = Query::new(&self.sql.scan).bind(after).bind(now).bind(max);
        let rows = query.rows(self.engine.reader().await?.connection()).await?;
        let last = rows.last().filter(|_| rows.len() == max);
        let next = last.map(|row| row.try_get::<&str, _>("id").map(Cursor::new)).transpose();
        let live = rows.iter().filter(|row| row.try_get("live").unwrap_or(false));
        Ok(Scanned::new(
            live.filter_map(|row| row::session(row).ok()).collect(),
            next.map_err(failure)?,
        ))
    }
}

/// A record that is to be kept, and on what terms.
struct Newcomer {
    id: Id,
    insert: Query,
    subject: Option<Arc<str>>,
    admission: Admission,
    now: Timestamp,
}

impl Newcomer {
    /// Whether nobody has to go for it, so that one statement does.
    fn comes_alone(&self) -> bool {
        let limited = self.admission.limit.is_some() && self.subject.is_some();
        self.admission.replacing.is_none() && !limited
    }

    async fn insert(&self, turn: &mut Turn) -> Result<Created, StoreError> {
        let done = self.insert.any(turn.connection()).await?;
        Ok(if done {
            Created::Done { evicted: Vec::new(), replaced: false }
        } else {
            Created::Exists
        })
    }

    /// All or nothing.
    async fn admit(&self, mut turn: Turn, sql: &Statements) -> Result<Created, StoreError> {
        turn.begin().await?;
        let outcome = self.make_room(&mut turn, sql).await;
        if matches!(outcome, Ok(Created::Done { .. })) {
            turn.commit().await?;
        } else {
            turn.roll_back().await;
        }
        outcome
    }

    async fn make_room(&self, turn: &mut Turn, sql: &Statements) -> Result<Created, StoreError> {
        let Created::Done { mut evicted, mut replaced } = self.insert(turn).await? else {
            return Ok(Created::Exists);
        };
        if let (Some(limit), Some(subject)) = (self.admission.limit, &self.subject) {
            let replacing = self.admission.replacing.unwrap_or(self.id);
            // All but the newest of the others, which are one fewer than the limit.
            let Some(others) = limit.max.checked_sub(1) else {
                return Ok(Created::Limit);
            };
            let excess = |statement| {
                let query = Query::new(statement).bind(&**subject).bind(self.id).bind(replacing);
                query.bind(self.now).bind(others)
            };
            match limit.excess {
                Excess::Deny if excess(&sql.is_full).any(turn.connection()).await? => {
                    return Ok(Created::Limit);
                }
                Excess::Deny => {}
                Excess::EvictOldest => {
                    let rows = excess(&sql.evict).rows(turn.connection()).await?;
                    evicted = rows.iter().map(row::id).collect::<Result<_, _>>()?;
                }
            }
        }
        if let Some(old) = self.admission.replacing.filter(|old| *old != self.id) {
            let query = Query::new(&sql.delete).bind(old).bind(self.now);
            replaced = was_live(&query, turn).await?;
        }
        Ok(Created::Done { evicted, replaced })
    }
}

/// Carries out a deletion, and says whether what it deleted was live.
async fn was_live(delete: &Query, turn: &mut Turn) -> Result<bool, StoreError> {
    let rows = delete.rows(turn.connection()).await?;
    rows.first().map_or(Ok(false), |row| row.try_get("live").map_err(failure))
}

fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).with_source(cause)
}

/// How many expired records one statement removes, so that it is over within milliseconds.
const BATCH: usize = 200;
