//! A call, what it answers, and what the model would.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Record;
use crate::store::{Admission, Created, Revoke, Saved};
use crate::testkit::Sample;
use crate::testkit::conformance::trial::Trial;
use crate::testkit::shelf::Shelf;

/// One call in a history.
#[derive(Clone)]
pub(in crate::testkit::conformance) enum Call {
    Load(Id),
    Create(Id, Arc<Record<Sample>>, Admission),
    Replace(Id, u64, Arc<Record<Sample>>),
    Touch(Id, Timestamp),
    Delete(Id),
    List,
    Revoke(Revoke),
}

/// What of an answer is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::testkit::conformance) enum Outcome {
    Loaded(Option<Sight>),
    Created(Created),
    Saved(Saved),
    Deleted(bool),
    Ids(Vec<Id>),
}

/// What is seen of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::testkit::conformance) struct Sight {
    pub(super) version: u64,
    generation: u32,
    counter: u64,
    last_seen: Timestamp,
}

impl Sight {
    pub(super) fn of(record: &Record<Sample>) -> Self {
        Self {
            version: record.meta.version,
            generation: record.meta.generation,
            counter: record.data.counter,
            last_seen: record.meta.last_seen(),
        }
    }
}

impl Call {
    /// Asks the store.
    pub(super) async fn ask(&self, trial: &Trial, subject: &str) -> Outcome {
        let now = trial.start;
        match self.clone() {
            Self::Load(id) => {
                Outcome::Loaded(trial.load(id, now).await.map(|record| Sight::of(&record)))
            }
            Self::Create(id, record, admission) => {
                let record = Record::clone(&record);
                Outcome::Created(in_order(trial.create(id, record, admission, now).await))
            }
            Self::Replace(id, expected, record) => {
                let record = Record::clone(&record);
                Outcome::Saved(trial.replace(id, expected, record, now).await)
            }
            Self::Touch(id, at) => Outcome::Saved(trial.touch(id, at).await),
            Self::Delete(id) => Outcome::Deleted(trial.delete(id, now).await),
            Self::List => Outcome::Ids(trial.ids(subject, now).await),
            Self::Revoke(which) => {
                let mut ids = trial.revoke(subject, which, 1_000, now).await.ids;
                ids.sort_unstable();
                Outcome::Ids(ids)
            }
        }
    }

    /// Does the same to the model.
    pub(super) fn apply(
        &self,
        shelf: &mut Shelf<Sample>,
        subject: &str,
        now: Timestamp,
    ) -> Outcome {
        match self {
            Self::Load(id) => Outcome::Loaded(shelf.load(*id, now).map(Sight::of)),
            Self::Create(id, record, admission) => {
                let record = Record::clone(record);
                Outcome::Created(in_order(shelf.create(*id, record, *admission, now)))
            }
            Self::Replace(id, expected, record) => {
                Outcome::Saved(shelf.replace(*id, *expected, Record::clone(record), now))
            }
            Self::Touch(id, at) => Outcome::Saved(shelf.touch(*id, *at)),
            Self::Delete(id) => Outcome::Deleted(shelf.delete(*id, now)),
            Self::List => {
                let page = shelf.list(subject, None, usize::MAX, now);
                Outcome::Ids(page.into_iter().map(|(id, _)| id).collect())
            }
            Self::Revoke(which) => Outcome::Ids(shelf.revoke(subject, *which, usize::MAX, now).ids),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(id) => write!(f, "load {}", Short(*id)),
            Self::Create(id, record, admission) => {
                write!(f, "create {} {:?} {admission:?}", Short(*id), Sight::of(record))
            }
            Self::Replace(id, expected, record) => {
                write!(f, "replace {} v{expected} by {:?}", Short(*id), Sight::of(record))
            }
            Self::Touch(id, at) => write!(f, "touch {} at {}", Short(*id), at.as_millis()),
            Self::Delete(id) => write!(f, "delete {}", Short(*id)),
            Self::List => f.write_str("list"),
            Self::Revoke(which) => write!(f, "revoke {which:?}"),
        }
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, generation, counter, last_seen } = self;
        write!(f, "(v{version} g{generation} {counter}, seen at {})", last_seen.as_millis())
    }
}

/// The beginning of an id, enough to tell two apart.
struct Short(Id);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.8}", self.0.to_string())
    }
}

fn in_order(created: Created) -> Created {
    match created {
        Created::Done { mut evicted, replaced } => {
            evicted.sort_unstable();
            Created::Done { evicted, replaced }
        }
        other => other,
    }
}
