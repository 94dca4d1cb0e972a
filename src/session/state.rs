//! What a request knows of its session: what it came with, what was loaded, what was edited.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::edits::Edits;
use crate::clock::Timestamp;
use crate::codec::Ticket;
use crate::event::Rejection;
use crate::id::Id;
use crate::plan::{Came, Due};
use crate::record::{Meta, Record};
use crate::refusal::Refusal;
use crate::shared::Shared;

/// How a request stands to its session.
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
            Self::Rejected(_) | Self::Ended => Refusal::SessionEnded,
            Self::StoreFailed => Refusal::StoreUnavailable,
        }
    }
}

/// One request's session: shared by the handler's handles and the response future.
pub(crate) struct Inner<T> {
    pub(crate) shared: Arc<Shared<T>>,
    state: Mutex<State<T>>,
}

impl<T> Inner<T> {
    #[inline(always)] // built in place, in the allocation
    pub(crate) fn new(shared: Arc<Shared<T>>, base: Base<T>) -> Arc<Self> {
        let state = State {
            base,
            edits: Edits::None,
            owed: Owed::Nothing,
            renew: false,
            closed: false,
            touched: false,
        };
        Arc::new(Self { shared, state: Mutex::new(state) })
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
    /// The response head has left.
    pub(crate) closed: bool,
    /// The handler has looked at the session.
    pub(crate) touched: bool,
}

/// What the response must say of the client's ticket, decided by a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owed {
    Nothing,
    /// This ticket, by this transport; how long a client that keeps it may do so.
    Ticket {
        via: u8,
        ticket: Ticket,
        max_age: Option<Duration>,
    },
    /// That the ticket which this transport brought is to be forgotten.
    Removal {
        via: u8,
    },
}

/// What is left to do when the response head is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing at all.
    Nothing,
    /// A word to caches, for the handler has looked at the session.
    Caches,
    /// A commit.
    Commit,
}

/// What the request came with.
pub(crate) enum Base<T> {
    /// A lazy layer has not looked yet.
    Unread(Unread),
    /// No live session, and why.
    Without {
        status: Status,
        /// The transport that brought a ticket of ours, if the session behind that is gone.
        via: Option<u8>,
        /// The client may be told to forget it.
        clear: bool,
    },
    /// An outdated ticket of a live session.
    Reused { id: Id, via: u8 },
    /// A live session.
    Live(Live<T>),
}

/// A live session as it was loaded.
pub(crate) struct Live<T> {
    pub(crate) id: Id,
    pub(crate) record: Arc<Record<T>>,
    pub(crate) due: Due,
    /// The transport that presented it.
    pub(crate) via: u8,
    pub(crate) presented: u32,
    pub(crate) old_key: bool,
    pub(crate) now: Timestamp,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), ..*self }
    }
}

/// Candidates of a lazy layer, copied out of the request.
#[derive(Clone)]
pub(crate) struct Unread {
    pub(crate) values: Vec<(u8, Box<[u8]>)>,
    /// Whether the client may be told to forget a dead ticket.
    pub(crate) clearable: bool,
}

impl<T> State<T> {
    pub(crate) fn status(&self) -> Status {
        match (&self.edits, &self.base) {
            (Edits::Destroy, _) => Status::Ended,
            (Edits::Create(..), _) | (_, Base::Live(_)) => Status::Active,
            (_, Base::Without { status, .. }) => *status,
            (_, Base::Reused { .. }) => Status::Rejected(Rejection::Reused),
            (_, Base::Unread(_)) => Status::NoTicket,
        }
    }

    pub(crate) const fn came(&self) -> Came {
        match &self.base {
            Base::Live(_) => Came::Live,
            Base::Reused { .. } => Came::Reused,
            Base::Without { clear: true, .. } => Came::Dead,
            Base::Without { .. } | Base::Unread(_) => Came::Without,
        }
    }

    /// The record as this request sees it: with its own edits made.
    pub(crate) const fn current(&self) -> Option<&Arc<Record<T>>> {
        match (&self.edits, &self.base) {
            (Edits::Create(_, record), _) => Some(record),
            (Edits::Change(changes), _) => Some(&changes.draft),
            (Edits::None, Base::Live(live)) => Some(&live.record),
            (Edits::Destroy | Edits::None, _) => None,
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

    pub(crate) const fn id(&self) -> Option<Id> {
        match (&self.edits, &self.base) {
            (Edits::Create(id, _), _) => Some(*id),
            (Edits::None | Edits::Change(_), Base::Live(live)) => Some(live.id),
            _ => None,
        }
    }

    /// Closes the handle because the response head is ready, and says what is left to do.
    #[inline]
    pub(crate) fn close(&mut self) -> Left {
        self.closed = true;
        let due = match &self.base {
            Base::Live(live) => live.due != Due::NOTHING,
            Base::Without { clear, .. } => *clear,
            Base::Reused { .. } => true,
            Base::Unread(_) => false,
        };
        let asked = self.renew || !matches!((&self.edits, self.owed), (Edits::None, Owed::Nothing));
        match (due || asked, self.touched) {
            (true, _) => Left::Commit,
            (false, true) => Left::Caches,
            (false, false) => Left::Nothing,
        }
    }
}
