//! What happened to sessions, told to a hook.

use std::fmt;

use crate::client::Client;
use crate::error::StoreError;
use crate::id::Id;

/// Something that happened to a session (ASVS 16.3.1): to which, whose it was, why, and at whose
/// request. Never holds a ticket, a key or data.
///
/// Each is told once, after the store has answered. Of two requests that overlap, either may tell
/// first: a renewal may be told after the end of its session.
///
/// The subject is told wherever the record is at hand, and `None` where a session is ended unseen
/// (a log-out under a lazy layer, or of one that did not load). That a session has expired is told
/// by nobody: stores drop such records without a word. A ticket that is used after that is
/// [`Rejected`](Self::Rejected) with the session's handle, by which a log of earlier events says
/// whose it was.
///
/// ```
/// use sessile::{Event, Key, SessionLayer, Values, store::MemoryStore};
/// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .observer(|event: &Event<'_>| {
///         if let Event::TicketReused { id, .. } = event {
///             // page somebody: two parties hold session `id`; it has been ended
///             # let _ = id;
///         }
///     });
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// A session was created.
    Created {
        /// Its public handle.
        id: Id,
        /// Whose it is.
        subject: Option<&'e str>,
        /// Who asked for it, if the layer records clients.
        client: Option<&'e Client>,
    },
    /// The session's ticket was renewed: same session, next generation.
    Renewed {
        /// Its public handle.
        id: Id,
        /// The new generation.
        generation: u32,
        /// Whose it is.
        subject: Option<&'e str>,
        /// Who presented the old one, if the layer records clients.
        client: Option<&'e Client>,
    },
    /// A session was ended.
    Ended {
        /// Its public handle.
        id: Id,
        /// Why.
        reason: EndReason,
        /// Whose it was, if that is known.
        subject: Option<&'e str>,
        /// Whose request ended it, if the layer records clients; nobody's if it was ended through
        /// [`Sessions`](crate::Sessions).
        client: Option<&'e Client>,
    },
    /// A request came with a ticket that gives it no session.
    Rejected {
        /// Why not.
        reason: Rejection,
        /// The session's public handle, if the ticket is one of ours.
        id: Option<Id>,
        /// Who sent it, if the layer records clients: count them by
        /// [`Client::network`] to throttle those who guess.
        client: Option<&'e Client>,
    },
    /// A [verifier](crate::verify::Verifier) had something to say about a live session.
    Doubted {
        /// Its public handle.
        id: Id,
        /// What it said; never [`Verdict::Pass`].
        verdict: Verdict,
        /// Who presented it, if the layer records clients.
        client: Option<&'e Client>,
    },
    /// A ticket came back whose successor has long been in use: two parties hold the session. It is
    /// being ended.
    TicketReused {
        /// Its public handle.
        id: Id,
        /// Whose it is.
        subject: Option<&'e str>,
        /// Who presented it, if the layer records clients: the thief or the holder.
        client: Option<&'e Client>,
    },
    /// A subject reached its limit of sessions and one more was refused.
    LimitReached {
        /// The subject.
        subject: &'e str,
        /// Who asked for it, if the layer records clients.
        client: Option<&'e Client>,
    },
    /// Other writers kept winning and a write was given up. If the application asked for it, the
    /// request is answered 503, or `commit` says so.
    Conflict {
        /// Its public handle.
        id: Id,
    },
    /// The store failed or was too slow.
    StoreFailed {
        /// What was asked of it, such as `load`.
        operation: &'static str,
        /// What it said.
        error: &'e StoreError,
    },
}

/// Why a session was ended.
///
/// ```
/// use sessile::{EndReason, Event};
/// fn is_logout(event: &Event<'_>) -> bool {
///     matches!(event, Event::Ended { reason: EndReason::Destroyed, .. })
/// }
/// # let (id, reason) = (sessile::Id::generate().unwrap(), EndReason::Destroyed);
/// # assert!(is_logout(&Event::Ended { id, reason, subject: None, client: None }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The application called `destroy`.
    Destroyed,
    /// The same client began a new session.
    Replaced,
    /// A newer session of the same subject took its place under the layer's limit.
    Evicted,
    /// An outdated ticket of it was presented.
    Reused,
    /// It was ended through [`Sessions`](crate::Sessions).
    Revoked,
    /// A [verifier](crate::verify::Verifier) ended it.
    Condemned,
}

/// What a [verifier](crate::verify::Verifier) says of a session. The reason is for events and
/// logs; the client does not see it.
///
/// ```
/// use sessile::verify::Verdict;
/// assert_eq!(Verdict::Void("locked").reason(), Some("locked"));
/// assert_eq!(Verdict::Pass.reason(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It is good.
    Pass,
    /// It is good, but somebody should know.
    Observe(&'static str),
    /// It is good for what asks for no fresh login: guards that ask for one, or for an assurance
    /// level, refuse it (RFC 9470), however recent its login was.
    StepUp(&'static str),
    /// It is not good for this request, which goes on without a session. The session itself
    /// stays.
    Void(&'static str),
    /// It ends, for everybody who holds it.
    End(&'static str),
}

impl Verdict {
    /// The reason, unless it is good.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Pass => None,
            Self::Observe(reason)
            | Self::StepUp(reason)
            | Self::Void(reason)
            | Self::End(reason) => Some(reason),
        }
    }
}

/// Why a ticket gives a request no session. It is for logs and metrics; a client is told no more
/// than a [`Refusal`](crate::Refusal).
///
/// ```
/// use sessile::{Event, Rejection};
/// /// A browser left to itself brings these about only after a key was retired.
/// fn is_suspicious(event: &Event<'_>) -> bool {
///     use Rejection::{Ambiguous, Forged, Malformed};
///     matches!(event, Event::Rejected { reason: Ambiguous | Forged | Malformed, .. })
/// }
/// # assert!(is_suspicious(&Event::Rejected { reason: Rejection::Forged, id: None, client: None }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// It is no ticket: wrong length or alphabet.
    Malformed,
    /// Its tag is not ours, or of a key that was retired.
    Forged,
    /// Several valid tickets of different sessions came in one request (RFC 6265bis, 4.2.2).
    Ambiguous,
    /// It is valid, but the store has no live session for it: logged out, expired, or lost.
    Gone,
    /// It is valid, but its session has expired, and the store still had it. Stores that keep to
    /// the contract do not answer such a record, which makes it [`Gone`](Self::Gone).
    Expired,
    /// It is valid, but was replaced by a newer one and used again.
    Reused,
    /// Its session is stored in a form that does not decode as the layer's type.
    Undecodable,
    /// It was good for one handshake and has been used, or came too late.
    Spent,
    /// It is valid, but a [verifier](crate::verify::Verifier) does not accept its session.
    Void,
}

/// Is told of every [`Event`], on the task that serves the request: be quick, or hand it on.
///
/// Any `Fn(&Event<'_>)` is one.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use sessile::{Event, Observer};
///
/// #[derive(Default)]
/// struct Logins(AtomicU64);
///
/// impl Observer for Logins {
///     fn observe(&self, event: &Event<'_>) {
///         if let Event::Created { subject: Some(_), .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// # let logins = Logins::default();
/// # let id = sessile::Id::generate().unwrap();
/// # for subject in [Some("ann"), None] {
/// #     logins.observe(&Event::Created { id, subject, client: None });
/// # }
/// # assert_eq!(logins.0.into_inner(), 1);
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> Observer for F {
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
