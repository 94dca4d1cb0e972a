//! What a guard asks for must be able to stand in a session.

use sessile::RequireSession;

struct Member;

fn main() {
    let _guard = RequireSession::<Member>::new();
}
