//! Who waits for which session to end, on this node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::StoreErrorKind;
use crate::id::Id;
use crate::shared::Shared;
use crate::signal::Signal;
use crate::wait::Timed;

/// One signal per session that somebody waits for.
#[derive(Default)]
pub(crate) struct Endings {
    /// Looked at first, so that ending a session that nobody waits for takes no lock.
    waiting: AtomicUsize,
    signals: Mutex<HashMap<Id, Signal>>,
}

impl Endings {
    /// Says that this session has ended.
    pub(crate) fn tell(&self, id: Id) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let signal = self.signals().get(&id).cloned();
        if let Some(signal) = signal {
            signal.set();
        }
    }

    fn enter(self: &Arc<Self>, id: Id) -> Guest {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let signal = self.signals().entry(id).or_default().clone();
        Guest { endings: Arc::clone(self), id, signal }
    }

    fn signals(&self) -> MutexGuard<'_, HashMap<Id, Signal>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits; the last to leave takes the signal along.
struct Guest {
    endings: Arc<Endings>,
    id: Id,
    signal: Signal,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut signals = self.endings.signals();
        // The map's own and this one's.
        if self.signal.holders() <= 2 {
            signals.remove(&self.id);
        }
        drop(signals);
        self.endings.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Ends when the session has: at once if this node ends it, else when the store is next asked.
pub(crate) async fn ended<T: Send + Sync + 'static>(
    shared: Arc<Shared<T>>,
    id: Id,
    deadline: Option<Timestamp>,
) {
    let guest = shared.endings.enter(id);
    loop {
        let now = shared.now();
        let answer = shared.store.load(id, now);
        let pause = match Timed::new(answer, &*shared.clock, shared.store_timeout).await {
            Ok(Some(record)) => {
                until_next(shared.revocation_check, id, record.meta.deadline(), now)
            }
            Ok(None) => return,
            Err(error) if error.kind() == StoreErrorKind::Undecodable => return,
            // It is in no store, but it knows itself when it ends.
            Err(_) if shared.tickets.is_some() => match deadline {
                Some(deadline) if now < deadline => {
                    until_next(shared.revocation_check, id, deadline, now)
                }
                _ => return,
            },
            // Nobody knows. It is asked again; to end streams because a store is down would turn
            // one incident into two.
            Err(_) => shared.revocation_check,
        };
        if guest.signal.within(shared.clock.sleep(pause)).await {
            return;
        }
    }
}

/// When to ask next: spread over the last quarter of the interval by the session's id, so that
/// streams which began together do not ask together; and not after the session expires.
fn until_next(every: Duration, id: Id, deadline: Timestamp, now: Timestamp) -> Duration {
    let [.., last] = id.into_bytes();
    let spread = every / 4 * u32::from(last) / 255;
    let soon = Duration::from_millis(1); // a deadline that is a fraction away
    (every - spread).min(deadline.since(now)).max(soon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_lives_as_long_as_somebody_waits() {
        let (endings, id) = (Arc::new(Endings::default()), Id::generate().unwrap());
        endings.tell(id); // nobody minds
        let (first, second) = (endings.enter(id), endings.enter(id));
        drop(first);
        assert!(!second.signal.is_set());
        endings.tell(id);
        assert!(second.signal.is_set());
        drop(second);
        assert!(endings.signals().is_empty());
        assert_eq!(endings.waiting.load(Ordering::Acquire), 0);
    }

    #[test]
    fn it_asks_within_the_interval_and_at_the_deadline() {
        let now = Timestamp::from_millis(1_000);
        let every = Duration::from_secs(4);
        for _ in 0..100 {
            let id = Id::generate().unwrap();
            let next = until_next(every, id, now.plus(Duration::from_secs(60)), now);
            assert!(next >= Duration::from_secs(3) && next <= every, "{next:?}");
            let next = until_next(every, id, now.plus(Duration::from_secs(1)), now);
            assert_eq!(next, Duration::from_secs(1));
        }
    }
}
