//! The examples, run as programs and asked over real HTTP and gRPC: what the seeds promise, row by
//! row. Rows that no example shows are run against servers inside the test.
//!
//! The programs are found beside this one: `cargo test` builds them, `cargo test --test examples`
//! does not and needs `cargo build --examples` first.

#![allow(clippy::unwrap_used, clippy::string_slice, reason = "a test may panic")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(clippy::future_not_send, reason = "each test has a thread of its own")]

#[path = "../support/http.rs"]
mod http_support;
#[path = "../support/services.rs"]
mod services;

mod admin;
mod anchor;
mod cluster;
mod csrf_form;
mod demo;
mod devices;
mod fastauth;
mod getting_started;
mod grpc;
mod guards;
mod hyper_server;
mod layer;
mod migrate_fastapi_sessions;
mod openapi;
mod openid_login;
mod paseto_app;
mod programs;
mod session_login;
mod two_sessions;
