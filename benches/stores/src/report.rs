//! The machine, the versions, and the files under `../results/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
pub use sessile_benches::report::{Machine, Measured, median, round};

const CRATES: [&str; 15] = [
    "axum_session",
    "axum_session_redispool",
    "axum_session_sqlx",
    "fred",
    "libsqlite3-sys",
    "moka",
    "redis",
    "redis_pool",
    "sessile",
    "sqlx",
    "tokio",
    "tower-sessions",
    "tower-sessions-moka-store",
    "tower-sessions-redis-store",
    "tower-sessions-sqlx-store",
];

/// Writes `results/stores-<name>.json` with the machine and the versions of this workspace.
///
/// # Panics
/// If it cannot.
pub fn save(name: &str, figures: &impl Serialize) {
    let features = ["cached", "postgres", "redis", "sqlite"].map(str::to_owned).to_vec();
    let machine = Machine { crates: versions(), features, ..Machine::here() };
    sessile_benches::report::save(&format!("stores-{name}"), &Measured { machine, figures });
}

/// As few digits as say something.
pub fn digits(value: f64) -> f64 {
    round(value, if value < 100.0 { 1 } else { 0 })
}

/// `1234` as `1 234`, and little ones with a digit behind the point.
pub fn human(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let plain = format!("{value:.0}");
    let groups: Vec<&[u8]> = plain.as_bytes().rchunks(3).rev().collect();
    let words: Vec<_> = groups.iter().map(|group| String::from_utf8_lossy(group)).collect();
    words.join(" ")
}

fn versions() -> BTreeMap<String, String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap_or_default();
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("name = ").and_then(|_| quoted(line));
        if let Some(name) = name.filter(|name| CRATES.contains(&name.as_str())) {
            versions.entry(name).or_default().extend(lines.next().and_then(quoted));
        }
    }
    versions.into_iter().map(|(name, all)| (name, all.join(", "))).collect()
}
