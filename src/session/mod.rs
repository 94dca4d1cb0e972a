//! The handle that a handler works with: [`Session`], [`Active`] when there must be a live one,
//! [`LazySession`] when it is only loaded on demand.

use http::Extensions;

mod active;
mod edits;
mod flight;
mod handle;
mod issued;
mod lazy;
mod new;
mod state;

pub use self::active::Active;
pub(crate) use self::edits::{Edits, New};
pub use self::handle::{Session, Snapshot};
pub use self::lazy::LazySession;
pub use self::new::NewSession;
pub use self::state::Status;

/// What a layer puts into a request's extensions: one entry, of one type, so that two layers of
/// the same session type find each other.
#[derive(Debug)]
pub(crate) enum Mounted<T> {
    /// Loaded.
    Eager(Session<T>),
    /// Not yet.
    Lazy(LazySession<T>),
}

impl<T: Send + Sync + 'static> Mounted<T> {
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

impl<T> Clone for Mounted<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Eager(session) => Self::Eager(session.clone()),
            Self::Lazy(session) => Self::Lazy(session.clone()),
        }
    }
}
pub(crate) use self::state::{
    Base, GivenUp, Inner, Kept, Left, Live, Owed, Unread, Unverified, Vain,
};
