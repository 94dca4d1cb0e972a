//! The index agrees with the records.

use super::case;
use crate::id::Id;
use crate::store::{Revoke, Saved};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Facts, Trial, fresh_subject};

pub(super) const CASES: &[Case] = &[
    case!("S26", "a subject that is set, changed or removed is so in the index", subject_changes)
        .with_index(),
    case!("S27", "expiry, delete and revocation take a session out of the index", index_forgets)
        .with_index(),
    case!("S28", "expired sessions are neither listed, counted nor revoked", expired_are_filtered)
        .with_index(),
    case!("S29", "a subject that changes with a renewal is in the index once", renewal_moves)
        .with_index(),
    case!("K6", "a page is in order, no longer than asked, and says what load says", pages)
        .with_index(),
];

async fn subject_changes(trial: Trial) {
    let (now, ann, bob) = (trial.at(1), fresh_subject(), fresh_subject());
    let id = trial.keep(trial.record()).await;
    trial.expect_ids(&ann, &[], now, "before the subject is set").await;
    let steps = [Some(&ann), Some(&ann), Some(&bob), Some(&bob), None, None, Some(&ann)];
    for (step, subject) in steps.into_iter().enumerate() {
        let old = trial.find(id, now).await;
        let saved = trial
            .change(id, &old, now, |next| {
                next.meta.subject = subject.map(|subject| subject.as_str().into());
            })
            .await;
        assert_eq!(saved, Saved::Done, "write of the subject");
        for whose in [&ann, &bob] {
            let expected = if subject == Some(whose) { &[id][..] } else { &[] };
            trial.expect_ids(whose, expected, now, &format!("after step {step}")).await;
        }
    }
}

async fn index_forgets(trial: Trial) {
    let (now, subject) = (trial.at(1), fresh_subject());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(trial.keep(trial.record_of(&subject)).await);
    }
    let [deleted, revoked, expiring] = ids[..] else {
        return;
    };
    trial.expect_ids(&subject, &ids, now, "all of them").await;
    trial.delete(deleted, now).await;
    trial.expect_ids(&subject, &[revoked, expiring], now, "after a delete").await;
    trial.revoke(&subject, Revoke::One(revoked), 10, now).await;
    trial.expect_ids(&subject, &[expiring], now, "after a revocation").await;
    // No load in between: the index must not depend on somebody noticing.
    trial.expect_ids(&subject, &[], trial.at(30), "exactly at the deadline").await;
}

async fn expired_are_filtered(trial: Trial) {
    let subject = fresh_subject();
    let stale = trial.keep(trial.record_of(&subject)).await;
    let mut late = Trial::record_from(trial.at(20));
    late.meta.subject = Some(subject.as_str().into());
    let late = trial.keep(late).await;
    let touched = trial.keep(trial.record_of(&subject)).await;
    trial.touch(touched, trial.at(15)).await;

    trial.expect_ids(&subject, &[stale, late, touched], trial.at(29), "all live").await;
    let mut live = [late, touched];
    live.sort_unstable();
    trial.expect_ids(&subject, &live, trial.at(31), "one has expired").await;
    trial.expect_ids(&subject, &live, trial.at(31), "and stays so").await;
    let revoked = trial.revoke(&subject, Revoke::One(stale), 10, trial.at(31)).await;
    assert_eq!(revoked.ids, [], "an expired session cannot be revoked");
    let mut revoked = trial.revoke(&subject, Revoke::All, 10, trial.at(31)).await.ids;
    revoked.sort_unstable();
    assert_eq!(revoked, live, "only live sessions are revoked");
}

async fn renewal_moves(trial: Trial) {
    let (now, ann, bob) = (trial.at(1), fresh_subject(), fresh_subject());
    let id = trial.keep(trial.record_of(&ann)).await;
    let old = trial.find(id, now).await;
    trial
        .change(id, &old, now, |next| {
            next.meta.generation += 1;
            next.meta.subject = Some(bob.as_str().into());
        })
        .await;
    trial.expect_ids(&ann, &[], now, "the subject before the renewal").await;
    trial.expect_ids(&bob, &[id], now, "the subject after the renewal").await;
}

async fn pages(trial: Trial) {
    let (now, subject) = (trial.at(1), fresh_subject());
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(trial.keep(trial.record_of(&subject)).await);
    }
    ids.sort_unstable();
    trial.touch(ids[0], now).await;

    let page = |after: Option<Id>, max| {
        let trial = trial.clone();
        let subject = subject.clone();
        async move { trial.list(&subject, after, max, now).await }
    };
    let names = |page: &[(Id, _)]| page.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let first: Vec<(Id, crate::Meta)> = page(None, 3).await;
    assert_eq!(names(&first), ids[..3], "the first page");
    assert_eq!(names(&page(Some(ids[2]), 3).await), ids[3..6], "the second page");
    assert_eq!(names(&page(Some(ids[5]), 3).await), ids[6..], "the last page");
    assert_eq!(names(&page(Some(ids[6]), 3).await), [], "a page after the last");
    assert_eq!(names(&page(None, 0).await), [], "a page of no entries");
    trial.delete(ids[3], now).await;
    let rest = names(&page(Some(ids[3]), 10).await);
    assert_eq!(rest, ids[4..], "a page after an id that has gone");
    for (id, meta) in first {
        let kept = Facts::of(&trial.find(id, now).await.meta);
        assert_eq!(Facts::of(&meta), kept, "what the page says of a session");
    }
}
