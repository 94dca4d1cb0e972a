//! What can be set.

use std::time::Duration;

use crate::error::ConfigError;

/// How much a [`Cached`](super::Cached) store keeps, and for how long it believes it.
///
/// | setting | default |
/// |---|---|
/// | [`capacity`](Self::capacity) | 100 000 sessions |
/// | [`max_staleness`](Self::max_staleness) | 5 seconds |
///
/// ```
/// use std::time::Duration;
/// use sessile::store::CacheOptions;
/// let options = CacheOptions::new().capacity(20_000).max_staleness(Duration::from_secs(3));
/// ```
#[derive(Clone, Debug)]
pub struct CacheOptions {
    pub(super) capacity: u64,
    pub(super) max_staleness: Duration,
}

impl CacheOptions {
    /// The defaults.
    ///
    /// ```
    /// let options = sessile::store::CacheOptions::new();
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { capacity: 100_000, max_staleness: Duration::from_secs(5) }
    }

    /// How many sessions are kept in memory. When there are more, those that are seldom used go.
    /// Each takes what its data takes and about 500 bytes.
    ///
    /// ```
    /// let options = sessile::store::CacheOptions::new().capacity(1_000_000);
    /// ```
    #[must_use]
    pub const fn capacity(mut self, sessions: u64) -> Self {
        self.capacity = sessions;
        self
    }

    /// For how long the cache is believed when the store's channel has fallen silent: the longest
    /// time for which a session that another node ended or changed can still be seen here as it
    /// was. A channel that works gives a sign of life every second, and each vouches for the time
    /// before the last one, so less than two seconds would have the cache doubted while nothing is
    /// wrong.
    ///
    /// ```
    /// use std::time::Duration;
    /// let options = sessile::store::CacheOptions::new().max_staleness(Duration::from_secs(10));
    /// ```
    #[must_use]
    pub const fn max_staleness(mut self, bound: Duration) -> Self {
        self.max_staleness = bound;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.capacity == 0 {
            return Err(ConfigError::new(
                "a cache for no sessions helps nobody: use the store without `Cached`",
            ));
        }
        if self.max_staleness.as_millis() == 0 {
            return Err(ConfigError::new(
                "a cache that may never be stale is never believed: set `max_staleness` to two \
                 seconds or more, or use the store without `Cached`",
            ));
        }
        Ok(())
    }
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self::new()
    }
}
