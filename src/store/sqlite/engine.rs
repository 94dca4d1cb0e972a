//! The connections: one that writes, several that read.
//!
//! SQLite lets one connection write at a time and makes the others try again and again. Here they
//! queue up instead, first come first served; only writers of other processes are waited for in
//! SQLite's way. Readers wait for nobody (with a write-ahead log).

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::error::failure;
use super::query::Query;
use crate::error::{StoreError, StoreErrorKind};

pub(super) struct Engine {
    writer: Arc<Mutex<Writer>>,
    /// None for a database in memory, which lives in the writer's connection alone.
    readers: Option<SqlitePool>,
}

struct Writer {
    connection: SqliteConnection,
    /// Whether there may be a transaction that nobody will finish: a runtime that is shut down
    /// drops its tasks wherever they are.
    unfinished: bool,
}

impl Engine {
    pub(super) fn new(writer: SqliteConnection, readers: Option<SqlitePool>) -> Self {
        let writer = Writer { connection: writer, unfinished: false };
        Self { writer: Arc::new(Mutex::new(writer)), readers }
    }

    /// A connection to read with.
    pub(super) async fn reader(&self) -> Result<Reader, StoreError> {
        match &self.readers {
            Some(pool) => {
                let reader = timeout(PATIENCE, pool.acquire()).await.map_err(too_late)?;
                reader.map(Reader::Pooled).map_err(failure)
            }
            None => self.turn().await.map(Reader::Only),
        }
    }

    /// The connection to write with, when it is this call's turn.
    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let lock = Arc::clone(&self.writer).lock_owned();
        let mut turn = Turn(timeout(PATIENCE, lock).await.map_err(too_late)?);
        if turn.0.unfinished {
            turn.roll_back().await;
        }
        Ok(turn)
    }
}

fn too_late(elapsed: tokio::time::error::Elapsed) -> StoreError {
    StoreError::new(StoreErrorKind::Timeout).with_source(elapsed)
}

/// A connection to read with, while it is held.
pub(super) enum Reader {
    Pooled(PoolConnection<Sqlite>),
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

/// The one connection that writes, while it is held.
pub(super) struct Turn(OwnedMutexGuard<Writer>);

impl Turn {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }

    /// Begins a transaction that may write at once. Statements in it find no lock in their way.
    ///
    /// Not sqlx's own transaction: SQLite rolls some failures back by itself (a full disk is one),
    /// sqlx then takes the transaction to be open for ever and refuses to begin another.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.0.unfinished = true;
        let begun = Query::new(&Arc::from("BEGIN IMMEDIATE")).rows(self.connection()).await;
        self.0.unfinished = begun.is_ok();
        begun.map(drop)
    }

    pub(super) async fn commit(&mut self) -> Result<(), StoreError> {
        match Query::new(&Arc::from("COMMIT")).rows(self.connection()).await {
            Ok(_) => self.0.unfinished = false,
            Err(error) => {
                self.roll_back().await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// That there is nothing to roll back is no failure.
    pub(super) async fn roll_back(&mut self) {
        drop(Query::new(&Arc::from("ROLLBACK")).rows(self.connection()).await);
        self.0.unfinished = false;
    }
}

/// How long SQLite waits for the lock of another process, in each attempt.
pub(super) const BUSY: Duration = Duration::from_millis(100);

/// How long a call waits for its turn: a little less than the layer's store timeout of two
/// seconds, so that the error says what was waited for.
pub(super) const PATIENCE: Duration = Duration::from_millis(1_900);

/// How many connections read.
pub(super) const READERS: u32 = 4;
