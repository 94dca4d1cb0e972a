//! What a report says of tickets: what each transport carries, and how a session ends early.

use std::time::Duration;

use crate::codec::TicketFormat;
use crate::shared::{Bound, Shared};
use crate::transport::Description;

/// One of the ways in which tickets travel, as a [report](super::Report) lists it.
///
/// ```
/// use sessile::transport::{Cookie, Query};
/// use sessile::{Key, SessionLayer, TransportReport, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .transport(Cookie::host("sid"))
///     .or_transport(Query::named("ticket"));
/// let transports: Vec<TransportReport> = sessions.report().transports;
/// assert_eq!(&*transports[0].description.name, "__Host-sid");
/// assert!(transports[1].single_use && !transports[0].single_use);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportReport {
    /// Where the ticket is, as the transport says.
    pub description: Description,
    /// What the ticket is made of.
    pub format: TicketFormat,
    /// Whether a ticket is good for one handshake, and is not the session's own.
    pub single_use: bool,
    /// Whether tickets are taken here and given out elsewhere.
    pub read_only: bool,
}

impl TransportReport {
    pub(super) fn of<T>(bound: &Bound, shared: &Shared<T>) -> Self {
        let carried = shared.tickets.is_some();
        Self {
            description: bound.transport.describe(),
            format: if carried { TicketFormat::Carried } else { bound.codec.format() },
            single_use: bound.transport.is_single_use(),
            read_only: bound.read_only,
        }
    }
}

/// How a session can be ended before it expires, as a [report](super::Report) says it.
///
/// ```
/// use sessile::{Key, RevocationKind, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// assert_eq!(sessions.report().revocation, RevocationKind::Store);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationKind {
    /// It is removed from the store.
    Store,
    /// Its id is kept on a deny list; none lives longer than this.
    DenyList(Duration),
    /// Not at all: see [`Revocation::impossible`](crate::Revocation::impossible).
    Impossible,
}

impl RevocationKind {
    /// `store`, `deny_list` or `impossible`.
    ///
    /// ```
    /// use sessile::RevocationKind;
    /// assert_eq!(RevocationKind::Impossible.as_str(), "impossible");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::DenyList(_) => "deny_list",
            Self::Impossible => "impossible",
        }
    }

    pub(super) fn of<T>(shared: &Shared<T>) -> Self {
        match &shared.tickets {
            None => Self::Store,
            Some(tickets) => {
                tickets.revocation().longest().map_or(Self::Impossible, Self::DenyList)
            }
        }
    }

    /// How long a session lives at most on account of it.
    pub(super) const fn longest(self) -> Duration {
        match self {
            Self::DenyList(longest) => longest,
            Self::Store | Self::Impossible => Duration::MAX,
        }
    }
}
