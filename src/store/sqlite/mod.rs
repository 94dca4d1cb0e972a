//! Sessions in a SQLite file.
//!
//! 1. One statement per load and per write; a creation that ends other sessions is a transaction.
//! 2. Writes queue up for one connection, reads have several: nobody is told that the database is
//!    locked because of his own process, and other processes are waited for.
//! 3. What is decided (is it live, is the version the expected one, is there room) is decided in
//!    SQL, with the time that the call brings.
//! 4. The data is JSON text that other languages read.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use sqlx::SqlitePool;

use self::ledger::Ledger;
pub use self::options::SqliteOptions;
use self::statements::Statements;
use super::answer::Answer;
use super::{
    Admission, Created, Cursor, Revoke, Revoked, Saved, Scan, Scanned, Store, StoreAnswer,
    SubjectIndex, Swept,
};
use crate::clock::Timestamp;
use crate::error::OpenError;
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};

mod engine;
mod error;
mod ledger;
mod open;
mod options;
mod query;
mod row;
mod schema;
mod statements;

/// Keeps sessions in a SQLite file. Clones share their connections.
pub struct SqliteStore<T> {
    ledger: Arc<Ledger>,
    table: Arc<str>,
    data: PhantomData<fn() -> T>,
}

impl<T: SessionData> SqliteStore<T> {
    /// Opens a file (`sqlite:path/to/file.db`, created if it is not there) or a database in
    /// memory (`sqlite::memory:`), and makes the table if there is none.
    ///
    /// # Errors
    /// Says what to do about it.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::open(SqliteOptions::new(url)).await
    }

    /// The same with the application's own pool (of sqlx 0.9).
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, OpenError> {
        Self::open(SqliteOptions::from_pool(pool)).await
    }

    /// The same with more to say.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let engine = open::open(&options).await?;
        let sql = Statements::on(&options.table);
        let ledger = Arc::new(Ledger { engine, sql, max_data: options.max_data });
        Ok(Self { ledger, table: options.table.into(), data: PhantomData })
    }
}

impl<T: SessionData> Store<T> for SqliteStore<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        let ledger = Arc::clone(&self.ledger);
        Answer::later(async move { Ok(ledger.load(id, now).await?.map(Arc::new)) })
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let ledger = Arc::clone(&self.ledger);
        Answer::later(async move { ledger.create(id, &record, admission, now).await })
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let ledger = Arc::clone(&self.ledger);
        Answer::later(async move { ledger.replace(id, expected, &record, now).await })
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        let ledger = Arc::clone(&self.ledger);
        Answer::later(async move { ledger.touch(id, now).await })
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        let ledger = Arc::clone(&self.ledger);
        Answer::later(async move { ledger.delete(id, now).await })
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        let ledger = Arc::clone(&self.ledger);
        Answer::later(async move { ledger.sweep(now, max).await })
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn scan(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

impl<T: SessionData> SubjectIndex for SqliteStore<T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        let (ledger, subject) = (Arc::clone(&self.ledger), subject.to_owned());
        Answer::later(async move { ledger.list(&subject, after, max, now).await })
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        let (ledger, subject) = (Arc::clone(&self.ledger), subject.to_owned());
        Answer::later(async move { ledger.count(&subject, now).await })
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        let (ledger, subject) = (Arc::clone(&self.ledger), subject.to_owned());
        Answer::later(async move { ledger.revoke(&subject, which, max, now).await })
    }
}

impl<T: SessionData> Scan for SqliteStore<T> {
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned> {
        let ledger = Arc::clone(&self.ledger);
        Answer::later(async move { ledger.scan(from, max, now).await })
    }
}

impl<T> Clone for SqliteStore<T> {
    fn clone(&self) -> Self {
        Self { ledger: Arc::clone(&self.ledger), table: Arc::clone(&self.table), data: PhantomData }
    }
}

/// Shows the table's name, and nothing of the sessions.
impl<T> fmt::Debug for SqliteStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("table", &self.table).finish_non_exhaustive()
    }
}
