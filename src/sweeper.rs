//! Removing expired sessions in the background.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::shared::Shared;
use crate::signal::Signal;
use crate::wait::Timed;

/// Removes expired sessions every now and then; made by
/// [`SessionLayer::sweeper`](crate::SessionLayer::sweeper).
///
/// It is a future that never ends by itself: spawn it on whatever runtime there is, and stop it
/// through its [handle](Self::handle). A store that fails is reported like any other failure
/// (log line, [`Event::StoreFailed`](crate::Event::StoreFailed)) and tried again at the next turn.
/// Nodes that share a store may all sweep.
///
/// An expired session is never served, swept or not: sweeping only frees space. Stores whose
/// engine does that by itself ([`MemoryStore`](crate::store::MemoryStore) under traffic, Redis)
/// need no sweeper.
///
/// ```
/// use std::time::Duration;
/// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// let sweeper = layer.sweeper(Duration::from_secs(60));
/// let handle = sweeper.handle();
/// tokio::spawn(sweeper);
/// // … serve, and when the server shuts down:
/// handle.stop().await;
/// # }
/// ```
#[must_use = "a sweeper does nothing unless it is spawned or awaited"]
pub struct Sweeper {
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
    handle: SweeperHandle,
    /// Says that it is over, however it ends.
    _over: SetOnDrop,
}

impl Sweeper {
    pub(crate) fn new<T: Send + Sync + 'static>(shared: Arc<Shared<T>>, every: Duration) -> Self {
        let [begun, stop, over] = [Signal::default(), Signal::default(), Signal::default()];
        let handle = SweeperHandle { begun, stop, over };
        let run = Box::pin(sweep(shared, every, handle.stop.clone()));
        Self { run, _over: SetOnDrop(handle.over.clone()), handle }
    }

    /// What stops it.
    pub fn handle(&self) -> SweeperHandle {
        self.handle.clone()
    }
}

impl Future for Sweeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.handle.begun.set();
        let done = self.run.as_mut().poll(cx);
        if done.is_ready() {
            self.handle.over.set();
        }
        done
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sweeper")
    }
}

/// Stops a [`Sweeper`]. Clones stop the same one; dropping a handle stops nothing.
///
/// ```
/// use std::time::Duration;
/// use sessile::{Key, SessionLayer, SweeperHandle, Values, store::MemoryStore};
/// async fn shut_down(sweeping: SweeperHandle) {
///     sweeping.stop().await; // a batch that is under way is finished
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// let sweeper = layer.sweeper(Duration::from_secs(60));
/// let sweeping = sweeper.handle();
/// tokio::spawn(sweeper);
/// shut_down(sweeping).await;
/// # }
/// ```
#[derive(Clone)]
pub struct SweeperHandle {
    begun: Signal,
    stop: Signal,
    over: Signal,
}

impl SweeperHandle {
    /// Stops it and waits until it has: a batch that is under way is finished first. Fine if it
    /// was never spawned, and when it is stopped already.
    pub async fn stop(&self) {
        self.stop.set();
        // Whoever begins after that sees the stop first, and does nothing.
        if self.begun.is_set() {
            self.over.wait().await;
        }
    }
}

impl fmt::Debug for SweeperHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SweeperHandle").field("over", &self.over.is_set()).finish()
    }
}

struct SetOnDrop(Signal);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

async fn sweep<T: 'static>(shared: Arc<Shared<T>>, every: Duration, stop: Signal) {
    if every.is_zero() {
        return stop.wait().await;
    }
    while !stop.within(shared.clock.sleep(every)).await {
        // Requests go first: a pause after each batch.
        while sweep_once(&shared).await {
            if stop.within(shared.clock.sleep(BREATH)).await {
                return;
            }
        }
    }
}

/// One batch. Whether there is more to do now.
async fn sweep_once<T: 'static>(shared: &Shared<T>) -> bool {
    let answer = shared.store.sweep(shared.now(), BATCH);
    let patience = shared.store_timeout.max(PATIENCE);
    match Timed::new(answer, &*shared.clock, patience).await {
        Ok(swept) => swept.more,
        Err(error) => {
            shared.store_failed("sweep", &error);
            false
        }
    }
}

/// How many records one call removes at most.
const BATCH: usize = 100;

/// Between two batches.
const BREATH: Duration = Duration::from_millis(5);

/// Nobody waits for a batch, so it may take longer than a request's call.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, SessionLayer, Values, store::MemoryStore};

    #[tokio::test]
    async fn a_sweeper_that_never_ran_is_stopped_at_once() {
        let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
        let sweeper = layer.sweeper(Duration::from_secs(3600));
        let handle = sweeper.handle();
        let stopped = tokio::time::timeout(Duration::from_secs(60), handle.stop()).await;
        assert!(stopped.is_ok(), "there is nothing to wait for");
        sweeper.await; // and does nothing when it runs after all
    }
}
