//! Session data must serialise.

use sessile::store::MemoryStore;
use sessile::{Key, SessionLayer};

#[derive(Clone)]
struct Member;

fn main() {
    let _layer = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate());
}
