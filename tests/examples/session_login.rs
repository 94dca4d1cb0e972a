//! `examples/session_login.rs`: the session-based log-in module and its next steps.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::COOKIE;
use tokio::time::sleep;

use crate::http_support::{Program, Visitor, get, post, send, serve};

const WELCOME: (u16, &str) = (200, r#"{"message":"Welcome, alice!"}"#);
const OVER: (u16, &str) = (401, r#"{"detail":"Invalid or expired session"}"#);
const KEY: &str = "5b0f8e3c1a97d264f08b6ce1459a7d3320fbe19c84d6570a3ef81b2c96a40d75";

#[tokio::test]
async fn m1_log_in_answers_a_redirect_that_carries_the_cookie() {
    let (_program, address) = serve("session_login");
    let reply = send(address, post("/login?username=alice")).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/profile")));
    assert_eq!(reply.lines("content-length"), ["0"]);
    let (name, value, attributes) = reply.set_cookie();
    assert_eq!((name, value.len()), ("session_id", 48));
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax"], "b1, until the browser closes");
}

#[tokio::test]
async fn m1_log_in_without_a_name_is_422_and_makes_no_session() {
    let (_program, address) = serve("session_login");
    for path in ["/login", "/login?username=", "/login?user=alice"] {
        let reply = send(address, post(path)).await;
        assert_eq!(reply.said(), (422, r#"{"detail":"username is missing"}"#), "{path}");
        assert!(reply.set_cookies().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn m2_the_profile_is_for_those_with_a_session() {
    let (_program, address) = serve("session_login");
    let mut alice = log_in(address).await;
    assert_eq!(alice.get("/profile").await.said(), WELCOME);
    let mut replay = alice.clone();
    alice.post("/logout").await;
    assert_eq!(replay.get("/profile").await.said(), OVER, "replayed after logout");

    let anonymous = send(address, get("/profile")).await;
    assert_eq!(anonymous.said(), (403, r#"{"detail":"No session provided"}"#));
    let mut tampered = get("/profile");
    tampered.headers_mut().insert(COOKIE, "session_id=tampered".parse().unwrap());
    let tampered = send(address, tampered).await;
    assert_eq!(tampered.said(), (401, r#"{"detail":"Invalid session provided"}"#));
}

#[tokio::test]
async fn m3_b2_logout_redirects_home_and_removes_the_cookie() {
    let (_program, address) = serve("session_login");
    let mut alice = log_in(address).await;
    let reply = alice.post("/logout").await;
    assert_eq!((reply.status, reply.location()), (303, Some("/")));
    let (name, value, attributes) = reply.set_cookie();
    assert_eq!((name, value), ("session_id", ""));
    assert_eq!(attributes, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"]);
    assert_eq!(alice.get("/").await.said(), (200, r#"{"logged_in":false}"#), "b7");
}

#[tokio::test]
async fn b3_logout_of_a_session_that_is_over_is_refused_and_no_500() {
    let (_program, address) = serve("session_login");
    let mut alice = log_in(address).await;
    let mut replay = alice.clone();
    alice.post("/logout").await;
    assert_eq!(replay.post("/logout").await.said(), OVER);
}

#[tokio::test]
async fn m5_b13_a_new_log_in_gives_a_new_id_and_the_old_one_is_dead_at_once() {
    let (_program, address) = serve("session_login");
    let mut browser = log_in(address).await;
    let mut old = browser.clone();
    let again = browser.post("/login?username=bob").await;
    assert_ne!(again.set_cookie().1, old.cookie("session_id").unwrap());
    assert_eq!(old.get("/profile").await.said(), OVER);
    assert_eq!(browser.get("/profile").await.said(), (200, r#"{"message":"Welcome, bob!"}"#));
}

#[tokio::test]
async fn m5_b14_r07_a_session_ends_when_it_is_idle_for_too_long_and_lives_on_when_it_is_used() {
    // Long enough that a busy machine lets the one be seen in time.
    let variables = [("IDLE_SECONDS", "10")];
    let (_program, address) = Program::serve("session_login", &[], &variables);
    let (mut idle, mut busy) = (log_in(address).await, log_in(address).await);
    for _ in 0..11 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(busy.get("/profile").await.said(), WELCOME, "used within the limit");
    }
    assert_eq!(idle.get("/profile").await.said(), OVER, "r11: though the cookie is still sent");
}

#[tokio::test]
async fn m5_r08_a_session_ends_at_its_absolute_limit_however_busy() {
    let variables = [("IDLE_SECONDS", "3"), ("ABSOLUTE_SECONDS", "3")];
    let (_program, address) = Program::serve("session_login", &[], &variables);
    let busy = log_in(address).await;
    assert_eq!(busy.clone().get("/profile").await.said(), WELCOME);
    for _ in 0..7 {
        sleep(Duration::from_millis(500)).await;
        busy.clone().get("/profile").await;
    }
    assert_eq!(busy.clone().get("/profile").await.said(), OVER);
}

#[tokio::test]
async fn x6_s13_a_ticket_signed_with_our_key_for_a_session_we_never_had_gives_none() {
    let key = [("SESSION_KEY", KEY)];
    let (_one, one) = Program::serve("session_login", &[], &key);
    let (_other, other) = Program::serve("session_login", &[], &key);
    let ticket = log_in(one).await.cookie("session_id").unwrap();
    let mut request = get("/profile");
    request.headers_mut().insert(COOKIE, format!("session_id={ticket}").parse().unwrap());
    assert_eq!(send(other, request).await.said(), OVER, "r02: nor is one made for it");
}

#[tokio::test]
async fn m7_b18_a_short_secret_stops_the_program_with_a_remedy() {
    for (key, remedy) in [("c0ffee", "32 bytes"), ("", "32 bytes"), ("hunter2!", "openssl rand")] {
        let mut program = Program::run("session_login", &[], &[("SESSION_KEY", key)]);
        let (status, errors) = program.end();
        assert_eq!(status.code(), Some(1), "{key:?}");
        assert!(errors.contains("SESSION_KEY") && errors.contains(remedy), "{key:?}: {errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

async fn log_in(address: SocketAddr) -> Visitor {
    let mut visitor = Visitor::new(address);
    let reply = visitor.post("/login?username=alice").await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    visitor
}
