//! The records, and what keeps index, queue and count in step with them.
//!
//! 1. A session with a subject is put in, removed and given to another subject under the lock of
//!    that subject's page, so that a page says all there is while it is open.
//! 2. Locks are taken in this order: pages (the lower shard first), then one shard of the map.
//!    The queue's lock is taken alone.
//! 3. The application's code, which is the `Drop` of its data, never runs under a lock: records
//!    are moved out and dropped after everything is released.

mod expired;
mod subject;

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::due::Due;
use super::key::{Key, OwnBits};
use super::room::{Place, Room};
use super::subjects::{Page, Spot, Subjects};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{Admission, Created, Saved};

pub(super) struct Shelf<T> {
    records: DashMap<Key, Arc<Record<T>>, BuildHasherDefault<OwnBits>>,
    subjects: Subjects,
    due: Due,
    pub(super) room: Room,
}

/// What came of one attempt to put a record in.
enum Put {
    Done {
        evicted: Vec<Id>,
        replaced: bool,
    },
    Exists,
    /// An expired record has the id.
    Leftover,
    Limit,
    Full,
}

/// What came of one attempt to exchange a record.
enum Swap<T> {
    /// This was there.
    Done(Arc<Record<T>>),
    Stale,
    Gone,
    /// What is there has expired.
    Expired,
    /// What is there belongs to somebody else, whose page is here.
    Elsewhere(Option<Spot>),
}

impl<T> Shelf<T> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            records: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
            subjects: Subjects::new(),
            due: Due::new(),
            room: Room::new(max),
        }
    }

    #[inline]
    pub(super) fn load(&self, key: Key, now: Timestamp) -> Option<Arc<Record<T>>> {
        self.tidy(now);
        let record = self.records.view(&key, |_, record| Arc::clone(record))?;
        if record.meta.is_live(now) {
            return Some(record);
        }
        self.remove_expired(key, now);
        None
    }

    pub(super) fn create(
        &self,
        key: Key,
        record: &Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        self.tidy(now);
        loop {
            let put = match self.find_place(now) {
                Some(place) if admission.replacing.is_none() && record.meta.subject.is_none() => {
                    self.put_alone(key, record, now, place)
                }
                place => self.put(key, record, admission, now, place),
            };
            match put {
                Put::Done { evicted, replaced } => {
                    self.due.push(key, record.meta.deadline(), now);
                    return Ok(Created::Done { evicted, replaced });
                }
                Put::Exists => return Ok(Created::Exists),
                Put::Leftover => self.remove_expired(key, now),
                Put::Limit => return Ok(Created::Limit),
                Put::Full => return Err(StoreError::new(StoreErrorKind::Full)),
            }
        }
    }

    /// One attempt, for one who has no subject and takes nobody's place.
    fn put_alone(
        &self,
        key: Key,
        record: &Arc<Record<T>>,
        now: Timestamp,
        place: Place<'_>,
    ) -> Put {
        match self.insert(key, record, now) {
            Ok(()) => {
                place.keep();
                Put::Done { evicted: Vec::new(), replaced: false }
            }
            Err(why_not) => why_not,
        }
    }

    #[inline]
    fn insert(&self, key: Key, record: &Arc<Record<T>>, now: Timestamp) -> Result<(), Put> {
        match self.records.entry(key) {
            Entry::Occupied(there) if there.get().meta.is_live(now) => Err(Put::Exists),
            Entry::Occupied(_) => Err(Put::Leftover),
            Entry::Vacant(free) => {
                drop(free.insert(Arc::clone(record)));
                Ok(())
            }
        }
    }

    /// One attempt, atomic for everybody who looks at the subject. Without a place it succeeds
    /// only over those who leave for it.
    ///
    /// The replaced one leaves right after the newcomer is in. Nobody can tell: until the call
    /// returns nobody knows the newcomer's id, and a subject they share is locked.
    #[inline(never)] // its frame is large, and most calls need none of it
    fn put(
        &self,
        key: Key,
        record: &Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
        place: Option<Place<'_>>,
    ) -> Put {
        let mut page = self.spot(&record.meta).map(|spot| self.subjects.open(spot));
        let replaced = admission.replacing.map(Key::from);
        let victims = match (&page, admission.limit, &record.meta.subject) {
            (Some(page), Some(limit), Some(subject)) => {
                if self.records.view(&key, |_, there| there.meta.is_live(now)) == Some(true) {
                    return Put::Exists;
                }
                match self.excess(page, subject, replaced, limit, now) {
                    Some(victims) => victims,
                    None => return Put::Limit,
                }
            }
            _ => Vec::new(),
        };
        let leaves =
            |key| self.records.view(&key, |_, there| there.meta.is_live(now)) == Some(true);
        if place.is_none() && victims.is_empty() && !replaced.is_some_and(leaves) {
            return Put::Full;
        }
        if let Err(why_not) = self.insert(key, record, now) {
            return why_not;
        }
        // Without a place it is one too many for the moment until the victims have left.
        place.unwrap_or_else(|| self.room.squeeze_in()).keep();
        let (mut evicted, mut gone) = (Vec::new(), None);
        if let (Some(page), Some(subject)) = (&mut page, &record.meta.subject) {
            page.insert(key);
            let pull = |key| Some((key, self.pull(page, key)?));
            let ours = |key: &Key| {
                self.records.view(key, |_, there| belongs(&there.meta, subject)) == Some(true)
            };
            evicted.extend(victims.into_iter().filter_map(pull));
            gone = replaced.filter(ours).and_then(|key| self.pull(page, key));
        }
        drop(page);
        if let (Some(key), None) = (replaced, &gone) {
            gone = self.remove(key, |_| true);
        }
        let evicted = evicted.iter().filter_map(|(key, _)| key.id()).collect();
        Put::Done { evicted, replaced: gone.is_some_and(|record| record.meta.is_live(now)) }
    }

    pub(super) fn replace(
        &self,
        key: Key,
        expected: u64,
        record: &Arc<Record<T>>,
        now: Timestamp,
    ) -> Saved {
        self.tidy(now);
        let same = |there: &Meta| there.subject == record.meta.subject;
        let mut swap = self.swap(key, expected, record, now, same);
        loop {
            match swap {
                Swap::Done(old) => {
                    drop(old);
                    return Saved::Done;
                }
                Swap::Stale => return Saved::Stale,
                Swap::Gone => return Saved::Gone,
                Swap::Expired => {
                    self.remove_expired(key, now);
                    return Saved::Gone;
                }
                // It changes hands. Nothing can have been done with it before both pages are
                // open; if the owner changed meanwhile, the next attempt knows the new one.
                Swap::Elsewhere(from) => {
                    let mut both = self.subjects.open_both(from, self.spot(&record.meta));
                    let still = |there: &Meta| self.spot(there) == from;
                    swap = self.swap(key, expected, record, now, still);
                    if let Swap::Done(_) = &swap {
                        both.transfer(key);
                    }
                }
            }
        }
    }

    /// One attempt, made only if `allowed` says so of what is there.
    fn swap(
        &self,
        key: Key,
        expected: u64,
        record: &Arc<Record<T>>,
        now: Timestamp,
        allowed: impl FnOnce(&Meta) -> bool,
    ) -> Swap<T> {
        let Some(mut there) = self.records.get_mut(&key) else {
            return Swap::Gone;
        };
        if !there.meta.is_live(now) {
            return Swap::Expired;
        }
        if there.meta.version != expected {
            return Swap::Stale;
        }
        if !allowed(&there.meta) {
            return Swap::Elsewhere(self.spot(&there.meta));
        }
        record.meta.touch(there.meta.last_seen());
        Swap::Done(std::mem::replace(&mut *there, Arc::clone(record)))
    }

    #[inline]
    pub(super) fn touch(&self, key: Key, now: Timestamp) -> Saved {
        self.tidy(now);
        // Under the shard's lock, if only for reading: so it cannot fall between a replace's
        // look at the old `last_seen` and its exchange, and be lost.
        let live = self.records.view(&key, |_, record| {
            let live = record.meta.is_live(now);
            if live {
                record.meta.touch(now);
            }
            live
        });
        match live {
            Some(true) => Saved::Done,
            Some(false) => {
                self.remove_expired(key, now);
                Saved::Gone
            }
            None => Saved::Gone,
        }
    }

    pub(super) fn delete(&self, key: Key, now: Timestamp) -> bool {
        self.tidy(now);
        self.remove(key, |_| true).is_some_and(|record| record.meta.is_live(now))
    }

    /// All live sessions whose key is wanted; one shard of the map is locked at a time.
    pub(super) fn within(&self, now: Timestamp, wanted: impl Fn(Key) -> bool) -> Vec<(Id, Meta)> {
        let rows = self.records.iter();
        let rows = rows.filter(|row| wanted(*row.key()) && row.value().meta.is_live(now));
        rows.filter_map(|row| Some((row.key().id()?, row.value().meta.clone()))).collect()
    }

    /// Room for one more, after sweeping a bounded number of expired ones if there is none.
    fn find_place(&self, now: Timestamp) -> Option<Place<'_>> {
        for _ in 0..STEPS_FOR_A_PLACE {
            let place = self.room.take();
            if place.is_some() {
                return place;
            }
            let swept = self.sweep(now, STEP);
            if swept.removed == 0 && !swept.more {
                return None;
            }
        }
        self.room.take()
    }

    /// Takes a record out if it is `doomed`.
    fn remove(&self, key: Key, doomed: impl Fn(&Meta) -> bool) -> Option<Arc<Record<T>>> {
        // Most have no subject, and then there is no page to be opened first.
        let mut spot = None;
        loop {
            let mut page = spot.map(|spot| self.subjects.open(spot));
            let mut elsewhere = None;
            let removed = self.records.remove_if(&key, |_, record| {
                let found = doomed(&record.meta).then(|| self.spot(&record.meta));
                elsewhere = found.filter(|found| *found != spot);
                found == Some(spot)
            });
            if let Some((_, record)) = removed {
                if let Some(page) = &mut page {
                    page.remove(key);
                }
                self.room.leave();
                return Some(record);
            }
            spot = elsewhere?;
        }
    }

    /// Takes out a record whose subject's page is open.
    fn pull(&self, page: &mut Page<'_>, key: Key) -> Option<Arc<Record<T>>> {
        let (_, record) = self.records.remove(&key)?;
        page.remove(key);
        self.room.leave();
        Some(record)
    }

    fn spot(&self, meta: &Meta) -> Option<Spot> {
        meta.subject.as_deref().map(|subject| self.subjects.spot(subject))
    }
}

fn belongs(meta: &Meta, subject: &str) -> bool {
    meta.subject.as_deref() == Some(subject)
}

/// Shards of the map. Tables double by copying: at a million sessions that takes a shard a
/// fraction of a millisecond. An empty shard is 128 bytes.
const SHARDS: usize = 128;

/// How many entries of the queue one call looks at, at most, on its own account.
const STEP: usize = 32;

/// How many such steps a creation makes, at most, when the store is full.
const STEPS_FOR_A_PLACE: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::{Limit, Revoke, Swept};

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn put(shelf: &Shelf<u32>, subject: Option<&str>, now: u64, idle: u64) -> Key {
        let key = Id::generate().unwrap().into();
        let mut meta = Meta::new(at(now), Duration::from_millis(idle), Duration::from_secs(86_400));
        meta.subject = subject.map(Arc::from);
        let created =
            shelf.create(key, &Arc::new(Record::new(meta, 0)), Admission::OPEN, at(now)).unwrap();
        assert_eq!(created, Created::Done { evicted: Vec::new(), replaced: false });
        key
    }

    #[test]
    fn s30_a_subject_with_the_same_mark_is_told_apart() {
        let shelf = Shelf::new(usize::MAX);
        let bobs = put(&shelf, Some("bob"), 0, 60_000);
        let dead = put(&shelf, Some("bob"), 0, 10);
        let anns = put(&shelf, Some("ann"), 0, 60_000);
        // As if both hashed alike.
        for key in [bobs, dead] {
            shelf.subjects.open(shelf.subjects.spot("ann")).insert(key);
        }
        assert_eq!(shelf.count("ann", at(20)), 1);
        assert_eq!(shelf.list("ann", None, 9, at(20)).len(), 1);
        assert_eq!(shelf.revoke("ann", Revoke::All, 9, at(20)).ids, [anns.id().unwrap()]);
        let page = shelf.subjects.open(shelf.subjects.spot("ann"));
        assert_eq!(shelf.excess(&page, "ann", None, Limit::deny(1), at(20)), Some(vec![]));
        drop(page);
        assert!(shelf.load(bobs, at(20)).is_some());
    }

    #[test]
    fn the_queue_has_one_entry_per_session_however_often_it_is_extended() {
        let shelf = Shelf::new(usize::MAX);
        let keys: Vec<Key> = (0..100).map(|_| put(&shelf, Some("ann"), 0, 60_000)).collect();
        for step in 1..200 {
            let now = at(step * 20_000);
            for key in &keys {
                assert_eq!(shelf.touch(*key, now), Saved::Done);
            }
            shelf.sweep(now, 1_000);
            assert_eq!((shelf.due.entries(), shelf.room.held()), (100, 100));
        }
        for key in &keys {
            assert!(shelf.delete(*key, at(4_000_000)));
        }
        assert_eq!(shelf.due.entries(), 100, "dropped when they are looked at");
        shelf.sweep(at(4_100_000), 1_000);
        assert_eq!((shelf.due.entries(), shelf.room.held()), (0, 0));
    }

    #[test]
    fn s38_no_call_looks_at_more_than_it_may() {
        let shelf = Shelf::new(usize::MAX);
        // Live ones that are due for a look count as much as expired ones.
        for n in 0..1_000 {
            let key = put(&shelf, Some("ann"), 0, 10_000);
            if n % 2 == 0 {
                shelf.touch(key, at(9_000));
            }
        }
        let late = at(12_000);
        let due = |shelf: &Shelf<u32>| shelf.due.entries();
        let mut before = due(&shelf);
        while shelf.due.has_passed(late) {
            shelf.load(Key::FIRST, late);
            // What is put back is live, so at most a step's worth can have gone.
            assert!(before - due(&shelf) <= STEP);
            before = due(&shelf);
        }
        assert_eq!((before, shelf.room.held()), (500, 500));
        for max in [0, 1, 7, 100] {
            let swept = shelf.sweep(at(30_000), max);
            assert_eq!((swept.removed, swept.more), (max, true));
        }
    }

    #[test]
    fn s38_what_has_begun_is_swept_exactly_and_ends() {
        let shelf = Shelf::new(usize::MAX);
        // All in the bucket from 9 216 to 10 240.
        for n in 0..100 {
            put(&shelf, None, 0, if n % 2 == 0 { 9_500 } else { 10_000 });
        }
        assert_eq!(shelf.sweep(at(9_499), 1_000), Swept::new(0, false));
        assert_eq!(shelf.sweep(at(9_500), 1_000), Swept::new(50, false));
        assert_eq!(shelf.sweep(at(9_500), 10), Swept::new(0, false), "no endless round");
        assert_eq!(shelf.sweep(at(10_000), 49), Swept::new(49, true));
        assert_eq!(shelf.sweep(at(10_000), 49), Swept::new(1, false));
    }
}
