//! A store that says what changes, and a channel that can be made to fail.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile::store::{
    Admission, Answer, Change, ChangeFeed, Created, Revoke, Revoked, Saved, Store, StoreAnswer,
    SubjectIndex, Swept,
};
use sessile::testkit::Faulty;
use sessile::{Id, Meta, Record, StoreError, StoreErrorKind, Timestamp};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

pub type Tell = Arc<dyn Fn(Change) + Send + Sync>;

/// The channel. Its clones are the same one, and several may listen to it.
#[derive(Clone, Default)]
pub struct Feed(Arc<State>);

#[derive(Default)]
struct State {
    listeners: Mutex<Vec<Listener>>,
    /// Kept, since to close their queues would say that they are broken.
    silenced: Mutex<Vec<Listener>>,
    tellers: Mutex<Vec<Tell>>,
    opened: AtomicUsize,
    ended: AtomicUsize,
    refuses: AtomicBool,
    mute: AtomicBool,
    slow: AtomicBool,
    dice: AtomicU64,
}

struct Listener {
    silent: Arc<AtomicBool>,
    queue: UnboundedSender<Change>,
}

impl Feed {
    /// Every message takes up to three milliseconds.
    pub fn slow() -> Self {
        let feed = Self::default();
        feed.0.slow.store(true, Ordering::SeqCst);
        feed
    }

    /// Nobody who begins to listen is told anything.
    pub fn mute(&self) {
        self.0.mute.store(true, Ordering::SeqCst);
    }

    /// Whoever listens now is told nothing any more and does not learn why; who begins to listen
    /// is told everything.
    pub fn fall_silent(&self) {
        let mut listeners = self.0.listeners.lock().unwrap();
        for listener in listeners.iter() {
            listener.silent.store(true, Ordering::SeqCst);
        }
        self.0.silenced.lock().unwrap().append(&mut listeners);
    }

    /// The channel breaks, and cannot be opened again.
    pub fn break_down(&self) {
        self.0.refuses.store(true, Ordering::SeqCst);
        self.0.listeners.lock().unwrap().clear();
    }

    /// It can be opened again.
    pub fn repair(&self) {
        self.0.refuses.store(false, Ordering::SeqCst);
        self.0.mute.store(false, Ordering::SeqCst);
    }

    /// How many channels were opened so far.
    pub fn opened(&self) -> usize {
        self.0.opened.load(Ordering::SeqCst)
    }

    /// How many channels were let go of.
    pub fn ended(&self) -> usize {
        self.0.ended.load(Ordering::SeqCst)
    }

    /// What those who listened gave to be told with, from the first to the last.
    pub fn tellers(&self) -> Vec<Tell> {
        self.0.tellers.lock().unwrap().clone()
    }

    pub async fn wait_for_opening(&self, number: usize) {
        eventually("the channel is open", || self.opened() >= number).await;
    }

    pub fn announce(&self, change: Change) {
        let mut listeners = self.0.listeners.lock().unwrap();
        listeners.retain(|listener| listener.queue.send(change).is_ok());
    }

    /// Tells in order, and that it is alive only when nothing is left to tell.
    async fn relay(
        self,
        tell: Tell,
        mut queue: UnboundedReceiver<Change>,
        silent: Arc<AtomicBool>,
    ) -> StoreError {
        let _ended = Ended(self.clone());
        if self.0.mute.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        tell(Change::Listening);
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        loop {
            let word = timeout(Duration::from_millis(20), queue.recv()).await;
            if self.0.slow.load(Ordering::SeqCst) {
                sleep(self.delay()).await;
            }
            if silent.load(Ordering::SeqCst) {
                pending::<()>().await;
            }
            match word {
                Ok(Some(change)) => tell(change),
                Ok(None) => return StoreError::new(StoreErrorKind::Unavailable),
                Err(_) => tell(Change::Alive),
            }
        }
    }

    fn delay(&self) -> Duration {
        let dice = self.0.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        Duration::from_millis((dice ^ (dice >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 62)
    }
}

struct Ended(Feed);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl ChangeFeed for Feed {
    fn listen(&self, tell: Tell) -> Answer<StoreError> {
        if self.0.refuses.load(Ordering::SeqCst) {
            return Answer::ready(StoreError::new(StoreErrorKind::Unavailable));
        }
        let (queue, changes) = unbounded_channel();
        let silent = Arc::new(AtomicBool::new(false));
        self.0.tellers.lock().unwrap().push(Arc::clone(&tell));
        self.0.listeners.lock().unwrap().push(Listener { silent: Arc::clone(&silent), queue });
        Answer::later(self.clone().relay(tell, changes, silent))
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}

/// A store that answers at once, and tells each change as soon as it is made.
pub struct Announcing<T> {
    store: Arc<dyn Store<T>>,
    feed: Feed,
    /// It does not tell versions.
    vague: bool,
}

impl<T: 'static> Announcing<T> {
    pub fn new(store: impl Store<T>, feed: &Feed) -> Self {
        Self { store: Arc::new(store), feed: feed.clone(), vague: false }
    }

    pub fn vague(store: impl Store<T>, feed: &Feed) -> Self {
        Self { vague: true, ..Self::new(store, feed) }
    }
}

impl<T> Announcing<T> {
    fn written(&self, id: Id, version: u64) {
        let exact = Change::Written { id, version };
        self.feed.announce(if self.vague { Change::Changed { id } } else { exact });
    }

    fn ended(&self, ids: &[Id]) {
        if self.vague && ids.len() > 1 {
            return self.feed.announce(Change::All);
        }
        ids.iter().for_each(|id| self.feed.announce(Change::Changed { id: *id }));
    }
}

fn at_once<V>(answer: StoreAnswer<V>, then: impl FnOnce(&V)) -> StoreAnswer<V> {
    let answer = answer.now_or_later().expect("a store that answers at once");
    if let Ok(value) = &answer {
        then(value);
    }
    Answer::ready(answer)
}

impl<T: Send + Sync + 'static> Store<T> for Announcing<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        self.store.load(id, now)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let version = record.meta.version;
        at_once(self.store.create(id, record, admission, now), |created| {
            if let Created::Done { evicted, .. } = created {
                self.ended(evicted);
                admission.replacing.iter().for_each(|id| self.ended(&[*id]));
                self.written(id, version);
            }
        })
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let version = record.meta.version;
        at_once(self.store.replace(id, expected, record, now), |saved| {
            if *saved == Saved::Done {
                self.written(id, version);
            }
        })
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.store.touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        at_once(self.store.delete(id, now), |_| self.ended(&[id]))
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.store.sweep(now, max)
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.store.subjects().is_some().then_some(self)
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        Some(&self.feed)
    }
}

impl<T: Send + Sync + 'static> SubjectIndex for Announcing<T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        self.store.subjects().unwrap().list(subject, after, max, now)
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        self.store.subjects().unwrap().count(subject, now)
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        let revoked = self.store.subjects().unwrap().revoke(subject, which, max, now);
        at_once(revoked, |revoked| self.ended(&revoked.ids))
    }
}

impl<T> fmt::Debug for Announcing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Announcing")
    }
}

/// A way to such a store that fails on demand. What the store does, it tells; whatever becomes of
/// the answer.
#[derive(Clone)]
pub struct Line<T> {
    pub store: Faulty<T>,
    pub feed: Feed,
}

impl<T> fmt::Debug for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl<T: Send + Sync + 'static> Line<T> {
    pub fn to(store: Announcing<T>) -> Self {
        let feed = store.feed.clone();
        Self { store: Faulty::new(store), feed }
    }
}

impl<T: Send + Sync + 'static> Store<T> for Line<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        self.store.load(id, now)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        self.store.create(id, record, admission, now)
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        self.store.replace(id, expected, record, now)
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.store.touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.store.delete(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.store.sweep(now, max)
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.store.subjects()
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        Some(&self.feed)
    }
}

/// Waits, for as long as a busy machine may take.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert!(is_so(), "not after half a minute: {what}");
}
