//! Stores measured side by side on the same servers: sessile's, and the peers' for the same engine.
//!
//! - [`scenario`]: what a request does;
//! - [`engine`]: where the records are kept, and who competes there;
//! - [`contender`]: what all competitors have in common;
//! - [`traffic`]: many requests at once, timed;
//! - [`check`]: proof that every contender does what a scenario says;
//! - [`counting_proxy`]: round trips on the wire (shared with the crate's own tests);
//! - [`report`]: the files under `../results/`.
//!
//! The binaries and their figures are explained in `README.md`.

pub mod check;
pub mod contender;
#[path = "../../../tests/support/counting_proxy.rs"]
pub mod counting_proxy;
pub mod engine;
pub mod report;
pub mod scenario;
pub mod traffic;

mod axum_session;
mod ours;
mod tower_sessions;
