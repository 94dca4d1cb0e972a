//! What the tickets of a transport are made of, in words.

/// What the tickets of a transport are made of, for [reports](crate::Report).
///
/// ```
/// use sessile::codec::TicketFormat;
/// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// assert_eq!(sessions.report().transports[0].format, TicketFormat::Signed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TicketFormat {
    /// The session's id, a generation and an HMAC-SHA-256, under the application's
    /// [`Key`](crate::Key).
    Signed,
    /// The session itself, sealed by a [`Carrier`](super::Carrier).
    Carried,
    /// The session's id and a time, signed as fastapi-sessions does: HMAC-SHA-1 under a secret of
    /// any length.
    FastapiSessions,
}

impl TicketFormat {
    /// `signed`, `carried` or `fastapi_sessions`.
    ///
    /// ```
    /// use sessile::codec::TicketFormat;
    /// assert_eq!(TicketFormat::FastapiSessions.as_str(), "fastapi_sessions");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Carried => "carried",
            Self::FastapiSessions => "fastapi_sessions",
        }
    }

    /// Whether a ticket says which of its session's tickets it is, so that one that comes back
    /// after its successor can give a thief away.
    ///
    /// ```
    /// use sessile::codec::TicketFormat;
    /// assert!(TicketFormat::Signed.has_generations());
    /// assert!(!TicketFormat::Carried.has_generations()); // an older one is as good as the newest
    /// ```
    pub const fn has_generations(self) -> bool {
        matches!(self, Self::Signed)
    }
}
