//! `examples/csrf_form.rs`: what other sites send is refused, and what lacks a token.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ORIGIN, VARY};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use serde_json::Value;

use crate::http_support::{Program, Visitor, form, post, serve};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

type Asked = Request<Full<Bytes>>;

fn with(mut request: Asked, lines: &[(HeaderName, &str)]) -> Asked {
    for (name, value) in lines {
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    request
}

fn json(name: &str, token: Option<&str>) -> Asked {
    let mut request = with(post("/api/name"), &[(CONTENT_TYPE, "application/json")]);
    *request.body_mut() = Full::from(format!(r#"{{"name":"{name}"}}"#));
    match token {
        Some(token) => with(request, &[(TOKEN, token)]),
        None => request,
    }
}

async fn log_in(address: SocketAddr) -> Visitor {
    let mut visitor = Visitor::new(address);
    let reply = visitor.send(form("/login", "name=alice")).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/")), "{}", reply.body);
    visitor
}

/// The name of the visitor, and a token of their session.
async fn look(visitor: &mut Visitor) -> (String, String) {
    let reply = visitor.get("/api/token").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let said: Value = serde_json::from_str(&reply.body).unwrap();
    (said["name"].as_str().unwrap().to_owned(), said["csrf_token"].as_str().unwrap().to_owned())
}

/// What a browser would send with the forms of the page.
async fn hidden_fields(visitor: &mut Visitor) -> Vec<String> {
    let page = visitor.get("/").await.body;
    let fields = page.split(r#"name="csrf_token" value=""#).skip(1);
    fields.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn m6_b17_r47_a_cross_site_logout_is_refused_and_the_session_still_works() {
    let (_program, address) = serve("csrf_form");
    let mut alice = log_in(address).await;
    let (_, token) = look(&mut alice).await;
    let own = format!("http://{address}");
    let lookalike = format!("http://{address}.evil.example");
    let https = format!("https://{address}1");
    let field = format!("csrf_token={token}");
    for lines in [
        vec![(SITE, "cross-site")],
        vec![(SITE, "cross-site"), (ORIGIN, "https://evil.example")],
        vec![(SITE, "cross-site"), (ORIGIN, own.as_str())],
        vec![(SITE, "same-site"), (ORIGIN, "http://blog.localhost")],
        vec![(ORIGIN, "https://evil.example")],
        vec![(ORIGIN, lookalike.as_str())],
        vec![(ORIGIN, https.as_str())],
        vec![(ORIGIN, "null")],
    ] {
        for request in [post("/logout"), form("/logout", &field)] {
            let reply = alice.send(with(request, &lines)).await;
            assert_eq!(reply.status, 403, "{lines:?}: {}", reply.body);
            assert!(reply.body.contains(r#""kind":"cross_site""#), "{}", reply.body);
            assert_eq!(reply.lines(VARY.as_str()), ["sec-fetch-site, origin"]);
            assert!(reply.set_cookies().is_empty(), "{lines:?}");
        }
        assert_eq!(look(&mut alice).await.0, "alice", "{lines:?}");
    }
    for lines in [
        vec![(SITE, "same-origin"), (ORIGIN, own.as_str())],
        vec![(SITE, "none")],
        vec![(ORIGIN, own.as_str())],
        vec![],
    ] {
        let mut alice = log_in(address).await;
        let token = look(&mut alice).await.1;
        let request = form("/logout", &format!("csrf_token={token}"));
        let reply = alice.send(with(request, &lines)).await;
        assert_eq!((reply.status, reply.location()), (303, Some("/")), "{lines:?}: {}", reply.body);
        assert_eq!(alice.get("/api/token").await.status, 401, "{lines:?}");
    }
}

#[tokio::test]
async fn r49_another_site_cannot_log_a_visitor_in() {
    let (program, address) = serve("csrf_form");
    let navigation = (HeaderName::from_static("sec-fetch-mode"), "navigate");
    for lines in [
        vec![(SITE, "cross-site"), navigation.clone(), (ORIGIN, "https://evil.example")],
        vec![(SITE, "same-site"), navigation.clone()],
        vec![(ORIGIN, "https://evil.example")],
        vec![(ORIGIN, "null")],
    ] {
        let mut visitor = Visitor::new(address);
        let reply = visitor.send(with(form("/login", "name=mallory"), &lines)).await;
        assert_eq!(reply.status, 403, "{lines:?}");
        assert!(reply.set_cookies().is_empty(), "{lines:?}");
        assert_eq!(visitor.get("/api/token").await.status, 401);
    }
    let mut visitor = Visitor::new(address);
    let lines = [(SITE, "same-origin"), navigation];
    assert_eq!(visitor.send(with(form("/login", "name=ann"), &lines)).await.status, 303);
    assert_eq!(look(&mut visitor).await.0, "ann");

    let told = |program: &Program| loop {
        let line = program.line().expect("it still runs");
        if line.starts_with("refused") {
            break line;
        }
    };
    assert_eq!(told(&program), r#"refused: POST /login from "https://evil.example": cross_site"#);
    assert_eq!(told(&program), r#"refused: POST /login from "nowhere": same_site"#);
}

#[tokio::test]
async fn r50_what_lacks_a_token_of_this_session_is_refused_and_done_by_nobody() {
    let (_program, address) = serve("csrf_form");
    let (mut alice, mut bob) = (log_in(address).await, log_in(address).await);
    let (_, of_alice) = look(&mut alice).await;
    let (_, of_bob) = look(&mut bob).await;
    for token in [None, Some(""), Some("x"), Some(&*of_bob), Some(&of_alice[1..])] {
        let refused = alice.send(json("eve", token)).await;
        assert_eq!(refused.status, 403, "{token:?}");
        assert!(refused.body.contains(r#""kind":"csrf_token""#), "{}", refused.body);
        for path in ["/name", "/logout"] {
            let fields = token.map_or_else(String::new, |token| format!("&csrf_token={token}"));
            let refused = alice.send(form(path, &format!("name=eve{fields}"))).await;
            assert_eq!(refused.status, 403, "{path} {token:?}");
        }
        assert_eq!(look(&mut alice).await.0, "alice", "{token:?}");
    }
    let done = alice.send(json("ann", Some(&of_alice))).await;
    assert_eq!(done.said(), (200, r#"{"name":"ann"}"#));
    let done = alice.send(form("/name", &format!("name=amy&csrf_token={of_alice}"))).await;
    assert_eq!((done.status, done.location()), (303, Some("/")));
    assert_eq!(look(&mut alice).await.0, "amy");
}

#[tokio::test]
async fn r50_a_token_from_before_the_login_is_worth_nothing() {
    let (_program, address) = serve("csrf_form");
    let mut alice = log_in(address).await;
    let fields = hidden_fields(&mut alice).await;
    assert_eq!(fields.len(), 2, "{fields:?}");
    let again = hidden_fields(&mut alice).await;
    assert!(!again.contains(&fields[0]), "a token repeated: {again:?}");
    assert_eq!(alice.send(form("/login", "name=bob")).await.status, 303);
    for token in fields.iter().chain(&again) {
        let refused = alice.send(form("/name", &format!("name=eve&csrf_token={token}"))).await;
        assert_eq!(refused.status, 403);
    }
    let fresh = hidden_fields(&mut alice).await;
    let done = alice.send(form("/name", &format!("name=rob&csrf_token={}", fresh[1]))).await;
    assert_eq!(done.status, 303);
    assert_eq!(look(&mut alice).await.0, "rob");
}
