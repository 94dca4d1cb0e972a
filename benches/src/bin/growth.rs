//! What a hit costs with one session in the store, and with a million.
//!
//! `cargo run --profile bench -p sessile-benches --bin growth`

use std::collections::BTreeMap;
use std::env;
use std::hint::black_box;
use std::time::Instant;

use http::HeaderValue;
use serde::Serialize;
use sessile_benches::contender::Subject;
use sessile_benches::kind::Kind;
use sessile_benches::report::{self, Measured, median, round};
use sessile_benches::scenario::Scenario;
use sessile_benches::workload::{header, request};

const MANY: usize = 1_000_000;
const RUNS: usize = 5;

#[derive(Serialize)]
struct Hit {
    one_session_ns: f64,
    million_sessions_ns: f64,
    growth: f64,
}

#[derive(Serialize)]
struct Growth {
    scenario: &'static str,
    hits: BTreeMap<&'static str, Hit>,
}

fn main() {
    if let [kind, sessions] = &env::args().skip(1).collect::<Vec<_>>()[..] {
        let sessions = sessions.parse().expect("a number");
        println!("{}", overhead(kind.parse().expect("a contender"), sessions));
        return;
    }
    let mut hits = BTreeMap::new();
    for kind in [Kind::Floor, Kind::Sessile, Kind::SessileLazy, Kind::TowerSessions] {
        if !Kind::all().any(|known| known == kind) {
            continue;
        }
        let ask = |sessions: usize| {
            let sessions = sessions.to_string();
            median((0..RUNS).map(|_| report::ask_myself(&[kind.name(), &sessions])).collect())
        };
        let (one, many) = (ask(1), ask(MANY));
        println!(
            "{kind:<22} {one:>6.0} ns with one, {many:>6.0} ns with a million: {:.2} x",
            many / one
        );
        let hit = Hit {
            one_session_ns: round(one, 0),
            million_sessions_ns: round(many, 0),
            growth: round(many / one, 2),
        };
        hits.insert(kind.name(), hit);
    }
    report::save("growth", &Measured::here(Growth { scenario: Scenario::C.name(), hits }));
}

/// Nanoseconds over the bare service, which is sent the same cookies in the same order.
fn overhead(kind: Kind, sessions: usize) -> f64 {
    let contender = kind.build();
    let mut cookies: Vec<HeaderValue> =
        (0..sessions).map(|_| header(&contender.log_in())).collect();
    shuffle(&mut cookies);
    let mut hit = contender.subject(Scenario::C);
    let mut bare = kind.bare().build().subject(Scenario::C);
    let pass = |subject: &mut dyn Subject| {
        let start = Instant::now();
        for cookie in cookies.iter().cycle().take(MANY) {
            drop(black_box(subject.answer(request(Some(cookie.clone())))));
        }
        start.elapsed().as_nanos() as f64 / MANY as f64
    };
    pass(&mut *hit);
    pass(&mut *hit) - pass(&mut *bare)
}

/// An order in which neighbours were not created one after the other.
fn shuffle(cookies: &mut [HeaderValue]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..cookies.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        cookies.swap(last, (state % (last as u64 + 1)) as usize);
    }
}
