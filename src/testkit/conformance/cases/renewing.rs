//! Renewal: a write that raises the generation of the ticket.

use super::case;
use crate::clock::Timestamp;
use crate::record::Record;
use crate::store::Saved;
use crate::testkit::Sample;
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Facts, Trial, fresh_subject, minutes};

pub(super) const CASES: &[Case] = &[
    case!("S15", "renewal keeps data, deadlines and index entries", renewal_keeps_the_rest),
    case!("S16", "two renewals leave the last", the_last_renewal_counts),
    case!("S17", "a record that begins renewed is one record", born_renewed),
    case!("S18", "renewal and a change of data in one write", renew_and_change),
    case!("S19", "of renewals at once exactly one succeeds", one_renewal_succeeds),
    case!("S20", "renewal of what was deleted is Gone", no_renewal_after_delete),
    case!("S22", "renewal keeps the absolute deadline, a new proof of identity moves it", absolute),
];

/// What the layer does to renew.
fn renew(record: &mut Record<Sample>, now: Timestamp) {
    record.meta.generation += 1;
    record.meta.confirmed = false;
    record.meta.renewed = now;
}

async fn renewal_keeps_the_rest(trial: Trial) {
    let (now, subject) = (trial.at(5), fresh_subject());
    let id = trial.keep(trial.record_of(&subject)).await;
    let old = trial.find(id, now).await;
    assert_eq!(trial.change(id, &old, now, |next| renew(next, now)).await, Saved::Done, "renewal");
    let kept = trial.find(id, now).await;
    let expected =
        Facts { version: 2, generation: 1, confirmed: false, renewed: now, ..Facts::of(&old.meta) };
    assert_eq!(Facts::of(&kept.meta), expected, "what the renewed record says of itself");
    assert_eq!(kept.data, old.data, "the data");
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[id], now, "the renewed session").await;
    }
}

async fn the_last_renewal_counts(trial: Trial) {
    let (now, subject) = (trial.at(5), fresh_subject());
    let id = trial.keep(trial.record_of(&subject)).await;
    let old = trial.find(id, now).await;
    trial.change(id, &old, now, |next| renew(next, now)).await;
    let old = trial.find(id, now).await;
    trial.change(id, &old, now, |next| renew(next, now)).await;
    assert_eq!(trial.find(id, now).await.meta.generation, 2, "after two renewals");
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[id], now, "twice renewed, one session").await;
    }
}

async fn born_renewed(trial: Trial) {
    let subject = fresh_subject();
    let mut record = trial.record_of(&subject);
    renew(&mut record, trial.start);
    let id = trial.keep(record).await;
    assert_eq!(trial.find(id, trial.start).await.meta.generation, 1, "the first generation kept");
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[id], trial.start, "one record").await;
    }
}

async fn renew_and_change(trial: Trial) {
    let now = trial.at(5);
    let id = trial.keep(trial.record()).await;
    let old = trial.find(id, now).await;
    let saved = trial
        .change(id, &old, now, |next| {
            renew(next, now);
            next.data.counter = 9;
        })
        .await;
    assert_eq!(saved, Saved::Done, "renewal with a change of data");
    let kept = trial.find(id, now).await;
    assert_eq!((kept.meta.generation, kept.data.counter), (1, 9), "both were applied");
}

async fn one_renewal_succeeds(trial: Trial) {
    let now = trial.at(5);
    for _ in 0..trial.scale.rounds {
        let id = trial.keep(trial.record()).await;
        let outcomes = together((0..8).map(|_| {
            let trial = trial.clone();
            async move { trial.change(id, &trial.record(), now, |next| renew(next, now)).await }
        }))
        .await;
        let done = outcomes.iter().filter(|saved| **saved == Saved::Done).count();
        assert_eq!(done, 1, "of eight renewals at once: {outcomes:?}");
        assert_eq!(trial.find(id, now).await.meta.generation, 1, "the generation went up once");
    }
}

async fn no_renewal_after_delete(trial: Trial) {
    let now = trial.at(5);
    let id = trial.keep(trial.record()).await;
    let old = trial.find(id, now).await;
    trial.delete(id, now).await;
    let saved = trial.change(id, &old, now, |next| renew(next, now)).await;
    assert_eq!(saved, Saved::Gone, "renewal after delete");
    assert!(!trial.is_live(id, now).await, "the renewal revived it");
}

async fn absolute(trial: Trial) {
    let mut record = trial.record();
    record.meta.set_idle(minutes(24 * 60));
    record.meta.absolute = trial.at(60);
    let (renewed, proven) = (trial.keep(record.clone()).await, trial.keep(record).await);
    let now = trial.at(50);

    let old = trial.find(renewed, now).await;
    trial.change(renewed, &old, now, |next| renew(next, now)).await;
    assert!(trial.is_live(renewed, trial.at(59)).await, "renewed, before the absolute deadline");
    assert!(!trial.is_live(renewed, trial.at(60)).await, "renewal must not move the deadline");

    let old = trial.find(proven, now).await;
    let saved = trial
        .change(proven, &old, now, |next| {
            next.meta.authenticated = now;
            next.meta.absolute = trial.at(110);
        })
        .await;
    assert_eq!(saved, Saved::Done, "a new proof of identity");
    assert!(trial.is_live(proven, trial.at(109)).await, "the deadline moved with the new proof");
    assert!(!trial.is_live(proven, trial.at(110)).await, "and no further");
}
