//! Accounts in SQLite or PostgreSQL.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "postgres")]
use sqlx::PgPool;
#[cfg(feature = "sqlite")]
use sqlx::SqlitePool;

use self::engine::{Engine, in_time};
#[cfg(feature = "postgres")]
use self::postgres::Postgres;
#[cfg(feature = "sqlite")]
use self::sqlite::Sqlite;
use super::error::AccountError;
use super::store::AccountAnswer;
use crate::store::Answer;

mod engine;
mod fault;
#[cfg(feature = "postgres")]
mod postgres;
mod roles;
#[cfg(feature = "sqlite")]
mod sqlite;
mod tokens;
mod users;

/// Accounts in SQLite (feature `sqlite`) or PostgreSQL (feature `postgres`). Clones share the
/// connections; any number of nodes may share a PostgreSQL database.
///
/// Opening makes what is not there yet, in one transaction: tables whose names begin with
/// `sessile_user`, `sessile_role`, `sessile_permission` and `sessile_account_schema`. In PostgreSQL
/// they are in the first schema of the search path. Ids are text, times are milliseconds since the
/// Unix epoch, of tokens there are digests only.
///
/// Every method is one statement or one transaction, and gives up after five seconds. What the engine
/// says about a failure is behind the error's source, without the rows that it concerns.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
/// use sessile::accounts::{Accounts, LogIn, Registration, SqlAccounts};
/// # let layer = sessile::SessionLayer::<()>::new(sessile::store::MemoryStore::new(), sessile::Key::generate());
/// let store = SqlAccounts::connect("sqlite::memory:").await?;
/// let accounts = Accounts::new(store, layer.sessions());
/// let password = "correct horse battery staple";
/// accounts.register(Registration::new("ann@example.org", password)).await?;
/// let ann = accounts.log_in(LogIn::new("ANN@example.org", password)).await?;
/// assert!(!ann.user().is_verified);
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Clone)]
pub struct SqlAccounts(Arc<Engine>);

impl SqlAccounts {
    /// Opens `sqlite:path/to/file.db` (which is created if it is not there), `sqlite::memory:` or
    /// `postgres://user:password@host/database`.
    ///
    /// # Errors
    /// [`Store`](super::AccountErrorKind::Store), with what to do as its source.
    pub async fn connect(url: &str) -> Result<Self, AccountError> {
        let engine = match url.split(':').next() {
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Engine::Sqlite(Sqlite::connect(url).await?),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Engine::Postgres(Postgres::connect(url).await?),
            _ => {
                return Err(fault::misfit(
                    "accounts are kept at `sqlite:` or `postgres:`, with the feature of that name",
                ));
            }
        };
        Ok(Self(Arc::new(engine)))
    }

    /// In the database of a pool (of sqlx 0.9), which is used for reading; writing gets one more
    /// connection with the same options. Choose [WAL](https://sqlite.org/wal.html) for the file.
    ///
    /// ```
    /// # use sessile::accounts::{AccountError, SqlAccounts};
    /// async fn open(pool: sqlx::SqlitePool) -> Result<SqlAccounts, AccountError> {
    ///     SqlAccounts::from_sqlite(pool).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Store`](super::AccountErrorKind::Store), also for a database in memory, which belongs to
    /// one connection.
    #[cfg(feature = "sqlite")]
    pub async fn from_sqlite(pool: SqlitePool) -> Result<Self, AccountError> {
        Ok(Self(Arc::new(Engine::Sqlite(Sqlite::from_pool(pool).await?))))
    }

    /// In the database of a pool (of sqlx 0.9).
    ///
    /// ```
    /// # use sessile::accounts::{AccountError, SqlAccounts};
    /// async fn open(pool: sqlx::PgPool) -> Result<SqlAccounts, AccountError> {
    ///     SqlAccounts::from_postgres(pool).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Store`](super::AccountErrorKind::Store).
    #[cfg(feature = "postgres")]
    pub async fn from_postgres(pool: PgPool) -> Result<Self, AccountError> {
        Ok(Self(Arc::new(Engine::Postgres(Postgres::from_pool(pool).await?))))
    }

    /// Answers what this comes to, in time.
    fn answer<V, F>(&self, call: impl FnOnce(Arc<Engine>) -> F) -> AccountAnswer<V>
    where
        F: Future<Output = Result<V, AccountError>> + Send + 'static,
        V: 'static,
    {
        Answer::later(in_time(call(Arc::clone(&self.0))))
    }
}

impl fmt::Debug for SqlAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0 {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(_) => "SqlAccounts(SQLite)",
            #[cfg(feature = "postgres")]
            Engine::Postgres(_) => "SqlAccounts(PostgreSQL)",
        })
    }
}
