//! The subjects whose sessions are being ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Until a revocation answers, nobody knows which sessions it ends; only whose they are. So no
/// session of that subject is read from the cache meanwhile.
#[derive(Default)]
pub(super) struct Subjects {
    /// Until when anybody is closed: for ever while a revocation is under way.
    closed_until: AtomicU64,
    closed: Mutex<Closed>,
}

#[derive(Default)]
pub(super) struct Closed {
    subjects: Vec<(u64, Arc<str>, u64)>,
    next: u64,
}

const FOR_EVER: u64 = u64::MAX;

impl Subjects {
    /// Whether the sessions of some subject must not be read.
    #[inline]
    pub(super) fn any_closed(&self, moment: u64) -> bool {
        moment < self.closed_until.load(Ordering::Acquire)
    }

    /// Who is closed. What is found in the cache while this is held, and does not belong to any
    /// of them, has not been ended by a revocation before.
    pub(super) fn closed(&self) -> MutexGuard<'_, Closed> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a subject, until [`open`](Self::open) or [`distrust`](Self::distrust).
    pub(super) fn close(&self, subject: Arc<str>) -> u64 {
        let mut closed = self.closed();
        closed.next += 1;
        let number = closed.next;
        closed.subjects.push((number, subject, FOR_EVER));
        self.publish(&closed);
        number
    }

    /// The sessions that were ended are out of the cache.
    pub(super) fn open(&self, number: u64) {
        let mut closed = self.closed();
        closed.subjects.retain(|(other, ..)| *other != number);
        self.publish(&closed);
    }

    /// Nobody knows what was ended: the subject stays closed until then.
    pub(super) fn distrust(&self, number: u64, moment: u64, until: u64) {
        let mut closed = self.closed();
        closed.subjects.retain(|(_, _, until)| moment < *until);
        for (other, _, closed_until) in &mut closed.subjects {
            if *other == number {
                *closed_until = until;
            }
        }
        self.publish(&closed);
    }

    fn publish(&self, closed: &Closed) {
        let until = closed.subjects.iter().map(|(_, _, until)| *until).max().unwrap_or(0);
        // Sequential, so that it is seen before anything that the store behind does next.
        self.closed_until.store(until, Ordering::SeqCst);
    }
}

impl Closed {
    /// Whether this subject's sessions must not be read.
    pub(super) fn includes(&self, subject: &str, moment: u64) -> bool {
        self.subjects.iter().any(|(_, closed, until)| &**closed == subject && moment < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_closed_for_as_long_as_anybody_says() {
        let subjects = Subjects::default();
        let is_closed = |subject, moment| subjects.closed().includes(subject, moment);
        let (first, second) = (subjects.close("ann".into()), subjects.close("ann".into()));
        assert!(subjects.any_closed(9) && is_closed("ann", 9) && !is_closed("bob", 9));
        subjects.open(first);
        assert!(is_closed("ann", 9), "by the second");
        subjects.distrust(second, 0, 5);
        assert!(is_closed("ann", 4) && !is_closed("ann", 5));
        assert!(subjects.any_closed(4) && !subjects.any_closed(5));
        let third = subjects.close("bob".into());
        subjects.distrust(third, 6, 7);
        assert_eq!(subjects.closed().subjects.len(), 1, "what is over is forgotten");
    }
}
