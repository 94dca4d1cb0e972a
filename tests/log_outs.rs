//! Whoever logs out is logged out, or hears that it failed: also where the session did not load, is
//! not good for the request, was gone before, or was to give way to a new one that is refused.

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
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use http::header::SET_COOKIE;
use sessile::store::{Limit, MemoryStore};
use sessile::testkit::{Faulty, Operation};
use sessile::verify::{Verdict, Visit};
use sessile::{NewSession, Session, SessionLayer, SiteData, StoreErrorKind};
use support::{App, Handler, Member, Visitor, count_visit, handler, log_out, ok, status};

fn log_in(name: &'static str) -> Handler {
    handler(move |session| async move {
        session.create(Member::named(name)).unwrap();
        ok()
    })
}

#[tokio::test]
async fn a_log_out_is_carried_out_although_the_session_did_not_load() {
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Undecodable] {
        let store = Faulty::new(MemoryStore::new());
        let app = App::with(store.clone(), SessionLayer::anonymous_when_store_fails);
        let alice = app.log_in("alice").await;
        store.fail_next(Operation::Load, kind);
        store.fail_next(Operation::Delete, StoreErrorKind::Unavailable);
        let refused = alice.clone().visit(&log_out()).await;
        assert_eq!(refused.status(), 503, "{kind:?}: rather than a 200 that does nothing");
        assert!(!refused.headers().contains_key(SET_COOKIE), "{kind:?}");

        store.fail_next(Operation::Load, kind);
        let mut leaving = alice.clone();
        assert_eq!(leaving.visit(&log_out()).await.status(), 200, "{kind:?}");
        assert_eq!(leaving.cookie(), None, "{kind:?}");
        assert_eq!(alice.clone().member().await, None, "{kind:?}: ended");
        assert_eq!(app.heard.count("Destroyed"), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn r04_whoever_logs_in_replaces_a_session_that_did_not_load() {
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Undecodable] {
        let store = Faulty::new(MemoryStore::new());
        let app = App::with(store.clone(), SessionLayer::anonymous_when_store_fails);
        let alice = app.log_in("alice").await;
        store.fail_next(Operation::Load, kind);
        let mut bob = alice.clone();
        bob.visit(&log_in("bob")).await;
        assert_eq!(bob.member().await.unwrap().name, "bob", "{kind:?}");
        assert_eq!(alice.clone().member().await, None, "{kind:?}: its old ticket is dead");
        assert_eq!(app.heard.count("Replaced"), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn s45_what_does_not_decode_is_left_alone_by_all_others() {
    let store = Faulty::new(MemoryStore::new());
    let app = App::new(store.clone());
    let mut alice = app.log_in("alice").await;
    store.fail_next(Operation::Load, StoreErrorKind::Undecodable);
    assert_eq!(alice.visit(&count_visit()).await.status(), 401);
    assert!(alice.member().await.is_some());
}

#[tokio::test]
async fn an_end_is_kept_when_the_login_after_it_is_refused() {
    let restart = |early: bool| {
        handler(move |session| async move {
            session.destroy().unwrap();
            session.create(NewSession::with(Member::named("bob")).subject("bob")).unwrap();
            if early {
                session.commit().await.unwrap_err();
            }
            ok()
        })
    };
    for (early, status) in [(false, 403), (true, 200)] {
        let app = App::with(MemoryStore::new(), |layer| layer.limit(Limit::deny(1)));
        Visitor::new(&app).visit(&restart(false)).await; // bob is at his limit
        let alice = app.log_in("alice").await;
        let mut leaving = alice.clone();
        assert_eq!(leaving.visit(&restart(early)).await.status(), status);
        assert_eq!(leaving.cookie(), None, "logged out");
        assert_eq!(alice.clone().member().await, None);
        assert_eq!(app.heard.count("Destroyed"), 1);
    }
    let store = Faulty::new(MemoryStore::new());
    let app = App::new(store.clone());
    let alice = app.log_in("alice").await;
    store.fail_next(Operation::Create, StoreErrorKind::Unavailable);
    let mut leaving = alice.clone();
    assert_eq!(leaving.visit(&restart(false)).await.status(), 503);
    assert_eq!((leaving.cookie(), alice.clone().member().await), (None, None));
}

#[tokio::test]
async fn an_end_is_kept_when_the_commit_of_the_login_after_it_is_given_up() {
    let app = App::new(Faulty::new(MemoryStore::new()).always_later());
    let alice = app.log_in("alice").await;
    let restart = handler(|session| async move {
        session.destroy().unwrap();
        session.create(Member::named("bob")).unwrap();
        let mut commit = Box::pin(session.commit());
        let first = poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx).is_ready()));
        assert!(!first.await, "under way");
        drop(commit);
        ok()
    });
    let mut leaving = alice.clone();
    let response = leaving.visit(&restart).await;
    assert_eq!(response.status(), 503, "nobody knows whether bob was logged in");
    assert_eq!((leaving.cookie(), alice.clone().member().await), (None, None));
}

#[tokio::test]
async fn an_end_is_kept_when_the_login_after_it_is_dropped() {
    let app = App::new(MemoryStore::new());
    let alice = app.log_in("alice").await;
    let restart = handler(|session| async move {
        session.destroy().unwrap();
        session.create(Member::named("bob")).unwrap();
        session.create(Member::named("robert")).unwrap();
        status(500)
    });
    let mut leaving = alice.clone();
    assert_eq!(leaving.visit(&restart).await.status(), 500);
    assert_eq!(leaving.cookie(), None, "logged out, and nobody in");
    assert_eq!(alice.clone().member().await, None);
    assert_eq!((app.heard.count("Destroyed"), app.heard.count("Created")), (1, 1));
}

#[tokio::test]
async fn r37_a_log_out_clears_the_ticket_of_a_session_that_was_gone() {
    let app = App::with(MemoryStore::new(), |layer| layer.clear_site_data([SiteData::Storage]));
    let alice = app.log_in("alice").await;
    alice.clone().visit(&log_out()).await;
    for dest in ["empty", "document"] {
        let mut again = alice.clone();
        let answer = again.visit_with(&[("sec-fetch-dest", dest)], &log_out()).await;
        assert_eq!(again.cookie(), None, "{dest}: it is meant, not overtaken");
        assert_eq!(answer.headers()["clear-site-data"], "\"storage\"", "{dest}");
    }
    assert_eq!(app.heard.count("Ended"), 1);
}

#[tokio::test]
async fn a_session_that_is_void_here_lives_on_beside_a_new_one_unless_it_is_ended() {
    let void = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&void);
    let app = App::with(MemoryStore::new(), |layer| {
        layer.verifier(move |_: &Visit<'_, Member>| match says.load(Ordering::SeqCst) {
            true => Verdict::Void("not here"),
            false => Verdict::Pass,
        })
    });
    let create = |session: &Session<Member>| drop(session.create(Member::named("bob")));
    let destroy = |session: &Session<Member>| session.destroy().unwrap();
    let both = |session: &Session<Member>| {
        session.destroy().unwrap();
        session.create(Member::named("bob")).unwrap();
    };
    let cases: [(&str, fn(&Session<Member>), bool, Option<&str>); 3] = [
        ("create", create, true, Some("bob")),
        ("destroy", destroy, false, None),
        ("destroy, create", both, false, Some("bob")),
    ];
    for (name, act, lives, then) in cases {
        let alice = app.log_in("alice").await;
        void.store(true, Ordering::SeqCst);
        let mut visitor = alice.clone();
        visitor
            .visit(&handler(move |session| {
                act(&session);
                async { ok() }
            }))
            .await;
        void.store(false, Ordering::SeqCst);
        assert_eq!(alice.clone().member().await.is_some(), lives, "{name}");
        assert_eq!(visitor.cookie().is_some(), then.is_some(), "{name}");
        let seen = visitor.member().await.map(|member| member.name);
        assert_eq!(seen.as_deref(), then, "{name}");
    }
}
