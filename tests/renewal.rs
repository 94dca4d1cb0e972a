//! Renewal by generation: nobody is logged out by it, and a stolen ticket gives itself away.

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

use http::header::SET_COOKIE;
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation};
use sessile::{Expiry, Key, Keyring, SessionLayer};
use support::{App, Heard, Visitor, count_visit, handler, ignore, key, log_out, look, ok};

const MINUTE: Duration = Duration::from_secs(60);

/// Renews every 10 minutes, grace 30 seconds.
fn app() -> App {
    let expiry = Expiry::idle(60 * MINUTE).renew_after(10 * MINUTE);
    App::with(MemoryStore::new(), |layer| layer.expiry(expiry))
}

#[tokio::test]
async fn s15_a_renewed_ticket_replaces_the_old_one_and_the_session_stays() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    alice.visit(&count_visit()).await;
    let old = alice.clone();
    app.clock.advance(10 * MINUTE);
    alice.visit(&ignore()).await;
    assert_ne!(alice.cookie(), old.cookie(), "a new ticket");
    assert_eq!(alice.member().await.unwrap().visits, 1, "the same data");
    assert_eq!(app.heard.count("Renewed"), 1);
    app.clock.advance(MINUTE);
    alice.visit(&ignore()).await;
    assert_eq!(app.heard.count("Renewed"), 1, "not again before its time");
}

#[tokio::test]
async fn a_response_lost_on_the_way_logs_nobody_out() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    app.clock.advance(10 * MINUTE);
    alice.clone().visit(&ignore()).await; // renewed, but the answer never arrived
    app.clock.advance(40 * MINUTE);
    let answer = alice.visit(&ignore()).await;
    assert!(answer.headers().contains_key(SET_COOKIE), "the new ticket is sent again");
    assert_eq!(app.heard.count("Renewed"), 1, "the same one, not yet another");
    assert_eq!(alice.member().await.unwrap().name, "alice");
}

#[tokio::test]
async fn s19_parallel_requests_renew_once_and_all_get_the_same_ticket() {
    let app = app();
    let alice = app.log_in("alice").await;
    app.clock.advance(10 * MINUTE);
    // Eight requests hold the old ticket at once, one inside the other.
    fn nested(visitor: Visitor, depth: usize) -> support::Handler {
        handler(move |_session| {
            let mut visitor = visitor.clone();
            async move {
                if depth > 0 {
                    let next = nested(visitor.clone(), depth - 1);
                    visitor.visit(&next).await;
                    return http::Response::new(visitor.cookie().unwrap().to_owned());
                }
                ok()
            }
        })
    }
    let mut outer = alice.clone();
    let inner = outer.visit(&nested(alice.clone(), 7)).await;
    assert_eq!(app.heard.count("Renewed"), 1, "exactly one wins");
    assert_eq!(inner.body(), outer.cookie().unwrap(), "and all answer with the same ticket");
}

#[tokio::test]
async fn s23_the_old_ticket_passes_within_the_grace_and_then_raises_the_alarm() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let mut thief = alice.clone();
    app.clock.advance(10 * MINUTE);
    alice.visit(&ignore()).await; // gets the new ticket
    alice.visit(&ignore()).await; // presents it
    app.clock.advance(Duration::from_secs(29));
    assert!(thief.clone().member().await.is_some(), "a request in flight");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(thief.member().await, None, "too late: two parties hold this session");
    assert_eq!(thief.cookie(), None);
    assert_eq!(alice.member().await, None, "so it is ended for both");
    assert_eq!(app.heard.count("TicketReused"), 1);
    assert_eq!(app.heard.count("reason: Reused"), 2, "rejected, and ended: {:?}", app.heard.all());
}

#[tokio::test]
async fn a_thief_who_renews_first_is_found_when_the_owner_returns() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let mut thief = alice.clone();
    app.clock.advance(10 * MINUTE);
    thief.visit(&ignore()).await;
    thief.visit(&ignore()).await;
    app.clock.advance(MINUTE);
    assert_eq!(alice.member().await, None);
    assert_eq!(thief.member().await, None);
    assert_eq!(app.heard.count("TicketReused"), 1);
}

#[tokio::test]
async fn s22_renewal_moves_no_deadline() {
    let expiry = Expiry::idle(60 * MINUTE).absolute(65 * MINUTE).renew_after(10 * MINUTE);
    let app = App::with(MemoryStore::new(), |layer| layer.expiry(expiry));
    let mut alice = app.log_in("alice").await;
    for _ in 0..6 {
        app.clock.advance(10 * MINUTE + Duration::from_secs(40));
        alice.visit(&ignore()).await;
        alice.visit(&ignore()).await;
    }
    assert!(app.heard.count("Renewed") >= 5);
    app.clock.advance(MINUTE);
    assert_eq!(alice.member().await, None, "r08: the absolute limit outlives every renewal");
}

#[tokio::test]
async fn s18_an_edit_and_a_renewal_are_one_write() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let old = alice.clone();
    app.clock.advance(10 * MINUTE);
    alice.visit(&count_visit()).await;
    assert_ne!(alice.cookie(), old.cookie());
    let versions = handler(|session| async move {
        http::Response::new(session.meta().unwrap().version.to_string())
    });
    assert_eq!(alice.clone().visit(&versions).await.body(), "2", "one write after the first");
    assert_eq!(alice.member().await.unwrap().visits, 1);
}

#[tokio::test]
async fn s16_renewing_by_hand_keeps_both_the_session_and_requests_under_way() {
    let app = app();
    let renew = handler(|session| async move {
        session.renew().unwrap();
        session.renew().unwrap();
        ok()
    });
    let mut alice = app.log_in("alice").await;
    let first = alice.clone();
    alice.visit(&renew).await;
    let second = alice.clone();
    assert_ne!(first.cookie(), second.cookie());
    alice.visit(&renew).await;
    assert_ne!(second.cookie(), alice.cookie());
    for (name, visitor) in [("first", &first), ("second", &second), ("third", &alice)] {
        assert!(visitor.clone().member().await.is_some(), "{name} ticket, a moment later");
    }
}

#[tokio::test]
async fn s20_a_session_ended_meanwhile_is_not_renewed_back() {
    let app = app();
    let alice = app.log_in("alice").await;
    app.clock.advance(10 * MINUTE);
    let ends = {
        let other = alice.clone();
        handler(move |_session| {
            let mut other = other.clone();
            async move {
                other.visit(&log_out()).await;
                ok()
            }
        })
    };
    let answer = alice.clone().visit(&ends).await;
    assert!(!answer.headers().contains_key(SET_COOKIE));
    assert_eq!(alice.clone().member().await, None);
}

#[tokio::test]
async fn r44_a_ticket_under_an_older_key_passes_and_is_sealed_anew() {
    let store = MemoryStore::new();
    let clock = sessile::testkit::SimulatedClock::new();
    let node = |ring: Keyring| App {
        layer: SessionLayer::new(store.clone(), ring).clock(clock.clone()),
        clock: clock.clone(),
        heard: Heard::default(),
    };
    let (old, new) = (key(), Key::generate());
    let before = node(Keyring::new(old.clone()));
    let during = node(Keyring::new(new.clone()).also_accept(old.clone()));
    let after = node(Keyring::new(new.clone()));

    let visitor = before.log_in("alice").await;
    assert_eq!(visitor.at(&after).member().await, None, "retired");
    let mut moved = visitor.at(&during);
    moved.visit(&ignore()).await;
    assert_ne!(moved.cookie(), visitor.cookie(), "sealed anew");
    assert_eq!(moved.at(&after).member().await.unwrap().name, "alice", "c05: with the newest key");

    let mut forged = visitor.at(&after);
    let answer = forged.visit(&ignore()).await;
    assert!(!answer.headers().contains_key(SET_COOKIE), "another node may still know its key");
}

#[tokio::test]
async fn r44_a_running_layer_follows_its_keyring() {
    let ring = Keyring::new(key());
    let app = App {
        layer: SessionLayer::new(MemoryStore::new(), ring.clone()),
        clock: sessile::testkit::SimulatedClock::new(),
        heard: Heard::default(),
    };
    let mut alice = app.log_in("alice").await;
    let old = alice.clone();
    ring.roll_over(Key::generate());
    assert!(alice.member().await.is_some(), "still verifies");
    assert_ne!(alice.cookie(), old.cookie(), "and is re-sealed with the new key");
    drop(ring.revoke(key().id()));
    assert_eq!(old.clone().member().await, None, "revoked at once");
    assert!(alice.member().await.is_some());
}

/// A touch that says `Gone` sends a ticket all the same.
#[tokio::test]
async fn a_ticket_is_not_sent_again_for_a_session_that_the_touch_found_gone() {
    let store = Faulty::new(MemoryStore::new());
    let expiry = Expiry::idle(Duration::from_secs(3600)).renew_after(Duration::from_secs(600));
    let app = App::with(store.clone(), |layer| layer.expiry(expiry));
    let alice = app.log_in("alice").await;
    app.clock.advance(Duration::from_secs(600));
    alice.clone().visit(&ignore()).await; // renewed, and the answer is lost
    app.clock.advance(Duration::from_secs(600));
    let (mut one, mut two) = (alice.clone(), alice.clone());
    store.before(Operation::Touch, async move { drop(two.visit(&log_out()).await) });
    let response = one.visit(&look()).await;
    assert!(!response.headers().contains_key(SET_COOKIE), "{:?}", response.headers());
}

/// Each ticket is good until the next is issued.
fn strict() -> App {
    let expiry = Expiry::idle(60 * MINUTE).without_renewal().strict();
    App::with(MemoryStore::new(), |layer| layer.expiry(expiry))
}

/// Renews by hand, as whoever spends a refresh token does.
fn renew() -> support::Handler {
    handler(|session| async move {
        session.renew().unwrap();
        ok()
    })
}

#[tokio::test]
async fn r64_a_strict_ticket_is_spent_by_its_renewal_and_brings_the_session_down() {
    let app = strict();
    let mut alice = app.log_in("alice").await;
    let mut spent = alice.clone();
    alice.visit(&renew()).await;
    assert_ne!(alice.cookie(), spent.cookie());
    assert_eq!(alice.clone().member().await.unwrap().name, "alice", "the new one is good at once");
    assert_eq!(spent.member().await, None, "the old one never again: no grace");
    assert_eq!(alice.member().await, None, "and two parties hold this session");
    assert_eq!(app.heard.count("TicketReused"), 1);
}

#[tokio::test]
async fn r64_a_strict_ticket_is_spent_also_if_its_successor_was_lost_on_the_way() {
    let app = strict();
    let mut alice = app.log_in("alice").await;
    alice.clone().visit(&renew()).await; // the answer never arrived
    assert_eq!(alice.member().await, None);
    assert_eq!(app.heard.count("TicketReused"), 1);
}

#[tokio::test]
async fn r64_a_strict_ticket_serves_any_number_of_requests_until_it_is_renewed() {
    let app = strict();
    let mut alice = app.log_in("alice").await;
    for _ in 0..5 {
        app.clock.advance(20 * MINUTE);
        assert!(alice.member().await.is_some());
    }
    assert_eq!((app.heard.count("Renewed"), app.heard.count("TicketReused")), (0, 0));
}

#[tokio::test]
async fn r64_strict_renewal_does_not_move_the_absolute_deadline() {
    let expiry = Expiry::idle(60 * MINUTE).absolute(90 * MINUTE).without_renewal().strict();
    let app = App::with(MemoryStore::new(), |layer| layer.expiry(expiry));
    let mut alice = app.log_in("alice").await;
    app.clock.advance(50 * MINUTE);
    alice.visit(&renew()).await;
    app.clock.advance(39 * MINUTE);
    alice.visit(&renew()).await;
    assert!(alice.member().await.is_some());
    app.clock.advance(MINUTE);
    assert_eq!(alice.member().await, None);
}
