//! Renewal by generation.

use super::case;
use crate::event::EndReason;
use crate::id::Id;
use crate::testkit::conformance::app::{App, GRACE, RENEWAL, TICK, Visitor, Word};
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{ABSOLUTE, Trial, fail, fresh_subject, minutes};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[
    case!("S23", "an old ticket passes within the grace and then ends the session", grace),
    case!("S24", "renewal keeps id, subject, data and deadlines, wherever a record is", in_place),
];

async fn grace(trial: Trial) {
    a_response_was_lost(&trial).await;
    two_hold_the_session(&trial).await;
}

async fn a_response_was_lost(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut owner, id) = app.member(&subject).await;
    app.clock.advance(RENEWAL);
    assert!(owner.clone().look().await.has_ticket(), "no new ticket when it was time");
    // Nobody has seen that. Long after the grace:
    app.clock.advance(minutes(20));
    let reply = owner.look().await;
    assert!(reply.has_ticket(), "the new ticket is sent again, as it never arrived");
    assert!(reply.ok("a lost response").is_some(), "a lost response logs somebody out");
    assert!(owner.look().await.ok("the new ticket").is_some(), "the new ticket, sent again");
    let told = [Word::Created(id), Word::Renewed(id, 1)];
    assert_eq!(app.heard.of(id), told, "a ticket that is sent again is not renewed again");
}

async fn two_hold_the_session(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut owner, id) = app.member(&subject).await;
    let mut thief = owner.clone();
    app.clock.advance(RENEWAL);
    assert!(owner.look().await.has_ticket(), "no new ticket when it was time");
    assert!(owner.look().await.ok("the new ticket").is_some(), "the new ticket does not pass");

    app.clock.advance(GRACE - TICK);
    let reply = thief.clone().look().await;
    assert!(!reply.has_ticket(), "an old ticket gets nobody the new one");
    assert!(reply.ok("an old ticket").is_some(), "a request that was under way is refused");

    app.clock.advance(TICK);
    let reply = thief.look().await;
    assert!(reply.clears(), "a ticket that came too late is not cleared");
    assert_eq!(reply.ok("an old ticket"), None, "an old ticket passes after the grace");
    app.expect_ended(&subject, id, "after an old ticket was used again").await;
    assert_eq!(owner.look().await.ok("the newest ticket"), None, "the session is over for both");
    let told = [
        Word::Created(id),
        Word::Renewed(id, 1),
        Word::Reused(id),
        Word::Ended(id, EndReason::Reused),
    ];
    assert_eq!(app.heard.of(id), told, "what was told of it");
}

async fn in_place(trial: Trial) {
    let app = App::new(&trial);
    let mut members = Vec::new();
    for _ in 0..trial.scale.tasks {
        let subject = fresh_subject();
        let (visitor, id) = app.member(&subject).await;
        members.push((visitor, id, subject));
    }
    for round in 1..=ROUNDS {
        app.clock.advance(RENEWAL);
        members = together(members.into_iter().map(|(mut visitor, id, subject)| {
            let app = app.clone();
            async move {
                renew(&app, &mut visitor, id, &subject, round).await;
                (visitor, id, subject)
            }
        }))
        .await;
    }
    for (_, id, subject) in &members {
        let Some(record) = app.kept(*id).await else { fail("a renewed session is not there") };
        let meta = &record.meta;
        assert_eq!(meta.subject.as_deref(), Some(subject.as_str()), "the subject");
        assert_eq!(u64::from(meta.generation), ROUNDS, "as many generations as renewals");
        assert_eq!(meta.created, trial.start, "when it began");
        assert_eq!(meta.absolute, trial.start.plus(ABSOLUTE), "when it ends at the latest");
        assert_eq!(meta.last_seen(), app.now(), "when it was last used");
    }
}

async fn renew(app: &App, visitor: &mut Visitor, id: Id, subject: &str, round: u64) {
    let reply = visitor.count().await;
    assert!(reply.has_ticket(), "no new ticket when it was time");
    assert_eq!(reply.ok("a renewal with a change"), Ok(2 * round - 1), "the change");
    let kept = visitor.visit(|session| async move { session.id() }).await;
    assert_eq!(kept.ok("the new ticket"), Some(id), "the id changed with the ticket");
    assert_eq!(visitor.count().await.ok("the new ticket"), Ok(2 * round), "the data");
    app.expect_sessions(subject, &[id], "after a renewal").await;
}

const ROUNDS: u64 = 3;
