//! Gathers what criterion measured into `results/overhead-times.json`.
//!
//! `cargo run --profile bench -p sessile-benches --bin collect`, after `cargo bench`

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use sessile_benches::kind::Kind;
use sessile_benches::report::{self, Cell, Machine, Row, Table, round};
use sessile_benches::scenario::Scenario;

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

fn main() {
    let folder = report::target().join("criterion");
    let time = |kind: Kind, scenario: Scenario| {
        let bench = folder.join(scenario.name()).join(kind.name());
        estimate(&bench.join("new/estimates.json"))
    };
    let mut bare = BTreeMap::new();
    let mut rows = Vec::new();
    for scenario in Scenario::ALL {
        bare.insert(scenario.to_string(), round(time(Kind::Bare, scenario), 0));
    }
    for kind in Kind::contenders() {
        let mut cells = BTreeMap::new();
        for scenario in Scenario::ALL {
            let over = |kind: Kind| time(kind, scenario) - time(kind.bare(), scenario);
            let (cost, floor) = (over(kind), over(Kind::Floor));
            println!("{scenario:<3} {kind:<22} {cost:>8.0} ns {:>7.2} x floor", cost / floor);
            let (cost, floors) = (round(cost, 0), round(cost / floor, 2));
            cells.insert(scenario.to_string(), Cell { cost, floors, allocations: None });
        }
        rows.push(Row { contender: kind.to_string(), cells });
    }
    let unit = "nanoseconds per request, over the bare service".to_owned();
    report::save("overhead-times", &Table { unit, machine: Machine::here(), bare, rows });
}

fn estimate(path: &Path) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo bench -p sessile-benches` first", path.display())
    });
    serde_json::from_str::<Estimates>(&text).expect("criterion's format").median.point_estimate
}
