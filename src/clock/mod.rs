//! Time, injected: the layer takes "now" and its few waits from a [`Clock`], so that tests decide
//! what time it is.

mod timer;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::timer::Delay;

/// Where the layer takes the time from.
///
/// The default is [`SystemClock`]; the `testkit` feature has one that stands still until it is
/// told to move. An application may bring its own:
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sessile::{Clock, Sleep, Timestamp};
///
/// /// The system's time, with tokio's timer in place of a thread for waits.
/// #[derive(Debug)]
/// struct TokioClock;
///
/// impl Clock for TokioClock {
///     fn now(&self) -> SystemTime {
///         SystemTime::now()
///     }
///
///     fn sleep(&self, duration: Duration) -> Sleep {
///         Sleep::new(tokio::time::sleep(duration))
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let before = Timestamp::from(TokioClock.now());
/// # TokioClock.sleep(Duration::from_millis(2)).await;
/// # assert!(Timestamp::from(TokioClock.now()) >= before);
/// # }
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current wall-clock time.
    fn now(&self) -> SystemTime;

    /// A wait of this long: the store timeout, and the pause before an update is tried again.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A wait that a [`Clock`] gave out; a future that yields nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use sessile::Sleep;
/// Sleep::new(std::future::ready(())).await; // a wait that is over at once
/// # }
/// ```
pub struct Sleep(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Sleep {
    /// Wraps the future that ends when the time has passed.
    pub fn new(until: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(until))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep")
    }
}

/// The operating system's clock. Its waits run on a timer thread of their own, so that the crate
/// works under any async runtime.
///
/// Calls on a store take the time as an argument; this is where a task of yours gets it from:
///
/// ```
/// use sessile::store::{MemoryStore, Store};
/// use sessile::{Clock, SystemClock};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::StoreError> {
/// let store = MemoryStore::<String>::new();
/// let swept = store.sweep(SystemClock.now().into(), 1_000).await?;
/// assert_eq!(swept.removed, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete: there is nothing to set")]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time is read")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Delay::new(duration))
    }
}

/// A point in time as stores keep it: whole milliseconds since the Unix epoch.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use sessile::Timestamp;
/// let start = Timestamp::from_millis(1_000);
/// assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::from_secs(1)), start);
/// let later = start.plus(Duration::from_secs(60));
/// assert_eq!(later.as_millis(), 61_000);
/// assert_eq!(later.since(start), Duration::from_secs(60));
/// assert_eq!(start.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time this many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This time and the duration after it, capped at the end of time.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, millis))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(at: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(at.0)
    }
}

/// Whole milliseconds, capped: a duration of more than 584 million years is as good as that.
#[expect(clippy::as_conversions, reason = "const; a widening from 32 to 64 bits")]
const fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000).saturating_add(duration.subsec_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_milliseconds_and_end_with_the_time() {
        let end = u64::MAX;
        let cases = [
            ("nothing", Duration::ZERO, 0),
            ("rounded down", Duration::from_micros(1_999), 1),
            ("both parts", Duration::new(7, 8_999_999), 7_008),
            ("the last that fits", Duration::from_millis(end), end),
            ("one more", Duration::from_millis(end) + Duration::from_millis(1), end),
            ("more than a multiplication holds", Duration::from_secs(end / 999), end),
            ("the longest", Duration::MAX, end),
        ];
        for (name, duration, expected) in cases {
            assert_eq!(millis(duration), expected, "{name}");
            assert_eq!(
                Timestamp::from_millis(1).plus(duration).as_millis(),
                expected.saturating_add(1)
            );
        }
    }
}
