//! Several loads of one lazy session at the same time: one asks, and all hear what came of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::join;
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use sessile::store::MemoryStore;
use sessile::testkit::{Fault, Faulty, Operation, SimulatedClock};
use sessile::transport::{Cookie, Query};
use sessile::verify::{Verdict, Visit};
use sessile::{
    Error, ErrorKind, LazySession, NewSession, Rejection, Session, SessionLayer, Status,
    StoreErrorKind,
};
use support::Member;
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};

const PATIENCE: Duration = Duration::from_secs(20);

/// A lazy layer on a store that can be late, and how often its verifier was asked.
struct Site {
    layer: SessionLayer<Member>,
    store: Faulty<Member>,
    asked: Arc<AtomicUsize>,
    cookie: String,
}

impl Site {
    async fn new(verdict: Verdict) -> Self {
        let (store, asked) = (Faulty::new(MemoryStore::new()), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let layer = SessionLayer::new(store.clone(), support::key())
            .clock(SimulatedClock::new())
            .transport(Cookie::host("sid"))
            .or_transport(Query::named("ticket"))
            .verifier(move |_: &Visit<'_, Member>| {
                count.fetch_add(1, Ordering::SeqCst);
                verdict
            })
            .lazy();
        let mut site = Self { layer, store, asked, cookie: String::new() };
        let log_in = Request::new(());
        let answer = site.serve(log_in, async |lazy| {
            let alice = NewSession::with(Member::named("alice"));
            lazy.load().await.unwrap().create(alice).unwrap();
        });
        let answer = answer.await;
        let line = answer.headers()[SET_COOKIE].to_str().unwrap();
        site.cookie = line.split(';').next().unwrap().to_owned();
        site.asked.store(0, Ordering::SeqCst);
        site
    }

    /// The answer to a request, after this was done with its handle.
    async fn serve(
        &self,
        request: Request<()>,
        page: impl AsyncFnOnce(LazySession<Member>),
    ) -> Response<String> {
        let handle = Arc::new(Mutex::new(None));
        let (seen, done) = (Arc::clone(&handle), Arc::new(Notify::new()));
        let go_on = Arc::clone(&done);
        let service = self.layer.layer(service_fn(move |request: Request<()>| {
            *seen.lock().unwrap() = LazySession::<Member>::of(&request).cloned();
            let go_on = Arc::clone(&go_on);
            async move {
                go_on.notified().await;
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        }));
        let mut response = pin!(service.oneshot(request));
        assert!(poll_once(&mut response).is_none(), "the handler waits");
        let lazy = handle.lock().unwrap().take().expect("a lazy layer");
        timeout(PATIENCE, page(lazy)).await.expect("loads that wait for ever");
        done.notify_one();
        response.await.unwrap()
    }

    fn visit(&self) -> Request<()> {
        Request::builder().header(COOKIE, &self.cookie).body(()).unwrap()
    }

    /// How many loads, replacements and verdicts `page` costs.
    async fn cost(
        &self,
        request: Request<()>,
        page: impl AsyncFnOnce(LazySession<Member>),
    ) -> (u64, u64, usize) {
        let (calls, asked) = (self.store.calls(), self.asked.load(Ordering::SeqCst));
        self.serve(request, page).await;
        let after = self.store.calls();
        let asked = self.asked.load(Ordering::SeqCst) - asked;
        (after.load - calls.load, after.replace - calls.replace, asked)
    }
}

/// What a future has to say when it is polled once, by somebody who does not come back by himself.
fn poll_once<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn name(loaded: Result<Session<Member>, Error>) -> String {
    let session = loaded.unwrap();
    session.get().map_or_else(|| format!("{:?}", session.status()), |member| member.name.clone())
}

const LATE: Fault = Fault::Yield { before: 3, after: 3 };

#[tokio::test]
async fn two_loads_at_once_are_one_call_and_one_verdict() {
    let site = Site::new(Verdict::Pass).await;
    for late in [true, false] {
        if late {
            site.store.next(Operation::Load, LATE);
        }
        let cost = site.cost(site.visit(), async |lazy| {
            let (first, second) = join(lazy.load(), lazy.clone().load()).await;
            assert_eq!((name(first), name(second)), ("alice".into(), "alice".into()));
        });
        assert_eq!(cost.await, (1, 0, 1), "late: {late}");
    }
}

#[tokio::test]
async fn a_handshake_ticket_is_used_up_once_for_both() {
    let site = Site::new(Verdict::Pass).await;
    for late in [true, false] {
        let ticket = Mutex::new(String::new());
        site.serve(site.visit(), async |lazy| {
            *ticket.lock().unwrap() = lazy.load().await.unwrap().handshake().unwrap();
        })
        .await;
        if late {
            site.store.next(Operation::Load, LATE);
            site.store.next(Operation::Replace, LATE);
        }
        let address = format!("/live?ticket={}", ticket.lock().unwrap());
        let handshake = Request::get(address).header("upgrade", "websocket").body(()).unwrap();
        let cost = site.cost(handshake, async |lazy| {
            let (first, second) = join(lazy.load(), lazy.clone().load()).await;
            assert_eq!((name(first), name(second)), ("alice".into(), "alice".into()));
        });
        assert_eq!(cost.await, (1, 1, 1), "late: {late}");
    }
}

#[tokio::test]
async fn a_session_that_is_to_end_is_ended_once() {
    let site = Site::new(Verdict::End("stolen")).await;
    site.store.next(Operation::Load, LATE);
    let cost = site.cost(site.visit(), async |lazy| {
        let (first, second) = join(lazy.load(), lazy.clone().load()).await;
        for session in [first.unwrap(), second.unwrap()] {
            assert_eq!(session.status(), Status::Rejected(Rejection::Void));
        }
    });
    assert_eq!(cost.await, (1, 0, 1));
}

#[tokio::test]
async fn whoever_waits_goes_on_when_the_first_is_dropped() {
    let site = Site::new(Verdict::Pass).await;
    site.store.next(Operation::Load, LATE);
    let cost = site.cost(site.visit(), async |lazy| {
        let other = lazy.clone();
        let mut first = Box::pin(lazy.load());
        let mut second = pin!(other.load());
        assert!(poll_once(&mut first.as_mut()).is_none());
        assert!(poll_once(&mut second).is_none());
        drop(first);
        assert_eq!(name(second.await), "alice");
    });
    assert_eq!(cost.await, (1, 0, 1));
}

#[tokio::test]
async fn whoever_waits_goes_on_when_the_first_is_kept_and_not_polled() {
    let site = Site::new(Verdict::Pass).await;
    site.store.next(Operation::Load, LATE);
    let cost = site.cost(site.visit(), async |lazy| {
        let mut first = pin!(lazy.load());
        assert!(poll_once(&mut first).is_none());
        assert_eq!(name(lazy.load().await), "alice");
        assert_eq!(name(first.await), "alice");
    });
    assert_eq!(cost.await, (1, 0, 1));
}

#[tokio::test]
async fn whoever_is_not_polled_is_woken() {
    let site = Site::new(Verdict::Pass).await;
    let (answer, held) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (open, reached) = (Arc::clone(&answer), Arc::clone(&held));
    site.store.before(Operation::Load, async move {
        reached.notify_one();
        open.notified().await;
    });
    site.serve(site.visit(), async |lazy| {
        let (one, two) = (lazy.clone(), lazy);
        let first = tokio::spawn(async move { name(one.load().await) });
        held.notified().await;
        let second = tokio::spawn(async move { name(two.load().await) });
        tokio::task::yield_now().await;
        answer.notify_one();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), ("alice".into(), "alice".into()));
    })
    .await;
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_any_more_ends_and_the_next_begins_anew() {
    let site = Site::new(Verdict::Pass).await;
    site.store.next(Operation::Load, Fault::Hang);
    let cost = site.cost(site.visit(), async |lazy| {
        let mut first = Box::pin(lazy.load());
        assert!(poll_once(&mut first.as_mut()).is_none());
        drop(first);
        assert_eq!(name(lazy.load().await), "alice");
    });
    assert_eq!(cost.await, (2, 0, 1));
}

#[tokio::test]
async fn a_failure_is_that_of_all_who_waited_and_the_next_call_tries_again() {
    let site = Site::new(Verdict::Pass).await;
    let mut polls = 0;
    site.store.before(
        Operation::Load,
        poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls < 4 { Poll::Pending } else { Poll::Ready(()) }
        }),
    );
    site.store.next(Operation::Load, Fault::Fail(StoreErrorKind::Unavailable));
    let cost = site.cost(site.visit(), async |lazy| {
        let (first, second) = join(lazy.load(), lazy.clone().load()).await;
        for failed in [first, second] {
            assert_eq!(failed.unwrap_err().kind(), ErrorKind::Store);
        }
        assert_eq!(name(lazy.load().await), "alice");
    });
    assert_eq!(cost.await, (2, 0, 1));
}

#[tokio::test]
async fn a_log_out_meanwhile_holds() {
    let site = Site::new(Verdict::Pass).await;
    site.store.next(Operation::Load, LATE);
    let calls = site.store.calls();
    site.serve(site.visit(), async |lazy| {
        let mut load = pin!(lazy.load());
        assert!(poll_once(&mut load).is_none());
        lazy.destroy().unwrap();
        assert_eq!(name(load.await), "Ended");
        assert_eq!(name(lazy.load().await), "Ended");
    })
    .await;
    assert_eq!(site.store.calls().delete - calls.delete, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_as_well() {
    let site = Site::new(Verdict::Pass).await;
    for round in 0..200 {
        if round % 2 == 0 {
            site.store.next(Operation::Load, LATE);
        }
        let asked = site.asked.load(Ordering::SeqCst);
        site.serve(site.visit(), async |lazy| {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..4 {
                let lazy = lazy.clone();
                all.spawn(async move { name(lazy.load().await) });
            }
            assert_eq!(all.join_all().await, ["alice"; 4]);
        })
        .await;
        assert_eq!(site.asked.load(Ordering::SeqCst) - asked, 1, "round {round}");
    }
}
