//! Only a layer can say that there is a session: data alone make none.

use sessile::{Active, Values};

fn make_up() -> Active<Values> {
    Values::new()
}

fn main() {}
