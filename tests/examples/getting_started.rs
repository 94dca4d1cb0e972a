//! `examples/getting_started.rs`: the quick start of fastapi-sessions.

use http::header::COOKIE;

use crate::http_support::{Reply, Visitor, get, post, request, send, serve};

const NO_SESSION: (u16, &str) = (403, r#"{"detail":"No session provided"}"#);
const INVALID: (u16, &str) = (401, r#"{"detail":"Invalid session provided"}"#);
const GONE: (u16, &str) = (403, r#"{"detail":"invalid session"}"#);

#[tokio::test]
async fn seed01_x1_x3_a_session_is_created_and_tells_who_it_belongs_to() {
    let (_program, address) = serve("getting_started");
    let mut alice = Visitor::new(address);
    let created = alice.post("/create_session/alice").await;
    assert_eq!(created.said(), (200, r#""created session for alice""#));
    let mut bob = Visitor::new(address);
    bob.post("/create_session/bob").await;
    for (visitor, name) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let reply = visitor.get("/whoami").await;
        let body = format!(r#"{{"username":"{name}"}}"#);
        assert_eq!(reply.said(), (200, &*body), "s1: sessions do not mix");
        assert_eq!(reply.lines("content-type"), ["application/json"]);
    }
}

#[tokio::test]
async fn seed05_b1_the_cookie_has_exactly_the_attributes_of_the_seed() {
    let (_program, address) = serve("getting_started");
    let created = send(address, post("/create_session/alice")).await;
    let (name, value, attributes) = created.set_cookie();
    assert_eq!(name, "cookie");
    assert_eq!(value.len(), 48, "s3: id, generation and tag in base64url");
    assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax"]);
    assert_eq!(created.lines("cache-control"), ["no-store"], "c06");
}

#[tokio::test]
async fn seed07_x2_without_a_cookie_or_with_an_empty_one_nobody_passes() {
    let (_program, address) = serve("getting_started");
    for cookie in [None, Some("cookie="), Some("other=1"), Some("")] {
        let reply = whoami(address, cookie).await;
        assert_eq!(reply.said(), NO_SESSION, "{cookie:?}");
        assert!(reply.set_cookies().is_empty(), "{cookie:?}");
    }
}

#[tokio::test]
async fn seed08_x4_x5_b4_a_ticket_that_is_not_ours_is_refused_and_left_alone() {
    let (_program, address) = serve("getting_started");
    let (_other_program, other) = serve("getting_started");
    let ticket = ticket(address).await;
    let last = if ticket.ends_with('A') { "Q" } else { "A" };
    let cases = [
        ("a character more in front", format!("x{ticket}")),
        ("a character more behind", format!("{ticket}x")),
        ("a character less", ticket[..47].to_owned()),
        ("the last character changed", format!("{}{last}", &ticket[..47])),
        ("padding (b6)", format!("{ticket}=")),
        ("garbage", "garbage".to_owned()),
        ("three parts", "a.b.c".to_owned()),
        ("a bare uuid", "8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11".to_owned()),
        ("48 letters", "A".repeat(48)),
        ("very long (b5)", "A".repeat(8000)),
        ("another application's, under another key", self::ticket(other).await),
    ];
    for (name, value) in cases {
        let reply = whoami(address, Some(&format!("cookie={value}"))).await;
        assert_eq!(reply.said(), INVALID, "{name}");
        assert!(reply.set_cookies().is_empty(), "{name}: a roll-out may be under way");
    }
    let good = whoami(address, Some(&format!("cookie={ticket}"))).await;
    assert_eq!(good.status, 200, "none of them harmed the real one");
}

#[tokio::test]
async fn seed13_x9_the_ticket_of_a_deleted_session_is_refused_and_cleared() {
    let (_program, address) = serve("getting_started");
    let mut alice = Visitor::new(address);
    alice.post("/create_session/alice").await;
    let mut replay = alice.clone();
    alice.post("/delete_session").await;
    let refused = replay.get("/whoami").await;
    assert_eq!(refused.said(), GONE);
    assert_eq!(refused.set_cookie().1, "");
    assert_eq!(replay.get("/whoami").await.said(), NO_SESSION, "the jar is clean");
}

#[tokio::test]
async fn seed16_reading_sends_no_cookie_and_writes_nothing() {
    let (_program, address) = serve("getting_started");
    let mut alice = Visitor::new(address);
    alice.post("/create_session/alice").await;
    for _ in 0..3 {
        let reply = alice.get("/whoami").await;
        assert!(reply.set_cookies().is_empty());
        assert_eq!(reply.lines("cache-control"), ["private"]);
        assert_eq!(reply.lines("vary"), ["cookie"]);
    }
}

#[tokio::test]
async fn seed17_x8_b2_deleting_removes_the_cookie_with_the_attributes_it_was_made_with() {
    let (_program, address) = serve("getting_started");
    let mut alice = Visitor::new(address);
    alice.post("/create_session/alice").await;
    let deleted = alice.post("/delete_session").await;
    assert_eq!(deleted.said(), (200, r#""deleted session""#));
    let (name, value, attributes) = deleted.set_cookie();
    assert_eq!((name, value), ("cookie", ""));
    assert_eq!(attributes, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"]);
    assert_eq!(alice.cookie("cookie"), None);
}

#[tokio::test]
async fn seed18_x11_deleting_without_or_with_a_bad_cookie_is_refused_as_reading_is() {
    let (_program, address) = serve("getting_started");
    let ticket = ticket(address).await;
    assert_eq!(send(address, post("/delete_session")).await.said(), NO_SESSION);
    let mut bad = post("/delete_session");
    bad.headers_mut().insert(COOKIE, format!("cookie=x{ticket}").parse().unwrap());
    assert_eq!(send(address, bad).await.said(), INVALID);
    let good = whoami(address, Some(&format!("cookie={ticket}"))).await;
    assert_eq!(good.status, 200, "it was not deleted");
}

#[tokio::test]
async fn b3_x10_deleting_again_is_an_answer_and_no_500() {
    let (_program, address) = serve("getting_started");
    let mut alice = Visitor::new(address);
    alice.post("/create_session/alice").await;
    let mut replay = alice.clone();
    assert_eq!(alice.post("/delete_session").await.status, 200);
    assert_eq!(replay.post("/delete_session").await.said(), GONE);
}

#[tokio::test]
async fn seed20_x13_b36_the_cookie_is_found_among_others_of_its_name_in_any_order() {
    let (_program, address) = serve("getting_started");
    let c = ticket(address).await;
    let d = ticket(address).await;
    let one = |line: &str| vec![line.to_owned()];
    let cases = [
        ("behind garbage", one(&format!("cookie=garbage; cookie={c}")), 200),
        ("before garbage", one(&format!("cookie={c}; cookie=garbage")), 200),
        ("twice the same", one(&format!("cookie={c}; cookie={c}")), 200),
        ("among others", one(&format!("a=1; xcookie=2; cookie={c}; b=3")), 200),
        ("garbage in a line before", vec!["cookie=garbage".into(), format!("cookie={c}")], 200),
        ("garbage in a line behind", vec![format!("cookie={c}"), "cookie=garbage".into()], 200),
        ("another name", one(&format!("Cookie={c}")), 403),
        // Where the seed takes the last one and strips quotes, we trust neither (r17, r20).
        ("two sessions at once", one(&format!("cookie={c}; cookie={d}")), 401),
        ("in quotes", one(&format!("cookie=\"{c}\"")), 401),
    ];
    for (name, lines, status) in cases {
        let mut request = get("/whoami");
        for line in &lines {
            request.headers_mut().append(COOKIE, line.parse().unwrap());
        }
        assert_eq!(send(address, request).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn b13_m5_a_new_session_ends_the_one_that_the_browser_had() {
    let (_program, address) = serve("getting_started");
    let mut alice = Visitor::new(address);
    alice.post("/create_session/alice").await;
    let mut planted = alice.clone();
    let created = alice.post("/create_session/alice").await;
    assert_ne!(created.set_cookie().1, planted.cookie("cookie").unwrap());
    assert_eq!(planted.get("/whoami").await.said(), GONE);
    assert_eq!(alice.get("/whoami").await.status, 200);
}

#[tokio::test]
async fn only_the_methods_of_the_seed_answer() {
    let (_program, address) = serve("getting_started");
    for (method, path) in [("GET", "/create_session/alice"), ("GET", "/delete_session")] {
        let reply = send(address, request(method.parse().unwrap(), path)).await;
        assert_eq!(reply.status, 405, "{method} {path}");
    }
}

async fn ticket(address: std::net::SocketAddr) -> String {
    let created = send(address, post("/create_session/alice")).await;
    created.set_cookie().1.to_owned()
}

async fn whoami(address: std::net::SocketAddr, cookie: Option<&str>) -> Reply {
    let mut request = get("/whoami");
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    }
    send(address, request).await
}
