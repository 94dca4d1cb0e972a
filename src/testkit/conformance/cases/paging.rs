//! Going through many sessions while some of them end.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::case;
use crate::id::Id;
use crate::testkit::conformance::crowd::{both, together};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fail, fresh_subject};

pub(super) const CASES: &[Case] =
    &[case!("S51", "paging while sessions end repeats nothing and skips no survivor", paging)
        .with_index()];

const PAGE: usize = 100;
const CREATORS: usize = 16;

async fn paging(trial: Trial) {
    let subject: Arc<str> = fresh_subject().into();
    let ids = populate(&trial, &subject).await;
    assert_eq!(trial.count(&subject, trial.start).await, ids.len(), "all of them");
    let (ending, surviving): (Vec<_>, Vec<_>) =
        ids.iter().enumerate().partition(|(place, _)| place % 3 == 0);
    let ending: Vec<Id> = ending.into_iter().map(|(_, id)| *id).collect();

    let (reader, killer) = (trial.clone(), trial.clone());
    let whose = Arc::clone(&subject);
    let (seen, ()) = both(async move { read_all(&reader, &whose).await }, async move {
        for id in ending {
            assert!(killer.delete(id, killer.start).await, "it was live");
            tokio::task::yield_now().await;
        }
    })
    .await;
    let distinct: BTreeSet<Id> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), seen.len(), "a session was listed twice");
    let missed = surviving.iter().filter(|(_, id)| !distinct.contains(id)).count();
    assert_eq!(missed, 0, "survivors that were not listed");
    assert!(distinct.is_subset(&ids), "a session of somebody else was listed");
    assert_eq!(trial.count(&subject, trial.start).await, surviving.len(), "the survivors");
}

async fn populate(trial: &Trial, subject: &Arc<str>) -> BTreeSet<Id> {
    let share = trial.scale.sessions / CREATORS;
    let created = together((0..CREATORS).map(|_| {
        let (trial, subject) = (trial.clone(), Arc::clone(subject));
        async move {
            let mut ids = Vec::new();
            for _ in 0..share {
                ids.push(trial.keep(trial.record_of(&subject)).await);
            }
            ids
        }
    }))
    .await;
    created.into_iter().flatten().collect()
}

async fn read_all(trial: &Trial, subject: &str) -> Vec<Id> {
    let (mut seen, mut after) = (Vec::new(), None);
    for _ in 0..=2 * trial.scale.sessions {
        let page = trial.list(subject, after, PAGE, trial.start).await;
        assert!(page.len() <= PAGE, "a page of {} entries, asked for {PAGE}", page.len());
        let Some((last, _)) = page.last() else {
            return seen;
        };
        assert!(after.is_none_or(|after| *last > after), "the next page does not move on");
        after = Some(*last);
        seen.extend(page.iter().map(|(id, _)| *id));
        tokio::task::yield_now().await;
    }
    fail("the pages do not end")
}
