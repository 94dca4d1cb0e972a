//! `examples/two_sessions.rs`: users and administrators side by side.

use std::net::SocketAddr;

use http::header::COOKIE;

use crate::http_support::{Reply, Visitor, get, post, send, serve};

const NO_SESSION: (u16, &str) = (403, r#"{"detail":"No session provided"}"#);
const INVALID: (u16, &str) = (401, r#"{"detail":"Invalid session provided"}"#);

#[tokio::test]
async fn seed15_x17_a_route_can_require_both_sessions_and_neither_passes_for_the_other() {
    let (_program, address) = serve("two_sessions");
    let user = ticket(address, "/user/login/alice").await;
    let admin = ticket(address, "/admin/login/root").await;
    let both = r#"{"admin":"root","user":"alice"}"#;
    let cases = [
        ("both", format!("user={user}; admin={admin}"), (200, both)),
        ("both, the other way round", format!("admin={admin}; user={user}"), (200, both)),
        ("only the user", format!("user={user}"), NO_SESSION),
        ("only the administrator", format!("admin={admin}"), NO_SESSION),
        ("the user's ticket as admin", format!("admin={user}"), INVALID),
        ("the user's ticket as both", format!("user={user}; admin={user}"), INVALID),
        ("the administrator's ticket as both", format!("user={admin}; admin={admin}"), INVALID),
        ("swapped", format!("user={admin}; admin={user}"), INVALID),
        ("nothing", String::new(), NO_SESSION),
    ];
    for (name, cookies, expected) in cases {
        assert_eq!(visit(address, "/both", &cookies).await.said(), expected, "{name}");
    }
}

#[tokio::test]
async fn seed15_each_session_has_its_own_data_cookie_and_end() {
    let (_program, address) = serve("two_sessions");
    let mut browser = Visitor::new(address);
    let user = browser.post("/user/login/alice").await;
    assert_eq!(user.said(), (200, r#"{"name":"alice","role":"member"}"#));
    let (name, _, attributes) = user.set_cookie();
    assert_eq!((name, attributes), ("user", vec!["HttpOnly", "Path=/", "SameSite=Lax"]));
    let admin = browser.post("/admin/login/root").await;
    assert_eq!(admin.said(), (200, r#"{"name":"root"}"#));
    let (name, _, attributes) = admin.set_cookie();
    assert_eq!((name, attributes), ("admin", vec!["HttpOnly", "Path=/", "SameSite=Strict"]), "b1");
    assert_eq!(browser.get("/user").await.status, 200, "one log-in did not end the other");
    assert_eq!(browser.get("/admin").await.status, 200);
    let mut former = browser.clone();
    browser.post("/admin/login/toor").await;
    assert_eq!(former.get("/admin").await.said(), (403, r#"{"detail":"invalid session"}"#));
    assert_eq!(browser.get("/user").await.status, 200);
}

#[tokio::test]
async fn seed12_a_guard_refuses_in_its_own_words_and_with_a_challenge() {
    let (_program, address) = serve("two_sessions");
    let user = ticket(address, "/user/login/alice").await;
    let admin = ticket(address, "/admin/login/root").await;
    for cookies in [String::new(), format!("user={user}"), format!("admin={user}")] {
        let reply = visit(address, "/settings", &cookies).await;
        assert_eq!(reply.said(), (401, r#"{"detail":"admin only"}"#), "{cookies}");
        assert_eq!(reply.lines("www-authenticate"), ["Session"], "b34");
    }
    let reply = visit(address, "/settings", &format!("admin={admin}")).await;
    assert_eq!(reply.said(), (200, r#""secret settings""#));
}

#[tokio::test]
async fn seed12_x17_a_verifier_refuses_a_live_session_that_is_not_good_enough() {
    let (_program, address) = serve("two_sessions");
    let member = ticket(address, "/user/login/alice").await;
    let auditor = ticket(address, "/user/login/audrey").await;
    let refused = visit(address, "/reports", &format!("user={member}")).await;
    assert_eq!(refused.said(), (401, r#"{"detail":"auditors only"}"#));
    assert_eq!(refused.lines("www-authenticate"), ["Session"]);
    assert_eq!(visit(address, "/reports", "").await.said(), NO_SESSION);
    let read = visit(address, "/reports", &format!("user={auditor}")).await;
    assert_eq!(read.said(), (200, r#"{"read_by":"audrey","reports":[]}"#));
}

async fn ticket(address: SocketAddr, path: &str) -> String {
    send(address, post(path)).await.set_cookie().1.to_owned()
}

async fn visit(address: SocketAddr, path: &str, cookies: &str) -> Reply {
    let mut request = get(path);
    request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
    send(address, request).await
}
