//! What all example programs have in common.

use std::net::{Ipv4Addr, TcpListener};

use crate::http_support::{Program, serve};

const SERVERS: &[(&str, &[&str])] = &[
    ("csrf_form", &[]),
    ("admin", &[]),
    ("guards", &[]),
    ("demo", &[]),
    ("devices", &[]),
    ("fastauth", &[]),
    ("getting_started", &[]),
    ("session_login", &[]),
    ("two_sessions", &[]),
    ("hyper_server", &[]),
    ("grpc", &["server"]),
    ("openapi", &[]),
    ("paseto_app", &[]),
    ("openid_login", &[]),
];

#[test]
fn a_port_that_is_taken_ends_the_program_with_a_remedy() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (name, arguments) in SERVERS.iter().copied() {
        let mut program = Program::run(name, arguments, &[("PORT", &port)]);
        let (status, errors) = program.end();
        assert_eq!(status.code(), Some(1), "{name}: {errors}");
        let told = format!("cannot listen on 127.0.0.1:{port}");
        assert!(errors.contains(&told) && errors.contains("PORT=3001"), "{name}: {errors}");
        assert!(!errors.contains("panicked"), "{name}: {errors}");
    }
}

#[test]
fn a_port_that_is_no_number_is_an_error_and_no_default() {
    for (name, arguments) in SERVERS.iter().copied() {
        let (status, errors) = Program::run(name, arguments, &[("PORT", "http")]).end();
        assert_eq!(status.code(), Some(1), "{name}: {errors}");
        assert!(errors.contains("cannot listen on 127.0.0.1:http"), "{name}: {errors}");
    }
}

#[test]
fn two_of_one_kind_run_side_by_side_on_ports_of_their_own() {
    let (_one, one) = serve("demo");
    let (_two, two) = serve("demo");
    assert_ne!(one, two);
    assert!(one.ip().is_loopback(), "nobody else on the network is served");
}
