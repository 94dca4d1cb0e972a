//! A login in place of another session, watched by somebody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::case;
use crate::id::Id;
use crate::testkit::conformance::app::{App, RENEWAL, session_of};
use crate::testkit::conformance::crowd::{both, in_turns};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fail, fresh_subject};
use crate::testkit::give_way;

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[case!(
    "S21",
    "a login or a renewal shows nobody without a session, and nobody with two",
    never_none_never_two
)];

async fn never_none_never_two(trial: Trial) {
    for round in 0..trial.scale.rounds {
        let in_steps = round % 2 == 0;
        log_in_again(&trial, in_steps).await;
        renew(&trial, in_steps).await;
    }
}

async fn log_in_again(trial: &Trial, in_steps: bool) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut visitor, old) = app.member(&subject).await;
    let mut before = visitor.clone();
    let newcomer = Arc::new(OnceLock::new());
    let watch = Watch::new(&app, &subject, old, Arc::clone(&newcomer));
    let done = Arc::clone(&watch.done);
    let new = session_of(&subject);
    let request = async move {
        let reply = visitor
            .visit(move |session| async move {
                let id = session.create(new).unwrap_or_else(|error| fail(&error.to_string()));
                *newcomer.get_or_init(|| id)
            })
            .await;
        done.store(true, Ordering::Release);
        (reply.ok("a login in place of a session"), visitor)
    };
    let (new, mut visitor) = at_once(in_steps, request, watch).await;

    assert_ne!(new, old, "the id of a session that was there before");
    app.expect_ended(&subject, old, "the session before the login").await;
    app.expect_sessions(&subject, &[new], "after a login in place of a session").await;
    assert_eq!(before.look().await.ok("the old ticket"), None, "the old ticket passes");
    assert!(visitor.look().await.ok("the new ticket").is_some(), "the new ticket does not pass");
}

async fn renew(trial: &Trial, in_steps: bool) {
    let (app, subject) = (App::new(trial), fresh_subject());
    let (mut visitor, id) = app.member(&subject).await;
    app.clock.advance(RENEWAL);
    let watch = Watch::new(&app, &subject, id, Arc::default());
    let done = Arc::clone(&watch.done);
    let request = async move {
        let replies = [visitor.count().await, visitor.count().await];
        done.store(true, Ordering::Release);
        replies.map(|reply| (reply.has_ticket(), reply.ok("a renewal")))
    };
    let replies = at_once(in_steps, request, watch).await;
    assert_eq!(replies, [(true, Ok(1)), (false, Ok(2))], "renewed, and then not again");
    app.expect_sessions(&subject, &[id], "after a renewal").await;
}

/// The request and its watch: in turns in one task, or in two.
async fn at_once<F>(in_steps: bool, request: F, watch: Watch) -> F::Output
where
    F: Future<Output: Send>,
{
    match in_steps {
        true => in_turns(request, watch.run()).await.0,
        false => both(request, watch.run()).await.0,
    }
}

/// Somebody who looks at a subject's sessions again and again.
struct Watch {
    app: App,
    subject: String,
    old: Id,
    /// The session that is to come, once its id is known.
    newcomer: Arc<OnceLock<Id>>,
    done: Arc<AtomicBool>,
}

impl Watch {
    fn new(app: &App, subject: &str, old: Id, newcomer: Arc<OnceLock<Id>>) -> Self {
        let (app, subject) = (app.clone(), subject.to_owned());
        Self { app, subject, old, newcomer, done: Arc::default() }
    }

    async fn run(self) {
        while !self.done.load(Ordering::Acquire) {
            self.look().await;
            give_way(1).await;
        }
    }

    async fn look(&self) {
        let trial = &self.app.trial;
        if trial.index().is_some() {
            let sessions = trial.ids(&self.subject, self.app.now()).await.len();
            assert_eq!(sessions, 1, "sessions at a moment between the one and the other");
        } else if !self.app.is_live(self.old).await {
            // Before its request is answered nobody should know a newcomer's id, so it cannot be
            // said that there are two; but when the old one has gone there must be a new one.
            let live = match self.newcomer.get() {
                Some(new) => self.app.is_live(*new).await,
                None => false,
            };
            assert!(live, "no session at a moment between the one and the other");
        }
    }
}
