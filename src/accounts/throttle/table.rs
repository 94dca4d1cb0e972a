//! What is on record of each account and client, in a table of a fixed size.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::accounts::error::AccountError;
use crate::clock::Timestamp;

/// The records of all.
pub(super) struct Table {
    buckets: Box<[Mutex<Vec<Entry>>]>,
    /// With a key of this process's own, so that nobody can aim at a bucket.
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    failures: u32,
    /// How many attempts are under way.
    pending: u32,
    /// From when on the next failure to be forgiven waits for that.
    since: Timestamp,
    /// The time before which nothing is heard.
    until: Timestamp,
}

/// Whose attempts are counted, and how many are free.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    key: u64,
    free: u32,
}

impl Table {
    pub(super) fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| Mutex::default()).collect();
        Self { buckets, hasher: RandomState::new() }
    }

    pub(super) fn counted(&self, of: impl Hash, free: u32) -> Counted {
        Counted { key: self.hasher.hash_one(of), free }
    }

    /// Begins an attempt, unless it must wait.
    pub(super) fn admit(
        &self,
        of: Counted,
        longest: Duration,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        let wait = self.record(of, now, |entry| {
            entry.forgive(of.free, longest, now);
            let wait = entry.wait(of.free, now);
            if wait.is_zero() {
                entry.pending = entry.pending.saturating_add(1);
            }
            wait
        });
        match wait {
            Some(wait) if !wait.is_zero() => Err(AccountError::throttled(wait)),
            _ => Ok(()),
        }
    }

    /// The attempt that began then has failed.
    pub(super) fn failed(&self, of: Counted, longest: Duration, began: Timestamp) {
        self.record(of, began, |entry| {
            entry.pending = entry.pending.saturating_sub(1);
            entry.fail(of.free, longest, began);
        });
    }

    /// As if the attempt that began then had not been.
    pub(super) fn take_back(&self, of: Counted, began: Timestamp) {
        self.record(of, began, |entry| entry.pending = entry.pending.saturating_sub(1));
    }

    pub(super) fn forget(&self, of: Counted) {
        if let Some(mut bucket) = self.bucket(of.key) {
            bucket.retain(|entry| entry.key != of.key);
        }
    }

    fn bucket(&self, key: u64) -> Option<MutexGuard<'_, Vec<Entry>>> {
        let at = usize::try_from(key % BUCKETS).ok()?;
        let bucket = self.buckets.get(at)?;
        Some(bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is on record at this time. What says nothing any more is not kept.
    fn record<R>(
        &self,
        of: Counted,
        now: Timestamp,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let mut bucket = self.bucket(of.key)?;
        bucket.retain(|entry| now.since(entry.since) < FORGET);
        let at = bucket.iter().position(|entry| entry.key == of.key);
        let kept = at.map(|at| bucket.swap_remove(at));
        let mut entry = kept.unwrap_or_else(|| Entry::new(of.key, now));
        let outcome = change(&mut entry);
        if entry.weight() > 0 {
            if bucket.len() >= WAYS {
                let least = bucket.iter().enumerate().min_by_key(|(_, e)| (e.weight(), e.since));
                if let Some((at, _)) = least {
                    bucket.swap_remove(at);
                }
            }
            bucket.push(entry);
        }
        Some(outcome)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.lock().unwrap().len()).sum()
    }
}

impl Entry {
    const fn new(key: u64, now: Timestamp) -> Self {
        Self { key, failures: 0, pending: 0, since: now, until: now }
    }

    /// What it would be a pity to forget.
    const fn weight(&self) -> u32 {
        self.failures.saturating_add(self.pending)
    }

    /// Forgives what is due. If the clock was set back, nobody waits longer than the longest.
    fn forgive(&mut self, free: u32, longest: Duration, now: Timestamp) {
        let latest = now.plus(longest);
        (self.until, self.since) = (self.until.min(latest), self.since.min(latest));
        let each = Duration::from_millis((HOUR / u64::from(free.max(1))).max(1));
        let due = now.since(self.since).as_millis() / each.as_millis();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        match self.failures.checked_sub(due) {
            None | Some(0) => (self.failures, self.since) = (0, now),
            Some(left) => (self.failures, self.since) = (left, self.since.plus(each * due)),
        }
    }

    /// How long the next attempt has to wait: until this is over, or, if it is, until those under
    /// way are decided that may be the failure that begins a wait.
    fn wait(&self, free: u32, now: Timestamp) -> Duration {
        let over = self.until.since(now);
        if !over.is_zero() || self.pending == 0 {
            return over;
        }
        backoff(self.weight(), free, FIRST)
    }

    fn fail(&mut self, free: u32, longest: Duration, began: Timestamp) {
        if self.failures == 0 {
            self.since = began;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = backoff(self.failures, free, longest);
        if !wait.is_zero() {
            self.until = self.until.max(began.plus(wait));
            self.since = self.since.max(self.until);
        }
    }
}

/// The wait after so many failures.
fn backoff(failures: u32, free: u32, longest: Duration) -> Duration {
    match failures.checked_sub(free).and_then(|beyond| beyond.checked_sub(1)) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(20)).min(longest),
    }
}

const BUCKETS: u64 = 8_192;
const WAYS: usize = 8;
const FIRST: Duration = Duration::from_secs(1);
const FORGET: Duration = Duration::from_secs(24 * 3_600);
/// In milliseconds.
const HOUR: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r59_the_wait_doubles_and_has_an_end() {
        let longest = Duration::from_secs(900);
        let cases = [
            (1, 0),
            (5, 0),
            (6, 1),
            (7, 2),
            (8, 4),
            (15, 512),
            (16, 900),
            (17, 900),
            (u32::MAX, 900),
        ];
        for (failures, seconds) in cases {
            assert_eq!(backoff(failures, 5, longest).as_secs(), seconds, "after {failures}");
        }
        assert_eq!(backoff(u32::MAX, u32::MAX, longest), Duration::ZERO);
    }

    #[test]
    fn r59_failures_are_forgiven_with_the_time_but_not_while_there_is_a_wait() {
        let (longest, start) = (Duration::from_secs(900), Timestamp::from_millis(1_000_000));
        let minutes = |count: u64| Duration::from_secs(count * 60);
        // Of five that are free in an hour, one is forgiven every twelve minutes.
        let cases = [
            ("none yet", 3, 11, 3),
            ("one", 3, 12, 2),
            ("and another", 3, 35, 1),
            ("all", 3, 36, 0),
            ("long ago", 3, 10_000, 0),
            ("after a wait of a second", 6, 12, 6),
            ("the wait does not count", 16, 15 + 11, 16),
            ("what follows it does", 16, 15 + 12, 15),
        ];
        for (name, failures, after, left) in cases {
            let mut entry = Entry::new(0, start);
            for _ in 0..failures {
                entry.fail(5, longest, start);
            }
            entry.forgive(5, longest, start.plus(minutes(after)));
            assert_eq!(entry.failures, left, "{name}");
        }
        let mut entry = Entry::new(0, start);
        for hour in 0..100 {
            entry.fail(5, longest, start.plus(minutes(60 * hour)));
            entry.forgive(5, longest, start.plus(minutes(60 * hour + 30)));
        }
        assert_eq!(entry.failures, 0, "now and then is not often");
    }
}
