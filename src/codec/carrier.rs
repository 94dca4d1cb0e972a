//! Tickets that carry the whole session.

use std::fmt;

use crate::event::Rejection;
use crate::key::KeyId;

/// Puts a session into its ticket, and takes it out again: [`Sealed`](crate::codec::Sealed), or a
/// token format of one's own.
///
/// What it seals must come back unchanged or not at all: the session in it is trusted. A ticket of
/// one purpose (such as `cookie:__Host-sid`) must not open under another. That an [older
/// ticket](crate::SessionLayer#an-older-ticket-is-as-good-as-the-newest) opens as well, no
/// carrier can prevent.
///
/// One that leaves the sealing to another and adds the version of its format:
///
/// ```
/// # #[cfg(feature = "sealed")] {
/// use sessile::codec::{Carried, Carrier, Sealed};
/// use sessile::{Key, Rejection};
///
/// #[derive(Debug)]
/// struct Versioned(Sealed);
///
/// impl Carrier for Versioned {
///     fn seal(&self, purpose: &str, payload: &[u8]) -> Option<String> {
///         Some(format!("v1.{}", self.0.seal(purpose, payload)?))
///     }
///
///     fn open(&self, purpose: &str, ticket: &[u8]) -> Result<Carried, Rejection> {
///         let sealed = ticket.strip_prefix(b"v1.").ok_or(Rejection::Malformed)?;
///         let Carried { payload, old_key, .. } = self.0.open(purpose, sealed)?;
///         Ok(Carried::new(payload, old_key))
///     }
/// }
///
/// let carrier = Versioned(Sealed::new(Key::generate()));
/// let ticket = carrier.seal("cookie:a", b"payload").unwrap();
/// assert_eq!(carrier.open("cookie:a", ticket.as_bytes()).unwrap().payload, b"payload");
/// # }
/// ```
pub trait Carrier: fmt::Debug + Send + Sync + 'static {
    /// The ticket for this payload, of ASCII characters that a cookie value may have (RFC 6265,
    /// 4.1.1); `None` if it cannot be made.
    fn seal(&self, purpose: &str, payload: &[u8]) -> Option<String>;

    /// The payload of a ticket.
    ///
    /// # Errors
    /// Why it is none of ours; the client does not see it.
    fn open(&self, purpose: &str, ticket: &[u8]) -> Result<Carried, Rejection>;

    /// The ids of its keys, the one that seals first, for [reports](crate::Report). None by
    /// default: the keys are not of this crate, or nobody's affair.
    fn key_ids(&self) -> Vec<KeyId> {
        Vec::new()
    }
}

/// What a ticket carried. Its `Debug` does not show it.
///
/// ```
/// use sessile::codec::Carried;
/// let carried = Carried::new(b"what ann told us".to_vec(), false);
/// assert!(!carried.old_key);
/// assert_eq!(format!("{carried:?}"), "Carried { old_key: false, .. }");
/// ```
#[non_exhaustive]
pub struct Carried {
    /// What was sealed.
    pub payload: Vec<u8>,
    /// It is under an older key, and is to be sealed anew on the way out.
    pub old_key: bool,
}

impl Carried {
    /// A payload that came out of a ticket.
    pub const fn new(payload: Vec<u8>, old_key: bool) -> Self {
        Self { payload, old_key }
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried").field("old_key", &self.old_key).finish_non_exhaustive()
    }
}
