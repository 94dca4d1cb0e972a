//! One load for all who ask for an unread session at the same time.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::state::{Base, Inner, Unread};
use crate::entry::Loading;
use crate::error::{Error, StoreError, StoreErrorKind};
use crate::record::SessionData;

/// The load of an unread session that is not there at once. Whoever waits for it drives it: so it
/// goes on when others are dropped, and also when they are kept and not polled. With the last of
/// them it ends, half way if need be.
pub(crate) struct Flight<T> {
    unread: Unread,
    course: Mutex<Course<T>>,
    waiting: Arc<Waiting>,
}

enum Course<T> {
    Underway(Loading<T>),
    /// The session is in its place.
    Landed,
    /// All who waited hear of it; the next to ask begins anew.
    Failed(StoreErrorKind),
}

impl<T: SessionData> Flight<T> {
    pub(super) fn poll(
        self: &Arc<Self>,
        inner: &Inner<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.waiting.join(cx.waker());
        let mut arrival = Arrival { flight: self, is_due: true };
        let mut course = lock(&self.course);
        // What a panic in the application's code leaves.
        let panicked = Course::Failed(StoreErrorKind::Unavailable);
        let mut loading = match mem::replace(&mut *course, panicked) {
            Course::Underway(loading) => loading,
            Course::Landed => {
                *course = Course::Landed;
                return Poll::Ready(Ok(()));
            }
            Course::Failed(kind) => {
                *course = Course::Failed(kind);
                return Poll::Ready(Err(StoreError::new(kind).into()));
            }
        };
        let waker = Waker::from(Arc::clone(&self.waiting));
        let asker = self.unread.asker(inner.client.as_ref());
        match loading.poll(&mut Context::from_waker(&waker), &inner.shared, asker) {
            Poll::Pending => {
                *course = Course::Underway(loading);
                arrival.is_due = false;
                Poll::Pending
            }
            Poll::Ready(Ok(base)) => {
                inner.loaded(base);
                *course = Course::Landed;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.turn_back(inner);
                *course = Course::Failed(error.kind());
                Poll::Ready(Err(error.into()))
            }
        }
    }
}

impl<T> Flight<T> {
    fn new(unread: Unread, loading: Loading<T>) -> Self {
        let course = Mutex::new(Course::Underway(loading));
        Self { unread, course, waiting: Arc::default() }
    }

    /// Whoever asks next is to try again.
    fn turn_back(self: &Arc<Self>, inner: &Inner<T>) {
        let mut state = inner.state();
        if matches!(&state.base, Base::Loading(theirs) if Arc::ptr_eq(theirs, self)) {
            state.base = Base::Unread(self.unread.clone());
        }
    }
}

/// Wakes the others, if there are any, when it is over: by a panic, too.
struct Arrival<'f, T> {
    flight: &'f Arc<Flight<T>>,
    is_due: bool,
}

impl<T> Drop for Arrival<'_, T> {
    fn drop(&mut self) {
        if self.is_due && Arc::strong_count(self.flight) > 1 {
            self.flight.waiting.wake_by_ref();
        }
    }
}

/// What there is to do for somebody who wants to know the session.
pub(super) enum Boarding<'i, T> {
    Known,
    Unread(Unread),
    Aboard(Aboard<'i, T>),
}

/// A place in a flight. The last to leave one that is underway ends it.
pub(super) struct Aboard<'i, T> {
    inner: &'i Inner<T>,
    flight: Option<Arc<Flight<T>>>,
}

impl<T> Inner<T> {
    pub(super) fn board(&self) -> Boarding<'_, T> {
        match &self.state().base {
            Base::Unread(unread) => Boarding::Unread(unread.clone()),
            Base::Loading(flight) => Boarding::Aboard(Aboard::new(self, flight)),
            _ => Boarding::Known,
        }
    }

    /// Makes this the load that all wait for, unless there is another: then that. `None` if the
    /// session has become known meanwhile.
    pub(super) fn launch(&self, unread: Unread, loading: Loading<T>) -> Option<Aboard<'_, T>> {
        let flight = Arc::new(Flight::new(unread, loading));
        let mut state = self.state();
        match &state.base {
            Base::Unread(_) => {
                state.base = Base::Loading(Arc::clone(&flight));
                drop(state);
                Some(Aboard { inner: self, flight: Some(flight) })
            }
            Base::Loading(theirs) => Some(Aboard::new(self, theirs)),
            _ => None,
        }
    }

    /// The tickets of a session that is not known yet.
    pub(super) fn unread(&self) -> Option<Unread> {
        match &self.state().base {
            Base::Unread(unread) => Some(unread.clone()),
            Base::Loading(flight) => Some(flight.unread.clone()),
            _ => None,
        }
    }
}

impl<'i, T> Aboard<'i, T> {
    fn new(inner: &'i Inner<T>, flight: &Arc<Flight<T>>) -> Self {
        Self { inner, flight: Some(Arc::clone(flight)) }
    }
}

impl<T: SessionData> Aboard<'_, T> {
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.flight.as_ref().map_or(Poll::Ready(Ok(())), |flight| flight.poll(self.inner, cx))
    }
}

impl<T> Drop for Aboard<'_, T> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        let mut state = self.inner.state();
        let underway = matches!(&state.base, Base::Loading(theirs) if Arc::ptr_eq(theirs, &flight));
        // Whoever comes aboard or leaves holds the lock: so this counts the others and the state.
        if underway && Arc::strong_count(&flight) > 2 {
            drop(flight);
            return;
        }
        if underway {
            state.base = Base::Unread(flight.unread.clone());
        }
        drop(state); // the store's future is not dropped under the lock
    }
}

/// Those who wait. Apart from what they wait for, which holds on to its waker: it must not hold on
/// to itself.
#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn join(&self, waker: &Waker) {
        let mut all = lock(&self.0);
        if !all.iter().any(|other| other.will_wake(waker)) {
            all.push(waker.clone());
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let all = mem::take(&mut *lock(&self.0));
        all.into_iter().for_each(Waker::wake);
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
