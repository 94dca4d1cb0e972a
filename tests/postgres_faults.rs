//! A Postgres server that dies, drops its connections or falls silent under load: every request
//! ends in time, nothing acknowledged is lost, nothing ended comes back, and service resumes by
//! itself (S48).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test fails by panicking; this one measures time and says what it found"
)]

#[path = "support/services.rs"]
mod services;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sessile::store::{Admission, Change, PostgresOptions, PostgresStore, Store};
use sessile::{
    Clock, Id, Meta, Record, SessionLayer, StoreError, StoreErrorKind, SystemClock, Timestamp,
};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place, spawn};
use tokio::time::{sleep, timeout};

use self::services::Services;
use self::support::{App, Member, Visitor, count_visit, log_out};

/// How long a request may wait for the store each time that it asks.
const STORE_TIMEOUT: Duration = Duration::from_millis(500);
/// A request asks twice (load, replace); the rest is for a busy machine.
const LONGEST_REQUEST: Duration = Duration::from_secs(4);
/// "Within seconds."
const RECOVERY: Duration = Duration::from_secs(15);

fn app(store: PostgresStore<Member>) -> App {
    app_with(store, STORE_TIMEOUT)
}

fn app_with(store: PostgresStore<Member>, timeout: Duration) -> App {
    App::with(store, |layer: SessionLayer<Member>| layer.clock(SystemClock).store_timeout(timeout))
}

async fn open(servers: &Services, pooled: bool) -> PostgresStore<Member> {
    let url = servers.url("postgres");
    match pooled {
        true => PostgresStore::from_pool(pool(&url).await).await.unwrap(),
        false => PostgresStore::connect(&url).await.unwrap(),
    }
}

async fn pool(url: &str) -> PgPool {
    let options = PgPoolOptions::new().max_connections(6).test_before_acquire(false);
    options.acquire_timeout(Duration::from_secs(1)).connect(url).await.unwrap()
}

/// What one visitor did, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    sent: u32,
    counted: u32,
    refused: u32,
    slowest: Duration,
}

/// Visitors who count their visits and visitors who come, log out and come back, until told to stop.
struct Load {
    app: App,
    stop: Arc<AtomicBool>,
    counting: JoinSet<(Visitor, Tally)>,
    leaving: JoinSet<(Vec<Visitor>, Tally)>,
}

impl Load {
    async fn begin(app: App) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = Self { app, stop, counting: JoinSet::new(), leaving: JoinSet::new() };
        for _ in 0..8 {
            let (visitor, stop) = (log_in(&load.app).await, Arc::clone(&load.stop));
            load.counting.spawn(count_visits(visitor, stop));
        }
        for _ in 0..2 {
            let mut visitors = Vec::new();
            for _ in 0..100 {
                visitors.push(log_in(&load.app).await);
            }
            load.leaving.spawn(log_all_out(visitors, Arc::clone(&load.stop)));
        }
        load
    }

    /// Waits until requests are served again, stops, and compares.
    async fn end(self, what: &str) -> Tally {
        let mut visitor = log_in(&self.app).await;
        // Each broken connection costs a request when it is found out, and a busy machine one now
        // and then; but soon there are twenty served in a row.
        let (start, mut in_a_row) = (Instant::now(), 0);
        while in_a_row < 20 {
            let served = visitor.visit(&count_visit()).await.status() == 200;
            in_a_row = if served { in_a_row + 1 } else { 0 };
            assert!(
                start.elapsed() < RECOVERY * 2,
                "{what}: {in_a_row} served in a row, after all"
            );
        }
        self.stop.store(true, Ordering::SeqCst);

        let mut total = Tally::default();
        for (mut visitor, tally) in self.counting.join_all().await {
            let visits = visitor.member().await.unwrap_or_else(|| panic!("{what}: lost")).visits;
            let unknown = tally.sent - tally.counted;
            assert!(
                (tally.counted..=tally.counted + unknown).contains(&visits),
                "{what}: {visits} visits, but {tally:?}"
            );
            total.add(tally);
        }
        for (gone, tally) in self.leaving.join_all().await {
            for mut visitor in gone {
                assert!(visitor.member().await.is_none(), "{what}: a session came back");
            }
            total.add(tally);
        }
        assert!(total.slowest < LONGEST_REQUEST, "{what}: {total:?}");
        println!("{what}: {total:?}");
        total
    }
}

impl Tally {
    /// Sends one request and says whether it was served.
    async fn send(&mut self, visitor: &mut Visitor, handle: &support::Handler) -> bool {
        let start = Instant::now();
        let status = visitor.visit(handle).await.status().as_u16();
        self.slowest = self.slowest.max(start.elapsed());
        self.sent += 1;
        match status {
            200 => self.counted += 1,
            503 => self.refused += 1,
            other => panic!("neither success nor 503: {other}"),
        }
        status == 200
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.counted += other.counted;
        self.refused += other.refused;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Logs somebody in, as soon as the store allows.
async fn log_in(app: &App) -> Visitor {
    let start = Instant::now();
    let new = support::handler(|session| async move {
        session.create(Member::named("ann")).unwrap();
        support::ok()
    });
    loop {
        let mut visitor = Visitor::new(app);
        if visitor.visit(&new).await.status() == 200 {
            return visitor;
        }
        assert!(start.elapsed() < RECOVERY, "no service for {RECOVERY:?}: {:?}", app.heard.all());
        sleep(Duration::from_millis(20)).await;
    }
}

async fn count_visits(mut visitor: Visitor, stop: Arc<AtomicBool>) -> (Visitor, Tally) {
    let mut tally = Tally::default();
    while !stop.load(Ordering::SeqCst) {
        if !tally.send(&mut visitor, &count_visit()).await {
            sleep(Duration::from_millis(10)).await;
        }
    }
    (visitor, tally)
}

/// Logs them out one after the other, each until it is told that it worked. A copy of each ticket
/// is kept: its session must never be seen again.
async fn log_all_out(visitors: Vec<Visitor>, stop: Arc<AtomicBool>) -> (Vec<Visitor>, Tally) {
    let (mut tally, mut gone) = (Tally::default(), Vec::new());
    for mut visitor in visitors {
        let ticket = visitor.clone();
        // A logout whose answer was lost has happened: then there is nobody to log out any more.
        while visitor.cookie().is_some() && !tally.send(&mut visitor, &log_out()).await {
            sleep(Duration::from_millis(10)).await;
        }
        gone.push(ticket);
        if stop.load(Ordering::SeqCst) {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    (gone, tally)
}

#[tokio::test(flavor = "multi_thread")]
async fn s48_a_server_that_is_killed_and_restarted() {
    let servers = Services::start(&["postgres"]);
    for pooled in [false, true] {
        let load = Load::begin(app(open(&servers, pooled).await)).await;
        for _ in 0..2 {
            sleep(Duration::from_millis(500)).await;
            block_in_place(|| servers.kill("postgres"));
            sleep(Duration::from_millis(800)).await;
            block_in_place(|| servers.restart("postgres"));
        }
        let total = load.end("killed").await;
        assert!(total.counted > 50 && total.refused > 0, "{total:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s48_connections_that_are_cut_in_the_middle() {
    let servers = Services::start(&["postgres"]);
    for pooled in [false, true] {
        let load = Load::begin(app(open(&servers, pooled).await)).await;
        let mut admin = PgConnection::connect(&servers.url("postgres")).await.unwrap();
        let mut all = 0;
        for _ in 0..20 {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            let cut: i64 = sqlx::query_scalar(cut).fetch_one(&mut admin).await.unwrap();
            all += cut; // a busy machine may not have connected anew since the last round
            sleep(Duration::from_millis(100)).await;
        }
        assert!(all >= 6, "{all} connections were cut");
        let total = load.end("cut").await;
        assert!(total.counted > 50, "{total:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s48_a_server_that_says_nothing_for_more_than_two_seconds() {
    let servers = Services::start(&["postgres"]);
    for pooled in [false, true] {
        let load = Load::begin(app(open(&servers, pooled).await)).await;
        sleep(Duration::from_millis(500)).await;
        block_in_place(|| servers.pause("postgres"));
        sleep(Duration::from_millis(2_500)).await;
        block_in_place(|| servers.resume("postgres"));
        let total = load.end("silent").await;
        assert!(total.counted > 50 && total.refused > 0, "{total:?}");
    }
}

/// After a restart every idle connection is dead. The first call that can be repeated finds out,
/// and no call fails.
#[tokio::test(flavor = "multi_thread")]
async fn s48_a_restart_while_nobody_asks_costs_no_request() {
    let servers = Services::start(&["postgres"]);
    for pooled in [false, true] {
        // No call may fail here, however busy the machine is.
        let app = app_with(open(&servers, pooled).await, RECOVERY);
        let mut visitors = Vec::new();
        for _ in 0..8 {
            visitors.push(log_in(&app).await);
        }
        let mut crowd = JoinSet::new();
        for mut visitor in visitors.clone() {
            crowd.spawn(async move { visitor.visit(&count_visit()).await.status() });
        }
        assert!(crowd.join_all().await.iter().all(|status| *status == 200));
        block_in_place(|| servers.kill("postgres"));
        block_in_place(|| servers.restart("postgres"));
        for visitor in &mut visitors {
            assert_eq!(visitor.visit(&count_visit()).await.status(), 200);
            assert_eq!(visitor.member().await.unwrap().visits, 2);
        }
    }
}

/// Somebody holds the table, and whoever asks for a session goes away before there is an answer.
#[tokio::test(flavor = "multi_thread")]
async fn s48_calls_that_nobody_waits_for_any_more_take_no_more_connections() {
    let servers = Services::start(&["postgres"]);
    for pooled in [false, true] {
        let store: PostgresStore<u32> = match pooled {
            true => PostgresStore::from_pool(pool(&servers.url("postgres")).await).await.unwrap(),
            false => PostgresStore::connect(&servers.url("postgres")).await.unwrap(),
        };
        let id = keep(&store).await;
        let mut holder = PgConnection::connect(&servers.url("postgres")).await.unwrap();
        let mut watch = PgConnection::connect(&servers.url("postgres")).await.unwrap();
        let lock = "BEGIN; LOCK TABLE sessile_sessions IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
        let mut most = 0;
        for _ in 0..10 {
            let mut crowd = JoinSet::new();
            for _ in 0..10 {
                let store = store.clone();
                let load = async move { store.load(id, now()).await };
                crowd.spawn(timeout(Duration::from_millis(100), load));
            }
            assert!(crowd.join_all().await.iter().all(Result::is_err), "there is a lock");
            most = most.max(waiting(&mut watch).await);
        }
        assert!((1..=10).contains(&most), "{most} of the server's connections");
        if !pooled {
            // The server gives up by itself, and the store goes on with what it has.
            let start = Instant::now();
            while waiting(&mut watch).await > 0 {
                assert!(start.elapsed() < Duration::from_secs(30), "nobody ever gives up");
                sleep(Duration::from_millis(100)).await;
            }
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
        for _ in 0..20 {
            let found = timeout(LONGEST_REQUEST, store.load(id, now())).await.expect("in time");
            assert!(found.unwrap().is_some());
        }
    }
}

/// How many connections wait for a lock.
async fn waiting(watch: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    sqlx::query_scalar(waiting).fetch_one(watch).await.unwrap()
}

/// A firewall forgets the connections: nobody is told, and what is sent gets no answer. The first
/// call finds out; those after it do not pay for the other connections one by one.
#[tokio::test(flavor = "multi_thread")]
async fn s48_connections_that_vanish_without_a_word_cost_one_call() {
    let servers = Services::start(&["postgres"]);
    let relay = Relay::to(&servers.node("postgres")).await;
    let (front, rest) = servers.url("postgres").split_once('@').map(own).unwrap();
    let database = rest.split_once('/').unwrap().1;
    let url = format!("{front}@{}/{database}?sslmode=disable", relay.address);
    let store = PostgresStore::<u32>::connect(&url).await.unwrap();
    let id = keep(&store).await;

    // So that there are several: each waits for the lock, so that the next needs another.
    let mut holder = PgConnection::connect(&servers.url("postgres")).await.unwrap();
    let lock = "BEGIN; LOCK TABLE sessile_sessions IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let mut crowd = JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        crowd.spawn(async move { store.load(id, now()).await.unwrap().is_some() });
    }
    let mut watch = PgConnection::connect(&servers.url("postgres")).await.unwrap();
    let start = Instant::now();
    while waiting(&mut watch).await < 8 {
        assert!(start.elapsed() < Duration::from_secs(4), "they do not wait");
        sleep(Duration::from_millis(10)).await;
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(crowd.join_all().await.iter().all(|found| *found));

    relay.forget();
    let mut lost = 0;
    for _ in 0..12 {
        match timeout(Duration::from_secs(2), store.load(id, now())).await {
            Ok(found) => assert!(found.unwrap().is_some()),
            Err(_) => lost += 1,
        }
    }
    assert_eq!(lost, 1, "of eight connections that were idle");
}

fn own((front, rest): (&str, &str)) -> (String, String) {
    (front.to_owned(), rest.to_owned())
}

/// Passes on what goes to the server and back, until it is told to forget those who are there.
struct Relay {
    address: std::net::SocketAddr,
    era: watch::Sender<u32>,
}

impl Relay {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, server) = (listener.local_addr().unwrap(), server.to_owned());
        let (era, eras) = watch::channel(0);
        spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(&server).await.unwrap();
                let mut eras = eras.clone();
                eras.mark_unchanged();
                spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = eras.changed() => std::future::pending().await, // and keeps both open
                    }
                });
            }
        });
        Self { address, era }
    }

    fn forget(&self) {
        self.era.send_modify(|era| *era += 1);
    }
}

fn now() -> Timestamp {
    SystemClock.now().into()
}

/// A session that lasts for the test.
async fn keep(store: &PostgresStore<u32>) -> Id {
    let (now, id) = (now(), Id::generate().unwrap());
    let record = Record::new(Meta::new(now, RECOVERY * 20, RECOVERY * 20), 7);
    store.create(id, Arc::new(record), Admission::OPEN, now).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_ends_when_the_server_dies_or_falls_silent_and_can_be_asked_again() {
    let servers = Services::start(&["postgres"]);
    let options = PostgresOptions::new(servers.url("postgres")).announce(true);
    let store = PostgresStore::<u32>::open(options).await.unwrap();

    let feed = listen(&store).await;
    block_in_place(|| servers.kill("postgres"));
    assert_eq!(end_of(feed).await.kind(), StoreErrorKind::Unavailable);
    let refused = spawn(listening(&store, Arc::default()));
    assert_eq!(end_of(refused).await.kind(), StoreErrorKind::Unavailable, "nobody to listen to");
    block_in_place(|| servers.restart("postgres"));

    let feed = listen(&store).await;
    block_in_place(|| servers.pause("postgres"));
    let (silence, error) = (Instant::now(), end_of(feed).await);
    assert_eq!(error.kind(), StoreErrorKind::Timeout);
    assert!(silence.elapsed() < Duration::from_secs(8), "{:?}", silence.elapsed());
    block_in_place(|| servers.resume("postgres"));

    let heard = Arc::default();
    let feed = spawn(listening(&store, Arc::clone(&heard)));
    until_heard(&heard, Change::Listening).await;
    let id = keep(&store).await;
    store.delete(id, now()).await.unwrap();
    until_heard(&heard, Change::Changed { id }).await;
    feed.abort();
}

type Heard = Arc<Mutex<Vec<Change>>>;

async fn listen(store: &PostgresStore<u32>) -> tokio::task::JoinHandle<StoreError> {
    let heard = Heard::default();
    let feed = spawn(listening(store, Arc::clone(&heard)));
    until_heard(&heard, Change::Alive).await;
    feed
}

fn listening(
    store: &PostgresStore<u32>,
    heard: Heard,
) -> impl Future<Output = StoreError> + Send + use<> {
    store.changes().unwrap().listen(Arc::new(move |change| heard.lock().unwrap().push(change)))
}

async fn end_of(feed: tokio::task::JoinHandle<StoreError>) -> StoreError {
    timeout(Duration::from_secs(30), feed).await.expect("it listens to nobody").unwrap()
}

async fn until_heard(heard: &Heard, change: Change) {
    for _ in 0..3_000 {
        if heard.lock().unwrap().contains(&change) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never heard of {change:?}");
}
