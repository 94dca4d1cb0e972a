//! Other requests while log-ins saturate the hasher: how long a page takes that reads the session.
//!
//! A page is asked for every two milliseconds, whether the last one has been answered or not, and
//! its time counts from when it was due. Three turns: nobody logs in; sixteen clients log in without
//! a pause, through `sessile::accounts`; and the same number of hashes by hand, on the threads that
//! serve, which is what an application does that calls Argon2 in a handler.
//!
//! `cargo run --profile bench -p sessile-benches --bin logins`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use serde::Serialize;
use sessile::accounts::{
    AccountErrorKind, Accounts, LogIn, MemoryAccounts, NothingToEnd, Passwords, Registration,
    Throttle,
};
use sessile::store::MemoryStore;
use sessile::{Key, Session, SessionLayer, Values};
use sessile_benches::report::{self, Measured, round};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt, service_fn};

const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "incorrect horse battery staple";
const EVERY: Duration = Duration::from_millis(2);
const PAGES: usize = 5_000;
const CLIENTS: usize = 16;

#[derive(Serialize)]
struct Turn {
    page_microseconds_p50: f64,
    page_microseconds_p99: f64,
    page_microseconds_longest: f64,
    hashes_per_second: f64,
    busy_answers: usize,
}

#[derive(Serialize)]
struct Pages {
    serving_threads: usize,
    hashing_threads: usize,
    pages_per_turn: usize,
    nobody_logs_in: Turn,
    log_ins_saturate_the_hasher: Turn,
    hashing_on_the_serving_threads: Turn,
}

/// Who logs in meanwhile.
#[derive(Clone, Copy)]
enum Others {
    Nobody,
    Hasher,
    Inline,
}

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let serving = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let serving = serving.expect("a runtime");
    let hashing = (threads / 2).max(1);
    let pages = Pages {
        serving_threads: threads,
        hashing_threads: hashing,
        pages_per_turn: PAGES,
        nobody_logs_in: turn(&serving, hashing, Others::Nobody),
        log_ins_saturate_the_hasher: turn(&serving, hashing, Others::Hasher),
        hashing_on_the_serving_threads: turn(&serving, hashing, Others::Inline),
    };
    let turns = [
        ("nobody logs in", &pages.nobody_logs_in),
        ("log-ins saturate the hasher", &pages.log_ins_saturate_the_hasher),
        ("hashing on the serving threads", &pages.hashing_on_the_serving_threads),
    ];
    println!(
        "{:32} {:>9} {:>9} {:>9} {:>8}",
        "microseconds per page", "p50", "p99", "longest", "hashes/s"
    );
    for (name, turn) in turns {
        println!(
            "{name:32} {:9.1} {:9.1} {:9.1} {:8.1}",
            turn.page_microseconds_p50,
            turn.page_microseconds_p99,
            turn.page_microseconds_longest,
            turn.hashes_per_second,
        );
    }
    report::save("logins", &Measured::here(pages));
}

fn turn(serving: &Runtime, hashing: usize, others: Others) -> Turn {
    serving.block_on(async move {
        let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd)
            .passwords(Passwords::new().parallel(hashing))
            .throttle(Throttle::new().account(u32::MAX).without_clients());
        let ann = Registration::new("ann@example.org", PASSWORD);
        accounts.register(ann).await.expect("nobody was there before");
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = match others {
            Others::Nobody => Vec::new(),
            Others::Hasher | Others::Inline => (0..CLIENTS)
                .map(|_| tokio::spawn(client(accounts.clone(), others, Arc::clone(&stop))))
                .collect(),
        };
        let begun = Instant::now();
        let hashed = accounts.password_stats().hashed;
        let mut times = pages().await;
        let hashed = accounts.password_stats().hashed - hashed;
        let took = begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let (mut by_hand, mut busy) = (0, 0);
        for client in clients {
            let (hashes, refused) = client.await.expect("no panic inside");
            by_hand += hashes;
            busy += refused;
        }
        times.sort_unstable();
        let at = |share: f64| {
            let index = (share * (times.len() - 1) as f64) as usize;
            round(times[index].as_secs_f64() * 1e6, 1)
        };
        let hashes = if matches!(others, Others::Inline) { by_hand as f64 } else { hashed as f64 };
        Turn {
            page_microseconds_p50: at(0.5),
            page_microseconds_p99: at(0.99),
            page_microseconds_longest: at(1.0),
            hashes_per_second: round(hashes / took, 1),
            busy_answers: busy,
        }
    })
}

/// Logs in with a wrong password, again and again.
async fn client(accounts: Accounts, others: Others, stop: Arc<AtomicBool>) -> (usize, usize) {
    let (mut hashes, mut busy) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        match others {
            Others::Inline => {
                let mut output = [0; 32];
                argon2::Argon2::default()
                    .hash_password_into(WRONG.as_bytes(), b"a salt of 16 by.", &mut output)
                    .expect("the defaults are sound");
                std::hint::black_box(output);
                hashes += 1;
                tokio::task::yield_now().await;
            }
            Others::Hasher | Others::Nobody => {
                let outcome = accounts.log_in(LogIn::new("ann@example.org", WRONG)).await;
                let error = outcome.expect_err("the password is wrong");
                busy += usize::from(error.kind() == AccountErrorKind::Busy);
            }
        }
    }
    (hashes, busy)
}

/// How long each page took, from when it was due.
async fn pages() -> Vec<Duration> {
    let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    let log_in = service_fn(async |request: Request<()>| {
        let session = Session::<Values>::of(&request).expect("a layer");
        session.create(Values::new()).expect("a new session");
        Ok::<_, ()>(Response::new(String::new()))
    });
    let answer = layer.layer(log_in).oneshot(Request::new(())).await.expect("no error inside");
    let cookie = answer.headers()[SET_COOKIE].to_str().expect("text").to_owned();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let page = layer.layer(service_fn(async |request: Request<()>| {
        let session = Session::<Values>::of(&request).expect("a layer");
        assert!(session.get().is_some(), "logged in");
        Ok::<_, ()>(Response::new(String::new()))
    }));
    let mut due = Instant::now();
    let mut asked = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        due += EVERY;
        let (mut page, cookie) = (page.clone(), cookie.clone());
        asked.push(tokio::spawn(async move {
            tokio::time::sleep_until(due.into()).await;
            let request = Request::builder().header(COOKIE, cookie).body(()).expect("sound");
            page.ready().await.expect("ready").call(request).await.expect("no error inside");
            due.elapsed()
        }));
    }
    let mut times = Vec::with_capacity(PAGES);
    for page in asked {
        times.push(page.await.expect("no panic inside"));
    }
    times
}
