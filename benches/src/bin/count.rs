//! Instructions and allocations per request, for every contender and scenario.
//!
//! `cargo run --profile bench -p sessile-benches --bin count [rounds [contenders]]`
//!
//! With some contenders named, only these and the floor are counted and nothing is written.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::process::ExitCode;

use sessile_benches::counting::{self, Counting};
use sessile_benches::kind::Kind;
use sessile_benches::report::{self, Cell, Machine, Row, Table, round};
use sessile_benches::scenario::Scenario;
use sessile_benches::stepping;
use sessile_benches::workload::{self, Workload};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// So many requests are counted. Every one is stepped through, which takes its time, and they are
/// all alike.
const ROUNDS: u64 = 8;
/// So many times as many where the store grows: now and then a login finds a table that is full,
/// and the figure is to hold its share of that.
const GROWING: u64 = 8;
/// So many requests come first. The stores then hold a number of sessions at which no hash table
/// is about to grow.
const WARM_UP: u64 = 1_200;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", kind, scenario, rounds] => {
            serve(known(kind), known(scenario), known(rounds));
            ExitCode::SUCCESS
        }
        [] => compare(ROUNDS, &Kind::counted().collect::<Vec<_>>()),
        [rounds] => compare(known(rounds), &Kind::counted().collect::<Vec<_>>()),
        [rounds, some @ ..] => {
            let some = some.iter().map(|kind| known(kind));
            compare(known(rounds), &[Kind::Floor].into_iter().chain(some).collect::<Vec<_>>())
        }
    }
}

fn known<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a known name or a number")
}

/// The counted process.
fn serve(kind: Kind, scenario: Scenario, rounds: u64) {
    let mut workload = warm(kind, scenario, rounds);
    stepping::mark();
    for _ in 0..rounds {
        drop(workload.round());
    }
    stepping::mark();
}

fn warm(kind: Kind, scenario: Scenario, rounds: u64) -> Workload {
    let mut workload = Workload::new(kind, scenario);
    workload.stock(WARM_UP + rounds);
    for _ in 0..WARM_UP {
        drop(workload.round());
    }
    workload
}

fn compare(rounds: u64, contenders: &[Kind]) -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("not optimised: these figures mean nothing, use `--profile bench`");
    }
    contenders.iter().copied().for_each(workload::check);
    match table(rounds, contenders) {
        Ok(table) if contenders.len() == Kind::counted().count() => {
            report::save("overhead-counts", &table);
            ExitCode::SUCCESS
        }
        Ok(_) => {
            println!("\nnot all contenders: nothing is written");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn table(rounds: u64, contenders: &[Kind]) -> io::Result<Table> {
    let row = |kind: &Kind| Row { contender: kind.to_string(), cells: BTreeMap::new() };
    let mut rows: Vec<Row> = contenders.iter().map(row).collect();
    let mut bare = BTreeMap::new();
    for scenario in Scenario::ALL {
        let rounds = if scenario == Scenario::E { GROWING * rounds } else { rounds };
        let measure = |kind| Counts::of(kind, scenario, rounds);
        let idle = measure(Kind::Bare)?;
        println!("\n{scenario}: {} (bare service {:.0})", scenario.title(), idle.instructions);
        bare.insert(scenario.to_string(), round(idle.instructions, 0));
        let mut floor = None;
        for (kind, row) in contenders.iter().copied().zip(&mut rows) {
            let ground = if kind.bare() == Kind::Bare { idle } else { measure(kind.bare())? };
            let counted = measure(kind)?;
            let cost = counted.instructions - ground.instructions;
            let allocations = counted.allocations - ground.allocations;
            let floors = cost / *floor.get_or_insert(cost);
            println!(
                "  {kind:<22} {cost:>8.0}  {floors:>6.2} x floor  {allocations:>+6.1} allocations"
            );
            let (cost, floors) = (round(cost, 0), round(floors, 2));
            let allocations = Some(round(allocations, 1));
            row.cells.insert(scenario.to_string(), Cell { cost, floors, allocations });
        }
    }
    let unit = "user-mode instructions per request, over the bare service".to_owned();
    Ok(Table { unit, machine: Machine::here(), bare, rows })
}

/// What one request takes.
#[derive(Clone, Copy)]
struct Counts {
    instructions: f64,
    allocations: f64,
}

impl Counts {
    fn of(kind: Kind, scenario: Scenario, rounds: u64) -> io::Result<Self> {
        let instructions = instructions(kind, scenario, rounds)?;
        Ok(Self { instructions, allocations: allocations(kind, scenario, rounds) })
    }
}

fn instructions(kind: Kind, scenario: Scenario, rounds: u64) -> io::Result<f64> {
    let arguments = ["serve", kind.name(), scenario.name(), &rounds.to_string()];
    let counted = stepping::count(&mut report::myself(&arguments))?;
    Ok(counted as f64 / rounds as f64)
}

fn allocations(kind: Kind, scenario: Scenario, rounds: u64) -> f64 {
    let mut workload = warm(kind, scenario, rounds);
    let before = counting::allocations();
    for _ in 0..rounds {
        drop(workload.round());
    }
    (counting::allocations() - before) as f64 / rounds as f64
}
