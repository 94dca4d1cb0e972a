//! What has ended does not come back.

use http::HeaderValue;

use super::case;
use crate::error::ErrorKind;
use crate::event::{EndReason, Rejection};
use crate::session::Status;
use crate::testkit::Operation;
use crate::testkit::conformance::app::{App, RENEWAL, THROTTLE, Visitor, Word};
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fresh_subject, minutes};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[
    case!("L2", "a logout wins over requests that write, whoever comes first", logout_wins),
    case!("L3", "a ticket that is replayed after a logout is refused", replayed),
];

async fn logout_wins(trial: Trial) {
    for _ in 0..trial.scale.rounds {
        among_writers(&trial).await;
    }
    for operation in [Operation::Replace, Operation::Touch, Operation::Delete] {
        right_before(&trial, operation).await;
    }
    before_a_renewal(&trial).await;
}

async fn among_writers(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (visitor, id) = app.member(&subject).await;
    app.clock.advance(THROTTLE);
    together((0..WRITERS).map(|place| {
        let mut visitor = visitor.clone();
        async move {
            let sent = match place % 4 {
                0 => visitor.look().await.served("a read that is noted"),
                1 => visitor.visit(|s| async move { s.renew() }).await.served("a renewal"),
                2 if place == LOGOUT => visitor.log_out().await.served("a logout"),
                _ => visitor.count().await.served("an update"),
            };
            drop(sent);
        }
    }))
    .await;
    expect_over(&app, &subject, visitor, "a logout among writers").await;
    let ended = Word::Ended(id, EndReason::Destroyed);
    assert_eq!(app.heard.count(&ended), 1, "how often the end was told");
}

/// The logout comes between the load and the write.
async fn right_before(trial: &Trial, operation: Operation) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut visitor, id) = app.member(&subject).await;
    let mut other = visitor.clone();
    app.clock.advance(THROTTLE);
    app.store.before(operation, async move { other.log_out().await.ok("the logout") });
    let before = visitor.clone();
    let what = format!("a logout right before {operation:?}");
    let sent = match operation {
        Operation::Replace => committed(&mut visitor, &what).await,
        Operation::Touch => visitor.look().await.served(&what),
        _ => visitor.log_out().await.served(&what),
    };
    assert!(sent.is_none_or(|ticket| ticket.is_empty()), "{what}: a ticket was sent");
    expect_over(&app, &subject, before, &what).await;
    let ended = Word::Ended(id, EndReason::Destroyed);
    assert_eq!(app.heard.of(id), [Word::Created(id), ended], "{what}: what was told");
}

/// An update that insists on knowing. Answers what was sent.
async fn committed(visitor: &mut Visitor, what: &str) -> Option<HeaderValue> {
    let request = visitor.visit(|session| async move {
        let updated = session.update(|data| data.counter += 1);
        (updated.is_ok(), session.commit().await.map_err(|error| error.kind()))
    });
    let reply = request.await;
    let told = Some((true, Err(ErrorKind::Gone)));
    assert_eq!(reply.value, told, "{what}: what the handler was told");
    reply.served(what)
}

/// A renewal that nobody asked for does not bring the session back either.
async fn before_a_renewal(trial: &Trial) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut visitor, id) = app.member(&subject).await;
    let (mut other, before) = (visitor.clone(), visitor.clone());
    app.clock.advance(RENEWAL);
    app.store.before(Operation::Replace, async move {
        // The logout is a request like any other, and has the renewal on its mind as well.
        other.log_out().await.ok("the logout");
    });
    let reply = visitor.look().await;
    assert!(!reply.has_ticket(), "a new ticket for a session that has ended");
    assert!(reply.ok("a read").is_some(), "it was live when it was read");
    expect_over(&app, &subject, before, "a logout right before a renewal").await;
    let ended = Word::Ended(id, EndReason::Destroyed);
    assert_eq!(app.heard.of(id), [Word::Created(id), ended], "what was told");
}

/// Asserts that nothing is left of the session.
async fn expect_over(app: &App, subject: &str, mut visitor: Visitor, what: &str) {
    assert_eq!(visitor.look().await.ok(what), None, "{what}: the ticket passes");
    app.expect_sessions(subject, &[], what).await;
}

async fn replayed(trial: Trial) {
    let (app, subject) = (App::new(&trial), fresh_subject());
    let (mut visitor, id) = app.member(&subject).await;
    let first = visitor.clone();
    app.clock.advance(RENEWAL);
    assert_eq!(visitor.count().await.ok("a renewal"), Ok(1), "an update with a renewal");
    let second = visitor.clone();
    assert_eq!(visitor.count().await.ok("an update"), Ok(2), "the new ticket");
    visitor.log_out().await.ok("a logout");

    // At once, twice, an hour later, and then at the time at which it was live.
    for step in 0..4_u64 {
        match step {
            2 => app.clock.advance(minutes(60)),
            3 => app.clock.rewind(minutes(60)),
            _ => {}
        }
        for (name, thief) in [("the first ticket", &first), ("the last ticket", &second)] {
            refused(&app, thief.clone(), &format!("{name}, replayed in step {step}")).await;
        }
        app.expect_ended(&subject, id, "after a replay").await;
    }
    assert_eq!(visitor.look().await.ok("without a ticket"), None, "the client has forgotten it");

    // Logging in with such a ticket gives a session of its own.
    let mut again = second.clone();
    let new = again.log_in(&subject).await.ok("a login with a dead ticket");
    assert_ne!(new, id, "the id of a session that has ended");
    refused(&app, second, "the last ticket, after another login").await;
    app.expect_sessions(&subject, &[new], "after another login").await;
}

async fn refused(app: &App, mut thief: Visitor, what: &str) {
    let writes = app.store.calls().writes();
    let reply = thief
        .visit(|session| async move {
            let updated = session.update(|data| data.counter += 1);
            (session.status(), updated.map_err(|error| error.kind()))
        })
        .await;
    assert!(reply.clears(), "{what}: it is not cleared");
    let refused = (Status::Rejected(Rejection::Gone), Err(ErrorKind::NoSession));
    assert_eq!(reply.ok(what), refused, "{what}: what the handler sees");
    assert_eq!(app.store.calls().writes(), writes, "{what}: writes");
}

const WRITERS: usize = 20;
/// Which of them is the logout.
const LOGOUT: usize = 10;
