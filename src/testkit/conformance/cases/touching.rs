//! Noting a use without a write.

use super::case;
use crate::store::Saved;
use crate::testkit::conformance::crowd::{both, in_turns};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{ABSOLUTE, Facts, Trial};

pub(super) const CASES: &[Case] = &[
    case!("S41", "a touch changes `last_seen` and nothing else", touch_is_no_write),
    case!("S43", "touching moves the deadline forward only, never past the absolute one", forward),
    case!("K2", "a touch and a write at once both count", touch_races_replace),
];

async fn touch_is_no_write(trial: Trial) {
    let id = trial.keep(trial.record()).await;
    let old = trial.find(id, trial.at(1)).await;
    let before = Facts::of(&old.meta);
    let old = crate::Record::clone(&old);
    assert_eq!(trial.touch(id, trial.at(10)).await, Saved::Done, "touch of a live record");
    let kept = trial.find(id, trial.at(10)).await;
    let expected = Facts { last_seen: trial.at(10), ..before };
    assert_eq!(Facts::of(&kept.meta), expected, "after the touch");
    assert_eq!(kept.data, old.data, "the data after the touch");
    let saved = trial.change(id, &old, trial.at(11), |next| next.data.counter = 1).await;
    assert_eq!(saved, Saved::Done, "a touch is no reason for a write to be Stale");
}

async fn forward(trial: Trial) {
    let id = trial.keep(trial.record()).await;
    let absolute = trial.start.plus(ABSOLUTE);
    let mut deadline = trial.find(id, trial.start).await.meta.deadline();
    for minute in [10, 5, 20, 0, 20, 45] {
        assert_eq!(trial.touch(id, trial.at(minute)).await, Saved::Done, "touch at {minute} min");
        let moved = trial.find(id, trial.at(20)).await.meta.deadline();
        assert!(moved >= deadline, "touch at {minute} min moved the deadline backwards");
        deadline = moved;
    }
    assert!(trial.is_live(id, trial.at(74)).await, "touched at 45 min, live at 74");
    for minute in (60..12 * 60).step_by(20) {
        assert_eq!(trial.touch(id, trial.at(minute)).await, Saved::Done, "touch at {minute} min");
    }
    let kept = trial.find(id, trial.at(12 * 60 - 1)).await.meta.deadline();
    assert_eq!(kept, absolute, "touching goes as far as the absolute deadline");
    assert_eq!(trial.touch(id, absolute).await, Saved::Gone, "touch at the absolute deadline");
    assert!(!trial.is_live(id, absolute).await, "touched past the absolute deadline");
}

async fn touch_races_replace(trial: Trial) {
    // A write that was prepared before the touch does not take the touch back.
    let id = trial.keep(trial.record()).await;
    trial.touch(id, trial.at(10)).await;
    let saved = trial.change(id, &trial.record(), trial.at(11), |next| next.data.counter = 7).await;
    assert_eq!(saved, Saved::Done, "a write that was prepared before the touch");
    let kept = trial.find(id, trial.at(39)).await;
    assert_eq!(kept.meta.last_seen(), trial.at(10), "the later of the two `last_seen`");
    // Nor is a later one that comes with the write ignored.
    let saved = trial.change(id, &kept, trial.at(20), |next| next.meta.touch(trial.at(20))).await;
    assert_eq!(saved, Saved::Done, "a write with a later `last_seen`");
    assert_eq!(trial.find(id, trial.at(20)).await.meta.last_seen(), trial.at(20), "which is kept");

    for round in 0..trial.scale.rounds {
        let id = trial.keep(trial.record()).await;
        let (writer, other) = (trial.clone(), trial.clone());
        let write = async move {
            let old = writer.record();
            writer.change(id, &old, writer.at(5), |next| next.data.counter = 7).await
        };
        let touch = async move { other.touch(id, other.at(10)).await };
        let (touched, saved) = match round % 2 {
            0 => in_turns(touch, write).await,
            _ => both(touch, write).await,
        };
        assert_eq!((saved, touched), (Saved::Done, Saved::Done), "write and touch at once");
        let kept = trial.find(id, trial.at(10)).await;
        assert_eq!((kept.data.counter, kept.meta.version), (7, 2), "the touch undid the write");
        assert_eq!(kept.meta.last_seen(), trial.at(10), "the write undid the touch");
    }
}
