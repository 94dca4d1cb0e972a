//! The queue before some connections: who finds one idle goes at once, the others go together.
//!
//! No call waits for company: a connection that comes back takes those who are waiting then. A
//! task of its own does that, so that a call which is dropped or not polled any more holds nobody
//! up. Nobody is answered before what carried him has ended, a transaction with its commit.

use std::collections::VecDeque;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Error;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connection::{Connection, PATIENCE};
use super::error::{failure, is_busy};
use super::query::Query;
use crate::error::{StoreError, StoreErrorKind};

pub(super) struct Queue {
    state: Mutex<State>,
}

struct State {
    waiting: VecDeque<Call>,
    /// The one that was used last is at the end, and taken first.
    idle: Vec<Connection>,
    /// How many calls there have been.
    calls: u64,
}

struct Call {
    number: u64,
    query: Query,
    answer: oneshot::Sender<Outcome>,
}

type Rows = Vec<SqliteRow>;
type Outcome = Result<Rows, StoreError>;

impl Queue {
    pub(super) fn new(connections: Vec<Connection>) -> Arc<Self> {
        let state = State { waiting: VecDeque::new(), idle: connections, calls: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Carries out a query, and gives its rows. If the caller is dropped it may still happen.
    pub(super) async fn rows(self: &Arc<Self>, query: Query) -> Outcome {
        let (answer, mut hears) = oneshot::channel();
        let number = self.enter(query, answer);
        let heard = match timeout(PATIENCE, &mut hears).await {
            Ok(heard) => heard,
            Err(elapsed) if self.leave(number) => {
                return Err(StoreError::new(StoreErrorKind::Timeout).with_source(elapsed));
            }
            Err(_) => hears.await, // it is on its way
        };
        let lost = |lost| StoreError::new(StoreErrorKind::Unavailable).with_source(lost);
        heard.unwrap_or_else(|error| Err(lost(error)))
    }

    fn enter(self: &Arc<Self>, query: Query, answer: oneshot::Sender<Outcome>) -> u64 {
        let mut state = self.state();
        state.calls += 1;
        let number = state.calls;
        state.waiting.push_back(Call { number, query, answer });
        let idle = state.idle.pop();
        drop(state);
        if let Some(connection) = idle {
            let driver = Driver { queue: Arc::clone(self), connection: Some(connection) };
            drop(tokio::spawn(driver.drive()));
        }
        number
    }

    /// Whether the call was still waiting, and now is not.
    fn leave(&self, number: u64) -> bool {
        let mut state = self.state();
        let place = state.waiting.iter().position(|call| call.number == number);
        place.is_some_and(|place| state.waiting.remove(place).is_some())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Those who go next: the first who waits, and others of the same kind.
    fn next(&mut self) -> Vec<Call> {
        self.waiting.retain(|call| !call.answer.is_closed());
        let Some(first) = self.waiting.pop_front() else { return Vec::new() };
        let like_it = |call: &Call| call.query.is_like(&first.query);
        let company = self.waiting.iter().take(REACH).filter(|call| like_it(call)).count();
        let seats = first.query.trip(1 + company).map_or(1, |trip| trip.calls);
        let (mut company, mut others) = (Vec::with_capacity(seats - 1), Vec::new());
        while company.len() + 1 < seats {
            match self.waiting.pop_front() {
                Some(call) if like_it(&call) => company.push(call),
                Some(call) => others.push(call),
                None => break,
            }
        }
        others.into_iter().rev().for_each(|call| self.waiting.push_front(call));
        std::iter::once(first).chain(company).collect()
    }
}

/// A connection under way.
struct Driver {
    queue: Arc<Queue>,
    /// None when it is back.
    connection: Option<Connection>,
}

impl Driver {
    async fn drive(mut self) {
        while let Some((calls, connection)) = self.next() {
            carry(connection, calls).await;
        }
    }

    /// Who goes next. If there is nobody, the connection is given back.
    fn next(&mut self) -> Option<(Vec<Call>, &mut Connection)> {
        let mut state = self.queue.state();
        let calls = state.next();
        if calls.is_empty() {
            let mut connection = self.connection.take()?;
            connection.rest();
            state.idle.push(connection);
            return None;
        }
        drop(state);
        Some((calls, self.connection.as_mut()?))
    }
}

/// The runtime is shut down: what it was carrying and those who wait are told so, and the next
/// call, on another runtime, finds a connection.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let mut state = self.queue.state();
            state.idle.push(connection);
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            drop(waiting);
        }
    }
}

/// Carries out these calls in one trip. If that fails for what one of them may have brought along
/// (it is too large, the disk is full), each goes alone, so that nobody pays for another. A lock or
/// a connection that cannot be had concerns all.
async fn carry(connection: &mut Connection, calls: Vec<Call>) {
    match together(connection, &calls).await {
        Ok(rows) => {
            for (call, rows) in calls.into_iter().zip(rows) {
                drop(call.answer.send(Ok(rows)));
            }
        }
        Err(error @ Error::Database(_)) if calls.len() > 1 && !is_busy(&error) => {
            for call in calls {
                let alone = together(connection, slice::from_ref(&call)).await;
                let rows = alone.map(|mut rows| rows.pop().unwrap_or_default());
                drop(call.answer.send(rows.map_err(failure)));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for call in calls {
                drop(call.answer.send(Err(failure(Arc::clone(&error)))));
            }
        }
    }
}

async fn together(connection: &mut Connection, calls: &[Call]) -> Result<Vec<Rows>, Error> {
    let trip = calls.first().and_then(|call| call.query.trip(calls.len()));
    let Some(trip) = trip else { return Ok(Vec::new()) };
    let mut values = SqliteArguments::default();
    calls.iter().try_for_each(|call| call.query.put_into(&mut values))?;
    connection.run(trip, &values).await
}

/// How many of those who wait are looked at for company.
const REACH: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::statement::Statement;
    use super::*;

    #[test]
    fn those_of_one_kind_go_together_and_nobody_is_passed_for_long() {
        let load = Statement::reading("load", 4);
        let touch = Statement::writing(&["touch"], 4);
        let sweep = Statement::writing(&["sweep"], 1);
        let mut state = State { waiting: VecDeque::new(), idle: Vec::new(), calls: 0 };
        let mut callers = Vec::new();
        let kinds = [&touch, &load, &touch, &sweep, &touch, &sweep, &load, &touch, &touch, &touch];
        for (statement, number) in kinds.into_iter().zip(0..) {
            let (answer, hears) = oneshot::channel();
            callers.push(Some(hears));
            let query = Query::new(statement);
            state.waiting.push_back(Call { number, query, answer });
        }
        callers[2] = None; // dropped
        let trips: Vec<Vec<u64>> = std::iter::from_fn(|| {
            let calls = state.next();
            (!calls.is_empty()).then(|| calls.iter().map(|call| call.number).collect())
        })
        .collect();
        let expected: [&[u64]; 5] = [&[0, 4, 7, 8], &[1, 6], &[3], &[5], &[9]];
        assert_eq!(trips, expected);
    }
}
