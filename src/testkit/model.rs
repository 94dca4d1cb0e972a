//! A store that is plainly right.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shelf::Shelf;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{
    Admission, Created, Cursor, Revoke, Revoked, Saved, Scan, Scanned, Store, StoreAnswer,
    SubjectIndex, Swept,
};

/// A store that is plainly right and plainly slow: one map behind one lock, no index. Other
/// stores are measured against it; do not serve with it. Its clones are the same store.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sessile::{Id, Meta, Record, Timestamp, store::{Admission, Created, Store}, testkit::Model};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, id, now) = (Model::new(), Id::generate()?, Timestamp::from_millis(0));
/// let meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// let created = store.create(id, Arc::new(Record::new(meta, "data")), Admission::OPEN, now).await?;
/// assert_eq!(created, Created::Done { evicted: vec![], replaced: false });
/// assert_eq!(store.len(), 1);
/// # Ok(()) }
/// ```
pub struct Model<T> {
    shelf: Arc<Mutex<Shelf<T>>>,
}

impl<T: Clone> Model<T> {
    /// An empty store.
    pub fn new() -> Self {
        Self { shelf: Arc::new(Mutex::new(Shelf::new())) }
    }

    /// How many records it holds, expired ones included.
    ///
    /// ```
    /// assert_eq!(sessile::testkit::Model::<()>::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.shelf().rows.len()
    }

    /// Whether it holds no record, not even an expired one.
    ///
    /// ```
    /// assert!(sessile::testkit::Model::<()>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.shelf().rows.is_empty()
    }

    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf<T>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Model<T> {
    fn clone(&self) -> Self {
        Self { shelf: Arc::clone(&self.shelf) }
    }
}

impl<T: Clone> Default for Model<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Model<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> Store<T> for Model<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        StoreAnswer::ready(Ok(self.shelf().load(id, now).cloned().map(Arc::new)))
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let record = Record::clone(&record);
        StoreAnswer::ready(Ok(self.shelf().create(id, record, admission, now)))
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let record = Record::clone(&record);
        StoreAnswer::ready(Ok(self.shelf().replace(id, expected, record, now)))
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        StoreAnswer::ready(Ok(self.shelf().touch(id, now)))
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        StoreAnswer::ready(Ok(self.shelf().delete(id, now)))
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        StoreAnswer::ready(Ok(self.shelf().sweep(now, max)))
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn all(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

impl<T: Clone + Send + Sync + 'static> Scan for Model<T> {
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned> {
        StoreAnswer::ready(Ok(self.shelf().scan(from.as_ref(), max, now)))
    }
}

impl<T: Clone + Send + Sync + 'static> SubjectIndex for Model<T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        StoreAnswer::ready(Ok(self.shelf().list(subject, after, max, now)))
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        StoreAnswer::ready(Ok(self.shelf().count(subject, now)))
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        StoreAnswer::ready(Ok(self.shelf().revoke(subject, which, max, now)))
    }
}
