//! A guard that answers with a refusal's reason must say which way it decides.

use sessile::guard::{Attempt, Guard};
use sessile::{Denied, Values};

struct Nobody;

impl Guard<Values> for Nobody {
    fn check(&self, _: &Attempt<'_, Values>) -> Result<(), Denied> {
        Denied::forbidden()
    }
}

fn main() {}
