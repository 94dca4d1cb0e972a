//! What a request wants changed, kept so that it can be done again on newer data.

use std::sync::Arc;

use crate::id::Id;
use crate::plan::Intent;
use crate::record::Record;

/// One change of the data, repeatable.
pub(crate) type Change<T> = Box<dyn FnMut(&mut T) + Send>;

/// The edits of one request so far.
pub(crate) struct Edits<T> {
    pub(crate) wish: Wish<T>,
    /// The record as it looks with all changes made, until they are committed.
    pub(crate) draft: Option<Arc<Record<T>>>,
    /// The changes in their order; the first has a place of its own because one is the rule.
    first: Option<Change<T>>,
    others: Vec<Change<T>>,
    /// Issue a new ticket whether or not one is due.
    pub(crate) renew: bool,
}

/// What becomes of the session as a whole.
pub(crate) enum Wish<T> {
    /// It stays, perhaps changed.
    Keep,
    /// A new one takes its place.
    Create(Id, Arc<Record<T>>),
    /// It ends.
    Destroy,
}

impl<T> Edits<T> {
    pub(crate) const NONE: Self =
        Self { wish: Wish::Keep, draft: None, first: None, others: Vec::new(), renew: false };

    pub(crate) fn wishing(wish: Wish<T>) -> Self {
        Self { wish, ..Self::NONE }
    }

    pub(crate) fn intent(&self) -> Intent {
        match self.wish {
            Wish::Create(..) => Intent::Create,
            Wish::Destroy => Intent::Destroy,
            Wish::Keep if self.draft.is_some() => Intent::Edit,
            Wish::Keep => Intent::Keep,
        }
    }

    pub(crate) fn push(&mut self, change: Change<T>) {
        match self.first {
            None => self.first = Some(change),
            Some(_) => self.others.push(change),
        }
    }

    /// Makes every change again, in order, on newer data.
    pub(crate) fn replay(&mut self, data: &mut T) {
        for change in self.first.iter_mut().chain(&mut self.others) {
            change(data);
        }
    }
}
