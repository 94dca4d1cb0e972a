//! `examples/guards.rs`: roles and permissions on an API that refuses by default.

use std::net::SocketAddr;

use crate::http_support::{Visitor, request, serve};

const DENIED: (u16, &str) = (403, r#"{"detail":"Access denied"}"#);
const UNKNOWN: (u16, &str) = (404, r#"{"detail":"User not found"}"#);
const NONE: (u16, &str) = (401, r#"{"detail":"no session provided"}"#);

#[tokio::test]
async fn everything_is_closed_but_what_is_named_open() {
    let (_program, address) = serve("guards");
    let mut anybody = Visitor::new(address);
    let open = r#"{"open":["GET /","POST /login/*"]}"#;
    assert_eq!(anybody.get("/").await.said(), (200, open));
    for path in ["/whoami", "/users", "/users/bob", "/reports", "/no/such/page", "//", "/login/ann"]
    {
        assert_eq!(anybody.get(path).await.said(), NONE, "{path}");
    }
    assert_eq!(anybody.post("/").await.said(), NONE);
    assert_eq!(anybody.post("/login/../users").await.said(), NONE);
    assert_eq!(anybody.post("/login/nobody").await.said(), UNKNOWN);
}

#[tokio::test]
async fn f7_p4_everybody_may_what_the_policy_says_and_is_refused_in_the_seeds_words() {
    let (_program, address) = serve("guards");
    let users = (200, r#"["ann","sam","rita","bob","eve"]"#);
    let deleted = (200, r#"{"deleted":"bob"}"#);
    let exported = (200, r#"{"exported_by":"rita","reports":[]}"#);
    let bob = (200, r#"{"name":"bob"}"#);
    for (name, expected) in [
        ("ann", [users, bob, deleted, DENIED]),
        ("sam", [users, bob, DENIED, DENIED]),
        ("rita", [DENIED, DENIED, DENIED, exported]),
        ("bob", [DENIED, bob, DENIED, DENIED]),
        ("eve", [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]),
    ] {
        let mut visitor = log_in(address, name).await;
        let answers = [
            visitor.get("/users").await,
            visitor.get("/users/bob").await,
            visitor.send(request(http::Method::DELETE, "/users/bob")).await,
            visitor.get("/reports").await,
        ];
        for (answer, expected) in answers.iter().zip(expected) {
            assert_eq!(answer.said(), expected, "{name}");
        }
    }
    let mut sam = log_in(address, "sam").await;
    assert_eq!(sam.get("/whoami").await.said(), (200, r#"{"name":"sam","roles":["support"]}"#));
}

async fn log_in(address: SocketAddr, name: &str) -> Visitor {
    let mut visitor = Visitor::new(address);
    assert_eq!(visitor.post(&format!("/login/{name}")).await.status, 200);
    visitor
}
