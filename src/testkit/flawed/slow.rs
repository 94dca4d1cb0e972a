//! What is wrong with writes that take two steps: others get in between.

use super::{Flawed, Sample};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Record;
use crate::store::{Admission, Created, Saved, StoreAnswer};
use crate::testkit::give_way;
use crate::testkit::shelf::Denied;

impl Flawed {
    pub(super) fn create_unlocked(
        &self,
        id: Id,
        record: Record<Sample>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let store = self.clone();
        StoreAnswer::later(async move {
            let room = store.state().shelf.make_room(&record.meta, admission, now);
            give_way(2).await;
            Ok(match room {
                Err(Denied) => Created::Limit,
                Ok(evicted) => store.state().create_within(id, record, evicted, admission, now),
            })
        })
    }

    pub(super) fn create_then_end(
        &self,
        id: Id,
        record: Record<Sample>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let store = self.clone();
        StoreAnswer::later(async move {
            let first = Admission { replacing: None, ..admission };
            let created = store.state().shelf.create(id, record, first, now);
            if let (Created::Done { .. }, Some(old)) = (&created, admission.replacing) {
                give_way(2).await;
                store.state().shelf.rows.remove(&old);
            }
            Ok(created)
        })
    }

    pub(super) fn create_then_index(
        &self,
        id: Id,
        record: Record<Sample>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let store = self.clone();
        StoreAnswer::later(async move {
            let created = store.state().shelf.create(id, record, admission, now);
            if matches!(created, Created::Done { .. }) {
                store.state().hidden.insert(id);
                give_way(2).await;
                store.state().hidden.remove(&id);
            }
            Ok(created)
        })
    }

    pub(super) fn check_then_replace(
        &self,
        id: Id,
        expected: u64,
        record: Record<Sample>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let store = self.clone();
        StoreAnswer::later(async move {
            let found = store.state().shelf.load(id, now).map(|row| row.meta.version);
            give_way(2).await;
            if found.is_some_and(|version| version != expected) {
                return Ok(Saved::Stale);
            }
            let mut state = store.state();
            let current = state.shelf.load(id, now).map_or(expected, |row| row.meta.version);
            Ok(state.shelf.replace(id, current, record, now))
        })
    }

    pub(super) fn delete_then_insert(
        &self,
        id: Id,
        expected: u64,
        record: Record<Sample>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let store = self.clone();
        StoreAnswer::later(async move {
            let replaced = store.state().shelf.replace(id, expected, record, now);
            if replaced == Saved::Done {
                let row = store.state().shelf.rows.remove(&id);
                give_way(2).await;
                store.state().shelf.rows.extend(row.map(|row| (id, row)));
            }
            Ok(replaced)
        })
    }

    pub(super) fn read_then_touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        let store = self.clone();
        StoreAnswer::later(async move {
            let Some(row) = store.state().shelf.load(id, now).cloned() else {
                return Ok(Saved::Gone);
            };
            give_way(2).await;
            row.meta.touch(now);
            Ok(match store.state().shelf.rows.get_mut(&id) {
                Some(stored) => {
                    *stored = row;
                    Saved::Done
                }
                None => Saved::Gone,
            })
        })
    }
}
