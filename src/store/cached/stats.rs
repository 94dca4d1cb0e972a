//! What the cache has done so far.

use std::sync::atomic::Ordering;

use super::front::Front;

/// What a [`Cached`](super::Cached) store has done since it was made; for metrics.
///
/// ```
/// use sessile::store::CacheStats;
/// fn hit_rate(stats: &CacheStats) -> u64 {
///     100 * stats.hits / (stats.hits + stats.misses + stats.bypassed).max(1)
/// }
/// assert_eq!(hit_rate(&CacheStats::default()), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Loads that were answered from memory.
    pub hits: u64,
    /// Loads of what was not in memory, or had expired there.
    pub misses: u64,
    /// Loads that did not look into memory: the channel was silent for too long, or a write was
    /// under way. If this grows without end, the store's changes do not arrive.
    pub bypassed: u64,
    /// About how many sessions are in memory now.
    pub entries: u64,
}

impl CacheStats {
    pub(super) fn of<T: Send + Sync + 'static>(front: &Front<T>) -> Self {
        let mut stats = Self { entries: front.len(), ..Self::default() };
        for lane in front.lanes() {
            stats.hits += lane.tally.hits.load(Ordering::Relaxed);
            stats.misses += lane.tally.misses.load(Ordering::Relaxed);
            stats.bypassed += lane.tally.bypassed.load(Ordering::Relaxed);
        }
        stats
    }
}
