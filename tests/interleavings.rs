//! Two requests on one session, stepped through every interleaving of their store calls.
//!
//! The store never answers at once, so that each of its calls is an await point, and the test
//! decides which request takes the next step. All schedules are tried, not a random few.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::future_not_send, reason = "all of it runs on one thread, step by step")]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use sessile::store::MemoryStore;
use sessile::testkit::Faulty;
use support::{App, Handler, Member, Visitor, count_visit, handler, log_out, look, ok};

/// How many steps are chosen; the rest is taken in turn. Each request makes at most three store
/// calls of two steps unless it meets the other one.
const STEPS: u32 = 12;

const MINUTE: Duration = Duration::from_secs(60);

/// What became of one schedule.
struct After {
    statuses: [u16; 2],
    visitors: [Visitor; 2],
    /// The session as the ticket that both came with sees it.
    first: Option<Member>,
    app: App,
}

fn app() -> App {
    App::new(Faulty::new(MemoryStore::new()).always_later())
}

type Request = Pin<Box<dyn Future<Output = (u16, Visitor)>>>;

fn request(mut visitor: Visitor, handle: Handler) -> Request {
    Box::pin(async move {
        let status = visitor.visit(&handle).await.status().as_u16();
        (status, visitor)
    })
}

/// Runs two requests with the same ticket under one schedule: bit `n` says who takes step `n`.
async fn run(schedule: u32, wait: Duration, handlers: [Handler; 2]) -> After {
    let app = app();
    let origin = app.log_in("alice").await;
    app.clock.advance(wait);
    let [one, two] = handlers;
    let mut requests = [Some(request(origin.clone(), one)), Some(request(origin.clone(), two))];
    let mut answers = [None, None];
    for step in 0.. {
        assert!(step < 10_000, "schedule {schedule:#b} never ends");
        let turn = if step < STEPS { schedule >> step & 1 } else { step & 1 };
        let who = usize::try_from(turn).unwrap();
        if let Some(request) = &mut requests[who]
            && let std::task::Poll::Ready(answer) =
                request.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            answers[who] = Some(answer);
            requests[who] = None;
        }
        if requests.iter().all(Option::is_none) {
            break;
        }
        if step >= STEPS {
            // Both may be pausing before they try again.
            app.clock.advance(Duration::from_millis(100));
        }
    }
    let [one, two] = answers.map(Option::unwrap);
    let first = origin.clone().member().await;
    After { statuses: [one.0, two.0], visitors: [one.1, two.1], first, app }
}

async fn every_schedule(
    wait: Duration,
    handlers: [fn() -> Handler; 2],
    check: impl AsyncFn(After, u32),
) {
    for schedule in 0..1 << STEPS {
        let after = run(schedule, wait, handlers.map(|make| make())).await;
        check(after, schedule).await;
    }
}

fn log_in_again() -> Handler {
    handler(|session| async move {
        session.create(Member::named("again")).unwrap();
        ok()
    })
}

#[tokio::test]
async fn two_updates_both_count() {
    every_schedule(Duration::ZERO, [count_visit, count_visit], async |after, schedule| {
        assert_eq!(after.statuses, [200, 200], "{schedule:#b}");
        assert_eq!(after.first.unwrap().visits, 2, "{schedule:#b}");
    })
    .await;
}

#[tokio::test]
async fn a_logout_beside_an_update_is_final() {
    every_schedule(Duration::ZERO, [count_visit, log_out], async |after, schedule| {
        assert_eq!(after.first, None, "{schedule:#b}");
        assert_eq!(after.visitors[0].clone().member().await, None, "{schedule:#b}");
        assert_eq!(after.statuses[1], 200, "{schedule:#b}");
        assert_eq!(after.app.heard.count("Ended"), 1, "{schedule:#b}");
    })
    .await;
}

#[tokio::test]
async fn two_renewals_give_one_ticket() {
    every_schedule(15 * MINUTE, [look, look], async |after, schedule| {
        let [one, two] = &after.visitors;
        assert_eq!(after.app.heard.count("Renewed"), 1, "{schedule:#b}");
        assert!(one.cookie() == two.cookie(), "both have the new ticket: {schedule:#b}");
        assert!(two.clone().member().await.is_some(), "{schedule:#b}");
    })
    .await;
}

#[tokio::test]
async fn a_renewal_beside_an_update_loses_neither() {
    every_schedule(15 * MINUTE, [count_visit, look], async |after, schedule| {
        let [one, two] = &after.visitors;
        assert_eq!(one.clone().member().await.unwrap().visits, 1, "{schedule:#b}");
        assert_eq!(two.clone().member().await.unwrap().visits, 1, "{schedule:#b}");
        assert_eq!(after.app.heard.count("Renewed"), 1, "{schedule:#b}");
    })
    .await;
}

#[tokio::test]
async fn a_login_over_a_session_ends_it_whatever_an_update_does() {
    every_schedule(Duration::ZERO, [log_in_again, count_visit], async |after, schedule| {
        assert_eq!(after.first, None, "{schedule:#b}");
        let again = after.visitors[0].clone().member().await.unwrap();
        assert_eq!(again, Member::named("again"), "{schedule:#b}");
        assert_eq!(after.app.heard.count("Replaced"), 1, "{schedule:#b}");
    })
    .await;
}
