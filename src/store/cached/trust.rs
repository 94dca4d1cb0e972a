//! How long what is in the cache may be believed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Believes the change feed for so long after the last moment of which it knows all changes.
///
/// Time is the runtime's here and not the layer's [`Clock`](crate::Clock): that a message was
/// missed has nothing to do with what time the sessions take it to be, and a wall clock that is
/// set back must not prolong the bound. Moments are milliseconds since the cache was made.
pub(super) struct Trust {
    start: Instant,
    patience: u64,
    until: AtomicU64,
}

impl Trust {
    pub(super) fn new(max_staleness: Duration) -> Self {
        Self { start: Instant::now(), patience: millis(max_staleness), until: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn moment(&self) -> u64 {
        millis(self.start.elapsed())
    }

    #[inline]
    pub(super) fn holds(&self, moment: u64) -> bool {
        moment < self.until.load(Ordering::Acquire)
    }

    /// The feed has told all that happened before this moment.
    pub(super) fn renew(&self, since: u64) {
        self.until.fetch_max(self.from(since), Ordering::AcqRel);
    }

    /// The end of the bound that begins at this moment.
    pub(super) const fn from(&self, moment: u64) -> u64 {
        moment.saturating_add(self.patience)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
