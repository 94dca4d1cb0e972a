//! Writing a live session: again on newer data while others come first.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::{Commit, Step};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, StoreError};
use crate::event::{Event, Rejection};
use crate::plan::{Came, Due, Intent, Outcome, Reply, Standing, Write, due, plan, standing_still};
use crate::record::{Record, SessionData};
use crate::session::{Base, Edits, Live, Owed, Status};
use crate::store::Saved;

/// How often an update is tried on newer data before the request fails. Each round has a winner,
/// so this is also how many writers may meet on one session at once.
const ATTEMPTS: u32 = 128;

/// A live session being written.
pub(super) struct Rewrite<T> {
    pub(super) live: Live<T>,
    pub(super) edits: Edits<T>,
    pub(super) record: Arc<Record<T>>,
    pub(super) due: Due,
    pub(super) reply: Reply,
    /// The application asked for a new ticket.
    pub(super) renew: bool,
    /// The application asked for it, so the request fails with it. Otherwise it is housekeeping.
    pub(super) essential: bool,
    /// The store does I/O: pause before the next attempt.
    pub(super) slow: bool,
}

impl<T: SessionData> Commit<T> {
    pub(super) fn replace(
        &mut self,
        live: Live<T>,
        mut edits: Edits<T>,
        due: Due,
        reply: Reply,
        renew: bool,
    ) -> Result<(), Error> {
        let mut record = match &mut edits {
            // The draft goes out of the edits, so that it is the only one and not copied again.
            Edits::Change(changes) if self.outcome == Outcome::Answered => {
                mem::replace(&mut changes.draft, Arc::clone(&live.record))
            }
            _ => Arc::clone(&live.record),
        };
        let essential = edits.intent() == Intent::Edit && self.outcome == Outcome::Answered;
        let meta = &mut Arc::make_mut(&mut record).meta;
        meta.version = live.record.meta.version + 1;
        meta.touch(live.now);
        if due.confirm {
            meta.confirmed = true;
            meta.renewed = live.now;
        }
        if due.renew {
            meta.generation = meta.generation.saturating_add(1);
            // Strict: as if the new one had been presented already.
            meta.confirmed = self.session.shared.expiry.strict;
            meta.renewed = live.now;
        }
        let store = &self.session.shared.store;
        let expected = live.record.meta.version;
        let answer = store.replace(live.id, expected, Arc::clone(&record), live.now);
        let rewrite = |slow| Rewrite { live, edits, record, due, reply, renew, essential, slow };
        match answer.now_or_later() {
            Ok(saved) => self.replaced(saved, rewrite(false)),
            Err(later) => {
                self.step = Step::Replace(self.timed(later), rewrite(true));
                Ok(())
            }
        }
    }

    pub(super) fn replaced(
        &mut self,
        saved: Result<Saved, StoreError>,
        rewrite: Rewrite<T>,
    ) -> Result<(), Error> {
        let shared = &self.session.shared;
        match saved {
            Ok(Saved::Done) => {
                let Rewrite { live, record, due, reply, .. } = rewrite;
                let generation = record.meta.generation;
                if due.renew {
                    let client = self.session.client.as_deref();
                    let (id, subject) = (live.id, record.meta.subject.as_deref());
                    shared.tell(Event::Renewed { id, generation, subject, client });
                }
                let arrived = live.arrived && live.presented >= generation;
                let (due, presented) = (Due::NOTHING, generation);
                self.rebase(Live { record, due, presented, arrived, ..live }, reply);
                Ok(())
            }
            Ok(Saved::Gone) => self.gone(&rewrite, Came::Overtaken),
            Ok(Saved::Stale) if self.attempts < ATTEMPTS => {
                self.attempts += 1;
                self.step = if rewrite.slow {
                    let pause = shared.clock.sleep(backoff(self.attempts));
                    Step::Pause(pause, rewrite)
                } else {
                    Step::Again(rewrite)
                };
                Ok(())
            }
            Ok(Saved::Stale) => {
                shared.tell(Event::Conflict { id: rewrite.live.id });
                if rewrite.essential { Err(Error::new(ErrorKind::Conflict)) } else { Ok(()) }
            }
            Err(error) => self.failed("replace", error, rewrite.essential),
        }
    }

    pub(super) fn reload(&mut self, rewrite: Rewrite<T>) -> Result<(), Error> {
        let now = self.session.shared.now();
        let load = self.session.shared.store.load(rewrite.live.id, now);
        match load.now_or_later() {
            Ok(loaded) => self.reloaded(loaded, now, rewrite),
            Err(later) => {
                self.step = Step::Reload(self.timed(later), now, rewrite);
                Ok(())
            }
        }
    }

    /// Makes the same edits on newer data.
    pub(super) fn reloaded(
        &mut self,
        loaded: Result<Option<Arc<Record<T>>>, StoreError>,
        now: Timestamp,
        mut rewrite: Rewrite<T>,
    ) -> Result<(), Error> {
        let record = match loaded {
            Ok(Some(record)) if record.meta.is_live(now) => record,
            Ok(_) => return self.gone(&rewrite, Came::Overtaken),
            Err(error) => return self.failed("load", error, rewrite.essential),
        };
        let live = &mut rewrite.live;
        let expiry = &self.session.shared.expiry;
        let standing = standing_still(&record.meta, live.presented, live.arrived, expiry, now);
        if standing == Standing::Outdated {
            // Somebody else has spent the ticket; the session itself lives.
            return self.gone(&rewrite, Came::Named);
        }
        live.due = due(&record.meta, standing, live.old_key, expiry, now);
        live.now = now;
        live.record = record;
        if rewrite.essential
            && let Edits::Change(changes) = &mut rewrite.edits
        {
            changes.replay(&live.record);
            self.session.shared.check_size(&changes.draft)?;
            if !changes.alter(&live.record) {
                rewrite.edits = Edits::None;
            }
        }
        let due = due_now(live, rewrite.renew);
        let (write, reply) = plan(Came::Live, rewrite.edits.intent(), due, self.outcome);
        let Rewrite { live, edits, renew, .. } = rewrite;
        if write == Write::Replace {
            return self.replace(live, edits, due, reply, renew);
        }
        // The store was asked just now: that will do for sending the ticket again.
        self.rebase(Live { due: Due::NOTHING, ..live.clone() }, reply);
        if due.touch {
            self.touch(live, Reply::Leave);
        }
        Ok(())
    }

    /// Somebody ended the session meanwhile. The response goes out without a word about it: the
    /// client may have a newer ticket by now.
    fn gone(&self, rewrite: &Rewrite<T>, came: Came) -> Result<(), Error> {
        let Live { id, via, .. } = rewrite.live;
        let status = Status::Rejected(Rejection::Gone);
        self.stand_on(Base::in_vain(status, id, via, came), Owed::Nothing);
        if rewrite.essential { Err(Error::new(ErrorKind::Gone)) } else { Ok(()) }
    }

    /// Makes the changes stand on the record as it is now, and says what they come to.
    #[inline]
    pub(super) fn effect(&self, live: &Live<T>, edits: &mut Edits<T>) -> Result<Effect, Error> {
        let shared = &self.session.shared;
        let changes = match edits {
            Edits::Change(changes) if self.outcome == Outcome::Answered => changes,
            _ => return Ok(Effect::Some),
        };
        if !changes.stands_on(&live.record) {
            changes.replay(&live.record);
            shared.check_size(&changes.draft)?;
        }
        Ok(match changes.alter(&live.record) {
            true => Effect::Some,
            false if changes.replaces && shared.tickets.is_none() => Effect::Unsure,
            false => Effect::None,
        })
    }

    /// Looks at what is stored: others may have written since this request loaded it.
    #[cold]
    pub(super) fn recheck(
        &mut self,
        live: Live<T>,
        edits: Edits<T>,
        due: Due,
        renew: bool,
    ) -> Result<(), Error> {
        let (record, reply) = (Arc::clone(&live.record), Reply::Leave);
        let (essential, slow) = (true, false);
        self.reload(Rewrite { live, edits, record, due, reply, renew, essential, slow })
    }
}

/// What changes come to.
pub(super) enum Effect {
    /// There is something to write, if there are changes at all.
    Some,
    /// The record stays as it is.
    None,
    /// The same, as far as this request can see; but what others have written since is not to
    /// survive them.
    Unsure,
}

/// What is due, with a renewal that the application asked for.
pub(super) fn due_now<T>(live: &Live<T>, renew: bool) -> Due {
    let newest = live.arrived && live.presented >= live.record.meta.generation;
    Due { renew: live.due.renew || (renew && newest), ..live.due }
}

/// A pause of random length, so that writers that met do not meet again.
fn backoff(attempt: u32) -> Duration {
    let ceiling = 1_000_u64 << attempt.min(6);
    let random = getrandom::u64().unwrap_or(ceiling / 2);
    Duration::from_micros(random % ceiling)
}
