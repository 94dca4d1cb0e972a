//! Connections: lent for one statement, and given back if it was answered.
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
    /// The one that was used last is on top.
    idle: Mutex<Vec<Idle>>,
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
        Self::Ours(Arc::new(Ours { options, permits, idle: Mutex::default() }))
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
        let outcome = lent.connection().fetch_all(query).await;
        match &outcome {
            Err(error) if Fault::of(error) == Fault::Broken => lent.distrust(),
            _ => lent.give_back(),
        }
        outcome
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
        let permit = permit.map_err(|_| Error::PoolClosed)?;
        let connection = match self.take(wary).await {
            Some(connection) => connection,
            None => PgConnection::connect_with(&self.options).await?,
        };
        Ok(Lent::Ours { connection, home: Arc::clone(self), permit })
    }

    /// The connection that was used last. If that was long ago, a firewall may have forgotten it;
    /// if it was not just now, the server may have gone meanwhile, and the wary ask. Where the last
    /// is of no use, those before it are not, either.
    async fn take(&self, wary: bool) -> Option<PgConnection> {
        let Idle { mut connection, since } = self.idle().pop()?;
        let idle = since.elapsed();
        let good =
            idle < LONGEST_IDLE && (!wary || idle < JUST_NOW || connection.ping().await.is_ok());
        if good {
            return Some(connection);
        }
        self.clear();
        None
    }

    fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle); // not while others wait for the lock
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped half way through a statement, it is not used again.
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
            home.idle().push(Idle { connection, since: Instant::now() });
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

/// How long a call waits for a connection: less than the two seconds of the layer, so that the
/// layer hears why.
const PATIENCE: Duration = Duration::from_millis(1_500);
const JUST_NOW: Duration = Duration::from_secs(1);
const LONGEST_IDLE: Duration = Duration::from_secs(300);
const MOST_ATTEMPTS: u32 = 5;
