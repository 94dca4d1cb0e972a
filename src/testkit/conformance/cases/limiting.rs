//! So many sessions per subject.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::case;
use crate::id::Id;
use crate::store::{Admission, Created, Limit};
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fail, fresh_id, fresh_subject};

pub(super) const CASES: &[Case] = &[
    case!("S34", "a limit holds when three times as many begin at once", limits_hold),
    case!("K3", "a taken id is noticed before anybody is evicted for it", taken_id_evicts_nobody),
    case!(
        "K4",
        "a limit counts the live sessions of its subject, and evicts the oldest",
        who_counts
    ),
    case!("K14", "a limit of none lets nobody in and ends nobody's session", none_at_all),
];

const LIMIT: usize = 5;

async fn limits_hold(trial: Trial) {
    for _ in 0..trial.scale.rounds.div_ceil(2) {
        let subject: Arc<str> = fresh_subject().into();
        let outcomes = crowd(&trial, &subject, Limit::deny(LIMIT)).await;
        let refused = outcomes.iter().filter(|(_, created)| *created == Created::Limit).count();
        assert_eq!(refused, 2 * LIMIT, "refused under `deny`");
        for (id, created) in outcomes {
            let done = created == Created::Done { evicted: Vec::new(), replaced: false };
            assert_eq!(trial.is_live(id, trial.start).await, done, "live if done, under `deny`");
        }

        let subject: Arc<str> = fresh_subject().into();
        let outcomes = crowd(&trial, &subject, Limit::evict_oldest(LIMIT)).await;
        let mut evicted = Vec::new();
        for (_, created) in &outcomes {
            match created {
                Created::Done { evicted: some, replaced: false } => evicted.extend(some),
                other => assert_eq!(
                    other,
                    &Created::Done { evicted: vec![], replaced: false },
                    "under `evict`"
                ),
            }
        }
        let ended: BTreeSet<Id> = evicted.iter().copied().collect();
        assert_eq!((evicted.len(), ended.len()), (2 * LIMIT, 2 * LIMIT), "evicted, each once");
        for (id, _) in outcomes {
            let live = trial.is_live(id, trial.start).await;
            assert_ne!(live, ended.contains(&id), "a session is either live or was evicted");
        }
    }
}

/// Three times as many sessions as the limit allows, all at once.
async fn crowd(trial: &Trial, subject: &Arc<str>, limit: Limit) -> Vec<(Id, Created)> {
    together((0..3 * LIMIT).map(|_| {
        let (trial, subject, id) = (trial.clone(), Arc::clone(subject), fresh_id());
        async move {
            (
                id,
                trial
                    .create(
                        id,
                        trial.record_of(&subject),
                        Admission::OPEN.limited(limit),
                        trial.start,
                    )
                    .await,
            )
        }
    }))
    .await
}

async fn taken_id_evicts_nobody(trial: Trial) {
    let subject = fresh_subject();
    let ids = staggered(&trial, &subject, 3).await;
    for limit in [Limit::evict_oldest(3), Limit::evict_oldest(1), Limit::deny(3)] {
        let record = trial.record_of(&subject);
        let created =
            trial.create(ids[2], record, Admission::OPEN.limited(limit), trial.at(5)).await;
        assert_eq!(created, Created::Exists, "a taken id with {limit:?}");
        for id in &ids {
            assert!(trial.is_live(*id, trial.at(5)).await, "evicted for nothing by {limit:?}");
        }
    }
}

/// Sessions that began a minute after each other.
async fn staggered(trial: &Trial, subject: &str, many: u64) -> Vec<Id> {
    let mut ids = Vec::new();
    for minute in 0..many {
        let mut record = Trial::record_from(trial.at(minute));
        record.meta.subject = Some(subject.into());
        ids.push(trial.keep(record).await);
    }
    ids
}

async fn none_at_all(trial: Trial) {
    let (now, subject) = (trial.at(5), fresh_subject());
    let ids = staggered(&trial, &subject, 2).await;
    for limit in [Limit::evict_oldest(0), Limit::deny(0)] {
        for admission in [Admission::OPEN, Admission::OPEN.in_place_of(ids[0])] {
            let (id, admission) = (fresh_id(), admission.limited(limit));
            let created = trial.create(id, trial.record_of(&subject), admission, now).await;
            assert_eq!(created, Created::Limit, "under {admission:?}");
            assert!(!trial.is_live(id, now).await, "refused under {admission:?}, and live");
        }
        let admission = Admission::OPEN.limited(limit);
        let created = trial.create(fresh_id(), trial.record_of(&fresh_subject()), admission, now);
        assert_eq!(created.await, Created::Limit, "the first of its subject, under {limit:?}");
        let created = trial.create(ids[1], trial.record_of(&subject), admission, now).await;
        assert_eq!(created, Created::Exists, "a taken id under {limit:?}");
        let done = Created::Done { evicted: Vec::new(), replaced: false };
        let created = trial.create(fresh_id(), trial.record(), admission, now).await;
        assert_eq!(created, done, "a session of nobody, under {limit:?}");
    }
    for id in ids {
        assert!(trial.is_live(id, now).await, "evicted to make room for nobody");
    }
}

async fn who_counts(trial: Trial) {
    let (ann, bob) = (fresh_subject(), fresh_subject());
    let others = [trial.keep(trial.record_of(&bob)).await, trial.keep(trial.record()).await];
    let ids = staggered(&trial, &ann, 4).await;
    // That the oldest was used last makes it no younger.
    trial.touch(ids[0], trial.at(10)).await;
    let begin = |minute, limit| {
        let (trial, mut record, id) =
            (trial.clone(), Trial::record_from(trial.at(minute)), fresh_id());
        record.meta.subject = Some(ann.as_str().into());
        async move {
            (id, trial.create(id, record, Admission::OPEN.limited(limit), trial.at(minute)).await)
        }
    };

    let (_, created) = begin(11, Limit::deny(4)).await;
    assert_eq!(created, Created::Limit, "four of four");
    let (fifth, created) = begin(12, Limit::deny(5)).await;
    assert_eq!(created, Created::Done { evicted: Vec::new(), replaced: false }, "four of five");
    let (sixth, created) = begin(13, Limit::evict_oldest(5)).await;
    assert_eq!(
        created,
        Created::Done { evicted: vec![ids[0]], replaced: false },
        "the oldest makes room"
    );
    let (last, created) = begin(14, Limit::evict_oldest(3)).await;
    let Created::Done { mut evicted, .. } = created else {
        fail(&format!("a lower limit answered {created:?}"))
    };
    evicted.sort_unstable();
    let mut oldest = [ids[1], ids[2], ids[3]];
    oldest.sort_unstable();
    assert_eq!(evicted, oldest, "a lower limit ends as many as it takes");
    for id in [fifth, sixth, last].iter().chain(&others) {
        assert!(trial.is_live(*id, trial.at(14)).await, "a session that was not to go has gone");
    }

    // By then all of them but a new one have expired.
    let (now, limit) = (trial.at(100), Limit::deny(2));
    let (_, created) = begin(100, limit).await;
    assert_eq!(
        created,
        Created::Done { evicted: Vec::new(), replaced: false },
        "expired sessions do not count"
    );
    let (_, created) = begin(100, limit).await;
    assert_eq!(
        created,
        Created::Done { evicted: Vec::new(), replaced: false },
        "one live session of two"
    );
    assert_eq!(begin(100, limit).await.1, Created::Limit, "two live sessions of two");
    for _ in 0..3 {
        let created = trial
            .create(fresh_id(), Trial::record_from(now), Admission::OPEN.limited(limit), now)
            .await;
        let done = Created::Done { evicted: Vec::new(), replaced: false };
        assert_eq!(created, done, "sessions of nobody are not limited");
    }
}
