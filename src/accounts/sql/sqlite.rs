//! Accounts in SQLite: one connection that writes, several that read.
//!
//! SQLite lets one connection write at a time and makes the others try again and again; here they
//! queue up, first come first served.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::fault;
use crate::accounts::error::AccountError;

pub(super) struct Sqlite {
    writer: Arc<Mutex<Writer>>,
    /// None for a database in memory, which lives in the writer's connection alone.
    readers: Option<SqlitePool>,
}

struct Writer {
    connection: SqliteConnection,
    /// Whether there is a transaction that is not committed.
    unfinished: bool,
}

impl Sqlite {
    pub(super) async fn connect(url: &str) -> Result<Self, AccountError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| fault::misfit("write the address as `sqlite:path/to/file.db`"))?
            .create_if_missing(!url.contains("mode="));
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        let options = match in_memory {
            true => options,
            false => options.journal_mode(SqliteJournalMode::Wal),
        };
        let readers = (!in_memory).then(|| {
            let pool = SqlitePoolOptions::new().max_connections(4).test_before_acquire(false);
            pool.connect_lazy_with(options.clone().create_if_missing(false))
        });
        Self::open(options, readers).await
    }

    /// With a pool for reading; writing gets a connection of its own, with the same options.
    pub(super) async fn from_pool(pool: SqlitePool) -> Result<Self, AccountError> {
        let options = (*pool.connect_options()).clone();
        if options.get_filename().to_string_lossy().contains("sqlx-in-memory") {
            return Err(fault::misfit(
                "a database in memory belongs to one connection and cannot be shared with a pool",
            ));
        }
        Self::open(options, Some(pool)).await
    }

    async fn open(
        options: SqliteConnectOptions,
        readers: Option<SqlitePool>,
    ) -> Result<Self, AccountError> {
        let options = options.busy_timeout(BUSY).foreign_keys(true);
        let mut attempt = 1;
        let mut connection = loop {
            match prepare(&options).await {
                // Changing the journal's mode wants the file for itself and does not wait.
                Err(error) if fault::is_busy(&error) && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => break outcome.map_err(fault::of)?,
            }
        };
        let version = sqlx::query_scalar(VERSION).fetch_one(&mut connection).await;
        fault::check_version(version.map_err(fault::of)?)?;
        let writer = Writer { connection, unfinished: false };
        Ok(Self { writer: Arc::new(Mutex::new(writer)), readers })
    }

    /// A connection to read with.
    pub(super) async fn reader(&self) -> Result<Reader, AccountError> {
        match &self.readers {
            Some(pool) => pool.acquire().await.map(Reader::Pooled).map_err(fault::of),
            None => Ok(Reader::Only(self.turn().await)),
        }
    }

    /// The connection to write with, when it is this call's turn.
    pub(super) async fn turn(&self) -> Turn {
        Turn::next(Arc::clone(&self.writer)).await
    }
}

async fn prepare(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
    // If it fails, the connection is closed, and the transaction ends with it.
    sqlx::raw_sql(include_str!("schema.sqlite.sql")).execute(&mut connection).await?;
    sqlx::query("COMMIT").execute(&mut connection).await?;
    Ok(connection)
}

/// A connection to read with, while it is held.
pub(super) enum Reader {
    Pooled(PoolConnection<sqlx::Sqlite>),
    Only(Turn),
}

impl Reader {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Only(turn) => turn.connection(),
        }
    }
}

/// The one connection that writes, while it is held. A transaction that was begun and not committed
/// is rolled back when it is given back.
pub(super) struct Turn(OwnedMutexGuard<Writer>);

impl Turn {
    async fn next(writer: Arc<Mutex<Writer>>) -> Self {
        let mut turn = Self(writer.lock_owned().await);
        if turn.0.unfinished {
            // That there is nothing to roll back is no failure.
            drop(sqlx::query("ROLLBACK").fetch_all(turn.connection()).await);
            turn.0.unfinished = false;
        }
        turn
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }

    /// Not sqlx's own transaction: SQLite rolls some failures back by itself (a full disk is one),
    /// which sqlx does not notice.
    pub(super) async fn begin(&mut self) -> Result<(), AccountError> {
        self.0.unfinished = true;
        let begun = sqlx::query("BEGIN IMMEDIATE").fetch_all(self.connection()).await;
        begun.map(drop).map_err(fault::of)
    }

    pub(super) async fn commit(&mut self) -> Result<(), AccountError> {
        sqlx::query("COMMIT").fetch_all(self.connection()).await.map_err(fault::of)?;
        self.0.unfinished = false;
        Ok(())
    }
}

/// A transaction that nobody finishes, because it failed or its call was dropped, would keep the
/// file's lock from everybody else who writes to it, sessions perhaps. It ends now, in a task.
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.0.unfinished {
            return;
        }
        // Where there is no runtime any more, the next turn does it.
        if let Ok(runtime) = Handle::try_current() {
            let writer = Arc::clone(OwnedMutexGuard::mutex(&self.0));
            drop(runtime.spawn(async move { drop(Self::next(writer).await) }));
        }
    }
}

const VERSION: &str = "SELECT version FROM sessile_account_schema";
/// How long SQLite waits for the lock of another process.
const BUSY: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);
