//! An update may run again later, on newer data: it cannot borrow from the handler.

use serde::{Deserialize, Serialize};
use sessile::{Error, Session};

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
}

fn rename(session: &Session<Member>, name: &str) -> Result<(), Error> {
    session.update(|member| member.name = name.to_owned())
}

fn main() {
    let _ = rename;
}
