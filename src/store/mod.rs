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

use std::fmt;
use std::sync::Arc;

mod answer;
#[cfg(feature = "cached")]
mod cached;
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

pub use self::answer::Answer;
#[cfg(feature = "cached")]
pub use self::cached::{CacheOptions, CacheStats, Cached};
#[cfg(feature = "sealed")]
pub use self::encrypted::{Ciphertext, Encrypted};
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use self::redis::{RedisOptions, RedisStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteOptions, SqliteStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::id::Id;
use crate::record::{Meta, Record};

/// What a call on a store answers.
pub type StoreAnswer<V> = Answer<Result<V, StoreError>>;

/// Keeps records of sessions with data `T`. See the [module docs](self) for the rules.
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

    /// The index of sessions by subject, if this store keeps one.
    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        None
    }

    /// A way through all sessions, if this store has one.
    fn scan(&self) -> Option<&dyn Scan> {
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

    fn scan(&self) -> Option<&dyn Scan> {
        (**self).scan()
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        (**self).changes()
    }
}

/// Finds and ends the sessions of one subject.
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
pub trait Scan: Send + Sync {
    /// The next live sessions, about `max` of them (a step may be empty and not the last), from
    /// the beginning or from where an earlier step said. A session that is live from the first
    /// step to the last is in at least one of them.
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned>;
}

/// Where a [`Scan`] goes on. Only the store that made it can read it.
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
pub trait ChangeFeed: Send + Sync {
    /// Listens for as long as the channel lasts, and tells each change. The answer is what broke
    /// the channel; whoever listens asks again, after a pause. Dropping the answer stops it.
    fn listen(&self, tell: Arc<dyn Fn(Change) + Send + Sync>) -> Answer<StoreError>;
}

/// What a [`ChangeFeed`] tells.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoked {
    /// The sessions that were ended.
    pub ids: Vec<Id>,
    /// Whether `max` was reached and there is more to end.
    pub more: bool,
}

impl Revoked {
    /// These were ended; `more` remain.
    pub const fn new(ids: Vec<Id>, more: bool) -> Self {
        Self { ids, more }
    }
}

/// On what terms a new session is let in.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// How many live sessions a subject may have.
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
}

/// What happens when a subject has one session too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Excess {
    /// The new one is refused.
    Deny,
    /// The one that was created first is ended.
    EvictOldest,
}

/// What [`Store::create`] did.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many expired records it removed.
    pub removed: usize,
    /// Whether more may be due.
    pub more: bool,
}

impl Swept {
    /// So many removed; `more` may be due.
    pub const fn new(removed: usize, more: bool) -> Self {
        Self { removed, more }
    }
}
