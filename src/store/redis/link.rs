//! A connection to one server that is made anew when it breaks.
//!
//! 1. All calls share one connection and are answered in order.
//! 2. When it breaks, or does not answer in time, the next call dials. Whoever else comes waits
//!    for the same attempt. It goes on when they stop waiting.
//! 3. After a failed attempt there is a pause that grows from 50 milliseconds to a second. Calls
//!    that come in it fail at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, ServerErrorKind, Value};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

use super::dial::{Dial, exchange};
use super::failure::Failure;

#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    dial: Dial,
    patience: Duration,
    live: Mutex<Option<Live>>,
    pause: Arc<tokio::sync::Mutex<Pause>>,
}

/// A connection, numbered so that nobody discards a newer one than they used.
#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
}

#[derive(Default)]
struct Pause {
    attempts: u64,
    failures: u32,
    until: Option<(Instant, Failure)>,
}

impl Link {
    /// Nothing is dialled yet.
    pub(super) fn new(dial: Dial, patience: Duration) -> Self {
        Self(Arc::new(Inner { dial, patience, live: Mutex::default(), pause: Arc::default() }))
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn send(&self, command: &Cmd, until: Instant) -> Result<Value, Failure> {
        let mut live = self.live(until).await?;
        let answer = timeout_at(until, exchange(&mut live.connection, command)).await;
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if is_broken(&error) {
                    self.discard(live.number);
                }
                Err(Failure::Sent(error))
            }
            // A peer that vanished without a word is not noticed otherwise for a quarter of an
            // hour. One that is merely slow goes on answering those who still wait.
            Err(_) => {
                self.discard(live.number);
                Err(Failure::Late)
            }
        }
    }

    /// Sends a command that a server takes from another one's clients while a slot moves.
    pub(super) async fn send_asking(
        &self,
        command: &Cmd,
        until: Instant,
    ) -> Result<Value, Failure> {
        let mut live = self.live(until).await?;
        let mut both = redis::pipe();
        both.cmd("ASKING").ignore().add_command(command.clone());
        let answers = timeout_at(until, live.connection.send_packed_commands(&both, 1, 1)).await;
        let answers = answers.map_err(|_| Failure::Late)?.map_err(Failure::Sent)?;
        answers.into_iter().next().unwrap_or_default().extract_error().map_err(Failure::Sent)
    }

    async fn live(&self, until: Instant) -> Result<Live, Failure> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let pause = Arc::clone(&self.0.pause);
        let pause = timeout_at(until, pause.lock_owned()).await.map_err(|_| Failure::Late)?;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        if let Some((end, failure)) = &pause.until
            && Instant::now() < *end
        {
            return Err(failure.clone());
        }
        let attempt = tokio::spawn(self.clone().dial(pause));
        match timeout_at(until, attempt).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(Failure::Late),
        }
    }

    async fn dial(self, mut pause: OwnedMutexGuard<Pause>) -> Result<Live, Failure> {
        pause.attempts += 1;
        let until = Instant::now() + self.0.patience;
        let dialled = timeout_at(until, self.0.dial.dial(until)).await;
        let failure = match dialled {
            Ok(Ok(connection)) => {
                (pause.failures, pause.until) = (0, None);
                let live = Live { number: pause.attempts, connection };
                *self.slot() = Some(live.clone());
                return Ok(live);
            }
            Ok(Err(error)) => Failure::Unsent(error),
            Err(_) => Failure::Late,
        };
        let length = FIRST_PAUSE.saturating_mul(1 << pause.failures.min(5)).min(LAST_PAUSE);
        pause.failures += 1;
        pause.until = Some((Instant::now() + length, failure.clone()));
        Err(failure)
    }

    fn current(&self) -> Option<Live> {
        self.slot().clone()
    }

    /// The next call dials.
    fn discard(&self, number: u64) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|live| live.number == number) {
            *slot = None;
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Live>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the connection is of no more use: it is cut, or leads to what was a primary.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.kind() == redis::ErrorKind::Parse
        || error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.kind() == redis::ErrorKind::Server(ServerErrorKind::MasterDown)
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);
