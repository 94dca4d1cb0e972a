//! What is there, what is not, and until when.

use std::time::Duration;

use super::case;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{Admission, Created, Saved};
use crate::testkit::Sample;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{
    Facts, IDLE, Trial, earlier, fresh_id, fresh_subject, minutes,
};

pub(super) const CASES: &[Case] = &[
    case!("S1", "an unknown id is not there, and asking creates nothing", unknown_ids_stay_unknown),
    case!("S2", "a new record is kept with all its data, times and marks", all_is_kept),
    case!("S5", "a record whose deadline had come when it was written is not there", born_dead),
    case!("S6", "live just before its deadline, dead exactly at it and after", deadlines_are_sharp),
    case!("S7", "what was deleted is not there; deleting again is fine", delete_twice),
    case!(
        "K5",
        "the id of an expired record is free, and nothing of it is left",
        expired_ids_are_free
    ),
    case!("K7", "deadlines at the end of time work", far_deadlines),
];

async fn unknown_ids_stay_unknown(trial: Trial) {
    let (id, now) = (fresh_id(), trial.start);
    for time in ["first", "second"] {
        assert!(!trial.is_live(id, now).await, "load found an unknown id, {time} time");
        assert_eq!(trial.touch(id, now).await, Saved::Gone, "touch of an unknown id");
        let next = Record::new(trial.record().meta, Sample::new("eve"));
        assert_eq!(trial.replace(id, 0, next.clone(), now).await, Saved::Gone, "replace");
        assert_eq!(trial.replace(id, 1, next, now).await, Saved::Gone, "replace of an unknown id");
        assert!(!trial.delete(id, now).await, "delete of an unknown id says that it was there");
    }
    trial.create(id, trial.record(), Admission::OPEN, now).await;
    assert_eq!(
        trial.find(id, now).await.data,
        trial.record().data,
        "a later create is not in the way"
    );
}

async fn all_is_kept(trial: Trial) {
    for marked in [false, true] {
        let given = distinctive(trial.start, marked);
        let (facts, data) = (Facts::of(&given.meta), given.data.clone());
        let id = trial.keep(given).await;
        let kept = trial.find(id, trial.at(3)).await;
        assert_eq!(Facts::of(&kept.meta), facts, "what the record says of itself");
        assert_eq!(kept.data, data, "the data");

        let mut next = distinctive(trial.start, !marked);
        next.meta.version += 1;
        let facts = Facts::of(&next.meta);
        assert_eq!(trial.replace(id, 41, next, trial.at(3)).await, Saved::Done);
        let kept = trial.find(id, trial.at(3)).await;
        assert_eq!(Facts::of(&kept.meta), facts, "what the next version says of itself");
    }
}

/// A record no two fields of which are alike.
fn distinctive(start: Timestamp, marked: bool) -> Record<Sample> {
    let mut meta =
        Meta::new(start, Duration::from_millis(1_234_567), Duration::from_millis(9_876_543));
    meta.context = Trial::record_from(start).meta.context.filter(|_| marked);
    meta.version = 41;
    meta.generation = u32::MAX;
    meta.confirmed = !marked;
    meta.persistent = marked;
    meta.renewed = earlier(start, Duration::from_millis(7_001));
    meta.authenticated = earlier(start, Duration::from_millis(9_002));
    meta.subject = marked.then(|| fresh_subject().into());
    meta.touch(start.plus(Duration::from_millis(11)));
    let data = Sample::new("ann").counting(7).tagged("a", "1").tagged("b", "").with_blob("text");
    Record::new(meta, data.nested(3))
}

async fn born_dead(trial: Trial) {
    let (id, now, subject) = (fresh_id(), trial.start, fresh_subject());
    let mut record = Trial::record_from(trial.before_start(31));
    record.meta.subject = Some(subject.as_str().into());
    // Whether such a record is taken or not is the store's choice; it must not be served.
    trial.create(id, record, Admission::OPEN, now).await;
    assert!(!trial.is_live(id, now).await, "created with a deadline in the past");

    let id = trial.keep(trial.record_of(&subject)).await;
    let old = trial.find(id, now).await;
    trial.change(id, &old, trial.at(2), |next| next.meta.absolute = trial.at(1)).await;
    assert!(!trial.is_live(id, trial.at(2)).await, "replaced with a deadline in the past");
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[], trial.at(2), "what is dead on arrival is not listed").await;
    }
}

async fn deadlines_are_sharp(trial: Trial) {
    // Once by the idle limit, once by the absolute one.
    for absolute in [IDLE * 2, IDLE - minutes(1)] {
        let deadline = trial.start.plus(absolute.min(IDLE));
        let new = || begin(&trial, absolute);
        let (before, after) = (earlier(deadline, MOMENT), deadline.plus(MOMENT));

        let id = new().await;
        assert!(trial.is_live(id, before).await, "load a millisecond before the deadline");
        assert!(!trial.is_live(id, deadline).await, "load exactly at the deadline");
        assert!(!trial.is_live(id, after).await, "load a millisecond after the deadline");

        let (early, late) = (new().await, new().await);
        assert_eq!(
            rewrite(&trial, early, before).await,
            Saved::Done,
            "replace before the deadline"
        );
        assert_eq!(rewrite(&trial, late, deadline).await, Saved::Gone, "replace at the deadline");

        let (early, late) = (new().await, new().await);
        assert_eq!(trial.touch(early, before).await, Saved::Done, "touch before the deadline");
        assert_eq!(trial.touch(late, deadline).await, Saved::Gone, "touch at the deadline");
        assert!(!trial.is_live(late, deadline).await, "touch at the deadline revived the record");

        let (early, late) = (new().await, new().await);
        assert!(trial.delete(early, before).await, "delete before the deadline: it was live");
        assert!(!trial.delete(late, deadline).await, "delete at the deadline: it was not live");
    }
}

async fn begin(trial: &Trial, absolute: Duration) -> Id {
    let mut record = trial.record();
    record.meta.absolute = trial.start.plus(absolute);
    trial.keep(record).await
}

async fn rewrite(trial: &Trial, id: Id, now: Timestamp) -> Saved {
    let mut record = trial.record();
    record.meta.version = 2;
    trial.replace(id, 1, record, now).await
}

async fn delete_twice(trial: Trial) {
    let now = trial.start;
    let id = trial.keep(trial.record()).await;
    let other = trial.keep(trial.record()).await;
    assert!(trial.delete(id, now).await, "delete says whether a live record was there");
    assert!(!trial.is_live(id, now).await, "load after delete");
    assert!(!trial.delete(id, now).await, "the second delete says that nothing was there");
    assert!(trial.is_live(other, now).await, "delete ended another session");
}

async fn expired_ids_are_free(trial: Trial) {
    let (subject, heir) = (fresh_subject(), fresh_subject());
    let id = trial.keep(trial.record_of(&subject)).await;
    let now = trial.at(31);
    let mut next = Trial::record_from(now);
    next.meta.subject = Some(heir.as_str().into());
    next.data.user = "bob".to_owned();
    let created = trial.create(id, next, Admission::OPEN, now).await;
    assert_eq!(
        created,
        Created::Done { evicted: Vec::new(), replaced: false },
        "create over an expired record"
    );
    assert_eq!(trial.find(id, now).await.data.user, "bob", "the data of the new record");
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[], now, "the old subject").await;
        trial.expect_ids(&heir, &[id], now, "the new subject").await;
    }
}

async fn far_deadlines(trial: Trial) {
    let meta = Meta::new(trial.start, Duration::MAX, Duration::MAX);
    let id = trial.keep(Record::new(meta, Sample::new("ann"))).await;
    let in_a_century = trial.start.plus(minutes(100 * 366 * 24 * 60));
    assert!(trial.is_live(id, in_a_century).await, "a session without an end ended");
    assert_eq!(trial.touch(id, in_a_century).await, Saved::Done, "touch of such a session");
    let old = trial.find(id, in_a_century).await;
    let saved = trial.change(id, &old, in_a_century, |next| next.data.counter = 1).await;
    assert_eq!(saved, Saved::Done, "replace of such a session");
    assert_eq!(trial.find(id, in_a_century).await.data.counter, 1, "what was written");
    assert!(trial.delete(id, in_a_century).await, "delete of such a session");
}

const MOMENT: Duration = Duration::from_millis(1);
