//! Clients that go away while their request is under way.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use super::case;
use crate::id::Id;
use crate::testkit::conformance::app::{App, RENEWAL, THROTTLE, Visitor, session_of};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{SETTLE_PAUSE, Trial, fail, fresh_subject};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[case!(
    "L4",
    "a request that is dropped at any point has happened or has not (S53)",
    dropped_anywhere
)];

/// What the client wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    Count,
    LogOut,
    LogInAgain,
    Renew,
    Look,
}

const ERRANDS: [Errand; 5] =
    [Errand::Count, Errand::LogOut, Errand::LogInAgain, Errand::Renew, Errand::Look];

async fn dropped_anywhere(trial: Trial) {
    for errand in ERRANDS {
        for polls in 0..MOST_POLLS {
            if dropped_after(&trial, errand, polls).await {
                break;
            }
            assert!(polls + 1 < MOST_POLLS, "{errand:?}: not answered after {polls} polls");
        }
    }
}

/// What is to be seen of the session, and of one in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    /// Version, counter and generation of the session.
    old: Option<(u64, u64, u32)>,
    new: bool,
    /// What the index has.
    listed: Vec<Id>,
}

impl View {
    async fn of(app: &App, subject: &str, old: Id, new: Option<Id>) -> Self {
        let record = app.kept(old).await;
        let record =
            record.map(|record| (record.meta.version, record.data.counter, record.meta.generation));
        let is_new = match new {
            Some(new) => app.is_live(new).await,
            None => false,
        };
        let listed = match app.trial.index() {
            Some(_) => app.trial.ids(subject, app.now()).await,
            None => sessions(record.map(|_| old), new.filter(|_| is_new)),
        };
        Self { old: record, new: is_new, listed }
    }

    fn before(old: Id) -> Self {
        Self { old: Some((1, 0, 0)), new: false, listed: vec![old] }
    }

    fn after(errand: Errand, old: Id, new: Option<Id>) -> Self {
        let (row, new) = match errand {
            Errand::Count => (Some((2, 1, 0)), None),
            Errand::Renew => (Some((2, 0, 1)), None),
            Errand::Look => (Some((1, 0, 0)), None),
            Errand::LogOut => (None, None),
            Errand::LogInAgain => (None, new),
        };
        Self { old: row, new: new.is_some(), listed: sessions(row.map(|_| old), new) }
    }
}

fn sessions(old: Option<Id>, new: Option<Id>) -> Vec<Id> {
    old.into_iter().chain(new).collect()
}

/// Sends a request, drops it after so many polls, and looks at what has become of it. Whether it
/// was answered before that.
async fn dropped_after(trial: &Trial, errand: Errand, polls: u32) -> bool {
    let (app, subject) = (App::in_many_steps(trial), fresh_subject());
    let (mut visitor, old) = app.member(&subject).await;
    app.clock.advance(if errand == Errand::Renew { RENEWAL } else { THROTTLE });
    let newcomer = Arc::new(OnceLock::new());
    let request = run(errand, visitor.clone(), subject.clone(), Arc::clone(&newcomer));
    let answered = abandon(request, polls).await;

    let what = format!("{errand:?} dropped after {polls} polls");
    let new = newcomer.get().copied();
    let (before, after) = (View::before(old), View::after(errand, old, new));
    let allowed = if answered { vec![after] } else { vec![before, after] };
    settled(&app, &subject, old, new, &allowed, &what).await;

    // A client that heard nothing and still has a session is not shut out of it. What was dropped
    // may end it at any moment yet, so it may have been live before the look or after it.
    let before = app.is_live(old).await;
    let seen = visitor.look().await.ok(&what).is_some();
    let after = app.is_live(old).await;
    assert!(seen == before || seen == after, "{what}: whether the next request has a session");
    answered
}

async fn run(errand: Errand, mut visitor: Visitor, subject: String, newcomer: Arc<OnceLock<Id>>) {
    let sent = match errand {
        Errand::Count => visitor.count().await.served("an update"),
        Errand::LogOut => visitor.log_out().await.served("a logout"),
        Errand::Renew | Errand::Look => visitor.look().await.served("a read"),
        Errand::LogInAgain => {
            let reply = visitor.visit(move |session| async move {
                let created = session.create(session_of(&subject));
                let id = created.unwrap_or_else(|error| fail(&error.to_string()));
                newcomer.get_or_init(|| id);
            });
            reply.await.served("a login in place of a session")
        }
    };
    drop(sent);
}

/// Polls a request whenever it asks for it, but not more often than this. Whether it ended.
async fn abandon(request: impl Future<Output = ()>, polls: u32) -> bool {
    let (mut request, mut left) = (pin!(request), polls);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match request.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits until the store shows what is allowed: a dropped call may still be under way in an
/// engine, but it must not stay half done.
async fn settled(app: &App, subject: &str, old: Id, new: Option<Id>, allowed: &[View], what: &str) {
    let mut last = None;
    for _ in 0..app.trial.scale.settle {
        let view = View::of(app, subject, old, new).await;
        if allowed.contains(&view) {
            return;
        }
        last = Some(view);
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
    fail(&format!("{what}: neither before nor after: {last:?}"))
}

const MOST_POLLS: u32 = 200;
