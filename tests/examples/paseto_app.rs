//! `examples/paseto_app`: signup, login, a profile for bearers, one session per user.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::http_support::{Program, Reply, get, request, send, serve};

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn p1_b30_signup_needs_the_shared_secret_and_gives_the_role_of_a_user() {
    let (_program, address) = serve("paseto_app");
    for secret in ["", "DEMO", "demo_project", "DEMO_PROJECT "] {
        let reply = post(address, "/v1/users/signup", &signup("alice", secret)).await;
        assert_eq!(reply.status, 403, "{secret:?}: {}", reply.body);
        assert!(!reply.body.contains("Success"), "b34");
    }
    let mut missing = signup("alice", "DEMO_PROJECT");
    missing.as_object_mut().unwrap().remove("referer_secret");
    assert_eq!(post(address, "/v1/users/signup", &missing).await.status, 422);

    let mut asked = signup("alice", "DEMO_PROJECT");
    asked["role"] = json!("admin");
    let reply = post(address, "/v1/users/signup", &asked).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let expected = json!({ "status": "Success", "data": [{
        "username": "alice", "email": "alice@example.com", "role": "user", "firstname": "Alice",
    }]});
    assert_eq!(body(&reply), expected);

    let again = post(address, "/v1/users/signup", &asked).await;
    assert_eq!(again.status, 422, "b31: and no SQL, no hash: {}", again.body);
    for password in ["", "short", &"x".repeat(129)] {
        let mut asked = signup("bob", "DEMO_PROJECT");
        asked["password"] = json!(password);
        assert_eq!(post(address, "/v1/users/signup", &asked).await.status, 422, "b30");
    }
}

#[tokio::test]
async fn p2_b28_a_login_gives_a_token_and_failures_are_alike() {
    let (_program, address) = serve("paseto_app");
    let reply = sign_up_and_log_in(address, "alice").await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let data = &body(&reply)["data"];
    assert!(data["access_token"].as_str().unwrap().starts_with("v4.local."));
    assert_eq!(data["token_type"], "bearer");

    let wrong = log_in(address, "alice", "incorrect horse").await;
    let unknown = log_in(address, "mallory", PASSWORD).await;
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.body, unknown.body);
    assert!(!wrong.headers.contains_key("x-refresh-token"));
}

#[tokio::test]
async fn p4_b25_b32_b33_a_profile_is_for_the_bearer_of_its_own_token() {
    let (_program, address) = serve("paseto_app");
    let alice = token(&sign_up_and_log_in(address, "alice").await);
    let bob = token(&sign_up_and_log_in(address, "bob").await);
    let own = profile(address, "alice", Some(&format!("Bearer {alice}"))).await;
    assert_eq!(own.status, 200);
    assert_eq!(body(&own)["data"][0]["username"], "alice");
    let lower = profile(address, "alice", Some(&format!("bearer {alice}"))).await;
    assert_eq!(lower.status, 200, "b32: schemes have no case");

    assert_eq!(profile(address, "alice", Some(&format!("Bearer {bob}"))).await.status, 403);
    assert_eq!(profile(address, "nobody", Some(&format!("Bearer {bob}"))).await.status, 403);

    let none = profile(address, "alice", None).await;
    assert_eq!(none.said(), (401, r#"{"detail":"PASETO Authorization Token required"}"#));
    assert_eq!(none.lines(WWW_AUTHENTICATE.as_str()), ["Bearer"], "b34");
    let mut tampered = alice.clone();
    tampered.replace_range(30..31, if &alice[30..31] == "A" { "B" } else { "A" });
    let bad = [
        format!("Bearer {tampered}"),
        "Bearer garbage".to_owned(),
        format!("Bearer {}", alice.replace("v4.local", "v4.public")),
        format!("Bearer {alice}.Zm9v"),
    ];
    for line in &bad {
        let reply = profile(address, "alice", Some(line)).await;
        assert_eq!(reply.said(), (401, r#"{"detail":"Invalid token."}"#), "{line}");
    }
    for line in [format!("NotBearerAtAll {alice}"), format!("Basic {alice}")] {
        let reply = profile(address, "alice", Some(&line)).await;
        assert_eq!(reply.said(), none.said(), "b32: {line}");
    }
}

#[tokio::test]
async fn p5_b23_an_expired_token_is_401() {
    let (_program, address) = Program::serve("paseto_app", &[], &[("TOKEN_SECONDS", "1")]);
    let alice = token(&sign_up_and_log_in(address, "alice").await);
    sleep(Duration::from_millis(2_100)).await;
    let reply = profile(address, "alice", Some(&format!("Bearer {alice}"))).await;
    assert_eq!(reply.said(), (401, r#"{"detail":"Token expired."}"#));
}

#[tokio::test]
async fn p6_what_is_delicate_wants_a_fresh_login() {
    let (_program, address) = serve("paseto_app");
    let login = sign_up_and_log_in(address, "alice").await;
    let email = json!({ "email": "new@example.com" });
    let changed = patch(address, "alice", &token(&login), &email).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let refreshed = refresh(address, &login).await;
    assert_eq!(refreshed.status, 201, "{}", refreshed.body);
    assert_eq!(patch(address, "alice", &token(&refreshed), &email).await.status, 401);

    let (_program, address) = Program::serve("paseto_app", &[], &[("FRESH_SECONDS", "0")]);
    let stale = token(&sign_up_and_log_in(address, "alice").await);
    assert_eq!(patch(address, "alice", &stale, &email).await.status, 401);
    let name = json!({ "firstname": "Alicia" });
    assert_eq!(patch(address, "alice", &stale, &name).await.status, 200, "this is not delicate");
}

#[tokio::test]
async fn p6_f05_f06_refresh_tokens_work_once_and_a_log_out_ends_both() {
    let (_program, address) = serve("paseto_app");
    let login = sign_up_and_log_in(address, "alice").await;
    let second = refresh(address, &login).await;
    assert_eq!(second.status, 201);
    assert_eq!(refresh(address, &login).await.status, 401, "spent");
    assert_eq!(refresh(address, &second).await.status, 401, "and the family with it");
    let dead = profile(address, "alice", Some(&format!("Bearer {}", token(&second)))).await;
    assert_eq!(dead.status, 401);

    let again = log_in(address, "alice", PASSWORD).await;
    let mut log_out = request(Method::POST, "/v1/logout");
    let line = format!("Bearer {}", token(&again)).parse().unwrap();
    log_out.headers_mut().insert(AUTHORIZATION, line);
    assert_eq!(send(address, log_out).await.status, 204);
    let after = profile(address, "alice", Some(&format!("Bearer {}", token(&again)))).await;
    assert_eq!(after.status, 401);
    assert_eq!(refresh(address, &again).await.status, 401);
}

#[tokio::test]
async fn p7_a_second_login_ends_the_first() {
    let (_program, address) = serve("paseto_app");
    let first = token(&sign_up_and_log_in(address, "alice").await);
    let bob = token(&sign_up_and_log_in(address, "bob").await);
    let second = token(&log_in(address, "alice", PASSWORD).await);
    let status = async |name: &str, token: &str| {
        profile(address, name, Some(&format!("Bearer {token}"))).await.status
    };
    assert_eq!(status("alice", &first).await, 401);
    assert_eq!(status("alice", &second).await, 200);
    assert_eq!(status("bob", &bob).await, 200);
}

#[tokio::test]
async fn p8_a_profile_can_be_changed_by_its_owner() {
    let (_program, address) = serve("paseto_app");
    let alice = token(&sign_up_and_log_in(address, "alice").await);
    let bob = token(&sign_up_and_log_in(address, "bob").await);
    let name = json!({ "firstname": "Alicia", "role": "admin" });
    assert_eq!(patch(address, "alice", &bob, &name).await.status, 403);
    assert_eq!(patch(address, "alice", &alice, &name).await.status, 200);
    let shown = profile(address, "alice", Some(&format!("Bearer {alice}"))).await;
    let shown = &body(&shown)["data"][0];
    assert_eq!((&shown["firstname"], &shown["role"]), (&json!("Alicia"), &json!("user")));
}

fn signup(name: &str, secret: &str) -> Value {
    json!({
        "username": name, "email": format!("{name}@example.com"), "firstname": "Alice",
        "password": PASSWORD, "referer_secret": secret,
    })
}

async fn sign_up_and_log_in(address: SocketAddr, name: &str) -> Reply {
    let reply = post(address, "/v1/users/signup", &signup(name, "DEMO_PROJECT")).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    log_in(address, name, PASSWORD).await
}

async fn log_in(address: SocketAddr, name: &str, password: &str) -> Reply {
    post(address, "/v1/login", &json!({ "username": name, "password": password })).await
}

async fn refresh(address: SocketAddr, from: &Reply) -> Reply {
    let refresh = body(from)["data"]["refresh_token"].as_str().unwrap().to_owned();
    let mut request = request(Method::POST, "/v1/refresh");
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {refresh}").parse().unwrap());
    send(address, request).await
}

async fn profile(address: SocketAddr, name: &str, authorization: Option<&str>) -> Reply {
    let mut request = get(&format!("/v1/users/{name}"));
    if let Some(line) = authorization {
        request.headers_mut().insert(AUTHORIZATION, line.parse().unwrap());
    }
    send(address, request).await
}

async fn patch(address: SocketAddr, name: &str, token: &str, change: &Value) -> Reply {
    let mut request = with_json(Method::PATCH, &format!("/v1/users/{name}"), change);
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    send(address, request).await
}

async fn post(address: SocketAddr, path: &str, json: &Value) -> Reply {
    send(address, with_json(Method::POST, path, json)).await
}

fn with_json(method: Method, path: &str, json: &Value) -> Request<Full<Bytes>> {
    let mut request = request(method, path);
    request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    *request.body_mut() = Full::from(json.to_string());
    request
}

fn token(reply: &Reply) -> String {
    body(reply)["data"]["access_token"].as_str().unwrap().to_owned()
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{}", reply.body))
}
