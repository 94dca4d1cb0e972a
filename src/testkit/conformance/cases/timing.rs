//! Clocks that disagree.

use super::case;
use crate::clock::Timestamp;
use crate::store::{Admission, Created, Saved};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{IDLE, Trial, earlier, fresh_id, fresh_subject, minutes};

pub(super) const CASES: &[Case] = &[
    case!("S55", "a clock that jumps back revives nothing, and skew ends nothing early", skew),
    case!("K9", "the first and the last moment of time are times like any other", ends_of_time),
];

async fn skew(trial: Trial) {
    nothing_is_revived(&trial).await;
    nothing_ends_early(&trial).await;
}

async fn nothing_is_revived(trial: &Trial) {
    let (now, an_hour_ago, subject) = (trial.at(60), trial.start, fresh_subject());
    let mut record = Trial::record_from(trial.at(50));
    record.meta.subject = Some(subject.as_str().into());
    let deleted = trial.keep(record).await;
    trial.delete(deleted, now).await;
    assert!(!trial.is_live(deleted, an_hour_ago).await, "deleted, and back with the old time");
    assert_eq!(trial.touch(deleted, an_hour_ago).await, Saved::Gone, "touch at the old time");
    let old = Trial::record_from(trial.at(50));
    let saved = trial.change(deleted, &old, an_hour_ago, |next| next.data.counter = 1).await;
    assert_eq!(saved, Saved::Gone, "replace at the old time");
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[], an_hour_ago, "listed at the old time").await;
    }

    // An expired record may have been removed or not. If not, its own deadline still counts.
    let expired = trial.keep(trial.record()).await;
    let deadline = trial.start.plus(IDLE);
    assert!(!trial.is_live(expired, trial.at(90)).await, "expired");
    if let Some(record) = trial.load(expired, trial.at(29)).await {
        assert_eq!(record.meta.deadline(), deadline, "its deadline moved when time went back");
    }
    assert!(!trial.is_live(expired, deadline).await, "expired at its own deadline as before");
}

async fn nothing_ends_early(trial: &Trial) {
    let half_a_minute = minutes(1) / 2;
    let (ahead, behind) = (trial.start.plus(half_a_minute), earlier(trial.start, half_a_minute));
    let id = trial.keep(Trial::record_from(ahead)).await;
    assert!(trial.is_live(id, behind).await, "a session that begins in the future of this node");
    assert_eq!(trial.touch(id, behind).await, Saved::Done, "touch by a node that is behind");
    let old = trial.find(id, behind).await;
    assert_eq!(old.meta.last_seen(), ahead, "a touch from the past moves nothing");
    let saved = trial.change(id, &old, behind, |next| next.data.counter = 1).await;
    assert_eq!(saved, Saved::Done, "replace by a node that is behind");
    let deadline = ahead.plus(IDLE);
    assert!(trial.is_live(id, earlier(deadline, minutes(1))).await, "ended early");
    assert!(!trial.is_live(id, deadline).await, "ended late");
    assert!(!trial.delete(id, deadline).await, "it was not live any more");
}

async fn ends_of_time(trial: Trial) {
    let (first, last) = (Timestamp::from_millis(0), Timestamp::from_millis(u64::MAX));
    let subject = fresh_subject();
    let id = trial.keep(trial.record_of(&subject)).await;
    assert!(trial.is_live(id, first).await, "load at the first moment: long before its deadline");
    assert_eq!(trial.touch(id, first).await, Saved::Done, "touch at the first moment");
    let old = trial.find(id, first).await;
    let saved = trial.change(id, &old, first, |next| next.data.counter = 1).await;
    assert_eq!(saved, Saved::Done, "replace at the first moment");
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[id], first, "listed at the first moment").await;
        trial.expect_ids(&subject, &[], last, "listed at the last moment").await;
    }
    assert_eq!(trial.touch(id, last).await, Saved::Gone, "touch at the last moment");
    assert!(!trial.is_live(id, last).await, "load at the last moment");
    let created = trial.create(fresh_id(), trial.record(), Admission::OPEN, first).await;
    assert_eq!(
        created,
        Created::Done { evicted: Vec::new(), replaced: false },
        "create at the first moment"
    );
}
