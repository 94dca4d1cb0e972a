//! What the sessions hold, and proof that the handlers saw it.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// The session's data in every scenario.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Member {
    pub user_id: u64,
    pub name: String,
    pub roles: Vec<String>,
}

impl Member {
    /// Somebody who has just logged in.
    pub fn sample() -> Self {
        Self { user_id: 42, name: "Grace Hopper".to_owned(), roles: vec!["admin".to_owned()] }
    }
}

static SEEN: AtomicU64 = AtomicU64::new(0);

/// Notes what a handler found, so that a scenario can be checked and nothing is optimised away.
pub fn saw(member: Option<&Member>) {
    let seen = member.map_or(0, |member| {
        black_box((member.name.as_str(), member.roles.as_slice()));
        member.user_id
    });
    SEEN.store(seen, Ordering::Relaxed);
}

/// The user id that the last handler found; 0 if there was no session.
pub fn seen() -> u64 {
    SEEN.load(Ordering::Relaxed)
}
