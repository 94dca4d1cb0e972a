//! Creating a session, in place of another if the request came with one.

use std::sync::Arc;

use super::{Commit, Death, Step, ticket};
use crate::error::{Error, ErrorKind, StoreError};
use crate::event::{EndReason, Event};
use crate::id::Id;
use crate::plan::Due;
use crate::record::{Record, SessionData};
use crate::session::{Base, Edits, Live, New};
use crate::store::{Admission, Created};

/// How often a new id is drawn because the store knows the first. Once would do for 2¹²⁸ ids.
const DRAWS: u32 = 3;

/// A session being created.
pub(super) struct Birth<T> {
    pub(super) id: Id,
    pub(super) record: Arc<Record<T>>,
    pub(super) via: u8,
    pub(super) instead_of: Option<Death<T>>,
    /// That one ends in any case.
    pub(super) restart: bool,
}

impl<T: SessionData> Commit<T> {
    pub(super) fn create(
        &mut self,
        edits: Edits<T>,
        via: u8,
        instead_of: Option<Death<T>>,
    ) -> Result<(), Error> {
        let Edits::Create(New { id, record, restart }) = edits else { return Ok(()) };
        self.insert(Birth { id, record, via, instead_of, restart })
    }

    fn insert(&mut self, birth: Birth<T>) -> Result<(), Error> {
        let shared = &self.session.shared;
        let admission = Admission {
            replacing: birth.instead_of.as_ref().map(|old| old.id),
            limit: shared.limit,
        };
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
        birth: Birth<T>,
    ) -> Result<(), Error> {
        let shared = &self.session.shared;
        match created {
            Ok(Created::Done { evicted, replaced }) => {
                self.born(birth, &evicted, replaced);
                Ok(())
            }
            Ok(Created::Exists) if self.attempts < DRAWS => {
                self.attempts += 1;
                match Id::generate() {
                    Ok(id) => self.insert(Birth { id, ..birth }),
                    Err(error) => self.stillborn(birth, error),
                }
            }
            Ok(Created::Exists) => self.stillborn(birth, Error::new(ErrorKind::Random)),
            Ok(Created::Limit) => {
                let subject = birth.record.meta.subject.as_deref().unwrap_or_default();
                let client = self.session.client.as_deref();
                shared.tell(Event::LimitReached { subject, client });
                self.stillborn(birth, Error::new(ErrorKind::Limit))
            }
            Err(error) => match self.failed("create", error, true) {
                Ok(()) => Ok(()),
                Err(error) => self.stillborn(birth, error),
            },
        }
    }

    /// Nothing came of it. What was to end before ends all the same.
    #[cold]
    fn stillborn(&mut self, birth: Birth<T>, error: Error) -> Result<(), Error> {
        if birth.restart { self.end_all_the_same(birth.instead_of, error) } else { Err(error) }
    }

    fn born(&self, birth: Birth<T>, evicted: &[Id], replaced: bool) {
        let Birth { id, record, via, instead_of, .. } = birth;
        let now = record.meta.created;
        let shared = &self.session.shared;
        if let Some(old) = instead_of.filter(|_| replaced) {
            let reason = match old.reason {
                EndReason::Destroyed => EndReason::Replaced,
                reason => reason,
            };
            self.tell_ended(&old, reason);
        }
        let (subject, client) = (record.meta.subject.as_deref(), self.session.client.as_deref());
        for id in evicted {
            shared.ended(*id, EndReason::Evicted, subject, client);
        }
        shared.tell(Event::Created { id, subject, client });
        let live = Live {
            id,
            record,
            due: Due::NOTHING,
            via,
            presented: 0,
            arrived: false,
            old_key: false,
            now,
            doubted: false,
        };
        let owed = ticket(&live, 0);
        self.stand_on(Base::Live(live), owed);
    }
}
