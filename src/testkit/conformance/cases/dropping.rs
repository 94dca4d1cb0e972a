//! Calls that are dropped half way.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::case;
use crate::id::Id;
use crate::store::{Admission, Limit, Revoke, StoreAnswer};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{
    Facts, SETTLE_PAUSE, Trial, fail, fresh_id, fresh_subject,
};

pub(super) const CASES: &[Case] =
    &[case!("S53", "a call that is dropped half way has happened or has not", dropped_half_way)];

const POLLS: &[u32] = &[0, 1, 2, 3, 5, 9];

async fn dropped_half_way(trial: Trial) {
    for polls in POLLS {
        drop_create(&trial, *polls).await;
        drop_create_that_ends(&trial, *polls, true).await;
        drop_create_that_ends(&trial, *polls, false).await;
        drop_replace(&trial, *polls).await;
        drop_touch(&trial, *polls).await;
        drop_delete(&trial, *polls).await;
        if trial.index().is_some() {
            drop_revoke(&trial, *polls).await;
        }
    }
}

/// What is to be seen of a session: its version, counter and last use, and whether the index has
/// it (if there is one).
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    row: Option<(Facts, u64)>,
    listed: bool,
}

async fn view(trial: &Trial, subject: &str, id: Id) -> View {
    let now = trial.at(1);
    let row = trial.load(id, now).await;
    let row = row.map(|record| (Facts::of(&record.meta), record.data.counter));
    let listed = match trial.index() {
        Some(_) => trial.ids(subject, now).await.contains(&id),
        None => row.is_some(),
    };
    View { row, listed }
}

/// Waits until record and index agree: a dropped call may still be under way in an engine, but it
/// must not stay half done.
async fn settled(trial: &Trial, subject: &str, id: Id, what: &str) -> View {
    let mut last = None;
    for _ in 0..trial.scale.settle {
        let seen = view(trial, subject, id).await;
        if seen.listed == seen.row.is_some() {
            return seen;
        }
        last = Some(seen);
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
    fail(&format!("{what}: record and index do not agree: {last:?}"))
}

/// Polls so many times and lets go.
async fn abandon<V>(mut answer: StoreAnswer<V>, polls: u32) {
    for _ in 0..polls {
        let poll = poll_fn(|cx| Poll::Ready(Pin::new(&mut answer).poll(cx))).await;
        if let Poll::Ready(outcome) = poll {
            return drop(outcome);
        }
        tokio::task::yield_now().await;
    }
}

async fn expect(trial: &Trial, subject: &str, id: Id, what: &str, allowed: &[View]) {
    let seen = settled(trial, subject, id, what).await;
    assert!(allowed.contains(&seen), "{what}: neither before nor after: {seen:#?}");
}

const GONE: View = View { row: None, listed: false };

async fn drop_create(trial: &Trial, polls: u32) {
    let (id, subject) = (fresh_id(), fresh_subject());
    let record = trial.record_of(&subject);
    let after = View { row: Some((Facts::of(&record.meta), 0)), listed: true };
    abandon(trial.store.create(id, Arc::new(record), Admission::OPEN, trial.start), polls).await;
    let what = format!("create dropped after {polls} polls");
    expect(trial, &subject, id, &what, &[GONE, after]).await;
}

/// A new session that ends another: one of the two is there, never both and never none.
async fn drop_create_that_ends(trial: &Trial, polls: u32, evicts: bool) {
    let (id, subject) = (fresh_id(), fresh_subject());
    let old = trial.keep(trial.record_of(&subject)).await;
    let record = Arc::new(trial.record_of(&subject));
    let admission = match evicts {
        true => Admission::OPEN.limited(Limit::evict_oldest(1)),
        false => Admission::OPEN.in_place_of(old),
    };
    abandon(trial.store.create(id, record, admission, trial.at(1)), polls).await;
    for _ in 0..trial.scale.settle {
        let live = [trial.is_live(old, trial.at(1)).await, trial.is_live(id, trial.at(1)).await];
        if live[0] != live[1] {
            return;
        }
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
    fail(&format!("create under {admission:?} dropped after {polls} polls: both live, or none"))
}

async fn drop_replace(trial: &Trial, polls: u32) {
    let subject = fresh_subject();
    let id = trial.keep(trial.record_of(&subject)).await;
    let before = view(trial, &subject, id).await;
    let mut next = trial.record_of(&subject);
    (next.meta.version, next.data.counter) = (2, 1);
    let after = View { row: Some((Facts::of(&next.meta), 1)), listed: true };
    abandon(trial.store.replace(id, 1, Arc::new(next), trial.at(1)), polls).await;
    let what = format!("replace dropped after {polls} polls");
    expect(trial, &subject, id, &what, &[before, after]).await;
}

async fn drop_touch(trial: &Trial, polls: u32) {
    let subject = fresh_subject();
    let id = trial.keep(trial.record_of(&subject)).await;
    let before = view(trial, &subject, id).await;
    let mut after = before.clone();
    if let Some((facts, _)) = &mut after.row {
        facts.last_seen = trial.at(1);
    }
    abandon(trial.store.touch(id, trial.at(1)), polls).await;
    let what = format!("touch dropped after {polls} polls");
    expect(trial, &subject, id, &what, &[before, after]).await;
}

async fn drop_delete(trial: &Trial, polls: u32) {
    let subject = fresh_subject();
    let id = trial.keep(trial.record_of(&subject)).await;
    let before = view(trial, &subject, id).await;
    abandon(trial.store.delete(id, trial.at(1)), polls).await;
    let what = format!("delete dropped after {polls} polls");
    expect(trial, &subject, id, &what, &[before, GONE]).await;
}

async fn drop_revoke(trial: &Trial, polls: u32) {
    let subject = fresh_subject();
    let id = trial.keep(trial.record_of(&subject)).await;
    let before = view(trial, &subject, id).await;
    if let Some(index) = trial.index() {
        abandon(index.revoke(&subject, Revoke::All, 10, trial.at(1)), polls).await;
    }
    let what = format!("revoke dropped after {polls} polls");
    expect(trial, &subject, id, &what, &[before, GONE]).await;
}
