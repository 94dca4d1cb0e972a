//! What a ticket is made of.
//!
//! By default it is the session's id, the generation of the ticket and a tag that only the
//! application's [`Key`](crate::Key) can make, in 48 characters; the session is in a store. Other
//! tickets are those of a system that one moves from, and those that a [`Carrier`] makes, which
//! have the whole session in them: see [`SessionLayer::carried`](crate::SessionLayer::carried).

mod carrier;
#[cfg(feature = "fastapi-sessions")]
mod fastapi_sessions;
mod format;
#[cfg(feature = "sealed")]
mod sealed;
mod signed;

pub use self::carrier::{Carried, Carrier};
#[cfg(feature = "fastapi-sessions")]
pub(crate) use self::fastapi_sessions::Cookies;
#[cfg(feature = "fastapi-sessions")]
pub use self::fastapi_sessions::FastapiSessions;
pub use self::format::TicketFormat;
#[cfg(feature = "sealed")]
pub use self::sealed::Sealed;
pub(crate) use self::signed::{Signed, Token};
use crate::clock::Timestamp;
use crate::event::Rejection;
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

/// What opens and seals the tickets of one transport.
#[derive(Debug)]
pub(crate) enum Codec {
    Signed(Signed),
    #[cfg(feature = "fastapi-sessions")]
    FastapiSessions(Cookies),
}

/// A sealed ticket.
pub(crate) enum Text {
    Signed(Token),
    Other(String),
}

impl Codec {
    /// What a ticket says. `now` is asked of those that have a time in them.
    #[inline]
    pub(crate) fn open(
        &self,
        value: &[u8],
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Opened, Rejection> {
        match self {
            Self::Signed(signed) => {
                drop(now);
                signed.open(value)
            }
            #[cfg(feature = "fastapi-sessions")]
            Self::FastapiSessions(cookies) => {
                let (id, old_key) = cookies.open(value, now())?;
                // They have no generations: as good as the newest, whichever that is.
                Ok(Opened { ticket: Ticket { id, generation: u32::MAX }, old_key })
            }
        }
    }

    pub(crate) fn seal(&self, ticket: &Ticket, now: impl FnOnce() -> Timestamp) -> Text {
        match self {
            Self::Signed(signed) => {
                drop(now);
                Text::Signed(signed.seal(ticket))
            }
            #[cfg(feature = "fastapi-sessions")]
            Self::FastapiSessions(cookies) => Text::Other(cookies.seal(ticket, now())),
        }
    }

    /// What its tickets are made of.
    pub(crate) const fn format(&self) -> TicketFormat {
        match self {
            Self::Signed(_) => TicketFormat::Signed,
            #[cfg(feature = "fastapi-sessions")]
            Self::FastapiSessions(_) => TicketFormat::FastapiSessions,
        }
    }

    /// Whether a value has the length of one of ours.
    pub(crate) fn may_be(&self, value: &[u8]) -> bool {
        match self {
            Self::Signed(_) => value.len() == TICKET_LEN,
            #[cfg(feature = "fastapi-sessions")]
            Self::FastapiSessions(_) => value.len() <= fastapi_sessions::LONGEST,
        }
    }
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Signed(token) => token.as_str(),
            Self::Other(text) => text,
        }
    }
}
