//! A timer whose waits cost no switch of threads.
//!
//! Nearly every wait of the layer is given up: the store answers long before its time is over. So
//! to begin a wait, or to drop one, wakes nobody. One thread for all of them sleeps until the
//! earliest would end; only a wait that ends before that wakes it. What was dropped meanwhile it
//! does not find when it looks, and sleeps on.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// The timer of this process.
static TIMER: Timer = Timer::new();

struct Timer {
    state: Mutex<State>,
    /// There is a wait that ends before the thread would wake by itself.
    sooner: Condvar,
}

struct State {
    /// By their ends; the number tells waits with the same end apart.
    waits: BTreeMap<(Instant, u64), Waker>,
    begun: u64,
    thread: Sleeper,
}

/// What the thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleeper {
    /// There is none yet.
    Unborn,
    /// It looks at the waits before it sleeps again.
    Awake,
    /// It sleeps until it is told that there is something to wait for.
    Idle,
    /// It wakes by itself.
    Until(Instant),
}

impl Timer {
    const fn new() -> Self {
        let state = State { waits: BTreeMap::new(), begun: 0, thread: Sleeper::Unborn };
        Self { state: Mutex::new(state), sooner: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whom to wake then, and sees to it that the thread is awake by then.
    fn begin(&'static self, end: Instant, waker: Waker) -> u64 {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.waits.insert((end, number), waker);
        match state.thread {
            Sleeper::Awake => {}
            Sleeper::Until(wakes) if wakes <= end => {}
            Sleeper::Idle | Sleeper::Until(_) => self.sooner.notify_one(),
            Sleeper::Unborn => {
                let thread = thread::Builder::new().name("sessile-timer".to_owned());
                // Where no thread can be had now, the next wait tries again.
                if thread.spawn(|| self.run()).is_ok() {
                    state.thread = Sleeper::Awake;
                }
            }
        }
        number
    }

    fn run(&self) {
        let mut state = self.state();
        loop {
            let now = now();
            let later = state.waits.split_off(&(now, u64::MAX));
            let over = mem::replace(&mut state.waits, later);
            if !over.is_empty() {
                state.thread = Sleeper::Awake;
                drop(state);
                for waker in over.into_values() {
                    // A waker is somebody else's code; what goes wrong there stops no clock.
                    drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
                }
                state = self.state();
                continue;
            }
            let next = state.waits.first_key_value().map(|(&(end, _), _)| end);
            state.thread = next.map_or(Sleeper::Idle, Sleeper::Until);
            state = match next {
                None => self.sooner.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(now);
                    let woken = self.sooner.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// A wait. Its time runs from when it was made; it takes its place with the timer when it is
/// polled.
#[derive(Debug)]
pub(super) struct Delay {
    /// `None` where it is beyond what the clock can count.
    end: Option<Instant>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Unset,
    Waits(u64),
    Over,
}

impl Delay {
    pub(super) fn new(length: Duration) -> Self {
        Self { end: now().checked_add(length), place: Place::Unset }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(end) = self.end else { return Poll::Pending };
        match self.place {
            Place::Unset => {
                self.place = Place::Waits(TIMER.begin(end, cx.waker().clone()));
                Poll::Pending
            }
            Place::Waits(number) => {
                let mut state = TIMER.state();
                let Some(waker) = state.waits.get_mut(&(end, number)) else {
                    self.place = Place::Over;
                    return Poll::Ready(());
                };
                if !waker.will_wake(cx.waker()) {
                    let before = mem::replace(waker, cx.waker().clone());
                    drop(state);
                    drop(before); // outside the lock: it is somebody else's code
                }
                Poll::Pending
            }
            Place::Over => Poll::Ready(()),
        }
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        if let (Some(end), Place::Waits(number)) = (self.end, &self.place) {
            let waker = TIMER.state().waits.remove(&(end, *number));
            drop(waker); // outside the lock, too
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where monotonic time is read")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it was woken, and wakes a thread that sleeps on it.
    #[derive(Default)]
    struct Woken {
        times: AtomicU32,
        bell: Condvar,
        lock: Mutex<()>,
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            let _lock = self.lock.lock().unwrap();
            self.times.fetch_add(1, Ordering::SeqCst);
            self.bell.notify_all();
        }
    }

    impl Woken {
        /// Polls until it is over, asleep in between; how long that took.
        fn wait_for(self: &Arc<Self>, delay: &mut Delay) -> Duration {
            let (begin, waker) = (now(), Waker::from(Arc::clone(self)));
            let mut polls = 0;
            while Pin::new(&mut *delay).poll(&mut Context::from_waker(&waker)).is_pending() {
                polls += 1;
                assert!(polls < 100, "woken again and again for nothing");
                let lock = self.lock.lock().unwrap();
                let none = |_: &mut ()| self.times.load(Ordering::SeqCst) == 0;
                let long = Duration::from_secs(60);
                let (_lock, timeout) = self.bell.wait_timeout_while(lock, long, none).unwrap();
                assert!(!timeout.timed_out(), "never woken");
            }
            now() - begin
        }
    }

    fn poll_once(delay: &mut Delay) -> Poll<()> {
        Pin::new(delay).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn is_known(delay: &Delay) -> bool {
        let Place::Waits(number) = delay.place else { return false };
        TIMER.state().waits.contains_key(&(delay.end.unwrap(), number))
    }

    #[test]
    fn a_wait_is_over_in_time_also_behind_a_longer_one_and_never_early() {
        let mut long = Delay::new(Duration::from_secs(3_600));
        assert!(poll_once(&mut long).is_pending());
        for millis in [30, 0, 5] {
            let woken = Arc::new(Woken::default());
            let length = Duration::from_millis(millis);
            let took = woken.wait_for(&mut Delay::new(length));
            assert!(took >= length, "{took:?} for {length:?}");
            assert_eq!(woken.times.load(Ordering::SeqCst), 1);
        }
        assert!(poll_once(&mut long).is_pending());
        assert!(is_known(&long));
    }

    #[test]
    fn what_is_dropped_is_forgotten_and_wakes_nobody() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut dropped = Delay::new(Duration::from_millis(10));
        assert!(Pin::new(&mut dropped).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&woken), 3);
        drop(dropped);
        assert_eq!(Arc::strong_count(&woken), 2, "its waker is gone");
        Arc::new(Woken::default()).wait_for(&mut Delay::new(Duration::from_millis(30)));
        assert_eq!(woken.times.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn the_waker_of_the_last_poll_counts() {
        let (first, last) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let mut delay = Delay::new(Duration::from_millis(30));
        let waker = Waker::from(Arc::clone(&first));
        assert!(Pin::new(&mut delay).poll(&mut Context::from_waker(&waker)).is_pending());
        last.wait_for(&mut delay);
        assert_eq!(first.times.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_waker_that_panics_stops_no_clock() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker of somebody else's");
            }
        }
        let waker = Waker::from(Arc::new(Panics));
        let mut delay = Delay::new(Duration::from_millis(1));
        assert!(Pin::new(&mut delay).poll(&mut Context::from_waker(&waker)).is_pending());
        Arc::new(Woken::default()).wait_for(&mut Delay::new(Duration::from_millis(20)));
        assert!(poll_once(&mut delay).is_ready());
        assert!(poll_once(&mut delay).is_ready(), "and stays over");
    }

    #[test]
    fn what_no_clock_can_count_is_never_over() {
        let mut delay = Delay::new(Duration::MAX);
        assert!(poll_once(&mut delay).is_pending());
    }

    #[test]
    fn none_of_many_from_many_threads_is_missed() {
        thread::scope(|scope| {
            for thread in 0..8_u64 {
                scope.spawn(move || {
                    for turn in 0..200 {
                        let mut given_up = Delay::new(Duration::from_secs(2));
                        assert!(poll_once(&mut given_up).is_pending());
                        let micros = (thread * 37 + turn * 101) % 1_500;
                        let woken = Arc::new(Woken::default());
                        woken.wait_for(&mut Delay::new(Duration::from_micros(micros)));
                    }
                });
            }
        });
    }
}
