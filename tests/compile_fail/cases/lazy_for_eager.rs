//! A lazy session must be loaded before it is read.

use sessile::{LazySession, Session, Values};

fn greet(session: &Session<Values>) -> bool {
    session.get().is_some()
}

fn handle(lazy: &LazySession<Values>) {
    greet(lazy);
    lazy.get();
}

fn main() {}
