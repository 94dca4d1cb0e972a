//! Ending sessions by subject.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::case;
use crate::id::Id;
use crate::store::Revoke;
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fail, fresh_id, fresh_subject};

pub(super) const CASES: &[Case] = &[
    case!("S31", "revoke all while sessions begin: none is missed, none named twice", revoke_all)
        .with_index(),
    case!("S32", "revoke others spares the current session and names the rest", revoke_others)
        .with_index(),
    case!("S33", "revoke one does nothing to a session of somebody else", revoke_one).with_index(),
    case!("S36", "revocation keeps to its bound and says that there is more", revoke_in_batches)
        .with_index(),
    case!("S37", "nothing to revoke is nothing, never all", revoke_nothing).with_index(),
];

async fn several(trial: &Trial, subject: &str, many: usize) -> Vec<Id> {
    let mut ids = Vec::new();
    for _ in 0..many {
        ids.push(trial.keep(trial.record_of(subject)).await);
    }
    ids.sort_unstable();
    ids
}

fn sorted(mut ids: Vec<Id>) -> Vec<Id> {
    ids.sort_unstable();
    ids
}

async fn revoke_all(trial: Trial) {
    for _ in 0..trial.scale.rounds.div_ceil(4) {
        let subject: Arc<str> = fresh_subject().into();
        let early = several(&trial, &subject, 5).await;
        let deeds = (0..9).map(|task| {
            let (trial, subject) = (trial.clone(), Arc::clone(&subject));
            async move {
                if task == 0 {
                    (Vec::new(), end_all(&trial, &subject).await)
                } else {
                    (several(&trial, &subject, 3).await, Vec::new())
                }
            }
        });
        let (began, ended): (Vec<_>, Vec<_>) = together(deeds).await.into_iter().unzip();
        let all: BTreeSet<Id> = began.into_iter().flatten().chain(early.iter().copied()).collect();
        let named: Vec<Id> = ended.into_iter().flatten().collect();
        let ended: BTreeSet<Id> = named.iter().copied().collect();
        assert_eq!(named.len(), ended.len(), "a session was named twice");
        assert!(early.iter().all(|id| ended.contains(id)), "one that was there before lives on");
        for id in all {
            let live = trial.is_live(id, trial.start).await;
            assert_ne!(live, ended.contains(&id), "a session is either live or was named");
        }
    }
}

/// Revokes in small batches until there is no more, as the layer does.
async fn end_all(trial: &Trial, subject: &str) -> Vec<Id> {
    let mut ended = Vec::new();
    for _ in 0..1_000 {
        let revoked = trial.revoke(subject, Revoke::All, 3, trial.start).await;
        ended.extend(revoked.ids);
        if !revoked.more {
            return ended;
        }
    }
    fail("revoke: still `more` after a thousand batches")
}

async fn revoke_others(trial: Trial) {
    let (now, subject) = (trial.at(1), fresh_subject());
    let ids = several(&trial, &subject, 6).await;
    let current = ids[2];
    let revoked = trial.revoke(&subject, Revoke::Others(current), 100, now).await;
    let others: Vec<Id> = ids.iter().copied().filter(|id| *id != current).collect();
    assert_eq!(sorted(revoked.ids), others, "all but the current one are named, each once");
    assert!(!revoked.more, "there is no more");
    assert!(trial.is_live(current, now).await, "the current session was ended");
    trial.expect_ids(&subject, &[current], now, "the current session").await;
    for id in others {
        assert!(!trial.is_live(id, now).await, "a session that was named lives on");
    }
    let again = trial.revoke(&subject, Revoke::Others(current), 100, now).await;
    assert_eq!((again.ids, again.more), (Vec::new(), false), "the second time there is nobody");
}

async fn revoke_one(trial: Trial) {
    let (now, ann, bob) = (trial.at(1), fresh_subject(), fresh_subject());
    let (hers, his) = (several(&trial, &ann, 2).await, several(&trial, &bob, 2).await);
    let nobodys = trial.keep(trial.record()).await;
    for id in [his[0], nobodys, fresh_id()] {
        let revoked = trial.revoke(&ann, Revoke::One(id), 10, now).await;
        assert_eq!((revoked.ids, revoked.more), (Vec::new(), false), "not hers to revoke");
    }
    assert!(trial.is_live(nobodys, now).await, "she ended a session of nobody");
    trial.expect_ids(&bob, &his, now, "his sessions").await;
    assert!(trial.is_live(his[0], now).await, "she ended his session");
    let revoked = trial.revoke(&ann, Revoke::One(hers[0]), 10, now).await;
    assert_eq!((revoked.ids, revoked.more), (vec![hers[0]], false), "her own session");
    trial.expect_ids(&ann, &[hers[1]], now, "her other session").await;
}

async fn revoke_in_batches(trial: Trial) {
    let (now, subject) = (trial.at(1), fresh_subject());
    let ids = several(&trial, &subject, 10).await;
    let mut named = Vec::new();
    for (left, more) in [(6, true), (2, true), (0, false)] {
        let revoked = trial.revoke(&subject, Revoke::All, 4, now).await;
        assert!(revoked.ids.len() <= 4, "{} revoked of at most 4", revoked.ids.len());
        assert_eq!(revoked.more, more, "whether there is more, with {left} left");
        named.extend(revoked.ids);
        assert_eq!(trial.count(&subject, now).await, left, "sessions left");
    }
    assert_eq!(sorted(named), ids, "in the end every session was named once");

    // A batch that ends them all has no more to come.
    let ids = several(&trial, &subject, 4).await;
    let revoked = trial.revoke(&subject, Revoke::All, 4, now).await;
    assert_eq!((sorted(revoked.ids), revoked.more), (ids, false), "a batch of just the right size");
}

async fn revoke_nothing(trial: Trial) {
    let (now, ann) = (trial.at(1), fresh_subject());
    let hers = several(&trial, &ann, 3).await;
    let nobodys = trial.keep(trial.record()).await;
    for which in [Revoke::All, Revoke::Others(hers[0]), Revoke::One(hers[0])] {
        let revoked = trial.revoke(&ann, which, 0, now).await;
        assert_eq!(revoked.ids, [], "{which:?}, but at most none");
        let revoked = trial.revoke(&fresh_subject(), which, 10, now).await;
        assert_eq!((revoked.ids, revoked.more), (Vec::new(), false), "somebody without sessions");
        let revoked = trial.revoke("", which, 10, now).await;
        assert!(!revoked.ids.contains(&nobodys), "no subject is not the empty subject");
    }
    trial.expect_ids(&ann, &hers, now, "all of them").await;
    assert!(trial.is_live(nobodys, now).await, "a session of nobody was ended");
}
