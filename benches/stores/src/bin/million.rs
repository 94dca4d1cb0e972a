//! A million sessions in one store: what loads and writes take beside a thousand, and the longest
//! that any takes while all of them expire and are swept.
//!
//! `scripts/services run postgres redis cargo run --profile bench \
//!  --manifest-path benches/stores/Cargo.toml --bin million [quick] [sqlite] [postgres] [redis]`

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use sessile::store::{
    Admission, Created, PostgresOptions, PostgresStore, RedisOptions, RedisStore, Saved, SqliteStore, Store,
};
use sessile::{Clock as _, Id, Meta, Record, StoreError, SystemClock, Timestamp};
use sessile_benches::data::Member;
use sessile_store_benches::engine::{self, Engine};
use sessile_store_benches::report::{self, digits, round};
use sessile_store_benches::traffic::percentile;
use tokio::task::JoinSet;

const MANY: usize = 1_000_000;
const MANY_QUICK: usize = 50_000;
const FEW: usize = 1_000;
/// Fills the store with so many at once.
const FILLERS: usize = 32;
/// Sessions that requests use while all others expire.
const VISITORS: usize = 100;
/// Requests at once: one that loads and one that writes.
const TIMED: usize = 2_000;
/// The layer's sweeper removes as many in one call, and pauses as long between two.
const PIECE: usize = 100;
const BREATH: Duration = Duration::from_millis(5);

const SHORT: Duration = Duration::from_secs(2 * 3600);
const LONG: Duration = Duration::from_secs(24 * 3600);

type Shelf = Arc<dyn Store<Member>>;

#[derive(Serialize)]
struct Figures {
    sessions: usize,
    engines: BTreeMap<&'static str, Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    filled_in_s: f64,
    with_a_thousand: Latencies,
    with_all: Latencies,
    /// The same requests for as long as the sweep takes, with nothing to sweep: what this machine
    /// does by itself.
    quiet: Delays,
    while_swept: Delays,
    swept_in_s: f64,
    swept: usize,
}

#[derive(Serialize)]
struct Latencies {
    load_p50_us: f64,
    load_p99_us: f64,
    write_p50_us: f64,
    write_p99_us: f64,
}

#[derive(Serialize)]
struct Delays {
    requests: usize,
    /// Answered with an error of the store.
    failed: usize,
    p50_us: f64,
    p99_us: f64,
    longest_ms: f64,
    longer_than_50_ms: usize,
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "quick");
    let chosen = |engine: &Engine| {
        let names = || arguments.iter().filter(|argument| *argument != "quick");
        names().count() == 0 || names().any(|name| name == engine.name())
    };
    let all = [Engine::Sqlite, Engine::Postgres, Engine::Redis];
    let sessions = if quick { MANY_QUICK } else { MANY };
    let mut figures = Figures { sessions, engines: BTreeMap::new() };
    for engine in all.into_iter().filter(chosen) {
        println!("\n{engine}");
        let outcome = measure(engine, sessions).await;
        figures.engines.insert(engine.name(), outcome);
    }
    engine::clean_up();
    if figures.engines.len() == all.len() {
        report::save(if quick { "million-quick" } else { "million" }, &figures);
    } else {
        println!("\nnot written: not all engines were measured");
    }
}

async fn measure(engine: Engine, sessions: usize) -> Outcome {
    let store = open(engine).await;
    let visitors = fill(&store, VISITORS, LONG).await;
    let few = fill(&store, FEW, SHORT).await;
    let with_a_thousand = latencies(&store, &few).await;
    show("a thousand", &with_a_thousand);

    let redis = if engine == Engine::Redis { Some(Keys::new().await) } else { None };
    let start = Instant::now();
    // Redis expires by its own clock, and nobody can turn that forward: all expire at a moment
    // that comes when they are there and have been used.
    let rate = FEW as f64 / time(fill(&store, FEW, SHORT)).await.as_secs_f64();
    let lifetime = match engine {
        Engine::Redis => Duration::from_secs_f64(30.0 + 2.0 * sessions as f64 / rate),
        _ => SHORT,
    };
    let ends = Instant::now() + lifetime;
    let ids = fill(&store, sessions - 2 * FEW, lifetime).await;
    let filled_in_s = round(start.elapsed().as_secs_f64(), 1);
    println!("  filled in {filled_in_s} s");
    let with_all = latencies(&store, &ids).await;
    show("all", &with_all);

    let quiet = quiet(&store, &visitors).await;
    tell("nothing to sweep", &quiet);

    let (start, (while_swept, swept)) = match redis {
        Some(keys) => (ends, expired_by_redis(&store, &visitors, keys, ends).await),
        None => (Instant::now(), swept(&store, &visitors).await),
    };
    let swept_in_s = round(start.elapsed().as_secs_f64(), 1);
    tell("while they go", &while_swept);
    println!("  {swept} went in {swept_in_s} s");
    Outcome { filled_in_s, with_a_thousand, with_all, quiet, while_swept, swept_in_s, swept }
}

/// An empty store.
async fn open(engine: Engine) -> Shelf {
    let url = engine.url();
    match engine {
        Engine::Sqlite => Arc::new(SqliteStore::<Member>::connect(&url).await.expect("SQLite")),
        Engine::Postgres => {
            let table = format!("sessile_million_{}", std::process::id());
            let options = PostgresOptions::new(url).table(table);
            Arc::new(PostgresStore::<Member>::open(options).await.expect("PostgreSQL"))
        }
        Engine::Redis => {
            let options = RedisOptions::new(url).prefix(format!("million-{}:", std::process::id()));
            Arc::new(RedisStore::<Member>::open(options).await.expect("Redis"))
        }
        other => panic!("nothing to learn from {other}"),
    }
}

async fn time<V>(future: impl Future<Output = V>) -> Duration {
    let start = Instant::now();
    drop(future.await);
    start.elapsed()
}

/// Sessions that all end at one moment. Every tenth belongs to a subject.
async fn fill(store: &Shelf, sessions: usize, lifetime: Duration) -> Vec<Id> {
    let absolute = Timestamp::from(SystemClock.now() + lifetime);
    let next = Arc::new(AtomicUsize::new(0));
    let mut fillers = JoinSet::new();
    for _ in 0..FILLERS {
        let (store, next) = (Arc::clone(store), Arc::clone(&next));
        fillers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= sessions {
                    return ids;
                }
                let id = Id::generate().expect("the system's generator");
                let now = Timestamp::from(SystemClock.now());
                let mut meta = Meta::new(now, LONG, LONG);
                meta.absolute = absolute;
                if number.is_multiple_of(10) {
                    meta.subject = Some(format!("user-{number}").into());
                }
                let record = Arc::new(Record::new(meta, Member::sample()));
                let created = store.create(id, record, Admission::OPEN, now).await;
                let created = created.expect("a store that works");
                assert!(matches!(created, Created::Done { .. }), "{created:?}");
                ids.push(id);
            }
        });
    }
    fillers.join_all().await.into_iter().flatten().collect()
}

/// A load, and a load and write, of sessions far apart from each other.
async fn latencies(store: &Shelf, ids: &[Id]) -> Latencies {
    let (mut loads, mut writes) = (Vec::new(), Vec::new());
    let step = (ids.len() * 5 / 8 + 1) | 1;
    for number in 0..TIMED {
        let id = ids[(number * step) % ids.len()];
        let start = Instant::now();
        let record = load(store, id).await.expect("a store that works");
        let loaded = Instant::now();
        write(store, id, &record).await.expect("a store that works");
        loads.push(loaded - start);
        writes.push(loaded.elapsed());
    }
    loads.sort_unstable();
    writes.sort_unstable();
    let micros = |times: &[Duration], part| digits(percentile(times, part).as_secs_f64() * 1e6);
    Latencies {
        load_p50_us: micros(&loads, 0.5),
        load_p99_us: micros(&loads, 0.99),
        write_p50_us: micros(&writes, 0.5),
        write_p99_us: micros(&writes, 0.99),
    }
}

async fn load(store: &Shelf, id: Id) -> Result<Arc<Record<Member>>, StoreError> {
    let now = Timestamp::from(SystemClock.now());
    Ok(store.load(id, now).await?.expect("a live session"))
}

async fn write(store: &Shelf, id: Id, record: &Record<Member>) -> Result<(), StoreError> {
    let now = Timestamp::from(SystemClock.now());
    let mut newer = record.clone();
    let expected = newer.meta.version;
    newer.meta.version += 1;
    newer.data.user_id += 1;
    let saved = store.replace(id, expected, Arc::new(newer), now).await?;
    assert_eq!(saved, Saved::Done);
    Ok(())
}

/// What a visitor does; how long it took, and whether it came to an end.
async fn request(store: &Shelf, id: Id, writes: bool) -> (Duration, bool) {
    let start = Instant::now();
    let done = async {
        let record = load(store, id).await?;
        if writes { write(store, id, &record).await } else { Ok(()) }
    };
    let done = done.await.is_ok();
    (start.elapsed(), done)
}

/// For five seconds, with nothing to sweep.
async fn quiet(store: &Shelf, visitors: &[Id]) -> Delays {
    let over = Arc::new(AtomicBool::new(false));
    let visits = visit(store, visitors, &over);
    tokio::time::sleep(Duration::from_secs(5)).await;
    over.store(true, Ordering::Release);
    delays(visits).await
}

/// Sweeps as the layer's sweeper does.
async fn swept(store: &Shelf, visitors: &[Id]) -> (Delays, usize) {
    let now = Timestamp::from(SystemClock.now() + SHORT + Duration::from_secs(60));
    let over = Arc::new(AtomicBool::new(false));
    let visits = visit(store, visitors, &over);
    let mut removed = 0;
    loop {
        let step = store.sweep(now, PIECE).await.expect("a store that works");
        removed += step.removed;
        if !step.more {
            break;
        }
        tokio::time::sleep(BREATH).await;
    }
    over.store(true, Ordering::Release);
    (delays(visits).await, removed)
}

/// Waits until Redis has expired most of what was put there since the keys were counted first. It
/// does so in its own time; what is left shows in the number of keys.
async fn expired_by_redis(
    store: &Shelf,
    visitors: &[Id],
    mut keys: Keys,
    ends: Instant,
) -> (Delays, usize) {
    assert!(Instant::now() < ends, "filling took longer than was estimated");
    let most = keys.count().await;
    tokio::time::sleep_until(ends.into()).await;
    let over = Arc::new(AtomicBool::new(false));
    let visits = visit(store, visitors, &over);
    let mut left = most;
    let patience = Instant::now() + Duration::from_secs(300);
    // It takes its time with the last tenth, which it finds by chance.
    while left > keys.at_first + most / 8 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = keys.count().await;
    }
    over.store(true, Ordering::Release);
    (delays(visits).await, most - left)
}

/// Counts the keys of Redis, those of indices with them.
struct Keys {
    connection: redis::aio::MultiplexedConnection,
    at_first: usize,
}

impl Keys {
    async fn new() -> Self {
        let client = redis::Client::open(Engine::Redis.url()).expect("an address");
        let connection = client.get_multiplexed_async_connection().await.expect("Redis");
        let mut keys = Self { connection, at_first: 0 };
        keys.at_first = keys.count().await;
        keys
    }

    async fn count(&mut self) -> usize {
        redis::cmd("DBSIZE").query_async(&mut self.connection).await.expect("Redis")
    }
}

/// Two clients, one that loads and one that writes, each session of the visitors in turn.
fn visit(store: &Shelf, visitors: &[Id], over: &Arc<AtomicBool>) -> JoinSet<Vec<(Duration, bool)>> {
    let (readers, writers) = visitors.split_at(visitors.len() / 2);
    let mut visits = JoinSet::new();
    for (ids, writes) in [(readers.to_vec(), false), (writers.to_vec(), true)] {
        let (store, over) = (Arc::clone(store), Arc::clone(over));
        visits.spawn(async move {
            let mut delays = Vec::new();
            for id in ids.iter().cycle() {
                if over.load(Ordering::Acquire) {
                    break;
                }
                delays.push(request(&store, *id, writes).await);
            }
            delays
        });
    }
    visits
}

async fn delays(visits: JoinSet<Vec<(Duration, bool)>>) -> Delays {
    let visits: Vec<_> = visits.join_all().await.into_iter().flatten().collect();
    let failed = visits.iter().filter(|(_, done)| !done).count();
    let mut all: Vec<Duration> = visits.into_iter().map(|(took, _)| took).collect();
    all.sort_unstable();
    let micros = |part| digits(percentile(&all, part).as_secs_f64() * 1e6);
    Delays {
        requests: all.len(),
        failed,
        p50_us: micros(0.5),
        p99_us: micros(0.99),
        longest_ms: round(percentile(&all, 1.0).as_secs_f64() * 1e3, 1),
        longer_than_50_ms: all.iter().filter(|took| **took > Duration::from_millis(50)).count(),
    }
}

fn show(when: &str, figures: &Latencies) {
    println!(
        "  {when:<18} load p50 {:>7} us, p99 {:>7} us; write p50 {:>7} us, p99 {:>7} us",
        figures.load_p50_us, figures.load_p99_us, figures.write_p50_us, figures.write_p99_us
    );
}

fn tell(when: &str, figures: &Delays) {
    println!(
        "  {when:<18} {} requests, {} failed, p50 {} us, p99 {} us, longest {} ms, {} over 50 ms",
        figures.requests,
        figures.failed,
        figures.p50_us,
        figures.p99_us,
        figures.longest_ms,
        figures.longer_than_50_ms
    );
}
