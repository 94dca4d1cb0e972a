//! `RedisStore` when servers are killed, frozen and replaced, under load through a real layer.
//!
//! What is acknowledged is what Redis acknowledges. One server that writes its log through
//! (`appendfsync always`) loses nothing of it. A replica that takes over may lack the last writes,
//! for replication is asynchronous: what was written a second before the fault must be there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::clone_on_ref_ptr,
    reason = "a test fails by panicking"
)]

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile::store::{Change, RedisOptions, RedisStore, Store};
use sessile::{OpenErrorKind, StoreErrorKind, SystemClock};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep, timeout};

#[path = "support/redis_cli.rs"]
mod redis_cli;
#[path = "support/services.rs"]
mod services;
mod support;

use redis_cli::Cli;
use services::Services;
use support::{App, Member, Visitor, count_visit, log_out};

/// How long a call on the store may take.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// The same where no call may fail, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(10);
/// A request loads and writes. The rest is for a machine that others keep busy.
const LONGEST: Duration = Duration::from_secs(30);

async fn open(url: &str) -> RedisStore<Member> {
    RedisStore::open(RedisOptions::new(url).timeout(TIMEOUT)).await.unwrap()
}

fn app(store: &RedisStore<Member>) -> App {
    App::with(store.clone(), |layer| layer.clock(SystemClock).store_timeout(TIMEOUT * 2))
}

/// Visitors who count their visits without a pause, each in a session of their own.
struct Load {
    app: App,
    done: Arc<AtomicBool>,
    visitors: JoinSet<Tally>,
    served: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

/// What one visitor was told.
struct Tally {
    visitor: Visitor,
    /// Visits that were acknowledged, and those that were not but may count.
    acknowledged: u32,
    unknown: u32,
    /// Acknowledged a second before the fault.
    settled: Arc<AtomicU32>,
}

impl Load {
    async fn start(store: &RedisStore<Member>, many: usize) -> (Self, Vec<Arc<AtomicU32>>) {
        Self::on(app(store), many).await
    }

    async fn on(app: App, many: usize) -> (Self, Vec<Arc<AtomicU32>>) {
        let (done, served, failed) = (Arc::default(), Arc::default(), Arc::default());
        let mut load = Self { app, done, visitors: JoinSet::new(), served, failed };
        let mut counts = Vec::new();
        for number in 0..many {
            let visitor = load.app.log_in(&format!("visitor {number}")).await;
            let count = Arc::new(AtomicU32::new(0));
            counts.push(Arc::clone(&count));
            let (done, served) = (Arc::clone(&load.done), Arc::clone(&load.served));
            let failed = Arc::clone(&load.failed);
            load.visitors.spawn(visit(visitor, done, served, failed, count));
        }
        (load, counts)
    }

    /// Waits until so many more requests were served.
    async fn serves(&self, many: usize, within: Duration) -> Duration {
        let (before, began) = (self.served.load(Ordering::SeqCst), Instant::now());
        while self.served.load(Ordering::SeqCst) < before + many {
            assert!(began.elapsed() < within, "not {many} requests served within {within:?}");
            sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }

    /// Ends the load and answers what each visitor was told and what is stored.
    async fn stop(self) -> Vec<(Tally, u32)> {
        self.done.store(true, Ordering::SeqCst);
        let mut tallies = Vec::new();
        for mut tally in self.visitors.join_all().await {
            let member = tally.visitor.member().await;
            let visits = member.map_or(0, |member| member.visits);
            tallies.push((tally, visits));
        }
        tallies
    }
}

async fn visit(
    mut visitor: Visitor,
    done: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    settled: Arc<AtomicU32>,
) -> Tally {
    let (mut acknowledged, mut unknown) = (0, 0);
    while !done.load(Ordering::SeqCst) {
        let response = timeout(LONGEST, visitor.visit(&count_visit())).await;
        let response = response.expect("a request that does not end");
        match response.status().as_u16() {
            200 => {
                acknowledged += 1;
                settled.store(acknowledged, Ordering::SeqCst);
                served.fetch_add(1, Ordering::SeqCst);
            }
            503 => {
                unknown += 1;
                failed.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(5)).await;
            }
            status => panic!("neither success nor 503: {status}"),
        }
    }
    Tally { visitor, acknowledged, unknown, settled }
}

/// Nothing acknowledged is lost and nothing is counted twice.
fn expect_all(tallies: &[(Tally, u32)]) {
    for (tally, visits) in tallies {
        let Tally { acknowledged, unknown, .. } = tally;
        assert_eq!(tally.settled.load(Ordering::SeqCst), *acknowledged);
        assert!(visits >= acknowledged, "{acknowledged} acknowledged, {visits} kept");
        assert!(*visits <= acknowledged + unknown, "{visits} kept of {acknowledged}+{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_and_started_again() {
    let services = Services::start(&["redis"]);
    let store = open(&services.url("redis")).await;
    let (load, _) = Load::start(&store, 8).await;
    for _ in 0..3 {
        load.serves(100, Duration::from_secs(30)).await;
        block_in_place(|| services.kill("redis"));
        sleep(Duration::from_millis(300)).await;
        block_in_place(|| services.restart("redis"));
        load.serves(8, Duration::from_secs(30)).await;
    }
    assert!(load.failed.load(Ordering::SeqCst) > 0, "the outage was noticed");
    expect_all(&load.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_are_cut() {
    let services = Services::start(&["redis"]);
    let (store, cli) = (open(&services.url("redis")).await, Cli::new(&services.url("redis")));
    let (load, _) = Load::start(&store, 8).await;
    for _ in 0..20 {
        load.serves(20, Duration::from_secs(30)).await;
        block_in_place(|| cli.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]));
    }
    load.serves(20, Duration::from_secs(30)).await;
    expect_all(&load.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_silent_for_a_while() {
    let services = Services::start(&["redis"]);
    let store = open(&services.url("redis")).await;
    let (load, _) = Load::start(&store, 8).await;
    load.serves(100, Duration::from_secs(30)).await;
    block_in_place(|| services.pause("redis"));
    sleep(Duration::from_secs(3)).await;
    let failed = load.failed.load(Ordering::SeqCst);
    assert!(failed >= 8, "{failed} requests ended while nobody answered");
    block_in_place(|| services.resume("redis"));
    load.serves(16, Duration::from_secs(30)).await;
    expect_all(&load.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hung_server_costs_a_call_its_timeout() {
    let services = Services::start(&["redis"]);
    let store = open(&services.url("redis")).await;
    block_in_place(|| services.pause("redis"));
    for _ in 0..3 {
        let began = Instant::now();
        let id = sessile::Id::generate().unwrap();
        let error = store.load(id, sessile::Timestamp::from_millis(0)).await.unwrap_err();
        let expected = [StoreErrorKind::Timeout, StoreErrorKind::Unavailable];
        assert!(expected.contains(&error.kind()), "{error:?}");
        assert!(began.elapsed() < TIMEOUT * 2, "it took {:?}", began.elapsed());
    }
    let url = services.url("redis");
    let opened = RedisStore::<Member>::open(RedisOptions::new(url).timeout(TIMEOUT)).await;
    assert_eq!(opened.unwrap_err().kind(), OpenErrorKind::Unreachable);
}

/// Kills the primary that has most sessions to lose, and waits for its replica to take over.
async fn fail_over(kind: &str, victim: &str) {
    let services = Services::start(&[kind]);
    let store = open(&services.url(kind)).await;
    // So many that some are surely with each primary of a cluster.
    let (load, counts) = Load::start(&store, 30).await;
    let app = app(&store);
    let mut ended = Vec::new();
    for number in 0..12 {
        let mut visitor = app.log_in(&format!("gone {number}")).await;
        assert_eq!(visitor.clone().visit(&count_visit()).await.status(), 200);
        let before = visitor.clone();
        visitor.visit(&log_out()).await;
        ended.push(before);
    }
    load.serves(200, Duration::from_secs(30)).await;
    let settled: Vec<u32> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    sleep(Duration::from_secs(1)).await;
    block_in_place(|| services.kill(victim));

    // All visitors are served again, not only those whose node lives.
    let before: Vec<u32> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    let began = Instant::now();
    loop {
        let after = counts.iter().map(|count| count.load(Ordering::SeqCst));
        if after.zip(&before).all(|(after, before)| after > before + 3) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "no service after a failover");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(load.failed.load(Ordering::SeqCst) > 0, "the outage was noticed");
    for (place, visitor) in ended.iter_mut().enumerate() {
        assert_eq!(visitor.member().await, None, "session {place} is back after its logout");
    }
    let total: u32 = settled.iter().sum();
    let mut kept = 0;
    for (tally, visits) in load.stop().await {
        assert!(visits <= tally.acknowledged + tally.unknown, "counted twice");
        kept += visits;
    }
    assert!(kept >= total, "{total} were settled and {kept} are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_of_a_cluster_that_is_killed() {
    fail_over("redis-cluster", "redis-cluster-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_under_sentinel_that_is_killed() {
    fail_over("redis-sentinel", "redis-sentinel-master").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slots_that_move_to_another_node_meanwhile() {
    let services = Services::start(&["redis-cluster"]);
    let options = RedisOptions::new(services.url("redis-cluster")).timeout(PATIENT);
    let store = RedisStore::open(options).await.unwrap();
    let app = App::with(store, |layer| layer.clock(SystemClock).store_timeout(PATIENT));
    // Enough of them for some to be in the slots that move.
    let (load, _) = Load::on(app, 60).await;
    load.serves(100, Duration::from_secs(30)).await;
    let [one, other] = ["redis-cluster-1", "redis-cluster-2"].map(|node| services.node(node));
    let id = |node: &str| Cli::node(node).run(&["CLUSTER", "MYID"]);
    for (from, to) in [(&one, &other), (&other, &one)] {
        let (from_id, to_id) = (id(from), id(to));
        let reshard = ["--cluster", "reshard", from.as_str(), "--cluster-from", &from_id];
        let terms = ["--cluster-to", &to_id, "--cluster-slots", "600", "--cluster-yes"];
        let said = block_in_place(|| {
            let arguments = [&reshard[..], &terms[..]].concat();
            let output = std::process::Command::new("redis-cli").args(arguments).output();
            String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
        });
        assert!(said.contains("Moving slot") && !said.contains("ERR"), "{said}");
        load.serves(100, Duration::from_secs(30)).await;
    }
    assert_eq!(load.failed.load(Ordering::SeqCst), 0, "a slot that moves costs no request");
    expect_all(&load.stop().await);
}

/// What a feed says until it breaks.
async fn feed_breaks(kind: &str, breaks: impl FnOnce(&Services)) {
    let services = Services::start(&[kind]);
    let store = open(&services.url(kind)).await;
    let heard: Arc<Mutex<Vec<Change>>> = Arc::default();
    let ear = Arc::clone(&heard);
    let tell = Arc::new(move |change| ear.lock().unwrap().push(change));
    let feed = tokio::spawn(store.changes().unwrap().listen(tell.clone()));
    let alive = async || {
        for _ in 0..1_000 {
            if heard.lock().unwrap().contains(&Change::Alive) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("no sign of life");
    };
    alive().await;
    assert_eq!(heard.lock().unwrap()[0], Change::Listening);
    block_in_place(|| breaks(&services));
    let broken = timeout(Duration::from_secs(15), feed).await.expect("a feed that says nothing");
    let error = broken.unwrap();
    assert!(
        matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::Timeout),
        "{error:?}"
    );
    // Whoever listens asks again, until it works.
    let again = async {
        loop {
            heard.lock().unwrap().clear();
            let feed = tokio::spawn(store.changes().unwrap().listen(tell.clone()));
            sleep(Duration::from_secs(2)).await;
            if heard.lock().unwrap().contains(&Change::Alive) {
                return feed.abort();
            }
            feed.abort();
        }
    };
    timeout(Duration::from_secs(40), again).await.expect("a feed that does not come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_ends_with_its_server() {
    feed_breaks("redis", |services| {
        services.kill("redis");
        services.restart("redis");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_ends_when_its_server_is_silent() {
    feed_breaks("redis", |services| {
        services.pause("redis");
        std::thread::sleep(Duration::from_secs(3));
        services.resume("redis");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_ends_with_a_primary_of_its_cluster() {
    feed_breaks("redis-cluster", |services| services.kill("redis-cluster-2")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_is_emptied_is_told() {
    let services = Services::start(&["redis"]);
    let store = open(&services.url("redis")).await;
    let heard: Arc<Mutex<Vec<Change>>> = Arc::default();
    let ear = Arc::clone(&heard);
    let tell = Arc::new(move |change| ear.lock().unwrap().push(change));
    let feed = tokio::spawn(store.changes().unwrap().listen(tell));
    let app = app(&store);
    let mut visitor = app.log_in("ann").await;
    let wanted = [Change::Listening, Change::All];
    for (place, change) in wanted.into_iter().enumerate() {
        if place == 1 {
            assert_eq!(Cli::new(&services.url("redis")).run(&["FLUSHALL"]), "OK");
        }
        let told = async {
            while !heard.lock().unwrap().contains(&change) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), told).await.expect("what is told");
    }
    assert_eq!(visitor.member().await, None, "it is gone");
    feed.abort();
}
