//! A store that fails, hangs or answers nonsense: the request fails closed, in time, and nothing
//! is overwritten, leaked or logged that should not be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::clone_on_ref_ptr,
    clippy::str_to_string,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use http::Request;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation, SimulatedClock};
use sessile::{
    ErrorKind, Expiry, Refusal, Refusals, Session, SessionLayer, Status, StoreErrorKind,
};
use support::{App, Handler, Member, Visitor, count_visit, handler, ignore, log_out, look, ok};

fn log_in(name: &'static str) -> Handler {
    handler(move |session| async move {
        session.create(Member::named(name)).unwrap();
        ok()
    })
}

fn faulty() -> (Faulty<Member>, App) {
    let store = Faulty::new(MemoryStore::new());
    let app = App::new(store.clone());
    (store, app)
}

#[tokio::test]
async fn r54_a_store_that_fails_on_load_means_503_and_nothing_is_changed() {
    let (store, app) = faulty();
    let mut alice = app.log_in("alice").await;
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Timeout] {
        store.fail_next(Operation::Load, kind);
        let writes = store.calls().writes();
        let response = alice.visit(&count_visit()).await;
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key(SET_COOKIE));
        assert_eq!(response.extensions().get(), Some(&Refusal::StoreUnavailable));
        assert_eq!(store.calls().writes(), writes, "nothing was written");
    }
    assert_eq!(app.heard.count("StoreFailed"), 2);
    alice.visit(&count_visit()).await;
    assert_eq!(alice.member().await.unwrap().visits, 1, "and the next request is served");
}

#[tokio::test]
async fn r55_the_client_hears_no_detail_and_grpc_gets_its_status() {
    let (store, app) = faulty();
    let alice = app.log_in("alice").await;
    for (content_type, status) in [("text/plain", 503), ("application/grpc+proto", 200)] {
        store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
        let request = Request::builder()
            .header(CONTENT_TYPE, content_type)
            .header("cookie", alice.cookie().unwrap());
        let response = app.request(request.body(()).unwrap(), &ignore()).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.body(), "", "nobody said how this body is made");
        if status == 200 {
            assert_eq!(response.headers()["grpc-status"], "14");
        }
    }
}

#[tokio::test]
async fn s48_a_store_that_hangs_costs_its_timeout_and_no_more() {
    for operation in [Operation::Load, Operation::Replace, Operation::Delete, Operation::Create] {
        let (store, app) = faulty();
        let alice = app.log_in("alice").await;
        store.hang(operation);
        let act = match operation {
            Operation::Delete => log_out(),
            Operation::Create => handler(|session| async move {
                session.create(Member::named("again")).unwrap();
                ok()
            }),
            _ => count_visit(),
        };
        let mut visitor = alice.clone();
        let request = tokio::spawn(async move { visitor.visit(&act).await });
        while app.clock.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        app.clock.advance(Duration::from_millis(1_999));
        tokio::task::yield_now().await;
        assert!(!request.is_finished(), "{operation:?}: two seconds are not over");
        app.clock.advance(Duration::from_millis(1));
        assert_eq!(request.await.unwrap().status(), 503, "{operation:?}");
        store.heal();
        assert!(alice.clone().member().await.is_some(), "{operation:?}: and it recovers");
    }
}

#[tokio::test]
async fn a_write_that_fails_fails_the_request() {
    let (store, app) = faulty();
    let alice = app.log_in("alice").await;
    let log_in = handler(|session| async move {
        session.create(Member::named("again")).unwrap();
        ok()
    });
    let cases = [
        (Operation::Replace, count_visit()),
        (Operation::Delete, log_out()),
        (Operation::Create, log_in),
    ];
    for (operation, act) in cases {
        for lose in [false, true] {
            let visitor = if lose { app.log_in("alice").await } else { alice.clone() };
            if lose {
                store.lose_reply(operation, StoreErrorKind::Unavailable);
            } else {
                store.fail_next(operation, StoreErrorKind::Unavailable);
            }
            let response = visitor.clone().visit(&act).await;
            assert_eq!(response.status(), 503, "{operation:?}");
            assert!(!response.headers().contains_key(SET_COOKIE), "{operation:?}");
            let after = visitor.clone().member().await;
            assert_eq!(after.is_some(), !lose || operation == Operation::Replace, "{operation:?}");
            store.heal();
        }
    }
}

#[tokio::test]
async fn housekeeping_that_fails_is_told_and_does_not_fail_the_request() {
    let (store, app) = faulty();
    let mut alice = app.log_in("alice").await;
    app.clock.advance(Duration::from_secs(120));
    store.fail_next(Operation::Touch, StoreErrorKind::Unavailable);
    assert_eq!(alice.visit(&look()).await.status(), 200);
    app.clock.advance(Duration::from_secs(15 * 60));
    store.fail_next(Operation::Replace, StoreErrorKind::Unavailable);
    let response = alice.visit(&look()).await;
    assert_eq!(response.status(), 200, "the renewal failed");
    assert!(!response.headers().contains_key(SET_COOKIE), "so there is no new ticket");
    assert_eq!(app.heard.count("StoreFailed"), 2);
    assert!(alice.visit(&look()).await.headers().contains_key(SET_COOKIE), "it is tried again");
}

#[tokio::test]
async fn public_pages_may_go_on_without_a_session_while_the_store_is_down() {
    let store = Faulty::new(MemoryStore::new());
    let app = App::with(store.clone(), SessionLayer::anonymous_when_store_fails);
    let mut alice = app.log_in("alice").await;
    store.fail_all(Operation::Load, StoreErrorKind::Unavailable);
    let response = alice
        .visit(&handler(|session| async move {
            assert_eq!(session.status(), Status::StoreFailed);
            for failed in [session.update(|_| ()), session.renew()] {
                assert_eq!(failed.unwrap_err().kind(), ErrorKind::Store, "not: nobody is there");
            }
            ok()
        }))
        .await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key(SET_COOKIE), "the cookie is kept for later");
    store.heal();
    assert!(alice.member().await.is_some());
}

#[tokio::test]
async fn s45_what_no_longer_decodes_is_no_session_and_an_event_not_a_500() {
    let (store, app) = faulty();
    let mut alice = app.log_in("alice").await;
    let writes = store.calls().writes();
    store.fail_next(Operation::Load, StoreErrorKind::Undecodable);
    let response = alice
        .visit(&handler(|session| async move {
            let status = session.status();
            assert!(matches!(status, Status::Rejected(sessile::Rejection::Undecodable)));
            ok()
        }))
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(app.heard.count("Undecodable"), 2, "{:?}", app.heard.all());
    assert_eq!(store.calls().writes(), writes, "what is there stays for whoever repairs it");
}

#[tokio::test]
async fn a_full_store_refuses_a_login_and_says_so() {
    let app = App::new(MemoryStore::with_capacity(1));
    let alice = app.log_in("alice").await;
    let mut bob = Visitor::new(&app);
    let log_in = handler(|session| async move {
        session.create(Member::named("bob")).unwrap();
        let error = session.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("full"));
        ok()
    });
    let response = bob.visit(&log_in).await;
    assert!(!response.headers().contains_key(SET_COOKIE));
    assert!(alice.clone().member().await.is_some(), "nobody was dropped for it");
}

#[tokio::test]
async fn r36_a_limit_evicts_the_oldest_or_denies_the_newest() {
    use sessile::NewSession;
    use sessile::store::Limit;
    let log_in = || {
        handler(|session| async move {
            session.create(NewSession::with(Member::named("alice")).subject("alice")).unwrap();
            ok()
        })
    };
    let evicting = App::with(MemoryStore::new(), |layer| layer.limit(Limit::evict_oldest(2)));
    let mut devices: Vec<_> = (0..3).map(|_| Visitor::new(&evicting)).collect();
    for device in &mut devices {
        device.visit(&log_in()).await;
        evicting.clock.advance(Duration::from_secs(1));
    }
    let mut alive = Vec::new();
    for device in &mut devices {
        alive.push(device.member().await.is_some());
    }
    assert_eq!(alive, [false, true, true]);
    assert_eq!(evicting.heard.count("Evicted"), 1);

    let denying = App::with(MemoryStore::new(), |layer| layer.limit(Limit::deny(1)));
    let mut first = Visitor::new(&denying);
    first.visit(&log_in()).await;
    assert_eq!(first.visit(&log_in()).await.status(), 200, "over an own session one may log in");
    let mut second = Visitor::new(&denying);
    let refused = second.visit(&log_in()).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.extensions().get(), Some(&Refusal::LimitReached));
    assert_eq!(second.cookie(), None);
    assert_eq!(denying.heard.count("LimitReached"), 1);
}

#[tokio::test]
async fn s55_a_clock_put_back_revives_nothing() {
    let (_, app) = faulty();
    let mut alice = app.log_in("alice").await;
    let mut bob = app.log_in("bob").await;
    alice.visit(&log_out()).await;
    app.clock.rewind(Duration::from_secs(3600));
    assert_eq!(alice.member().await, None);
    assert!(bob.member().await.is_some(), "and nobody dies of it");
}

#[tokio::test]
async fn wrong_settings_fail_at_construction_and_name_the_remedy() {
    let layer = || SessionLayer::<Member>::new(MemoryStore::new(), support::key());
    let cookie = sessile::transport::Cookie::host("sid").domain("example.com");
    let errors = [
        ("Domain", layer().try_transport(cookie).unwrap_err()),
        ("absolute", layer().try_expiry(Expiry::idle(Duration::MAX)).unwrap_err()),
        ("at least one", layer().try_limit(sessile::store::Limit::deny(0)).unwrap_err()),
        (
            "another name",
            layer().try_or_transport(sessile::transport::Cookie::host("sid")).unwrap_err(),
        ),
    ];
    for (remedy, error) in errors {
        assert!(error.to_string().contains(remedy), "{error}");
    }
    let endless = sessile::transport::Cookie::host("s".repeat(4_050));
    let error = layer().try_transport(endless).unwrap_err().to_string();
    assert!(error.contains("shorter name"), "r22: {error}");
}

#[test]
fn handles_layers_and_futures_are_send_sync_clone_and_debug() {
    fn handle<H: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    handle::<Session<Member>>();
    handle::<sessile::LazySession<Member>>();
    handle::<sessile::Active<Member>>();
    handle::<SessionLayer<Member>>();
    handle::<sessile::RequireSession<Member>>();
    handle::<sessile::SessionService<(), Member>>();
    handle::<MemoryStore<Member>>();
    handle::<SimulatedClock>();
    handle::<Refusals>();
    fn future<F: std::fmt::Debug + Send>() {}
    type Inner = axum::routing::Route;
    future::<sessile::ResponseFuture<Inner, Member, axum::body::Body>>();
    future::<sessile::guard::RequireFuture<Inner, Member, axum::body::Body>>();
    let _: Option<&dyn sessile::store::Store<Member>> = None;
    let _: Option<&dyn sessile::store::SubjectIndex> = None;
    let _: Option<&dyn sessile::transport::Transport> = None;
    let _: Option<&dyn sessile::Clock> = None;
    let _: Option<&dyn sessile::Observer> = None;
}

/// Begins a commit and gives it up before the store has answered, as a timeout does.
async fn give_up_commit(session: &Session<Member>) {
    let mut commit = Box::pin(session.commit());
    let polled =
        std::future::poll_fn(|cx| std::task::Poll::Ready(commit.as_mut().poll(cx).is_ready()));
    assert!(!polled.await, "under way");
}

#[tokio::test]
async fn a_logout_whose_early_commit_is_given_up_happens_with_the_response() {
    let app = App::new(Faulty::new(MemoryStore::new()).always_later());
    let alice = app.log_in("alice").await;
    let log_out = handler(|session| async move {
        session.destroy().unwrap();
        give_up_commit(&session).await;
        ok()
    });
    assert_eq!(alice.clone().visit(&log_out).await.status(), 200);
    assert_eq!(alice.clone().member().await, None, "logged out, as the 200 says");
}

#[tokio::test]
async fn an_edit_whose_early_commit_is_given_up_fails_the_request() {
    let app = App::new(Faulty::new(MemoryStore::new()).always_later());
    let mut alice = app.log_in("alice").await;
    let count = handler(|session| async move {
        session.update(|member| member.visits += 1).unwrap();
        give_up_commit(&session).await;
        assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Unknown);
        ok()
    });
    assert_eq!(alice.visit(&count).await.status(), 503, "nobody knows whether it was written");
    let log_in = handler(|session| async move {
        session.create(Member::named("bob")).unwrap();
        give_up_commit(&session).await;
        ok()
    });
    let response = alice.visit(&log_in).await;
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn c18_what_is_too_large_for_the_store_is_a_413_and_no_failure() {
    let (store, app) = faulty();
    let mut alice = app.log_in("alice").await;
    let acts = [(Operation::Replace, count_visit()), (Operation::Create, log_in("again"))];
    for (operation, act) in acts {
        store.fail_next(operation, StoreErrorKind::TooLarge);
        let response = alice.visit(&act).await;
        assert_eq!(response.status(), 413, "{operation:?}");
        assert_eq!(response.extensions().get(), Some(&Refusal::TooLarge), "{operation:?}");
    }
    let grpc = handler(|session| async move {
        session.update(|member| member.visits += 1).unwrap();
        let mut response = ok();
        response.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
        response
    });
    store.fail_next(Operation::Replace, StoreErrorKind::TooLarge);
    assert_eq!(alice.visit(&grpc).await.headers()["grpc-status"], "8", "RESOURCE_EXHAUSTED");
    assert_eq!(app.heard.count("StoreFailed"), 0);
    assert_eq!(alice.member().await.unwrap().visits, 0);
}

#[tokio::test]
async fn a_ticket_that_was_issued_reaches_the_client_although_a_later_write_fails() {
    let (store, app) = faulty();
    let faults = store.clone();
    let log_in = handler(move |session| {
        let store = faults.clone();
        async move {
            session.create(Member::named("alice")).unwrap();
            session.commit().await.unwrap();
            session.update(|member| member.visits += 1).unwrap();
            store.fail_next(Operation::Replace, StoreErrorKind::Unavailable);
            ok()
        }
    });
    let mut alice = Visitor::new(&app);
    let response = alice.visit(&log_in).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(alice.member().await.unwrap().visits, 0, "logged in, as the commit has said");
}
