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
use sessile::transport::{Bearer, Cookie, Query};
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
async fn r30_no_ticket_outlives_what_the_deny_list_remembers_of_its_session() {
    let before = stateless();
    let mut alice = Visitor::new(&before);
    let remembered = handler(|session| async move {
        session.create(NewSession::with(Member::named("alice")).remember(30 * DAY)).unwrap();
        ok()
    });
    alice.visit(&remembered).await;
    let revocation = Revocation::deny_list(MemoryStore::new(), DAY);
    let after = app_of(SessionLayer::carried(Sealed::new(key()), revocation));
    let mut alice = alice.at(&after);
    assert!(alice.clone().member().await.is_some());
    let copied = alice.clone();
    alice.visit(&log_out()).await;
    assert_eq!(copied.clone().member().await, None);
    after.clock.advance(3 * DAY);
    assert_eq!(copied.clone().member().await, None, "the deny list has forgotten it");
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

/// A request that is under way while its visitor logs out and in again.
fn overtaken(visitor: &Visitor) -> support::Handler {
    let visitor = visitor.clone();
    handler(move |session| {
        let mut other = visitor.clone();
        async move {
            other.visit(&log_out()).await;
            session.update(|member| member.visits += 1).unwrap();
            ok()
        }
    })
}

#[tokio::test]
async fn r30_a_slow_request_does_not_bring_back_what_is_on_the_deny_list() {
    let denied = Faulty::new(MemoryStore::new());
    let revocation = Revocation::deny_list(denied.clone(), DAY);
    let app = app_of(SessionLayer::carried(Sealed::new(key()), revocation));
    let alice = app.log_in("alice").await;
    let answer = alice.clone().visit(&overtaken(&alice)).await;
    assert_eq!(answer.status(), 200, "as with a store");
    assert!(!answer.headers().contains_key(SET_COOKIE), "the client may have another by now");

    // Only read, but used for long enough that its ticket is due to be sealed anew.
    let bob = app.log_in("bob").await;
    app.clock.advance(2 * MINUTE);
    let other = bob.clone();
    let reads = handler(move |_session| {
        let mut other = other.clone();
        async move {
            other.visit(&log_out()).await;
            ok()
        }
    });
    assert!(!bob.clone().visit(&reads).await.headers().contains_key(SET_COOKIE));
    // If the list does not say, an edit fails and a reader keeps the ticket that they have.
    let carol = app.log_in("carol").await;
    app.clock.advance(2 * MINUTE);
    let (faults, edits) = (denied.clone(), [(true, 503), (false, 200)]);
    for (edit, status) in edits {
        let faults = faults.clone();
        let act = handler(move |session| {
            if edit {
                session.update(|member| member.visits += 1).unwrap();
            }
            faults.fail_next(Operation::Load, StoreErrorKind::Unavailable);
            async { ok() }
        });
        let answer = carol.clone().visit(&act).await;
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key(SET_COOKIE));
    }
    assert!(carol.clone().member().await.is_some());
}

#[tokio::test]
async fn r17_of_two_tickets_of_one_session_the_newer_counts() {
    for swap in [false, true] {
        let app = stateless();
        let mut alice = app.log_in("alice").await;
        let old = alice.cookie().unwrap().to_owned();
        app.clock.advance(16 * MINUTE);
        alice.visit(&look()).await; // renewed
        alice.visit(&count_visit()).await; // the new ticket is presented
        app.clock.advance(MINUTE);
        let mut pair = [old, alice.cookie().unwrap().to_owned()];
        if swap {
            pair.reverse();
        }
        let line = pair.join("; ");
        let visits = handler(|session| async move {
            http::Response::new(session.get().unwrap().visits.to_string())
        });
        let answer = app.send(&[("cookie", line.as_str())], &visits).await;
        assert_eq!(answer.body(), "1", "swapped: {swap}");
        assert_eq!(app.heard.count("TicketReused"), 0, "no theft: swapped: {swap}");
    }
}

#[tokio::test]
async fn r26_a_ticket_in_the_body_is_the_one_in_the_header() {
    let layer = SessionLayer::<Member>::carried(Sealed::new(key()), Revocation::impossible())
        .transport(Bearer::new())
        .or_transport(Cookie::host("sid"));
    let log_in = layer.layer(tower::service_fn(async |request: http::Request<()>| {
        let session = Session::<Member>::of(&request).unwrap();
        session.create(Member::named("alice"))?;
        assert_eq!(session.issued_ticket(&Bearer::new()), None, "not yet");
        session.commit().await?;
        let ticket = session.issued_ticket(&Bearer::new()).unwrap();
        assert_eq!(session.issued_ticket(&Bearer::new()).unwrap(), ticket);
        let other = session.issued_ticket(&Cookie::host("sid")).unwrap();
        assert!(session.has_issued_ticket() && other != ticket);
        Ok::<_, sessile::Error>(http::Response::new(ticket))
    }));
    let answer = log_in.oneshot(http::Request::new(())).await.unwrap();
    assert!(answer.body().len() > 200, "the session itself");
    assert_eq!(answer.headers()["authorization"], format!("Bearer {}", answer.body()));
    assert_eq!(answer.headers().get_all("authorization").iter().count(), 1);
    let app = app_of(layer);
    let line = answer.headers()["authorization"].to_str().unwrap().to_owned();
    let name = handler(|session| async move {
        http::Response::new(session.get().map_or(String::new(), |member| member.name.clone()))
    });
    assert_eq!(app.send(&[("authorization", line.as_str())], &name).await.body(), "alice");
}

#[tokio::test]
async fn s45_whoever_logs_out_of_a_session_in_another_form_is_logged_out() {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Newer {
        names: Vec<String>,
    }
    let denied = Arc::new(MemoryStore::new());
    let revocation = || Revocation::deny_list(Arc::clone(&denied), DAY);
    let older = app_of(SessionLayer::carried(Sealed::new(key()), revocation()));
    let newer = SessionLayer::<Newer>::carried(Sealed::new(key()), revocation());
    let newer = newer.clock(older.clock.clone());
    let service = newer.layer(tower::service_fn(async |request: http::Request<()>| {
        let session = Session::<Newer>::of(&request).unwrap();
        if session.get().is_none() && request.uri() == "/log_in" {
            session.create(Newer { names: vec!["alice".to_owned()] })?;
        }
        Ok::<_, sessile::Error>(http::Response::new(format!("{:?}", session.status())))
    }));
    let log_in = http::Request::get("/log_in").body(()).unwrap();
    let answer = service.clone().oneshot(log_in).await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    let line = [("cookie", cookie)];
    let status =
        handler(|session| async move { http::Response::new(format!("{:?}", session.status())) });
    let answer = older.send(&line, &status).await;
    assert_eq!(answer.body(), "Rejected(Undecodable)");
    assert!(!answer.headers().contains_key(SET_COOKIE), "it is left alone");
    let answer = older.send(&line, &log_out()).await;
    assert!(answer.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    let look = http::Request::get("/").header("cookie", cookie).body(()).unwrap();
    assert_eq!(service.oneshot(look).await.unwrap().body(), "Rejected(Gone)", "ended everywhere");
}
