//! Carrying out the plan: one atomic write, done again on newer data if somebody else came first.
//!
//! A commit is a named state machine rather than an `async fn`, so that a store that answers at
//! once costs no box. Every step owns what it works on and hands it to the next.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::{Sleep, Timestamp};
use crate::codec::Ticket;
use crate::error::{Error, ErrorKind, StoreError};
use crate::event::{EndReason, Event, Rejection};
use crate::id::Id;
use crate::plan::{Came, Due, Intent, Outcome, Reply, Standing, Write, due, plan, standing};
use crate::record::{Record, SessionData};
use crate::same::same;
use crate::session::{Base, Edits, Inner, Live, Owed, Status};
use crate::store::{Admission, Created, Saved, StoreAnswer};
use crate::wait::Timed;

/// How often an update is tried on newer data before the request fails. Each round has a winner,
/// so this is also how many writers may meet on one session at once.
const ATTEMPTS: u32 = 128;

/// How often a new id is drawn because the store knows the first. Once would do for 2¹²⁸ ids.
const DRAWS: u32 = 3;

/// A commit under way.
pub(crate) struct Commit<T> {
    session: Arc<Inner<T>>,
    outcome: Outcome,
    step: Step<T>,
    attempts: u32,
}

enum Step<T> {
    Decide,
    Touch(Timed<Saved>, Live<T>, Reply),
    Replace(Timed<Saved>, Rewrite<T>),
    Again(Rewrite<T>),
    Pause(Sleep, Rewrite<T>),
    Reload(Timed<Option<Arc<Record<T>>>>, Timestamp, Rewrite<T>),
    Create(Timed<Created>, Birth<T>),
    Delete(Timed<bool>, Death),
    Done,
}

/// A live session being written.
struct Rewrite<T> {
    live: Live<T>,
    edits: Edits<T>,
    record: Arc<Record<T>>,
    due: Due,
    reply: Reply,
    /// The application asked for a new ticket.
    renew: bool,
    /// The application asked for it, so the request fails with it. Otherwise it is housekeeping.
    essential: bool,
    /// The store does I/O: pause before the next attempt.
    slow: bool,
}

/// A session being created.
struct Birth<T> {
    id: Id,
    record: Arc<Record<T>>,
    via: u8,
    instead_of: Option<(Id, EndReason)>,
}

/// A session being ended.
struct Death {
    id: Id,
    via: u8,
    reason: EndReason,
    now: Timestamp,
}

/// What the state says when a commit begins.
struct Start<T> {
    came: Came,
    live: Option<Live<T>>,
    other: Option<(Id, u8)>,
    edits: Edits<T>,
    renew: bool,
    given_up: bool,
}

/// Polls an answer; while it is pending, puts the step back and waits.
macro_rules! wait {
    ($commit:ident, $cx:ident, $answer:ident, $step:expr) => {
        match Pin::new(&mut $answer).poll($cx) {
            Poll::Ready(value) => value,
            Poll::Pending => {
                $commit.step = $step;
                return Poll::Pending;
            }
        }
    };
}

impl<T: SessionData> Commit<T> {
    pub(crate) const fn new(session: Arc<Inner<T>>, outcome: Outcome) -> Self {
        Self { session, outcome, step: Step::Decide, attempts: 0 }
    }

    pub(crate) const fn session(&self) -> &Arc<Inner<T>> {
        &self.session
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.step = match mem::replace(&mut self.step, Step::Done) {
                Step::Decide => self.decide()?,
                Step::Touch(mut answer, live, reply) => {
                    let saved = wait!(self, cx, answer, Step::Touch(answer, live, reply));
                    self.touched(saved, &live, reply)
                }
                Step::Replace(mut answer, rewrite) => {
                    let saved = wait!(self, cx, answer, Step::Replace(answer, rewrite));
                    self.replaced(saved, rewrite)?
                }
                Step::Pause(mut sleep, rewrite) => {
                    wait!(self, cx, sleep, Step::Pause(sleep, rewrite));
                    Step::Again(rewrite)
                }
                Step::Again(rewrite) => self.reload(rewrite)?,
                Step::Reload(mut answer, now, rewrite) => {
                    let loaded = wait!(self, cx, answer, Step::Reload(answer, now, rewrite));
                    self.reloaded(loaded, now, rewrite)?
                }
                Step::Create(mut answer, birth) => {
                    let created = wait!(self, cx, answer, Step::Create(answer, birth));
                    self.created(created, birth)?
                }
                Step::Delete(mut answer, death) => {
                    let deleted = wait!(self, cx, answer, Step::Delete(answer, death));
                    self.deleted(deleted, &death)?
                }
                Step::Done => return Poll::Ready(Ok(())),
            };
        }
    }

    /// A wait for an answer that is not there at once.
    fn timed<V>(&self, later: StoreAnswer<V>) -> Timed<V> {
        Timed::new(later, &*self.session.shared.clock, self.session.shared.store_timeout)
    }

    /// Takes the edits, asks the plan, and starts the write.
    fn decide(&mut self) -> Result<Step<T>, Error> {
        let Start { came, live, other, mut edits, renew, given_up } = self.start();
        if given_up && edits.intent() != Intent::Destroy {
            return Err(Error::new(ErrorKind::Unknown));
        }
        let mut due = Due::NOTHING;
        if let Some(live) = &live {
            settle(live, &mut edits);
            due = due_now(live, renew);
        }
        let (write, reply) = plan(came, edits.intent(), due, self.outcome);
        match (write, live) {
            (Write::Create, live) => {
                let current = live.as_ref().map(|live| (live.id, live.via, EndReason::Replaced));
                let reused = other.map(|(id, via)| (id, via, EndReason::Reused));
                self.create(edits, current.or(reused))
            }
            (Write::Delete, Some(live)) => {
                let Live { id, via, now, .. } = live;
                self.delete(Death { id, via, reason: EndReason::Destroyed, now })
            }
            (Write::Delete, None) => other.map_or(Ok(Step::Done), |(id, via)| {
                let now = self.session.shared.now();
                self.delete(Death { id, via, reason: EndReason::Reused, now })
            }),
            (Write::Replace, Some(live)) => self.replace(live, edits, due, reply, renew),
            (Write::Touch, Some(live)) => {
                let touch = self.session.shared.store.touch(live.id, live.now);
                Ok(match touch.now_or_later() {
                    Ok(saved) => self.touched(saved, &live, reply),
                    Err(later) => Step::Touch(self.timed(later), live, reply),
                })
            }
            (_, live) => {
                match live {
                    Some(live) => self.answer(&live, live.record.meta.generation, reply),
                    None if reply == Reply::Clear => self.clear(),
                    None => {}
                }
                Ok(Step::Done)
            }
        }
    }

    fn start(&self) -> Start<T> {
        let mut state = self.session.state();
        let edits = mem::replace(&mut state.edits, Edits::None);
        let renew = mem::replace(&mut state.renew, false);
        let (live, other) = match &state.base {
            Base::Live(live) => (Some(live.clone()), None),
            Base::Reused { id, via } => (None, Some((*id, *via))),
            Base::Without { .. } | Base::Unread(_) => (None, None),
        };
        Start { came: state.came(), live, other, edits, renew, given_up: state.given_up }
    }

    // ---- replace ----

    fn replace(
        &mut self,
        live: Live<T>,
        mut edits: Edits<T>,
        due: Due,
        reply: Reply,
        renew: bool,
    ) -> Result<Step<T>, Error> {
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
            meta.confirmed = false;
            meta.renewed = live.now;
        }
        let store = &self.session.shared.store;
        let expected = live.record.meta.version;
        let answer = store.replace(live.id, expected, Arc::clone(&record), live.now);
        let rewrite = |slow| Rewrite { live, edits, record, due, reply, renew, essential, slow };
        match answer.now_or_later() {
            Ok(saved) => self.replaced(saved, rewrite(false)),
            Err(later) => Ok(Step::Replace(self.timed(later), rewrite(true))),
        }
    }

    fn replaced(
        &mut self,
        saved: Result<Saved, StoreError>,
        rewrite: Rewrite<T>,
    ) -> Result<Step<T>, Error> {
        let shared = &self.session.shared;
        match saved {
            Ok(Saved::Done) => {
                let Rewrite { live, record, due, reply, .. } = rewrite;
                let generation = record.meta.generation;
                if due.renew {
                    shared.tell(Event::Renewed { id: live.id, generation });
                }
                self.answer(&live, generation, reply);
                self.rebase(Live { record, due: Due::NOTHING, presented: generation, ..live });
                Ok(Step::Done)
            }
            Ok(Saved::Gone) => self.gone(&rewrite),
            Ok(Saved::Stale) if self.attempts < ATTEMPTS => {
                self.attempts += 1;
                if !rewrite.slow {
                    return Ok(Step::Again(rewrite));
                }
                let pause = shared.clock.sleep(backoff(self.attempts));
                Ok(Step::Pause(pause, rewrite))
            }
            Ok(Saved::Stale) => {
                shared.tell(Event::Conflict { id: rewrite.live.id });
                if rewrite.essential {
                    Err(Error::new(ErrorKind::Conflict))
                } else {
                    Ok(Step::Done)
                }
            }
            Err(error) => self.failed("replace", error, rewrite.essential),
        }
    }

    fn reload(&mut self, rewrite: Rewrite<T>) -> Result<Step<T>, Error> {
        let now = self.session.shared.now();
        let load = self.session.shared.store.load(rewrite.live.id, now);
        match load.now_or_later() {
            Ok(loaded) => self.reloaded(loaded, now, rewrite),
            Err(later) => Ok(Step::Reload(self.timed(later), now, rewrite)),
        }
    }

    /// Makes the same edits on newer data.
    fn reloaded(
        &mut self,
        loaded: Result<Option<Arc<Record<T>>>, StoreError>,
        now: Timestamp,
        mut rewrite: Rewrite<T>,
    ) -> Result<Step<T>, Error> {
        let record = match loaded {
            Ok(Some(record)) if record.meta.is_live(now) => record,
            Ok(_) => return self.gone(&rewrite),
            Err(error) => return self.failed("load", error, rewrite.essential),
        };
        let live = &mut rewrite.live;
        let expiry = &self.session.shared.expiry;
        let standing = standing(&record.meta, live.presented, expiry.grace, now);
        if standing == Standing::Outdated {
            // The winner was somebody with a newer ticket, renewed and confirmed long ago.
            return self.gone(&rewrite);
        }
        live.due = due(&record.meta, standing, live.old_key, expiry, now);
        live.now = now;
        live.record = record;
        if rewrite.essential {
            if let Edits::Change(changes) = &mut rewrite.edits {
                changes.replay(&live.record);
            }
            settle(live, &mut rewrite.edits);
        }
        let due = due_now(live, rewrite.renew);
        let (write, reply) = plan(Came::Live, rewrite.edits.intent(), due, self.outcome);
        if write == Write::Replace {
            let Rewrite { live, edits, renew, .. } = rewrite;
            return self.replace(live, edits, due, reply, renew);
        }
        self.answer(&rewrite.live, rewrite.live.record.meta.generation, reply);
        self.rebase(Live { due: Due::NOTHING, ..rewrite.live });
        Ok(Step::Done)
    }

    /// Somebody ended the session meanwhile. The response goes out without a word about it: the
    /// client may have a newer ticket by now.
    fn gone(&self, rewrite: &Rewrite<T>) -> Result<Step<T>, Error> {
        let status = Status::Rejected(Rejection::Gone);
        self.session.state().base = Base::without(status);
        if rewrite.essential { Err(Error::new(ErrorKind::Gone)) } else { Ok(Step::Done) }
    }

    fn touched(&self, saved: Result<Saved, StoreError>, live: &Live<T>, reply: Reply) -> Step<T> {
        match saved {
            // It has been ended meanwhile: its ticket is not sent again.
            Ok(Saved::Gone) => return Step::Done,
            Ok(_) => {}
            Err(error) => self.session.shared.store_failed("touch", &error),
        }
        if let Base::Live(base) = &mut self.session.state().base {
            base.due.touch = false;
        }
        self.answer(live, live.record.meta.generation, reply);
        Step::Done
    }

    // ---- create ----

    fn create(
        &mut self,
        edits: Edits<T>,
        instead_of: Option<(Id, u8, EndReason)>,
    ) -> Result<Step<T>, Error> {
        let Edits::Create(id, record) = edits else { return Ok(Step::Done) };
        let via = instead_of.map_or_else(|| self.presenter(), |(_, via, _)| via);
        let instead_of = instead_of.map(|(id, _, reason)| (id, reason));
        self.insert(Birth { id, record, via, instead_of })
    }

    fn insert(&mut self, birth: Birth<T>) -> Result<Step<T>, Error> {
        let shared = &self.session.shared;
        let admission =
            Admission { replacing: birth.instead_of.map(|(id, _)| id), limit: shared.limit };
        let record = Arc::clone(&birth.record);
        let answer = shared.store.create(birth.id, record, admission, birth.record.meta.created);
        match answer.now_or_later() {
            Ok(created) => self.created(created, birth),
            Err(later) => Ok(Step::Create(self.timed(later), birth)),
        }
    }

    fn created(
        &mut self,
        created: Result<Created, StoreError>,
        mut birth: Birth<T>,
    ) -> Result<Step<T>, Error> {
        let shared = &self.session.shared;
        match created {
            Ok(Created::Done { evicted, replaced }) => {
                self.born(birth, &evicted, replaced);
                Ok(Step::Done)
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
            shared.tell(Event::Ended { id, reason });
        }
        for id in evicted {
            shared.tell(Event::Ended { id: *id, reason: EndReason::Evicted });
        }
        shared.tell(Event::Created { id, subject: record.meta.subject.as_deref() });
        let live = Live { id, record, due: Due::NOTHING, via, presented: 0, old_key: false, now };
        self.answer(&live, 0, Reply::Attach);
        self.session.state().base = Base::Live(live);
    }

    // ---- delete ----

    fn delete(&self, death: Death) -> Result<Step<T>, Error> {
        let answer = self.session.shared.store.delete(death.id, death.now);
        match answer.now_or_later() {
            Ok(deleted) => self.deleted(deleted, &death),
            Err(later) => Ok(Step::Delete(self.timed(later), death)),
        }
    }

    fn deleted(&self, deleted: Result<bool, StoreError>, death: &Death) -> Result<Step<T>, Error> {
        match deleted {
            Ok(existed) => {
                if existed {
                    let Death { id, reason, .. } = *death;
                    self.session.shared.tell(Event::Ended { id, reason });
                }
                let mut state = self.session.state();
                state.base = Base::without(Status::Ended);
                state.owed = Owed::Removal { via: death.via };
                drop(state);
                Ok(Step::Done)
            }
            Err(error) => self.failed("delete", error, true),
        }
    }

    // ---- what the state and the client are told ----

    /// Reports a store's failure; housekeeping that fails is not the request's concern.
    fn failed(
        &self,
        operation: &'static str,
        error: StoreError,
        essential: bool,
    ) -> Result<Step<T>, Error> {
        self.session.shared.store_failed(operation, &error);
        if essential { Err(error.into()) } else { Ok(Step::Done) }
    }

    /// Notes a ticket to send.
    fn answer(&self, live: &Live<T>, generation: u32, reply: Reply) {
        if reply != Reply::Attach {
            return;
        }
        let meta = &live.record.meta;
        // Whole seconds, rounded up: the time since the login must not cost the client a second.
        let seconds = |left: Duration| left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let left = || Duration::from_secs(seconds(meta.absolute.since(live.now)));
        let max_age = meta.persistent.then(left);
        let ticket = Ticket { id: live.id, generation };
        self.session.state().owed = Owed::Ticket { via: live.via, ticket, max_age };
    }

    /// Notes that the dead ticket is to be cleared.
    fn clear(&self) {
        let mut state = self.session.state();
        if let Base::Without { via: Some(via), clear, .. } = &mut state.base {
            *clear = false;
            state.owed = Owed::Removal { via: *via };
        }
    }

    /// What was written is what the request now stands on, unless another commit of the same
    /// handle has written since.
    fn rebase(&self, live: Live<T>) {
        let mut state = self.session.state();
        if let Base::Live(base) = &mut state.base
            && base.record.meta.version <= live.record.meta.version
        {
            let before = mem::replace(base, live);
            drop(state);
            drop(before);
        }
    }

    /// The transport that presented a ticket, dead or alive; else the first.
    fn presenter(&self) -> u8 {
        match &self.session.state().base {
            Base::Live(live) => live.via,
            Base::Reused { via, .. } | Base::Without { via: Some(via), .. } => *via,
            Base::Without { via: None, .. } | Base::Unread(_) => 0,
        }
    }
}

/// A commit that is dropped before the store has answered (`session.commit()` under a timeout)
/// must not be forgotten: an end is tried again with the response, and of anything else nobody
/// knows whether it happened, so the request fails.
impl<T> Drop for Commit<T> {
    fn drop(&mut self) {
        let given_up = match &self.step {
            Step::Decide | Step::Touch(..) | Step::Done => return,
            Step::Delete(_, death) if death.reason == EndReason::Reused => return,
            Step::Delete(..) => false,
            Step::Create(..) => true,
            Step::Replace(_, rewrite)
            | Step::Again(rewrite)
            | Step::Pause(_, rewrite)
            | Step::Reload(_, _, rewrite) => rewrite.essential,
        };
        let mut state = self.session.state();
        state.given_up |= given_up;
        if let (Step::Delete(..), Edits::None) = (&self.step, &state.edits) {
            state.edits = Edits::Destroy;
        }
    }
}

/// Makes the changes stand on the record as it is now, and drops those that changed nothing.
fn settle<T: SessionData>(live: &Live<T>, edits: &mut Edits<T>) {
    let Edits::Change(changes) = edits else { return };
    if changes.draft.meta.version != live.record.meta.version {
        changes.replay(&live.record);
    }
    if same(&live.record.data, &changes.draft.data) {
        *edits = Edits::None;
    }
}

/// What is due, with a renewal that the application asked for.
fn due_now<T>(live: &Live<T>, renew: bool) -> Due {
    let newest = live.presented >= live.record.meta.generation;
    Due { renew: live.due.renew || (renew && newest), ..live.due }
}

/// A pause of random length, so that writers that met do not meet again.
fn backoff(attempt: u32) -> Duration {
    let ceiling = 1_000_u64 << attempt.min(6);
    let random = getrandom::u64().unwrap_or(ceiling / 2);
    Duration::from_micros(random % ceiling)
}
