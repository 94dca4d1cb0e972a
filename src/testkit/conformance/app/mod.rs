//! A small application: a layer around a handler, over the store on trial, and its visitors.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::trial::{ABSOLUTE, IDLE, Trial, minutes};
use crate::clock::{Clock, Sleep, SystemClock, Timestamp};
use crate::expiry::Expiry;
use crate::id::Id;
use crate::key::Key;
use crate::layer::SessionLayer;
use crate::record::Record;
use crate::session::NewSession;
use crate::testkit::{Fault, Faulty, Operation, Sample, SimulatedClock};
use crate::transport::Header;

mod heard;
mod visitor;

pub(super) use self::heard::{Heard, Word};
use self::visitor::HEADER;
pub(super) use self::visitor::{Reply, Visitor};

/// How old a ticket of an [`App`] is when it is renewed.
pub(super) const RENEWAL: Duration = minutes(10);
/// How long the ticket before still passes.
pub(super) const GRACE: Duration = Duration::from_secs(30);
/// How long after a noted use the next one is noted.
pub(super) const THROTTLE: Duration = minutes(1);
/// How long a call may take where waits are simulated.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// The smallest step of time.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// An application. Its clones are the same one.
#[derive(Clone)]
pub(super) struct App {
    /// The store itself, without faults.
    pub(super) trial: Trial,
    /// The store as the layer sees it.
    pub(super) store: Faulty<Sample>,
    /// The same below the faults: what is called here is done.
    pub(super) below: Faulty<Sample>,
    pub(super) clock: SimulatedClock,
    pub(super) heard: Heard,
    layer: SessionLayer<Sample>,
}

impl App {
    /// Time stands still until the case moves it, but waits are real: a store may take as long as
    /// it takes, and writers that met do pause.
    pub(super) fn new(trial: &Trial) -> Self {
        Self::with(trial, |layer| layer)
    }

    pub(super) fn with(
        trial: &Trial,
        configure: impl FnOnce(SessionLayer<Sample>) -> SessionLayer<Sample>,
    ) -> Self {
        let store = Faulty::in_front_of(Arc::clone(&trial.store));
        Self::build(trial, store, |layer, clock| {
            configure(layer.clock(RealWaits(clock)).store_timeout(PATIENCE))
        })
    }

    /// Waits are simulated as well: a call times out when the case says so, and not before.
    pub(super) fn with_simulated_waits(trial: &Trial) -> Self {
        let clock = SimulatedClock::starting_at(trial.start.into());
        let below = Faulty::in_front_of(Arc::clone(&trial.store));
        let store = Faulty::new(below.clone()).with_clock(clock.clone());
        let app =
            Self::build(trial, store, |layer, _| layer.clock(clock.clone()).store_timeout(TIMEOUT));
        Self { clock, below, ..app }
    }

    /// Every call takes several polls, before it is done and after.
    pub(super) fn in_many_steps(trial: &Trial) -> Self {
        let store = Faulty::in_front_of(Arc::clone(&trial.store)).always_later();
        for operation in Operation::ALL {
            store.always(*operation, Fault::Yield { before: 1, after: 1 });
        }
        Self::build(trial, store, |layer, clock| {
            layer.clock(RealWaits(clock)).store_timeout(PATIENCE)
        })
    }

    fn build(
        trial: &Trial,
        store: Faulty<Sample>,
        configure: impl FnOnce(SessionLayer<Sample>, SimulatedClock) -> SessionLayer<Sample>,
    ) -> Self {
        let (clock, heard) = (SimulatedClock::starting_at(trial.start.into()), Heard::default());
        let layer = SessionLayer::new(store.clone(), Key::generate())
            .transport(Header::named(HEADER))
            .expiry(expiry())
            .observer(heard.observer());
        let layer = configure(layer, clock.clone());
        Self { trial: trial.clone(), below: store.clone(), store, clock, heard, layer }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.timestamp()
    }

    /// Somebody without a ticket.
    pub(super) fn stranger(&self) -> Visitor {
        Visitor::new(self)
    }

    /// Somebody of this name who has just logged in, and their session.
    pub(super) async fn member(&self, subject: &str) -> (Visitor, Id) {
        let mut visitor = self.stranger();
        let id = visitor.log_in(subject).await.ok("a login");
        (visitor, id)
    }

    /// What the store has under this id, asked without a detour.
    pub(super) async fn kept(&self, id: Id) -> Option<Arc<Record<Sample>>> {
        self.trial.load(id, self.now()).await
    }

    pub(super) async fn is_live(&self, id: Id) -> bool {
        self.kept(id).await.is_some()
    }

    /// Asserts that these are all the sessions of this name, as far as the store can tell.
    pub(super) async fn expect_sessions(&self, subject: &str, ids: &[Id], why: &str) {
        for id in ids {
            assert!(self.is_live(*id).await, "{why}: a session is not there");
        }
        if self.trial.index().is_some() {
            self.trial.expect_ids(subject, ids, self.now(), why).await;
        }
    }

    /// Asserts that a session is nowhere to be found.
    pub(super) async fn expect_ended(&self, subject: &str, id: Id, why: &str) {
        assert!(!self.is_live(id).await, "{why}: the session is live");
        if self.trial.index().is_some() {
            let listed = self.trial.ids(subject, self.now()).await;
            assert!(!listed.contains(&id), "{why}: the session is listed");
        }
    }
}

/// The limits of an application's sessions.
pub(super) fn expiry() -> Expiry {
    Expiry::idle(IDLE).absolute(ABSOLUTE).renew_after(RENEWAL).grace(GRACE)
}

/// What somebody's session begins with.
pub(super) fn session_of(subject: &str) -> NewSession<Sample> {
    NewSession::with(Sample::new(subject)).subject(subject)
}

/// A clock that is moved by hand, with waits that take as long as they say.
#[derive(Clone, Debug)]
struct RealWaits(SimulatedClock);

impl Clock for RealWaits {
    fn now(&self) -> SystemTime {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}

/// How long a sound store may take under load.
const PATIENCE: Duration = Duration::from_secs(60);
