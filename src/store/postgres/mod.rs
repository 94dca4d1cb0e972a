//! Sessions in Postgres.
//!
//! 1. Each call is one prepared statement and one round trip, creation under a limit included.
//! 2. Version, existence and both deadlines are decided by the server, with the caller's time.
//! 3. There are never more connections than was said. A call that is dropped while the server works
//!    on it leaves its connection to a task, which waits for the answer.
//! 4. A connection that breaks costs the call that met it: one that can be repeated is, once, on a
//!    new connection; the others fail and are not guessed at. Before such a call, a connection that
//!    stood idle for more than a second is asked whether it still works; so is any after somebody
//!    waited in vain.
//! 5. Any number of nodes may share a table, open it at once and sweep it at once.

use std::fmt;
use std::sync::Arc;

use sqlx::PgPool;

use self::calls::Calls;
use self::changes::Announcements;
pub use self::options::PostgresOptions;
use super::answer::Answer;
use super::{
    Admission, ChangeFeed, Created, Cursor, Revoke, Revoked, Saved, Scan, Scanned, Store,
    StoreAnswer, SubjectIndex, Swept,
};
use crate::clock::Timestamp;
use crate::error::{OpenError, StoreError};
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};

mod calls;
mod changes;
mod connections;
mod errand;
mod fault;
mod options;
mod row;
mod schema;
mod statements;
mod table;
mod wire;

/// Makes the data of a row that has none.
type MakeData<T> = Arc<dyn Fn(&Meta) -> T + Send + Sync>;

/// Keeps sessions in a table of Postgres (12 or newer). Clones share their connections.
///
/// Opening makes the table or adds what it lacks, whichever of several nodes is first. A user who
/// may only `SELECT`, `INSERT`, `UPDATE` and `DELETE` can open a table that is complete.
///
/// ```no_run
/// # async fn open() -> Result<(), sessile::OpenError> {
/// use sessile::{Key, SessionLayer, Values, store::PostgresStore};
/// let store = PostgresStore::<Values>::connect("postgres://app:secret@db.internal/app").await?;
/// let layer = SessionLayer::new(store, Key::generate());
/// tokio::spawn(layer.sweeper(std::time::Duration::from_secs(60)));
/// # Ok(()) }
/// ```
///
/// What has expired stays in the table until somebody removes it, which is what the
/// [sweeper](crate::SessionLayer::sweeper) is for. One node that has one is enough.
///
/// # The table
///
/// | column | type | what it is |
/// |---|---|---|
/// | `id` | `uuid` | the session's public handle |
/// | `user_id` | `text` | its subject; NULL: nobody's |
/// | `expires_at` | `timestamptz` | the earlier of its two deadlines |
/// | `created_at` | `timestamptz` | when it began |
/// | `version` | `bigint` | goes up with every write except a touch |
/// | `generation`, `confirmed` | `bigint`, `boolean` | the newest ticket, and whether it was seen |
/// | `persistent` | `boolean` | "remember me" |
/// | `renewed_at`, `authenticated_at`, `last_seen_at` | `timestamptz` | NULL: `created_at` |
/// | `absolute_at` | `timestamptz` | when it ends whatever happens; NULL: `expires_at` |
/// | `idle_ms` | `bigint` | how long it may stay unused; NULL: as long as it likes |
/// | `data` | `jsonb` | the application's data |
/// | `context` | `jsonb` | the [context](crate::Context); NULL: nothing is known of how it began |
///
/// Beside it there are an index on the subject's hash, one on `expires_at`, and a function that
/// keeps a new session under its limit (`sessile_sessions_create_2`). A `timestamptz` ends with
/// the year 294276; what is later is `infinity`.
///
/// To see somebody's sessions in `psql`:
///
/// ```sql
/// SELECT id, last_seen_at, data->>'name' FROM sessile_sessions
/// WHERE user_id = 'ann' AND expires_at > now();
/// ```
///
/// To end a session by hand, delete its row. Whatever else is changed goes with
/// `version = version + 1`, so that nobody who has just loaded it overwrites the change. To let it
/// end in five minutes, for example:
///
/// ```sql
/// UPDATE sessile_sessions SET absolute_at = now() + interval '5 min',
///     expires_at = least(expires_at, now() + interval '5 min'), version = version + 1
/// WHERE id = '8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11';
/// ```
///
/// A program that knows `expires_at` only may lower that: it counts, and no later use or write
/// puts it off again.
///
/// # What survives a crash
///
/// Whatever was answered, if the server keeps Postgres's defaults: `synchronous_commit = on`
/// writes each commit to disk first. With `off`, the changes of about the last 600 ms can be lost,
/// logouts among them, and never a part of one. After a failover to a standby, what was not
/// replicated is lost as well, unless `synchronous_standby_names` is set. `fsync = off` promises
/// nothing. A call that fails with [`Unavailable`](crate::StoreErrorKind::Unavailable) has
/// happened or has not.
///
/// # Together with fastapi-anchor
///
/// Opened with `.table("anchor_sessions")`, the store works on a table that fastapi-anchor made,
/// while anchor does. Its rows are sessions that end at `expires_at` and have no data (see
/// [`data_when_missing`](PostgresOptions::data_when_missing)); ours are rows that it can read.
/// There `user_id` is a `varchar(255) NOT NULL`: a longer subject is
/// [`TooLarge`](crate::StoreErrorKind::TooLarge), none at all
/// [`Unencodable`](crate::StoreErrorKind::Unencodable).
///
/// # What does not fit
///
/// Postgres's texts have no NUL. Data with one, or a subject, is
/// [`Unencodable`](crate::StoreErrorKind::Unencodable).
///
/// # Behind a `PgBouncer`
///
/// In transaction mode it must be 1.21 or newer, with `max_prepared_statements` set and
/// `ignore_startup_parameters = extra_float_digits, options`. Nothing can be heard through it, so
/// leave [`announce`](PostgresOptions::announce) off there: a cache would find that out, and ask the
/// store every time. Give the user a `statement_timeout` (`ALTER ROLE app SET statement_timeout =
/// '5s'`), since that of our own connections is lost on the way.
pub struct PostgresStore<T> {
    calls: Arc<Calls<T>>,
    announcements: Option<Announcements>,
}

impl<T: SessionData> PostgresStore<T> {
    /// Opens the table `sessile_sessions` on the server at this address. For another table, and
    /// more, see [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), sessile::OpenError> {
    /// use sessile::{Values, store::PostgresStore};
    /// let store = PostgresStore::<Values>::connect("postgres://app@localhost/app").await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::open(PostgresOptions::new(url)).await
    }

    /// The same through a pool (of sqlx 0.9) that the application has anyway. See
    /// [`PostgresOptions::from_pool`] for how to build it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// ```no_run
    /// # async fn open(pool: sqlx::PgPool) -> Result<(), sessile::OpenError> {
    /// use sessile::{Values, store::PostgresStore};
    /// let store = PostgresStore::<Values>::from_pool(pool).await?;
    /// # Ok(()) }
    /// ```
    pub async fn from_pool(pool: PgPool) -> Result<Self, OpenError> {
        Self::open(PostgresOptions::from_pool(pool)).await
    }

    /// The same with more to say.
    ///
    /// # Errors
    /// [`Config`](crate::OpenErrorKind::Config): the address or the table's name does not parse, or
    /// there is no such database. [`Unreachable`](crate::OpenErrorKind::Unreachable): nobody answers.
    /// [`Denied`](crate::OpenErrorKind::Denied): the password is wrong, or the user lacks a right.
    /// [`Schema`](crate::OpenErrorKind::Schema): the table is of a newer version, or no table of
    /// sessions.
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), sessile::OpenError> {
    /// use sessile::{Values, store::{PostgresOptions, PostgresStore}};
    /// let options = PostgresOptions::new("postgres://app@localhost/app").table("web_sessions");
    /// let store = PostgresStore::<Values>::open(options).await?;
    /// # Ok(()) }
    /// ```
    pub async fn open(options: PostgresOptions<T>) -> Result<Self, OpenError> {
        options.open().await
    }

    /// The answer of a call that owns what it works with.
    fn later<V, F>(&self, call: impl FnOnce(Arc<Calls<T>>) -> F) -> StoreAnswer<V>
    where
        F: Future<Output = Result<V, StoreError>> + Send + 'static,
    {
        Answer::later(call(Arc::clone(&self.calls)))
    }
}

impl<T: SessionData> Store<T> for PostgresStore<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        self.later(async move |calls| calls.load(id, now).await)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        self.later(async move |calls| calls.create(id, &record, admission, now).await)
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        self.later(async move |calls| calls.replace(id, expected, &record, now).await)
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.later(async move |calls| calls.touch(id, now).await)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.later(async move |calls| calls.delete(id, now).await)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.later(async move |calls| calls.sweep(now, max).await)
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn all(&self) -> Option<&dyn Scan> {
        Some(self)
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        self.announcements.as_ref().map(|feed| -> &dyn ChangeFeed { feed })
    }
}

impl<T: SessionData> SubjectIndex for PostgresStore<T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        let subject = subject.to_owned();
        self.later(async move |calls| calls.list(&subject, after, max, now).await)
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        let subject = subject.to_owned();
        self.later(async move |calls| calls.count(&subject, now).await)
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        let subject = subject.to_owned();
        self.later(async move |calls| calls.revoke(&subject, which, max, now).await)
    }
}

impl<T: SessionData> Scan for PostgresStore<T> {
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned> {
        self.later(async move |calls| calls.scan(from, max, now).await)
    }
}

impl<T> Clone for PostgresStore<T> {
    fn clone(&self) -> Self {
        Self { calls: Arc::clone(&self.calls), announcements: self.announcements.clone() }
    }
}

/// Shows no address, user or password.
impl<T> fmt::Debug for PostgresStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("announces", &self.announcements.is_some())
            .finish_non_exhaustive()
    }
}
