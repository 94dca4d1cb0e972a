//! What an engine says of changes that others make.

use std::sync::Arc;

use super::Answer;
use crate::error::StoreError;
use crate::id::Id;

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
    /// The channel works: every change that was answered before the last `Listening` or `Alive`
    /// was told, and perhaps later ones, have been told. Told at least every second, whatever
    /// else is told. A feed that asks its engine for a sign of life therefore asks after it has
    /// told the one before, and tells what comes in front of the answer first.
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
