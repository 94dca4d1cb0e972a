//! The examples as a person uses them: in a real browser.
//!
//! ```sh
//! cargo build --examples && scripts/test run cargo test --test browser
//! ```
//! With `TEST_SCREENSHOT=docs/demo.png` it also takes the picture for the README.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(clippy::indexing_slicing, reason = "of JSON, which answers null")]

#[path = "../support/http.rs"]
mod http_support;

mod demo;
mod devices;
mod driver;
