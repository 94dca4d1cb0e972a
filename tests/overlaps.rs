//! Requests of one session that overlap: a renewal, a login or a write in the middle of another
//! request. No update is lost behind a 200, and no ticket goes out that would undo what happened.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::SET_COOKIE;
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation, SimulatedClock};
use sessile::transport::Cookie;
use sessile::{ErrorKind, Expiry, Key, Keyring, Refusal, SessionLayer, StoreErrorKind};
use support::{
    App, Handler, Heard, Member, Visitor, count_visit, handler, ignore, key, log_out, look, ok,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Renews every 10 minutes, grace 30 seconds.
fn app() -> App {
    let expiry = Expiry::idle(60 * MINUTE).renew_after(10 * MINUTE);
    App::with(MemoryStore::new(), |layer| layer.expiry(expiry))
}

#[tokio::test]
async fn s12_a_slow_request_is_not_robbed_of_its_update_by_a_renewal() {
    let app = app();
    let alice = app.log_in("alice").await;
    let (other, clock) = (alice.clone(), app.clock.clone());
    let upload = handler(move |session| {
        let (mut other, clock) = (other.clone(), clock.clone());
        async move {
            clock.advance(10 * MINUTE);
            other.visit(&ignore()).await; // renewed
            other.visit(&ignore()).await; // the new ticket is presented
            clock.advance(MINUTE);
            session.update(|member| member.visits += 1).unwrap();
            http::Response::new(other.cookie().unwrap().to_owned())
        }
    });
    let mut slow = alice.clone();
    let answer = slow.visit(&upload).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key(SET_COOKIE), "the client has a newer one");
    let line = [("cookie", answer.body().as_str())];
    let visits =
        handler(
            |session| async move { http::Response::new(session.get().unwrap().visits.to_string()) },
        );
    assert_eq!(app.send(&line, &visits).await.body(), "1", "what the 200 says was kept");
    assert_eq!(app.heard.count("TicketReused"), 0);
}

/// What a visitor has of a session that was renewed in a response which never arrived.
async fn behind(app: &App) -> Visitor {
    let alice = app.log_in("alice").await;
    app.clock.advance(10 * MINUTE);
    alice.clone().visit(&ignore()).await;
    alice
}

fn log_in_meanwhile(other: &Visitor) -> Handler {
    let other = other.clone();
    handler(move |_session| {
        let mut other = other.clone();
        async move {
            let bob = handler(|session| async move {
                session.create(Member::named("bob")).unwrap();
                ok()
            });
            other.visit(&bob).await;
            ok()
        }
    })
}

#[tokio::test]
async fn a_ticket_sent_again_does_not_take_the_place_of_a_new_login() {
    let app = app();
    let alice = behind(&app).await;
    let answer = alice.clone().visit(&log_in_meanwhile(&alice)).await;
    assert!(!answer.headers().contains_key(SET_COOKIE), "its session was replaced meanwhile");

    let (old, new) = (key(), Key::generate());
    let store = MemoryStore::new();
    let clock = SimulatedClock::new();
    let node = |ring: Keyring| App {
        layer: SessionLayer::new(store.clone(), ring).clock(clock.clone()),
        clock: clock.clone(),
        heard: Heard::default(),
    };
    let after = node(Keyring::new(new).also_accept(old.clone()));
    let carol = node(Keyring::new(old)).log_in("carol").await.at(&after);
    let answer = carol.clone().visit(&log_in_meanwhile(&carol)).await;
    assert!(!answer.headers().contains_key(SET_COOKIE), "nor one under a new key");
    assert!(
        carol.clone().visit(&look()).await.headers()[SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
}

#[tokio::test]
async fn a_ticket_is_not_sent_again_on_the_word_of_a_store_that_fails() {
    let store = Faulty::new(MemoryStore::new());
    let expiry = Expiry::idle(60 * MINUTE).renew_after(10 * MINUTE);
    let app = App::with(store.clone(), |layer| layer.expiry(expiry));
    let alice = behind(&app).await;
    store.fail_next(Operation::Touch, StoreErrorKind::Unavailable);
    let answer = alice.clone().visit(&look()).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key(SET_COOKIE));
    assert_eq!(app.heard.count("StoreFailed"), 1);
    let answer = alice.clone().visit(&look()).await;
    assert!(answer.headers().contains_key(SET_COOKIE), "but with the next request");
}

#[tokio::test]
async fn a_request_does_not_confirm_the_ticket_that_it_issues() {
    let app = app();
    let alice = app.log_in("alice").await;
    let other = alice.clone();
    let renews = handler(move |session| {
        let mut other = other.clone();
        async move {
            session.renew().unwrap();
            session.commit().await.unwrap();
            session.update(|member| member.visits += 1).unwrap();
            other.visit(&count_visit()).await;
            ok()
        }
    });
    alice.clone().visit(&renews).await; // the answer is lost
    app.clock.advance(MINUTE);
    assert_eq!(alice.clone().member().await.map(|member| member.visits), Some(2));
    assert_eq!(app.heard.count("TicketReused"), 0, "nobody has seen the new one");
}

#[tokio::test]
async fn c18_edits_that_grow_a_session_together_are_held_to_its_size() {
    let app = App::with(MemoryStore::new(), |layer| layer.max_size(100));
    let alice = app.log_in("alice").await;
    let append = |inner: Option<Visitor>| {
        handler(move |session| {
            let inner = inner.clone();
            async move {
                session.update(|member| member.name.push_str(&"a".repeat(50))).unwrap();
                if let Some(mut other) = inner {
                    let same = handler(|session| async move {
                        session.update(|member| member.name.push_str(&"b".repeat(50))).unwrap();
                        ok()
                    });
                    assert_eq!(other.visit(&same).await.status(), 200);
                }
                ok()
            }
        })
    };
    let response = alice.clone().visit(&append(Some(alice.clone()))).await;
    assert_eq!(response.status(), 413);
    assert_eq!(response.extensions().get(), Some(&Refusal::TooLarge));
    assert_eq!(alice.clone().member().await.unwrap().name.len(), 55, "one of them");
}

#[tokio::test]
async fn an_edit_during_the_commit_of_a_login_does_not_carry_the_old_session_over() {
    let app = App::new(Faulty::new(MemoryStore::new()).always_later());
    let mut alice = app.log_in("alice").await;
    let log_in = handler(|session| async move {
        session.create(Member::named("bob")).unwrap();
        let mut commit = std::pin::pin!(session.commit());
        let first = poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx).is_ready()));
        assert!(!first.await, "under way");
        session.update(|member| member.visits += 1).unwrap();
        commit.await.unwrap();
        ok()
    });
    alice.visit(&log_in).await;
    assert_eq!(alice.member().await, Some(Member { name: "bob".to_owned(), visits: 1 }));
}

#[tokio::test]
async fn a_replacement_wins_over_what_was_written_meanwhile_also_with_what_was_there_before() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let other = alice.clone();
    let replace = handler(move |session| {
        let mut other = other.clone();
        async move {
            let rename = handler(|session| async move {
                session.update(|member| member.name = "bob".to_owned()).unwrap();
                ok()
            });
            other.visit(&rename).await;
            session.replace(Member::named("alice")).unwrap();
            ok()
        }
    });
    alice.visit(&replace).await;
    assert_eq!(alice.member().await.unwrap().name, "alice", "the last writer wins");
}

#[tokio::test]
async fn r07_a_replacement_that_changes_nothing_is_a_use_like_any_other() {
    let app = App::new(MemoryStore::new());
    let mut alice = app.log_in("alice").await;
    let replace = handler(|session| async move {
        session.replace(Member::named("alice")).unwrap();
        ok()
    });
    for _ in 0..4 {
        app.clock.advance(12 * MINUTE); // idle: 30 minutes; renewed: every 15
        alice.visit(&replace).await;
    }
    assert!(alice.member().await.is_some());
}

#[tokio::test]
async fn a_session_that_was_ended_under_a_commit_gets_no_ticket_of_an_earlier_one() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let renews = handler(|session| async move {
        session.renew().unwrap();
        session.commit().await.unwrap();
        assert!(session.has_issued_ticket());
        let cookie = format!("__Host-sid={}", session.issued_ticket(&Cookie::host("sid")).unwrap());
        http::Response::new(cookie)
    });
    let app_again = app.clone();
    let ended = handler(move |session| {
        let app = app_again.clone();
        let renews = Arc::clone(&renews);
        async move {
            let answer = renews(session.clone()).await.unwrap();
            app.send(&[("cookie", answer.body().as_str())], &log_out()).await;
            session.update(|member| member.visits += 1).unwrap();
            assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Gone);
            ok()
        }
    });
    let answer = alice.visit(&ended).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key(SET_COOKIE));
}
