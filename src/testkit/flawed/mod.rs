//! A store that is wrong on purpose.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::State;
use super::sample::Sample;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{
    Admission, Created, Cursor, Revoke, Revoked, Saved, Scan, Scanned, Store, StoreAnswer,
    SubjectIndex, Swept,
};

mod flaw;
mod index;
mod slow;
mod state;

pub use self::flaw::Flaw;

/// A store that is right but for one [`Flaw`]: the proof that a test can fail.
///
/// ```
/// use sessile::testkit::{Flaw, Flawed, conformance};
/// # #[tokio::main] async fn main() {
/// let report = conformance::run(async || Flawed::new(Flaw::IgnoresVersion)).await;
/// assert!(report.failed().any(|failure| failure.id() == "S12"));
/// # }
/// ```
#[derive(Clone)]
pub struct Flawed {
    flaw: Flaw,
    state: Arc<Mutex<State>>,
}

impl Flawed {
    /// An empty store with this flaw.
    pub fn new(flaw: Flaw) -> Self {
        Self { flaw, state: Arc::new(Mutex::new(State::default())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flawed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flawed").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

impl Store<Sample> for Flawed {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<Sample>>>> {
        StoreAnswer::ready(Ok(self.state().load(self.flaw, id, now).map(Arc::new)))
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<Sample>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let record = state::mangled(self.flaw, &record);
        match self.flaw {
            Flaw::LimitNotAtomic => self.create_unlocked(id, record, admission, now),
            Flaw::EndsReplacedLater => self.create_then_end(id, record, admission, now),
            Flaw::IndexLagsBehind => self.create_then_index(id, record, admission, now),
            flaw => StoreAnswer::ready(Ok(self.state().create(flaw, id, record, admission, now))),
        }
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<Sample>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let record = state::mangled(self.flaw, &record);
        match self.flaw {
            Flaw::VersionCheckNotAtomic => self.check_then_replace(id, expected, record, now),
            Flaw::ReplacesInTwoSteps => self.delete_then_insert(id, expected, record, now),
            flaw => StoreAnswer::ready(Ok(self.state().replace(flaw, id, expected, record, now))),
        }
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        match self.flaw {
            Flaw::TouchRewritesRecord => self.read_then_touch(id, now),
            flaw => StoreAnswer::ready(Ok(self.state().touch(flaw, id, now))),
        }
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        let was_there = self.state().delete(self.flaw, id, now);
        if !was_there && self.flaw == Flaw::DeleteErrsWhenAbsent {
            return StoreAnswer::ready(Err(StoreError::new(StoreErrorKind::Unavailable)));
        }
        StoreAnswer::ready(Ok(was_there))
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        StoreAnswer::ready(Ok(self.state().sweep(self.flaw, now, max)))
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn all(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

impl Scan for Flawed {
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned> {
        StoreAnswer::ready(Ok(self.state().scan(self.flaw, from.as_ref(), max, now)))
    }
}

impl SubjectIndex for Flawed {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        StoreAnswer::ready(Ok(self.state().list(self.flaw, subject, after, max, now)))
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        StoreAnswer::ready(Ok(self.state().listed(self.flaw, subject, now).len()))
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        StoreAnswer::ready(Ok(self.state().revoke(self.flaw, subject, which, max, now)))
    }
}
