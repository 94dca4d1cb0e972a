//! Resident memory per session when there are a million.
//!
//! `cargo run --profile bench -p sessile-benches --bin memory`

use std::collections::BTreeMap;
use std::env;
use std::fs;

use serde::Serialize;
use sessile_benches::kind::Kind;
use sessile_benches::report::{self, Measured, round};
use sessile_benches::scenario::Scenario;
use sessile_benches::workload::request;

const SESSIONS: u64 = 1_000_000;

#[derive(Serialize)]
struct Memory {
    sessions: u64,
    resident_bytes_per_session: BTreeMap<&'static str, f64>,
}

fn main() {
    if let Some(kind) = env::args().nth(1) {
        println!("{}", fill(kind.parse().expect("a contender")));
        return;
    }
    let mut resident_bytes_per_session = BTreeMap::new();
    for kind in [Kind::Floor, Kind::Sessile, Kind::TowerSessions, Kind::AxumSession] {
        if !Kind::all().any(|known| known == kind) {
            continue;
        }
        let bytes = round(report::ask_myself(&[kind.name()]) / SESSIONS as f64, 0);
        println!("{kind:<22} {bytes:>6} bytes per session");
        resident_bytes_per_session.insert(kind.name(), bytes);
    }
    let figures = Memory { sessions: SESSIONS, resident_bytes_per_session };
    report::save("memory", &Measured::here(figures));
}

/// Logs a million users in, in a process of its own; what that adds to its resident size.
fn fill(kind: Kind) -> u64 {
    let contender = kind.build();
    let mut login = contender.subject(Scenario::E);
    drop(login.answer(request(None)));
    let before = resident();
    for _ in 0..SESSIONS {
        drop(login.answer(request(None)));
    }
    resident() - before
}

/// The resident size of this process in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux's process files");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes.and_then(|number| number.parse::<u64>().ok()).expect("a size") * 1024
}
