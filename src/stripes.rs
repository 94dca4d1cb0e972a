//! One shared value, counted apart for each thread.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Several equal copies of a value, each behind a reference count of its own.
///
/// Every request holds a reference to its layer's configuration. With one count, all cores would
/// write one cache line twice per request, and two threads on different sessions would run at half
/// speed. Threads are spread over the copies instead. The copies are made once and never change.
pub(crate) struct Stripes<V>(Arc<[Arc<V>]>);

impl<V: Clone> Stripes<V> {
    pub(crate) fn new(value: &V) -> Self {
        let threads = available_parallelism().map_or(1, usize::from);
        let stripes = threads.next_power_of_two().min(MOST);
        Self((0..stripes).map(|_| Arc::new(value.clone())).collect())
    }
}

impl<V> Deref for Stripes<V> {
    type Target = Arc<V>;

    /// This thread's copy.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked to the length, a power of two")]
    fn deref(&self) -> &Arc<V> {
        &self.0[THREAD.with(Cell::get) & (self.0.len() - 1)]
    }
}

impl<V> Clone for Stripes<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

thread_local! {
    /// Threads are numbered as they come.
    static THREAD: Cell<usize> = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Cell::new(NEXT.fetch_add(1, Ordering::Relaxed))
    };
}

const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_copy_and_all_are_equal() {
        let stripes = Stripes::new(&7);
        assert!(Arc::ptr_eq(&stripes, &stripes.clone()));
        let seen: Vec<_> = (0..8)
            .map(|_| std::thread::scope(|scope| scope.spawn(|| **stripes).join().unwrap()))
            .collect();
        assert_eq!(seen, [7; 8]);
        assert!(stripes.0.len().is_power_of_two());
    }
}
