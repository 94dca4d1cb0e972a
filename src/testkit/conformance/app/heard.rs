//! The events that a layer told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::{EndReason, Event, Rejection};
use crate::id::Id;

/// The events that a layer told, in order.
#[derive(Clone, Debug, Default)]
pub(in crate::testkit::conformance) struct Heard(Arc<Mutex<Vec<Word>>>);

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::testkit::conformance) enum Word {
    Created(Id),
    Renewed(Id, u32),
    Ended(Id, EndReason),
    Reused(Id),
    Rejected(Rejection),
    StoreFailed(&'static str),
    LimitReached(String),
    Other(String),
}

impl Heard {
    pub(super) fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let heard = self.clone();
        move |event| heard.words().push(Word::from(event))
    }

    /// What was told of this session.
    pub(in crate::testkit::conformance) fn of(&self, id: Id) -> Vec<Word> {
        self.words().iter().filter(|word| word.id() == Some(id)).cloned().collect()
    }

    /// How often this was told.
    pub(in crate::testkit::conformance) fn count(&self, word: &Word) -> usize {
        self.words().iter().filter(|told| *told == word).count()
    }

    fn words(&self) -> MutexGuard<'_, Vec<Word>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Word {
    const fn id(&self) -> Option<Id> {
        match self {
            Self::Created(id) | Self::Renewed(id, _) | Self::Ended(id, _) | Self::Reused(id) => {
                Some(*id)
            }
            _ => None,
        }
    }
}

impl From<&Event<'_>> for Word {
    fn from(event: &Event<'_>) -> Self {
        match *event {
            Event::Created { id, .. } => Self::Created(id),
            Event::Renewed { id, generation, .. } => Self::Renewed(id, generation),
            Event::Ended { id, reason, .. } => Self::Ended(id, reason),
            Event::TicketReused { id, .. } => Self::Reused(id),
            Event::Rejected { reason, .. } => Self::Rejected(reason),
            Event::StoreFailed { operation, .. } => Self::StoreFailed(operation),
            Event::LimitReached { subject, .. } => Self::LimitReached(subject.to_owned()),
            ref other => Self::Other(format!("{other:?}")),
        }
    }
}
