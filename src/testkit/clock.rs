//! A clock that stands still until it is told to move.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::{Clock, Sleep, Timestamp};

/// A [`Clock`] that stands still until it is told to move. Its clones show the same time.
///
/// 1. [`advance`](Self::advance) lets time pass: waits that have become due end.
/// 2. [`rewind`](Self::rewind) is a wall clock being put back: the waits that are under way are
///    not prolonged, for they have already waited that long.
/// 3. [`set`](Self::set) is one or the other, depending on where the clock stands.
///
/// ```
/// use std::time::Duration;
/// use sessile::{Clock, testkit::SimulatedClock};
/// let clock = SimulatedClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), before + Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct SimulatedClock {
    face: Arc<Mutex<Face>>,
}

struct Face {
    wall: SystemTime,
    /// How much time has passed in all. Unlike `wall` it never goes back, and waits count on it.
    passed: Duration,
    waits: Vec<Waiting>,
    next_key: u64,
}

struct Waiting {
    key: u64,
    until: Duration,
    waker: Waker,
}

impl SimulatedClock {
    /// A clock that shows the first moment of the year 2026 (UTC).
    ///
    /// ```
    /// use sessile::testkit::SimulatedClock;
    /// assert_eq!(SimulatedClock::new().timestamp().as_millis(), 1_767_225_600_000);
    /// ```
    pub fn new() -> Self {
        Self::starting_at(UNIX_EPOCH + NEW_YEAR_2026)
    }

    /// A clock that shows this time.
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    /// use sessile::{Clock, testkit::SimulatedClock};
    /// assert_eq!(SimulatedClock::starting_at(UNIX_EPOCH).now(), UNIX_EPOCH);
    /// ```
    pub fn starting_at(time: SystemTime) -> Self {
        let face = Face { wall: time, passed: Duration::ZERO, waits: Vec::new(), next_key: 0 };
        Self { face: Arc::new(Mutex::new(face)) }
    }

    /// The time it shows, as a store is told it.
    ///
    /// ```
    /// use sessile::{Clock, Timestamp, testkit::SimulatedClock};
    /// let clock = SimulatedClock::new();
    /// assert_eq!(clock.timestamp(), Timestamp::from(clock.now()));
    /// ```
    pub fn timestamp(&self) -> Timestamp {
        self.face().wall.into()
    }

    /// Lets time pass and ends the waits that have become due.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Clock, testkit::SimulatedClock};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let clock = SimulatedClock::new();
    /// let wait = clock.sleep(Duration::from_secs(5));
    /// clock.advance(Duration::from_secs(5));
    /// wait.await;
    /// # }
    /// ```
    pub fn advance(&self, by: Duration) {
        let due = self.face().pass(by);
        // Not under the lock: a waker may run the task that asks this clock for the time.
        due.into_iter().for_each(Waker::wake);
    }

    /// Puts the clock back, as an operator or a time server may.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Clock, testkit::SimulatedClock};
    /// let clock = SimulatedClock::new();
    /// let before = clock.now();
    /// clock.rewind(Duration::from_secs(3_600));
    /// assert_eq!(clock.now(), before - Duration::from_secs(3_600));
    /// ```
    pub fn rewind(&self, by: Duration) {
        let mut face = self.face();
        face.wall = face.wall.checked_sub(by).unwrap_or(UNIX_EPOCH);
    }

    /// Moves the clock to this time: [`advance`](Self::advance) if that is later than what it
    /// shows, [`rewind`](Self::rewind) if it is earlier.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use sessile::{Clock, testkit::SimulatedClock};
    /// let clock = SimulatedClock::new();
    /// clock.set(UNIX_EPOCH + Duration::from_secs(2_000_000_000));
    /// assert_eq!(clock.timestamp().as_millis(), 2_000_000_000_000);
    /// ```
    pub fn set(&self, time: SystemTime) {
        let shown = self.now();
        match time.duration_since(shown) {
            Ok(ahead) => self.advance(ahead),
            Err(behind) => self.rewind(behind.duration()),
        }
    }

    /// How many waits are under way: polled, not yet due and not dropped. A test that must not
    /// move the clock before somebody waits for it looks here.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Clock, testkit::SimulatedClock};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let clock = SimulatedClock::new();
    /// let waiter = tokio::spawn(clock.sleep(Duration::from_secs(5)));
    /// while clock.waiting() == 0 {
    ///     tokio::task::yield_now().await;
    /// }
    /// clock.advance(Duration::from_secs(5));
    /// waiter.await.unwrap();
    /// # }
    /// ```
    pub fn waiting(&self) -> usize {
        self.face().waits.len()
    }

    fn face(&self) -> MutexGuard<'_, Face> {
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Face {
    fn pass(&mut self, by: Duration) -> Vec<Waker> {
        self.wall = self.wall.checked_add(by).unwrap_or(self.wall);
        self.passed = self.passed.saturating_add(by);
        let passed = self.passed;
        let due = self.waits.extract_if(.., |wait| wait.until <= passed);
        due.map(|wait| wait.waker).collect()
    }

    fn wait(&mut self, key: u64, until: Duration, waker: &Waker) {
        match self.waits.iter_mut().find(|wait| wait.key == key) {
            Some(wait) => wait.waker.clone_from(waker),
            None => self.waits.push(Waiting { key, until, waker: waker.clone() }),
        }
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimulatedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let face = self.face();
        f.debug_struct("SimulatedClock")
            .field("now", &Timestamp::from(face.wall))
            .field("waiting", &face.waits.len())
            .finish()
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> SystemTime {
        self.face().wall
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut face = self.face();
        face.next_key += 1;
        let (key, until) = (face.next_key, face.passed.saturating_add(duration));
        Sleep::new(Wait { face: Arc::clone(&self.face), key, until })
    }
}

/// A wait counts from when it was asked for, not from its first poll.
struct Wait {
    face: Arc<Mutex<Face>>,
    key: u64,
    until: Duration,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut face = self.face.lock().unwrap_or_else(PoisonError::into_inner);
        if face.passed >= self.until {
            return Poll::Ready(());
        }
        face.wait(self.key, self.until, cx.waker());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut face = self.face.lock().unwrap_or_else(PoisonError::into_inner);
        face.waits.retain(|wait| wait.key != self.key);
    }
}

/// From the Unix epoch to 2026-01-01T00:00:00Z.
const NEW_YEAR_2026: Duration = Duration::from_secs(1_767_225_600);
