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

mod admission;
#[cfg(feature = "cached")]
mod cached;
mod changes;
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
mod scan;
#[cfg(feature = "sqlite")]
mod sqlite;
mod subjects;

pub use self::admission::{Admission, Created, Excess, Limit};
#[cfg(feature = "cached")]
pub use self::cached::{CacheOptions, CacheStats, Cached};
pub use self::changes::{Change, ChangeFeed};
pub use self::connect::connect;
#[cfg(feature = "sealed")]
pub use self::encrypted::{Ciphertext, Encrypted};
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use self::redis::{RedisOptions, RedisStore};
pub use self::scan::{Cursor, Scan, Scanned};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteOptions, SqliteStore};
pub use self::subjects::{Revoke, Revoked, SubjectIndex};
use crate::answer;
pub use crate::answer::{Answer, StoreAnswer};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Record;

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
