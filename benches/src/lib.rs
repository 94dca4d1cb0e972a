//! Sessions measured side by side: the service without any, the plain job done by hand (*floor*),
//! sessile, and its peers.
//!
//! - [`scenario`]: what a request does;
//! - [`kind`]: who is measured; [`contender`]: what that takes, with the handlers that its own API
//!   suggests;
//! - [`workload`]: a contender prepared for one scenario, one request per call;
//! - [`counting`] and [`stepping`]: allocations and instructions;
//! - [`report`]: the machine, the versions, the files under `results/`.
//!
//! The binaries and their figures are explained in `README.md`.

pub mod contender;
pub mod counting;
pub mod data;
pub mod kind;
pub mod report;
pub mod scenario;
pub mod stepping;
pub mod workload;

mod axum_session;
mod bare;
mod floor;
pub mod floor_layer;
#[cfg(feature = "sessile")]
pub mod ours;
mod tower_sessions;
