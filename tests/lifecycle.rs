//! The life of a session: created, read, edited, ended; its deadlines; what is never written.

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

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use sessile::store::MemoryStore;
use sessile::{ErrorKind, Expiry, Id, NewSession, Status};
use support::{App, Member, Visitor, count_visit, handler, ignore, log_out, look, ok, status};

const MINUTE: Duration = Duration::from_secs(60);

fn app() -> App {
    App::new(MemoryStore::new())
}

#[tokio::test]
async fn a_session_is_created_read_edited_and_ended() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    assert_eq!(alice.member().await, Some(Member::named("alice")));
    alice.visit(&count_visit()).await;
    alice.visit(&count_visit()).await;
    assert_eq!(alice.member().await.unwrap().visits, 2);
    let replay = alice.clone();
    alice.visit(&log_out()).await;
    assert_eq!(alice.cookie(), None, "the cookie was removed");
    assert_eq!(replay.clone().member().await, None, "r29: the old ticket is dead");
    assert_eq!(app.heard.count("Created"), 1);
    assert_eq!(app.heard.count("Destroyed"), 1);
}

#[tokio::test]
async fn seed16_reading_sends_no_cookie_and_an_untouched_session_leaves_no_trace() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let untouched = alice.visit(&ignore()).await;
    assert!(untouched.headers().is_empty(), "{:?}", untouched.headers());
    let read = alice.visit(&look()).await;
    assert!(!read.headers().contains_key(SET_COOKIE));
    assert_eq!(read.headers()[CACHE_CONTROL], "private");
    assert_eq!(read.headers()[VARY], "cookie");
    let mut stranger = Visitor::new(&app);
    let untouched = stranger.visit(&ignore()).await;
    assert!(untouched.headers().is_empty());
}

#[tokio::test]
async fn c23_the_default_cookie_is_locked_to_host_and_https() {
    let app = app();
    let response = app
        .send(
            &[],
            &handler(|session| async move {
                session.create(Member::named("alice")).unwrap();
                session.create(Member::named("bob")).unwrap();
                ok()
            }),
        )
        .await;
    let lines: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
    assert_eq!(lines.len(), 1, "s16: two creates, one Set-Cookie");
    let line = lines[0].to_str().unwrap();
    let (pair, attributes) = line.split_once("; ").unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!((name, value.len()), ("__Host-sid", 48));
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn c07_every_accessor_counts_as_a_look_at_the_session() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let looks: [(&str, fn(&sessile::Session<Member>)); 6] = [
        ("get", |session| drop(session.get())),
        ("status", |session| assert_eq!(session.status(), Status::Active)),
        ("id", |session| assert!(session.id().is_some())),
        ("meta", |session| drop(session.meta())),
        ("expiry", |session| assert!(session.expiry().is_some())),
        ("Active", |session| drop(sessile::Active::from_session(session))),
    ];
    for (name, look) in looks {
        let response = alice
            .visit(&handler(move |session| {
                look(&session);
                async { ok() }
            }))
            .await;
        assert_eq!(response.headers().get(VARY).unwrap(), "cookie", "{name}");
    }
}

#[tokio::test]
async fn r04_logging_in_again_ends_the_session_one_came_with() {
    let app = app();
    let mut visitor = app.log_in("anonymous").await;
    let planted = visitor.clone();
    visitor
        .visit(&handler(|session| async move {
            session.create(Member::named("alice")).unwrap();
            ok()
        }))
        .await;
    assert_ne!(visitor.cookie(), planted.cookie());
    assert_eq!(visitor.member().await.unwrap().name, "alice");
    assert_eq!(planted.clone().member().await, None, "r05: a planted ticket is never logged in");
    assert_eq!(app.heard.count("Replaced"), 1);
}

#[tokio::test]
async fn r07_r08_idle_slides_with_use_and_absolute_ends_it_whatever_happens() {
    let app = app(); // idle 30 minutes, absolute 12 hours
    let mut busy = app.log_in("busy").await;
    let mut idle = app.log_in("idle").await;
    for _ in 0..35 {
        app.clock.advance(20 * MINUTE);
        busy.visit(&ignore()).await;
    }
    assert!(busy.member().await.is_some(), "11 h 40 min of use");
    assert_eq!(idle.member().await, None, "unused");
    app.clock.advance(20 * MINUTE);
    assert_eq!(busy.member().await, None, "12 hours are over");
}

#[tokio::test]
async fn s06_just_before_the_deadline_is_alive_and_exactly_at_it_is_not() {
    let app = app();
    for (name, after, alive) in [
        ("just before", 30 * MINUTE - Duration::from_millis(1), true),
        ("exactly at", 30 * MINUTE, false),
        ("just after", 30 * MINUTE + Duration::from_millis(1), false),
    ] {
        let mut visitor = app.log_in(name).await;
        app.clock.advance(after);
        assert_eq!(visitor.member().await.is_some(), alive, "{name}");
    }
}

#[tokio::test]
async fn a_remembered_session_keeps_its_limits_and_its_persistence_through_later_writes() {
    let app =
        App::with(MemoryStore::new(), |layer| layer.expiry(Expiry::default().without_renewal()));
    let mut visitor = Visitor::new(&app);
    let response = visitor
        .visit(&handler(|session| async move {
            let new = NewSession::with(Member::named("alice"));
            session.create(new.remember(30 * 24 * 60 * MINUTE)).unwrap();
            ok()
        }))
        .await;
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; Max-Age=2592000"), "{cookie}");
    app.clock.advance(24 * 60 * MINUTE);
    visitor.visit(&count_visit()).await;
    app.clock.advance(20 * 24 * 60 * MINUTE);
    let response = visitor
        .visit(&handler(|session| async move {
            session.renew().unwrap();
            ok()
        }))
        .await;
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; Max-Age=777600"), "nine days remain: {cookie}");
    app.clock.advance(9 * 24 * 60 * MINUTE);
    assert_eq!(visitor.member().await, None, "c08: never later than what was set");
}

#[tokio::test]
async fn seed21_a_slow_write_cannot_undo_a_logout() {
    let app = app();
    let alice = app.log_in("alice").await;
    let (mut slow, mut quick) = (alice.clone(), alice.clone());
    let response = slow
        .visit(&handler(move |session| {
            let mut quick = quick.clone();
            async move {
                session.update(|member| member.visits += 1).unwrap();
                quick.visit(&log_out()).await;
                ok()
            }
        }))
        .await;
    assert_eq!(response.status(), 200, "c01: losing the race is silent");
    assert!(!response.headers().contains_key(SET_COOKIE));
    quick = alice;
    assert_eq!(quick.member().await, None, "and nothing came back");
}

#[tokio::test]
async fn a_commit_of_an_ended_session_says_gone() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let other = alice.clone();
    let response = alice
        .visit(&handler(move |session| {
            let mut other = other.clone();
            async move {
                session.update(|member| member.visits += 1).unwrap();
                other.visit(&log_out()).await;
                let gone = session.commit().await.unwrap_err();
                assert_eq!(gone.kind(), ErrorKind::Gone);
                assert!(session.get().is_none());
                ok()
            }
        }))
        .await;
    assert!(!response.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn an_equal_value_written_again_is_no_change() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let version = |app: &App, mut visitor: Visitor| {
        let seen = Arc::new(Mutex::new(0));
        let slot = Arc::clone(&seen);
        let app = app.clone();
        async move {
            drop(app);
            visitor
                .visit(&handler(move |session| {
                    *slot.lock().unwrap() = session.meta().unwrap().version;
                    async { ok() }
                }))
                .await;
            *seen.lock().unwrap()
        }
    };
    let before = version(&app, alice.clone()).await;
    alice
        .visit(&handler(|session| async move {
            session.update(|member| member.name = "alice".to_owned()).unwrap();
            session.replace(Member::named("alice")).unwrap();
            ok()
        }))
        .await;
    assert_eq!(version(&app, alice.clone()).await, before);
    alice.visit(&count_visit()).await;
    assert_eq!(version(&app, alice.clone()).await, before + 1);
}

#[tokio::test]
async fn a_failing_handler_keeps_no_edit_but_every_end() {
    let app = app();
    let fails = handler(|session| async move {
        session.update(|member| member.visits += 1).unwrap();
        status(500)
    });
    let mut alice = app.log_in("alice").await;
    alice.visit(&fails).await;
    assert_eq!(alice.member().await.unwrap().visits, 0, "the edit was dropped");

    let keeping = App::with(MemoryStore::new(), |layer| layer.keep_edits_on_server_error());
    let mut kept = keeping.log_in("alice").await;
    kept.visit(&fails).await;
    assert_eq!(kept.member().await.unwrap().visits, 1, "unless the layer keeps them");

    let replay = alice.clone();
    let response = alice
        .visit(&handler(|session| async move {
            session.destroy().unwrap();
            status(500)
        }))
        .await;
    assert_eq!(response.status(), 500);
    assert_eq!(alice.cookie(), None);
    assert_eq!(replay.clone().member().await, None, "the end of a session happens all the same");

    let mut stranger = Visitor::new(&app);
    stranger
        .visit(&handler(|session| async move {
            session.create(Member::named("mallory")).unwrap();
            status(503)
        }))
        .await;
    assert_eq!(stranger.cookie(), None, "a login that failed is none");
}

#[tokio::test]
async fn editing_after_the_head_has_left_is_an_error() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let escaped = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&escaped);
    alice
        .visit(&handler(move |session| {
            *slot.lock().unwrap() = Some(session);
            async { ok() }
        }))
        .await;
    let session = escaped.lock().unwrap().take().unwrap();
    let kinds = [
        session.update(|member| member.visits += 1).unwrap_err().kind(),
        session.replace(Member::default()).unwrap_err().kind(),
        session.create(Member::default()).unwrap_err().kind(),
        session.destroy().unwrap_err().kind(),
        session.renew().unwrap_err().kind(),
        session.commit().await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Closed; 6]);
    assert_eq!(session.get().unwrap().name, "alice", "reading still works");
}

#[tokio::test]
async fn without_a_session_there_is_nothing_to_edit_and_ending_it_is_fine() {
    let app = app();
    app.send(
        &[],
        &handler(|session| async move {
            assert_eq!(session.status(), Status::NoTicket);
            assert_eq!(session.update(|_| ()).unwrap_err().kind(), ErrorKind::NoSession);
            assert_eq!(session.renew().unwrap_err().kind(), ErrorKind::NoSession);
            session.destroy().unwrap();
            assert_eq!(session.status(), Status::Ended);
            session.commit().await.unwrap();
            ok()
        }),
    )
    .await;
    assert_eq!(app.heard.all(), Vec::<String>::new(), "c17: and nothing was stored");
}

#[tokio::test]
async fn edits_of_one_request_follow_one_another() {
    let app = app();
    let cases: [(&str, fn(&sessile::Session<Member>), Option<u32>); 5] = [
        (
            "create, update",
            |s| {
                s.create(Member::named("new")).unwrap();
                s.update(|m| m.visits = 7).unwrap();
            },
            Some(7),
        ),
        (
            "update, update",
            |s| {
                s.update(|m| m.visits += 1).unwrap();
                assert_eq!(
                    s.update(|m| {
                        m.visits += 1;
                        m.visits
                    })
                    .unwrap(),
                    2
                );
                assert_eq!(s.get().unwrap().visits, 2, "own edits show");
            },
            Some(2),
        ),
        (
            "destroy, create",
            |s| {
                s.destroy().unwrap();
                assert!(s.update(|_| ()).is_err());
                s.create(Member::named("new")).unwrap();
            },
            Some(0),
        ),
        (
            "create, destroy",
            |s| {
                s.create(Member::named("new")).unwrap();
                s.destroy().unwrap();
            },
            None,
        ),
        (
            "update, destroy",
            |s| {
                s.update(|m| m.visits += 1).unwrap();
                s.destroy().unwrap();
            },
            None,
        ),
    ];
    for (name, edit, visits) in cases {
        let mut visitor = app.log_in("alice").await;
        let before = visitor.clone();
        visitor
            .visit(&handler(move |session| {
                edit(&session);
                async { ok() }
            }))
            .await;
        assert_eq!(visitor.member().await.map(|m| m.visits), visits, "{name}");
        if visitor.cookie() != before.cookie() {
            assert_eq!(before.clone().member().await, None, "{name}: the old session is over");
        }
    }
}

#[tokio::test]
async fn an_update_that_edits_its_own_session_is_refused_rather_than_looping() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    alice
        .visit(&handler(|session| async move {
            let inner = session.clone();
            let error = session
                .update(move |member| {
                    inner.update(|member| member.visits += 1).unwrap();
                    member.visits
                })
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            ok()
        }))
        .await;
}

#[tokio::test]
async fn commit_writes_before_the_response_and_the_handle_stays_open() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    let other = alice.clone();
    alice
        .visit(&handler(move |session| {
            let mut other = other.clone();
            async move {
                session.update(|member| member.visits += 1).unwrap();
                session.commit().await.unwrap();
                assert_eq!(other.member().await.unwrap().visits, 1, "others see it already");
                other.visit(&count_visit()).await;
                session.update(|member| member.visits += 1).unwrap();
                ok()
            }
        }))
        .await;
    assert_eq!(alice.member().await.unwrap().visits, 3);
}

#[tokio::test]
async fn a_login_committed_early_still_gets_its_cookie() {
    let app = app();
    let mut visitor = Visitor::new(&app);
    let id: Arc<Mutex<Option<Id>>> = Arc::default();
    let slot = Arc::clone(&id);
    visitor
        .visit(&handler(move |session| {
            let slot = Arc::clone(&slot);
            async move {
                *slot.lock().unwrap() = Some(session.create(Member::named("alice")).unwrap());
                session.commit().await.unwrap();
                ok()
            }
        }))
        .await;
    assert_eq!(visitor.member().await.unwrap().name, "alice");
    assert_eq!(app.heard.count("Created"), 1, "once");
    assert!(id.lock().unwrap().is_some());
}

#[tokio::test]
async fn a_dead_ticket_is_cleared_for_a_navigation_but_not_by_a_background_request() {
    let app = app();
    let alice = app.log_in("alice").await;
    alice.clone().visit(&log_out()).await;
    let mut fetch = alice.clone();
    let answer = fetch.visit_with(&[("sec-fetch-dest", "empty")], &ignore()).await;
    assert!(!answer.headers().contains_key(SET_COOKIE), "it may be late, after a new login");
    let mut page = alice.clone();
    let answer = page.visit_with(&[("sec-fetch-dest", "document")], &ignore()).await;
    assert!(answer.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    let mut curl = alice.clone();
    curl.visit(&ignore()).await;
    assert_eq!(curl.cookie(), None);
}

#[tokio::test]
async fn a_ticket_that_does_not_verify_is_left_alone_and_told_once() {
    let app = app();
    let valid = app.log_in("alice").await;
    let ticket = valid.ticket().unwrap();
    let flipped = if ticket.starts_with('A') { "B" } else { "A" };
    let cases = [
        ("forged", format!("__Host-sid={flipped}{}", &ticket[1..]), "Forged"),
        ("truncated", format!("__Host-sid={}", &ticket[..47]), "Malformed"),
        ("over-long", format!("__Host-sid={ticket}A"), "Malformed"),
        ("garbage", "__Host-sid=../../etc/passwd".to_owned(), "Malformed"),
        ("quoted", format!("__Host-sid=\"{ticket}\""), "Malformed"),
        ("padded", format!("__Host-sid={ticket}=="), "Malformed"),
    ];
    for (name, cookie, reason) in cases {
        app.heard.clear();
        let response = app.send(&[("cookie", &cookie)], &look()).await;
        assert!(!response.headers().contains_key(SET_COOKIE), "{name}");
        assert_eq!(app.heard.all().len(), 1, "{name}");
        assert_eq!(app.heard.count(reason), 1, "{name}: {:?}", app.heard.all());
    }
}

#[tokio::test]
async fn r17_of_several_cookies_exactly_one_session_may_verify() {
    let app = app();
    let (mut alice, mut bob) = (app.log_in("alice").await, app.log_in("bob").await);
    assert!(alice.member().await.is_some() && bob.member().await.is_some());
    let a = alice.cookie().unwrap();
    let b = bob.cookie().unwrap();
    let cases = [
        ("garbage first", format!("__Host-sid=garbage; {a}"), Some("alice")),
        ("garbage last", format!("{a}; __Host-sid=garbage"), Some("alice")),
        ("the same twice", format!("{a}; x=y; {a}"), Some("alice")),
        ("two sessions", format!("{a}; {b}"), None),
        ("two sessions, other order", format!("{b}; {a}"), None),
    ];
    for (name, cookie, expected) in cases {
        let mut visitor = Visitor::new(&app);
        let seen = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&seen);
        let look = handler(move |session| {
            *slot.lock().unwrap() = session.get().map(|member| member.name.clone());
            async { ok() }
        });
        visitor.visit_with(&[("cookie", &cookie)], &look).await;
        assert_eq!(seen.lock().unwrap().as_deref(), expected, "{name}");
    }
    assert_eq!(app.heard.count("Ambiguous"), 2);
}

#[tokio::test]
async fn expiry_says_when_the_session_ends_if_it_is_not_used_after_this_request() {
    let app = app();
    let mut alice = app.log_in("alice").await;
    app.clock.advance(29 * MINUTE);
    let clock = app.clock.clone();
    let left = handler(move |session| {
        let left = session.expiry().unwrap().duration_since(sessile::Clock::now(&clock)).unwrap();
        async move { http::Response::new(format!("{left:?}")) }
    });
    assert_eq!(alice.visit(&left).await.body(), "1800s");
}

#[tokio::test]
async fn remembering_for_a_time_keeps_the_cookie_for_no_less() {
    let app = app();
    let clock = app.clock.clone();
    let log_in = handler(move |session| {
        let new = NewSession::with(Member::named("alice")).remember(1000 * MINUTE);
        session.create(new).unwrap();
        clock.advance(Duration::from_millis(20)); // the rest of the handler
        async { ok() }
    });
    let response = app.send(&[], &log_in).await;
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("Max-Age=60000"), "{cookie}");
}
