//! Sessions in a SQLite file.
//!
//! 1. One trip to SQLite per load and per write; a creation that ends other sessions is a
//!    transaction in one text.
//! 2. Writes queue up for one connection, reads have several: nobody is told that the database is
//!    locked because of his own process, and other processes are waited for. What waits at the same
//!    time goes together.
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

mod connection;
mod engine;
mod error;
mod ledger;
mod open;
mod options;
mod query;
mod queue;
mod row;
mod schema;
mod statement;
mod statements;

/// Keeps sessions in a SQLite file. Clones share their connections.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sessile::store::{Admission, SqliteStore, Store};
/// use sessile::{Id, Meta, Record, Timestamp};
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::connect("sqlite::memory:").await?; // or "sqlite:sessions.db"
///
/// let now = Timestamp::from_millis(0);
/// let meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(600));
/// let record = Arc::new(Record::new(meta, "hello".to_owned()));
/// let id = Id::generate()?;
/// store.create(id, record, Admission::OPEN, now).await?;
/// assert_eq!(store.load(id, now).await?.unwrap().data, "hello");
/// # Ok(()) }
/// ```
///
/// It needs a tokio runtime with its timer, as sqlx does. Any number of processes on one machine
/// may open the same file; a network file system is no place for it, as for any SQLite database.
/// Writes wait up to about two seconds for each other, after that they fail as
/// [`Timeout`](crate::StoreErrorKind::Timeout). Those of one kind that wait at the same time share
/// a transaction: none is acknowledged before its commit, and one that fails fails alone.
///
/// # What survives
///
/// What was acknowledged survives the end of the process, however it ends. What a power cut or a
/// crash of the operating system costs is a choice:
///
/// | setting | after a power cut |
/// |---|---|
/// | default: WAL, `synchronous = NORMAL` | the file is sound; writes since the last checkpoint (every 1 000 pages of the log) may be undone, the latest first |
/// | [`synchronous_full`](SqliteOptions::synchronous_full) | nothing acknowledged is lost; each write waits for the disk |
///
/// A logout that is undone is a session that is back. Where that matters more than the time of a
/// write, choose `synchronous_full`.
///
/// A connection whose thread dies (from a bug in a library, say) costs the calls that it carried, and
/// is replaced. A database in memory is empty after that, for it lived in its connection.
///
/// A session that somebody ended is deleted at once. One that ended by itself stays until it is swept:
/// spawn the layer's [sweeper](crate::SessionLayer::sweeper), or the file grows without end. The bytes
/// of what was deleted stay in the file until their place is used again, and the file keeps its size
/// until somebody runs `VACUUM`. On a full disk writes fail as [`Full`](crate::StoreErrorKind::Full)
/// and what is there stays; a creation first tries to make room among the expired.
///
/// # The table
///
/// `sessile_sessions`, unless [`SqliteOptions::table`] says otherwise:
///
/// | column | type | what |
/// |---|---|---|
/// | `id` | text | the UUID that [`Id`] displays |
/// | `subject` | text or null | whom it belongs to |
/// | `version` | integer | goes up with every write |
/// | `generation`, `confirmed`, `persistent` | integer | of the ticket; 0 or 1 for the last two |
/// | `renewed`, `created`, `authenticated` | integer | milliseconds since 1970 |
/// | `idle` | integer | how long it may stay unused, in milliseconds |
/// | `absolute`, `last_seen` | integer | milliseconds since 1970 |
/// | `deadline` | integer | computed: the earlier of `last_seen + idle` and `absolute` |
/// | `data` | text | the application's data as JSON |
/// | `context` | text or null | the [context](crate::Context) as JSON: how it began |
///
/// Times from 2<sup>63</sup> - 1 on are stored as that number and mean for ever. `sessile_schema`
/// has the version of the table. SQLite's own shell (3.37 or later) reads and ends sessions while
/// the application runs:
///
/// ```sql
/// SELECT id, datetime(deadline / 1000, 'unixepoch'), data ->> '$.name'
///   FROM sessile_sessions WHERE subject = 'ann';
/// DELETE FROM sessile_sessions WHERE subject = 'ann';
/// ```
///
/// Who changes something by hand adds one to `version`, or an application that just read the row
/// overwrites the change. To let a session end in five minutes:
///
/// ```sql
/// UPDATE sessile_sessions SET absolute = (strftime('%s', 'now') + 300) * 1000, version = version + 1
///   WHERE id = '8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11';
/// ```
pub struct SqliteStore<T> {
    ledger: Arc<Ledger>,
    table: Arc<str>,
    data: PhantomData<fn() -> T>,
}

impl<T: SessionData> SqliteStore<T> {
    /// Opens a file (`sqlite:path/to/file.db`, created if it is not there) or a database in
    /// memory (`sqlite::memory:`, gone with the store), and makes the table if there is none.
    ///
    /// A relative path begins at the working directory. The folder must exist.
    ///
    /// ```
    /// # #[tokio::main] async fn main() {
    /// use sessile::{OpenErrorKind, store::SqliteStore};
    /// let error = SqliteStore::<String>::connect("sqlite:no/such/folder/a.db").await.unwrap_err();
    /// assert_eq!(error.kind(), OpenErrorKind::Unreachable);
    /// assert!(error.to_string().contains("the folder no/such/folder does not exist"));
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Config`](crate::OpenErrorKind::Config): the address is none, or names a folder.
    /// - [`Unreachable`](crate::OpenErrorKind::Unreachable): the folder does not exist, the disk
    ///   is full, or another process keeps the file locked.
    /// - [`Denied`](crate::OpenErrorKind::Denied): this user may not write the file or its folder.
    /// - [`Schema`](crate::OpenErrorKind::Schema): the file is no SQLite database, or the table is
    ///   somebody else's or a newer release's.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::open(SqliteOptions::new(url)).await
    }

    /// The same with the application's own pool; see [`SqliteOptions::from_pool`].
    ///
    /// ```
    /// # use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sessile::store::SqliteStore;
    /// # let path = std::env::temp_dir().join(sessile::Id::generate()?.to_string());
    /// let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    /// let pool = SqlitePool::connect_with(options.journal_mode(SqliteJournalMode::Wal)).await?;
    /// let store = SqliteStore::<String>::from_pool(pool).await?;
    /// # drop(std::fs::remove_file(path));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, OpenError> {
        Self::open(SqliteOptions::from_pool(pool)).await
    }

    /// The same with more to say: table, size, durability.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), sessile::OpenError> {
    /// use sessile::store::{SqliteOptions, SqliteStore};
    /// let options = SqliteOptions::new("sqlite::memory:").table("admin_sessions");
    /// let store = SqliteStore::<String>::open(options.synchronous_full()).await?;
    /// # Ok(()) }
    /// ```
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

    fn all(&self) -> Option<&dyn Scan> {
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
