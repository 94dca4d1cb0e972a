//! The suite that every store must pass.
//!
//! 1. Each case gets a store of its own from the function that you pass. It may share its tables
//!    with other cases: ids and subjects are fresh, and no case assumes that it is alone.
//! 2. It must not share them with real sessions, for cases sweep and set the time as they like.
//! 3. Cases run one after the other, each in a task; a panic in it is its failure. Within a case
//!    many tasks run at once: use a tokio runtime with several threads and its timer enabled.
//! 4. A case that does not apply to a store is skipped, and says why.
//!
//! ```
//! use sessile::testkit::{Model, conformance};
//! # #[tokio::main] async fn main() {
//! let report = conformance::run(async || Model::new()).await;
//! println!("{report}");
//! report.assert();
//! # }
//! ```
//!
//! # Where each rule is tried
//!
//! The numbers are those of the project's requirements; "renew" stands for "rotate" there.
//!
//! | rules | where |
//! |---|---|
//! | S1–S20, S22 | here; S11, S13 and S14 by load, change and replace, as the layer does it |
//! | S26–S38, S40, S41, S43, S44, S51, S53–S55 | here |
//! | S31 | here: what was there before is ended, and a session that begins meanwhile either lives or is named. That none begins *afterwards* is the application's and the layer's |
//! | S35 | here, with tenants as subjects; tenants with stores of their own are apart anyway |
//! | S21 | holds by construction: renewal is one `replace` of the same record. The layer's part of it is tried with [`Faulty`](super::Faulty) |
//! | S23, S39, S42, S46, S48, S52 | with the layer: they need tickets, a clock, events or a sweeping task |
//! | S24, S25 | by construction, a renewal moves nothing; stores on a cluster try it all the same |
//! | S45 | with each store: only it can plant bytes that do not decode |
//! | S47 | by type: an [`Id`](crate::Id) is sixteen bytes that are not all zero |
//! | S49, S50 | with stores of two tiers |
//!
//! The suite's own cases: K1 no lost update among many writers; K2 touch against write; K3 a taken
//! id evicts nobody; K4 who counts towards a limit; K5 an expired id is free; K6 pages are in
//! order; K7 deadlines at the end of time; K8 one id, many creators; K9 the ends of time;
//! K10 to K12 a session in place of another.

mod cases;
mod crowd;
mod history;
mod report;
mod suite;
mod trial;

pub use self::cases::cases;
pub use self::report::{Finding, Report};
pub use self::suite::{Case, Suite};
use super::Sample;
use crate::store::Store;

/// Runs all cases in full, each on a store that `make_store` makes. [`Suite`] runs some, or less
/// hard.
///
/// ```
/// use sessile::testkit::{Faulty, Model, conformance};
/// # #[tokio::main] async fn main() {
/// let report = conformance::run(async || Faulty::new(Model::new()).always_later()).await;
/// report.assert();
/// # }
/// ```
pub async fn run<S: Store<Sample>>(make_store: impl AsyncFn() -> S) -> Report {
    Suite::new().run(make_store).await
}
