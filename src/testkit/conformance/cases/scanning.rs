//! Going through all sessions of everybody.

use std::collections::{BTreeMap, BTreeSet};

use super::case;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Meta;
use crate::testkit::conformance::crowd::both;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Facts, IDLE, Trial, fail, fresh_subject};

pub(super) const CASES: &[Case] = &[case!(
    "K13",
    "a scan shows every session that lives throughout, and none that has expired",
    scanning
)
.with_scan()];

const STEP: usize = 7;
const MOST_STEPS: usize = 100_000;

async fn scanning(trial: Trial) {
    let now = trial.start.plus(IDLE);
    let expired = trial.keep(trial.record()).await;
    let (mut staying, mut leaving) = (BTreeSet::new(), Vec::new());
    for place in 0..60 {
        let mut record = Trial::record_from(trial.at(5));
        record.meta.subject = (place % 2 == 0).then(|| fresh_subject().into());
        let id = trial.keep(record).await;
        if place % 3 == 0 {
            leaving.push(id);
        } else {
            staying.insert(id);
        }
    }
    let (reader, killer) = (trial.clone(), trial.clone());
    let (seen, ()) = both(async move { scan_all(&reader, now).await }, async move {
        for id in leaving {
            assert!(killer.delete(id, now).await, "it was live");
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!seen.contains_key(&expired), "an expired session was shown");
    let missed = staying.iter().filter(|id| !seen.contains_key(id)).count();
    assert_eq!(missed, 0, "sessions that lived throughout and were not shown");
    for id in staying {
        let kept = trial.find(id, now).await;
        assert_eq!(Facts::of(&seen[&id]), Facts::of(&kept.meta), "what a scan says of a session");
    }
}

/// The store may hold the sessions of other cases as well.
async fn scan_all(trial: &Trial, now: Timestamp) -> BTreeMap<Id, Meta> {
    let (mut seen, mut from) = (BTreeMap::new(), None);
    for _ in 0..MOST_STEPS {
        let step = trial.scan(from, STEP, now).await;
        seen.extend(step.sessions);
        from = step.next;
        if from.is_none() {
            return seen;
        }
        tokio::task::yield_now().await;
    }
    fail("the scan does not end")
}
