//! Creating a session, in place of another if the request came with one.

use std::sync::Arc;

use super::{Commit, Step, ticket};
use crate::error::{Error, ErrorKind, StoreError};
use crate::event::{EndReason, Event};
use crate::id::Id;
use crate::plan::Due;
use crate::record::{Record, SessionData};
use crate::session::{Base, Edits, Live};
use crate::store::{Admission, Created};

/// How often a new id is drawn because the store knows the first. Once would do for 2¹²⁸ ids.
const DRAWS: u32 = 3;

/// A session being created.
pub(super) struct Birth<T> {
    pub(super) id: Id,
    pub(super) record: Arc<Record<T>>,
    pub(super) via: u8,
    pub(super) instead_of: Option<(Id, EndReason)>,
}

impl<T: SessionData> Commit<T> {
    pub(super) fn create(
        &mut self,
        edits: Edits<T>,
        via: u8,
        instead_of: Option<(Id, EndReason)>,
    ) -> Result<(), Error> {
        let Edits::Create(id, record) = edits else { return Ok(()) };
        self.insert(Birth { id, record, via, instead_of })
    }

    fn insert(&mut self, birth: Birth<T>) -> Result<(), Error> {
        let shared = &self.session.shared;
        let admission =
            Admission { replacing: birth.instead_of.map(|(id, _)| id), limit: shared.limit };
        let record = Arc::clone(&birth.record);
        let answer = shared.store.create(birth.id, record, admission, birth.record.meta.created);
        match answer.now_or_later() {
            Ok(created) => self.created(created, birth),
            Err(later) => {
                self.step = Step::Create(self.timed(later), birth);
                Ok(())
            }
        }
    }

    pub(super) fn created(
        &mut self,
        created: Result<Created, StoreError>,
        mut birth: Birth<T>,
    ) -> Result<(), Error> {
        let shared = &self.session.shared;
        match created {
            Ok(Created::Done { evicted, replaced }) => {
                self.born(birth, &evicted, replaced);
                Ok(())
            }
            Ok(Created::Exists) if self.attempts < DRAWS => {
                self.attempts += 1;
                birth.id = Id::generate()?;
                self.insert(birth)
            }
            Ok(Created::Exists) => Err(Error::new(ErrorKind::Random)),
            Ok(Created::Limit) => {
                let subject = birth.record.meta.subject.as_deref().unwrap_or_default();
                shared.tell(Event::LimitReached { subject });
                Err(Error::new(ErrorKind::Limit))
            }
            Err(error) => self.failed("create", error, true),
        }
    }

    fn born(&self, birth: Birth<T>, evicted: &[Id], replaced: bool) {
        let Birth { id, record, via, instead_of } = birth;
        let now = record.meta.created;
        let shared = &self.session.shared;
        if let Some((id, reason)) = instead_of.filter(|_| replaced) {
            shared.ended(id, reason);
        }
        for id in evicted {
            shared.ended(*id, EndReason::Evicted);
        }
        shared.tell(Event::Created { id, subject: record.meta.subject.as_deref() });
        let live = Live {
            id,
            record,
            due: Due::NOTHING,
            via,
            presented: 0,
            old_key: false,
            now,
            doubted: false,
        };
        let owed = ticket(&live, 0);
        self.stand_on(Base::Live(live), owed);
    }
}
