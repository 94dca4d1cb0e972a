//! What is in memory, and the rules by which it gets there.
//!
//! 1. A record is read only while the feed is trusted, no write is under way in its lane, and
//!    nobody ends sessions of its subject. The lane is looked at *before* the record is: what was
//!    right when the lane was seen open is right for a call that had begun by then.
//! 2. A record is put in by who loaded or wrote it, if nobody else wrote since that call began:
//!    not this node (its other calls are known), and not another (the feed would have told).
//! 3. A record leaves with every change that the feed tells, every write of this node, and
//!    whenever nobody knows what became of a write.
//! 4. All leave when a channel opens: each record carries the era in which its call began, and
//!    one of an earlier era is not there.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::lane::{Calls, Kind, Lane, NONE};
use super::subjects::Subjects;
use super::trust::Trust;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Record;

pub(super) struct Front<T> {
    entries: Cache<Id, Entry<T>, BuildHasherDefault<OwnBits>>,
    era: AtomicU64,
    lanes: Box<[Lane]>,
    pub(super) subjects: Subjects,
    pub(super) trust: Trust,
}

struct Entry<T> {
    record: Arc<Record<T>>,
    era: u64,
    /// How long it is worth keeping.
    keep: Duration,
}

impl<T: Send + Sync + 'static> Front<T> {
    pub(super) fn new(capacity: u64, max_staleness: Duration) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::tiny_lfu())
            .expire_after(UntilItsDeadline)
            .build_with_hasher(BuildHasherDefault::default());
        Self {
            entries,
            era: AtomicU64::new(0),
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            subjects: Subjects::default(),
            trust: Trust::new(max_staleness),
        }
    }

    /// The record, if it is here and may be believed. A cached record says yes and never no: one
    /// that has expired may have been touched by another node, which nobody tells.
    #[inline]
    pub(super) fn find(&self, id: Id, now: Timestamp) -> Option<Arc<Record<T>>> {
        let lane = self.lane(id);
        let moment = self.trust.moment();
        if !self.trust.holds(moment) || lane.is_closed(moment) {
            lane.tally.bypassed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let found = if self.subjects.any_closed(moment) {
            self.open_entry(id, moment)
        } else {
            self.entry(id)
        };
        let found = found.filter(|record| record.meta.is_live(now));
        let count = if found.is_some() { &lane.tally.hits } else { &lane.tally.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// The same while some subject's sessions are being ended. They leave the cache before their
    /// subject opens, so the list of subjects must not change while this looks.
    #[cold]
    fn open_entry(&self, id: Id, moment: u64) -> Option<Arc<Record<T>>> {
        let closed = self.subjects.closed();
        let is_open = |subject: &str| !closed.includes(subject, moment);
        self.entry(id).filter(|record| record.meta.subject.as_deref().is_none_or(is_open))
    }

    pub(super) fn entry(&self, id: Id) -> Option<Arc<Record<T>>> {
        let entry = self.entries.get(&id)?;
        (entry.era == self.era()).then_some(entry.record)
    }

    /// Notes that a call begins. The lane is closed when this returns, if the call writes.
    pub(super) fn begin(&self, id: Id, kind: Kind) -> Begun {
        let lane = self.lane(id);
        let mut calls = lane.calls();
        let begun = Begun { id, kind, number: calls.begin(id, kind), era: self.era() };
        if kind == Kind::Write {
            lane.publish(&calls);
        }
        begun
    }

    /// A call has ended: does to the cache what follows from it, and then opens the lane again.
    pub(super) fn end(&self, begun: Begun, effect: Effect<T>) {
        let lane = self.lane(begun.id);
        let mut calls = lane.calls();
        let least = calls.end(begun.number);
        match effect {
            Effect::Nothing => {}
            Effect::Is(record, now) => self.put(begun, record, now, least, &calls),
            Effect::Used(now) => {
                if let Some(record) = self.entry(begun.id) {
                    record.meta.touch(now);
                }
            }
            Effect::NotThis => self.entries.invalidate(&begun.id),
            Effect::Unknown => {
                calls.distrust(self.trust.from(self.trust.moment()));
                self.entries.invalidate(&begun.id);
            }
        }
        lane.publish(&calls);
    }

    fn put(&self, begun: Begun, record: Arc<Record<T>>, now: Timestamp, least: u64, calls: &Calls) {
        let moment = self.trust.moment();
        let version = record.meta.version;
        let known = self.entry(begun.id).map_or(0, |record| record.meta.version);
        let believed = self.trust.holds(moment) && !calls.distrusts(moment);
        if believed && begun.era == self.era() && least != NONE && version >= least.max(known) {
            let keep = record.meta.deadline().since(now);
            self.entries.insert(begun.id, Entry { record, era: begun.era, keep });
        } else if begun.kind == Kind::Write || known < version {
            self.entries.invalidate(&begun.id);
        }
    }

    /// Somebody wrote this version. It may have been this node: then it is what is here.
    pub(super) fn written(&self, id: Id, version: u64) {
        let mut calls = self.lane(id).calls();
        calls.written(id, version);
        let is_old = |entry: Entry<T>| entry.record.meta.version < version;
        // Asked first, because to be told of is not to be used.
        if self.entries.contains_key(&id) && self.entries.get(&id).is_some_and(is_old) {
            self.entries.invalidate(&id);
        }
    }

    /// Somebody ended it, or changed it in a way that is not known.
    pub(super) fn changed(&self, id: Id) {
        let mut calls = self.lane(id).calls();
        calls.written(id, NONE);
        self.entries.invalidate(&id);
    }

    /// Forgets everything, and what calls under way are about to bring.
    pub(super) fn clear(&self) {
        self.era.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    /// About how many records are here.
    pub(super) fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder by the length, which is not zero")]
    fn lane(&self, id: Id) -> &Lane {
        let [.., high, low] = id.into_bytes();
        &self.lanes[usize::from(u16::from_be_bytes([high, low])) % LANES]
    }
}

/// A call that was noted and must be ended.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    id: Id,
    kind: Kind,
    number: u64,
    era: u64,
}

/// What the answer to a call says of its session.
pub(super) enum Effect<T> {
    /// Nothing that the cache did not know.
    Nothing,
    /// It is this, with no doubt about any field.
    Is(Arc<Record<T>>, Timestamp),
    /// It was used.
    Used(Timestamp),
    /// It is not what the cache has, if it has any.
    NotThis,
    /// The call failed, or nobody waited for it: it may have been done, or may be done yet.
    Unknown,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), ..*self }
    }
}

/// Frees the memory of a session that nobody comes back to. Whether it has ended is not decided
/// here.
struct UntilItsDeadline;

impl<T> Expiry<Id, Entry<T>> for UntilItsDeadline {
    fn expire_after_create(&self, _: &Id, entry: &Entry<T>, _: Instant) -> Option<Duration> {
        Some(entry.keep)
    }

    fn expire_after_update(
        &self,
        _: &Id,
        entry: &Entry<T>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep)
    }
}

/// Takes a hash from the id's own bits: they come from the operating system's generator, and no
/// id reaches a store before its ticket was verified, so nobody can choose ids that collide.
#[derive(Clone, Copy, Default)]
struct OwnBits(u64);

impl Hasher for OwnBits {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.as_chunks().0 {
            self.0 ^= u64::from_le_bytes(*eight);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// So many that few reads meet somebody else's write.
const LANES: usize = 1024;
