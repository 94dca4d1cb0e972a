//! `examples/grpc`: sessions over gRPC, asked with a tonic client.

use std::net::SocketAddr;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request};

use self::profile_service::{Empty, LogInRequest, ProfileClient};
use crate::http_support::Program;

#[path = "../../examples/grpc/profile_service.rs"]
#[allow(dead_code, reason = "only the client's half is used here")]
mod profile_service;

#[tokio::test]
async fn log_in_answers_a_ticket_in_the_metadata_and_later_calls_bring_it_back() {
    let (_program, mut client) = serve().await;
    let ticket = log_in(&mut client, "alice").await;
    for visit in 1..=3 {
        let answer = client.profile(with(&ticket, Empty {})).await.unwrap();
        assert!(!answer.metadata().contains_key("authorization"), "s16: reading sends no ticket");
        let profile = answer.into_inner();
        assert_eq!((&*profile.name, profile.visits), ("alice", visit));
    }
}

#[tokio::test]
async fn a_call_without_a_valid_ticket_is_unauthenticated() {
    let (_program, mut client) = serve().await;
    let ticket = log_in(&mut client, "alice").await;
    let token = ticket.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    let refused = client.profile(Request::new(Empty {})).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "no session provided"));
    let cases = [
        ("garbage", "Bearer garbage".to_owned()),
        ("a character changed", format!("Bearer x{}", &token[1..])),
        ("another scheme", format!("Basic {token}")),
        ("b32: a scheme that only contains ours", format!("NotBearerAtAll {token}")),
        ("no scheme", token.clone()),
        ("empty", String::new()),
    ];
    for (name, value) in cases {
        let request = with(&value.parse().unwrap(), Empty {});
        let refused = client.profile(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{name}");
        assert!(!refused.message().contains(&token), "{name}");
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = with(&format!("{scheme} {token}").parse().unwrap(), Empty {});
        assert!(client.profile(request).await.is_ok(), "b32: {scheme}");
    }
}

#[tokio::test]
async fn after_log_out_the_ticket_is_dead() {
    let (_program, mut client) = serve().await;
    let ticket = log_in(&mut client, "alice").await;
    let answer = client.log_out(with(&ticket, Empty {})).await.unwrap();
    assert_eq!(answer.metadata().get("authorization").unwrap(), "", "the client is told");
    let refused = client.profile(with(&ticket, Empty {})).await.unwrap_err();
    let told = (refused.code(), refused.message());
    assert_eq!(told, (Code::Unauthenticated, "the session has ended"));
    assert!(client.log_out(with(&ticket, Empty {})).await.is_ok(), "b3: again is fine");
    assert!(client.log_out(Request::new(Empty {})).await.is_ok(), "b3: without one, too");
}

#[tokio::test]
async fn b13_logging_in_again_ends_the_session_that_the_call_came_with() {
    let (_program, mut client) = serve().await;
    let first = log_in(&mut client, "alice").await;
    let request = with(&first, LogInRequest { name: "bob".into() });
    let answer = client.log_in(request).await.unwrap();
    let second = answer.metadata().get("authorization").unwrap().clone();
    assert_ne!(first, second);
    let refused = client.profile(with(&first, Empty {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(client.profile(with(&second, Empty {})).await.unwrap().into_inner().name, "bob");
}

#[tokio::test]
async fn a_refused_log_in_makes_no_session() {
    let (_program, mut client) = serve().await;
    let refused = client.log_in(Request::new(LogInRequest { name: String::new() })).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(!refused.metadata().contains_key("authorization"));
}

#[tokio::test]
async fn calls_at_the_same_time_are_all_counted() {
    let (_program, mut client) = serve().await;
    let ticket = log_in(&mut client, "alice").await;
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let (mut client, request) = (client.clone(), with(&ticket, Empty {}));
            tokio::spawn(async move { client.profile(request).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let profile = client.profile(with(&ticket, Empty {})).await.unwrap().into_inner();
    assert_eq!(profile.visits, 33);
}

#[test]
fn the_tour_runs_against_itself_and_against_a_server() {
    let tour = [
        "Profile without a ticket: Unauthenticated, no session provided",
        "LogIn as alice: a ticket came in the metadata",
        "Profile: alice, visit 1",
        "Profile: alice, visit 2",
        "LogOut",
        "Profile with the old ticket: Unauthenticated, the session has ended",
    ];
    let mut alone = Program::run("grpc", &[], &[]);
    assert_eq!(alone.rest(), tour);
    assert!(alone.end().0.success());
    let (_server, address) = server();
    let mut client = Program::run("grpc", &["client", &format!("http://{address}")], &[]);
    assert_eq!(client.rest(), tour);
    assert!(client.end().0.success());
}

#[test]
fn unknown_arguments_and_absent_servers_end_in_an_error() {
    for (arguments, told) in [
        (&["serve"][..], "usage: grpc"),
        (&["client"], "usage: grpc"),
        (&["client", "http://127.0.0.1:1"], "Connection refused"),
    ] {
        let (status, errors) = Program::run("grpc", arguments, &[]).end();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
        assert!(errors.contains(told), "{arguments:?}: {errors}");
    }
}

fn server() -> (Program, SocketAddr) {
    Program::serve("grpc", &["server"], &[])
}

async fn serve() -> (Program, ProfileClient) {
    let (program, address) = server();
    (program, ProfileClient::connect(format!("http://{address}")).await.unwrap())
}

async fn log_in(client: &mut ProfileClient, name: &str) -> MetadataValue<Ascii> {
    let answer = client.log_in(Request::new(LogInRequest { name: name.to_owned() })).await;
    answer.unwrap().metadata().get("authorization").unwrap().clone()
}

fn with<M>(ticket: &MetadataValue<Ascii>, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", ticket.clone());
    request
}
