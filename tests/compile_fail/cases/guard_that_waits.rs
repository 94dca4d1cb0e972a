//! A guard reads what is loaded; it cannot wait.

use sessile::Values;
use sessile::guard::{Attempt, RequireLayer};

fn main() {
    let _layer = RequireLayer::<Values>::new(|_: &Attempt<'_, Values>| async { true });
}
