//! The handle that a handler works with: [`Session`], [`Active`] when there must be a live one,
//! [`LazySession`] when it is only loaded on demand.

mod active;
mod edits;
mod handle;
mod lazy;
mod new;
mod state;

pub use self::active::Active;
pub(crate) use self::edits::Edits;
pub use self::handle::{Session, Snapshot};
pub use self::lazy::LazySession;
pub use self::new::NewSession;
pub use self::state::Status;
pub(crate) use self::state::{Base, Inner, Left, Live, Owed, Unread};
