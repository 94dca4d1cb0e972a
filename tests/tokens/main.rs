//! Tokens: every published vector gets the verdict that it names, wrong claims are no claims, and
//! access tokens open what a layer and a guard say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::clone_on_ref_ptr,
    clippy::str_to_string,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod access;
mod claims;
mod keys;
mod one_time;
mod pairs;
mod vectors;

use std::time::{Duration, UNIX_EPOCH};

use sessile::Key;
use sessile::testkit::SimulatedClock;
use sessile::token::{Jwt, JwtKey, Tokens};

/// A clock that stands at this second.
fn at(secs: u64) -> SimulatedClock {
    SimulatedClock::starting_at(UNIX_EPOCH + Duration::from_secs(secs))
}

fn key() -> Key {
    Key::from_text("5b0f8e3c1a97d264f08b6ce1459a7d3320fbe19c84d6570a3ef81b2c96a40d75").unwrap()
}

fn jwt() -> Jwt {
    Jwt::new(JwtKey::derived_from(&key()))
}

/// JSON Web Tokens for the audience `shop`.
fn tokens() -> Tokens {
    Tokens::new(jwt(), "shop")
}
