//! Histories of calls that overlap, and whether some order of them explains what was answered.
//!
//! The search is Wing and Gong's: take any call that no other call had finished before, try it on
//! the model, and go on if the model answers alike. Histories are short, so it is exact.

mod call;
mod record;
mod search;

pub(super) use self::call::Call;
pub(super) use self::record::{Entry, Recorder};
pub(super) use self::search::is_linearizable;
