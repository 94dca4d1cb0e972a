//! Carrying out the plan: one atomic write, done again on newer data if somebody else came first.
//!
//! A commit is a named state machine rather than an `async fn`, so that a store that answers at
//! once costs no box, and no step either. Every step owns what it works on.

mod birth;
mod rewrite;

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use self::birth::Birth;
use self::rewrite::{Effect, Rewrite, due_now};
use crate::clock::{Sleep, Timestamp};
use crate::codec::Ticket;
use crate::error::{Error, ErrorKind, StoreError, StoreErrorKind};
use crate::event::EndReason;
use crate::id::Id;
use crate::plan::{Came, Due, Intent, Outcome, Reply, Write, plan};
use crate::record::{Record, SessionData};
use crate::session::{Base, Edits, GivenUp, Inner, Live, Owed, Status, Vain};
use crate::store::{Created, Saved, StoreAnswer};
use crate::wait::Timed;

/// A commit under way.
pub(crate) struct Commit<T> {
    session: Arc<Inner<T>>,
    outcome: Outcome,
    /// Whether the plan was asked; until then nothing is waited for.
    decided: bool,
    step: Step<T>,
    attempts: u32,
}

/// What is being waited for.
enum Step<T> {
    Touch(Timed<Saved>, Live<T>, Reply),
    Replace(Timed<Saved>, Rewrite<T>),
    Again(Rewrite<T>),
    Pause(Sleep, Rewrite<T>),
    Reload(Timed<Option<Arc<Record<T>>>>, Timestamp, Rewrite<T>),
    Create(Timed<Created>, Birth<T>),
    Delete(Timed<bool>, Death<T>),
    Done,
}

/// A session being ended.
struct Death<T> {
    id: Id,
    via: u8,
    reason: EndReason,
    /// As it was loaded, if it was.
    record: Option<Arc<Record<T>>>,
    /// The holder asked for it.
    logged_out: bool,
    /// Why the session that was to follow it does not.
    refused: Option<Box<Error>>,
}

impl<T> Death<T> {
    const fn new(id: Id, via: u8, reason: EndReason) -> Self {
        Self { id, via, reason, record: None, logged_out: false, refused: None }
    }

    fn of(live: Live<T>) -> Self {
        Self { record: Some(live.record), ..Self::new(live.id, live.via, EndReason::Destroyed) }
    }

    fn subject(&self) -> Option<&str> {
        self.record.as_ref()?.meta.subject.as_deref()
    }
}

/// What the state says when a commit begins.
struct Start<T> {
    came: Came,
    live: Option<Live<T>>,
    /// A session that was recognised, and is not to be had.
    other: Option<Death<T>>,
    /// The transport that presented a ticket, dead or alive; else the first.
    via: u8,
    edits: Edits<T>,
    renew: bool,
    given_up: GivenUp,
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
        Self { session, outcome, decided: false, step: Step::Done, attempts: 0 }
    }

    pub(crate) const fn session(&self) -> &Arc<Inner<T>> {
        &self.session
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.decided {
            self.decided = true;
            self.decide()?;
        }
        // A store in memory has answered by now.
        match self.step {
            Step::Done => Poll::Ready(Ok(())),
            _ => self.resume(cx),
        }
    }

    /// Takes up the step at which an answer was not there; steps say themselves what comes next.
    #[inline(never)] // its frame is large
    fn resume(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match mem::replace(&mut self.step, Step::Done) {
                Step::Touch(mut answer, live, reply) => {
                    let saved = wait!(self, cx, answer, Step::Touch(answer, live, reply));
                    self.touched(saved, &live, reply);
                }
                Step::Replace(mut answer, rewrite) => {
                    let saved = wait!(self, cx, answer, Step::Replace(answer, rewrite));
                    self.replaced(saved, rewrite)?;
                }
                Step::Pause(mut sleep, rewrite) => {
                    wait!(self, cx, sleep, Step::Pause(sleep, rewrite));
                    self.reload(rewrite)?;
                }
                Step::Again(rewrite) => self.reload(rewrite)?,
                Step::Reload(mut answer, now, rewrite) => {
                    let loaded = wait!(self, cx, answer, Step::Reload(answer, now, rewrite));
                    self.reloaded(loaded, now, rewrite)?;
                }
                Step::Create(mut answer, birth) => {
                    let created = wait!(self, cx, answer, Step::Create(answer, birth));
                    self.created(created, birth)?;
                }
                Step::Delete(mut answer, death) => {
                    let deleted = wait!(self, cx, answer, Step::Delete(answer, death));
                    self.deleted(deleted, death)?;
                }
                Step::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    /// A wait for an answer that is not there at once.
    fn timed<V>(&self, later: StoreAnswer<V>) -> Timed<V> {
        Timed::new(later, &*self.session.shared.clock, self.session.shared.store_timeout)
    }

    /// Takes the edits, asks the plan, and starts the write.
    fn decide(&mut self) -> Result<(), Error> {
        let start = self.start();
        if start.given_up != GivenUp::Nothing && start.edits.intent() != Intent::Destroy {
            return self.make_up(start);
        }
        let Start { came, live, other, via, mut edits, renew, .. } = start;
        let mut due = Due::NOTHING;
        if let Some(live) = &live {
            due = due_now(live, renew);
            match self.effect(live, &mut edits)? {
                Effect::Some => {}
                Effect::None => edits = Edits::None,
                Effect::Unsure => return self.recheck(live.clone(), edits, due, renew),
            }
        }
        let (write, mut reply) = plan(came, edits.intent(), due, self.outcome);
        if matches!(write, Write::Replace | Write::Touch) && self.session.shared.tickets.is_some() {
            reply = Reply::Attach; // the ticket is where it is written
        }
        match (write, live) {
            (Write::Create { replacing }, live) => {
                let instead_of = live.map(Death::of).or(other).filter(|_| replacing);
                self.create(edits, via, instead_of)
            }
            (Write::Delete, live) => {
                let now = live.as_ref().map_or_else(|| self.session.shared.now(), |live| live.now);
                let Some(death) = live.map(Death::of).or(other) else { return Ok(()) };
                let logged_out = reply == Reply::Clear { logged_out: true };
                self.delete(Death { logged_out, ..death }, now)
            }
            (Write::Replace, Some(live)) => self.replace(live, edits, due, reply, renew),
            (Write::Touch, Some(live)) => {
                self.touch(live, reply);
                Ok(())
            }
            _ => {
                if let Reply::Clear { logged_out } = reply {
                    self.clear(logged_out);
                }
                Ok(())
            }
        }
    }

    /// Fails because nobody knows what an earlier commit has done, but for the end that was asked
    /// for.
    #[cold]
    fn make_up(&mut self, start: Start<T>) -> Result<(), Error> {
        let Start { came, live, other, given_up, .. } = start;
        let unknown = Error::new(ErrorKind::Unknown);
        if given_up != GivenUp::Restart {
            return Err(unknown);
        }
        let (write, _) = plan(came, Intent::Restart, Due::NOTHING, Outcome::Answered);
        let lives = write == Write::Create { replacing: true };
        self.end_all_the_same(live.map(Death::of).or(other).filter(|_| lives), unknown)
    }

    /// Ends the session that was to end before another, of which nothing came.
    #[cold]
    fn end_all_the_same(&mut self, old: Option<Death<T>>, error: Error) -> Result<(), Error> {
        let Some(old) = old else {
            self.clear(true);
            return Err(error);
        };
        let refused = Some(Box::new(error));
        let now = self.session.shared.now();
        self.delete(Death { logged_out: true, refused, ..old }, now)
    }

    fn start(&self) -> Start<T> {
        let mut state = self.session.state();
        let edits = mem::replace(&mut state.edits, Edits::None);
        let renew = mem::replace(&mut state.renew, false);
        let (live, other, via) = match &state.base {
            Base::Live(live) => (Some(live.clone()), None, live.via),
            Base::Condemned { id, via, reason, record } => {
                let record = Some(Arc::clone(record));
                (None, Some(Death { record, ..Death::new(*id, *via, *reason) }), *via)
            }
            Base::Without { vain: Some(Vain { id, via, .. }), .. } => {
                (None, Some(Death::new(*id, *via, EndReason::Destroyed)), *via)
            }
            Base::Without { .. } | Base::Unread(_) | Base::Loading(_) => (None, None, 0),
        };
        Start { came: state.came(), live, other, via, edits, renew, given_up: state.given_up }
    }

    fn touch(&mut self, live: Live<T>, reply: Reply) {
        let touch = self.session.shared.store.touch(live.id, live.now);
        match touch.now_or_later() {
            Ok(saved) => self.touched(saved, &live, reply),
            Err(later) => self.step = Step::Touch(self.timed(later), live, reply),
        }
    }

    /// A ticket goes out only if the session was there to note its use.
    fn touched(&self, saved: Result<Saved, StoreError>, live: &Live<T>, reply: Reply) {
        match saved {
            Ok(Saved::Gone) => return,
            Ok(_) => {}
            Err(error) => return self.session.shared.store_failed("touch", &error),
        }
        let mut state = self.session.state();
        if reply == Reply::Attach {
            state.owed = ticket(live, live.record.meta.generation);
        }
        if let Base::Live(base) = &mut state.base {
            base.due.touch = false;
        }
    }

    fn delete(&mut self, death: Death<T>, now: Timestamp) -> Result<(), Error> {
        let answer = self.session.shared.store.delete(death.id, now);
        match answer.now_or_later() {
            Ok(deleted) => self.deleted(deleted, death),
            Err(later) => {
                self.step = Step::Delete(self.timed(later), death);
                Ok(())
            }
        }
    }

    fn deleted(&self, deleted: Result<bool, StoreError>, death: Death<T>) -> Result<(), Error> {
        match deleted {
            Ok(existed) => {
                if existed {
                    self.tell_ended(&death, death.reason);
                }
                let Death { id, via, logged_out, refused, .. } = death;
                let base = Base::in_vain(Status::Ended, id, via, Came::Overtaken);
                self.stand_on(base, Owed::Removal { via, logged_out });
                refused.map_or(Ok(()), |error| Err(*error))
            }
            Err(error) => {
                let failed = self.failed("delete", error, true);
                death.refused.map_or(failed, |error| Err(*error))
            }
        }
    }

    fn tell_ended(&self, death: &Death<T>, reason: EndReason) {
        let client = self.session.client.as_deref();
        self.session.shared.ended(death.id, reason, death.subject(), client);
    }

    /// Reports a store's failure; housekeeping that fails is not the request's concern. That it
    /// was asked to keep too much is no failure of the store.
    fn failed(
        &self,
        operation: &'static str,
        error: StoreError,
        essential: bool,
    ) -> Result<(), Error> {
        if essential && error.kind() == StoreErrorKind::TooLarge {
            return Err(error.into());
        }
        self.session.shared.store_failed(operation, &error);
        if essential { Err(error.into()) } else { Ok(()) }
    }

    /// Notes what the request stands on from now on, and what it owes the client for that.
    fn stand_on(&self, base: Base<T>, owed: Owed) {
        let mut state = self.session.state();
        state.owed = owed;
        state.edits.displace();
        let before = mem::replace(&mut state.base, base);
        drop(state);
        drop(before); // user data is dropped outside the lock
    }

    /// Notes that the dead ticket is to be cleared, once.
    fn clear(&self, logged_out: bool) {
        let mut state = self.session.state();
        if let Base::Without { vain: Some(vain), .. } = &mut state.base {
            vain.came = Came::Overtaken;
            state.owed = Owed::Removal { via: vain.via, logged_out };
        }
    }

    /// What was written is what the request now stands on, unless another commit of the same
    /// handle has written since.
    fn rebase(&self, live: Live<T>, reply: Reply) {
        let mut state = self.session.state();
        if reply == Reply::Attach {
            state.owed = ticket(&live, live.record.meta.generation);
        }
        if let Base::Live(base) = &mut state.base
            && base.record.meta.version <= live.record.meta.version
        {
            let before = mem::replace(base, live);
            drop(state);
            drop(before);
        }
    }
}

/// The ticket of this generation, to be sent.
fn ticket<T>(live: &Live<T>, generation: u32) -> Owed {
    let meta = &live.record.meta;
    // Whole seconds, rounded up: the time since the login must not cost the client a second.
    let seconds = |left: Duration| left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let left = || Duration::from_secs(seconds(meta.absolute.since(live.now)));
    let max_age = meta.persistent.then(left);
    Owed::Ticket { via: live.via, ticket: Ticket { id: live.id, generation }, max_age }
}

/// A commit that is dropped before the store has answered (`session.commit()` under a timeout)
/// must not be forgotten: an end is tried again with the response, and of anything else nobody
/// knows whether it happened, so the request fails.
impl<T> Drop for Commit<T> {
    fn drop(&mut self) {
        let (given_up, end) = match &self.step {
            Step::Delete(_, Death { refused: Some(_), .. })
            | Step::Create(_, Birth { restart: true, .. }) => (GivenUp::Restart, false),
            Step::Delete(_, death) => (GivenUp::Nothing, death.logged_out),
            Step::Create(..) => (GivenUp::Edit, false),
            Step::Replace(_, rewrite)
            | Step::Again(rewrite)
            | Step::Pause(_, rewrite)
            | Step::Reload(_, _, rewrite)
                if rewrite.essential =>
            {
                (GivenUp::Edit, false)
            }
            _ => return,
        };
        let mut state = self.session.state();
        state.given_up = state.given_up.max(given_up);
        if let (true, Edits::None) = (end, &state.edits) {
            state.edits = Edits::Destroy;
        }
    }
}
