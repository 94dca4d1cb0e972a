//! The connections: one that writes, several that read.
//!
//! SQLite lets one connection write at a time and makes the others try again and again. Here calls
//! queue up before it instead; only writers of other processes are waited for in SQLite's way.
//! Readers wait for no writer (with a write-ahead log).

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{SqliteConnection, SqlitePool};

use super::connection::Connection;
use super::query::Query;
use super::queue::Queue;
use crate::error::StoreError;

pub(super) struct Engine {
    writer: Arc<Queue>,
    /// The writer's own for a database in memory, which lives in that connection alone.
    readers: Arc<Queue>,
}

impl Engine {
    /// With the writer's connection for everything.
    pub(super) fn in_memory(
        options: Arc<SqliteConnectOptions>,
        writer: SqliteConnection,
        table: &str,
    ) -> Self {
        let writer = Queue::new(vec![Connection::in_memory(options, writer, table.into())]);
        Self { readers: Arc::clone(&writer), writer }
    }

    /// With more connections for those who read: the pool's, if there is one.
    pub(super) fn on_disk(
        options: &Arc<SqliteConnectOptions>,
        writer: SqliteConnection,
        pool: Option<&SqlitePool>,
    ) -> Self {
        let writer = Queue::new(vec![Connection::opened(Arc::clone(options), writer)]);
        let readers = (0..READERS).map(|_| match pool {
            Some(pool) => Connection::of(pool.clone()),
            None => Connection::to(Arc::clone(options)),
        });
        Self { writer, readers: Queue::new(readers.collect()) }
    }

    pub(super) async fn read(&self, query: Query) -> Result<Vec<SqliteRow>, StoreError> {
        self.readers.rows(query).await
    }

    pub(super) async fn write(&self, query: Query) -> Result<Vec<SqliteRow>, StoreError> {
        self.writer.rows(query).await
    }
}

/// How many connections read: more than one, so that a long list keeps nobody waiting, and few, so
/// that under load each carries several calls at once.
const READERS: usize = 4;
