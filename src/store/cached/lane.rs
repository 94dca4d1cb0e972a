//! The calls that are under way on some of the ids.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::Id;

/// Some of the ids share one of these: who reads learns from it that a write is under way, and
/// who brings a record to the cache learns whether somebody else came in between.
///
/// It has a cache line of its own: a hit touches nothing else that others write.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Lane {
    /// Until when nobody may read from the cache here: for ever while a write is under way. It is
    /// written under the lock and read without it.
    closed_until: AtomicU64,
    calls: Mutex<Calls>,
    pub(super) tally: Tally,
}

/// What came of the reads.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) bypassed: AtomicU64,
}

/// The calls under way in one lane.
#[derive(Default)]
pub(super) struct Calls {
    under_way: Vec<Call>,
    distrusted_until: u64,
    next: u64,
}

struct Call {
    number: u64,
    id: Id,
    kind: Kind,
    /// The least version that this call may put into the cache: whoever else changed the session
    /// since it began, or is about to, has raised it.
    least: u64,
}

/// What a call does to its session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Load,
    Write,
}

/// No record may be put into the cache.
pub(super) const NONE: u64 = u64::MAX;
const FOR_EVER: u64 = u64::MAX;

impl Lane {
    /// Whether reads must go to the store behind.
    #[inline]
    pub(super) fn is_closed(&self, moment: u64) -> bool {
        moment < self.closed_until.load(Ordering::Acquire)
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets readers know what `calls`, the content of this lane's lock, has become. Whatever had
    /// to be done to the cache has been done.
    pub(super) fn publish(&self, calls: &Calls) {
        let writes = calls.under_way.iter().any(|call| call.kind == Kind::Write);
        let until = if writes { FOR_EVER } else { calls.distrusted_until };
        // Sequential, so that it is seen before anything that the store behind does next.
        self.closed_until.store(until, Ordering::SeqCst);
    }
}

impl Calls {
    /// Notes a call that begins, and gives it a number.
    pub(super) fn begin(&mut self, id: Id, kind: Kind) -> u64 {
        let mut least = 0;
        for other in self.under_way.iter_mut().filter(|other| other.id == id) {
            // Two calls, one of them a write: nobody knows which of them the store does first.
            if kind == Kind::Write {
                other.least = NONE;
            }
            if other.kind == Kind::Write {
                least = NONE;
            }
        }
        self.next += 1;
        self.under_way.push(Call { number: self.next, id, kind, least });
        self.next
    }

    /// Takes out a call that has ended. Answers the least version that it may put into the cache.
    pub(super) fn end(&mut self, number: u64) -> u64 {
        let place = self.under_way.iter().position(|call| call.number == number);
        place.map_or(NONE, |place| self.under_way.swap_remove(place).least)
    }

    /// Somebody else has written this version of the session.
    pub(super) fn written(&mut self, id: Id, version: u64) {
        for call in self.under_way.iter_mut().filter(|call| call.id == id) {
            call.least = call.least.max(version);
        }
    }

    /// A write whose end nobody knows may still be done, until this moment at least.
    pub(super) fn distrust(&mut self, until: u64) {
        self.distrusted_until = self.distrusted_until.max(until);
    }

    pub(super) const fn distrusts(&self, moment: u64) -> bool {
        moment < self.distrusted_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Id {
        Id::from_bytes([number; 16]).unwrap()
    }

    #[test]
    fn only_who_was_alone_may_fill_the_cache() {
        use Kind::{Load, Write};
        let cases = [
            ("a load alone", Load, None, 0),
            ("two loads", Load, Some((id(1), Load)), 0),
            ("a load and a write", Load, Some((id(1), Write)), NONE),
            ("a write and a load", Write, Some((id(1), Load)), 0),
            ("two writes", Write, Some((id(1), Write)), NONE),
            ("writes of two sessions", Write, Some((id(2), Write)), 0),
        ];
        for (name, kind, other, want) in cases {
            for earlier in [true, false] {
                let mut calls = Calls::default();
                let begin = |calls: &mut Calls| other.map(|(id, kind)| calls.begin(id, kind));
                let before = if earlier { begin(&mut calls) } else { None };
                let number = calls.begin(id(1), kind);
                if !earlier {
                    begin(&mut calls);
                }
                before.map(|before| calls.end(before));
                assert_eq!(calls.end(number), want, "{name}, earlier: {earlier}");
            }
        }
    }

    #[test]
    fn what_was_told_raises_the_least_version() {
        let mut calls = Calls::default();
        let load = calls.begin(id(1), Kind::Load);
        for (id, version) in [(id(1), 3), (id(1), 2), (id(2), 9)] {
            calls.written(id, version);
        }
        assert_eq!(calls.end(load), 3);
        assert_eq!(calls.end(load), NONE, "it has ended");
    }

    #[test]
    fn a_lane_is_closed_while_a_write_is_under_way_and_while_it_is_distrusted() {
        let lane = Lane::default();
        let mut calls = lane.calls();
        let load = calls.begin(id(1), Kind::Load);
        lane.publish(&calls);
        assert!(!lane.is_closed(0), "a load closes nothing");
        let write = calls.begin(id(2), Kind::Write);
        lane.publish(&calls);
        assert!(lane.is_closed(u64::MAX - 1));
        calls.end(write);
        calls.distrust(7);
        lane.publish(&calls);
        assert!(lane.is_closed(6) && !lane.is_closed(7));
        calls.end(load);
    }
}
