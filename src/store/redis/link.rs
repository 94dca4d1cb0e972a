//! A connection to one server that is made anew when it breaks.
//!
//! 1. All calls share one connection and are answered in order.
//! 2. When it breaks, or owes answers and gives none for three quarters of the time that a call may
//!    take, the next call dials. That is noticed whoever still waits: the layer may give up first.
//! 3. Whoever comes while somebody dials waits for the same attempt. It goes on when they stop
//!    waiting.
//! 4. After a failed attempt there is a pause that grows from 50 milliseconds to a second. Calls
//!    that come in it fail at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::dial::{Dial, exchange, exchange_both};
use super::failure::{Failure, speaks_of};

#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    dial: Dial,
    patience: Duration,
    live: Mutex<Option<Live>>,
    pause: Arc<tokio::sync::Mutex<Pause>>,
    /// Whether the last connection was of no use, or none could be made.
    doubt: AtomicBool,
}

/// A connection, numbered so that nobody discards a newer one than they used.
#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
    silence: Arc<Silence>,
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
        let (live, pause, doubt) = Default::default();
        Self(Arc::new(Inner { dial, patience, live, pause, doubt }))
    }

    pub(super) fn whom(&self) -> &Dial {
        &self.0.dial
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn send(&self, command: &Cmd, until: Instant) -> Result<Value, Failure> {
        let mut live = self.live(until).await?;
        live.silence.asked(Instant::now());
        let answer = timeout_at(until, exchange(&mut live.connection, command)).await;
        self.heard(&live, answer)
    }

    /// Sends two commands, with nobody's in between on their connection, and waits for both answers.
    pub(super) async fn send_both(
        &self,
        commands: [&Cmd; 2],
        until: Instant,
    ) -> Result<[Value; 2], Failure> {
        let mut live = self.live(until).await?;
        live.silence.asked(Instant::now());
        let answer = timeout_at(until, exchange_both(&mut live.connection, commands)).await;
        self.heard(&live, answer)
    }

    /// Sends a command that a server takes from another one's clients while a slot moves.
    pub(super) async fn send_asking(
        &self,
        command: &Cmd,
        until: Instant,
    ) -> Result<Value, Failure> {
        let [_, answer] = self.send_both([&redis::cmd("ASKING"), command], until).await?;
        Ok(answer)
    }

    /// Whether the server did not answer as it should when it was last asked.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.current(Instant::now()).is_none() && self.0.doubt.load(Ordering::Relaxed)
    }

    /// What is to be learnt from an answer, or from none. A peer that vanished without a word is not
    /// noticed here, but by its silence: one that is merely slow goes on answering others.
    fn heard<V>(
        &self,
        live: &Live,
        answer: Result<Result<V, RedisError>, Elapsed>,
    ) -> Result<V, Failure> {
        let answer = answer.map_err(|_| Failure::Late)?;
        live.silence.ended();
        answer.map_err(|error| {
            if is_broken(&error) || self.may_be_superseded(&error, live) {
                self.discard(live.number);
            }
            Failure::Sent(error)
        })
    }

    /// Whether the Sentinels may know of another primary by now. One without replicas, which refuses
    /// to write, may be the one that was; or they are all down, so it is not asked for every time.
    fn may_be_superseded(&self, error: &RedisError, live: &Live) -> bool {
        matches!(self.0.dial, Dial::Primary { .. })
            && speaks_of(error, "NOREPLICAS")
            && live.silence.born.elapsed() >= LAST_PAUSE
    }

    async fn live(&self, until: Instant) -> Result<Live, Failure> {
        let now = Instant::now();
        if now >= until {
            return Err(Failure::Late);
        }
        if let Some(live) = self.current(now) {
            return Ok(live);
        }
        let pause = Arc::clone(&self.0.pause);
        let pause = timeout_at(until, pause.lock_owned()).await.map_err(|_| Failure::Late)?;
        let now = Instant::now();
        if let Some(live) = self.current(now) {
            return Ok(live);
        }
        if let Some((end, failure)) = &pause.until
            && now < *end
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
        let failure = match dialled.unwrap_or(Err(Failure::Late)) {
            Ok(connection) => {
                (pause.failures, pause.until) = (0, None);
                let silence = Arc::new(Silence::new(Instant::now()));
                let live = Live { number: pause.attempts, connection, silence };
                *self.slot() = Some(live.clone());
                self.0.doubt.store(false, Ordering::Relaxed);
                return Ok(live);
            }
            Err(failure) => failure,
        };
        self.0.doubt.store(true, Ordering::Relaxed);
        let length = FIRST_PAUSE.saturating_mul(1 << pause.failures.min(5)).min(LAST_PAUSE);
        pause.failures += 1;
        pause.until = Some((Instant::now() + length, failure.clone()));
        Err(failure)
    }

    fn current(&self, now: Instant) -> Option<Live> {
        let live = self.slot().clone()?;
        if live.silence.length(now) < self.0.patience - self.0.patience / 4 {
            return Some(live);
        }
        self.discard(live.number);
        None
    }

    /// The next call dials.
    fn discard(&self, number: u64) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|live| live.number == number) {
            *slot = None;
            self.0.doubt.store(true, Ordering::Relaxed);
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Live>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For how long a connection has owed an answer without giving any. An answer that comes when its
/// caller has left is not seen: at worst a connection is made anew for it.
struct Silence {
    born: Instant,
    /// Since when, in microseconds from `born` and one more; 0 if it owes none.
    since: AtomicU64,
}

impl Silence {
    const fn new(born: Instant) -> Self {
        Self { born, since: AtomicU64::new(0) }
    }

    fn asked(&self, now: Instant) {
        // Of two that are the first at once either will do.
        if self.since.load(Ordering::Relaxed) == 0 {
            self.since.store(self.age(now) + 1, Ordering::Relaxed);
        }
    }

    fn ended(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    fn length(&self, now: Instant) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros((self.age(now) + 1).saturating_sub(since)),
        }
    }

    fn age(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.born).as_micros();
        u64::try_from(age).unwrap_or(u64::MAX - 1)
    }
}

/// Puts a question to several servers at once and takes the first good answer. The other answers
/// are still waited for, so that nobody is taken for silent.
pub(super) async fn first<S, V>(
    servers: Vec<(S, Link)>,
    question: Cmd,
    until: Instant,
    read: impl Fn(&S, Value) -> Option<V>,
) -> Result<V, Option<Failure>>
where
    S: Send + 'static,
{
    let mut asked = JoinSet::new();
    for (server, link) in servers {
        let question = question.clone();
        asked.spawn(async move { (server, link.send(&question, until).await) });
    }
    let mut last = None;
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok((server, Ok(value))) => {
                if let Some(answer) = read(&server, value) {
                    asked.detach_all();
                    return Ok(answer);
                }
            }
            // Who said something knows more than who did not.
            Ok((_, Err(Failure::Late))) | Err(_) => {}
            Ok((_, Err(failure))) => last = Some(failure),
        }
    }
    Err(last)
}

/// Whether the connection is of no more use: it is cut, or leads to what was a primary. Redis 6.2
/// wraps what a script ran into.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.kind() == ErrorKind::Parse
        || error.kind() == ErrorKind::Server(ServerErrorKind::MasterDown)
        || speaks_of(error, "READONLY")
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_with_the_first_question_and_ends_with_any_answer() {
        let (born, second) = (Instant::now(), Duration::from_secs(1));
        let silence = Silence::new(born);
        assert_eq!(silence.length(born + second * 9), Duration::ZERO, "nobody asked");
        silence.asked(born);
        silence.asked(born + second * 4);
        assert_eq!(silence.length(born + second * 5), second * 5);
        silence.ended();
        assert_eq!(silence.length(born + second * 6), Duration::ZERO);
        silence.asked(born + second * 7);
        assert_eq!(silence.length(born + second * 9), second * 2);
        assert_eq!(silence.length(born), Duration::ZERO, "a clock that was read before");
    }

    #[test]
    fn a_connection_to_what_was_a_primary_is_of_no_use_whoever_says_so() {
        let said = |text: &str| {
            let answer = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
            answer.extract_error().unwrap_err()
        };
        let script = "ERR Error running script (call to f_12): @user_script:3: ";
        for (text, broken) in [
            ("READONLY You can't write against a read only replica.".to_owned(), true),
            (format!("{script}-READONLY You can't write against a read only replica."), true),
            ("MASTERDOWN Link with MASTER is down".to_owned(), true),
            ("NOREPLICAS Not enough good replicas to write.".to_owned(), false),
            ("WRONGTYPE Operation against a key holding the wrong kind of value".to_owned(), false),
            (format!("{script}UNDECODABLE"), false),
        ] {
            assert_eq!(is_broken(&said(&text)), broken, "{text}");
        }
    }
}
