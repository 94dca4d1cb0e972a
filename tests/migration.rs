//! Moving in from fastapi-sessions: its cookies open our sessions, ours open its.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use sessile::SessionLayer;
use sessile::codec::FastapiSessions;
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use support::{App, Member, Visitor, count_visit, log_out, look};

const SECRET: &str = "DONOTUSE";

fn theirs(layer: SessionLayer<Member>) -> SessionLayer<Member> {
    layer.transport_with(Cookie::named("cookie"), FastapiSessions::new(SECRET))
}

fn after_the_move(layer: SessionLayer<Member>) -> SessionLayer<Member> {
    let legacy = FastapiSessions::new(SECRET).read_only();
    layer.transport(Cookie::host("sid")).or_transport_with(Cookie::named("cookie"), legacy)
}

#[tokio::test]
async fn seed03_a_session_lives_behind_their_cookie() {
    let app = App::with(MemoryStore::new(), theirs);
    let mut alice = app.log_in("alice").await;
    let ticket = alice.ticket().unwrap().to_owned();
    assert_eq!(ticket.split('.').count(), 3, "{ticket}");
    alice.visit(&count_visit()).await;
    assert_eq!(alice.member().await.unwrap().visits, 1);
    let replay = alice.clone();
    alice.visit(&log_out()).await;
    assert_eq!(alice.cookie(), None);
    assert_eq!(replay.clone().member().await, None);
}

#[tokio::test]
async fn their_cookie_is_renewed_without_logging_anybody_out() {
    let app = App::with(MemoryStore::new(), theirs);
    let mut alice = app.log_in("alice").await;
    let early = alice.clone();
    for _ in 0..8 {
        app.clock.advance(Duration::from_secs(16 * 60));
        assert!(alice.member().await.is_some());
    }
    assert_ne!(alice.ticket(), early.ticket(), "a later time in it");
    assert!(early.clone().member().await.is_some(), "without generations there is no alarm");
    assert_eq!(app.heard.count("TicketReused"), 0);
}

#[tokio::test]
async fn after_the_move_their_cookie_still_opens_and_gives_way_to_ours() {
    let store = Arc::new(MemoryStore::new());
    let before = App::with(Arc::clone(&store), theirs);
    let after = App::with(Arc::clone(&store), after_the_move);
    let legacy = before.log_in("alice").await;
    let line = [("cookie", legacy.cookie().unwrap())];
    let answer = after.send(&line, &look()).await;
    let given = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(given.starts_with("__Host-sid="), "{given}");
    let mut alice = Visitor::new(&after);
    alice.keep(&answer);
    assert_eq!(alice.member().await.unwrap().name, "alice");
    // Both at once, as a browser sends them; and a log-out clears both.
    let both = format!("{}; {}", legacy.cookie().unwrap(), alice.cookie().unwrap());
    let answer = after.send(&[("cookie", both.as_str())], &log_out()).await;
    let cleared: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
    assert_eq!(cleared.len(), 2, "{cleared:?}");
    assert_eq!(legacy.clone().member().await, None);
}

#[tokio::test]
async fn seed06_their_cookies_age_and_wrong_ones_open_nothing() {
    let app = App::with(MemoryStore::new(), |layer| {
        let short = FastapiSessions::new(SECRET).max_age(Duration::from_secs(60));
        layer.transport_with(Cookie::named("cookie"), short)
    });
    let alice = app.log_in("alice").await;
    app.clock.advance(Duration::from_secs(60));
    assert!(alice.clone().member().await.is_some(), "just as old as allowed");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(alice.clone().member().await, None);
    assert_eq!(app.heard.count("Rejected { reason: Expired"), 1);
    let other = App::with(MemoryStore::new(), |layer| {
        layer.transport_with(Cookie::named("cookie"), FastapiSessions::new("another"))
    });
    assert_eq!(alice.at(&other).member().await, None);
    assert_eq!(other.heard.count("Rejected { reason: Forged"), 1);
}

#[test]
fn b18_wrong_settings_do_not_build() {
    let layer = || SessionLayer::<Member>::new(MemoryStore::new(), support::key());
    let only_read = FastapiSessions::new(SECRET).read_only();
    let error = layer().try_transport_with(Cookie::named("cookie"), only_read).unwrap_err();
    assert!(error.to_string().contains("or_transport_with"), "{error}");
    let twice = layer()
        .transport(Cookie::named("cookie"))
        .try_or_transport_with(Cookie::named("cookie"), FastapiSessions::new(SECRET));
    assert!(twice.is_err());
}
