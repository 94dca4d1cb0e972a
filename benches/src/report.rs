//! What the figures were measured with, and where they are written.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One row: a contender, and its figure in each scenario.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    pub contender: String,
    pub cells: BTreeMap<String, Cell>,
}

/// What one request costs in addition to the same service without sessions.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Cell {
    /// Instructions or nanoseconds.
    pub cost: f64,
    /// The cost as a multiple of the floor's.
    pub floors: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocations: Option<f64>,
}

/// A table of contenders and scenarios.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Table {
    pub unit: String,
    pub machine: Machine,
    /// What the service without sessions costs by itself.
    pub bare: BTreeMap<String, f64>,
    pub rows: Vec<Row>,
}

/// Processor, compiler and versions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub sha_instructions: bool,
    pub target: String,
    pub rustc: String,
    pub optimised: bool,
    pub features: Vec<String>,
    pub crates: BTreeMap<String, String>,
}

/// A figure with the machine it was taken on.
#[derive(Debug, Deserialize, Serialize)]
pub struct Measured<T> {
    pub machine: Machine,
    #[serde(flatten)]
    pub figures: T,
}

const CRATES: [&str; 13] = [
    "axum",
    "axum_session",
    "cookie",
    "dashmap",
    "data-encoding",
    "hmac",
    "http",
    "serde_json",
    "sessile",
    "sha2",
    "tokio",
    "tower-sessions",
    "tower-sessions-memory-store",
];

impl Machine {
    /// The one that this runs on.
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let entry = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
        };
        let features = if cfg!(feature = "sessile") { vec!["sessile".to_owned()] } else { vec![] };
        Self {
            cpu: entry("model name").to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            sha_instructions: entry("flags").split(' ').any(|flag| flag == "sha_ni"),
            target: format!("{}-{}", env::consts::ARCH, env::consts::OS),
            rustc: rustc(),
            optimised: !cfg!(debug_assertions),
            features,
            crates: versions(),
        }
    }
}

impl<T> Measured<T> {
    pub fn here(figures: T) -> Self {
        Self { machine: Machine::here(), figures }
    }
}

/// Writes `results/<name>.json`.
///
/// # Panics
/// If it cannot.
pub fn save(name: &str, figures: &impl Serialize) {
    let path = results().join(format!("{name}.json"));
    let mut text = serde_json::to_string_pretty(figures).expect("plain data");
    text.push('\n');
    fs::create_dir_all(results()).and_then(|()| fs::write(&path, text)).expect("a writable folder");
    println!("\nwritten: benches/results/{name}.json");
}

/// Reads `results/<name>.json`.
///
/// # Errors
/// If it is not there or not of this shape.
pub fn load<T: DeserializeOwned>(name: &str) -> io::Result<T> {
    let text = fs::read_to_string(results().join(format!("{name}.json")))?;
    Ok(serde_json::from_str(&text)?)
}

pub fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from)
}

/// Runs this program again with other arguments.
///
/// # Panics
/// If its own path is unknown.
pub fn myself(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program's path"));
    command.args(arguments);
    command
}

/// Runs this program again and answers the number that it prints.
///
/// # Panics
/// If it fails.
pub fn ask_myself(arguments: &[&str]) -> f64 {
    let output = myself(arguments).output().expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    let failure = || format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    printed.trim().parse().unwrap_or_else(|_| panic!("{}", failure()))
}

/// Rounds for a report.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// The number in the middle.
///
/// # Panics
/// If there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn rustc() -> String {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program).arg("--version").output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn versions() -> BTreeMap<String, String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap_or_default();
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    let mut versions = BTreeMap::<String, String>::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("name = ").and_then(|_| quoted(line));
        let Some(name) = name.filter(|name| CRATES.contains(&name.as_str())) else {
            continue;
        };
        let version = lines.next().and_then(quoted).unwrap_or_default();
        let all = versions.entry(name).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&version);
    }
    versions
}
