//! Sessions by whose they are.

use super::StoreAnswer;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Meta;

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
