//! A key has no text to be logged or sent.

use sessile::Key;

fn main() {
    println!("{}", Key::generate());
}
