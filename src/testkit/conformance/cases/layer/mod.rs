//! The store under the protocol: a real layer around a small service, with the store on trial
//! behind it and [`Faulty`](crate::testkit::Faulty) in between.

use super::case;

pub(super) mod counting;
pub(super) mod dropping;
pub(super) mod ending;
pub(super) mod failing;
pub(super) mod limiting;
pub(super) mod renewing;
pub(super) mod replacing;
pub(super) mod telling;
pub(super) mod touching;
