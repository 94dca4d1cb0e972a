//! Requests per second and latency of every store and of the peers' stores on the same engine, in
//! one run: the contenders take turns.
//!
//! `scripts/services run postgres redis redis-cluster cargo run --profile bench \
//!  --manifest-path benches/stores/Cargo.toml --bin stores [quick] [ENGINE…]`

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use serde::Serialize;
use sessile_store_benches::check::check;
use sessile_store_benches::contender::{Contender, SharedService, Supply};
use sessile_store_benches::engine::{self, Engine, IN_MEMORY};
use sessile_store_benches::report::{self, digits, human, median, round};
use sessile_store_benches::scenario::{Cookies, Scenario};
use sessile_store_benches::traffic::{self, Turn};

/// Clients at once.
const CROWDS: [usize; 2] = [1, 16];

/// How long everything takes.
#[derive(Clone, Copy, Debug, Serialize)]
struct Effort {
    rounds: usize,
    turn_ms: u64,
    /// For scenarios that use sessions up: how many are prepared for a turn.
    fresh: usize,
}

const THOROUGH: Effort = Effort { rounds: 9, turn_ms: 300, fresh: 320 };
const QUICK: Effort = Effort { rounds: 3, turn_ms: 60, fresh: 96 };
/// Sessions in each store before anything is measured.
const POPULATION: usize = 4_000;
/// A store in memory uses up sessions much faster.
const FRESH_IN_MEMORY: usize = 16_000;

#[derive(Serialize)]
struct Figures {
    effort: Effort,
    engines: BTreeMap<&'static str, BTreeMap<String, Scenes>>,
    /// Where a peer is faster than sessile, eager and lazy: engine, clients, scenario, peer, and
    /// the better ratio.
    behind: Vec<String>,
}

type Scenes = BTreeMap<&'static str, BTreeMap<&'static str, Cell>>;

#[derive(Clone, Serialize)]
struct Cell {
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// How many times as many requests sessile serves, the median of the rounds.
    sessile_is: f64,
    /// The same for `sessile-lazy`, where it competes.
    #[serde(skip_serializing_if = "Option::is_none")]
    lazy_is: Option<f64>,
}

const LAZY: &str = "sessile-lazy";
const OURS: [&str; 3] = ["sessile", LAZY, IN_MEMORY];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut effort = THOROUGH;
    let mut engines = Vec::new();
    for argument in env::args().skip(1) {
        match Engine::ALL.into_iter().find(|engine| engine.name() == argument) {
            Some(engine) => engines.push(engine),
            None if argument == "quick" => effort = QUICK,
            None => panic!("no engine {argument}"),
        }
    }
    let all = engines.is_empty();
    if all {
        engines.extend(Engine::ALL);
    }
    let figures = measure(effort, &engines).await;
    engine::clean_up();
    if all {
        report::save(if effort.rounds == QUICK.rounds { "quick" } else { "traffic" }, &figures);
    } else {
        println!("\nnot written: not all engines were measured");
    }
}

async fn measure(effort: Effort, engines: &[Engine]) -> Figures {
    let mut figures = Figures { effort, engines: BTreeMap::new(), behind: Vec::new() };
    for engine in engines {
        let contenders = engine.contenders(&engine.url()).await;
        for contender in &contenders {
            check(contender).await;
            populate(contender).await;
        }
        engine.settle().await;
        let mut crowds = BTreeMap::new();
        for clients in CROWDS {
            println!("\n{engine}, {clients} client{}", if clients == 1 { "" } else { "s" });
            let mut scenes = Scenes::new();
            for scenario in Scenario::ALL {
                let cells = compare(*engine, &contenders, scenario, clients, effort).await;
                show(scenario, &cells);
                for (name, cell) in cells.iter().filter(|(name, _)| !OURS.contains(name)) {
                    let best = cell.lazy_is.unwrap_or_default().max(cell.sessile_is);
                    if best < 1.0 {
                        let place = format!("{engine}, {clients} at once, {scenario}");
                        figures.behind.push(format!("{place}: {name}, {best}"));
                    }
                }
                scenes.insert(scenario.name(), cells.into_iter().collect());
            }
            crowds.insert(format!("{clients} at once"), scenes);
        }
        figures.engines.insert(engine.name(), crowds);
    }
    println!("\nsessile is behind in {} cells", figures.behind.len());
    figures.behind.iter().for_each(|line| println!("  {line}"));
    figures
}

/// So that nobody's plans are made for an empty table.
async fn populate(contender: &Contender) {
    let clients = (0..16).map(|_| contender.supply(Scenario::F, POPULATION / 16));
    let clients: Vec<_> = futures_util::future::join_all(clients).await;
    drop(clients);
}

/// One scenario: each contender in each round, the first round thrown away.
async fn compare(
    engine: Engine,
    contenders: &[Contender],
    scenario: Scenario,
    clients: usize,
    effort: Effort,
) -> Vec<(&'static str, Cell)> {
    let services: Vec<_> = contenders.iter().map(|one| one.service(scenario)).collect();
    let mut turns = vec![Vec::new(); contenders.len()];
    for round in 0..=effort.rounds {
        for (place, contender) in contenders.iter().enumerate() {
            let turn = take_turn(engine, contender, &services[place], scenario, clients, effort);
            let turn = turn.await;
            if round > 0 {
                turns[place].push(turn);
            }
        }
    }
    let lazy = contenders.iter().position(|contender| contender.name == LAZY);
    let cells = contenders.iter().zip(&turns).map(|(contender, theirs)| {
        let middle = |figure: &dyn Fn(&Turn) -> f64| median(theirs.iter().map(figure).collect());
        let micros = |part| middle(&|turn| turn.percentile(part).as_secs_f64() * 1e6);
        let times_as_fast = |place: usize| {
            let ratios = turns[place].iter().zip(theirs).map(|(ours, turn)| ours.rate / turn.rate);
            round(median(ratios.collect()), 2)
        };
        let cell = Cell {
            requests_per_second: digits(middle(&|turn| turn.rate)),
            p50_us: digits(micros(0.5)),
            p99_us: digits(micros(0.99)),
            sessile_is: times_as_fast(0),
            lazy_is: lazy.map(times_as_fast),
        };
        (contender.name, cell)
    });
    cells.collect()
}

async fn take_turn(
    engine: Engine,
    contender: &Contender,
    service: &SharedService,
    scenario: Scenario,
    clients: usize,
    effort: Effort,
) -> Turn {
    let fresh = if engine == Engine::Memory { FRESH_IN_MEMORY } else { effort.fresh };
    let each = if scenario.cookies() == Cookies::Fresh { fresh / clients } else { 0 };
    let mut supplies: Vec<Supply> = Vec::with_capacity(clients);
    for _ in 0..clients {
        supplies.push(contender.supply(scenario, each).await);
    }
    traffic::run(service, supplies, Duration::from_millis(effort.turn_ms)).await
}

fn show(scenario: Scenario, cells: &[(&'static str, Cell)]) {
    println!("  {scenario:<2} {}", scenario.title());
    for (name, cell) in cells {
        println!(
            "     {name:<15} {:>9}/s   p50 {:>9} us   p99 {:>9} us   sessile is {:>7.2}x{}",
            human(cell.requests_per_second),
            human(cell.p50_us),
            human(cell.p99_us),
            cell.sessile_is,
            cell.lazy_is.map_or_else(String::new, |ratio| format!(", lazy {ratio:>7.2}x"))
        );
    }
}
