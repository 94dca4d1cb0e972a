//! Passing calls on, with what the script adds.

use std::sync::Arc;

use super::{Faulty, Operation};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{
    Admission, ChangeFeed, Created, Cursor, Revoke, Revoked, Saved, Scan, Scanned, Store,
    StoreAnswer, SubjectIndex, Swept,
};

impl<T: Send + Sync + 'static> Faulty<T> {
    fn relay<V: Send + 'static>(
        &self,
        operation: Operation,
        call: impl FnOnce(&dyn Store<T>) -> StoreAnswer<V> + Send + 'static,
    ) -> StoreAnswer<V> {
        let turn = self.script().turn(operation);
        if turn.is_plain() {
            return call(&*self.inner);
        }
        if let Some(kind) = turn.mere_error() {
            return StoreAnswer::ready(Err(StoreError::new(kind)));
        }
        let (inner, clock) = (Arc::clone(&self.inner), Arc::clone(&self.clock));
        StoreAnswer::later(async move { turn.run(&*clock, || call(&*inner)).await })
    }

    fn relay_to_index<V: Send + 'static>(
        &self,
        operation: Operation,
        call: impl FnOnce(&dyn SubjectIndex) -> StoreAnswer<V> + Send + 'static,
    ) -> StoreAnswer<V> {
        let missing = || StoreAnswer::ready(Err(StoreError::new(StoreErrorKind::Unavailable)));
        self.relay(operation, move |store| store.subjects().map_or_else(missing, call))
    }
}

impl<T: Send + Sync + 'static> Store<T> for Faulty<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        self.relay(Operation::Load, move |store| store.load(id, now))
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        self.relay(Operation::Create, move |store| store.create(id, record, admission, now))
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        self.relay(Operation::Replace, move |store| store.replace(id, expected, record, now))
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.relay(Operation::Touch, move |store| store.touch(id, now))
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.relay(Operation::Delete, move |store| store.delete(id, now))
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.relay(Operation::Sweep, move |store| store.sweep(now, max))
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.inner.subjects().is_some().then_some(self)
    }

    fn all(&self) -> Option<&dyn Scan> {
        self.inner.all().is_some().then_some(self)
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        self.inner.changes()
    }
}

impl<T: Send + Sync + 'static> Scan for Faulty<T> {
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned> {
        let missing = || StoreAnswer::ready(Err(StoreError::new(StoreErrorKind::Unavailable)));
        self.relay(Operation::Scan, move |store| {
            store.all().map_or_else(missing, |all| all.scan(from, max, now))
        })
    }
}

impl<T: Send + Sync + 'static> SubjectIndex for Faulty<T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        let subject = subject.to_owned();
        self.relay_to_index(Operation::List, move |index| index.list(&subject, after, max, now))
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        let subject = subject.to_owned();
        self.relay_to_index(Operation::Count, move |index| index.count(&subject, now))
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        let subject = subject.to_owned();
        self.relay_to_index(Operation::Revoke, move |index| index.revoke(&subject, which, max, now))
    }
}
