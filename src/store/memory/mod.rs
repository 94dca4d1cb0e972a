//! Sessions in the memory of this process.
//!
//! 1. A hit clones an `Arc`: nothing is serialised, copied or allocated, and every answer is
//!    there at once.
//! 2. A session is gone the moment its deadline has come. Its memory follows: every call looks
//!    whether something is due and, if so, removes a few sessions, so that a store in use cleans
//!    itself without a background task and without a pause. [`Store::sweep`] does the same on
//!    demand, for a store that may stand idle.
//! 3. The sessions of a subject are indexed; those without one do not pay for it. Limits,
//!    revocation and creation are atomic against each other for each subject.
//! 4. Nothing survives a restart and nothing is shared between processes.

use std::fmt;
use std::sync::Arc;

use self::shelf::Shelf;
use self::slice::Slice;
use super::answer::Answer;
use super::{
    Admission, Created, Cursor, Revoke, Revoked, Saved, Scan, Scanned, Store, StoreAnswer,
    SubjectIndex, Swept,
};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::{Meta, Record};

mod due;
mod key;
mod padded;
mod room;
mod shelf;
mod slice;
mod subjects;

/// Keeps sessions in the memory of this process. Clones share what they hold.
///
/// A session found in it is answered without a future, a lock held, or a copy of the data.
/// Expired sessions are removed a few at a time by the calls that come in; no call sweeps more
/// than 32 unasked, whatever number expires at once. When the process ends, so do the sessions.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sessile::store::{Admission, Created, MemoryStore, Store};
/// use sessile::{Id, Meta, Record, Timestamp};
///
/// let store = MemoryStore::new();
/// let start = Timestamp::from_millis(0);
/// let meta = Meta::new(start, Duration::from_secs(60), Duration::from_secs(600));
/// let id = Id::generate()?;
///
/// let created = store.create(id, Arc::new(Record::new(meta, "hello")), Admission::OPEN, start);
/// assert_eq!(created.now_or_later().unwrap()?, Created::Done { evicted: vec![], replaced: false });
///
/// let found = store.load(id, start).now_or_later().unwrap()?;
/// assert_eq!(found.unwrap().data, "hello");
///
/// let a_minute_later = start.plus(Duration::from_secs(60));
/// assert!(store.load(id, a_minute_later).now_or_later().unwrap()?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryStore<T> {
    shelf: Arc<Shelf<T>>,
}

impl<T> MemoryStore<T> {
    /// An empty store that takes as many sessions as there is memory for.
    ///
    /// ```
    /// use sessile::store::MemoryStore;
    /// let store = MemoryStore::<String>::new();
    /// assert!(store.is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(usize::MAX)
    }

    /// An empty store that holds at most this many sessions. Nothing is allocated in advance.
    ///
    /// When it is full, creating a session first removes expired ones, a bounded number of them.
    /// If that makes no room it fails with
    /// [`StoreErrorKind::Full`](crate::StoreErrorKind::Full): nobody's live session is dropped
    /// for somebody else's.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use sessile::{Id, Meta, Record, StoreErrorKind, Timestamp};
    /// # use sessile::store::{Admission, MemoryStore, Store};
    /// # let now = Timestamp::from_millis(0);
    /// # let record = || Arc::new(Record::new(Meta::new(now, Duration::MAX, Duration::MAX), ()));
    /// let store = MemoryStore::with_capacity(1);
    /// let first = store.create(Id::generate()?, record(), Admission::OPEN, now).now_or_later().unwrap();
    /// let second = store.create(Id::generate()?, record(), Admission::OPEN, now).now_or_later().unwrap();
    /// assert!(first.is_ok());
    /// assert_eq!(second.unwrap_err().kind(), StoreErrorKind::Full);
    /// # Ok::<(), sessile::Error>(())
    /// ```
    #[must_use]
    pub fn with_capacity(max_sessions: usize) -> Self {
        Self { shelf: Arc::new(Shelf::new(max_sessions)) }
    }

    /// How many sessions are held, expired ones that were not removed yet included.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use sessile::{Id, Meta, Record, Timestamp};
    /// use sessile::store::{Admission, MemoryStore, Store};
    /// # let now = Timestamp::from_millis(0);
    /// # let record = Record::new(Meta::new(now, Duration::from_secs(60), Duration::MAX), ());
    /// let (store, id) = (MemoryStore::new(), Id::generate()?);
    /// drop(store.create(id, Arc::new(record), Admission::OPEN, now)); // done at once
    /// assert_eq!(store.len(), 1);
    /// # Ok::<(), sessile::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.shelf.room.held()
    }

    /// Whether none is held, not even an expired one.
    ///
    /// ```
    /// use sessile::store::MemoryStore;
    /// assert!(MemoryStore::<String>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Send + Sync + 'static> Store<T> for MemoryStore<T> {
    #[inline]
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        Answer::ready(Ok(self.shelf.load(id.into(), now)))
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        Answer::ready(self.shelf.create(id.into(), &record, admission, now))
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        Answer::ready(Ok(self.shelf.replace(id.into(), expected, &record, now)))
    }

    #[inline]
    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        Answer::ready(Ok(self.shelf.touch(id.into(), now)))
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        Answer::ready(Ok(self.shelf.delete(id.into(), now)))
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        Answer::ready(Ok(self.shelf.sweep(now, max)))
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn all(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

/// Every step walks over all keys (some 10 ms for a million) and looks closely at one slice.
impl<T: Send + Sync> Scan for MemoryStore<T> {
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned> {
        let slice = match from {
            Some(cursor) => Slice::read(&cursor),
            None => Some(Slice::first(self.len() / max.max(1))),
        };
        let Some(slice) = slice else {
            // Not a cursor of ours: there is nothing after it.
            return Answer::ready(Ok(Scanned::default()));
        };
        let sessions = self.shelf.within(now, |key| slice.has(key));
        Answer::ready(Ok(Scanned::new(sessions, slice.next())))
    }
}

impl<T: Send + Sync> SubjectIndex for MemoryStore<T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        Answer::ready(Ok(self.shelf.list(subject, after.map(Into::into), max, now)))
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        Answer::ready(Ok(self.shelf.count(subject, now)))
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        Answer::ready(Ok(self.shelf.revoke(subject, which, max, now)))
    }
}

impl<T> Clone for MemoryStore<T> {
    fn clone(&self) -> Self {
        Self { shelf: Arc::clone(&self.shelf) }
    }
}

impl<T> Default for MemoryStore<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the number of sessions, and nothing of them.
impl<T> fmt::Debug for MemoryStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("len", &self.len()).finish_non_exhaustive()
    }
}
