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

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile::store::{Admission, Change, RedisOptions, RedisStore, Revoke, Saved, Store};
use sessile::{
    Clock, Id, Meta, OpenErrorKind, Record, StoreError, StoreErrorKind, SystemClock, Timestamp,
};
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
        let id = Id::generate().unwrap();
        let error = store.load(id, Timestamp::from_millis(0)).await.unwrap_err();
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

/// Freezes a primary for good: its connections stay open and nobody says that they lead nowhere.
/// The layer gives up before the store does, so that no call of the store's is ever waited for to
/// its end. A visitor whose session was there comes back now and then.
async fn freeze(kind: &str, victim: &str, pace: Duration) {
    let services = Services::start(&[kind]);
    let store = open(&services.url(kind)).await;
    let app = App::with(store, |layer| layer.clock(SystemClock).store_timeout(TIMEOUT / 2));
    let server = Cli::node(&services.node(victim));
    let mut visitor = loop {
        let visitor = app.log_in("ann").await;
        if server.number(&["DBSIZE"]) > 0 {
            break visitor;
        }
    };
    sleep(Duration::from_secs(1)).await; // its replica has it, too
    block_in_place(|| services.pause(victim));
    let (began, mut failed, mut served) = (Instant::now(), 0, 0);
    while served < 5 {
        let response = timeout(LONGEST, visitor.visit(&count_visit())).await;
        match response.expect("a request that does not end").status().as_u16() {
            200 => served += 1,
            503 => (failed, served) = (failed + 1, 0),
            status => panic!("neither success nor 503: {status}"),
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{failed} failed, {served} were served");
        if served == 0 {
            sleep(pace).await;
        }
    }
    assert!(failed > 0, "the outage was noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_under_sentinel_that_is_frozen() {
    freeze("redis-sentinel", "redis-sentinel-master", Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_of_a_cluster_that_is_frozen() {
    freeze("redis-cluster", "redis-cluster-1", Duration::from_secs(4)).await;
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
    for (from, to) in [(&one, &other), (&other, &one)] {
        reshard(from, to, "600");
        load.serves(100, Duration::from_secs(30)).await;
    }
    assert_eq!(load.failed.load(Ordering::SeqCst), 0, "a slot that moves costs no request");
    expect_all(&load.stop().await);
}

fn node_id(node: &str) -> String {
    Cli::node(node).run(&["CLUSTER", "MYID"])
}

/// Moves so many slots with all that is in them.
fn reshard(from: &str, to: &str, slots: &str) {
    let (from_id, to_id) = (node_id(from), node_id(to));
    let reshard = ["--cluster", "reshard", from, "--cluster-from", &from_id];
    let terms = ["--cluster-to", &to_id, "--cluster-slots", slots, "--cluster-yes"];
    let said = block_in_place(|| {
        let arguments = [&reshard[..], &terms[..]].concat();
        let output = std::process::Command::new("redis-cli").args(arguments).output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    });
    assert!(said.contains("Moving slot") && !said.contains("ERR"), "{said}");
}

fn now() -> Timestamp {
    SystemClock.now().into()
}

const MINUTE: Duration = Duration::from_secs(60);

fn record(subject: Option<&str>) -> Arc<Record<Member>> {
    let mut meta = Meta::new(now(), MINUTE * 10, MINUTE * 10);
    meta.subject = subject.map(Into::into);
    Arc::new(Record::new(meta, Member::named("ann")))
}

async fn begin(store: &RedisStore<Member>, subject: Option<&str>) -> Result<Id, StoreError> {
    let id = Id::generate().unwrap();
    store.create(id, record(subject), Admission::OPEN, now()).await.map(|_| id)
}

/// A slot that goes from one node of a cluster to another, key by key.
struct SlotMove {
    nodes: [String; 3],
    from: usize,
    to: usize,
    slot: String,
}

impl SlotMove {
    fn begin(services: &Services, key: &str) -> Self {
        let nodes = ["redis-cluster-1", "redis-cluster-2", "redis-cluster-3"];
        let nodes = nodes.map(|node| services.node(node));
        let slot = Cli::node(&nodes[0]).run(&["CLUSTER", "KEYSLOT", key]);
        let held = |node: &String| Cli::node(node).number(&["CLUSTER", "COUNTKEYSINSLOT", &slot]);
        let from = nodes.iter().position(|node| held(node) > 0).unwrap();
        let this = Self { to: (from + 1) % 3, from, slot, nodes };
        let [from, to] = [this.from, this.to].map(|place| this.nodes[place].as_str());
        this.say(to, &["IMPORTING", &node_id(from)]);
        this.say(from, &["MIGRATING", &node_id(to)]);
        this
    }

    fn say(&self, node: &str, what: &[&str]) {
        let command = [&["CLUSTER", "SETSLOT", &self.slot], what].concat();
        assert_eq!(Cli::node(node).run(&command), "OK", "{command:?}");
    }

    /// The keys that are not there yet.
    fn keys(&self, pattern: &str) -> Vec<String> {
        let keys = Cli::node(&self.nodes[self.from]).run(&["KEYS", pattern]);
        keys.lines().map(str::to_owned).collect()
    }

    fn bring(&self, key: &str) {
        let (host, port) = self.nodes[self.to].split_once(':').unwrap();
        let command = ["MIGRATE", host, port, key, "0", "5000"];
        assert_eq!(Cli::node(&self.nodes[self.from]).run(&command), "OK");
    }

    fn end(self) {
        self.keys("*").iter().for_each(|key| self.bring(key));
        let to = node_id(&self.nodes[self.to]);
        // First where it goes, so that nobody is ever told that nobody has it.
        for place in [self.to, self.from, (self.to + 1) % 3] {
            self.say(&self.nodes[place], &["NODE", &to]);
        }
    }
}

/// While one slot has all sessions and is moved, what concerns a subject may be refused. It is never
/// answered wrongly, nor is anybody forgotten for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_that_moves_takes_all_sessions_of_a_subject_with_it() {
    let services = Services::start(&["redis-cluster"]);
    let options = RedisOptions::new(services.url("redis-cluster")).prefix("{shop}:");
    let store = RedisStore::<Member>::open(options.clone().timeout(TIMEOUT * 4)).await.unwrap();
    let index = store.subjects().unwrap();
    for first in ["{shop}:session:*", "{shop}:subject:*"] {
        let mut ids = BTreeSet::new();
        for _ in 0..3 {
            ids.insert(begin(&store, Some("ann")).await.unwrap());
        }
        let slot = SlotMove::begin(&services, "{shop}:");
        slot.bring(&slot.keys(first)[0]);
        for _ in 0..3 {
            match index.count("ann", now()).await {
                Ok(count) => assert_eq!(count, ids.len(), "{first} first"),
                Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}"),
            }
            if let Ok(listed) = index.list("ann", None, 100, now()).await {
                assert_eq!(listed.len(), ids.len(), "{first} first");
            }
            ids.extend(begin(&store, Some("ann")).await);
        }
        for id in &ids {
            let old = store.load(*id, now()).await.unwrap().expect("a session in either place");
            assert_eq!(store.touch(*id, now()).await.unwrap(), Saved::Done);
            // It takes the index, which is to last as long.
            let mut meta = old.meta.clone();
            meta.version += 1;
            meta.absolute = now().plus(MINUTE * 20);
            let next = Arc::new(Record::new(meta, old.data.clone()));
            match store.replace(*id, old.meta.version, next, now()).await {
                Ok(saved) => assert_eq!(saved, Saved::Done),
                Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}"),
            }
        }
        slot.end();
        assert_eq!(index.count("ann", now()).await.unwrap(), ids.len(), "{first} first");
        let ended = index.revoke("ann", Revoke::All, 100, now()).await.unwrap().ids;
        assert_eq!(ended.into_iter().collect::<BTreeSet<_>>(), ids, "{first} first");
        for id in ids {
            assert!(store.load(id, now()).await.unwrap().is_none(), "{first} first");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_is_refused_for_now_is_not_tried_for_longer_than_it_may_take() {
    let services = Services::start(&["redis-cluster"]);
    let options = RedisOptions::new(services.url("redis-cluster")).prefix("{shop}:");
    let hasty = options.clone().timeout(Duration::from_millis(420));
    let store = loop {
        match RedisStore::<Member>::open(hasty.clone()).await {
            Ok(store) => break store,
            Err(error) => assert_eq!(error.kind(), OpenErrorKind::Unreachable),
        }
    };
    let patient = RedisStore::<Member>::open(options).await.unwrap();
    begin(&patient, Some("ann")).await.unwrap();
    let _slot = SlotMove::begin(&services, "{shop}:");
    begin(&store, Some("ann")).await.unwrap_err();
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        begin(&store, Some("ann")).await.unwrap_err();
        shortest = shortest.min(began.elapsed());
    }
    // A pause of 160 milliseconds would come last.
    assert!(shortest < Duration::from_millis(520), "it took {shortest:?}");
}

/// All sessions of a scan, with something done after some steps.
async fn scan_around(store: &RedisStore<Member>, step: usize, deed: impl FnOnce()) -> BTreeSet<Id> {
    let scan = Store::all(store).unwrap();
    let (mut seen, mut from, mut deed, mut steps) = (BTreeSet::new(), None, Some(deed), 0);
    loop {
        let scanned = match scan.scan(from.clone(), step, now()).await {
            Ok(scanned) => scanned,
            Err(error) => {
                assert!(steps < 10_000, "{error:?}");
                sleep(Duration::from_millis(20)).await;
                steps += 1;
                continue;
            }
        };
        seen.extend(scanned.sessions.into_iter().map(|(id, _)| id));
        steps += 1;
        from = scanned.next;
        if from.is_none() {
            assert!(deed.is_none(), "it came to its end before");
            return seen;
        }
        if !seen.is_empty()
            && let Some(deed) = deed.take()
        {
            block_in_place(deed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_scan_misses_nobody_when_its_server_is_started_again() {
    let services = Services::start(&["redis"]);
    let store = open(&services.url("redis")).await;
    let mut begun = BTreeSet::new();
    for _ in 0..100 {
        begun.insert(begin(&store, None).await.unwrap());
    }
    let seen = scan_around(&store, 50, || services.restart("redis")).await;
    assert_eq!(seen, begun, "{} of {}", seen.len(), begun.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_scan_misses_nobody_who_moves_behind_its_back() {
    let services = Services::start(&["redis-cluster"]);
    let store = open(&services.url("redis-cluster")).await;
    let mut begun = BTreeSet::new();
    for _ in 0..100 {
        begun.insert(begin(&store, None).await.unwrap());
    }
    let mut nodes =
        ["redis-cluster-1", "redis-cluster-2", "redis-cluster-3"].map(|node| services.node(node));
    nodes.sort(); // as a scan does: all ports have five digits
    let seen = scan_around(&store, 10_000, || reshard(&nodes[2], &nodes[0], "3000")).await;
    assert_eq!(seen, begun, "{} of {}", seen.len(), begun.len());
}

/// A primary without replicas may be the one that was, so the Sentinels are asked; not each time, for
/// the replicas may as well be down.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_that_lacks_replicas_is_looked_for_anew() {
    let services = Services::start(&["redis-sentinel"]);
    let store = open(&services.url("redis-sentinel")).await;
    let primary = Cli::node(&services.node("redis-sentinel-master"));
    block_in_place(|| services.kill("redis-sentinel-replica"));
    primary.run(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let refused = async {
        while begin(&store, None).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), refused).await.expect("it takes writes without its replica");
    let (before, began, mut failed) = (connections(&[&primary]), Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(4) {
        assert!(begin(&store, None).await.is_err());
        failed += 1;
        sleep(Duration::from_millis(20)).await;
    }
    let (dialled, seconds) = (connections(&[&primary]) - before - 1, began.elapsed().as_secs());
    assert!(dialled >= 1, "{failed} writes were refused and nobody was asked");
    assert!(dialled <= seconds + 1, "{dialled} connections in {seconds} seconds");
}

/// How many connections these servers have ever accepted; one more for each is that which asks.
fn connections(servers: &[&Cli]) -> u64 {
    let stats = servers.iter().map(|server| server.run(&["INFO", "stats"]));
    let accepted = stats.map(|stats| {
        let (_, count) = stats.split_once("total_connections_received:").unwrap();
        count.lines().next().unwrap().trim().parse::<u64>().unwrap()
    });
    accepted.sum()
}

/// An idle feed asks who the primaries are, and uses the connections that it has.
async fn feed_dials_nobody(kind: &str, servers: &[&str]) {
    let services = Services::start(&[kind]);
    let store = open(&services.url(kind)).await;
    let beats = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&beats);
    let tell = Arc::new(move |change| {
        if change == Change::Alive {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let feed = tokio::spawn(store.changes().unwrap().listen(tell));
    let comes_to = async |many| {
        let come = async {
            while beats.load(Ordering::SeqCst) < many {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), come).await.expect("beats");
    };
    let servers: Vec<Cli> = servers.iter().map(|name| Cli::node(&services.node(name))).collect();
    let servers: Vec<&Cli> = servers.iter().collect();
    // The servers may still be busy connecting to each other.
    let (mut dialled, own) = (Vec::new(), u64::try_from(servers.len()).unwrap());
    while dialled.last() != Some(&0) {
        assert!(dialled.len() < 6 && !feed.is_finished(), "{dialled:?}");
        comes_to(beats.load(Ordering::SeqCst) + 1).await;
        let before = connections(&servers);
        comes_to(beats.load(Ordering::SeqCst) + 5).await;
        dialled.push(connections(&servers) - before - own);
    }
    feed.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_of_a_cluster_dials_nobody() {
    let nodes = ["redis-cluster-1", "redis-cluster-2", "redis-cluster-3"];
    feed_dials_nobody("redis-cluster", &nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_under_sentinel_dials_nobody() {
    let sentinels = ["redis-sentinel-1", "redis-sentinel-2", "redis-sentinel-3"];
    feed_dials_nobody("redis-sentinel", &sentinels).await;
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
