//! The cache before a store: whatever the store behind does, what is read is right on this node,
//! and on another within the bound.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::clone_on_ref_ptr,
    clippy::str_to_string,
    reason = "a test fails by panicking"
)]

#[path = "support/announcing.rs"]
mod announcing;
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use announcing::{Announcing, Feed, Line, eventually};
use sessile::store::{
    Admission, CacheOptions, CacheStats, Cached, Change, Created, Limit, MemoryStore, Revoke,
    Saved, Store, StoreAnswer,
};
use sessile::testkit::conformance::Suite;
use sessile::testkit::{Fault, Faulty, Model, Operation, Sample};
use sessile::{Id, Meta, Record, StoreErrorKind, Timestamp};
use support::{App, Member, Visitor, count_visit, log_out};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

// ---- the whole kit ---------------------------------------------------------------------------

/// A cache that listens already.
async fn cached<S: Store<T>, T: Send + Sync + 'static>(
    store: S,
    feed: &Feed,
    options: &CacheOptions,
) -> Cached<S, T> {
    let opened = feed.opened();
    let cached = Cached::with_options(store, options).unwrap();
    feed.wait_for_opening(opened + 1).await;
    cached
}

fn patient() -> CacheOptions {
    CacheOptions::new().max_staleness(Duration::from_secs(120))
}

/// Runs the kit over a cache before each store that `make` makes, and answers what the caches did.
async fn conforms(
    suite: Suite,
    options: CacheOptions,
    make: impl Fn() -> Line<Sample> + Send + Sync,
) -> CacheStats {
    let all = Mutex::new(Vec::new());
    let report = suite
        .run(async || {
            let line = make();
            let cached = cached(line.clone(), &line.feed, &options).await;
            all.lock().unwrap().push(cached.clone());
            cached
        })
        .await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
    let mut sum = CacheStats::default();
    for stats in all.into_inner().unwrap().iter().map(Cached::stats) {
        sum.hits += stats.hits;
        sum.misses += stats.misses;
        sum.bypassed += stats.bypassed;
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_over_a_store_that_answers_at_once() {
    let make = || Line::to(Announcing::new(Model::new(), &Feed::default()));
    let stats = conforms(Suite::new(), patient(), make).await;
    assert!(stats.hits > 1_000, "it must have cached for this to say anything: {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_over_a_store_that_answers_later_and_tells_later() {
    let make = || {
        let Line { store, feed } =
            Line::to(Announcing::new(MemoryStore::<Sample>::new(), &Feed::slow()));
        Line { store: store.always_later(), feed }
    };
    let stats = conforms(Suite::new(), patient(), make).await;
    assert!(stats.hits > 1_000, "it must have cached for this to say anything: {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_over_a_store_whose_calls_take_many_steps_and_that_tells_no_versions() {
    let make = || {
        let line = Line::to(Announcing::vague(Model::new(), &Feed::slow()));
        for operation in Operation::ALL {
            line.store.always(*operation, Fault::Yield { before: 1, after: 2 });
        }
        line
    };
    let stats = conforms(Suite::new().quick(), patient(), make).await;
    assert!(stats.hits > 100, "it must have cached for this to say anything: {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_over_a_cache_of_three_sessions() {
    let make = || Line::to(Announcing::new(Model::new(), &Feed::default()));
    let stats = conforms(Suite::new().quick(), patient().capacity(3), make).await;
    assert!(stats.misses > 0 && stats.hits > 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_the_kit_over_a_channel_that_comes_and_goes() {
    let make = || {
        let line = Line::to(Announcing::new(Model::new(), &Feed::default()));
        let feed = line.feed.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                sleep(Duration::from_millis(15)).await;
                feed.break_down();
                feed.repair();
            }
        });
        line
    };
    let stats = conforms(Suite::new().quick(), patient(), make).await;
    assert!(stats.hits > 100, "{stats:?}");
}

// ---- one node, step by step ------------------------------------------------------------------

const START: Timestamp = Timestamp::from_millis(1_768_465_800_123);
const MINUTE: Duration = Duration::from_secs(60);

fn at(minutes: u32) -> Timestamp {
    START.plus(MINUTE * minutes)
}

/// One store, and a cache before a line to it.
struct Stage {
    /// The store itself: what other nodes do, they do here. It tells.
    behind: Arc<Announcing<Sample>>,
    /// It does not tell.
    model: Model<Sample>,
    line: Line<Sample>,
    cached: Cached<Line<Sample>, Sample>,
    id: Id,
}

impl Stage {
    /// With a session of "ann" that is not cached yet.
    async fn new() -> Self {
        Self::with(&patient()).await
    }

    async fn with(options: &CacheOptions) -> Self {
        let (model, feed) = (Model::new(), Feed::default());
        let behind = Arc::new(Announcing::new(model.clone(), &feed));
        let line = Line { store: Faulty::in_front_of(behind.clone()), feed: feed.clone() };
        let cached = cached(line.clone(), &feed, options).await;
        let id = Id::generate().unwrap();
        let created = model.create(id, Arc::new(record(1)), Admission::OPEN, START).await;
        assert!(matches!(created.unwrap(), Created::Done { .. }));
        Self { behind, model, line, cached, id }
    }

    /// With a session of "ann" that is cached.
    async fn warm() -> Self {
        let stage = Self::new().await;
        assert_eq!(stage.counter().await, Some(1));
        assert_eq!(stage.hit().map(|record| record.data.counter), Some(1), "it is cached");
        stage
    }

    /// What the cache answers by itself.
    fn hit(&self) -> Option<Arc<Record<Sample>>> {
        self.hit_at(START)
    }

    fn hit_at(&self, now: Timestamp) -> Option<Arc<Record<Sample>>> {
        let (before, loads) = (self.cached.stats().hits, self.loads());
        let answer = self.cached.load(self.id, now).now_or_later().ok()?.unwrap();
        (self.cached.stats().hits > before && self.loads() == loads).then_some(answer?)
    }

    async fn load(&self) -> Option<Arc<Record<Sample>>> {
        self.cached.load(self.id, START).await.unwrap()
    }

    async fn counter(&self) -> Option<u64> {
        self.load().await.map(|record| record.data.counter)
    }

    async fn write(&self, version: u64) -> Saved {
        write(&self.cached, self.id, version).await.unwrap()
    }

    fn loads(&self) -> u64 {
        self.line.store.calls().load
    }

    /// Holds the answer of the next call back, after the store has done it. The first receiver
    /// says when that is; the sender lets go.
    fn hold(&self, operation: Operation) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (done, is_done) = oneshot::channel();
        let (let_go, may_go) = oneshot::channel();
        self.line.store.after(operation, async move {
            done.send(()).unwrap();
            may_go.await.unwrap();
        });
        (is_done, let_go)
    }

    /// All that was told so far has arrived: what is told now has.
    async fn heard(&self) {
        let marker = Id::generate().unwrap();
        let created =
            self.cached.create(marker, Arc::new(record(0)), Admission::OPEN, START).await.unwrap();
        assert!(matches!(created, Created::Done { .. }));
        self.line.feed.announce(Change::Changed { id: marker });
        for _ in 0..6_000 {
            let hits = self.cached.stats().hits;
            drop(self.cached.load(marker, START).await.unwrap());
            if self.cached.stats().hits == hits {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("the feed did not deliver");
    }
}

/// A record of this version, whose counter is the version.
fn record(version: u64) -> Record<Sample> {
    let mut meta = Meta::new(START, MINUTE * 30, MINUTE * 720);
    meta.version = version;
    meta.subject = Some("ann".into());
    Record::new(meta, Sample::new("ann").counting(version))
}

fn write(store: &impl Store<Sample>, id: Id, version: u64) -> StoreAnswer<Saved> {
    store.replace(id, version - 1, Arc::new(record(version)), START)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_is_answered_at_once_and_asks_nobody() {
    let stage = Stage::warm().await;
    let calls = stage.line.store.calls();
    for _ in 0..1_000 {
        let answer = stage.cached.load(stage.id, START).now_or_later();
        assert_eq!(answer.unwrap().unwrap().unwrap().data.counter, 1);
    }
    assert_eq!(stage.line.store.calls(), calls);
    let stats = stage.cached.stats();
    assert_eq!((stats.hits, stats.misses), (1_001, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_here_is_found_without_asking() {
    let stage = Stage::warm().await;
    for version in 2..10 {
        assert_eq!(stage.write(version).await, Saved::Done);
        stage.heard().await; // our own echo leaves it there
        assert_eq!(stage.hit().unwrap().data.counter, version);
    }
    let id = Id::generate().unwrap();
    stage.cached.create(id, Arc::new(record(1)), Admission::OPEN, START).await.unwrap();
    stage.cached.touch(id, at(3)).await.unwrap();
    let loads = stage.loads();
    let found = stage.cached.load(id, at(3)).await.unwrap().unwrap();
    assert_eq!((found.meta.last_seen(), stage.loads()), (at(3), loads), "a new one, and its use");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_that_comes_before_the_answer_does_no_harm() {
    let stage = Stage::warm().await;
    let (done, let_go) = stage.hold(Operation::Replace);
    let cached = stage.cached.clone();
    let id = stage.id;
    let writing = tokio::spawn(async move { write(&cached, id, 2).await.unwrap() });
    done.await.unwrap();
    stage.heard().await;
    let_go.send(()).unwrap();
    assert_eq!(writing.await.unwrap(), Saved::Done);
    assert_eq!(stage.hit().unwrap().data.counter, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_slow_load_does_not_bring_back_what_another_node_has_changed() {
    for told_before in [true, false] {
        for ended in [true, false] {
            let stage = Stage::new().await;
            let (done, let_go) = stage.hold(Operation::Load);
            let (cached, id) = (stage.cached.clone(), stage.id);
            let loading = tokio::spawn(async move { cached.load(id, START).await.unwrap() });
            done.await.unwrap();
            if ended {
                assert!(stage.behind.delete(stage.id, START).await.unwrap());
            } else {
                assert_eq!(write(&*stage.behind, stage.id, 2).await.unwrap(), Saved::Done);
            }
            if told_before {
                stage.heard().await;
            }
            let_go.send(()).unwrap();
            assert_eq!(loading.await.unwrap().unwrap().data.counter, 1, "it was asked before");
            stage.heard().await;
            let now = (!ended).then_some(2);
            let case = format!("told before: {told_before}, ended: {ended}");
            assert_eq!(stage.counter().await, now, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_slow_load_does_not_bring_back_what_this_node_has_changed() {
    let cases = ["write", "delete", "revoke", "touch", "evict", "take the place of"];
    for case in cases {
        let stage = Stage::new().await;
        stage.line.feed.fall_silent(); // this node needs no feed to know what it does
        let (done, let_go) = stage.hold(Operation::Load);
        let (cached, id) = (stage.cached.clone(), stage.id);
        let loading = tokio::spawn(async move { cached.load(id, START).await.unwrap() });
        done.await.unwrap();
        change(&stage, case).await;
        let_go.send(()).unwrap();
        assert!(loading.await.unwrap().is_some(), "it was asked before");
        expect_changed(&stage, case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s54_nothing_old_is_read_while_a_change_is_under_way() {
    let cases = [
        ("write", Operation::Replace),
        ("delete", Operation::Delete),
        ("revoke", Operation::Revoke),
        ("touch", Operation::Touch),
        ("evict", Operation::Create),
        ("take the place of", Operation::Create),
    ];
    for (case, operation) in cases {
        let stage = Arc::new(Stage::warm().await);
        stage.line.feed.fall_silent();
        let (done, let_go) = stage.hold(operation);
        let changing = tokio::spawn({
            let stage = stage.clone();
            async move { change(&stage, case).await }
        });
        done.await.unwrap();
        expect_changed(&stage, case).await;
        let_go.send(()).unwrap();
        changing.await.unwrap();
        expect_changed(&stage, case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s53_nothing_old_is_read_after_a_change_whose_answer_is_lost() {
    let cases = [
        ("write", Operation::Replace),
        ("delete", Operation::Delete),
        ("revoke", Operation::Revoke),
        ("touch", Operation::Touch),
        ("evict", Operation::Create),
        ("take the place of", Operation::Create),
    ];
    for (case, operation) in cases {
        for dropped in [true, false] {
            let stage = Arc::new(Stage::warm().await);
            stage.line.feed.fall_silent();
            if dropped {
                stage.line.store.next(operation, Fault::HangAfter);
                let changing = tokio::spawn({
                    let stage = stage.clone();
                    async move { change(&stage, case).await }
                });
                let calls = move |stage: &Stage| stage.line.store.calls().writes();
                eventually("the call is sent", || calls(&stage) > 0).await;
                sleep(Duration::from_millis(20)).await;
                changing.abort();
                assert!(changing.await.unwrap_err().is_cancelled());
            } else {
                stage.line.store.lose_reply(operation, StoreErrorKind::Timeout);
                let (changer, case) = (stage.clone(), case);
                let failing = tokio::spawn(async move { change(&changer, case).await });
                assert!(failing.await.unwrap_err().is_panic(), "the error is passed on");
            }
            expect_changed(&stage, case).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s53_a_write_that_is_done_long_after_its_caller_left_is_seen_within_the_bound() {
    let stage = Stage::warm().await;
    stage.line.feed.fall_silent();
    stage.line.store.next(Operation::Replace, Fault::Hang);
    drop(write(&stage.cached, stage.id, 2));
    assert_eq!(stage.counter().await, Some(1), "it is not done yet");
    assert_eq!(write(&stage.model, stage.id, 2).await.unwrap(), Saved::Done);
    assert_eq!(stage.counter().await, Some(2), "nobody told, and it is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn s54_a_load_that_began_during_a_write_is_not_kept() {
    let stage = Stage::new().await;
    stage.line.feed.fall_silent();
    let (begun, has_begun) = oneshot::channel();
    let (let_go, may_go) = oneshot::channel::<()>();
    stage.line.store.before(Operation::Replace, async move {
        begun.send(()).unwrap();
        may_go.await.unwrap();
    });
    let (cached, id) = (stage.cached.clone(), stage.id);
    let writing = tokio::spawn(async move { write(&cached, id, 2).await.unwrap() });
    has_begun.await.unwrap();
    let (done, let_load_go) = stage.hold(Operation::Load);
    let cached = stage.cached.clone();
    let loading = tokio::spawn(async move { cached.load(id, START).await.unwrap() });
    done.await.unwrap();
    let_go.send(()).unwrap();
    assert_eq!(writing.await.unwrap(), Saved::Done);
    let_load_go.send(()).unwrap();
    assert_eq!(loading.await.unwrap().unwrap().data.counter, 1, "it was asked before");
    assert_eq!(stage.counter().await, Some(2));
}

/// Does something to the session through the cache.
async fn change(stage: &Stage, how: &str) {
    let (cached, id, new) = (&stage.cached, stage.id, Id::generate().unwrap());
    let create = |admission| cached.create(new, Arc::new(record(1)), admission, at(1));
    match how {
        "write" => assert_eq!(stage.write(2).await, Saved::Done),
        "delete" => assert!(cached.delete(id, START).await.unwrap()),
        "touch" => assert_eq!(cached.touch(id, at(2)).await.unwrap(), Saved::Done),
        "revoke" => {
            let revoke = cached.subjects().unwrap().revoke("ann", Revoke::All, 9, START);
            assert_eq!(revoke.await.unwrap().ids, [id]);
        }
        "evict" => {
            let created = create(Admission::OPEN.limited(Limit::evict_oldest(1))).await;
            assert_eq!(created.unwrap(), Created::Done { evicted: vec![id], replaced: false });
        }
        "take the place of" => {
            let created = create(Admission::OPEN.in_place_of(id)).await;
            assert_eq!(created.unwrap(), Created::Done { evicted: vec![], replaced: true });
        }
        _ => panic!("{how}"),
    }
}

/// What is read now is what `change` left.
async fn expect_changed(stage: &Stage, how: &str) {
    let found = stage.load().await;
    match how {
        "write" => assert_eq!(found.unwrap().data.counter, 2, "{how}"),
        "touch" => assert_eq!(found.unwrap().meta.last_seen(), at(2), "{how}"),
        _ => assert!(found.is_none(), "{how}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_read_from_memory_while_a_subjects_sessions_are_ended() {
    let stage = Arc::new(Stage::warm().await);
    let others: Vec<Id> = (0..50).map(|_| Id::generate().unwrap()).collect();
    for id in &others {
        let mut record = record(1);
        record.meta.subject = (id.into_bytes()[0] < 128).then(|| "bob".into());
        stage.cached.create(*id, Arc::new(record), Admission::OPEN, START).await.unwrap();
    }
    let (done, let_go) = stage.hold(Operation::Revoke);
    let changer = stage.clone();
    let revoking = tokio::spawn(async move { change(&changer, "revoke").await });
    done.await.unwrap();
    let loads = stage.loads();
    for id in &others {
        assert!(stage.cached.load(*id, START).await.unwrap().is_some());
    }
    assert_eq!(stage.loads(), loads);
    let_go.send(()).unwrap();
    revoking.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_refused_write_the_store_behind_is_asked() {
    let stage = Stage::warm().await;
    stage.line.feed.fall_silent();
    write(&stage.model, stage.id, 2).await.unwrap();
    assert_eq!(stage.counter().await, Some(1), "nobody has told");
    assert_eq!(stage.write(2).await, Saved::Stale);
    assert_eq!(stage.counter().await, Some(2));

    for touch in [true, false] {
        let stage = Stage::warm().await;
        stage.line.feed.fall_silent();
        stage.model.delete(stage.id, START).await.unwrap();
        assert_eq!(stage.counter().await, Some(1), "nobody has told");
        let saved = match touch {
            true => stage.cached.touch(stage.id, START).await.unwrap(),
            false => stage.write(2).await,
        };
        assert_eq!((saved, stage.counter().await), (Saved::Gone, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_record_says_yes_and_never_no() {
    let stage = Stage::warm().await;
    // Another node notes a use; that is not told.
    assert_eq!(stage.behind.touch(stage.id, at(20)).await.unwrap(), Saved::Done);
    assert!(stage.hit_at(at(29)).is_some());
    assert!(stage.hit_at(at(30)).is_none(), "expired as far as is known here");
    let found = stage.cached.load(stage.id, at(30)).await.unwrap();
    assert_eq!(found.unwrap().meta.last_seen(), at(20), "and not so in the store");
    assert!(stage.hit_at(at(49)).is_some());
    assert!(stage.cached.load(stage.id, at(50)).await.unwrap().is_none());

    let unknown = Id::generate().unwrap();
    let loads = stage.loads();
    for _ in 0..3 {
        assert!(stage.cached.load(unknown, START).await.unwrap().is_none());
    }
    assert_eq!(stage.loads(), loads + 3, "that there is none is not cached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_keeps_the_later_use() {
    let stage = Stage::warm().await;
    stage.cached.touch(stage.id, at(5)).await.unwrap();
    assert_eq!(stage.write(2).await, Saved::Done); // made from a record last used at the start
    assert_eq!(stage.hit().unwrap().meta.last_seen(), at(5));

    let stage = Stage::new().await; // where no record is cached that says so
    stage.cached.touch(stage.id, at(5)).await.unwrap();
    assert_eq!(stage.write(2).await, Saved::Done);
    assert_eq!(stage.load().await.unwrap().meta.last_seen(), at(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_creation_leaves_everybody_in_memory() {
    let stage = Stage::warm().await;
    let create = |id, admission| stage.cached.create(id, Arc::new(record(1)), admission, START);
    let new = Id::generate().unwrap();
    let denied = create(new, Admission::OPEN.limited(Limit::deny(1))).await.unwrap();
    assert_eq!(denied, Created::Limit);
    assert_eq!(create(stage.id, Admission::OPEN).await.unwrap(), Created::Exists);
    assert!(stage.hit().is_some());
    assert!(stage.cached.load(new, START).await.unwrap().is_none());
}

// ---- the channel -----------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_did_is_seen_when_it_is_told() {
    let stage = Stage::warm().await;
    assert_eq!(write(&*stage.behind, stage.id, 2).await.unwrap(), Saved::Done);
    stage.heard().await;
    assert_eq!(stage.counter().await, Some(2));
    assert!(stage.hit().is_some());
    stage.line.feed.announce(Change::All);
    stage.heard().await;
    assert!(stage.hit().is_none(), "everything may have changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_without_a_channel_the_store_behind_does_all_the_work() {
    let stage = Stage::with(&CacheOptions::new().max_staleness(Duration::from_millis(500))).await;
    stage.line.feed.break_down();
    sleep(Duration::from_millis(600)).await;
    for version in 2..20 {
        assert_eq!(stage.write(version).await, Saved::Done);
        assert!(stage.hit().is_none());
        assert_eq!(stage.counter().await, Some(version));
    }
    assert_eq!(stage.cached.stats().hits, 0);
    assert!(stage.cached.stats().bypassed >= 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_believed_before_the_channel_is_open() {
    let feed = Feed::default();
    feed.mute();
    let line = Line::to(Announcing::new(Model::new(), &feed));
    let cached = Cached::with_options(line, &patient()).unwrap();
    eventually("somebody listens", || !feed.tellers().is_empty()).await;
    feed.tellers()[0](Change::Alive);
    let id = Id::generate().unwrap();
    cached.create(id, Arc::new(record(1)), Admission::OPEN, START).await.unwrap();
    for _ in 0..10 {
        assert!(cached.load(id, START).await.unwrap().is_some());
    }
    assert_eq!((cached.stats().hits, cached.stats().bypassed), (0, 10));
    feed.tellers()[0](Change::Listening);
    cached.load(id, START).await.unwrap().unwrap();
    cached.load(id, START).await.unwrap().unwrap();
    assert_eq!(cached.stats().hits, 1);
}

/// The process stood still (a debugger, a machine that was moved) and the messages of that time lie
/// in a buffer: behind them may be one that says that the session has ended.
#[tokio::test(flavor = "multi_thread")]
async fn s50_what_was_said_before_a_standstill_is_no_sign_of_life_after_it() {
    let bound = Duration::from_millis(500);
    let (feed, id) = (Feed::default(), Id::generate().unwrap());
    feed.mute();
    let line = Line::to(Announcing::new(Model::new(), &feed));
    let cached = Cached::with_options(line, &CacheOptions::new().max_staleness(bound)).unwrap();
    eventually("somebody listens", || !feed.tellers().is_empty()).await;
    let tell = feed.tellers()[0].clone();
    cached.create(id, Arc::new(record(1)), Admission::OPEN, START).await.unwrap();
    let is_hit = async || {
        let hits = cached.stats().hits;
        assert!(cached.load(id, START).await.unwrap().is_some());
        cached.stats().hits > hits
    };
    for _ in 0..100 {
        tell(Change::Listening);
        is_hit().await;
        if is_hit().await {
            break;
        }
    }
    assert!(is_hit().await || cached.stats().hits > 0, "it never cached");

    sleep(bound * 2).await;
    let other = Id::generate().unwrap();
    for change in [Change::Written { id: other, version: 7 }, Change::Changed { id: other }] {
        tell(change);
        assert!(!is_hit().await, "{change:?}, from before");
    }
    tell(Change::Alive);
    assert!(!is_hit().await, "it may be the answer to a question from before");
    for _ in 0..100 {
        tell(Change::Alive);
        tell(Change::Alive);
        is_hit().await; // fills it, if it was forgotten
        if is_hit().await {
            return;
        }
    }
    panic!("two signs of life, and it is not believed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_from_a_channel_that_has_ended_is_no_sign_of_life() {
    let bound = Duration::from_millis(400);
    let stage = Stage::with(&CacheOptions::new().max_staleness(bound)).await;
    stage.line.feed.break_down();
    eventually("it is let go of", || stage.line.feed.ended() == 1).await;
    sleep(bound * 2).await;
    stage.line.feed.tellers()[0](Change::Alive);
    stage.counter().await;
    assert!(stage.hit().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_from_before_the_channel_opened_is_not_kept() {
    let stage = Stage::new().await;
    let (done, let_go) = stage.hold(Operation::Load);
    let (cached, id) = (stage.cached.clone(), stage.id);
    let loading = tokio::spawn(async move { cached.load(id, START).await.unwrap() });
    done.await.unwrap();
    stage.line.feed.break_down();
    assert_eq!(write(&stage.model, stage.id, 2).await.unwrap(), Saved::Done); // nobody is told
    stage.line.feed.repair();
    stage.line.feed.wait_for_opening(2).await;
    let_go.send(()).unwrap();
    assert_eq!(loading.await.unwrap().unwrap().data.counter, 1);
    assert_eq!(stage.counter().await, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_has_fallen_silent_is_opened_anew() {
    let stage = Stage::with(&CacheOptions::new().max_staleness(Duration::from_millis(400))).await;
    stage.line.feed.fall_silent();
    let began = Instant::now();
    stage.line.feed.wait_for_opening(2).await;
    assert!(began.elapsed() >= Duration::from_millis(2_500), "not on the first quiet moment");
    eventually("it is let go of", || stage.line.feed.ended() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_ends_with_the_last_clone() {
    let stage = Stage::new().await;
    let (feed, clone) = (stage.line.feed.clone(), stage.cached.clone());
    drop(stage);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(feed.ended(), 0);
    drop(clone);
    eventually("it is let go of", || feed.ended() == 1).await;
}

#[test]
fn what_cannot_work_is_refused_with_a_remedy() {
    let feed = Feed::default();
    let line = || Line::to(Announcing::new(Model::<Sample>::new(), &feed));
    let remedy = |error: sessile::ConfigError, want: &str| {
        assert!(error.to_string().contains(want), "{error}");
    };
    remedy(Cached::new(Model::<Sample>::new()).unwrap_err(), "turn its announcements on");
    remedy(Cached::new(line()).unwrap_err(), "tokio::main");
    let options = CacheOptions::new();
    let none = Cached::with_options(line(), &options.clone().capacity(0));
    remedy(none.unwrap_err(), "without `Cached`");
    let never = Cached::with_options(line(), &options.max_staleness(Duration::ZERO));
    remedy(never.unwrap_err(), "two seconds");
}

#[tokio::test]
async fn debug_shows_no_session() {
    let stage = Stage::warm().await;
    let text = format!("{:?}", stage.cached);
    assert!(text.contains("hits: 1"), "{text}");
    assert!(!text.contains("ann") && !text.contains(&stage.id.to_string()), "{text}");
}

// ---- two nodes -------------------------------------------------------------------------------

/// Two applications with a cache each, on one store.
struct Nodes {
    store: MemoryStore<Member>,
    feed: Feed,
    one: App,
    two: App,
    cache_of_two: Cached<Line<Member>, Member>,
}

impl Nodes {
    async fn new(max_staleness: Duration) -> Self {
        let (store, feed) = (MemoryStore::new(), Feed::default());
        let options = CacheOptions::new().max_staleness(max_staleness);
        let line = || Line::to(Announcing::new(store.clone(), &feed));
        let (cache_of_one, cache_of_two) =
            (cached(line(), &feed, &options).await, cached(line(), &feed, &options).await);
        let one = App::new(cache_of_one);
        let mut two = App::new(cache_of_two.clone());
        two.clock = one.clock.clone();
        Self { store, feed, one, two, cache_of_two }
    }

    /// Somebody whose session both nodes have in memory.
    async fn visitor(&self) -> [Visitor; 2] {
        let one = self.one.log_in("ann").await;
        let mut both = [one.at(&self.one), one.at(&self.two)];
        let hits = self.cache_of_two.stats().hits;
        for _ in 0..600 {
            for visitor in &mut both {
                assert_eq!(visitor.member().await, Some(Member::named("ann")));
            }
            if self.cache_of_two.stats().hits > hits + 3 {
                return both;
            }
        }
        panic!("the second node does not cache");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s50_a_logout_on_one_node_ends_the_session_on_the_other() {
    let nodes = Nodes::new(Duration::from_secs(120)).await;
    for _ in 0..20 {
        let [mut one, mut two] = nodes.visitor().await;
        one.visit(&log_out()).await;
        assert_eq!(one.at(&nodes.one).member().await, None);
        let began = Instant::now();
        while two.clone().member().await.is_some() {
            assert!(began.elapsed() < Duration::from_secs(30), "long after it was told");
            sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(two.member().await, None, "and it stays ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s50_within_the_bound_when_the_channel_is_dead_and_nobody_noticed() {
    let bound = Duration::from_millis(1_500);
    let nodes = Nodes::new(bound).await;
    for round in 1..=2 {
        nodes.feed.wait_for_opening(2 * round).await; // they notice, in time
        let [mut one, mut two] = nodes.visitor().await;
        nodes.feed.fall_silent();
        one.visit(&log_out()).await;
        sleep(bound).await;
        assert_eq!(two.member().await, None, "the bound has passed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s50_after_the_channel_broke_and_came_back() {
    let nodes = Nodes::new(Duration::from_secs(120)).await;
    for round in 1..=5 {
        let [mut one, mut two] = nodes.visitor().await;
        let [mut other, mut other_on_two] = nodes.visitor().await;
        nodes.feed.break_down();
        one.visit(&log_out()).await;
        other.visit(&count_visit()).await;
        nodes.feed.repair();
        nodes.feed.wait_for_opening(2 + 2 * round).await;
        assert_eq!(two.member().await, None, "what was missed is forgotten");
        assert_eq!(other_on_two.member().await.unwrap().visits, 1);
    }
    assert_eq!(nodes.store.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s12_two_nodes_lose_no_update() {
    for told in [true, false] {
        let nodes = Nodes::new(Duration::from_secs(120)).await;
        let [one, two] = nodes.visitor().await;
        if !told {
            nodes.feed.fall_silent();
        }
        let mut tasks = JoinSet::new();
        for visit in 0..64 {
            let mut visitor = if visit % 2 == 0 { one.clone() } else { two.clone() };
            tasks.spawn(async move { visitor.visit(&count_visit()).await.status().as_u16() });
        }
        assert_eq!(tasks.join_all().await, [200; 64]);
        let direct = App::new(nodes.store.clone());
        assert_eq!(one.at(&direct).member().await.unwrap().visits, 64, "told: {told}");
    }
}
