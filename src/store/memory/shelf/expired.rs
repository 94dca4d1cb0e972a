//! Sessions that have expired leave, a few with each call or as many as a sweep is told.

use super::{STEP, Shelf};
use crate::clock::Timestamp;
use crate::store::Swept;
use crate::store::memory::key::Key;

impl<T> Shelf<T> {
    pub(in crate::store::memory) fn sweep(&self, now: Timestamp, max: usize) -> Swept {
        let (mut removed, mut left) = (0, max);
        while left > 0 {
            let keys = self.due.take_passed(now, left.min(STEP));
            if keys.is_empty() {
                break;
            }
            left -= keys.len();
            let (gone, later) = self.examine(keys, now);
            removed += gone;
            self.due.extend(later, now);
        }
        if left == 0 {
            return Swept::new(removed, self.due.has_begun(now));
        }
        // The bucket that has only begun is asked for by those who sweep on purpose. What is
        // still live there is put back at the end, since it would come out again at once.
        let (mut begun, mut still) = (0, Vec::new());
        while left > 0 {
            let keys = self.due.take_begun(now, left.min(STEP));
            if keys.is_empty() {
                break;
            }
            left -= keys.len();
            let (gone, later) = self.examine(keys, now);
            begun += gone;
            still.extend(later);
        }
        if !still.is_empty() {
            self.due.extend(still, now);
        }
        Swept::new(removed + begun, left == 0 && begun > 0)
    }

    /// Cleans up a little if something is due: one load when nothing is.
    #[inline]
    pub(super) fn tidy(&self, now: Timestamp) {
        if self.due.has_passed(now) {
            self.tidy_step(now);
        }
    }

    #[cold]
    fn tidy_step(&self, now: Timestamp) {
        let keys = self.due.try_take_passed(now, STEP);
        let (_, later) = self.examine(keys, now);
        if !later.is_empty() {
            self.due.extend(later, now);
        }
    }

    /// Removes those that have expired; says how many, and when to look at the live ones again.
    fn examine(&self, keys: Vec<Key>, now: Timestamp) -> (usize, Vec<(Key, Timestamp)>) {
        // Large enough that glibc's allocator uses the occasion to merge the small pieces freed
        // so far. Otherwise it does so when they are a million, and that takes it 20 ms.
        let mut later = Vec::with_capacity(LATER);
        let mut removed = 0;
        for key in keys {
            // Again if a touch came between the look and the removal.
            while let Some(deadline) = self.records.view(&key, |_, r| r.meta.deadline()) {
                if now < deadline {
                    later.push((key, deadline));
                    break;
                }
                if self.remove(key, |meta| !meta.is_live(now)).is_some() {
                    removed += 1;
                    break;
                }
            }
        }
        (removed, later)
    }

    /// What was once seen expired is removed there and then, so that a clock which jumps back
    /// revives nothing.
    #[cold]
    pub(super) fn remove_expired(&self, key: Key, now: Timestamp) {
        drop(self.remove(key, |meta| !meta.is_live(now)));
    }
}

/// Room for what a step puts back: at 24 bytes each, more than the kilobyte that makes a request
/// large for the allocator.
const LATER: usize = 2 * STEP;
