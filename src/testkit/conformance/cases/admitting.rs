//! A session in place of another.

use super::case;
use crate::id::Id;
use crate::store::{Admission, Created, Limit};
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fresh_id, fresh_subject};

pub(super) const CASES: &[Case] = &[
    case!("K10", "a session in place of another ends it, whoever's it was", in_place_of_another),
    case!("K11", "a session that is refused ends nothing", refused_ends_nothing),
    case!("K12", "the session that is replaced does not count towards the limit", not_counted),
];

async fn in_place_of_another(trial: Trial) {
    let (now, ann) = (trial.at(1), fresh_subject());
    let (guest, bystander) = (trial.keep(trial.record()).await, trial.keep(trial.record()).await);
    let hers = begin(&trial, &ann, Admission::OPEN.in_place_of(guest)).await;
    assert!(!trial.is_live(guest, now).await, "the session before the login lives on");
    let next = begin(&trial, &ann, Admission::OPEN.in_place_of(hers)).await;
    assert!(!trial.is_live(hers, now).await, "the session that was replaced lives on");
    let last = begin(&trial, &ann, Admission::OPEN.in_place_of(fresh_id())).await;
    for id in [next, last, bystander] {
        assert!(trial.is_live(id, now).await, "a session that nobody replaced has ended");
    }
    if trial.index().is_some() {
        let mut live = [next, last];
        live.sort_unstable();
        trial.expect_ids(&ann, &live, now, "the sessions that were not replaced").await;
    }
    let heirs = together((0..4).map(|_| {
        let (trial, ann) = (trial.clone(), ann.clone());
        async move { try_begin(&trial, &ann, Admission::OPEN.in_place_of(last)).await }
    }))
    .await;
    assert!(!trial.is_live(last, now).await, "replaced four times at once, and alive");
    let told = heirs.iter().filter(|(_, replaced)| *replaced).count();
    assert_eq!(told, 1, "so many were told that they replaced it");
    for (id, _) in heirs {
        assert!(trial.is_live(id, now).await, "one of four in place of the same session");
    }
}

/// Begins a session of the subject: done, nobody evicted, and told whether it replaced a live one.
async fn begin(trial: &Trial, subject: &str, admission: Admission) -> Id {
    let replaced = match admission.replacing {
        Some(old) => trial.is_live(old, trial.at(1)).await,
        None => false,
    };
    let (id, told) = try_begin(trial, subject, admission).await;
    assert_eq!(told, replaced, "what create says of the session that it replaced");
    id
}

/// The same, answering what it was told of the session that it replaced.
async fn try_begin(trial: &Trial, subject: &str, admission: Admission) -> (Id, bool) {
    let id = fresh_id();
    let created = trial.create(id, trial.record_of(subject), admission, trial.at(1)).await;
    let told = match &created {
        Created::Done { evicted, replaced } if evicted.is_empty() => Some(*replaced),
        _ => None,
    };
    assert!(told.is_some(), "create under {admission:?}: {created:?}");
    (id, told.unwrap_or_default())
}

async fn refused_ends_nothing(trial: Trial) {
    let (now, ann) = (trial.at(1), fresh_subject());
    let guest = trial.keep(trial.record()).await;
    let hers = trial.keep(trial.record_of(&ann)).await;
    let in_place = Admission::OPEN.in_place_of(guest);

    let created = trial.create(hers, trial.record_of(&ann), in_place, now).await;
    assert_eq!(created, Created::Exists, "create under a taken id");
    assert!(trial.is_live(guest, now).await, "ended for a creation that found its id taken");

    let full = in_place.limited(Limit::deny(1));
    let created = trial.create(fresh_id(), trial.record_of(&ann), full, now).await;
    assert_eq!(created, Created::Limit, "the guest's session is not one of hers");
    assert!(trial.is_live(guest, now).await, "ended for a creation that the limit denied");
    assert!(trial.is_live(hers, now).await, "her session");
}

async fn not_counted(trial: Trial) {
    let (now, ann) = (trial.at(1), fresh_subject());
    let older = trial.keep(trial.record_of(&ann)).await;
    let mut current = begin(&trial, &ann, Admission::OPEN).await;
    for limit in [Limit::deny(2), Limit::evict_oldest(2), Limit::deny(2)] {
        let next = begin(&trial, &ann, Admission::OPEN.limited(limit).in_place_of(current)).await;
        assert!(!trial.is_live(current, now).await, "replaced under {limit:?}, and alive");
        assert!(trial.is_live(older, now).await, "evicted though there was room: {limit:?}");
        current = next;
    }
    // The replaced one makes room for one: a lower limit still costs the oldest of the others.
    let (id, limit) = (fresh_id(), Limit::evict_oldest(1));
    let admission = Admission::OPEN.limited(limit).in_place_of(current);
    let created = trial.create(id, trial.record_of(&ann), admission, now).await;
    assert_eq!(
        created,
        Created::Done { evicted: vec![older], replaced: true },
        "only the evicted are named"
    );
    assert!(trial.is_live(id, now).await, "the new session");
}
