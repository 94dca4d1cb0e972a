//! Draws `results/overhead.svg` from the counted instructions, and prints the table for the README.
//!
//! `cargo run --profile bench -p sessile-benches --bin chart`

use std::fmt::Write as _;
use std::fs;

use sessile_benches::report::{self, Cell, Row, Table};
use sessile_benches::scenario::Scenario;

/// The contenders as they are drawn: name in the results, name in words, class of the bar.
const DRAWN: [(&str, &str, &str); 7] = [
    ("floor", "done by hand", "floor"),
    ("sessile", "sessile", "ours"),
    ("sessile-lazy", "sessile, lazy", "lazy"),
    ("tower-sessions", "tower-sessions", "ts"),
    ("tower-sessions-signed", "tower-sessions, signed", "tss"),
    ("axum_session", "axum_session", "ax"),
    ("axum_session-signed", "axum_session, signed", "axs"),
];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 118.0;
const BAR: f64 = 11.0;
const PITCH: f64 = 13.0;
const GAP: f64 = 16.0;
/// The scale is logarithmic and begins here.
const LEAST: f64 = 300.0;
const MOST: f64 = 60_000.0;
const LINES: [(f64, &str); 5] =
    [(300.0, "300"), (1e3, "1 000"), (3e3, "3 000"), (1e4, "10 000"), (3e4, "30 000")];

const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#24292f}\
.title{font-size:16px;font-weight:600}.note,.tick{fill:#57606a;font-size:11px}\
.id{font-weight:600}.value{font-size:10px;fill:#57606a}.value.ours,.value.lazy{font-weight:700;fill:#24292f}\
.grid{stroke:#d0d7de;stroke-width:1}\
rect.floor{fill:#8c959f}rect.ours{fill:#0a7d4f}rect.lazy{fill:#4cc38a}\
rect.ts{fill:#8fb8ee}rect.tss{fill:#3d7fd6}rect.ax{fill:#f2b27a}rect.axs{fill:#d9762b}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note,.tick,.value{fill:#9198a1}\
.value.ours,.value.lazy{fill:#e6edf3}.grid{stroke:#30363d}\
rect.floor{fill:#7d8590}rect.ours{fill:#2ea872}rect.lazy{fill:#7ee0b0}}";

fn main() {
    let table: Table = report::load("overhead-counts").unwrap_or_else(|error| {
        panic!("results/overhead-counts.json: {error}; run the `count` binary first")
    });
    let rows: Vec<Drawn<'_>> =
        DRAWN.iter().filter_map(|drawn| Drawn::find(&table, drawn)).collect();
    let path = report::results().join("overhead.svg");
    fs::write(path, svg(&table, &rows)).expect("a writable folder");
    print!("{}", markdown(&rows));
    eprintln!("\nwritten: benches/results/overhead.svg");
}

struct Drawn<'t> {
    row: &'t Row,
    label: &'static str,
    class: &'static str,
}

impl<'t> Drawn<'t> {
    fn find(table: &'t Table, drawn: &(&str, &'static str, &'static str)) -> Option<Self> {
        let (name, label, class) = *drawn;
        let row = table.rows.iter().find(|row| row.contender == name)?;
        Some(Self { row, label, class })
    }

    fn cell(&self, scenario: Scenario) -> Cell {
        self.row.cells[scenario.name()]
    }
}

fn svg(table: &Table, rows: &[Drawn<'_>]) -> String {
    let group = rows.len() as f64 * PITCH + GAP;
    let bottom = TOP + group * Scenario::ALL.len() as f64 - GAP;
    let height = bottom + 62.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         role=\"img\" aria-label=\"Instructions per request\">\n<style>{STYLE}</style>\n"
    );
    let mut put = |element: String| {
        svg.push_str(&element);
        svg.push('\n');
    };
    put(text(16.0, 28.0, "title", "What a session costs a request"));
    let note = "user-mode instructions over the same service without sessions, memory stores; \
                fewer is better; logarithmic";
    put(text(16.0, 47.0, "note", note));
    for (index, drawn) in rows.iter().enumerate() {
        let (x, y) = (16.0 + (index % 4) as f64 * 205.0, 72.0 + (index / 4) as f64 * 19.0);
        put(bar(x, y - 9.5, 12.0, drawn.class));
        put(text(x + 18.0, y + 1.0, "", drawn.label));
    }
    for (value, label) in LINES {
        let x = position(value);
        put(format!(
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>",
            TOP - 6.0
        ));
        put(centred(x, bottom + 16.0, "tick", label));
    }
    for (index, scenario) in Scenario::ALL.into_iter().enumerate() {
        let top = TOP + index as f64 * group;
        let middle = top + (group - GAP) / 2.0 + 4.0;
        put(text(16.0, middle, "id", scenario.name()));
        put(text(44.0, middle, "", scenario.title()));
        for (index, drawn) in rows.iter().enumerate() {
            let cell = drawn.cell(scenario);
            let (y, end) = (top + index as f64 * PITCH, position(cell.cost));
            put(bar(LEFT, y, end - LEFT, drawn.class));
            let value = format!("{} · {}", thousands(cell.cost), multiple(cell.floors));
            put(text(end + 5.0, y + 9.0, &format!("value {}", drawn.class), &value));
        }
    }
    put(text(16.0, height - 14.0, "note", &provenance(table)));
    svg.push_str("</svg>\n");
    svg
}

fn position(value: f64) -> f64 {
    let share = (value.max(LEAST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn bar(x: f64, y: f64, width: f64, class: &str) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"1.5\"/>",
        width.max(2.0)
    )
}

fn text(x: f64, y: f64, class: &str, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>")
}

fn centred(x: f64, y: f64, class: &str, words: &str) -> String {
    format!(
        "<text class=\"{class}\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"
    )
}

fn provenance(table: &Table) -> String {
    let machine = &table.machine;
    let version = |name: &str| machine.crates.get(name).map_or("", String::as_str).to_owned();
    format!(
        "× = times the job done by hand · {}, {} · tower-sessions {} · axum_session {}",
        machine.cpu,
        machine.rustc.split(" (").next().unwrap_or_default(),
        version("tower-sessions"),
        version("axum_session")
    )
}

fn markdown(rows: &[Drawn<'_>]) -> String {
    let mut lines = String::from("| |");
    rows.iter().for_each(|drawn| lines.extend([" ", drawn.label, " |"]));
    lines.push_str("\n|---|");
    rows.iter().for_each(|_| lines.push_str("---:|"));
    for scenario in Scenario::ALL {
        write!(lines, "\n| {scenario} {} |", scenario.title()).expect("memory");
        for drawn in rows {
            let cell = drawn.cell(scenario);
            let (cost, floors) = (thousands(cell.cost), multiple(cell.floors));
            let allocations = cell.allocations.unwrap_or_default();
            write!(lines, " {cost} ({floors}) {allocations:+.0} |").expect("memory");
        }
    }
    lines.push('\n');
    lines
}

fn multiple(floors: f64) -> String {
    if floors < 10.0 { format!("{floors:.1}×") } else { format!("{floors:.0}×") }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    match digits.len() {
        length @ 4.. if !digits.starts_with('-') => {
            format!("{}\u{202f}{}", &digits[..length - 3], &digits[length - 3..])
        }
        _ => digits,
    }
}
