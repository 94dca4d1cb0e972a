//! What is wrong with single records.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::flaw::Flaw;
use super::index::subject_key;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{Admission, Created, Limit, Saved, Swept};
use crate::testkit::sample::Sample;
use crate::testkit::shelf::{Denied, Shelf};

/// A sound shelf, and what a broken store has lying about beside it.
pub(super) struct State {
    pub(super) shelf: Shelf<Sample>,
    /// Records that were deleted.
    graves: BTreeMap<Id, Record<Sample>>,
    /// What `load` once answered.
    cache: BTreeMap<Id, Record<Sample>>,
    /// What the index has lost.
    pub(super) hidden: BTreeSet<Id>,
    /// What the index should have lost.
    pub(super) ghosts: Vec<(Arc<str>, Id, Meta)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            shelf: Shelf::new(),
            graves: BTreeMap::new(),
            cache: BTreeMap::new(),
            hidden: BTreeSet::new(),
            ghosts: Vec::new(),
        }
    }
}

impl State {
    pub(super) fn load(&mut self, flaw: Flaw, id: Id, now: Timestamp) -> Option<Record<Sample>> {
        match flaw {
            Flaw::AdoptsOnLoad if !self.shelf.rows.contains_key(&id) => {
                let meta = Meta::new(now, ADOPTED_FOR, ADOPTED_FOR);
                self.shelf.rows.insert(id, Record::new(meta, Sample::default()));
                None
            }
            Flaw::ServesExpired => self.shelf.rows.get(&id).cloned(),
            Flaw::ServesAtDeadline => {
                let row = self.shelf.rows.get(&id)?;
                (now <= row.meta.deadline()).then(|| row.clone())
            }
            Flaw::ServesStaleReads => {
                if let Some(row) = self.cache.get(&id) {
                    return Some(row.clone());
                }
                let row = self.shelf.load(id, now)?.clone();
                self.cache.insert(id, row.clone());
                Some(row)
            }
            _ => self.shelf.load(id, now).cloned(),
        }
    }

    pub(super) fn create(
        &mut self,
        flaw: Flaw,
        id: Id,
        record: Record<Sample>,
        admission: Admission,
        now: Timestamp,
    ) -> Created {
        let admission = self.misread(flaw, id, admission);
        let room = match flaw {
            Flaw::RefusesExpiredIds if self.shelf.rows.contains_key(&id) => return Created::Exists,
            Flaw::LimitIgnored => Ok(Vec::new()),
            Flaw::EvictsNewest => self.make_room_among_newest(&record.meta, admission, now),
            Flaw::EvictsBeforeExists => self.shelf.make_room(&record.meta, admission, now),
            Flaw::LimitCountsExpired => self.shelf.make_room(&record.meta, admission, LONG_AGO),
            Flaw::CountsReplaced => {
                self.shelf.make_room(&record.meta, Admission { replacing: None, ..admission }, now)
            }
            _ => return self.create_soundly(flaw, id, record, admission, now),
        };
        match room {
            Err(Denied) => Created::Limit,
            Ok(evicted) => self.create_within(id, record, evicted, admission, now),
        }
    }

    /// What such a store does before it looks, and what it makes of what it was told.
    fn misread(&mut self, flaw: Flaw, id: Id, admission: Admission) -> Admission {
        let doomed = match flaw {
            Flaw::OverwritesOnCreate => Some(id),
            Flaw::EndsReplacedWhenRefused => admission.replacing,
            _ => None,
        };
        doomed.and_then(|id| self.shelf.rows.remove(&id));
        match flaw {
            Flaw::KeepsReplaced => Admission { replacing: None, ..admission },
            Flaw::LimitOfNoneIsOne => {
                let one = |limit: Limit| Limit { max: limit.max.max(1), ..limit };
                Admission { limit: admission.limit.map(one), ..admission }
            }
            _ => admission,
        }
    }

    /// Inserts when others have been evicted already.
    pub(super) fn create_within(
        &mut self,
        id: Id,
        record: Record<Sample>,
        evicted: Vec<Id>,
        admission: Admission,
        now: Timestamp,
    ) -> Created {
        match self.shelf.create(id, record, Admission { limit: None, ..admission }, now) {
            Created::Done { replaced, .. } => Created::Done { evicted, replaced },
            other => other,
        }
    }

    fn create_soundly(
        &mut self,
        flaw: Flaw,
        id: Id,
        record: Record<Sample>,
        admission: Admission,
        now: Timestamp,
    ) -> Created {
        match self.shelf.create(id, record, admission, now) {
            Created::Done { replaced, .. } if flaw == Flaw::EvictsSilently => {
                Created::Done { evicted: Vec::new(), replaced }
            }
            other => other,
        }
    }

    fn make_room_among_newest(
        &mut self,
        meta: &Meta,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Vec<Id>, Denied> {
        let (Some(limit), Some(subject)) = (admission.limit, &meta.subject) else {
            return Ok(Vec::new());
        };
        let mut live = self.shelf.list(subject, None, usize::MAX, now);
        live.retain(|(id, _)| Some(*id) != admission.replacing);
        let excess = (live.len() + 1).saturating_sub(limit.max);
        if excess > 0 && limit.denies() {
            return Err(Denied);
        }
        live.sort_by_key(|(id, meta)| Reverse((meta.created, *id)));
        let evicted: Vec<Id> = live.into_iter().take(excess).map(|(id, _)| id).collect();
        self.shelf.rows.retain(|id, _| !evicted.contains(id));
        Ok(evicted)
    }

    pub(super) fn replace(
        &mut self,
        flaw: Flaw,
        id: Id,
        expected: u64,
        mut record: Record<Sample>,
        now: Timestamp,
    ) -> Saved {
        let Some(old) = self.shelf.load(id, now).cloned() else {
            return match flaw {
                Flaw::AdoptsOnReplace => {
                    self.shelf.rows.insert(id, record);
                    Saved::Done
                }
                Flaw::AnswersDoneWhenGone => Saved::Done,
                _ => Saved::Gone,
            };
        };
        let expected = if flaw == Flaw::IgnoresVersion { old.meta.version } else { expected };
        match flaw {
            Flaw::MergesTags => record.data.tags.extend(old.data.tags.clone()),
            Flaw::DropsContextOnReplace => record.meta.context = None,
            Flaw::KeepsFirstDeadline => record.meta.absolute = old.meta.absolute,
            _ => {}
        }
        let given = record.clone();
        let saved = self.shelf.replace(id, expected, record, now);
        if saved == Saved::Done {
            self.after_replace(flaw, id, old, given);
        }
        saved
    }

    fn after_replace(&mut self, flaw: Flaw, id: Id, old: Record<Sample>, given: Record<Sample>) {
        match (flaw, old.meta.subject.clone()) {
            (Flaw::LosesLastSeenOnReplace, _) => drop(self.shelf.rows.insert(id, given)),
            (Flaw::IndexForgetsOnReplace, _) => drop(self.hidden.insert(id)),
            (Flaw::IndexKeepsOldSubject, Some(subject))
                if given.meta.subject != old.meta.subject =>
            {
                self.ghosts.push((subject, id, old.meta));
            }
            _ => {}
        }
    }

    pub(super) fn touch(&mut self, flaw: Flaw, id: Id, now: Timestamp) -> Saved {
        let live = self.shelf.load(id, now).is_some();
        match (flaw, live) {
            (Flaw::TouchDoesNothing, true) | (Flaw::AnswersDoneWhenGone, false) => Saved::Done,
            (Flaw::ResurrectsOnTouch, false) => self.dig_up(id),
            (Flaw::RevivesExpiredOnTouch, false) => self.shelf.touch(id, LONG_AGO),
            (Flaw::TouchMovesBackwards, true) => self.alter(id, |meta| *meta = seen_at(meta, now)),
            (Flaw::TouchBumpsVersion, true) => self.alter(id, |meta| meta.version += 1),
            (Flaw::TouchExtendsAbsolute, true) => self.alter(id, |meta| {
                meta.touch(now);
                meta.absolute = meta.absolute.max(now.plus(meta.idle()));
            }),
            _ => self.shelf.touch(id, now),
        }
    }

    fn dig_up(&mut self, id: Id) -> Saved {
        let Some(record) = self.graves.remove(&id) else {
            return Saved::Gone;
        };
        self.shelf.rows.insert(id, record);
        Saved::Done
    }

    fn alter(&mut self, id: Id, change: impl FnOnce(&mut Meta)) -> Saved {
        self.shelf.rows.get_mut(&id).map_or(Saved::Gone, |row| {
            change(&mut row.meta);
            Saved::Done
        })
    }

    pub(super) fn delete(&mut self, flaw: Flaw, id: Id, now: Timestamp) -> bool {
        if let Some(row) = self.shelf.rows.get(&id) {
            if let (Flaw::DeleteKeepsIndex, Some(subject)) = (flaw, &row.meta.subject) {
                self.ghosts.push((Arc::clone(subject), id, row.meta.clone()));
            }
            self.graves.insert(id, row.clone());
        }
        self.shelf.delete(id, now)
    }

    pub(super) fn sweep(&mut self, flaw: Flaw, now: Timestamp, max: usize) -> Swept {
        match flaw {
            Flaw::SweepDoesNothing => Swept::new(0, false),
            Flaw::SweepRemovesLive => self.shelf.sweep(Timestamp::from_millis(u64::MAX), max),
            Flaw::SweepIgnoresBound => self.shelf.sweep(now, usize::MAX),
            _ => self.shelf.sweep(now, max),
        }
    }
}

/// What of a record reaches the store.
pub(super) fn mangled(flaw: Flaw, record: &Record<Sample>) -> Record<Sample> {
    let Record { mut meta, mut data } = record.clone();
    meta.subject = meta.subject.map(|subject| subject_key(flaw, &subject).into());
    match flaw {
        Flaw::ForgetsPersistent => meta.persistent = false,
        Flaw::ForgetsGeneration => meta.generation = 0,
        Flaw::ForgetsConfirmed => meta.confirmed = true,
        Flaw::ForgetsContext => meta.context = None,
        Flaw::RoundsTimes => {
            for time in [&mut meta.renewed, &mut meta.authenticated, &mut meta.absolute] {
                *time = Timestamp::from_millis(time.as_millis() / 1_000 * 1_000);
            }
        }
        Flaw::TruncatesData => {
            data.blob = data.blob.chars().take(65_535).collect();
        }
        _ => {}
    }
    Record::new(meta, data)
}

/// The same, last used at this time even if that is earlier than before.
fn seen_at(meta: &Meta, at: Timestamp) -> Meta {
    let mut seen = Meta::new(at, meta.idle(), Duration::ZERO);
    (seen.version, seen.generation) = (meta.version, meta.generation);
    (seen.confirmed, seen.persistent) = (meta.confirmed, meta.persistent);
    (seen.renewed, seen.created) = (meta.renewed, meta.created);
    (seen.authenticated, seen.absolute) = (meta.authenticated, meta.absolute);
    seen.subject.clone_from(&meta.subject);
    seen.context.clone_from(&meta.context);
    seen
}

/// Every record is live then.
pub(super) const LONG_AGO: Timestamp = Timestamp::from_millis(0);
const ADOPTED_FOR: Duration = Duration::from_secs(60);
