//! No update is lost.

use super::case;
use crate::testkit::conformance::crowd::{both, together};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::Trial;

pub(super) const CASES: &[Case] = &[
    case!("S11", "two that change different fields both get their way", different_fields),
    case!("S14", "two that add the same new field at once do not clash", same_new_field),
    case!("K1", "as many increments as tasks end at that number", no_lost_update),
];

async fn different_fields(trial: Trial) {
    let now = trial.at(1);
    for _ in 0..trial.scale.rounds {
        let id = trial.keep(trial.record()).await;
        let (one, two) = (trial.clone(), trial.clone());
        both(
            async move { one.edit(id, now, |record| record.data.user = "bob".to_owned()).await },
            async move { two.edit(id, now, |record| record.data.counter = 5).await },
        )
        .await;
        let kept = trial.find(id, now).await;
        assert_eq!((kept.data.user.as_str(), kept.data.counter), ("bob", 5), "one change was lost");
        assert_eq!(kept.meta.version, 3, "two writes are two versions");
    }
}

async fn same_new_field(trial: Trial) {
    let now = trial.at(1);
    for _ in 0..trial.scale.rounds {
        let id = trial.keep(trial.record()).await;
        together(["one", "two"].map(|value| {
            let trial = trial.clone();
            async move {
                trial
                    .edit(id, now, |record| {
                        record.data.tags.insert("new".to_owned(), value.to_owned());
                    })
                    .await;
            }
        }))
        .await;
        let kept = trial.find(id, now).await;
        let value = kept.data.tags.get("new").map(String::as_str);
        assert!(matches!(value, Some("one" | "two")), "the new field is {value:?}");
        assert_eq!(kept.meta.version, 3, "both writes happened, one after the other");
    }
}

async fn no_lost_update(trial: Trial) {
    let now = trial.at(1);
    let id = trial.keep(trial.record()).await;
    together((0..trial.scale.tasks).map(|_| {
        let trial = trial.clone();
        async move { trial.edit(id, now, |record| record.data.counter += 1).await }
    }))
    .await;
    let kept = trial.find(id, now).await;
    let counted = usize::try_from(kept.data.counter);
    assert_eq!(counted, Ok(trial.scale.tasks), "increments that were told to be done");
    let versions = usize::try_from(kept.meta.version);
    assert_eq!(versions, Ok(trial.scale.tasks + 1), "every write is a version");
}
