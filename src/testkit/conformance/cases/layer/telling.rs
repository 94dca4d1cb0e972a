//! What the observer is told.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use tokio::sync::Barrier;

use super::case;
use crate::event::{EndReason, Rejection};
use crate::id::Id;
use crate::session::Session;
use crate::store::Limit;
use crate::testkit::Sample;
use crate::testkit::conformance::app::{App, GRACE, RENEWAL, Visitor, Word};
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{IDLE, Trial, fresh_subject, minutes};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[case!(
    "S52",
    "a session's beginning, renewals and end are told once each, in order, with the reason",
    told_once
)];

async fn told_once(trial: Trial) {
    a_life(&trial).await;
    replaced(&trial).await;
    expired(&trial).await;
    renewed_at_once(&trial).await;
    ended_at_once(&trial).await;
    reused_at_once(&trial).await;
    if trial.index().is_some() {
        evicted(&trial).await;
        refused(&trial).await;
    }
}

/// Asserts what was told of a session; and if that it has ended, that it has.
async fn expect_told(app: &App, subject: &str, id: Id, words: &[Word], what: &str) {
    assert_eq!(app.heard.of(id), words, "{what}: what was told");
    if let Some(Word::Ended(..)) = words.last() {
        app.expect_ended(subject, id, what).await;
    }
}

async fn a_life(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut visitor, id) = app.member(&subject).await;
    for _ in 0..2 {
        app.clock.advance(RENEWAL);
        visitor.look().await.served("a renewal");
        visitor.count().await.served("the new ticket");
        visitor.look().await.served("a read");
    }
    visitor.clone().log_out().await.ok("a logout");
    visitor.log_out().await.ok("a logout again");
    let words = [
        Word::Created(id),
        Word::Renewed(id, 1),
        Word::Renewed(id, 2),
        Word::Ended(id, EndReason::Destroyed),
    ];
    expect_told(&app, &subject, id, &words, "renewed twice and ended").await;
    assert_eq!(app.heard.count(&Word::Rejected(Rejection::Gone)), 1, "the second logout");
}

async fn replaced(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut visitor, old) = app.member(&subject).await;
    let new = visitor.log_in(&subject).await.ok("a login in place of a session");
    let words = [Word::Created(old), Word::Ended(old, EndReason::Replaced)];
    expect_told(&app, &subject, old, &words, "replaced").await;
    expect_told(&app, &subject, new, &[Word::Created(new)], "in its place").await;
    app.expect_sessions(&subject, &[new], "after a login in place of a session").await;
}

/// That nobody came by is nothing that anybody does: it is told when somebody does come by.
async fn expired(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut visitor, id) = app.member(&subject).await;
    app.clock.advance(IDLE);
    assert_eq!(visitor.look().await.ok("too late"), None, "exactly at the deadline");
    let rejected = [Rejection::Gone, Rejection::Expired].map(Word::Rejected);
    let told: usize = rejected.iter().map(|word| app.heard.count(word)).sum();
    assert_eq!(told, 1, "how often it was told that a session had expired");
    expect_told(&app, &subject, id, &[Word::Created(id)], "expired").await;
    app.expect_ended(&subject, id, "expired").await;
}

/// Many requests hold the ticket that is to be renewed.
async fn renewed_at_once(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (visitor, id) = app.member(&subject).await;
    app.clock.advance(RENEWAL);
    let mut sent = at_once(trial, &visitor, |session| drop(session.get())).await;
    assert!(sent.iter().all(|ticket| ticket.is_some()), "a new ticket for each that held the old");
    sent.dedup();
    assert_eq!(sent.len(), 1, "different tickets of one generation");
    let words = [Word::Created(id), Word::Renewed(id, 1)];
    expect_told(&app, &subject, id, &words, "renewed by many at once").await;
}

async fn ended_at_once(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (visitor, id) = app.member(&subject).await;
    drop(at_once(trial, &visitor, |session| drop(session.destroy())).await);
    let words = [Word::Created(id), Word::Ended(id, EndReason::Destroyed)];
    expect_told(&app, &subject, id, &words, "ended by many at once").await;
}

/// Every request notices that the ticket is an old one, and one of them ends the session.
async fn reused_at_once(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut owner, id) = app.member(&subject).await;
    let thief = owner.clone();
    app.clock.advance(RENEWAL);
    owner.look().await.served("a renewal");
    owner.look().await.served("the new ticket");
    app.clock.advance(GRACE);
    drop(at_once(trial, &thief, |_session| ()).await);
    let noticed = app.heard.count(&Word::Reused(id));
    assert_eq!(noticed, trial.scale.tasks, "how often an old ticket was noticed");
    let ended = Word::Ended(id, EndReason::Reused);
    assert_eq!(app.heard.count(&ended), 1, "how often the end was told");
    app.expect_ended(&subject, id, "reused by many at once").await;
}

/// Sends as many requests as there are tasks, which do this when all have read the session.
/// Answers the tickets that they bring.
async fn at_once(
    trial: &Trial,
    visitor: &Visitor,
    deed: fn(&Session<Sample>),
) -> Vec<Option<HeaderValue>> {
    let all_have_read = Arc::new(Barrier::new(trial.scale.tasks));
    together((0..trial.scale.tasks).map(|_| {
        let (mut visitor, all_have_read) = (visitor.clone(), Arc::clone(&all_have_read));
        async move {
            let request = visitor.visit(move |session| async move {
                all_have_read.wait().await;
                deed(&session);
            });
            request.await.served("one of many requests at once")
        }
    }))
    .await
}

async fn evicted(trial: &Trial) {
    let app = App::with(trial, |layer| layer.limit(Limit::evict_oldest(2)));
    let subject = fresh_subject();
    let (_, first) = app.member(&subject).await;
    app.clock.advance(minutes(1));
    let (_, second) = app.member(&subject).await;
    app.clock.advance(minutes(1));
    let (_, third) = app.member(&subject).await;
    let words = [Word::Created(first), Word::Ended(first, EndReason::Evicted)];
    expect_told(&app, &subject, first, &words, "one too many").await;
    for id in [second, third] {
        expect_told(&app, &subject, id, &[Word::Created(id)], "within the limit").await;
        assert!(app.is_live(id).await, "a session within the limit has ended");
    }
}

async fn refused(trial: &Trial) {
    let app = App::with(trial, |layer| layer.limit(Limit::deny(1)));
    let subject = fresh_subject();
    let (_, first) = app.member(&subject).await;
    let reply = app.stranger().log_in(&subject).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "one too many");
    assert!(!reply.has_ticket(), "a ticket for a session that was refused");
    let Some(second) = reply.value else { return };
    expect_told(&app, &subject, second, &[], "refused").await;
    assert_eq!(app.heard.count(&Word::LimitReached(subject.clone())), 1, "the limit");
    app.expect_sessions(&subject, &[first], "after one was refused").await;
}
