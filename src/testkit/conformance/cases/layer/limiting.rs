//! So many sessions per subject, for those who log in.

use http::StatusCode;

use super::case;
use crate::id::Id;
use crate::store::Limit;
use crate::testkit::conformance::app::{App, Reply, Word};
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{IDLE, Trial, fresh_subject};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[case!(
    "L5",
    "a limit holds for logins at once, and whom it refuses keeps what they had",
    limited_logins
)
.with_index()];

async fn limited_logins(trial: Trial) {
    for _ in 0..trial.scale.rounds.div_ceil(2) {
        at_once(&trial).await;
    }
    one_at_a_time(&trial).await;
}

async fn at_once(trial: &Trial) {
    let app = App::with(trial, |layer| layer.limit(Limit::deny(LIMIT)));
    let subject = fresh_subject();
    let replies = together((0..3 * LIMIT).map(|_| {
        let (mut stranger, subject) = (app.stranger(), subject.clone());
        async move { stranger.log_in(&subject).await }
    }))
    .await;
    let (served, refused): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| reply.status == StatusCode::OK);
    assert_eq!(served.len(), LIMIT, "logins that were served");
    let ids: Vec<Id> = served.into_iter().map(|reply| reply.ok("a login")).collect();
    refused.iter().for_each(expect_refused);
    app.expect_sessions(&subject, &ids, "after many logins at once").await;
    let told = app.heard.count(&Word::LimitReached(subject));
    assert_eq!(told, 2 * LIMIT, "how often it was told that there are too many");
}

async fn one_at_a_time(trial: &Trial) {
    let app = App::with(trial, |layer| layer.limit(Limit::deny(1)));
    let (ann, bob) = (fresh_subject(), fresh_subject());
    let (mut visitor, _) = app.member(&ann).await;
    let first = visitor.log_in(&ann).await.ok("a login in place of the only session");
    app.expect_sessions(&ann, &[first], "after a login in place of the only session").await;

    // Whoever is refused somebody else's session keeps their own.
    let (mut other, own) = app.member(&bob).await;
    expect_refused(&other.log_in(&ann).await);
    app.expect_sessions(&ann, &[first], "after a login that was refused").await;
    app.expect_sessions(&bob, &[own], "whose login as somebody else was refused").await;
    assert!(other.look().await.ok("after a refusal").is_some(), "the session that they had");

    app.clock.advance(IDLE);
    let next = app.stranger().log_in(&ann).await.ok("a login after the last one has expired");
    app.expect_sessions(&ann, &[next], "after the last one has expired").await;
}

fn expect_refused(reply: &Reply<Id>) {
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "one too many");
    assert_eq!(reply.sent, None, "what the client is told of a session that was refused");
}

const LIMIT: usize = 5;
