//! A rule about roles wants data that say which there are.

use serde::{Deserialize, Serialize};
use sessile::guard::{RequireLayer, has_role};

#[derive(Clone, Serialize, Deserialize)]
struct Member;

fn main() {
    let _layer = RequireLayer::<Member>::new(has_role("admin"));
}
