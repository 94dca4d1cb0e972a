//! The rules of a store as plain, sequential code: what [`Model`](super::Model) locks and what
//! histories are checked against.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{Admission, Created, Cursor, Revoke, Revoked, Saved, Scanned, Swept};

/// Records under ids and nothing else: no index that could disagree with them.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    pub(super) rows: BTreeMap<Id, Record<T>>,
}

impl<T: Clone> Shelf<T> {
    pub(super) const fn new() -> Self {
        Self { rows: BTreeMap::new() }
    }

    pub(super) fn load(&self, id: Id, now: Timestamp) -> Option<&Record<T>> {
        self.rows.get(&id).filter(|row| row.meta.is_live(now))
    }

    pub(super) fn create(
        &mut self,
        id: Id,
        record: Record<T>,
        admission: Admission,
        now: Timestamp,
    ) -> Created {
        if self.load(id, now).is_some() {
            return Created::Exists;
        }
        let evicted = match self.make_room(&record.meta, admission, now) {
            Ok(evicted) => evicted,
            Err(Denied) => return Created::Limit,
        };
        let replaced = admission.replacing.and_then(|id| self.rows.remove(&id));
        let replaced = replaced.is_some_and(|row| row.meta.is_live(now));
        self.rows.insert(id, record);
        Created::Done { evicted, replaced }
    }

    /// Ends what the limit makes one more session cost.
    pub(super) fn make_room(
        &mut self,
        meta: &Meta,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Vec<Id>, Denied> {
        let (Some(limit), Some(subject)) = (admission.limit, &meta.subject) else {
            return Ok(Vec::new());
        };
        let mut live = self.live_by_age(subject, now);
        live.retain(|id| Some(*id) != admission.replacing);
        let excess = (live.len() + 1).saturating_sub(limit.max);
        if excess > 0 && limit.denies() {
            return Err(Denied);
        }
        live.truncate(excess);
        self.rows.retain(|id, _| !live.contains(id));
        Ok(live)
    }

    fn live_by_age(&self, subject: &str, now: Timestamp) -> Vec<Id> {
        let mut live: Vec<_> =
            self.of(subject, now).map(|(id, row)| (row.meta.created, id)).collect();
        live.sort_unstable();
        live.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn replace(
        &mut self,
        id: Id,
        expected: u64,
        record: Record<T>,
        now: Timestamp,
    ) -> Saved {
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.meta.is_live(now)) else {
            return Saved::Gone;
        };
        if row.meta.version != expected {
            return Saved::Stale;
        }
        record.meta.touch(row.meta.last_seen());
        *row = record;
        Saved::Done
    }

    pub(super) fn touch(&self, id: Id, now: Timestamp) -> Saved {
        let Some(row) = self.load(id, now) else {
            return Saved::Gone;
        };
        row.meta.touch(now);
        Saved::Done
    }

    pub(super) fn delete(&mut self, id: Id, now: Timestamp) -> bool {
        self.rows.remove(&id).is_some_and(|row| row.meta.is_live(now))
    }

    pub(super) fn sweep(&mut self, now: Timestamp, max: usize) -> Swept {
        let due = |(id, row): (&Id, &Record<T>)| (!row.meta.is_live(now)).then_some(*id);
        let mut dead: Vec<Id> = self.rows.iter().filter_map(due).collect();
        let more = dead.len() > max;
        dead.truncate(max);
        for id in &dead {
            self.rows.remove(id);
        }
        Swept::new(dead.len(), more)
    }

    pub(super) fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Vec<(Id, Meta)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.range((from, Bound::Unbounded));
        let rows = rows.filter(|(_, row)| is_of(row, subject) && row.meta.is_live(now));
        rows.take(max).map(|(id, row)| (*id, row.meta.clone())).collect()
    }

    /// By id; the cursor is the last one seen. Expired ones count towards `max`.
    pub(super) fn scan(&self, from: Option<&Cursor>, max: usize, now: Timestamp) -> Scanned {
        let after: Option<Id> = from.and_then(|cursor| cursor.as_str().parse().ok());
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let step: Vec<_> = self.rows.range((start, Bound::Unbounded)).take(max.max(1)).collect();
        let next = step.last().map(|(id, _)| Cursor::new(id.to_string()));
        let live = step.into_iter().filter(|(_, row)| row.meta.is_live(now));
        Scanned::new(live.map(|(id, row)| (*id, row.meta.clone())).collect(), next)
    }

    pub(super) fn count(&self, subject: &str, now: Timestamp) -> usize {
        self.of(subject, now).count()
    }

    pub(super) fn revoke(
        &mut self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Revoked {
        let mut ids: Vec<Id> =
            self.of(subject, now).map(|(id, _)| id).filter(|id| which.includes(*id)).collect();
        let more = ids.len() > max;
        ids.truncate(max);
        for id in &ids {
            self.rows.remove(id);
        }
        Revoked::new(ids, more)
    }

    fn of(&self, subject: &str, now: Timestamp) -> impl Iterator<Item = (Id, &Record<T>)> {
        let rows = self.rows.iter();
        rows.filter(move |(_, row)| is_of(row, subject) && row.meta.is_live(now))
            .map(|(id, row)| (*id, row))
    }
}

/// The limit denies one more session.
#[derive(Debug)]
pub(super) struct Denied;

fn is_of<T>(row: &Record<T>, subject: &str) -> bool {
    row.meta.subject.as_deref() == Some(subject)
}
