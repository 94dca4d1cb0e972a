//! Writing down what overlaps with what.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::call::{Call, Outcome};
use crate::id::Id;
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
    /// A revocation ends one session after the other: nobody is promised a moment at which all of
    /// them end. So it counts as one deletion of each that it names, and one look at each of these
    /// that it does not, all within its time.
    pub(in crate::testkit::conformance) fn parts(self, ids: &[Id]) -> Vec<Self> {
        let (Call::Revoke(which), Outcome::Ids(ended)) = (&self.call, &self.outcome) else {
            return vec![self];
        };
        let (began, until) = (self.began, self.ended);
        let part = |call, outcome| Self { call, outcome, began, ended: until };
        let chosen = ids.iter().filter(|id| which.includes(**id) && !ended.contains(id));
        let absent = chosen.map(|id| part(Call::Load(*id), Outcome::Loaded(None)));
        let ended = ended.iter().map(|id| part(Call::Delete(*id), Outcome::Deleted(true)));
        ended.chain(absent).collect()
    }

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
