//! How often a request goes to the server of its store, counted on the wire. The servers are those
//! of `TEST_POSTGRES_URL` and `TEST_REDIS_URL`.
//!
//! A cluster's nodes tell clients their own addresses, so no proxy can stand before them;
//! `benches/stores` counts the same for the peers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::convert::Infallible;
use std::process;
use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use sessile::store::{
    Cached, Limit, PostgresOptions, PostgresStore, RedisOptions, RedisStore, Store,
};
use sessile::{Key, LazySession, NewSession, Session, SessionLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

#[path = "support/counting_proxy.rs"]
mod counting_proxy;
#[path = "support/services.rs"]
mod services;

use counting_proxy::CountingProxy;
use services::shared_url;

#[derive(Clone, Serialize, Deserialize)]
struct Visits(u32);

/// What a handler does with the session; `None` leaves it alone.
type Handler = Option<fn(&Session<Visits>)>;

fn read(session: &Session<Visits>) {
    assert_eq!(session.get().map(|visits| visits.0), Some(0));
}

fn ask(session: &Session<Visits>) {
    assert!(session.get().is_none());
}

fn write(session: &Session<Visits>) {
    session.update(|visits| visits.0 += 1).unwrap();
}

fn log_in(session: &Session<Visits>) {
    session.create(Visits(0)).unwrap();
}

fn log_in_as_somebody(session: &Session<Visits>) {
    session.create(NewSession::with(Visits(0)).subject("ann")).unwrap();
}

fn log_out(session: &Session<Visits>) {
    session.destroy().unwrap();
}

#[derive(Clone, Copy, PartialEq)]
enum Ticket {
    None,
    Valid,
    Forged,
}

/// What is asked, and how many round trips it may take: without a cache, and with one that knows
/// the session.
struct Case {
    name: &'static str,
    ticket: Ticket,
    lazy: bool,
    /// It ends the session without loading it.
    unseen: bool,
    handler: Handler,
    plain: u64,
    cached: u64,
}

const fn case(name: &'static str, ticket: Ticket, handler: Handler, trips: [u64; 2]) -> Case {
    let [plain, cached] = trips;
    Case { name, ticket, lazy: false, unseen: false, handler, plain, cached }
}

impl Case {
    const fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    const fn unseen(mut self) -> Self {
        self.unseen = true;
        self.lazy()
    }

    /// Whether it asks for a session that is there.
    fn loads(&self) -> bool {
        self.ticket == Ticket::Valid && !(self.lazy && self.handler.is_none())
    }
}

const CASES: [Case; 16] = [
    case("no ticket, untouched", Ticket::None, None, [0, 0]),
    case("no ticket, read", Ticket::None, Some(ask), [0, 0]),
    case("a forged ticket, read", Ticket::Forged, Some(ask), [0, 0]),
    case("a forged ticket, read lazily", Ticket::Forged, Some(ask), [0, 0]).lazy(),
    case("untouched in lazy mode", Ticket::Valid, None, [0, 0]).lazy(),
    case("untouched", Ticket::Valid, None, [1, 0]),
    case("read", Ticket::Valid, Some(read), [1, 0]),
    case("read lazily", Ticket::Valid, Some(read), [1, 0]).lazy(),
    case("read and write", Ticket::Valid, Some(write), [2, 1]),
    case("log in", Ticket::None, Some(log_in), [1, 1]),
    case("log in under a limit", Ticket::None, Some(log_in_as_somebody), [1, 1]),
    case("log in over an old session", Ticket::Valid, Some(log_in), [2, 1]),
    case("log out", Ticket::Valid, Some(log_out), [2, 1]),
    case("log out lazily, loaded", Ticket::Valid, Some(log_out), [2, 1]).lazy(),
    case("log out lazily", Ticket::Valid, None, [1, 1]).unseen(),
    case("log out lazily, forged", Ticket::Forged, None, [0, 0]).unseen(),
];

/// What comes before the request that is counted.
const BEGIN: Case = case("log in before", Ticket::None, Some(log_in), [1, 1]);
const WARM: Case = case("read before", Ticket::Valid, Some(read), [1, 1]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_postgres() {
    let (proxy, url) = CountingProxy::before_url(&shared_url("TEST_POSTGRES_URL")).await;
    let table = format!("round_trips_{}", process::id());
    let options = PostgresOptions::new(url).table(table);
    let site = Site::new(PostgresStore::open(options).await.unwrap(), proxy, || 0);
    site.check_all(|case| (case.plain, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_redis() {
    let (proxy, url) = CountingProxy::before_url(&shared_url("TEST_REDIS_URL")).await;
    let options = RedisOptions::new(url).prefix(format!("round-trips-{}:", process::id()));
    let store = RedisStore::open(options.timeout(PATIENCE)).await.unwrap();
    Site::new(store, proxy, || 0).check_all(|case| (case.plain, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_a_cache_before_postgres() {
    let (proxy, url) = CountingProxy::before_url(&shared_url("TEST_POSTGRES_URL")).await;
    let table = format!("round_trips_cached_{}", process::id());
    let options = PostgresOptions::new(url).table(table).announce(true);
    let store = Cached::new(PostgresStore::open(options).await.unwrap()).unwrap();
    let seen = store.clone();
    let site = Site::new(store, proxy, move || seen.stats().hits);
    site.check_all(|case| (case.cached, case.loads())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_a_cache_before_redis() {
    let (proxy, url) = CountingProxy::before_url(&shared_url("TEST_REDIS_URL")).await;
    let options = RedisOptions::new(url).prefix(format!("round-trips-cached-{}:", process::id()));
    let store = RedisStore::open(options.timeout(PATIENCE)).await.unwrap();
    let store = Cached::new(store).unwrap();
    let seen = store.clone();
    let site = Site::new(store, proxy, move || seen.stats().hits);
    site.check_all(|case| (case.cached, case.loads())).await;
}

struct Site {
    layer: SessionLayer<Visits>,
    proxy: CountingProxy,
    /// Loads that a cache has answered so far.
    hits: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Site {
    fn new(
        store: impl Store<Visits>,
        proxy: CountingProxy,
        hits: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let layer = SessionLayer::new(store, Key::generate()).store_timeout(PATIENCE);
        let layer = layer.limit(Limit::evict_oldest(5));
        Self { layer, proxy, hits: Box::new(hits) }
    }

    /// `expected` says how many round trips each case takes, and whether a cache must have helped.
    async fn check_all(&self, expected: impl Fn(&Case) -> (u64, bool)) {
        for case in &CASES {
            let (trips, hit) = expected(case);
            self.trips(case, hit).await; // prepares a statement, or loads a script
            assert_eq!(self.trips(case, hit).await, trips, "{}", case.name);
        }
    }

    /// Tries again when the machine was too slow, because a connection that was not used for a
    /// second is tested before it is used, and when a cache was not yet ready to help.
    async fn trips(&self, case: &Case, hit: bool) -> u64 {
        for _ in 0..100 {
            let cookie = self.send(None, &BEGIN).await.expect("a cookie");
            sleep(SETTLE).await;
            if hit {
                // The first load after a write is a miss where the engine does not say who wrote.
                self.send(Some(&cookie), &WARM).await;
                sleep(SETTLE).await;
            }
            let cookie = match case.ticket {
                Ticket::None => None,
                Ticket::Valid => Some(cookie),
                Ticket::Forged => Some(forged(&cookie)),
            };
            let (start, before, hits) = (Instant::now(), self.proxy.trips(), (self.hits)());
            self.send(cookie.as_deref(), case).await;
            let soon = start.elapsed() < Duration::from_millis(500);
            sleep(SETTLE).await; // for whatever the request did not wait for
            if soon && (!hit || (self.hits)() > hits) {
                return self.proxy.trips() - before;
            }
        }
        panic!("{}: never fast enough, or never a hit", case.name);
    }

    /// Answers the cookie that it was given.
    async fn send(&self, cookie: Option<&str>, case: &Case) -> Option<String> {
        let &Case { lazy, unseen, handler, .. } = case;
        let mut request = Request::builder();
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(()).unwrap();
        let response = if lazy {
            let page = service_fn(async |request: Request<()>| {
                let session = LazySession::<Visits>::of(&request).expect("a lazy session");
                if unseen {
                    session.destroy().expect("an open session");
                }
                if let Some(handle) = handler {
                    handle(&session.load().await.expect("a store that works"));
                }
                Ok::<_, Infallible>(Response::new(String::new()))
            });
            self.layer.clone().lazy().layer(page).oneshot(request).await
        } else {
            let page = service_fn(async |request: Request<()>| {
                let session = Session::<Visits>::of(&request).expect("a session");
                if let Some(handle) = handler {
                    handle(session);
                }
                Ok::<_, Infallible>(Response::new(String::new()))
            });
            self.layer.layer(page).oneshot(request).await
        };
        let response = response.unwrap();
        assert!(response.status().is_success(), "answered with {}", response.status());
        let set = response.headers().get(SET_COOKIE)?.to_str().ok()?;
        Some(set.split(';').next()?.to_owned())
    }
}

/// The same with another tag.
fn forged(cookie: &str) -> String {
    let (rest, last) = cookie.split_at(cookie.len() - 4);
    let other = if last == "AAAA" { "BBBB" } else { "AAAA" };
    format!("{rest}{other}")
}

const PATIENCE: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_millis(20);
