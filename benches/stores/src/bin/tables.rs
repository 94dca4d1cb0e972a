//! The figures under `../results/` as tables in Markdown, for the documentation.
//!
//! `cargo run --manifest-path benches/stores/Cargo.toml --bin tables [quick]`

use std::collections::BTreeMap;
use std::env;

use serde::Deserialize;
use sessile_benches::report::load;
use sessile_store_benches::engine::Engine;
use sessile_store_benches::scenario::Scenario;

/// By engine, then by contender, then by scenario.
#[derive(Deserialize)]
struct RoundTrips {
    round_trips: BTreeMap<String, BTreeMap<String, BTreeMap<String, f64>>>,
}

/// By engine, then by number of clients, then by scenario, then by contender.
#[derive(Deserialize)]
struct Traffic {
    engines: BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeMap<String, Cell>>>>,
}

#[derive(Deserialize)]
struct Cell {
    requests_per_second: f64,
    sessile_is: f64,
    lazy_is: Option<f64>,
}

fn main() {
    let name = if env::args().any(|argument| argument == "quick") { "quick" } else { "traffic" };
    if let Ok(figures) = load::<RoundTrips>("stores-round-trips") {
        round_trips(&figures);
    }
    match load::<Traffic>(&format!("stores-{name}")) {
        Ok(figures) => traffic(&figures),
        Err(error) => eprintln!("no results/stores-{name}.json: {error}"),
    }
}

fn round_trips(figures: &RoundTrips) {
    println!("Round trips per request:\n");
    let titles: Vec<_> = Scenario::ALL.iter().map(|scenario| scenario.title()).collect();
    println!("| engine | sessions by | {} |", titles.join(" | "));
    println!("|---|---|{}", "---|".repeat(titles.len()));
    for (engine, contender, row) in in_order(&figures.round_trips) {
        let cells = Scenario::ALL.iter().filter_map(|scenario| row.get(scenario.name()));
        let cells: Vec<_> = cells.map(f64::to_string).collect();
        println!("| {engine} | {contender} | {} |", cells.join(" | "));
    }
}

fn in_order<V>(
    engines: &BTreeMap<String, BTreeMap<String, V>>,
) -> impl Iterator<Item = (Engine, &str, &V)> {
    Engine::ALL.into_iter().flat_map(|engine| {
        let rows = engines.get(engine.name()).into_iter().flatten();
        rows.map(move |(name, row)| (engine, name.as_str(), row))
    })
}

/// How many times as many requests sessile serves, in the better of its two modes.
fn traffic(figures: &Traffic) {
    println!("\nRequests per second of sessile, and beside each peer:\n");
    println!("| engine | clients | scenario | sessile/s | times as many as |");
    println!("|---|---|---|---|---|");
    for (engine, clients, scenes) in in_order(&figures.engines) {
        for scenario in Scenario::ALL {
            let Some(cells) = scenes.get(scenario.name()) else { continue };
            let ours = cells.iter().filter(|(name, _)| matches!(name.as_str(), EAGER | LAZY));
            let rate = ours.map(|(_, cell)| cell.requests_per_second).fold(0.0, f64::max);
            let peers = cells.iter().filter(|(name, _)| !matches!(name.as_str(), EAGER | LAZY));
            let peers: Vec<_> = peers
                .map(|(name, cell)| {
                    let ratio = cell.lazy_is.unwrap_or_default().max(cell.sessile_is);
                    format!("{name} {ratio}")
                })
                .collect();
            let (title, peers) = (scenario.title(), peers.join(", "));
            println!("| {engine} | {clients} | {title} | {rate} | {peers} |");
        }
    }
}

const EAGER: &str = "sessile";
const LAZY: &str = "sessile-lazy";
