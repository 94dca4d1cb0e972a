//! `Permitted` makes its guard by itself, for each request.

use axum_core::extract::FromRequestParts;
use sessile::guard::{Attempt, Guard};
use sessile::{Denied, Permitted, Values};

struct Named(&'static str);

impl Guard<Values> for Named {
    fn check(&self, attempt: &Attempt<'_, Values>) -> Result<(), Denied> {
        if attempt.data().contains_key(self.0) { Ok(()) } else { Err(Denied::forbidden()) }
    }
}

fn extracts<E: FromRequestParts<()>>() {}

fn main() {
    extracts::<Permitted<Values, Named>>();
}
