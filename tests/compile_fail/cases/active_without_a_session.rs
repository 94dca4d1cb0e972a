//! Only a layer can say that there is a session: a handler cannot put the proof together.

use sessile::guard::IsActive;
use sessile::{Active, Permitted, Session, Snapshot, Values};

fn forge(session: Session<Values>, data: Snapshot<Values>) {
    let active = Active { session, data };
    let _permitted = Permitted::<Values, IsActive> { active, guard: Default::default() };
}

fn main() {}
