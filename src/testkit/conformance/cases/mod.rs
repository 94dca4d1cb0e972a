//! The cases by subject.

#![expect(clippy::indexing_slicing, reason = "a conformance case fails by panicking")]

use std::sync::LazyLock;

use super::suite::Case;

mod admitting;
mod counting;
mod dropping;
mod histories;
mod indexing;
mod layer;
mod limiting;
mod paging;
mod payload;
mod reading;
mod renewing;
mod revoking;
mod scanning;
mod subjects;
mod sweeping;
mod timing;
mod touching;
mod writing;

/// All cases, in the order in which they run.
///
/// ```
/// use sessile::testkit::conformance;
/// assert!(conformance::cases().iter().any(|case| case.id == "S8"));
/// ```
pub fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| ROOMS.concat());
    &CASES
}

/// The store by itself, and then under the protocol.
const ROOMS: &[&[Case]] = &[
    reading::CASES,
    writing::CASES,
    admitting::CASES,
    counting::CASES,
    renewing::CASES,
    touching::CASES,
    payload::CASES,
    indexing::CASES,
    subjects::CASES,
    revoking::CASES,
    limiting::CASES,
    sweeping::CASES,
    paging::CASES,
    scanning::CASES,
    dropping::CASES,
    histories::CASES,
    timing::CASES,
    layer::replacing::CASES,
    layer::renewing::CASES,
    layer::touching::CASES,
    layer::failing::CASES,
    layer::telling::CASES,
    layer::counting::CASES,
    layer::ending::CASES,
    layer::dropping::CASES,
    layer::limiting::CASES,
];

/// A case from its id, its name and the `async fn` that tries it.
macro_rules! case {
    ($id:literal, $name:literal, $run:path) => {
        crate::testkit::conformance::suite::Case::new($id, $name, |trial| Box::pin($run(trial)))
    };
}
use case;
