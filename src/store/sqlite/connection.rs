//! One connection, and what it carries out.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Either, Error, Executor, Sqlite, SqliteConnection, SqlitePool,
};
use tokio::time::timeout;

use super::error::is_busy;
use super::open::Refused;
use super::schema::prepare;
use super::statement::Trip;

/// A connection that is opened when it is needed.
pub(super) struct Connection {
    place: Place,
    /// Whether there may be a transaction that nobody will finish: a runtime that is shut down
    /// drops its tasks wherever they are.
    unfinished: bool,
}

enum Place {
    /// Kept when it is open. In memory the database is gone with the connection: then there is a
    /// table to be made anew.
    Own {
        options: Arc<SqliteConnectOptions>,
        open: Option<SqliteConnection>,
        table: Option<Arc<str>>,
    },
    /// Lent by the application's pool, as long as there is something to do.
    Pool { pool: SqlitePool, lent: Option<PoolConnection<Sqlite>> },
}

impl Connection {
    pub(super) const fn opened(
        options: Arc<SqliteConnectOptions>,
        connection: SqliteConnection,
    ) -> Self {
        let place = Place::Own { options, open: Some(connection), table: None };
        Self { place, unfinished: false }
    }

    /// To a database in memory with this table.
    pub(super) const fn in_memory(
        options: Arc<SqliteConnectOptions>,
        connection: SqliteConnection,
        table: Arc<str>,
    ) -> Self {
        let place = Place::Own { options, open: Some(connection), table: Some(table) };
        Self { place, unfinished: false }
    }

    pub(super) const fn to(options: Arc<SqliteConnectOptions>) -> Self {
        Self { place: Place::Own { options, open: None, table: None }, unfinished: false }
    }

    pub(super) const fn of(pool: SqlitePool) -> Self {
        Self { place: Place::Pool { pool, lent: None }, unfinished: false }
    }

    /// There is nothing to do for now.
    pub(super) fn rest(&mut self) {
        if let Place::Pool { lent, .. } = &mut self.place {
            *lent = None;
        }
    }

    /// Carries it out, to its end, and gives the rows of each call. If it fails, none of the calls
    /// has happened.
    pub(super) async fn run(
        &mut self,
        trip: Trip<'_>,
        values: &SqliteArguments,
    ) -> Result<Vec<Vec<SqliteRow>>, Error> {
        let mut attempts = 1;
        loop {
            match in_time(self.attempt(trip, values.clone())).await {
                Some(Err(error)) if is_busy(&error) && attempts < ATTEMPTS => attempts += 1,
                Some(outcome) => return outcome,
                None => {
                    self.forget();
                    return Err(Error::WorkerCrashed);
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        trip: Trip<'_>,
        values: SqliteArguments,
    ) -> Result<Vec<Vec<SqliteRow>>, Error> {
        self.clean_up().await?;
        self.unfinished = trip.transaction;
        let outcome = carry_out(self.open().await?, trip, values).await;
        match outcome {
            Ok(_) => self.unfinished = false,
            Err(Error::Database(_)) => self.clean_up().await?,
            // The thread that sqlx keeps for it has died, or nobody knows what it does.
            Err(_) => self.forget(),
        }
        outcome
    }

    /// Closes it, and with it a transaction that was begun: the next trip opens another.
    fn forget(&mut self) {
        self.unfinished = false;
        match &mut self.place {
            Place::Own { open, .. } => *open = None,
            Place::Pool { lent, .. } => drop(lent.take().map(PoolConnection::detach)),
        }
    }

    async fn open(&mut self) -> Result<&mut SqliteConnection, Error> {
        match &mut self.place {
            Place::Own { open: Some(connection), .. } => Ok(connection),
            Place::Own { options, open, table } => {
                let mut connection = options.connect().await?;
                if let Some(table) = table {
                    prepare(&mut connection, table).await.map_err(|refused| match refused {
                        Refused::Engine(error) => error,
                        Refused::Open(error) => Error::Configuration(error.into()),
                    })?;
                }
                Ok(open.insert(connection))
            }
            Place::Pool { lent: Some(connection), .. } => Ok(connection),
            Place::Pool { pool, lent } => {
                let connection = timeout(PATIENCE, pool.acquire()).await;
                Ok(lent.insert(connection.unwrap_or(Err(Error::PoolTimedOut))?))
            }
        }
    }

    /// Ends a transaction that was begun and not brought to its end. That SQLite has ended it by
    /// itself (a full disk is one such case) is no failure.
    ///
    /// Not sqlx's own transaction, which would take such a one to be open for ever, and refuse to
    /// begin another.
    async fn clean_up(&mut self) -> Result<(), Error> {
        if self.unfinished {
            match sqlx::query("ROLLBACK").execute(self.open().await?).await {
                Ok(_) | Err(Error::Database(_)) => self.unfinished = false,
                Err(error) => {
                    self.forget();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// `None` if it does not end: what sqlx sends to a thread in the moment in which that dies, is never
/// answered. Time is counted in steps, of which a process that stood still counts one.
async fn in_time<V>(attempt: impl Future<Output = V>) -> Option<V> {
    let mut attempt = pin!(attempt);
    for _ in 0..STEPS {
        if let Ok(ended) = timeout(STEP, &mut attempt).await {
            return Some(ended);
        }
    }
    None
}

/// sqlx's `fetch_one` and `fetch_optional` reset a statement at its first row and drop the outcome
/// of the commit that this brings about, so that a write that failed (the disk is full) would pass
/// for done. And that a stream ends is no sign that all was done, but that each statement said so.
async fn carry_out(
    connection: &mut SqliteConnection,
    trip: Trip<'_>,
    values: SqliteArguments,
) -> Result<Vec<Vec<SqliteRow>>, Error> {
    // The one thing that varies in our SQL is the table's name, which is a checked identifier.
    let query = sqlx::query_with(AssertSqlSafe(Arc::clone(trip.sql)), values);
    let mut steps = connection.fetch_many(query);
    let first = usize::from(trip.transaction);
    let last = first + trip.calls * trip.parts;
    let (mut calls, mut rows, mut done) = (Vec::with_capacity(trip.calls), Vec::new(), 0);
    while let Some(step) = poll_fn(|context| steps.as_mut().poll_next(context)).await {
        match step? {
            Either::Right(row) => rows.push(row),
            Either::Left(_) => {
                done += 1;
                if done > first && done <= last && (done - first).is_multiple_of(trip.parts) {
                    calls.push(std::mem::take(&mut rows));
                }
            }
        }
    }
    if done == last + first { Ok(calls) } else { Err(Error::WorkerCrashed) }
}

/// How long SQLite waits for the lock of another process, in each attempt.
pub(super) const BUSY: Duration = Duration::from_millis(100);

/// How often a trip is tried while another process holds the lock. SQLite itself waits [`BUSY`] in
/// each, at growing intervals of up to 100 ms; beginning anew keeps the intervals short, or a
/// steady writer elsewhere would always be quicker.
const ATTEMPTS: u32 = 10;

/// How long an attempt may take: much longer than the layer waits and than any disk should need.
const STEPS: u32 = 10;
const STEP: Duration = Duration::from_millis(500);

/// How long a call waits for its turn: a little less than the layer's store timeout of two
/// seconds, so that the error says what was waited for.
pub(super) const PATIENCE: Duration = Duration::from_millis(1_900);
