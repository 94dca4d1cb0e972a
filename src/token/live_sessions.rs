//! Tokens end with the sessions that they were issued under.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::{Revocation, TokenIds};
use crate::answer::StoreAnswer;
use crate::clock::Timestamp;
use crate::event::{Event, Observer};
use crate::id::Id;
use crate::store::Store;

/// A token is good as long as its session is (`sid`): a log-out anywhere, an eviction, a revocation
/// through [`Sessions`](crate::Sessions) ends it. The store that all nodes share is asked, and its
/// answer used for at most [`within`](Self::within). A token without a session is refused.
///
/// A clone is a handle on the same answers. As the [`Observer`] of the session layer it learns at
/// once of every session that ends on this node.
///
/// ```
/// use std::time::Duration;
/// use sessile::Values;
/// use sessile::store::MemoryStore;
/// use sessile::token::{LiveSessions, Revocation};
/// let store = MemoryStore::<Values>::new(); // and `SessionLayer::new(store.clone(), ..)`
/// let live = LiveSessions::new(store).within(Duration::from_secs(1));
/// assert_eq!(live.staleness(), Some(Duration::from_secs(1)));
/// ```
pub struct LiveSessions<T> {
    store: Arc<dyn Store<T>>,
    within: Duration,
    known: Arc<DashMap<Id, Known>>,
}

/// What was found out about a session.
#[derive(Clone, Copy)]
enum Known {
    Live {
        until: Timestamp,
    },
    /// Sessions do not come back.
    Ended,
}

impl<T: Send + Sync + 'static> LiveSessions<T> {
    /// Asks the store of the sessions, and uses its answers for five seconds.
    pub fn new(store: impl Store<T>) -> Self {
        Self { store: Arc::new(store), within: Duration::from_secs(5), known: Arc::default() }
    }

    /// How long an answer is used. Zero asks the store for every token: with a cache in front of it
    /// that costs next to nothing.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// Refuses the tokens of a session on this node from now on, whatever was found out before: for
    /// whoever has just ended it.
    ///
    /// ```
    /// # use sessile::{Id, Values, store::MemoryStore};
    /// # let live = sessile::token::LiveSessions::new(MemoryStore::<Values>::new());
    /// # let id = Id::generate().unwrap();
    /// live.ended(id);
    /// ```
    pub fn ended(&self, session: Id) {
        self.make_room();
        self.known.insert(session, Known::Ended);
    }

    /// What is known about a session at this time.
    fn known(&self, session: Id, now: Timestamp) -> Option<bool> {
        let known = self.known.get(&session).map(|known| *known)?;
        match known {
            Known::Ended => Some(false),
            // Nor for longer than that if the clock was set back.
            Known::Live { until } => {
                (now < until && until <= now.plus(self.within)).then_some(true)
            }
        }
    }

    /// What was forgotten is asked for again.
    fn make_room(&self) {
        if self.known.len() >= MOST {
            self.known.clear();
        }
    }
}

impl<T: Send + Sync + 'static> Revocation for LiveSessions<T> {
    fn is_revoked(&self, token: &TokenIds<'_>, now: Timestamp) -> StoreAnswer<bool> {
        let Some(session) = token.session.and_then(|id| id.parse().ok()) else {
            return StoreAnswer::ready(Ok(true));
        };
        if let Some(live) = self.known(session, now) {
            return StoreAnswer::ready(Ok(!live));
        }
        let asked = self.store.load(session, now);
        match asked.now_or_later() {
            Ok(answer) => {
                StoreAnswer::ready(answer.map(|found| !self.note(session, found.is_some(), now)))
            }
            Err(later) => {
                let own = self.clone();
                StoreAnswer::later(async move {
                    let found = later.await?;
                    Ok(!own.note(session, found.is_some(), now))
                })
            }
        }
    }

    fn staleness(&self) -> Option<Duration> {
        Some(self.within)
    }
}

impl<T: Send + Sync + 'static> Observer for LiveSessions<T> {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Ended { id, .. } = event {
            self.ended(*id);
        }
    }
}

impl<T: Send + Sync + 'static> LiveSessions<T> {
    /// Keeps an answer of the store, unless the session was ended here since it was asked. Whether
    /// it is live after all.
    fn note(&self, session: Id, live: bool, asked: Timestamp) -> bool {
        if !live || self.within.is_zero() {
            return live && self.known(session, asked) != Some(false);
        }
        self.make_room();
        match self.known.entry(session) {
            Entry::Occupied(known) if matches!(known.get(), Known::Ended) => false,
            entry => {
                entry.insert(Known::Live { until: asked.plus(self.within) });
                true
            }
        }
    }
}

/// Some four megabytes.
const MOST: usize = 1 << 16;

impl<T> Clone for LiveSessions<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), within: self.within, known: Arc::clone(&self.known) }
    }
}

impl<T> fmt::Debug for LiveSessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSessions")
            .field("store", &self.store)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
