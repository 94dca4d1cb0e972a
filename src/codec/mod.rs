//! What a ticket is made of: [`Signed`].

mod signed;

pub(crate) use self::signed::Signed;
use crate::id::Id;

/// The length of a ticket in characters.
pub(crate) const TICKET_LEN: usize = 48;

/// What a verified ticket says: which session, and which generation of its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: Id,
    pub(crate) generation: u32,
}

/// A ticket that verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) ticket: Ticket,
    /// It is under an older key of the ring and is to be sealed anew on the way out.
    pub(crate) old_key: bool,
}
