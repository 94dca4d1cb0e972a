//! An axum application over loopback HTTP/1.1, without sessions and with each contender's: pages
//! per second that read the session.
//!
//! One thread serves; one sends over kept-alive connections. The contenders take turns, and each
//! turn is compared with the application without sessions in the same turn.
//!
//! `cargo run --profile bench -p sessile-benches --bin end_to_end`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use serde::Serialize;
use sessile_benches::contender::{Contender, Kind};
use sessile_benches::floor_layer::{FloorLayer, PrivateFloorLayer};
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
}

struct Site {
    name: &'static str,
    at: SocketAddr,
    cookie: String,
    rates: Vec<f64>,
}

fn main() {
    let serving = one_thread();
    let sending = one_thread();
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
            let rate = sending.block_on(sending.spawn(visit(site.at, site.cookie.clone())));
            if turn > 0 {
                site.rates.push(rate.expect("no panic inside"));
            }
        }
    }
    let without = sites[0].rates.clone();
    let mut figures = Pages {
        connections: CONNECTIONS,
        pages_per_second: BTreeMap::new(),
        share: BTreeMap::new(),
    };
    for site in sites {
        let shares = site.rates.iter().zip(&without).map(|(rate, bare)| rate / bare);
        let (share, rate) = (median(shares.collect()), median(site.rates.clone()));
        println!("{:<26} {rate:>8.0} pages per second, {:>5.1} %", site.name, share * 100.0);
        figures.pages_per_second.insert(site.name, round(rate, 0));
        figures.share.insert(site.name, round(share, 3));
    }
    report::save("end-to-end", &Measured::here(figures));
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
    Site { name, at, cookie: contender.log_in(), rates: Vec::new() }
}

/// Pages per second, over all connections.
async fn visit(at: SocketAddr, cookie: String) -> f64 {
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    let start = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(browse(at, request.clone(), start + TURN));
    }
    let pages: u64 = connections.join_all().await.into_iter().sum();
    pages as f64 / start.elapsed().as_secs_f64()
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
