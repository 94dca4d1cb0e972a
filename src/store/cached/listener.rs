//! The task that listens to the store's changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::front::Front;
use crate::log;
use crate::store::{Change, Store};

/// Listens until it is dropped.
pub(super) struct Listener(AbortHandle);

impl Listener {
    pub(super) fn spawn<S: Store<T>, T: Send + Sync + 'static>(
        runtime: &Handle,
        store: Arc<S>,
        front: Arc<Front<T>>,
        max_staleness: Duration,
    ) -> Self {
        Self(runtime.spawn(listen(store, front, max_staleness)).abort_handle())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen<S: Store<T>, T: Send + Sync + 'static>(
    store: Arc<S>,
    front: Arc<Front<T>>,
    max_staleness: Duration,
) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let channel = Arc::new(Channel::new(Arc::clone(&front)));
        one_channel(&*store, &channel, max_staleness).await;
        if channel.close() == Phase::Open {
            pause = SHORTEST_PAUSE;
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Listens until the channel breaks, or is silent for so long that it must have.
async fn one_channel<S: Store<T>, T: Send + Sync + 'static>(
    store: &S,
    channel: &Arc<Channel<T>>,
    max_staleness: Duration,
) {
    let heard = Arc::clone(channel);
    let Some(feed) = store.changes() else {
        return;
    };
    let mut broken = feed.listen(Arc::new(move |change| heard.tell(change)));
    loop {
        let patience = match channel.take_word() {
            Phase::Open => max_staleness.max(SILENCE),
            _ => OPENING,
        };
        match timeout(patience, &mut broken).await {
            Ok(error) => return log::store_failed("changes", &error),
            Err(_) if channel.was_heard() => {}
            Err(_) => return,
        }
    }
}

/// One attempt to listen. A word that comes after its end says nothing about the next.
struct Channel<T> {
    front: Arc<Front<T>>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    heard: bool,
    /// When the last sign of life came.
    beat: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Closed,
}

impl<T: Send + Sync + 'static> Channel<T> {
    const fn new(front: Arc<Front<T>>) -> Self {
        let state = State { phase: Phase::Opening, heard: false, beat: 0 };
        Self { front, state: Mutex::new(state) }
    }

    /// What changed is done to the cache before it is believed to know it. Only signs of life make
    /// it believed for longer: a change may be an old one, and others of its time be on their way.
    /// An answer may be old as well, if this process stood still; but its question was not asked
    /// before the sign of life that came before it.
    fn tell(&self, change: Change) {
        let moment = self.front.trust.moment();
        match change {
            Change::Alive => {}
            Change::Written { id, version } => self.front.written(id, version),
            Change::Changed { id } => self.front.changed(id),
            Change::Listening | Change::All => self.front.clear(),
        }
        let mut state = self.state();
        state.heard = true;
        let since = match (change, state.phase) {
            (Change::Listening, Phase::Opening | Phase::Open) => moment,
            (Change::Alive, Phase::Open) => state.beat,
            _ => return,
        };
        (state.phase, state.beat) = (Phase::Open, moment);
        self.front.trust.renew(since);
    }

    /// Answers what it was.
    fn close(&self) -> Phase {
        std::mem::replace(&mut self.state().phase, Phase::Closed)
    }

    /// What it is now. From here on [`was_heard`](Self::was_heard) counts anew.
    fn take_word(&self) -> Phase {
        let mut state = self.state();
        state.heard = false;
        state.phase
    }

    fn was_heard(&self) -> bool {
        self.state().heard
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between half of it and all of it, so that nodes do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without random bytes the pause is only less spread.
    if getrandom::fill(&mut random).is_err() {
        return pause;
    }
    pause / 2 + (pause / 2 / 255) * u32::from(random[0])
}

/// A working channel speaks every second.
const SILENCE: Duration = Duration::from_secs(3);
/// How long connecting may take.
const OPENING: Duration = Duration::from_secs(15);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
