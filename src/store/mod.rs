//! Where sessions are kept: the contract of a store, and [`MemoryStore`].
//!
//! A store is dumb on purpose. It keeps records under ids, decides every write in one atomic step
//! and reads no clock: "now" comes with each call. Renewal, replay after a conflict and tickets
//! are the layer's.
//!
//! 1. A record whose [`deadline`](crate::Meta::deadline) has come is not there: not for `load`,
//!    `replace`, `touch`, nor in a listing or count. Exactly at the deadline is too late.
//! 2. `create` never overwrites, `replace` and `touch` never create.
//! 3. What `create` replaces and evicts has ended when it answers; a refused `create` ended
//!    nobody. A crash leaves both changes or neither.
//! 4. `replace` happens only if the stored version is the expected one, and keeps the later of
//!    the two `last_seen`.
//! 5. `touch` changes `last_seen` alone: no other field, no version, no data.
//! 6. `delete` of what is not there is fine.
//! 7. A call that is dropped half way has happened or has not.
//!
//! The `testkit` feature has the suite that checks all of this; the chapter
//! [writing a store](crate::guide::writing_a_store) goes through one.
//!
//! A clone of a [`MemoryStore`], or an `Arc` of any store, is a handle to the same sessions. Give
//! one to the layer, and keep one for what is not a request's affair:
//!
//! ```
//! use std::sync::Arc;
//! use sessile::store::{MemoryStore, Store, SubjectIndex};
//! use sessile::{Clock, Key, SessionLayer, SystemClock, Values};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::StoreError> {
//! let store: Arc<dyn Store<Values>> = Arc::new(MemoryStore::new());
//! let sessions = SessionLayer::<Values>::new(Arc::clone(&store), Key::generate());
//!
//! let index = store.subjects().expect("the memory store keeps an index");
//! assert_eq!(index.count("ann", SystemClock.now().into()).await?, 0);
//! # Ok(()) }
//! ```

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "cached")]
mod cached;
mod connect;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
mod context;
#[cfg(feature = "sealed")]
mod encrypted;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis", feature = "sealed"))]
mod json;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "cached")]
pub use self::cached::{CacheOptions, CacheStats, Cached};
pub use self::connect::connect;
#[cfg(feature = "sealed")]
pub use self::encrypted::{Ciphertext, Encrypted};
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use self::redis::{RedisOptions, RedisStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteOptions, SqliteStore};
use crate::answer;
pub use crate::answer::{Answer, StoreAnswer};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::id::Id;
use crate::record::{Meta, Record};

/// Keeps records of sessions with data `T`. See the [module docs](self) for the rules.
///
/// The layer is its usual caller, but a task of yours may be one too:
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sessile::store::{Admission, MemoryStore, Saved, Store};
/// use sessile::{Id, Meta, Record, Timestamp};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, id, now) = (MemoryStore::new(), Id::generate()?, Timestamp::from_millis(0));
/// let meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// store.create(id, Arc::new(Record::new(meta, 1)), Admission::OPEN, now).await?;
///
/// let mut record = Record::clone(&*store.load(id, now).await?.expect("it is live"));
/// let expected = record.meta.version;
/// record.meta.version += 1;
/// record.data += 1;
/// let record = Arc::new(record);
/// assert_eq!(store.replace(id, expected, Arc::clone(&record), now).await?, Saved::Done);
/// assert_eq!(store.replace(id, expected, record, now).await?, Saved::Stale, "it has moved on");
///
/// assert_eq!(store.touch(id, now.plus(Duration::from_secs(50))).await?, Saved::Done);
/// assert!(store.delete(id, now).await?);
/// assert_eq!(store.touch(id, now).await?, Saved::Gone);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store for sessions with `{T}`",
    note = "`MemoryStore` keeps any session type; the layer and its store must agree on it"
)]
pub trait Store<T>: fmt::Debug + Send + Sync + 'static {
    /// The live record with this id. One that does not decode is
    /// [`StoreErrorKind::Undecodable`](crate::StoreErrorKind::Undecodable) and stays in place.
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>>;

    /// Keeps a new record, unless the id is taken (by a live record) or the subject's limit
    /// forbids it. What it replaces and evicts has ended when it answers; if it refuses, nobody's
    /// has. A store that keeps no index honours the limit all the same, or fails.
    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created>;

    /// Writes a record over the stored one, if that is live and has the `expected` version.
    /// The record's own version is one higher.
    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved>;

    /// Notes that a live session was used now. Never answers [`Saved::Stale`].
    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved>;

    /// Ends a session. Answers whether a live one was there.
    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool>;

    /// Removes at most `max` records whose deadline has come. Never blocks other calls for long.
    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept>;

    /// The index of sessions by subject, if this store keeps one. Without it,
    /// [`SessionLayer::limit`](crate::SessionLayer::limit) refuses the store.
    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        None
    }

    /// A way through all sessions, if this store has one.
    fn all(&self) -> Option<&dyn Scan> {
        None
    }

    /// What the engine says of changes that anybody makes, if it says so.
    fn changes(&self) -> Option<&dyn ChangeFeed> {
        None
    }
}

/// A store may be shared, and be one of several kinds.
impl<T: 'static, S: Store<T> + ?Sized> Store<T> for Arc<S> {
    #[inline]
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        (**self).load(id, now)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        (**self).create(id, record, admission, now)
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        (**self).replace(id, expected, record, now)
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        (**self).touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        (**self).delete(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        (**self).sweep(now, max)
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        (**self).subjects()
    }

    fn all(&self) -> Option<&dyn Scan> {
        (**self).all()
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        (**self).changes()
    }
}

/// Finds and ends the sessions of one subject: a list of devices, "log out everywhere else".
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use sessile::{Id, Meta, Record, Timestamp};
/// use sessile::store::{Admission, MemoryStore, Revoke, Revoked, Store, SubjectIndex};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let now = Timestamp::from_millis(0);
/// # let of = |subject: &str| {
/// #     let mut meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// #     meta.subject = Some(subject.into());
/// #     Arc::new(Record::new(meta, ()))
/// # };
/// let (store, here, there) = (MemoryStore::new(), Id::generate()?, Id::generate()?);
/// for id in [here, there] {
///     store.create(id, of("ann"), Admission::OPEN, now).await?; // a record of the subject `ann`
/// }
/// assert_eq!(store.count("ann", now).await?, 2);
///
/// let ended = store.revoke("ann", Revoke::Others(here), 100, now).await?;
/// assert_eq!(ended, Revoked::new(vec![there], false));
///
/// let left = store.list("ann", None, 100, now).await?;
/// assert_eq!(left.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [here]);
/// # Ok(()) }
/// ```
pub trait SubjectIndex: Send + Sync {
    /// The subject's live sessions in the order of their ids, at most `max` of them, starting
    /// after the id `after`.
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>>;

    /// How many live sessions the subject has.
    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize>;

    /// Ends live sessions of the subject, at most `max` of them, and names them. All that were
    /// there when the call began are gone when it answers (if no more than `max`); each may go at
    /// a moment of its own.
    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked>;
}

/// Goes through all sessions, step by step: for an administrator's task, never for a request.
///
/// ```
/// use std::collections::BTreeSet;
/// use sessile::store::Scan; // of a store, by `Store::all`
/// use sessile::{StoreError, Timestamp};
///
/// /// How many people have a session.
/// async fn people(scan: &dyn Scan, now: Timestamp) -> Result<usize, StoreError> {
///     let (mut people, mut from) = (BTreeSet::new(), None);
///     loop {
///         let step = scan.scan(from, 1_000, now).await?;
///         people.extend(step.sessions.into_iter().filter_map(|(_, meta)| meta.subject));
///         from = step.next;
///         if from.is_none() {
///             return Ok(people.len());
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # use std::time::Duration;
/// # use sessile::{Id, Meta, store::{Answer, Cursor, Scanned, StoreAnswer}};
/// # struct Pages;
/// # impl Scan for Pages {
/// #     fn scan(&self, from: Option<Cursor>, _: usize, now: Timestamp) -> StoreAnswer<Scanned> {
/// #         let mut meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(60));
/// #         meta.subject = Some(if from.is_some() { "ann" } else { "bob" }.into());
/// #         let next = if from.is_some() { None } else { Some(Cursor::new("2")) };
/// #         Answer::ready(Ok(Scanned::new(vec![(Id::generate().unwrap(), meta)], next)))
/// #     }
/// # }
/// # assert_eq!(people(&Pages, Timestamp::from_millis(0)).await.unwrap(), 2);
/// # }
/// ```
pub trait Scan: Send + Sync {
    /// The next live sessions, about `max` of them (a step may be empty and not the last), from
    /// the beginning or from where an earlier step said. A session that is live from the first
    /// step to the last is in at least one of them.
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned>;
}

/// Where a [`Scan`] goes on. Only the store that made it can read it, and it is text, so that a
/// page of an administrator's can carry it to the next.
///
/// ```
/// use sessile::store::Cursor;
/// let next = Cursor::new("after:8c6f4d0a");
/// assert_eq!(next.as_str().strip_prefix("after:"), Some("8c6f4d0a"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A store's own note of a place.
    pub fn new(place: impl Into<String>) -> Self {
        Self(place.into())
    }

    /// The note.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One step of a [`Scan`].
///
/// ```
/// use sessile::store::{Cursor, Scanned};
/// let nothing_here_but_go_on = Scanned::new(vec![], Some(Cursor::new("4711")));
/// assert!(nothing_here_but_go_on.next.is_some());
/// assert!(Scanned::default().next.is_none(), "the end");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Scanned {
    /// Live sessions.
    pub sessions: Vec<(Id, Meta)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Scanned {
    /// These sessions, and where to go on.
    pub const fn new(sessions: Vec<(Id, Meta)>, next: Option<Cursor>) -> Self {
        Self { sessions, next }
    }
}

/// Says which sessions were written or ended by anybody who uses the same engine.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use sessile::store::{Change, ChangeFeed};
/// use sessile::{Id, StoreError};
///
/// /// Drops outdated versions out of a cache until the channel breaks.
/// async fn follow(feed: &dyn ChangeFeed, cache: Arc<Mutex<HashMap<Id, u64>>>) -> StoreError {
///     feed.listen(Arc::new(move |change| {
///         let mut cache = cache.lock().unwrap();
///         match change {
///             Change::Alive => {}
///             Change::Written { id, version } => cache.retain(|old, at| *old != id || *at >= version),
///             Change::Changed { id } => drop(cache.remove(&id)),
///             _ => cache.clear(), // it began to listen, or no one knows what happened
///         }
///     }))
///     .await
/// }
/// # use sessile::store::Answer;
/// # struct Broken(Id);
/// # impl ChangeFeed for Broken {
/// #     fn listen(&self, tell: Arc<dyn Fn(Change) + Send + Sync>) -> Answer<StoreError> {
/// #         for version in [1, 2] { tell(Change::Written { id: self.0, version }); }
/// #         Answer::ready(StoreError::new(sessile::StoreErrorKind::Unavailable))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let (id, other) = (Id::generate().unwrap(), Id::generate().unwrap());
/// # let cache = Arc::new(Mutex::new(HashMap::from([(id, 1), (other, 1)])));
/// # follow(&Broken(id), Arc::clone(&cache)).await;
/// # assert_eq!(*cache.lock().unwrap(), HashMap::from([(other, 1)]));
/// # }
/// ```
pub trait ChangeFeed: Send + Sync {
    /// Listens for as long as the channel lasts, and tells each change. The answer is what broke
    /// the channel; whoever listens asks again, after a pause. Dropping the answer stops it.
    ///
    /// Every change that is told means that none before it was missed. A feed over several
    /// connections therefore breaks as soon as one of them does.
    fn listen(&self, tell: Arc<dyn Fn(Change) + Send + Sync>) -> Answer<StoreError>;
}

/// What a [`ChangeFeed`] tells.
///
/// ```
/// use sessile::{Id, store::Change};
/// /// Whether a copy of this session, in this version, may be outdated by the change.
/// fn is_outdated(copy: (Id, u64), change: Change) -> bool {
///     match change {
///         Change::Alive => false,
///         Change::Written { id, version } => copy.0 == id && copy.1 < version,
///         Change::Changed { id } => copy.0 == id,
///         _ => true,
///     }
/// }
/// # let id = Id::generate().unwrap();
/// # assert!(is_outdated((id, 1), Change::Written { id, version: 2 }));
/// # assert!(!is_outdated((id, 2), Change::Written { id, version: 2 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// From now on no change is missed; whatever happened before may have been.
    Listening,
    /// The channel is known to have worked a moment ago: no change before that was missed. Told
    /// at least every second while nothing else happens.
    Alive,
    /// A session was written, and has this version now.
    Written {
        /// Which one.
        id: Id,
        /// Its version.
        version: u64,
    },
    /// A session was ended, or written by somebody who does not say what.
    Changed {
        /// Which one.
        id: Id,
    },
    /// Any number of sessions were ended or changed.
    All,
}

/// Which of a subject's sessions to end.
///
/// ```
/// use sessile::{Id, store::Revoke};
/// let (here, there) = (Id::generate()?, Id::generate()?);
/// assert!(Revoke::All.includes(here) && Revoke::All.includes(there));
/// assert!(Revoke::Others(here).includes(there) && !Revoke::Others(here).includes(here));
/// assert!(Revoke::One(here).includes(here) && !Revoke::One(here).includes(there));
/// # Ok::<(), sessile::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoke {
    /// This one, if it is the subject's.
    One(Id),
    /// All but this one.
    Others(Id),
    /// All.
    All,
}

impl Revoke {
    /// Whether this session of the subject is among those to end.
    #[must_use]
    pub fn includes(self, id: Id) -> bool {
        match self {
            Self::One(one) => id == one,
            Self::Others(current) => id != current,
            Self::All => true,
        }
    }
}

/// What [`SubjectIndex::revoke`] did.
///
/// ```
/// use sessile::store::{Revoke, Revoked, SubjectIndex};
/// use sessile::{StoreError, Timestamp};
/// /// Ends all sessions of a subject, in steps that burden no store. Answers how many.
/// async fn end_all(index: &dyn SubjectIndex, who: &str, now: Timestamp) -> Result<usize, StoreError> {
///     let mut count = 0;
///     loop {
///         let Revoked { ids, more, .. } = index.revoke(who, Revoke::All, 100, now).await?;
///         count += ids.len();
///         if !more {
///             return Ok(count);
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let store = sessile::store::MemoryStore::<()>::new();
/// # assert_eq!(end_all(&store, "ann", Timestamp::from_millis(0)).await.unwrap(), 0);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoked {
    /// The sessions that were ended.
    pub ids: Vec<Id>,
    /// Whether `max` was reached and there is more to end.
    pub more: bool,
}

impl Revoked {
    /// These were ended; `more` says whether others are left to end.
    pub const fn new(ids: Vec<Id>, more: bool) -> Self {
        Self { ids, more }
    }
}

/// On what terms a new session is let in.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use sessile::{Id, Meta, Record, Timestamp};
/// use sessile::store::{Admission, Created, Limit, MemoryStore, Store};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let now = Timestamp::from_millis(0);
/// # let of = |subject: &str| {
/// #     let mut meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// #     meta.subject = Some(subject.into());
/// #     Arc::new(Record::new(meta, ()))
/// # };
/// let (store, old, new) = (MemoryStore::new(), Id::generate()?, Id::generate()?);
/// let one_each = Admission::OPEN.limited(Limit::deny(1));
/// store.create(old, of("ann"), one_each, now).await?;
///
/// assert_eq!(store.create(new, of("ann"), one_each, now).await?, Created::Limit);
/// let again = store.create(new, of("ann"), one_each.in_place_of(old), now).await?;
/// assert_eq!(again, Created::Done { evicted: vec![], replaced: true });
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admission {
    /// The session that the new one takes the place of: ended with the creation, and not counted
    /// against the limit. It is left alone if the creation is refused.
    pub replacing: Option<Id>,
    /// How many sessions the record's subject may have. Without a subject there is no limit.
    pub limit: Option<Limit>,
}

impl Admission {
    /// No limit, in place of nothing.
    pub const OPEN: Self = Self { replacing: None, limit: None };

    /// The same under a limit.
    #[must_use]
    pub const fn limited(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same in place of another session.
    #[must_use]
    pub const fn in_place_of(mut self, id: Id) -> Self {
        self.replacing = Some(id);
        self
    }
}

/// At most so many sessions per subject, and what happens to one too many.
///
/// ```
/// use sessile::store::{Excess, Limit};
/// let three_devices = Limit::evict_oldest(3);
/// assert_eq!((three_devices.max, three_devices.excess), (3, Excess::EvictOldest));
/// assert_eq!(Limit::deny(1).excess, Excess::Deny);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// How many live sessions a subject may have. With a limit of zero nobody is let in: every
    /// creation is [`Created::Limit`] and ends nobody's session, whatever `excess` says. A layer
    /// takes no such limit.
    pub max: usize,
    /// What happens when one more is created.
    pub excess: Excess,
}

impl Limit {
    /// One more than `max` ends the oldest.
    pub const fn evict_oldest(max: usize) -> Self {
        Self { max, excess: Excess::EvictOldest }
    }

    /// One more than `max` is refused.
    pub const fn deny(max: usize) -> Self {
        Self { max, excess: Excess::Deny }
    }

    /// Whether one too many is refused, rather than let in at the cost of others: so that a store
    /// needs no case of its own for a limit of zero.
    ///
    /// ```
    /// use sessile::store::Limit;
    /// assert!(Limit::deny(3).denies() && !Limit::evict_oldest(3).denies());
    /// assert!(Limit::evict_oldest(0).denies(), "there is nobody to make room for");
    /// ```
    pub const fn denies(self) -> bool {
        self.max == 0 || matches!(self.excess, Excess::Deny)
    }
}

/// What happens when a subject has one session too many.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use sessile::{Id, Meta, Record, Timestamp};
/// use sessile::store::{Admission, Created, Excess, Limit, MemoryStore, Store};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let now = Timestamp::from_millis(0);
/// # let of = |subject: &str| {
/// #     let mut meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// #     meta.subject = Some(subject.into());
/// #     Arc::new(Record::new(meta, ()))
/// # };
/// let (store, first, second) = (MemoryStore::new(), Id::generate()?, Id::generate()?);
/// let one = Admission::OPEN.limited(Limit::evict_oldest(1));
/// assert_eq!(one.limit.map(|limit| limit.excess), Some(Excess::EvictOldest));
/// store.create(first, of("ann"), one, now).await?;
/// let created = store.create(second, of("ann"), one, now).await?;
/// assert_eq!(created, Created::Done { evicted: vec![first], replaced: false });
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Excess {
    /// The new one is refused.
    Deny,
    /// The one that was created first is ended.
    EvictOldest,
}

/// What [`Store::create`] did.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use sessile::{Id, Meta, Record, Timestamp};
/// use sessile::store::{Admission, Created, MemoryStore, Store};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let now = Timestamp::from_millis(0);
/// # let of = |subject: &str| {
/// #     let mut meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// #     meta.subject = Some(subject.into());
/// #     Arc::new(Record::new(meta, ()))
/// # };
/// let (store, id) = (MemoryStore::new(), Id::generate()?);
/// let created = store.create(id, of("ann"), Admission::OPEN, now).await?;
/// assert_eq!(created, Created::Done { evicted: vec![], replaced: false });
/// let created = store.create(id, of("bob"), Admission::OPEN, now).await?;
/// assert_eq!(created, Created::Exists, "and it is ann's as before");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Created {
    /// The record is kept; these sessions of the same subject had to go for it.
    Done {
        /// Ended by [`Excess::EvictOldest`].
        evicted: Vec<Id>,
        /// Whether the session that this one takes the place of was live until now. Of several
        /// calls that replace one session, one is told so.
        replaced: bool,
    },
    /// The id is taken. What is there was not touched.
    Exists,
    /// The subject's limit is reached and denies one more.
    Limit,
}

/// What [`Store::replace`] or [`Store::touch`] did.
///
/// ```
/// use sessile::store::Saved;
/// /// What a store in SQL makes of the number of rows that an `UPDATE … WHERE id = … AND version = …`
/// /// changed, and of whether a live row with that id is there.
/// fn saved(rows: u64, is_there: bool) -> Saved {
///     match (rows, is_there) {
///         (1.., _) => Saved::Done,
///         (0, true) => Saved::Stale,
///         (0, false) => Saved::Gone,
///     }
/// }
/// # assert_eq!((saved(1, true), saved(0, true), saved(0, false)), (Saved::Done, Saved::Stale, Saved::Gone));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Saved {
    /// It is written.
    Done,
    /// Somebody else wrote in between: load again and decide anew.
    Stale,
    /// There is no live record with this id, and none was made.
    Gone,
}

/// What [`Store::sweep`] did.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use sessile::{Id, Meta, Record, Timestamp};
/// use sessile::testkit::Model;
/// use sessile::store::{Admission, Store, Swept};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let now = Timestamp::from_millis(0);
/// # let of = |subject: &str| {
/// #     let mut meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// #     meta.subject = Some(subject.into());
/// #     Arc::new(Record::new(meta, ()))
/// # };
/// let store = Model::new();
/// for _ in 0..3 {
///     store.create(Id::generate()?, of("ann"), Admission::OPEN, now).await?; // for a minute each
/// }
/// let later = now.plus(Duration::from_secs(60));
/// let mut swept = Swept::new(0, true);
/// while swept.more {
///     swept = store.sweep(later, 2).await?;
/// }
/// assert!(store.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many expired records it removed.
    pub removed: usize,
    /// Whether more may be due.
    pub more: bool,
}

impl Swept {
    /// So many removed; `more` says whether there may be others.
    pub const fn new(removed: usize, more: bool) -> Self {
        Self { removed, more }
    }
}
