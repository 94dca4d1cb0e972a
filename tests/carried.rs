//! Sessions that live in their tickets.

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
use sessile::codec::Sealed;
use sessile::store::{Limit, MemoryStore};
use sessile::testkit::{Faulty, Operation, SimulatedClock};
use sessile::transport::Query;
use sessile::verify::{Verdict, Visit};
use sessile::{
    Expiry, Key, Keyring, LazySession, NewSession, Revocation, Session, SessionLayer,
    StoreErrorKind,
};
use support::{App, Heard, Member, Visitor, count_visit, handler, key, log_out, look, ok};
use tower::{Layer, ServiceExt};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

fn app_of(layer: SessionLayer<Member>) -> App {
    let (clock, heard) = (SimulatedClock::new(), Heard::default());
    App { layer: layer.clock(clock.clone()).observer(heard.observer()), clock, heard }
}

fn stateless() -> App {
    app_of(SessionLayer::carried(Sealed::new(key()), Revocation::impossible()))
}

#[tokio::test]
async fn a_session_is_created_read_edited_and_ended_without_a_store() {
    let app = stateless();
    let mut alice = app.log_in("alice").await;
    assert!(alice.ticket().unwrap().len() > 200);
    assert!(!alice.ticket().unwrap().contains("alice"));
    for visits in 1..=3 {
        alice.visit(&count_visit()).await;
        assert_eq!(alice.member().await.unwrap().visits, visits);
    }
    let read = alice.visit(&look()).await;
    assert!(!read.headers().contains_key(SET_COOKIE), "reading writes nothing");
    alice.visit(&log_out()).await;
    assert_eq!(alice.cookie(), None);
    assert_eq!(app.heard.count("Created"), 1);
    assert_eq!(app.heard.count("Destroyed"), 1);
}

#[tokio::test]
async fn r30_c09_a_deny_list_makes_a_logout_hold_on_every_node() {
    let denied = Arc::new(MemoryStore::new());
    let node = || {
        let revocation = Revocation::deny_list(Arc::clone(&denied), DAY);
        app_of(SessionLayer::carried(Sealed::new(key()), revocation))
    };
    let (here, there) = (node(), node());
    let mut alice = here.log_in("alice").await;
    let captured = alice.clone();
    assert!(captured.at(&there).member().await.is_some());
    alice.visit(&log_out()).await;
    assert_eq!(captured.clone().member().await, None);
    assert_eq!(captured.at(&there).member().await, None);
    assert_eq!(there.heard.count("Rejected { reason: Gone"), 1);
    // A new login ends the session that it came with, too.
    let mut bob = here.log_in("bob").await;
    let before = bob.clone();
    bob.visit(&handler(|session| async move {
        session.create(Member::named("robert")).unwrap();
        ok()
    }))
    .await;
    assert_eq!(before.at(&there).member().await, None);
    assert_eq!(bob.at(&there).member().await.unwrap().name, "robert");
}

#[tokio::test]
async fn r30_without_one_a_copied_ticket_lives_until_it_expires_as_was_said() {
    let app = stateless();
    let mut alice = app.log_in("alice").await;
    let captured = alice.clone();
    alice.visit(&log_out()).await;
    assert!(captured.clone().member().await.is_some(), "that is what `impossible` means");
    app.clock.advance(30 * MINUTE);
    assert_eq!(captured.clone().member().await, None);
}

/// What the documentation of `SessionLayer::carried` warns of.
#[tokio::test]
async fn an_older_ticket_puts_the_session_back_until_the_session_ends() {
    let denied = Revocation::deny_list(MemoryStore::new(), DAY);
    let app = app_of(SessionLayer::carried(Sealed::new(key()), denied));
    let mut alice = app.log_in("alice").await;
    let unspent = alice.clone();
    for visits in 1..=2 {
        alice.visit(&count_visit()).await;
        assert_eq!(alice.member().await.unwrap().visits, visits);
    }
    assert_eq!(unspent.clone().member().await.unwrap().visits, 0, "as if nothing had been");
    alice.visit(&log_out()).await;
    assert_eq!(unspent.clone().member().await, None, "the end is that of all its tickets");
}

#[tokio::test]
async fn r07_r08_both_limits_are_kept_in_the_ticket() {
    let app = app_of(
        SessionLayer::carried(Sealed::new(key()), Revocation::impossible())
            .expiry(Expiry::idle(10 * MINUTE).absolute(60 * MINUTE)),
    );
    let mut alice = app.log_in("alice").await;
    let idle = alice.clone();
    for _ in 0..6 {
        app.clock.advance(9 * MINUTE);
        assert!(alice.member().await.is_some(), "used, so it goes on");
    }
    assert_eq!(idle.clone().member().await, None, "the first ticket was idle for too long");
    app.clock.advance(6 * MINUTE);
    assert_eq!(alice.member().await, None, "an hour is an hour");
    assert_eq!(app.heard.count("Rejected { reason: Expired"), 2);
}

#[tokio::test]
async fn a_remembered_session_keeps_what_it_is() {
    let app = stateless();
    let mut alice = Visitor::new(&app);
    let answer = alice
        .visit(&handler(|session| async move {
            let new = NewSession::with(Member::named("alice")).subject("user-1").methods(["pwd"]);
            session.create(new.remember(30 * DAY)).unwrap();
            ok()
        }))
        .await;
    assert!(answer.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=2592000"));
    app.clock.advance(20 * DAY);
    alice
        .visit(&handler(|session| async move {
            let meta = session.meta().expect("alive");
            assert_eq!(meta.subject.as_deref(), Some("user-1"));
            assert_eq!(*meta.context.unwrap().methods[0], *"pwd");
            assert_eq!(meta.absolute.since(meta.created), 30 * DAY);
            ok()
        }))
        .await;
    assert!(alice.cookie().is_some());
}

#[tokio::test]
async fn r44_an_old_key_opens_and_the_ticket_is_sealed_anew() {
    let (old, new) = (key(), Key::generate());
    let before = app_of(SessionLayer::carried(Sealed::new(old.clone()), Revocation::impossible()));
    let ring = Keyring::new(new).also_accept(old);
    let after = app_of(SessionLayer::carried(Sealed::new(ring), Revocation::impossible()));
    let mut alice = before.log_in("alice").await.at(&after);
    let first = alice.ticket().unwrap().to_owned();
    assert!(alice.member().await.is_some());
    assert_ne!(alice.ticket().unwrap(), first);
    assert_eq!(alice.at(&before).member().await, None, "under the new key now");
}

#[tokio::test]
async fn c02_what_is_forged_or_of_another_layer_is_no_session() {
    let app = stateless();
    let alice = app.log_in("alice").await;
    let ticket = alice.ticket().unwrap();
    let other = format!("{}{}", ticket.get(..ticket.len() - 4).unwrap(), "AAAA");
    for bad in [other.as_str(), "", "x", ticket.get(..60).unwrap(), &"A".repeat(9_000)] {
        let cookie = format!("__Host-sid={bad}");
        app.heard.clear();
        let answer = app.send(&[("cookie", cookie.as_str())], &look()).await;
        assert!(!answer.headers().contains_key(SET_COOKIE));
        assert!(app.heard.count("Rejected") == usize::from(!bad.is_empty()), "{bad}");
    }
    let signed = App::new(MemoryStore::new());
    let line = [("cookie", alice.cookie().unwrap())];
    signed.send(&line, &look()).await;
    assert_eq!(signed.heard.count("Rejected { reason: Malformed"), 1);
    let bob = app.log_in("bob").await;
    let pair = format!("{}; {}", alice.cookie().unwrap(), bob.cookie().unwrap());
    app.heard.clear();
    app.send(&[("cookie", pair.as_str())], &look()).await;
    assert_eq!(app.heard.count("Rejected { reason: Ambiguous"), 1);
}

#[tokio::test]
async fn r22_what_does_not_fit_a_cookie_is_refused() {
    let app = stateless();
    let answer = app
        .send(
            &[],
            &handler(|session| async move {
                session.create(Member::named(&"a".repeat(4_000))).unwrap();
                ok()
            }),
        )
        .await;
    assert_eq!(answer.status(), 413);
    assert!(!answer.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn r54_a_deny_list_that_fails_means_503() {
    let denied = Faulty::new(MemoryStore::new());
    let revocation = Revocation::deny_list(denied.clone(), DAY);
    let app = app_of(SessionLayer::carried(Sealed::new(key()), revocation));
    let mut alice = app.log_in("alice").await;
    denied.fail_next(Operation::Load, StoreErrorKind::Unavailable);
    assert_eq!(alice.visit(&look()).await.status(), 503);
    assert!(alice.member().await.is_some());
    denied.fail_next(Operation::Create, StoreErrorKind::Unavailable);
    assert_eq!(alice.visit(&log_out()).await.status(), 503, "nobody was logged out");
    assert!(alice.member().await.is_some());
}

#[tokio::test]
async fn verifiers_and_lazy_layers_work_as_ever() {
    let layer = SessionLayer::<Member>::carried(Sealed::new(key()), Revocation::impossible())
        .verifier(|visit: &Visit<'_, Member>| {
            if visit.record.data.name == "mallory" {
                Verdict::Void("banned")
            } else {
                Verdict::Pass
            }
        });
    let app = app_of(layer.clone());
    let (mut alice, mut mallory) = (app.log_in("alice").await, app.log_in("mallory").await);
    assert!(alice.member().await.is_some());
    assert_eq!(mallory.member().await, None);
    for (visitor, expected) in [(&alice, true), (&mallory, false)] {
        let service = app.layer.clone().lazy().layer(tower::service_fn(
            |request: http::Request<()>| async move {
                assert!(Session::<Member>::of(&request).is_none());
                let lazy = LazySession::<Member>::of(&request).unwrap();
                let session = lazy.load().await.unwrap();
                Ok::<_, std::convert::Infallible>(http::Response::new(session.get().is_some()))
            },
        ));
        let request = http::Request::get("/").header("cookie", visitor.cookie().unwrap());
        let answer = service.oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(*answer.body(), expected);
    }
}

#[test]
fn what_needs_a_store_does_not_build_without_one() {
    let layer = || SessionLayer::<Member>::carried(Sealed::new(key()), Revocation::impossible());
    assert!(layer().try_limit(Limit::deny(1)).is_err());
    assert!(layer().try_sessions().is_err());
    let error = layer().try_or_transport(Query::named("ticket")).unwrap_err();
    assert!(error.to_string().contains("give the layer a store"), "{error}");
}
