//! Data are changed through `update`, which loses nothing; not in place.

use serde::{Deserialize, Serialize};
use sessile::Active;

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    visits: u32,
}

fn handle(member: Active<Member>) {
    member.visits += 1;
}

fn main() {
    let _ = handle;
}
