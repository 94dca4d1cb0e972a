//! Writing down what overlaps with what.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::call::{Call, Outcome};
use crate::testkit::conformance::trial::Trial;

/// A call with its place in the history: it took effect at some moment between the two.
#[derive(Clone)]
pub(in crate::testkit::conformance) struct Entry {
    pub(super) call: Call,
    pub(super) outcome: Outcome,
    pub(super) began: u64,
    pub(super) ended: u64,
}

/// Numbers the moments at which calls begin and end.
#[derive(Debug, Default)]
pub(in crate::testkit::conformance) struct Recorder {
    moment: AtomicU64,
}

impl Recorder {
    /// Makes a call and notes when it began, when it ended and what it answered.
    pub(in crate::testkit::conformance) async fn note(
        &self,
        trial: &Trial,
        subject: &str,
        call: Call,
    ) -> Entry {
        let began = self.tick();
        let outcome = call.ask(trial, subject).await;
        Entry { call, outcome, began, ended: self.tick() }
    }

    fn tick(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }
}

impl Entry {
    /// The version that was seen, if this was a load that found something.
    pub(in crate::testkit::conformance) const fn seen_version(&self) -> Option<u64> {
        match &self.outcome {
            Outcome::Loaded(Some(sight)) => Some(sight.version),
            _ => None,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, outcome, began, ended } = self;
        write!(f, "{began:>3}-{ended:<3} {call:?} -> {outcome:?}")
    }
}
