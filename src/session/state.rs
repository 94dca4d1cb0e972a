//! What a request knows of its session: what it came with, what was loaded, what was edited.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;

use super::edits::Edits;
use super::flight::Flight;
use crate::client::Client;
use crate::clock::Timestamp;
use crate::codec::{TICKET_LEN, Ticket};
use crate::error::{Error, ErrorKind, StoreError, StoreErrorKind};
use crate::event::{EndReason, Rejection};
use crate::id::Id;
use crate::plan::{Came, Due};
use crate::record::{Meta, Record};
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::verdict::Asker;

/// How a request stands to its session.
///
/// ```
/// use sessile::{Rejection, Session, Status, Values};
/// fn notice(session: &Session<Values>) -> &'static str {
///     match session.status() {
///         Status::Rejected(Rejection::Reused) => "Somebody else used your session. Log in again.",
///         Status::Rejected(_) => "Your session has ended. Log in again.",
///         _ => "",
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It has a live one.
    Active,
    /// It came without a ticket.
    NoTicket,
    /// Its ticket gives it none; the reason is for logs, not for the client.
    Rejected(Rejection),
    /// Its session was ended in this request.
    Ended,
    /// The store could not say, and the layer
    /// [serves such requests without a session](crate::SessionLayer::anonymous_when_store_fails).
    StoreFailed,
}

impl Status {
    /// Why a request of this status is refused where a live session is required.
    pub(crate) const fn refusal(self) -> Refusal {
        match self {
            Self::Active => Refusal::Internal,
            Self::NoTicket => Refusal::NoTicket,
            Self::Rejected(Rejection::Malformed | Rejection::Forged | Rejection::Ambiguous) => {
                Refusal::InvalidTicket
            }
            Self::Rejected(Rejection::Void) => Refusal::SessionVoid,
            Self::Rejected(_) | Self::Ended => Refusal::SessionEnded,
            Self::StoreFailed => Refusal::StoreUnavailable,
        }
    }
}

/// One request's session: shared by the handler's handles and the response future.
pub(crate) struct Inner<T> {
    pub(crate) shared: Arc<Shared<T>>,
    /// Who asks, if the layer wants to know.
    pub(crate) client: Option<Arc<Client>>,
    /// [`TOUCHED`], [`EDITED`], [`DUE`] and [`CLOSED`]: a request that did not edit its session, and
    /// whose session wants nothing, is answered without taking the lock.
    marks: AtomicU8,
    state: Mutex<State<T>>,
}

/// The handler has looked at the session.
const TOUCHED: u8 = 1;
/// The handler has edited the session, or was about to.
const EDITED: u8 = 8;
/// Something is to be done for the session even if nobody touches it.
const DUE: u8 = 2;
/// The response head is ready.
const CLOSED: u8 = 4;

impl<T> Inner<T> {
    #[inline(always)] // built in place, in the allocation
    pub(crate) fn new(
        shared: Arc<Shared<T>>,
        base: Base<T>,
        client: Option<Arc<Client>>,
    ) -> Arc<Self> {
        let marks = AtomicU8::new(if base.is_due() { DUE } else { 0 });
        let state = State {
            base,
            edits: Edits::None,
            owed: Owed::Nothing,
            renew: false,
            given_up: GivenUp::Nothing,
        };
        Arc::new(Self { shared, client, marks, state: Mutex::new(state) })
    }

    /// Puts in what a lazy session turned out to be. Of two that load at once the first decides
    /// what this request sees.
    pub(crate) fn loaded(&self, base: Base<T>) {
        let mut state = self.state();
        if matches!(state.base, Base::Unread(_) | Base::Loading(_)) {
            if base.is_due() {
                self.marks.fetch_or(DUE, Ordering::AcqRel);
            }
            state.base = base;
        }
    }

    /// The state, for looking at it; the response is then tied to this client.
    pub(crate) fn touch(&self) -> MutexGuard<'_, State<T>> {
        self.marks.fetch_or(TOUCHED, Ordering::AcqRel);
        self.state()
    }

    /// The state, for editing it; `None` if the response head is ready and edits come too late.
    pub(crate) fn open(&self) -> Option<MutexGuard<'_, State<T>>> {
        self.marks.fetch_or(TOUCHED | EDITED, Ordering::AcqRel);
        let state = self.state();
        (self.marks.load(Ordering::Acquire) & CLOSED == 0).then_some(state)
    }

    pub(crate) fn was_touched(&self) -> bool {
        self.marks.load(Ordering::Acquire) & TOUCHED != 0
    }

    /// Closes the handle because the response head is ready, and says what is left to do.
    ///
    /// Whoever edits marks the session as edited, takes the lock, and looks whether it is closed:
    /// either this sees the mark and takes the lock too, or they see that it is closed.
    #[inline]
    pub(crate) fn close(&self) -> Left {
        let before = self.marks.fetch_or(CLOSED, Ordering::AcqRel);
        match before {
            0 => Left::Nothing,
            TOUCHED => Left::Caches,
            _ => Left::Commit,
        }
    }

    /// The state, for a few instructions at a time: never across user code or an await. A panic
    /// while it is held leaves it as it was, since every section only moves values.
    #[inline]
    pub(crate) fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Inner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("status", &self.state().status()).finish_non_exhaustive()
    }
}

pub(crate) struct State<T> {
    pub(crate) base: Base<T>,
    pub(crate) edits: Edits<T>,
    /// What the response owes the client.
    pub(crate) owed: Owed,
    /// Issue a new ticket whether or not one is due.
    pub(crate) renew: bool,
    /// What commits have left open.
    pub(crate) given_up: GivenUp,
}

/// What a commit that was dropped before the store answered has left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GivenUp {
    Nothing,
    /// Whether an edit or a new session was written; nobody knows.
    Edit,
    /// The same of a new session in place of one that was to end, and must end still.
    Restart,
}

/// What the response must say of the client's ticket, decided by a commit.
#[derive(Debug)]
pub(crate) enum Owed {
    Nothing,
    /// This ticket, by this transport; how long a client that keeps it may do so.
    Ticket {
        via: u8,
        ticket: Ticket,
        max_age: Option<Duration>,
    },
    /// The same with the whole session in it, sealed already: as the application has seen it.
    Carried {
        via: u8,
        text: Carried,
        max_age: Option<Duration>,
    },
    /// That the ticket which this transport brought is to be forgotten.
    Removal {
        via: u8,
        /// The holder logged out, in this request.
        logged_out: bool,
    },
}

/// A ticket with a session in it.
pub(crate) struct Carried(pub(crate) Box<str>);

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carried(..)")
    }
}

/// What is left to do when the response head is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing at all.
    Nothing,
    /// A word to caches, for the handler has looked at the session.
    Caches,
    /// A commit, which may turn out to have nothing to write.
    Commit,
}

/// What the request came with.
pub(crate) enum Base<T> {
    /// A lazy layer has not looked yet.
    Unread(Unread),
    /// A lazy layer is loading it, and somebody waits for that.
    Loading(Arc<Flight<T>>),
    /// No live session, and why; whose ticket it was all the same, if one verified.
    Without { status: Status, vain: Option<Vain> },
    /// A live session that must end: its ticket is outdated, or a verifier said so.
    Condemned { id: Id, via: u8, reason: EndReason, record: Arc<Record<T>> },
    /// A live session.
    Live(Live<T>),
}

/// A verified ticket that gives this request no session. It may be of one that lives: whoever logs
/// out means that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vain {
    pub(crate) id: Id,
    /// The transport that presented it.
    pub(crate) via: u8,
    pub(crate) came: Came,
}

/// A live session as it was loaded.
pub(crate) struct Live<T> {
    pub(crate) id: Id,
    pub(crate) record: Arc<Record<T>>,
    pub(crate) due: Due,
    /// The transport that presented it.
    pub(crate) via: u8,
    /// The generation that the client has, or will have with this response.
    pub(crate) presented: u32,
    /// The client has shown that it has that.
    pub(crate) arrived: bool,
    pub(crate) old_key: bool,
    pub(crate) now: Timestamp,
    /// A verifier wants a fresh login for what is delicate.
    pub(crate) doubted: bool,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), ..*self }
    }
}

/// What a lazy request may have of tickets, copied out of its headers unverified.
#[derive(Clone)]
pub(crate) struct Unread {
    pub(crate) candidates: Unverified,
    /// Whether the client may be told to forget a dead ticket.
    pub(crate) clearable: bool,
    /// The request's headers, for verifiers, if there are any.
    pub(crate) headers: Option<Box<HeaderMap>>,
}

impl Unread {
    pub(crate) fn asker<'r>(&'r self, client: Option<&'r Arc<Client>>) -> Asker<'r> {
        static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        (self.headers.as_deref().unwrap_or(&NONE), client)
    }
}

/// Candidates of the length of a ticket, each with the transport that brought it. One is the rule
/// and costs no allocation. Several are in an `Arc`, which is dropped out of line, so that a state
/// without them saves no registers for it.
#[derive(Clone)]
pub(crate) enum Unverified {
    One(Candidate),
    Several(Arc<[Candidate]>),
}

pub(crate) type Candidate = (u8, Kept);

/// The bytes of a candidate. Those of a ticket cost no allocation.
#[derive(Clone)]
pub(crate) enum Kept {
    Ticket([u8; TICKET_LEN]),
    Other(Box<[u8]>),
}

impl Kept {
    pub(crate) fn new(value: &[u8]) -> Self {
        value.try_into().map_or_else(|_| Self::Other(value.into()), Self::Ticket)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ticket(bytes) => bytes,
            Self::Other(bytes) => bytes,
        }
    }
}

impl Unverified {
    pub(crate) fn as_slice(&self) -> &[Candidate] {
        match self {
            Self::One(candidate) => std::slice::from_ref(candidate),
            Self::Several(candidates) => candidates,
        }
    }
}

impl<T> State<T> {
    pub(crate) fn status(&self) -> Status {
        match (&self.edits, &self.base) {
            (Edits::Destroy, _) => Status::Ended,
            (Edits::Create(_), _) | (_, Base::Live(_)) => Status::Active,
            (_, Base::Without { status, .. }) => *status,
            (_, Base::Condemned { reason, .. }) => Status::Rejected(match reason {
                EndReason::Reused => Rejection::Reused,
                _ => Rejection::Void,
            }),
            (_, Base::Unread(_) | Base::Loading(_)) => Status::NoTicket,
        }
    }

    pub(crate) const fn came(&self) -> Came {
        match &self.base {
            Base::Live(_) => Came::Live,
            Base::Condemned { .. } => Came::Condemned,
            Base::Without { vain: Some(vain), .. } => vain.came,
            Base::Without { vain: None, .. } | Base::Unread(_) | Base::Loading(_) => Came::Without,
        }
    }

    /// The record as this request sees it: with its own edits made.
    pub(crate) const fn current(&self) -> Option<&Arc<Record<T>>> {
        match (&self.edits, &self.base) {
            (Edits::Create(new), _) => Some(&new.record),
            (Edits::Change(changes), _) => Some(&changes.draft),
            (Edits::None, Base::Live(live)) => Some(&live.record),
            (Edits::Destroy | Edits::None, _) => None,
        }
    }

    /// The record as the last commit has left it.
    pub(crate) const fn written(&self) -> Option<&Arc<Record<T>>> {
        match &self.base {
            Base::Live(live) => Some(&live.record),
            _ => None,
        }
    }

    /// The record's metadata, with the use by this request noted if it is due to be.
    pub(crate) fn meta(&self) -> Option<Meta> {
        let meta = self.current()?.meta.clone();
        match &self.base {
            Base::Live(live) if live.due.touch => meta.touch(live.now),
            _ => {}
        }
        Some(meta)
    }

    /// Why there is nothing to edit.
    #[cold]
    pub(crate) fn none(&self) -> Error {
        match self.status() {
            Status::StoreFailed => StoreError::new(StoreErrorKind::Unavailable).into(),
            _ => Error::new(ErrorKind::NoSession),
        }
    }

    pub(crate) const fn is_doubted(&self) -> bool {
        match (&self.edits, &self.base) {
            (Edits::None | Edits::Change(_), Base::Live(live)) => live.doubted,
            _ => false,
        }
    }

    pub(crate) const fn id(&self) -> Option<Id> {
        match (&self.edits, &self.base) {
            (Edits::Create(new), _) => Some(new.id),
            (Edits::None | Edits::Change(_), Base::Live(live)) => Some(live.id),
            _ => None,
        }
    }
}

impl<T> Base<T> {
    /// No session, and no ticket that could have given one.
    pub(crate) const fn without(status: Status) -> Self {
        Self::Without { status, vain: None }
    }

    /// No session in spite of a verified ticket.
    pub(crate) const fn in_vain(status: Status, id: Id, via: u8, came: Came) -> Self {
        Self::Without { status, vain: Some(Vain { id, via, came }) }
    }

    fn is_due(&self) -> bool {
        match self {
            Self::Live(live) => live.due != Due::NOTHING,
            Self::Without { vain, .. } => matches!(vain, Some(Vain { came: Came::Dead, .. })),
            Self::Condemned { .. } => true,
            Self::Unread(_) | Self::Loading(_) => false,
        }
    }
}
