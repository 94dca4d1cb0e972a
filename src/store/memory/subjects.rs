//! Which sessions a subject has.
//!
//! An entry is a mark of the subject (32 bits of a keyed hash) with the session's key, in an
//! ordered set: 20 bytes, the subject's sessions side by side in the order of their ids, and no
//! table that grows in one go. Two subjects can have the same mark, so whoever reads a page
//! compares the subject in the record. The hash is keyed at random, because subjects are often
//! chosen by users.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::key::Key;

/// The index: [`SHARDS`] sets, each behind its own lock.
#[derive(Debug)]
pub(super) struct Subjects {
    hasher: RandomState,
    shards: [Mutex<Entries>; SHARDS],
}

type Entries = BTreeSet<(u32, Key)>;

/// Where a subject's entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    shard: u8,
    mark: u32,
}

impl Subjects {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    pub(super) fn spot(&self, subject: &str) -> Spot {
        let [a, b, c, d, .., shard] = self.hasher.hash_one(subject).to_be_bytes();
        Spot { shard, mark: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Locks the page of one subject. Never called with a page open: see [`Self::open_both`].
    pub(super) fn open(&self, spot: Spot) -> Page<'_> {
        Page { mark: spot.mark, entries: self.lock(spot.shard) }
    }

    /// Locks the pages of two subjects, the lower shard first, so that two who do this never wait
    /// for each other; one lock if both are in the same shard.
    pub(super) fn open_both(&self, from: Option<Spot>, to: Option<Spot>) -> Both<'_> {
        let shards = [from, to].map(|spot| spot.map(|spot| usize::from(spot.shard) % SHARDS));
        let low = shards.into_iter().flatten().min();
        let high = shards.into_iter().flatten().max().filter(|high| Some(*high) != low);
        let lock = |shard| (shard, self.lock_at(shard));
        let low = low.map(lock);
        let high = high.map(lock);
        Both { from, to, low, high }
    }

    fn lock(&self, shard: u8) -> MutexGuard<'_, Entries> {
        self.lock_at(usize::from(shard) % SHARDS)
    }

    /// A poisoned lock is taken all the same: an entry is in the set or it is not, and nothing of
    /// the application's runs under it.
    #[expect(clippy::indexing_slicing, reason = "callers pass a remainder of the length")]
    fn lock_at(&self, shard: usize) -> MutexGuard<'_, Entries> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entries of one subject, locked: until it is dropped nobody else creates, removes or moves
/// a session of this subject.
pub(super) struct Page<'a> {
    mark: u32,
    entries: MutexGuard<'a, Entries>,
}

impl Page<'_> {
    pub(super) fn insert(&mut self, key: Key) {
        self.entries.insert((self.mark, key));
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.entries.remove(&(self.mark, key));
    }

    /// In order, those after `after`.
    pub(super) fn keys(&self, after: Option<Key>) -> impl Iterator<Item = Key> {
        let start = match after {
            Some(key) => Bound::Excluded((self.mark, key)),
            None => Bound::Included((self.mark, Key::FIRST)),
        };
        let end = Bound::Included((self.mark, Key::LAST));
        // A range that starts after its end would panic; `LAST` excluded to `LAST` is one.
        let all = (after != Some(Key::LAST)).then(|| self.entries.range((start, end)));
        all.into_iter().flatten().map(|(_, key)| *key)
    }
}

/// The entries of two subjects, locked.
pub(super) struct Both<'a> {
    from: Option<Spot>,
    to: Option<Spot>,
    low: Option<(usize, MutexGuard<'a, Entries>)>,
    high: Option<(usize, MutexGuard<'a, Entries>)>,
}

impl Both<'_> {
    /// Moves a session from the one subject to the other.
    pub(super) fn transfer(&mut self, key: Key) {
        if let Some(from) = self.from {
            self.entries(from, |entries| entries.remove(&(from.mark, key)));
        }
        if let Some(to) = self.to {
            self.entries(to, |entries| entries.insert((to.mark, key)));
        }
    }

    fn entries(&mut self, spot: Spot, edit: impl FnOnce(&mut Entries) -> bool) {
        let shard = usize::from(spot.shard) % SHARDS;
        let mut both = self.low.iter_mut().chain(self.high.iter_mut());
        if let Some((_, entries)) = both.find(|(locked, _)| *locked == shard) {
            edit(entries);
        }
    }
}

/// Enough that logins of different people seldom meet, few enough to cost nothing when empty.
const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn key() -> Key {
        Id::generate().unwrap().into()
    }

    fn keys(subjects: &Subjects, spot: Spot) -> Vec<Key> {
        subjects.open(spot).keys(None).collect()
    }

    #[test]
    fn a_page_is_in_order_and_starts_after_the_cursor() {
        let subjects = Subjects::new();
        let spot = subjects.spot("ann");
        let mut all: Vec<Key> = (0..100).map(|_| key()).collect();
        for key in &all {
            subjects.open(spot).insert(*key);
        }
        all.sort();
        assert_eq!(keys(&subjects, spot), all);
        let page = subjects.open(spot);
        assert!(page.keys(Some(all[49])).eq(all[50..].iter().copied()));
        assert_eq!(page.keys(Some(Key::LAST)).count(), 0);
        assert_eq!(page.keys(Some(Key::FIRST)).count(), 100);
    }

    #[test]
    fn neighbours_in_a_shard_are_kept_apart() {
        let subjects = Subjects::new();
        let (ann, bob) = (Spot { shard: 3, mark: 7 }, Spot { shard: 3, mark: 8 });
        let (first, second) = (key(), key());
        subjects.open(ann).insert(first);
        subjects.open(bob).insert(second);
        assert_eq!((keys(&subjects, ann), keys(&subjects, bob)), (vec![first], vec![second]));
        subjects.open(ann).remove(second);
        assert_eq!(keys(&subjects, bob), [second]);
    }

    #[test]
    fn a_transfer_works_in_one_shard_in_two_and_to_and_from_nowhere() {
        let subjects = Subjects::new();
        let key = key();
        let spots = [
            None,
            Some(Spot { shard: 1, mark: 1 }),
            Some(Spot { shard: 1, mark: 2 }),
            Some(Spot { shard: 65, mark: 3 }),
            Some(Spot { shard: 9, mark: 4 }),
            Some(Spot { shard: 2, mark: 5 }),
            None,
        ];
        for (from, to) in spots.iter().zip(&spots[1..]) {
            subjects.open_both(*from, *to).transfer(key);
            for spot in spots.iter().flatten() {
                let expected: &[Key] = if Some(*spot) == *to { &[key] } else { &[] };
                assert_eq!(keys(&subjects, *spot), expected, "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn crossing_transfers_never_wait_for_each_other() {
        let subjects = Subjects::new();
        let (ann, bob) = (Spot { shard: 1, mark: 1 }, Spot { shard: 2, mark: 1 });
        std::thread::scope(|scope| {
            for (from, to) in [(ann, bob), (bob, ann)] {
                let subjects = &subjects;
                scope.spawn(move || {
                    for _ in 0..5_000 {
                        subjects.open_both(Some(from), Some(to)).transfer(Key::FIRST);
                    }
                });
            }
        });
        assert_eq!(keys(&subjects, ann).len() + keys(&subjects, bob).len(), 1);
    }
}
