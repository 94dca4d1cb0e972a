//! How a store is opened.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool};

use super::calls::Calls;
use super::changes::Announcements;
use super::connections::Connections;
use super::statements::Statements;
use super::table::TableName;
use super::{MakeData, PostgresStore, fault, schema};
use crate::error::{OpenError, OpenErrorKind};
use crate::record::{Meta, SessionData};
use crate::store::json;

/// How a [`PostgresStore`] is opened; begun with [`PostgresStore::options`].
///
/// # Defaults
/// - [`table`](Self::table): `sessile_sessions`
/// - [`max_data`](Self::max_data): 2 MiB
/// - [`max_connections`](Self::max_connections): 10
/// - [`announce`](Self::announce): off
/// - [`data_when_missing`](Self::data_when_missing): a row without data reads as JSON `null`
///
/// ```no_run
/// # async fn open() -> Result<(), sessile::OpenError> {
/// use sessile::{Values, store::PostgresStore};
/// let store = PostgresStore::<Values>::options()
///     .table("auth.sessions")
///     .announce(true)
///     .connect("postgres://app:secret@db.internal/app")
///     .await?;
/// # Ok(()) }
/// ```
#[must_use = "options open nothing by themselves"]
pub struct PostgresOptions<T> {
    table: String,
    max_data: usize,
    max_connections: usize,
    announce: bool,
    when_missing: Option<MakeData<T>>,
}

impl<T> PostgresOptions<T> {
    pub(super) fn new() -> Self {
        Self {
            table: "sessile_sessions".to_owned(),
            max_data: json::MAX_DATA,
            max_connections: 10,
            announce: false,
            when_missing: None,
        }
    }

    /// The table: `name` or `schema.name`, of ASCII letters, digits and `_`, each at most 48 bytes.
    /// Case matters. Without a schema it is the first table of that name on the user's search path
    /// or, if there is none, a new one in the first schema of that path.
    ///
    /// A table that fastapi-anchor made (`anchor_sessions`) is fine: the columns that it lacks are
    /// added, its rows are sessions, and anchor goes on working with it. See
    /// [`PostgresStore`].
    ///
    /// ```
    /// use sessile::{Values, store::PostgresStore};
    /// let options = PostgresStore::<Values>::options().table("anchor_sessions");
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// How large the data of one session may be, in bytes of JSON. More is
    /// [`TooLarge`](crate::StoreErrorKind::TooLarge).
    ///
    /// ```
    /// use sessile::{Values, store::PostgresStore};
    /// let options = PostgresStore::<Values>::options().max_data(64 * 1024);
    /// ```
    pub const fn max_data(mut self, bytes: usize) -> Self {
        self.max_data = bytes;
        self
    }

    /// How many connections at most, beside the one that listens for changes. They are opened when
    /// they are needed. Means nothing to a store that is given a pool.
    ///
    /// ```
    /// use sessile::{Values, store::PostgresStore};
    /// let options = PostgresStore::<Values>::options().max_connections(4);
    /// ```
    pub const fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = max;
        self
    }

    /// Whether this store tells other nodes what it changes, by NOTIFY, and hears what they change,
    /// so that caches can be kept in step: with it, [`Store::changes`](crate::store::Store::changes)
    /// answers. Every node that writes to the table must have it on.
    ///
    /// It is off unless asked for, because Postgres lets transactions that notify commit one
    /// at a time, all databases of the server together: it costs throughput of writes, and only a
    /// cache has a use for it.
    ///
    /// Told are each write of a session except a touch, and each end except by its deadline, which
    /// a cache knows without being told.
    ///
    /// ```
    /// use sessile::{Values, store::PostgresStore};
    /// let options = PostgresStore::<Values>::options().announce(true);
    /// ```
    pub const fn announce(mut self, announce: bool) -> Self {
        self.announce = announce;
        self
    }

    /// What the data of a row is whose `data` is NULL, as in the rows of other programs.
    ///
    /// ```
    /// use sessile::store::PostgresStore;
    /// let options = PostgresStore::<String>::options()
    ///     .data_when_missing(|meta| meta.subject.as_deref().unwrap_or("nobody").to_owned());
    /// ```
    pub fn data_when_missing(mut self, make: impl Fn(&Meta) -> T + Send + Sync + 'static) -> Self {
        self.when_missing = Some(Arc::new(make));
        self
    }
}

impl<T: SessionData> PostgresOptions<T> {
    /// Opens the table on the server at this address, in the form
    /// `postgres://user:password@host:port/database?sslmode=require`. Anything that is left out is
    /// taken from `PGHOST`, `PGUSER` and the like, as by `psql`.
    ///
    /// # Errors
    /// [`Config`](OpenErrorKind::Config): the address or the table's name does not parse, or there
    /// is no such database. [`Unreachable`](OpenErrorKind::Unreachable): nobody answers.
    /// [`Denied`](OpenErrorKind::Denied): the password is wrong, or the user lacks a right.
    /// [`Schema`](OpenErrorKind::Schema): the table is of a newer version, or no table of sessions.
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), sessile::OpenError> {
    /// use sessile::{Values, store::PostgresStore};
    /// let store = PostgresStore::<Values>::options().connect("postgres://app@localhost/app").await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect(self, url: &str) -> Result<PostgresStore<T>, OpenError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(OpenError::new(OpenErrorKind::Config, fault::ADDRESS));
        }
        let options = PgConnectOptions::from_str(url).map_err(fault::open_error)?;
        let options = options.disable_statement_logging();
        let connections = Connections::new(options, self.max_connections);
        self.open(connections).await
    }

    /// Opens the table through this pool (of sqlx 0.9).
    ///
    /// Build the pool with `test_before_acquire(false)`, or each call is two round trips, and with
    /// an `acquire_timeout` below the layer's store timeout of 2 seconds. The pool asks the server
    /// for a sign of life after each call, which nobody waits for but the connection; and it does
    /// not say how long one stood idle, so that after a restart of the server a call that creates or
    /// replaces a session may fail where it would not with [`connect`](Self::connect).
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// ```no_run
    /// # async fn open(pool: sqlx::PgPool) -> Result<(), sessile::OpenError> {
    /// use sessile::{Values, store::PostgresStore};
    /// let store = PostgresStore::<Values>::options().table("sessions").with_pool(pool).await?;
    /// # Ok(()) }
    /// ```
    pub async fn with_pool(self, pool: PgPool) -> Result<PostgresStore<T>, OpenError> {
        self.open(Connections::Pool(pool)).await
    }

    async fn open(self, connections: Connections) -> Result<PostgresStore<T>, OpenError> {
        let name = TableName::parse(&self.table)?;
        let table = schema::prepare(&connections, name).await?;
        let announcements = self
            .announce
            .then(|| Announcements { options: connections.options(), channel: table.channel() });
        let statements = Statements::new(&table, self.announce);
        let (max_data, when_missing) = (self.max_data, self.when_missing);
        let calls = Calls { connections, statements, max_data, when_missing };
        Ok(PostgresStore { calls: Arc::new(calls), announcements })
    }
}

impl<T> fmt::Debug for PostgresOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("table", &self.table)
            .field("max_data", &self.max_data)
            .field("max_connections", &self.max_connections)
            .field("announce", &self.announce)
            .field("data_when_missing", &self.when_missing.is_some())
            .finish()
    }
}
