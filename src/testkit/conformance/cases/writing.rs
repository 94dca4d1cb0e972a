//! Who may write over what.

use super::case;
use crate::record::Record;
use crate::store::{Admission, Created, Saved};
use crate::testkit::Sample;
use crate::testkit::conformance::crowd::{both, in_turns, together};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Facts, Trial, fresh_id, fresh_subject};

pub(super) const CASES: &[Case] = &[
    case!("S3", "create under a taken id is refused and changes nothing", create_never_overwrites),
    case!("S4", "a second write is what is read from then on, as one record", replace_replaces),
    case!("S8", "a write after the delete is Gone, not a resurrection", no_resurrection),
    case!("S9", "a delete in the middle of a write leaves nothing behind", delete_races_replace),
    case!("S10", "a touch after the delete is Gone and makes no record", no_resurrection_by_touch),
    case!("S12", "of two writers of one version one wins, the other is Stale", one_writer_wins),
    case!(
        "S13",
        "fields added, changed and removed in one write are so afterwards",
        field_by_field
    ),
    case!("K8", "of many that create one id at once, one does", one_creator_wins),
];

async fn create_never_overwrites(trial: Trial) {
    let now = trial.at(1);
    let id = trial.keep(trial.record()).await;
    let old = trial.find(id, now).await;
    let mut other = trial.record_of(&fresh_subject());
    other.data = Sample::new("eve");
    let created = trial.create(id, other.clone(), Admission::OPEN, now).await;
    assert_eq!(created, Created::Exists, "create under a taken id");
    let kept = trial.find(id, now).await;
    assert_eq!(kept.data, old.data, "the data that was there");
    assert_eq!(Facts::of(&kept.meta), Facts::of(&old.meta), "what the record said of itself");
    if let Some(subject) = other.meta.subject.filter(|_| trial.index().is_some()) {
        trial.expect_ids(&subject, &[], now, "the subject of the refused record").await;
    }
}

async fn replace_replaces(trial: Trial) {
    let (now, subject) = (trial.at(1), fresh_subject());
    let id = trial.keep(trial.record_of(&subject)).await;
    for counter in 1..=3 {
        let old = trial.find(id, now).await;
        assert_eq!(old.meta.version, counter, "one version per write");
        let saved = trial.change(id, &old, now, |next| next.data.counter = counter).await;
        assert_eq!(saved, Saved::Done, "replace of the version that was loaded");
        assert_eq!(trial.find(id, now).await.data.counter, counter, "what was written last");
    }
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[id], now, "one record however often it is written").await;
    }
}

async fn no_resurrection(trial: Trial) {
    let (now, subject) = (trial.at(1), fresh_subject());
    let id = trial.keep(trial.record_of(&subject)).await;
    let slow = trial.find(id, now).await;
    trial.delete(id, now).await;
    for _ in 0..2 {
        let saved = trial.change(id, &slow, now, |next| next.data.counter = 1).await;
        assert_eq!(saved, Saved::Gone, "replace after delete");
        assert!(!trial.is_live(id, now).await, "the deleted record is back");
    }
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[], now, "nothing is listed after that").await;
    }
}

async fn delete_races_replace(trial: Trial) {
    let now = trial.at(1);
    for round in 0..trial.scale.rounds {
        let subject = fresh_subject();
        let id = trial.keep(trial.record_of(&subject)).await;
        let slow = trial.find(id, now).await;
        let (writer, other) = (trial.clone(), trial.clone());
        let write = async move { write(&writer, id, &slow, 1).await };
        let delete = async move { other.delete(id, now).await };
        let (saved, was_there) = match round % 2 {
            0 => in_turns(write, delete).await,
            _ => both(write, delete).await,
        };
        assert!(was_there, "nobody else deleted it");
        assert_ne!(saved, Saved::Stale, "nobody else wrote it");
        assert!(!trial.is_live(id, now).await, "a write revived what was being deleted");
        if trial.index().is_some() {
            trial.expect_ids(&subject, &[], now, "no entry is left").await;
        }
        let created = trial.create(id, trial.record(), Admission::OPEN, now).await;
        assert_eq!(
            created,
            Created::Done { evicted: Vec::new(), replaced: false },
            "no remnant is in the way"
        );
    }
}

async fn no_resurrection_by_touch(trial: Trial) {
    let (now, subject) = (trial.at(1), fresh_subject());
    let id = trial.keep(trial.record_of(&subject)).await;
    trial.delete(id, now).await;
    for _ in 0..2 {
        assert_eq!(trial.touch(id, now).await, Saved::Gone, "touch after delete");
        assert!(!trial.is_live(id, now).await, "touch brought the record back");
    }
    if trial.index().is_some() {
        trial.expect_ids(&subject, &[], now, "nothing is listed after that").await;
    }
}

async fn one_writer_wins(trial: Trial) {
    let now = trial.at(1);
    let id = trial.keep(trial.record()).await;
    let (one, two) = (trial.find(id, now).await, trial.find(id, now).await);
    assert_eq!(write(&trial, id, &one, 1).await, Saved::Done, "the first writer");
    assert_eq!(write(&trial, id, &two, 2).await, Saved::Stale, "the second writer");
    assert_eq!(trial.find(id, now).await.data.counter, 1, "what the first wrote");

    for _ in 0..trial.scale.rounds {
        let id = trial.keep(trial.record()).await;
        let outcomes = together((1..=8).map(|counter| {
            let trial = trial.clone();
            async move {
                let old = trial.record();
                (counter, write(&trial, id, &old, counter).await)
            }
        }))
        .await;
        let winners = outcomes.iter().filter(|(_, saved)| *saved == Saved::Done);
        let winners: Vec<u64> = winners.map(|(counter, _)| *counter).collect();
        let stale = outcomes.iter().filter(|(_, saved)| *saved == Saved::Stale).count();
        assert_eq!((winners.len(), stale), (1, 7), "eight writers of one version");
        assert_eq!(vec![trial.find(id, now).await.data.counter], winners, "the winner's data");
    }
}

async fn write(trial: &Trial, id: crate::Id, old: &Record<Sample>, counter: u64) -> Saved {
    trial.change(id, old, trial.at(1), |next| next.data.counter = counter).await
}

/// What is done to a map in one write, and what it holds afterwards.
type Edit =
    (&'static [(&'static str, Option<&'static str>)], &'static [(&'static str, &'static str)]);

const EDITS: &[Edit] = &[
    (&[("a", Some("1")), ("b", Some("2"))], &[("a", "1"), ("b", "2")]),
    (&[("c", Some("3")), ("a", Some("4"))], &[("a", "4"), ("b", "2"), ("c", "3")]),
    (&[("d", Some("5")), ("b", None)], &[("a", "4"), ("c", "3"), ("d", "5")]),
    (&[("a", Some("6")), ("c", None)], &[("a", "6"), ("d", "5")]),
    (&[("d", None), ("d", Some("7"))], &[("a", "6"), ("d", "7")]),
    (&[("a", None), ("d", None)], &[]),
];

async fn field_by_field(trial: Trial) {
    let now = trial.at(1);
    let mut record = trial.record();
    record.data.tags.clear();
    let id = trial.keep(record).await;
    for (edits, expected) in EDITS {
        trial
            .edit(id, now, |record| {
                for (key, value) in *edits {
                    match value {
                        Some(value) => {
                            record.data.tags.insert((*key).to_owned(), (*value).to_owned())
                        }
                        None => record.data.tags.remove(*key),
                    };
                }
            })
            .await;
        let kept = trial.find(id, now).await;
        let tags: Vec<(&str, &str)> =
            kept.data.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(tags, *expected, "after {edits:?}");
    }
}

async fn one_creator_wins(trial: Trial) {
    for _ in 0..trial.scale.rounds {
        let id = fresh_id();
        let outcomes = together((0..8).map(|counter| {
            let trial = trial.clone();
            async move {
                let mut record = trial.record();
                record.data.counter = counter;
                (counter, trial.create(id, record, Admission::OPEN, trial.start).await)
            }
        }))
        .await;
        let done = |outcome: &Created| matches!(outcome, Created::Done { .. });
        let winners = outcomes.iter().filter(|(_, created)| done(created));
        let winners: Vec<u64> = winners.map(|(counter, _)| *counter).collect();
        let kept = trial.find(id, trial.start).await.data.counter;
        assert_eq!(winners, vec![kept], "the one that was told so is the one that is kept");
    }
}
