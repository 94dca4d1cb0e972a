//! Verifiers: is this session good for this request?
//!
//! A verifier is asked once per request, after the session was loaded and before anything else
//! sees it. It may void the session for this request, end it, or ask for a fresh login. A closure
//! is one:
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! # use sessile::{Key, SessionLayer, store::MemoryStore};
//! use sessile::verify::{Verdict, Visit};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Member { name: String, locked: bool }
//!
//! let sessions = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
//!     .verifier(|visit: &Visit<'_, Member>| {
//!         if visit.record.data.locked { Verdict::Void("locked") } else { Verdict::Pass }
//!     });
//! ```
//!
//! Ready ones:
//!
//! - [`SubjectEpoch`]: sessions from before the password change are void;
//! - [`Fingerprint`]: the client is another one than at login;
//! - [`MaxAuthenticationAge`]: the login was too long ago.
//!
//! Several stand side by side, each with its own consequence:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! # use std::{net::IpAddr, sync::Arc};
//! # use sessile::{ClientHints, Key, SessionLayer, Values, store::MemoryStore};
//! use sessile::verify::{Fingerprint, MaxAuthenticationAge, SubjectEpoch};
//! # async fn password_changed(_subject: Arc<str>) -> Result<Option<SystemTime>, std::io::Error> { Ok(None) }
//! # let hints = ClientHints::from_peer(|_| None::<IpAddr>);
//!
//! let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
//!     .client_hints(hints)
//!     .verifier(MaxAuthenticationAge::new(Duration::from_secs(7 * 24 * 3600)))
//!     .verifier(Fingerprint::network()) // a word to the observer
//!     .verifier(Fingerprint::user_agent().step_up()) // log in again for what is delicate
//!     .verifier(SubjectEpoch::new(password_changed)); // the one that asks a database comes last
//! ```
//!
//! A request whose session was voided goes on as one that came without: a login in it begins a
//! session beside the one that stays. What shall not come back is better ended.
//!
//! What a *route* demands of whoever holds a session is a [guard](crate::guard)'s affair.

mod age;
mod epoch;
mod fingerprint;

use std::fmt;

use http::HeaderMap;

pub use self::age::MaxAuthenticationAge;
pub use self::epoch::SubjectEpoch;
pub use self::fingerprint::Fingerprint;

use crate::answer::{Answer, StoreAnswer};
use crate::client::Client;
use crate::clock::Timestamp;
pub use crate::event::Verdict;
use crate::id::Id;
use crate::record::Record;

/// Judges whether a live session is good for a request.
///
/// Asked in the order in which they were named; the first that voids or ends the session has the
/// last word. One that must wait (for a database) answers later:
///
/// ```
/// use sessile::store::{Answer, StoreAnswer};
/// use sessile::verify::{Verdict, Verifier, Visit};
/// # use sessile::Values;
/// # async fn is_disabled(_subject: Option<std::sync::Arc<str>>) -> bool { true }
///
/// struct NotDisabled;
///
/// impl Verifier<Values> for NotDisabled {
///     fn verify(&self, visit: &Visit<'_, Values>) -> StoreAnswer<Verdict> {
///         let subject = visit.record.meta.subject.clone();
///         Answer::later(async move {
///             Ok(if is_disabled(subject).await { Verdict::End("disabled") } else { Verdict::Pass })
///         })
///     }
/// }
/// ```
///
/// An error counts as a failure of the store: the request gets 503.
pub trait Verifier<T>: Send + Sync + 'static {
    /// Judges it.
    fn verify(&self, visit: &Visit<'_, T>) -> StoreAnswer<Verdict>;
}

/// A request and the session that its ticket names, before anything was edited.
///
/// Its `Debug` shows neither headers, in which the ticket is, nor data nor client.
///
/// ```
/// use sessile::verify::{Verdict, Visit};
/// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .verifier(|visit: &Visit<'_, Values>| {
///         eprintln!("{visit:?}");
///         Verdict::Pass
///     });
/// ```
#[non_exhaustive]
pub struct Visit<'v, T> {
    /// The session's public handle.
    pub id: Id,
    /// Its data, and what the layer knows about it.
    pub record: &'v Record<T>,
    /// The request's headers.
    pub headers: &'v HeaderMap,
    /// The client behind the request, if the layer records clients.
    pub client: Option<&'v Client>,
    /// The time.
    pub now: Timestamp,
}

impl<'v, T> Visit<'v, T> {
    pub(crate) const fn new(
        id: Id,
        record: &'v Record<T>,
        headers: &'v HeaderMap,
        client: Option<&'v Client>,
        now: Timestamp,
    ) -> Self {
        Self { id, record, headers, client, now }
    }
}

impl<T> fmt::Debug for Visit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("id", &self.id)
            .field("record", &self.record)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What a ready verifier makes of its finding: one of the variants of [`Verdict`].
type Consequence = fn(&'static str) -> Verdict;

/// Any `Fn(&Visit<'_, T>) -> Verdict` judges at once.
impl<T, F> Verifier<T> for F
where
    F: Fn(&Visit<'_, T>) -> Verdict + Send + Sync + 'static,
{
    fn verify(&self, visit: &Visit<'_, T>) -> StoreAnswer<Verdict> {
        Answer::ready(Ok(self(visit)))
    }
}
