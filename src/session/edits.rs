//! What a request wants changed, kept so that it can be done again on newer data.

use std::mem;
use std::sync::Arc;

use crate::id::Id;
use crate::plan::Intent;
use crate::record::Record;

/// The edits of one request so far.
pub(crate) enum Edits<T> {
    /// None: the session stays as it is.
    None,
    /// Its data changes.
    Change(Changes<T>),
    /// A new one takes its place.
    Create(Id, Arc<Record<T>>),
    /// It ends.
    Destroy,
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
}

impl<T> Edits<T> {
    pub(crate) const fn intent(&self) -> Intent {
        match self {
            Self::None => Intent::Keep,
            Self::Change(_) => Intent::Edit,
            Self::Create(..) => Intent::Create,
            Self::Destroy => Intent::Destroy,
        }
    }

    /// Notes one more change and what the record looks like after it. Answers the record that
    /// this takes the place of, to be dropped where no lock is held.
    pub(crate) fn note(
        &mut self,
        draft: Arc<Record<T>>,
        change: Change<T>,
    ) -> Option<Arc<Record<T>>> {
        match self {
            // What is not there yet cannot have been changed by others: nothing to do again.
            Self::Create(_, record) => Some(mem::replace(record, draft)),
            Self::Change(changes) => {
                changes.others.push(change);
                Some(mem::replace(&mut changes.draft, draft))
            }
            Self::None | Self::Destroy => {
                *self = Self::Change(Changes { draft, first: change, others: Vec::new() });
                None
            }
        }
    }
}

impl<T: Clone> Changes<T> {
    /// Makes every change again, in order, on newer data.
    pub(crate) fn replay(&mut self, on: &Record<T>) {
        let mut after = on.clone();
        (self.first)(&mut after);
        for change in &mut self.others {
            change(&mut after);
        }
        self.draft = Arc::new(after);
    }
}
