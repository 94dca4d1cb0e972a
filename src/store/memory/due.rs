//! When to look at which session again, so that expired ones are found without searching.
//!
//! Every session has one entry, in the bucket of about a second in which its deadline falls, or
//! in the one a [`HORIZON`] from now if that is sooner. Whoever takes an entry out looks at the
//! session: expired ones are removed, ended ones are forgotten, and the entry of one that was
//! extended is put back at its new deadline. So a touch costs nothing here, and the entry of a
//! session that was ended (or whose lifetime was cut short) goes within a horizon.
//!
//! Nothing here is ever proportional to the number of sessions: buckets are filled and emptied by
//! chunks, from the end.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::key::Key;
use super::padded::Padded;
use crate::clock::Timestamp;

/// The queue. Its lock is a leaf: no other lock is taken and no session is dropped under it.
#[derive(Debug)]
pub(super) struct Due {
    /// When the first bucket has passed, in milliseconds. Read by every call of the store, so it
    /// has a cache line to itself.
    next: Padded<AtomicU64>,
    buckets: Padded<Mutex<Buckets>>,
}

/// Bucket `n` has the deadlines after `(n - 1) * SPAN` up to and including `n * SPAN`.
#[derive(Debug, Default)]
struct Buckets {
    /// The bucket last pushed to, apart from the others: sessions that begin in the same second
    /// mostly end in the same, and then a push searches nothing.
    filling: (u64, Bucket),
    others: BTreeMap<u64, Bucket>,
}

impl Due {
    pub(super) fn new() -> Self {
        Self { next: Padded(AtomicU64::new(u64::MAX)), buckets: Padded::default() }
    }

    /// Whether a bucket has passed.
    #[inline]
    pub(super) fn has_passed(&self, now: Timestamp) -> bool {
        self.next.0.load(Ordering::Relaxed) <= now.as_millis()
    }

    /// Whether a bucket has begun.
    pub(super) fn has_begun(&self, now: Timestamp) -> bool {
        self.has_passed(Timestamp::from_millis(now.as_millis().saturating_add(SPAN - 1)))
    }

    pub(super) fn push(&self, key: Key, deadline: Timestamp, now: Timestamp) {
        let mut buckets = self.lock();
        if buckets.push(bucket(deadline, now), key) {
            self.note_first(&buckets);
        }
    }

    pub(super) fn extend(
        &self,
        entries: impl IntoIterator<Item = (Key, Timestamp)>,
        now: Timestamp,
    ) {
        let mut buckets = self.lock();
        for (key, deadline) in entries {
            buckets.push(bucket(deadline, now), key);
        }
        self.note_first(&buckets);
    }

    /// At most `max` entries of one bucket that has passed, unless somebody else is at it.
    pub(super) fn try_take_passed(&self, now: Timestamp, max: usize) -> Vec<Key> {
        let buckets = match self.buckets.0.try_lock() {
            Ok(buckets) => buckets,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Vec::new(),
        };
        self.take(buckets, now.as_millis() / SPAN, max)
    }

    /// At most `max` entries of one bucket that has passed.
    pub(super) fn take_passed(&self, now: Timestamp, max: usize) -> Vec<Key> {
        self.take(self.lock(), now.as_millis() / SPAN, max)
    }

    /// At most `max` entries of one bucket that has begun: some of its deadlines may have come.
    pub(super) fn take_begun(&self, now: Timestamp, max: usize) -> Vec<Key> {
        self.take(self.lock(), now.as_millis().div_ceil(SPAN), max)
    }

    fn take(&self, mut buckets: MutexGuard<'_, Buckets>, until: u64, max: usize) -> Vec<Key> {
        let taken = buckets.pop(until, max);
        if !taken.is_empty() {
            self.note_first(&buckets);
        }
        taken
    }

    fn note_first(&self, buckets: &Buckets) {
        let next = buckets.first().map_or(u64::MAX, |at| at.saturating_mul(SPAN));
        if self.next.0.load(Ordering::Relaxed) != next {
            self.next.0.store(next, Ordering::Relaxed);
        }
    }

    /// A poisoned lock is taken all the same: no step here leaves the buckets half changed, and
    /// nothing of the application's runs under it.
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        let buckets = self.lock();
        let all = buckets.others.values().chain([&buckets.filling.1]);
        all.map(|b| b.open.len() + b.full.iter().map(Vec::len).sum::<usize>()).sum()
    }
}

/// The number of the bucket in which a deadline is looked at.
const fn bucket(deadline: Timestamp, now: Timestamp) -> u64 {
    let latest = now.as_millis().saturating_add(HORIZON);
    let at = if deadline.as_millis() < latest { deadline.as_millis() } else { latest };
    at.div_ceil(SPAN)
}

impl Buckets {
    /// Answers whether it was another bucket than before, which may then be the first.
    #[inline]
    fn push(&mut self, at: u64, key: Key) -> bool {
        let turn = self.filling.0 != at || self.filling.1.is_empty();
        if turn {
            self.turn_to(at);
        }
        self.filling.1.push(key);
        turn
    }

    #[inline(never)] // once a second
    fn turn_to(&mut self, at: u64) {
        self.put_aside();
        self.filling = (at, self.others.remove(&at).unwrap_or_default());
    }

    fn put_aside(&mut self) {
        let (at, bucket) = mem::take(&mut self.filling);
        if !bucket.is_empty() {
            self.others.insert(at, bucket);
        }
    }

    fn first(&self) -> Option<u64> {
        let filling = (!self.filling.1.is_empty()).then_some(self.filling.0);
        let others = self.others.keys().next().copied();
        filling.into_iter().chain(others).min()
    }

    /// At most `max` entries of the first bucket, if it is not after `until`.
    fn pop(&mut self, until: u64, max: usize) -> Vec<Key> {
        if self.filling.0 <= until {
            self.put_aside();
        }
        let Some(mut first) = self.others.first_entry().filter(|first| *first.key() <= until)
        else {
            return Vec::new();
        };
        let taken = first.get_mut().pop(max);
        if first.get().is_empty() {
            first.remove();
        }
        taken
    }
}

/// The entries of one bucket: chunks of at most [`CHUNK`], of which one is being filled.
#[derive(Debug, Default)]
struct Bucket {
    open: Vec<Key>,
    full: Vec<Vec<Key>>,
}

impl Bucket {
    fn push(&mut self, key: Key) {
        if self.open.len() == CHUNK {
            // Whoever fills one chunk will fill the next.
            self.full.push(mem::replace(&mut self.open, Vec::with_capacity(CHUNK)));
        }
        self.open.push(key);
    }

    fn pop(&mut self, max: usize) -> Vec<Key> {
        if self.open.is_empty() {
            self.open = self.full.pop().unwrap_or_default();
        }
        match self.open.len().checked_sub(max) {
            None | Some(0) => mem::take(&mut self.open),
            Some(rest) => self.open.split_off(rest),
        }
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.full.is_empty()
    }
}

/// The width of a bucket in milliseconds.
const SPAN: u64 = 1_024;

/// How far ahead entries are put, in milliseconds: a little over 17 minutes. Every live session
/// is looked at that often, which for a million of them is a thousand looks per second.
const HORIZON: u64 = 1_024 * SPAN;

/// How many entries a chunk has: one kilobyte.
const CHUNK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn key() -> Key {
        Id::generate().unwrap().into()
    }

    #[test]
    fn a_bucket_is_due_when_its_last_deadline_has_come() {
        let (due, key) = (Due::new(), key());
        assert!(!due.has_passed(at(u64::MAX - 1)));
        due.push(key, at(1_500), at(0));
        assert!(!due.has_passed(at(2_047)));
        assert!(due.take_passed(at(2_047), 10).is_empty());
        assert!(due.has_passed(at(2_048)));
        assert_eq!(due.take_passed(at(2_048), 10), [key]);
        assert!(!due.has_passed(at(u64::MAX - 1)), "nothing is left");
    }

    #[test]
    fn a_bucket_that_has_begun_can_be_asked_for() {
        let (due, key) = (Due::new(), key());
        due.push(key, at(1_500), at(0));
        assert!(due.take_begun(at(1_024), 10).is_empty());
        assert_eq!(due.take_begun(at(1_025), 10), [key]);
    }

    #[test]
    fn no_entry_is_further_away_than_the_horizon() {
        let (due, key) = (Due::new(), key());
        due.push(key, at(u64::MAX), at(5_000));
        assert!(!due.has_passed(at(5_000 + HORIZON - SPAN)));
        assert_eq!(due.take_passed(at(5_000 + HORIZON + SPAN), 10), [key]);
    }

    #[test]
    fn chunks_come_out_whole_and_bounded_and_complete() {
        for (pushed, max) in [(1, 64), (64, 64), (65, 64), (1_000, 64), (1_000, 7), (1_000, 4_096)]
        {
            let due = Due::new();
            let mut keys: Vec<Key> = (0..pushed).map(|_| key()).collect();
            due.extend(keys.iter().map(|key| (*key, at(10))), at(0));
            let mut taken = Vec::new();
            while due.has_passed(at(2_048)) {
                let step = due.take_passed(at(2_048), max);
                assert!(!step.is_empty() && step.len() <= max.min(CHUNK), "{pushed} by {max}");
                taken.extend(step);
            }
            keys.sort();
            taken.sort();
            assert_eq!(taken, keys, "{pushed} by {max}");
        }
    }

    #[test]
    fn an_earlier_deadline_comes_first_whatever_the_order() {
        let due = Due::new();
        let (late, early) = (key(), key());
        due.push(late, at(9_000), at(0));
        due.push(early, at(2_000), at(0));
        assert_eq!(due.take_passed(at(20_000), 10), [early]);
        assert_eq!(due.take_passed(at(20_000), 10), [late]);
        assert!(due.take_passed(at(20_000), 10).is_empty());
    }

    #[test]
    fn pushing_here_and_there_loses_nothing() {
        let due = Due::new();
        let deadlines = [3_000, 3_000, 1_000, 9_000, 3_000, 1_000, 500, 9_000];
        let keys = deadlines.map(|deadline| {
            let key = key();
            due.push(key, at(deadline), at(0));
            key
        });
        let mut taken = Vec::new();
        for (now, many) in [(1_024, 3), (3_072, 3), (9_216, 2)] {
            assert!(due.has_passed(at(now)), "by {now}");
            let passed = due.take_passed(at(now), 10);
            assert_eq!(passed.len(), many, "by {now}");
            assert!(!due.has_passed(at(now)), "by {now}");
            taken.extend(passed);
        }
        assert!(keys.iter().all(|key| taken.contains(key)));
        assert_eq!(due.entries(), 0);
    }

    #[test]
    fn whoever_finds_the_queue_busy_goes_on() {
        let due = Due::new();
        due.push(key(), at(1), at(0));
        let busy = due.lock();
        assert!(due.try_take_passed(at(5_000), 10).is_empty());
        drop(busy);
        assert_eq!(due.try_take_passed(at(5_000), 10).len(), 1);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let due = Due::new();
        due.push(key(), at(0), at(0));
        due.push(key(), at(u64::MAX), at(u64::MAX));
        assert_eq!(due.take_passed(at(0), 10).len(), 1);
        assert!(due.take_passed(at(u64::MAX - SPAN), 10).is_empty());
        assert_eq!(due.take_begun(at(u64::MAX), 10).len(), 1);
    }
}
