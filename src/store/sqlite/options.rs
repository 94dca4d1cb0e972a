//! Where the sessions are kept, and how.

use std::fmt;

use sqlx::SqlitePool;

use crate::store::json;

/// Which file, which table, how large a session may be and how durable a write is.
///
/// ```
/// use sessile::store::{SqliteOptions, SqliteStore};
/// # #[tokio::main] async fn main() -> Result<(), sessile::OpenError> {
/// let options = SqliteOptions::new("sqlite::memory:").table("web_sessions").max_data(64 * 1024);
/// let store = SqliteStore::<Vec<String>>::open(options).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SqliteOptions {
    pub(super) source: Source,
    pub(super) table: String,
    pub(super) max_data: usize,
    pub(super) synchronous_full: bool,
}

#[derive(Clone)]
pub(super) enum Source {
    Url(String),
    Pool(SqlitePool),
}

impl SqliteOptions {
    /// A file (`sqlite:path/to/file.db`) or a database in memory (`sqlite::memory:`).
    ///
    /// The file is created if it is not there, its folder is not. With `?mode=rw` behind the path
    /// the file must be there.
    ///
    /// ```
    /// let options = sessile::store::SqliteOptions::new("sqlite:sessions.db");
    /// ```
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self::of(Source::Url(url.into()))
    }

    /// The database of a pool that the application has (of sqlx 0.9), which is used for reading:
    /// up to four of its connections at once.
    ///
    /// Writing gets one more connection with the same options, so that writes queue up in the
    /// store and not in SQLite. The pool's own settings stay as they are: choose
    /// [WAL](https://sqlite.org/wal.html), or readers wait for writers. A database in memory
    /// is private to one connection and cannot be shared in this way.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use sqlx::SqlitePool;
    /// use sessile::store::SqliteOptions;
    /// let pool = SqlitePool::connect_lazy("sqlite:app.db")?;
    /// let options = SqliteOptions::from_pool(pool).table("web_sessions");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn from_pool(pool: SqlitePool) -> Self {
        Self::of(Source::Pool(pool))
    }

    fn of(source: Source) -> Self {
        Self { source, table: TABLE.to_owned(), max_data: json::MAX_DATA, synchronous_full: false }
    }

    /// The table for the sessions, `sessile_sessions` by default: letters, digits and
    /// underscores, at most 48 of them, no digit first. Applications with sessions of different
    /// types in one file need a table for each.
    ///
    /// ```
    /// let options = sessile::store::SqliteOptions::new("sqlite:app.db").table("admin_sessions");
    /// ```
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// How large the data of one session may be, in bytes of JSON; 2 MiB by default. What is
    /// larger is refused as [`TooLarge`](crate::StoreErrorKind::TooLarge).
    ///
    /// ```
    /// let options = sessile::store::SqliteOptions::new("sqlite:app.db").max_data(16 * 1024);
    /// ```
    #[must_use]
    pub const fn max_data(mut self, bytes: usize) -> Self {
        self.max_data = bytes;
        self
    }

    /// Waits until each write has reached the disk, so that not even a power cut loses one.
    ///
    /// By default (`synchronous = NORMAL`) it may lose the writes of the last moments; see
    /// [what survives](super::SqliteStore#what-survives). A write takes as long as the disk needs,
    /// often a few milliseconds.
    ///
    /// ```
    /// let options = sessile::store::SqliteOptions::new("sqlite:app.db").synchronous_full();
    /// ```
    #[must_use]
    pub const fn synchronous_full(mut self) -> Self {
        self.synchronous_full = true;
        self
    }
}

/// Shows no path: an address may hold more than its owner thinks.
impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("table", &self.table)
            .field("max_data", &self.max_data)
            .field("synchronous_full", &self.synchronous_full)
            .finish_non_exhaustive()
    }
}

const TABLE: &str = "sessile_sessions";
