//! Two threads that use distinct sessions of one store, and two that use the same session,
//! beside one thread.
//!
//! `cargo run --profile bench -p sessile-benches --bin scaling`

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use http::HeaderValue;
use serde::Serialize;
use sessile_benches::contender::Contender;
use sessile_benches::kind::Kind;
use sessile_benches::report::{self, Measured, round};
use sessile_benches::scenario::Scenario;
use sessile_benches::workload::{header, request};

const RUNS: usize = 9;
/// So many sessions each thread has to itself.
const SESSIONS: usize = 64;
const RUN: Duration = Duration::from_millis(300);

#[derive(Serialize)]
struct Scaled {
    one_thread_per_second: f64,
    /// Two threads beside one: 2 is perfect.
    distinct_sessions: f64,
    one_session: f64,
}

#[derive(Serialize)]
struct Scaling {
    /// The service without sessions: what the machine allows at this moment.
    bare: f64,
    scenarios: BTreeMap<&'static str, BTreeMap<&'static str, Scaled>>,
}

fn main() {
    let ideal = two_beside_one(&*Kind::Bare.build(), Scenario::C, false).1;
    println!("bare service: two threads do {ideal:.2} x of one");
    let mut scenarios = BTreeMap::new();
    for scenario in [Scenario::C, Scenario::D] {
        let mut rows = BTreeMap::new();
        for kind in [Kind::Floor, Kind::Sessile, Kind::TowerSessions, Kind::AxumSession] {
            if !Kind::all().any(|known| known == kind) {
                continue;
            }
            let contender = kind.build();
            let (one, distinct) = two_beside_one(&*contender, scenario, false);
            let (_, same) = two_beside_one(&*contender, scenario, true);
            println!(
                "{scenario} {kind:<22} distinct sessions {distinct:.2} x, one session {same:.2} x"
            );
            let scaled = Scaled {
                one_thread_per_second: round(one, 0),
                distinct_sessions: round(distinct, 2),
                one_session: round(same, 2),
            };
            rows.insert(kind.name(), scaled);
        }
        scenarios.insert(scenario.name(), rows);
    }
    report::save("scaling", &Measured::here(Scaling { bare: round(ideal, 2), scenarios }));
}

/// Requests per second on one thread, and how many times that two threads do. The best of several
/// runs counts, as other programs only ever take away.
fn two_beside_one(contender: &dyn Contender, scenario: Scenario, same: bool) -> (f64, f64) {
    let log_in = |sessions: usize| -> Vec<HeaderValue> {
        (0..sessions).map(|_| header(&contender.log_in())).collect()
    };
    let first = log_in(if same { 1 } else { SESSIONS });
    let second = if same { first.clone() } else { log_in(SESSIONS) };
    let (mut one, mut two) = (0.0_f64, 0.0_f64);
    for _ in 0..RUNS {
        one = one.max(per_second(contender, scenario, &[&first]));
        two = two.max(per_second(contender, scenario, &[&first, &second]));
    }
    (one, two / one)
}

/// All threads together; each goes through its own cookies in turn.
fn per_second(contender: &dyn Contender, scenario: Scenario, threads: &[&[HeaderValue]]) -> f64 {
    let barrier = &Barrier::new(threads.len());
    thread::scope(|scope| {
        let serve = |cookies: &&[HeaderValue]| {
            let cookies = cookies.to_vec();
            let mut subject = contender.subject(scenario);
            scope.spawn(move || {
                barrier.wait();
                let start = Instant::now();
                let mut served = 0_usize;
                while start.elapsed() < RUN {
                    for cookie in cookies.iter().cycle().take(SESSIONS) {
                        drop(black_box(subject.answer(request(Some(cookie.clone())))));
                    }
                    served += SESSIONS;
                }
                served as f64 / start.elapsed().as_secs_f64()
            })
        };
        let threads: Vec<_> = threads.iter().map(serve).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic inside")).sum()
    })
}
