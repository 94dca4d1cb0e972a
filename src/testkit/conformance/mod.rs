//! The suite that every store must pass.
//!
//! 1. Each case gets a store of its own from the function that you pass. It may share its tables
//!    with other cases: ids and subjects are fresh, and no case assumes that it is alone.
//! 2. It must not share them with real sessions, for cases sweep and set the time as they like.
//! 3. Cases run one after the other, unless [`Suite::at_once`] says otherwise, each in a task; a
//!    panic in it is its failure. Within a case many tasks run at once: it takes a tokio runtime
//!    with several threads and its timer enabled. On one with a single worker the run fails and
//!    says so.
//! 4. A case that does not apply to a store is skipped, and says why.
//! 5. Most cases call the store. The others drive a real layer over it, with
//!    [`Faulty`](super::Faulty) in between: a store may keep every rule of its own and still not
//!    do what the protocol makes of it.
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
//! | S1–S20, S22 | on the store; S11, S13 and S14 by load, change and replace, as the layer does it |
//! | S26–S38, S40, S41, S43, S44, S51, S53–S55 | on the store; S53 through the layer as L4 |
//! | S21, S23, S24, S42, S48, S52 | through the layer |
//! | S21 | watched through the index of subjects. Without one it can only be said that there is always a session: nobody knows the id of a new one before its request is answered |
//! | S31 | on the store: what was there before is ended, and a session that begins meanwhile either lives or is named. That none begins *afterwards* is the application's and the layer's |
//! | S35 | on the store, with tenants as subjects; tenants with stores of their own are apart anyway |
//! | S24, S25 | a renewal moves nothing: it is one `replace` of the same record. S24 renews many sessions all the same, so that they live in different places of a cluster |
//! | S39 | with the sweeping task, in `tests/registry.rs` |
//! | S45, S46 | with each store: only it can plant bytes that do not decode, or that an older version wrote. What the layer makes of [`Undecodable`](crate::StoreErrorKind::Undecodable) is the same for all |
//! | S47 | by type: an [`Id`](crate::Id) is sixteen bytes that are not all zero |
//! | S49, S50 | with stores of two tiers |
//!
//! The suite's own cases on the store: K1 no lost update among many writers; K2 touch against
//! write; K3 a taken id evicts nobody; K4 who counts towards a limit; K5 an expired id is free; K6
//! pages are in order; K7 deadlines at the end of time; K8 one id, many creators; K9 the ends of
//! time; K10 to K12 a session in place of another; K13 a way through all sessions;
//! K14 a limit of none.
//!
//! And through the layer: L1 no lost update among many requests; L2 a logout wins; L3 a ticket is
//! not replayed; L4 a request that is dropped half way; L5 a limit on logins.

mod app;
mod calls;
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
