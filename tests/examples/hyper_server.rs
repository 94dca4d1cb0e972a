//! `examples/hyper_server.rs`: no web framework.

use crate::http_support::{Visitor, get, post, send, serve};

#[tokio::test]
async fn log_in_profile_and_logout_work_without_a_framework() {
    let (_program, address) = serve("hyper_server");
    let mut alice = Visitor::new(address);
    let reply = alice.post("/login/alice").await;
    assert_eq!((reply.status, reply.location()), (303, Some("/profile")));
    let (name, _, attributes) = reply.set_cookie();
    assert_eq!((name, attributes), ("sid", vec!["HttpOnly", "Path=/", "SameSite=Lax"]));
    for visit in 1..=3 {
        let welcome = format!("Welcome, alice! Visit {visit}.");
        assert_eq!(alice.get("/profile").await.said(), (200, &*welcome));
    }
    let mut replay = alice.clone();
    let reply = alice.post("/logout").await;
    assert_eq!((reply.status, reply.location()), (303, Some("/")));
    assert_eq!(alice.cookie("sid"), None);
    assert_eq!(replay.get("/profile").await.status, 401);
}

#[tokio::test]
async fn b34_refusals_are_problem_json_in_the_applications_own_body_type() {
    let (_program, address) = serve("hyper_server");
    let reply = send(address, get("/profile")).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.lines("content-type"), ["application/problem+json"]);
    assert_eq!(reply.lines("www-authenticate"), ["Session"]);
    let problem: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(problem["status"], 401);
    assert_eq!(problem["title"], "Unauthorized");
    assert_eq!(problem["detail"], "no session provided");
}

#[tokio::test]
async fn b3_logout_without_a_session_is_fine() {
    let (_program, address) = serve("hyper_server");
    let reply = send(address, post("/logout")).await;
    assert_eq!(reply.status, 303);
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn unknown_routes_are_404_and_leave_no_trace_of_sessions() {
    let (_program, address) = serve("hyper_server");
    for request in [get("/"), post("/login/"), get("/login/alice")] {
        let reply = send(address, request).await;
        assert_eq!((reply.status, reply.set_cookies().len()), (404, 0));
    }
}
