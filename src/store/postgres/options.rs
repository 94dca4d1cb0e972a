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

/// Which server, which table, how large a session may be, and whether changes are announced.
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
/// use sessile::{Values, store::{PostgresOptions, PostgresStore}};
/// let options = PostgresOptions::new("postgres://app:secret@db.internal/app")
///     .table("auth.sessions")
///     .announce(true);
/// let store = PostgresStore::<Values>::open(options).await?;
/// # Ok(()) }
/// ```
#[must_use = "options open nothing by themselves"]
pub struct PostgresOptions<T> {
    source: Source,
    table: String,
    max_data: usize,
    max_connections: usize,
    announce: bool,
    when_missing: Option<MakeData<T>>,
}

enum Source {
    Url(String),
    Pool(PgPool),
}

impl<T> PostgresOptions<T> {
    /// The server at this address, in the form
    /// `postgres://user:password@host:port/database?sslmode=require`. Anything that is left out is
    /// taken from `PGHOST`, `PGUSER` and the like, as by `psql`.
    ///
    /// ```
    /// use sessile::{Values, store::PostgresOptions};
    /// let options = PostgresOptions::<Values>::new("postgres://app@localhost/app");
    /// ```
    pub fn new(url: impl Into<String>) -> Self {
        Self::of(Source::Url(url.into()))
    }

    /// The server of a pool (of sqlx 0.9) that the application has anyway.
    ///
    /// Its transactions must be `READ COMMITTED`, as they are unless somebody changed that; else
    /// opening fails as [`Config`](crate::OpenErrorKind::Config). Give its connections a
    /// `statement_timeout`, so that a statement that waits for a lock does not wait for ever.
    ///
    /// Build the pool with `test_before_acquire(false)`, or each call is two round trips, and with
    /// an `acquire_timeout` below the layer's store timeout of 2 seconds. The pool asks the server
    /// for a sign of life after each call, which nobody waits for but the connection; and it does
    /// not say how long one stood idle, so that after a restart of the server a call that creates or
    /// replaces a session may fail where it would not with an [address](Self::new).
    ///
    /// ```no_run
    /// # async fn open(pool: sqlx::PgPool) -> Result<(), sessile::OpenError> {
    /// use sessile::{Values, store::{PostgresOptions, PostgresStore}};
    /// let options = PostgresOptions::from_pool(pool).table("sessions");
    /// let store = PostgresStore::<Values>::open(options).await?;
    /// # Ok(()) }
    /// ```
    pub fn from_pool(pool: PgPool) -> Self {
        Self::of(Source::Pool(pool))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
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
    /// use sessile::{Values, store::PostgresOptions};
    /// let options = PostgresOptions::<Values>::new("postgres://app@localhost/app").table("anchor_sessions");
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// How large the data of one session may be, in bytes of JSON. More is
    /// [`TooLarge`](crate::StoreErrorKind::TooLarge).
    ///
    /// ```
    /// use sessile::{Values, store::PostgresOptions};
    /// let options = PostgresOptions::<Values>::new("postgres://app@localhost/app").max_data(64 * 1024);
    /// ```
    pub const fn max_data(mut self, bytes: usize) -> Self {
        self.max_data = bytes;
        self
    }

    /// How many connections at most, beside the one that listens for changes. They are opened when
    /// they are needed. Means nothing to a store that is given a pool.
    ///
    /// Each gives a statement five seconds (`statement_timeout`), for which an address may say
    /// another time: `postgres://app@localhost/app?options=-c%20statement_timeout%3D10s`.
    ///
    /// ```
    /// use sessile::{Values, store::PostgresOptions};
    /// let options = PostgresOptions::<Values>::new("postgres://app@localhost/app").max_connections(4);
    /// ```
    pub const fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = max;
        self
    }

    /// Whether this store tells other nodes what it changes, by NOTIFY, and hears what they change,
    /// so that caches can be kept in step: with it, [`Store::changes`](crate::store::Store::changes)
    /// answers.
    ///
    /// What others change is told as well: an operator, fastapi-anchor, a node that has this off.
    /// Triggers see to that, which opening makes if they are not there (the owner of the table must
    /// open it once with this on). They stay when it is turned off again, until somebody says
    /// `DROP FUNCTION sessile_sessions_tell CASCADE`.
    ///
    /// It is off unless asked for, because Postgres lets transactions that notify commit one
    /// at a time, all databases of the server together: it costs throughput of writes, and only a
    /// cache has a use for it.
    ///
    /// Told are each write of a session except a touch, and each end except by its deadline, which
    /// a cache knows without being told. Of changes by others those count that raise `version` or
    /// lower `expires_at`, and deletions.
    ///
    /// ```
    /// use sessile::{Values, store::PostgresOptions};
    /// let options = PostgresOptions::<Values>::new("postgres://app@localhost/app").announce(true);
    /// ```
    pub const fn announce(mut self, announce: bool) -> Self {
        self.announce = announce;
        self
    }

    /// What the data of a row is whose `data` is NULL, as in the rows of other programs.
    ///
    /// ```
    /// use sessile::store::PostgresOptions;
    /// let options = PostgresOptions::<String>::new("postgres://app@localhost/app")
    ///     .data_when_missing(|meta| meta.subject.as_deref().unwrap_or("nobody").to_owned());
    /// ```
    pub fn data_when_missing(mut self, make: impl Fn(&Meta) -> T + Send + Sync + 'static) -> Self {
        self.when_missing = Some(Arc::new(make));
        self
    }
}

impl<T: SessionData> PostgresOptions<T> {
    pub(super) async fn open(self) -> Result<PostgresStore<T>, OpenError> {
        let connections = match &self.source {
            Source::Url(url) => Connections::new(address(url)?, self.max_connections),
            Source::Pool(pool) => Connections::Pool(pool.clone()),
        };
        let name = TableName::parse(&self.table)?;
        let table = schema::prepare(&connections, name, self.announce).await?;
        let announcements = self
            .announce
            .then(|| Announcements { connections: connections.clone(), channel: table.channel() });
        let statements = Statements::new(&table, self.announce);
        let (max_data, when_missing) = (self.max_data, self.when_missing);
        let calls = Calls { connections, statements, max_data, when_missing };
        Ok(PostgresStore { calls: Arc::new(calls), announcements })
    }
}

fn address(url: &str) -> Result<PgConnectOptions, OpenError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(OpenError::new(OpenErrorKind::Config, fault::ADDRESS));
    }
    let options = PgConnectOptions::from_str(url).map_err(fault::open_error)?;
    Ok(options.disable_statement_logging())
}

/// Leaves out the address, which may hold a password.
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
