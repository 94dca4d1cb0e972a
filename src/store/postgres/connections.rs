//! Connections: lent for one statement, and given back when it was answered.
//!
//! Whoever is dropped meanwhile leaves the statement to a task, which gives the connection back:
//! there are never more of them than was said, whatever the server does not answer.
//!
//! sqlx's pool asks the server for a sign of life whenever a connection comes back. That is a
//! round trip and a task for every call, so that a store that was given an address keeps its
//! connections itself. One that was given a pool uses the pool.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection, Error, Executor, PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::errand::Errand;
use super::fault::Fault;

/// Where connections come from. Clones share them.
#[derive(Clone)]
pub(super) enum Connections {
    Ours(Arc<Ours>),
    Pool(PgPool),
}

/// Connections of our own.
pub(super) struct Ours {
    options: PgConnectOptions,
    permits: Arc<Semaphore>,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// The one that was used last is on top.
    idle: Vec<Idle>,
    /// When somebody last waited for an answer in vain. Whatever was put here before may be dead
    /// as well, where a firewall or a server has gone without a word.
    doubt: Option<Instant>,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// Whether a statement may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It comes to the same.
    Harmless,
    /// It might happen twice, or not know itself again.
    Never,
}

impl Connections {
    pub(super) fn new(options: PgConnectOptions, max: usize) -> Self {
        let permits = Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS)));
        let options = with_settings(options);
        Self::Ours(Arc::new(Ours { options, permits, shelf: Mutex::default() }))
    }

    /// How to reach the server.
    pub(super) fn options(&self) -> PgConnectOptions {
        match self {
            Self::Ours(ours) => ours.options.clone(),
            Self::Pool(pool) => pool.connect_options().as_ref().clone(),
        }
    }

    /// The rows that a statement answers.
    ///
    /// A connection that breaks takes all idle ones with it: a server that was restarted has
    /// closed every one, and they would fail one call each.
    pub(super) async fn rows(
        &self,
        sql: &Arc<str>,
        arguments: PgArguments,
        repeat: Repeat,
    ) -> Result<Vec<PgRow>, Error> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let wary = repeat == Repeat::Never || attempts > 1;
            let error = match self.attempt(sql, arguments.clone(), wary).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            let again = match Fault::of(&error) {
                Fault::Broken => repeat == Repeat::Harmless && attempts < 2,
                Fault::Undone => attempts < MOST_ATTEMPTS,
                Fault::Final => false,
            };
            if !again {
                return Err(error);
            }
        }
    }

    async fn attempt(
        &self,
        sql: &Arc<str>,
        arguments: PgArguments,
        wary: bool,
    ) -> Result<Vec<PgRow>, Error> {
        let mut lent = self.lend(wary).await?;
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments);
        let waiting = Waiting { at: self, answered: false };
        let statement = async move {
            let outcome = lent.connection().fetch_all(query).await;
            match &outcome {
                Err(error) if Fault::of(error) == Fault::Broken => lent.distrust(),
                _ => lent.give_back(),
            }
            outcome
        };
        waiting.for_answer(Errand::of(statement)).await
    }

    /// Runs statements that have no parameters, in one transaction.
    pub(super) async fn script(&self, sql: String) -> Result<(), Error> {
        let mut lent = self.lend(false).await?;
        lent.connection().execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        lent.give_back();
        Ok(())
    }

    async fn lend(&self, wary: bool) -> Result<Lent, Error> {
        let lent = async {
            match self {
                Self::Ours(ours) => ours.lend(wary).await,
                Self::Pool(pool) => {
                    Ok(Lent::Pool { connection: pool.acquire().await?, pool: pool.clone() })
                }
            }
        };
        timeout(PATIENCE, lent).await.map_err(|_| Error::PoolTimedOut)?
    }
}

impl Ours {
    async fn lend(self: &Arc<Self>, wary: bool) -> Result<Lent, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let mut permit = permit.map_err(|_| Error::PoolClosed)?;
        loop {
            if let Some(connection) = self.take(wary) {
                return Ok(Lent::Ours { connection, home: Arc::clone(self), permit });
            }
            let home = Arc::clone(self);
            let provide = async move { home.provide().await.map(|()| permit) };
            permit = Errand::of(provide).await?;
        }
    }

    /// The connection that was used last, unless it should be asked first whether it works: if
    /// that was long ago, a firewall may have forgotten it; if it was not just now, the server may
    /// have gone meanwhile, and the wary ask.
    fn take(&self, wary: bool) -> Option<PgConnection> {
        let mut shelf = self.shelf();
        let since = shelf.idle.last()?.since;
        let idle = since.elapsed();
        let doubtful = shelf.doubt.is_some_and(|doubt| since <= doubt);
        if doubtful || idle >= LONGEST_IDLE || wary && idle >= JUST_NOW {
            return None;
        }
        shelf.idle.pop().map(|idle| idle.connection)
    }

    /// Puts a connection on top that works: the one that was used last, or a new one.
    async fn provide(&self) -> Result<(), Error> {
        let connection = match self.ask().await {
            Some(connection) => connection,
            None => PgConnection::connect_with(&self.options).await?,
        };
        self.put(connection);
        Ok(())
    }

    /// The connection that was used last, if it answers. If not, those before it do not, either.
    async fn ask(&self) -> Option<PgConnection> {
        let Idle { mut connection, since } = self.shelf().idle.pop()?;
        let asked = async { timeout(SIGN_OF_LIFE, connection.ping()).await };
        if since.elapsed() < LONGEST_IDLE && matches!(asked.await, Ok(Ok(()))) {
            return Some(connection);
        }
        self.clear();
        None
    }

    fn put(&self, connection: PgConnection) {
        self.shelf().idle.push(Idle { connection, since: Instant::now() });
    }

    fn doubt(&self) {
        self.shelf().doubt = Some(Instant::now());
    }

    fn clear(&self) {
        let idle = std::mem::take(&mut self.shelf().idle);
        drop(idle); // not while others wait for the lock
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for an answer. Who is dropped before it came, casts doubt on whatever is
/// idle.
struct Waiting<'a> {
    at: &'a Connections,
    answered: bool,
}

impl Waiting<'_> {
    async fn for_answer<V>(mut self, answer: impl Future<Output = V>) -> V {
        let answer = answer.await;
        self.answered = true;
        answer
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let (Connections::Ours(ours), false) = (self.at, self.answered) {
            ours.doubt();
        }
    }
}

/// A connection in use. Dropped before it is given back, it is closed.
enum Lent {
    Ours { connection: PgConnection, home: Arc<Ours>, permit: OwnedSemaphorePermit },
    Pool { connection: PoolConnection<Postgres>, pool: PgPool },
}

impl Lent {
    fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Ours { connection, .. } => connection,
            Self::Pool { connection, .. } => connection,
        }
    }

    fn give_back(self) {
        if let Self::Ours { connection, home, permit } = self {
            home.put(connection);
            drop(permit); // after it is there for the next
        }
    }

    /// Puts the connection away, and all idle ones that do not answer either.
    fn distrust(self) {
        match self {
            Self::Ours { home, .. } => home.clear(),
            Self::Pool { connection, pool } => {
                drop(connection.detach());
                // The pool tests what comes back.
                let idle: Vec<_> = std::iter::from_fn(|| pool.try_acquire()).collect();
                drop(idle);
            }
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours(_) => "Ours",
            Self::Pool(_) => "Pool",
        })
    }
}

/// What holds on our own connections, unless the address says otherwise (`?options=-c name%3Dvalue`):
///
/// - A limit is counted under a lock, and only under `read committed` does the statement behind the
///   lock see what was committed before it.
/// - A statement that waits for a lock of somebody else's is given up at last. Longer than the layer
///   waits, and than any statement of ours takes.
pub(super) const SETTINGS: [(&str, &str); 2] =
    [("default_transaction_isolation", "read committed"), ("statement_timeout", "5s")];

/// As parameters of the connection and not by `SET`: a `PgBouncer` would pass that on to others.
fn with_settings(options: PgConnectOptions) -> PgConnectOptions {
    let said = options.get_options().unwrap_or_default().to_owned();
    options.options(SETTINGS.into_iter().filter(|(name, _)| !said.contains(name)))
}

/// How long a call waits for a connection: less than the two seconds of the layer, so that the
/// layer hears why.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long an idle connection may take to say that it works.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);
const JUST_NOW: Duration = Duration::from_secs(1);
const LONGEST_IDLE: Duration = Duration::from_secs(300);
const MOST_ATTEMPTS: u32 = 5;
