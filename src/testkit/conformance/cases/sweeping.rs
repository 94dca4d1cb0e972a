//! Clearing away what has expired.

use super::case;
use crate::id::Id;
use crate::store::Saved;
use crate::testkit::conformance::crowd::{both, together};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fresh_subject};

pub(super) const CASES: &[Case] = &[
    case!("S38", "sweeping removes expired records only, in bounded batches, under load", sweeping),
    case!("S40", "two sweepers at once agree and count nothing twice", two_sweepers),
];

const EXPIRING: usize = 23;
const BATCH: usize = 4;

async fn sweeping(trial: Trial) {
    let now = trial.at(40);
    clear_away(&trial).await;
    let (expired, live) = population(&trial).await;
    let touched = live[0];
    assert!(trial.sweep(now, 0).await.removed == 0, "a sweep of at most none");

    let (sweeper, writers) = (trial.clone(), live.clone());
    let (removed, _) = both(
        async move { sweeper.sweep_all(now, BATCH).await },
        write_meanwhile(trial.clone(), writers, now),
    )
    .await;
    assert!(removed <= EXPIRING, "swept {removed} of {EXPIRING} expired records");
    for id in &live {
        assert!(trial.is_live(*id, now).await, "a live record was swept away");
    }
    let kept = trial.find(live[1], now).await;
    assert_eq!(kept.data.counter, 8, "what was written meanwhile");
    assert_eq!(trial.find(touched, now).await.meta.last_seen(), trial.at(20), "the late touch");
    gone(&trial, &expired, removed).await;
    assert_eq!(trial.sweep_all(now, BATCH).await, 0, "the second time there is nothing to sweep");
}

/// After sweeping until there is no more, what expired is not there at any time. (A record that was
/// not removed would still be found by somebody whose clock is behind.) Not each need be removed by
/// the sweep that counts: a store may clear away a few with every call.
async fn gone(trial: &Trial, expired: &[Id], removed: usize) {
    let mut left = 0;
    for id in expired {
        assert!(!trial.is_live(*id, trial.at(40)).await, "an expired record is served");
        left += usize::from(trial.is_live(*id, trial.at(1)).await);
    }
    let all = expired.len();
    assert!(left + removed <= all, "{removed} of {all} removed, but {left} are still there");
    assert!(
        left == 0 || !trial.sweeps,
        "sweep says that there is no more, but {left} of {all} expired records are still there \
         (where the engine drops them by its own clock: Suite::expires_by_itself)"
    );
}

/// What earlier users of the same tables left behind does not count.
async fn clear_away(trial: &Trial) {
    trial.sweep_all(trial.at(40), 1_000).await;
}

/// Records that expire at 30 minutes, and some that live longer: used later, begun later,
/// prolonged by a write, or given more time.
async fn population(trial: &Trial) -> (Vec<Id>, Vec<Id>) {
    let (mut expired, subject) = (Vec::new(), fresh_subject());
    for _ in 0..EXPIRING {
        expired.push(trial.keep(trial.record_of(&subject)).await);
    }
    let touched = trial.keep(trial.record_of(&subject)).await;
    assert_eq!(trial.touch(touched, trial.at(20)).await, Saved::Done, "touch of a live record");
    let later = trial.keep(Trial::record_from(trial.at(15))).await;
    let written = trial.keep(trial.record_of(&subject)).await;
    trial.edit(written, trial.at(20), |record| record.meta.touch(trial.at(20))).await;
    let prolonged = trial.keep(trial.record()).await;
    trial
        .edit(prolonged, trial.at(20), |record| {
            let idle = record.meta.idle();
            record.meta.set_idle(idle * 4);
        })
        .await;
    (expired, vec![touched, later, written, prolonged])
}

/// Writes all but the first of these, eight times each.
async fn write_meanwhile(trial: Trial, ids: Vec<Id>, now: crate::Timestamp) {
    for _ in 0..8 {
        for id in ids.iter().skip(1) {
            trial.edit(*id, now, |record| record.data.counter += 1).await;
        }
        tokio::task::yield_now().await;
    }
}

async fn two_sweepers(trial: Trial) {
    let now = trial.at(40);
    for _ in 0..trial.scale.rounds.div_ceil(4) {
        clear_away(&trial).await;
        let (expired, live) = population(&trial).await;
        let sweepers = (0..2).map(|_| {
            let trial = trial.clone();
            async move { trial.sweep_all(now, BATCH).await }
        });
        let writer = write_meanwhile(trial.clone(), live.clone(), now);
        let (removed, ()) = both(together(sweepers), writer).await;
        let removed: usize = removed.into_iter().sum();
        assert!(removed <= EXPIRING, "two sweepers removed {removed} of {EXPIRING}");
        for id in live {
            assert!(trial.is_live(id, now).await, "a live record was swept away");
        }
        gone(&trial, &expired, removed).await;
    }
}
