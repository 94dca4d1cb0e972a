//! Looking for an order.

use std::collections::BTreeSet;

use super::call::Sight;
use super::record::Entry;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::testkit::Sample;
use crate::testkit::shelf::Shelf;

/// Whether some order of these calls (at most 64), one that a call never takes before another
/// which had ended when it began, makes the model answer as the store did.
pub(in crate::testkit::conformance) fn is_linearizable(
    history: &[Entry],
    subject: &str,
    now: Timestamp,
) -> bool {
    Search { history, subject, now, visited: BTreeSet::new() }.goes_on(0, &Shelf::new())
}

struct Search<'h> {
    history: &'h [Entry],
    subject: &'h str,
    now: Timestamp,
    /// Which calls were done and what that led to, for what is known to lead nowhere.
    visited: BTreeSet<(u64, Vec<(Id, Sight)>)>,
}

impl Search<'_> {
    fn goes_on(&mut self, done: u64, shelf: &Shelf<Sample>) -> bool {
        let open = || open(self.history, done);
        let Some(horizon) = open().map(|(_, entry)| entry.ended).min() else {
            return true;
        };
        let candidates: Vec<(u64, &Entry)> =
            open().filter(|(_, entry)| entry.began < horizon).collect();
        let state = shelf.rows.iter().map(|(id, row)| (*id, Sight::of(row))).collect();
        if !self.visited.insert((done, state)) {
            return false;
        }
        candidates.into_iter().any(|(bit, entry)| {
            let mut next = shelf.clone();
            let outcome = entry.call.apply(&mut next, self.subject, self.now);
            outcome == entry.outcome && self.goes_on(done | bit, &next)
        })
    }
}

/// The calls that are not done yet.
fn open(history: &[Entry], done: u64) -> impl Iterator<Item = (u64, &Entry)> {
    let numbered = (0..u64::BITS).map(|place| 1 << place).zip(history);
    numbered.filter(move |(bit, _)| done & bit == 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::call::{Call, Outcome};
    use super::*;
    use crate::record::{Meta, Record};
    use crate::store::{Admission, Created};
    use crate::testkit::conformance::trial::fresh_id;

    fn delete(id: Id, was_there: bool, began: u64, ended: u64) -> Entry {
        Entry { call: Call::Delete(id), outcome: Outcome::Deleted(was_there), began, ended }
    }

    fn create(record: &Record<Sample>, id: Id, began: u64, ended: u64) -> Entry {
        let outcome = Outcome::Created(Created::Done { evicted: Vec::new(), replaced: false });
        let call = Call::Create(id, record.clone().into(), Admission::OPEN);
        Entry { call, outcome, began, ended }
    }

    #[test]
    fn s54_the_order_of_calls_that_do_not_overlap_is_kept() {
        let (id, now, hour) = (fresh_id(), Timestamp::from_millis(0), Duration::from_secs(3_600));
        let record = Record::new(Meta::new(now, hour, hour), Sample::default());
        let explained = |history: &[Entry]| is_linearizable(history, "ann", now);

        assert!(explained(&[]));
        assert!(explained(&[create(&record, id, 0, 1), delete(id, true, 2, 3)]));
        assert!(explained(&[create(&record, id, 0, 3), delete(id, true, 1, 2)]), "they overlap");
        assert!(explained(&[create(&record, id, 0, 3), delete(id, false, 1, 2)]), "they overlap");
        assert!(!explained(&[create(&record, id, 2, 3), delete(id, true, 0, 1)]), "too early");
        assert!(!explained(&[create(&record, id, 0, 1), delete(id, false, 2, 3)]), "too late");
        let twice = [create(&record, id, 0, 1), delete(id, true, 2, 5), delete(id, true, 3, 4)];
        assert!(!explained(&twice), "both cannot have found it");
    }
}
