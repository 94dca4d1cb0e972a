//! Sessions of another store, kept in the memory of this process while they are used.
//!
//! 1. A hit clones an `Arc` and is answered at once: no round trip, no future.
//! 2. The store behind decides every write. What it says is what happens; the cache only follows.
//! 3. What this node wrote or ended, it sees at once. What another node wrote or ended, it sees
//!    when the store's [changes](crate::store::ChangeFeed) tell, normally within milliseconds,
//!    and after [`max_staleness`](CacheOptions::max_staleness) even if the channel is dead and
//!    nobody noticed.
//! 4. Only the data of live sessions is cached: never that there is none, and no list of a
//!    subject's sessions.
//! 5. A stale read never becomes a lost update. A write made from it is refused by the store
//!    behind as [`Saved::Stale`], the entry goes, and the layer repeats the update on what it then
//!    loads.
//!
//! When the channel breaks, what is in memory may be used for the rest of the bound. Then every
//! load goes to the store behind, until the channel is there again; it starts with nothing cached.

mod call;
mod front;
mod lane;
mod listener;
mod options;
mod stats;
mod subjects;
mod trust;

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use self::call::{Call, Purge, settle};
use self::front::{Effect, Front};
use self::lane::Kind;
use self::listener::Listener;
pub use self::options::CacheOptions;
pub use self::stats::CacheStats;
use super::answer::Answer;
use super::{
    Admission, ChangeFeed, Created, Revoke, Revoked, Saved, Scan, Store, StoreAnswer, SubjectIndex,
    Swept,
};
use crate::clock::Timestamp;
use crate::error::{ConfigError, StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record};

/// A store with a cache in the memory of this process before it. Clones share both.
///
/// The store must say what changes ([`Store::changes`]), or nobody here would learn that a session
/// was ended elsewhere. Guards and handlers may see a session for up to
/// [`max_staleness`](CacheOptions::max_staleness) after another node changed or ended it, and
/// usually do not see it a few milliseconds later; [`session.update`](crate::Session::update) is
/// never made on old data. If even that is too long for some purpose, give that route a layer over
/// the store itself.
///
/// Times of last use may lag behind while other nodes serve the same session, because uses are not
/// announced; a session is never ended for that, since the store behind is asked first.
///
/// Before an `Encrypted` store, not behind it: then the plain data is in this memory only.
///
/// ```no_run
/// use sessile::store::{Cached, Store};
/// # fn example(postgres: impl Store<String>) -> Result<(), sessile::ConfigError> {
/// let store = Cached::new(postgres)?; // within a tokio runtime
/// assert_eq!(store.stats().hits, 0);
/// # Ok(()) }
/// ```
pub struct Cached<S, T: Send + Sync + 'static> {
    shared: Arc<Shared<S, T>>,
}

struct Shared<S, T: Send + Sync + 'static> {
    store: Arc<S>,
    front: Arc<Front<T>>,
    _listener: Listener,
}

impl<S: Store<T>, T: Send + Sync + 'static> Cached<S, T> {
    /// A cache before this store, with the default [`CacheOptions`]. It starts a task that
    /// listens to the store's changes and ends with the last clone.
    ///
    /// ```
    /// use sessile::store::{Cached, MemoryStore};
    /// let error = Cached::new(MemoryStore::<String>::new()).unwrap_err();
    /// assert!(error.to_string().contains("does not say what changes"));
    /// ```
    ///
    /// # Errors
    /// When the store does not say what changes, or when this is called outside a tokio runtime.
    pub fn new(store: S) -> Result<Self, ConfigError> {
        Self::with_options(store, &CacheOptions::new())
    }

    /// The same with options of your own.
    ///
    /// ```no_run
    /// use sessile::store::{CacheOptions, Cached, Store};
    /// # fn example(postgres: impl Store<String>) -> Result<(), sessile::ConfigError> {
    /// let store = Cached::with_options(postgres, &CacheOptions::new().capacity(10_000))?;
    /// # let _ = store; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The same, and when an option makes no sense.
    pub fn with_options(store: S, options: &CacheOptions) -> Result<Self, ConfigError> {
        options.check()?;
        if store.changes().is_none() {
            return Err(ConfigError::new(
                "this store does not say what changes, so a cache would go on serving sessions \
                 that another node ended: turn its announcements on, or use it without `Cached`",
            ));
        }
        let runtime = Handle::try_current().map_err(|_| {
            ConfigError::new(
                "`Cached` listens in a task: make it within a tokio runtime, for example in `main` \
                 under `#[tokio::main]`",
            )
        })?;
        let store = Arc::new(store);
        let front = Arc::new(Front::new(options.capacity, options.max_staleness));
        let (behind, cache) = (Arc::clone(&store), Arc::clone(&front));
        let listener = Listener::spawn(&runtime, behind, cache, options.max_staleness);
        Ok(Self { shared: Arc::new(Shared { store, front, _listener: listener }) })
    }
}

impl<S, T: Send + Sync + 'static> Cached<S, T> {
    /// What the cache has done so far.
    ///
    /// ```no_run
    /// # fn example(store: sessile::store::Cached<(), String>) {
    /// let stats = store.stats();
    /// println!("{} of {} loads from memory", stats.hits, stats.hits + stats.misses);
    /// # }
    /// ```
    pub fn stats(&self) -> CacheStats {
        CacheStats::of(&self.shared.front)
    }

    fn begin(&self, id: Id, kind: Kind) -> Call<S, T> {
        Call::begin(&self.shared, id, kind)
    }
}

impl<S: Store<T>, T: Send + Sync + 'static> Cached<S, T> {
    /// Asks the store behind, and keeps what it answers.
    fn miss(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        let call = self.begin(id, Kind::Load);
        settle(self.shared.store.load(id, now), move |loaded| match loaded {
            Ok(Some(record)) => call.end(Effect::Is(Arc::clone(record), now)),
            Ok(None) => call.end(Effect::NotThis),
            Err(_) => call.end(Effect::Nothing),
        })
    }
}

impl<S: Store<T>, T: Send + Sync + 'static> Store<T> for Cached<S, T> {
    #[inline]
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        match self.shared.front.find(id, now) {
            Some(record) => Answer::ready(Ok(Some(record))),
            None => self.miss(id, now),
        }
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let call = self.begin(id, Kind::Write);
        let replaced = admission.replacing.map(|id| self.begin(id, Kind::Write));
        let subject = record.meta.subject.as_ref().filter(|_| admission.limit.is_some());
        let purge = subject.map(|subject| Purge::begin(&self.shared, Arc::clone(subject)));
        let answer = self.shared.store.create(id, Arc::clone(&record), admission, now);
        settle(answer, move |created| match created {
            Ok(Created::Done { evicted, .. }) => {
                purge.into_iter().for_each(|purge| purge.end(evicted));
                replaced.into_iter().for_each(|call| call.end(Effect::NotThis));
                call.end(Effect::Is(record, now));
            }
            Ok(Created::Exists | Created::Limit) => {
                purge.into_iter().for_each(|purge| purge.end(&[]));
                replaced.into_iter().for_each(|call| call.end(Effect::Nothing));
                call.end(Effect::Nothing);
            }
            Err(_) => {} // dropped, as a call whose answer nobody knows
        })
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let call = self.begin(id, Kind::Write);
        let before = self.shared.front.entry(id).filter(|old| old.meta.version == expected);
        let answer = self.shared.store.replace(id, expected, Arc::clone(&record), now);
        settle(answer, move |saved| match (saved, before) {
            (Ok(Saved::Done), Some(before)) => {
                // The store kept the later of both, and so does the cache.
                record.meta.touch(before.meta.last_seen());
                call.end(Effect::Is(record, now));
            }
            // When it was last used is known to the store alone; or the entry was the reason that
            // the write was refused, and the next load must not find it.
            (Ok(_), _) => call.end(Effect::NotThis),
            (Err(_), _) => {} // dropped, as a call whose answer nobody knows
        })
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        let call = self.begin(id, Kind::Write);
        settle(self.shared.store.touch(id, now), move |saved| match saved {
            Ok(Saved::Done) => call.end(Effect::Used(now)),
            Ok(Saved::Stale | Saved::Gone) => call.end(Effect::NotThis),
            Err(_) => {} // dropped, as a call whose answer nobody knows
        })
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        let call = self.begin(id, Kind::Write);
        settle(self.shared.store.delete(id, now), move |deleted| {
            if deleted.is_ok() {
                call.end(Effect::NotThis);
            }
        })
    }

    /// Nothing is done to the cache: a record that the store behind takes for expired is expired
    /// here too, where the same deadline or an earlier one is known.
    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.shared.store.sweep(now, max)
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.shared.store.subjects().is_some().then_some(self)
    }

    fn scan(&self) -> Option<&dyn Scan> {
        self.shared.store.scan()
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        self.shared.store.changes()
    }
}

impl<S: Store<T>, T: Send + Sync + 'static> SubjectIndex for Cached<S, T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        self.index().map_or_else(missing, |index| index.list(subject, after, max, now))
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        self.index().map_or_else(missing, |index| index.count(subject, now))
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        let purge = Purge::begin(&self.shared, subject.into());
        let answer =
            self.index().map_or_else(missing, |index| index.revoke(subject, which, max, now));
        settle(answer, move |revoked| {
            if let Ok(revoked) = revoked {
                purge.end(&revoked.ids);
            }
        })
    }
}

impl<S: Store<T>, T: Send + Sync + 'static> Cached<S, T> {
    fn index(&self) -> Option<&dyn SubjectIndex> {
        self.shared.store.subjects()
    }
}

/// Nobody gets here: there is an index before there is anybody to ask it.
fn missing<V>() -> StoreAnswer<V> {
    Answer::ready(Err(StoreError::new(StoreErrorKind::Unavailable)))
}

impl<S, T: Send + Sync + 'static> Clone for Cached<S, T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Shows the store behind and what the cache has done; nothing of any session.
impl<S: fmt::Debug, T: Send + Sync + 'static> fmt::Debug for Cached<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("store", &self.shared.store)
            .field("stats", &self.stats())
            .finish()
    }
}
