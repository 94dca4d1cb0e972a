//! A guard that reads administrators does not judge members.

use serde::{Deserialize, Serialize};
use sessile::Denied;
use sessile::guard::{Attempt, Guard, RequireLayer};

#[derive(Clone, Serialize, Deserialize)]
struct Member;

#[derive(Clone, Serialize, Deserialize)]
struct Admin;

struct AdminsOnly;

impl Guard<Admin> for AdminsOnly {
    fn check(&self, _: &Attempt<'_, Admin>) -> Result<(), Denied> {
        Ok(())
    }
}

fn main() {
    let _layer = RequireLayer::<Member>::new(AdminsOnly);
}
