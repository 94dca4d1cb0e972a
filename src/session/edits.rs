//! What a request wants changed, kept so that it can be done again on newer data.

use std::mem;
use std::sync::Arc;

use crate::id::Id;
use crate::plan::Intent;
use crate::record::{Record, SessionData};
use crate::same::same;

/// The edits of one request so far.
pub(crate) enum Edits<T> {
    /// None: the session stays as it is.
    None,
    /// Its data changes.
    Change(Changes<T>),
    /// A new one takes its place.
    Create(New<T>),
    /// It ends.
    Destroy,
}

/// A session to be created.
pub(crate) struct New<T> {
    pub(crate) id: Id,
    pub(crate) record: Arc<Record<T>>,
    /// The application ended the one before, which holds also if this one does not come about.
    pub(crate) restart: bool,
}

/// One change of the record, repeatable.
pub(crate) type Change<T> = Box<dyn FnMut(&mut Record<T>) + Send>;

/// Changes of the record, in their order.
pub(crate) struct Changes<T> {
    /// The record as it looks with all of them made.
    pub(crate) draft: Arc<Record<T>>,
    /// The first has a place of its own because one is the rule.
    first: Change<T>,
    others: Vec<Change<T>>,
    /// They put something in the place of whatever is there.
    pub(crate) replaces: bool,
    /// They were drafted on a session that has made way for another since.
    displaced: bool,
}

impl<T> Edits<T> {
    pub(crate) const fn intent(&self) -> Intent {
        match self {
            Self::None => Intent::Keep,
            Self::Change(_) => Intent::Edit,
            Self::Create(New { restart: false, .. }) => Intent::Create,
            Self::Create(New { restart: true, .. }) => Intent::Restart,
            Self::Destroy => Intent::Destroy,
        }
    }

    /// Notes one more change and what the record looks like after it; `replaces` is whether it
    /// looks so whatever was there before. Answers the record that this takes the place of, to be
    /// dropped where no lock is held.
    pub(crate) fn note(
        &mut self,
        draft: Arc<Record<T>>,
        change: Change<T>,
        replaces: bool,
    ) -> Option<Arc<Record<T>>> {
        match self {
            // What is not there yet cannot have been changed by others: nothing to do again.
            Self::Create(new) => Some(mem::replace(&mut new.record, draft)),
            Self::Change(changes) => {
                changes.others.push(change);
                changes.replaces |= replaces;
                Some(mem::replace(&mut changes.draft, draft))
            }
            Self::None | Self::Destroy => {
                let (first, others, displaced) = (change, Vec::new(), false);
                *self = Self::Change(Changes { draft, first, others, replaces, displaced });
                None
            }
        }
    }

    /// Notes that the request stands on another session from now on.
    #[inline]
    pub(crate) const fn displace(&mut self) {
        if let Self::Change(changes) = self {
            changes.displaced = true;
        }
    }
}

impl<T: SessionData> Changes<T> {
    /// Whether the draft is of this record, so that it can be written as it is.
    pub(crate) fn stands_on(&self, record: &Record<T>) -> bool {
        !self.displaced && self.draft.meta.version == record.meta.version
    }

    /// Whether the draft differs from this record.
    pub(crate) fn alter(&self, record: &Record<T>) -> bool {
        record.meta.context != self.draft.meta.context || !same(&record.data, &self.draft.data)
    }

    /// Makes every change again, in order, on newer data.
    pub(crate) fn replay(&mut self, on: &Record<T>) {
        let mut after = on.clone();
        (self.first)(&mut after);
        for change in &mut self.others {
            change(&mut after);
        }
        self.draft = Arc::new(after);
        self.displaced = false;
    }
}
