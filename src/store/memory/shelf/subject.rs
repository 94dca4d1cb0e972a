//! The sessions of one subject: listed, counted, limited, ended.

use super::{Shelf, belongs};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Meta;
use crate::store::memory::key::Key;
use crate::store::memory::subjects::Page;
use crate::store::{Limit, Revoke, Revoked};

impl<T> Shelf<T> {
    /// Those who must go so that one more fits; `None` if one more may not come.
    pub(super) fn excess(
        &self,
        page: &Page<'_>,
        subject: &str,
        replaced: Option<Key>,
        limit: Limit,
        now: Timestamp,
    ) -> Option<Vec<Key>> {
        let mut live = Vec::new();
        for key in page.keys(None).filter(|key| Some(*key) != replaced) {
            self.records.view(&key, |_, record| {
                if belongs(&record.meta, subject) && record.meta.is_live(now) {
                    live.push((record.meta.created, key));
                }
            });
        }
        let Some(excess) = (live.len() + 1).checked_sub(limit.max) else {
            return Some(Vec::new());
        };
        if excess > 0 && limit.denies() {
            return None;
        }
        live.sort_unstable();
        Some(live.into_iter().take(excess).map(|(_, key)| key).collect())
    }

    pub(in crate::store::memory) fn list(
        &self,
        subject: &str,
        after: Option<Key>,
        max: usize,
        now: Timestamp,
    ) -> Vec<(Id, Meta)> {
        self.tidy(now);
        let mut found = Vec::new();
        if max > 0 {
            self.walk(subject, after, now, |key, meta| {
                found.extend(key.id().map(|id| (id, meta.clone())));
                found.len() < max
            });
        }
        found
    }

    pub(in crate::store::memory) fn count(&self, subject: &str, now: Timestamp) -> usize {
        self.tidy(now);
        let mut count = 0;
        self.walk(subject, None, now, |_, _| {
            count += 1;
            true
        });
        count
    }

    /// Goes through the subject's live sessions in order, as long as `each` says so, and removes
    /// expired ones. What is seen is one state of the subject up to [`WALK`] sessions; with more,
    /// others get their turn in between.
    fn walk(
        &self,
        subject: &str,
        mut after: Option<Key>,
        now: Timestamp,
        mut each: impl FnMut(Key, &Meta) -> bool,
    ) {
        let spot = self.subjects.spot(subject);
        let mut on = true;
        while on {
            let (mut expired, mut steps) = (Vec::new(), 0);
            let page = self.subjects.open(spot);
            for key in page.keys(after).take(WALK) {
                steps += 1;
                after = Some(key);
                self.records.view(&key, |_, record| {
                    match belongs(&record.meta, subject).then(|| record.meta.is_live(now)) {
                        Some(true) => on = each(key, &record.meta),
                        Some(false) => expired.push(key),
                        // Another subject with the same mark.
                        None => {}
                    }
                });
                if !on {
                    break;
                }
            }
            drop(page);
            for key in expired {
                self.remove_expired(key, now);
            }
            on &= steps == WALK;
        }
    }

    /// One step under the subject's lock: whoever creates a session of it does so before, and the
    /// session is ended (or counted as `more`), or after.
    pub(in crate::store::memory) fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Revoked {
        self.tidy(now);
        let mut more = false;
        let mut found = Vec::new();
        let mut page = self.subjects.open(self.subjects.spot(subject));
        let mut find = |key: Key| {
            let yes = |meta: &Meta| belongs(meta, subject) && meta.is_live(now);
            if self.records.view(&key, |_, record| yes(&record.meta)) == Some(true) {
                more = found.len() == max;
                if !more {
                    found.push(key);
                }
            }
            !more
        };
        match which {
            Revoke::One(id) => {
                find(id.into());
            }
            Revoke::Others(id) => {
                page.keys(None).filter(|key| *key != id.into()).all(&mut find);
            }
            Revoke::All => {
                page.keys(None).all(&mut find);
            }
        }
        let ended: Vec<_> =
            found.into_iter().filter_map(|key| Some((key, self.pull(&mut page, key)?))).collect();
        drop(page);
        Revoked::new(ended.iter().filter_map(|(key, _)| key.id()).collect(), more)
    }
}

/// How many sessions of a subject are looked at before others get their turn.
const WALK: usize = 256;
