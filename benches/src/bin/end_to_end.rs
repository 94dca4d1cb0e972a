//! An axum application over loopback HTTP/1.1, without sessions and with each contender's: pages
//! per second that read the session.
//!
//! One thread serves; one sends over kept-alive connections. The contenders take turns, and each
//! turn is compared with the application without sessions in the same turn. Beside the pages per
//! second stands the processor time that the serving thread took for each, kernel included (Linux):
//! it says the same of a machine that has nothing else to do, and hardly less of a busy one.
//!
//! `cargo run --profile bench -p sessile-benches --bin end_to_end`

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use serde::Serialize;
use sessile_benches::contender::Contender;
use sessile_benches::floor_layer::{FloorLayer, PrivateFloorLayer};
use sessile_benches::kind::Kind;
use sessile_benches::report::{self, Measured, median, round};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tower::util::MapRequestLayer;

const CONNECTIONS: usize = 32;
/// Many short turns: what else the machine does is then alike for those that are compared.
const TURNS: usize = 41;
const TURN: Duration = Duration::from_millis(150);

#[derive(Serialize)]
struct Pages {
    connections: usize,
    pages_per_second: BTreeMap<&'static str, f64>,
    /// Beside the application without sessions.
    share: BTreeMap<&'static str, f64>,
    /// Nanoseconds of the serving thread's processor time per page.
    processor_ns_per_page: BTreeMap<&'static str, f64>,
    /// The application without sessions beside it: what is left of its pages for the same time.
    processor_share: BTreeMap<&'static str, f64>,
}

struct Site {
    name: &'static str,
    at: SocketAddr,
    cookie: String,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

fn main() {
    let serving = one_thread();
    let sending = one_thread();
    let server = clock_of(&serving);
    let mut sites = vec![
        open(&serving, "bare", &*Kind::Bare.build(), without_layer()),
        open(&serving, "a-layer-that-does-nothing", &*Kind::Bare.build(), with_idle_layer()),
    ];
    let by_hand: [(_, Box<dyn Contender>); 2] = [
        ("floor-behind-a-layer", Box::new(FloorLayer::default())),
        ("floor-behind-a-layer-private", Box::new(PrivateFloorLayer::default())),
    ];
    let contenders = Kind::contenders().map(|kind| (kind.name(), kind.build()));
    let contenders: Vec<_> = by_hand.into_iter().chain(contenders).collect();
    for (name, contender) in &contenders {
        if let Some(router) = contender.router() {
            sites.push(open(&serving, name, &**contender, router));
        }
    }
    for turn in 0..=TURNS {
        for site in &mut sites {
            let before = processor_ns(&server);
            let visit = sending.block_on(sending.spawn(visit(site.at, site.cookie.clone())));
            let (pages, rate) = visit.expect("no panic inside");
            if turn > 0 {
                site.rates.push(rate);
                site.costs.push((processor_ns(&server) - before) / pages);
            }
        }
    }
    let (without, idle) = (sites[0].rates.clone(), sites[0].costs.clone());
    let mut figures = Pages {
        connections: CONNECTIONS,
        pages_per_second: BTreeMap::new(),
        share: BTreeMap::new(),
        processor_ns_per_page: BTreeMap::new(),
        processor_share: BTreeMap::new(),
    };
    for site in sites {
        let shares = site.rates.iter().zip(&without).map(|(rate, bare)| rate / bare);
        let (share, rate) = (median(shares.collect()), median(site.rates.clone()));
        let shares = site.costs.iter().zip(&idle).map(|(cost, bare)| bare / cost);
        let (left, cost) = (median(shares.collect()), median(site.costs.clone()));
        println!(
            "{:<29} {rate:>8.0} pages per second, {:>5.1} %; {cost:>6.0} ns each, {:>5.1} %",
            site.name,
            share * 100.0,
            left * 100.0
        );
        figures.pages_per_second.insert(site.name, round(rate, 0));
        figures.share.insert(site.name, round(share, 3));
        figures.processor_ns_per_page.insert(site.name, round(cost, 0));
        figures.processor_share.insert(site.name, round(left, 3));
    }
    report::save("end-to-end", &Measured::here(figures));
}

/// Where Linux says how long the runtime's only thread has run.
fn clock_of(runtime: &Runtime) -> PathBuf {
    let own = runtime.spawn(async { fs::canonicalize("/proc/thread-self") });
    let own = runtime.block_on(own).expect("no panic inside");
    own.expect("Linux's process files").join("schedstat")
}

fn processor_ns(clock: &Path) -> f64 {
    let text = fs::read_to_string(clock).expect("Linux's process files");
    let first = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
    first.expect("nanoseconds")
}

fn one_thread() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

async fn page() -> &'static str {
    "hello"
}

fn without_layer() -> Router {
    Router::new().route("/", get(page))
}

/// What it costs in axum that there is a layer at all.
fn with_idle_layer() -> Router {
    without_layer().layer(MapRequestLayer::new(|request: Request| request))
}

fn open(serving: &Runtime, name: &'static str, contender: &dyn Contender, site: Router) -> Site {
    let listener = serving.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let at = listener.local_addr().expect("bound");
    serving.spawn(async move { axum::serve(listener, site).await });
    Site { name, at, cookie: contender.log_in(), rates: Vec::new(), costs: Vec::new() }
}

/// Pages, and pages per second, over all connections.
async fn visit(at: SocketAddr, cookie: String) -> (f64, f64) {
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    let start = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(browse(at, request.clone(), start + TURN));
    }
    let pages = connections.join_all().await.into_iter().sum::<u64>() as f64;
    (pages, pages / start.elapsed().as_secs_f64())
}

async fn browse(at: SocketAddr, request: String, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(at).await.expect("a listening server");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut answer = vec![0; 4096];
    let mut pages = 0;
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await.expect("an open connection");
        let mut length = 0;
        // Every page ends with its five-letter body.
        while !answer[..length].ends_with(b"\r\n\r\nhello") {
            let read = stream.read(&mut answer[length..]).await.expect("an open connection");
            assert!(read > 0, "the server hung up");
            length += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "an unexpected status");
        pages += 1;
    }
    pages
}
