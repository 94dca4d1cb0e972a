//! On what terms a session begins, and what came of it.

use crate::id::Id;

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

/// What [`Store::create`](super::Store::create) did.
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
