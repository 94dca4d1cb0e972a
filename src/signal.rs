//! Something that happens once, and those who wait for it.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::clock::Sleep;

/// Happens once, if ever. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Signal(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    happened: bool,
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Signal {
    /// Lets it happen and wakes all who wait.
    pub(crate) fn set(&self) {
        let wakers = {
            let mut waiting = self.waiting();
            waiting.happened = true;
            std::mem::take(&mut waiting.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.waiting().happened
    }

    /// Ends when it has happened.
    pub(crate) fn wait(&self) -> Wait {
        let mut waiting = self.waiting();
        let place = waiting.next;
        waiting.next += 1;
        drop(waiting);
        Wait { signal: self.clone(), place }
    }

    /// Whether it happens before this pause is over.
    pub(crate) async fn within(&self, pause: Sleep) -> bool {
        let (mut happened, mut pause) = (pin!(self.wait()), pin!(pause));
        poll_fn(|cx| {
            if happened.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            pause.as_mut().poll(cx).map(|()| false)
        })
        .await
    }

    /// How many hold this signal.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future made by [`Signal::wait`].
pub(crate) struct Wait {
    signal: Signal,
    place: u64,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.signal.waiting();
        if waiting.happened {
            return Poll::Ready(());
        }
        let old = waiting.wakers.insert(self.place, cx.waker().clone());
        drop(waiting);
        drop(old); // a waker's drop is foreign code
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let waker = self.signal.waiting().wakers.remove(&self.place);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn all_who_wait_are_woken_once_and_those_who_left_are_not() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let signal = Signal::default();
        let mut waits = [signal.wait(), signal.wait(), signal.wait()];
        for wait in &mut waits {
            for _ in 0..2 {
                assert!(Pin::new(&mut *wait).poll(&mut cx).is_pending());
            }
        }
        let [mut first, second, mut third] = waits;
        drop(second);
        signal.set();
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        assert!(signal.is_set());
        assert!(Pin::new(&mut first).poll(&mut cx).is_ready());
        assert!(Pin::new(&mut third).poll(&mut cx).is_ready());
        assert!(Pin::new(&mut signal.wait()).poll(&mut cx).is_ready(), "it stays");
    }
}
