//! A store that fails, hangs, is late, or does what it is told and does not say so.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;

use super::case;
use crate::error::{ErrorKind, StoreErrorKind};
use crate::id::Id;
use crate::record::Record;
use crate::testkit::conformance::app::{App, Reply, THROTTLE, TICK, TIMEOUT, Visitor};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Facts, Trial, fresh_subject};
use crate::testkit::{Calls, Fault, Operation, Sample, give_way};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[case!(
    "S48",
    "a call that fails, hangs, is late or unanswered is a 503 in time, and nothing is overwritten",
    fails_in_time
)];

/// With each of these a request comes that needs it.
const OPERATIONS: [Operation; 5] =
    [Operation::Load, Operation::Replace, Operation::Create, Operation::Delete, Operation::Touch];

/// What goes wrong, whether the call may have been done, and whether it is still awaited when
/// its time is over.
const FAULTS: [(Fault, bool, bool); 6] = [
    (Fault::Fail(StoreErrorKind::Unavailable), false, false),
    (Fault::Fail(StoreErrorKind::Timeout), false, false),
    (Fault::Hang, false, true),
    (Fault::Delay(LATE), false, true),
    (Fault::LoseReply(StoreErrorKind::Unavailable), true, false),
    (Fault::HangAfter, true, true),
];

async fn fails_in_time(trial: Trial) {
    for operation in OPERATIONS {
        for (fault, done, awaited) in FAULTS {
            let what = format!("{operation:?} under {fault:?}");
            suffer(&trial, operation, fault, done, awaited, &what).await;
        }
        slow_is_no_failure(&trial, operation).await;
    }
}

async fn suffer(
    trial: &Trial,
    operation: Operation,
    fault: Fault,
    done: bool,
    awaited: bool,
    what: &str,
) {
    let (app, subject) = (App::with_simulated_waits(trial), fresh_subject());
    let (visitor, id) = app.member(&subject).await;
    app.clock.advance(THROTTLE);
    let before = sight(&app, id).await;
    let writes = app.store.calls().writes();
    app.store.next(operation, fault);
    let request = needing(operation, visitor.clone(), subject.clone());
    // What hangs after it is done is given the time to be done, which an engine needs.
    let until_done = (done && awaited).then(|| done_below(&app, operation));
    let limit = awaited.then_some(TIMEOUT);
    let reply = in_time(&app, operation, limit, request, until_done, what).await;
    expect_failed(&app, operation, &reply, writes, what);

    // Whatever is late may come now.
    app.clock.advance(LATE);
    give_way(8).await;
    let after = sight(&app, id).await;
    let unchanged = after == before;
    let changed = done && is_done(operation, before.as_ref(), after.as_ref());
    assert!(unchanged || changed, "{what}: neither before nor after: {before:?}, {after:?}");
    let created = reply.value.flatten();
    if let Some(new) = created {
        let live = app.is_live(new).await;
        assert_eq!(live, after.is_none(), "{what}: one of the old and the new session is live");
    }
    let live = if after.is_some() { Some(id) } else { created };
    app.expect_sessions(&subject, live.as_slice(), what).await;

    app.store.heal();
    recover(visitor, &subject, after.map_or(0, |(_, data)| data.counter), live == Some(id), what)
        .await;
}

/// Asserts that the client was told nothing but that it failed, unless that is not its concern.
fn expect_failed<V>(app: &App, operation: Operation, reply: &Reply<V>, writes: u64, what: &str) {
    let expected = match operation {
        Operation::Touch => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    assert_eq!(reply.status, expected, "{what}: the status");
    assert_eq!(reply.sent, None, "{what}: the client's ticket");
    let written = app.store.calls().writes() - writes;
    assert_eq!(written, u64::from(operation != Operation::Load), "{what}: calls that write");
}

/// A request that comes to this call. Answers the id of the session that it creates.
async fn needing(operation: Operation, mut visitor: Visitor, subject: String) -> Reply<Option<Id>> {
    match operation {
        Operation::Create => mapped(visitor.log_in(&subject).await, Some),
        Operation::Delete => mapped(visitor.log_out().await, |()| None),
        Operation::Touch => mapped(visitor.look().await, |_| None),
        _ => mapped(visitor.count().await, |_| None),
    }
}

fn mapped<V, W>(reply: Reply<V>, make: impl FnOnce(V) -> W) -> Reply<W> {
    Reply { status: reply.status, sent: reply.sent, value: reply.value.map(make) }
}

/// Sends a request whose call is not answered before its time is over, and sees to it that the
/// request is.
async fn in_time<V: Send + 'static>(
    app: &App,
    operation: Operation,
    limit: Option<Duration>,
    request: impl Future<Output = Reply<V>> + Send + 'static,
    until_done: Option<Arc<AtomicBool>>,
    what: &str,
) -> Reply<V> {
    let before = calls(app.store.calls(), operation);
    let request = tokio::spawn(request);
    if let Some(limit) = limit {
        while calls(app.store.calls(), operation) == before
            || app.clock.waiting() == 0
            || until_done.as_ref().is_some_and(|done| !done.load(Ordering::Acquire))
        {
            assert!(!request.is_finished(), "{what}: answered before the store did");
            tokio::time::sleep(TICK).await;
        }
        app.clock.advance(limit - TICK);
        tokio::time::sleep(TICK).await;
        assert!(!request.is_finished(), "{what}: answered before its time was over");
        app.clock.advance(TICK);
    }
    match request.await {
        Ok(reply) => reply,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

/// Whether the store has answered the next such call, whoever hears of it.
fn done_below(app: &App, operation: Operation) -> Arc<AtomicBool> {
    let done = Arc::<AtomicBool>::default();
    let mark = Arc::clone(&done);
    app.below.after(operation, async move { mark.store(true, Ordering::Release) });
    done
}

const fn calls(calls: Calls, operation: Operation) -> u64 {
    match operation {
        Operation::Load => calls.load,
        Operation::Create => calls.create,
        Operation::Replace => calls.replace,
        Operation::Touch => calls.touch,
        Operation::Delete => calls.delete,
        _ => calls.total(),
    }
}

type Sight = (Facts, Sample);

async fn sight(app: &App, id: Id) -> Option<Sight> {
    let record = app.kept(id).await;
    record.map(|record: Arc<Record<Sample>>| (Facts::of(&record.meta), record.data.clone()))
}

/// Whether the old session is as the call leaves it.
fn is_done(operation: Operation, before: Option<&Sight>, after: Option<&Sight>) -> bool {
    match (operation, before, after) {
        (Operation::Create | Operation::Delete, _, None) => true,
        (Operation::Touch, Some((before, data)), Some((after, same))) => {
            let last_seen = after.last_seen;
            *after == Facts { last_seen, ..before.clone() } && data == same
        }
        (Operation::Replace, Some((before, data)), Some((after, changed))) => {
            let (version, last_seen) = (before.version + 1, after.last_seen);
            *after == Facts { version, last_seen, ..before.clone() }
                && *changed == data.clone().counting(data.counter + 1)
        }
        _ => false,
    }
}

/// The next request is served, on the state that there is.
async fn recover(mut visitor: Visitor, subject: &str, counter: u64, live: bool, what: &str) {
    let what = format!("the first request after {what}");
    let seen = visitor.look().await.ok(&what);
    assert_eq!(seen.map(|data| data.counter), live.then_some(counter), "{what}: what it sees");
    let counted = visitor.count().await.ok(&what);
    let expected = if live { Ok(counter + 1) } else { Err(ErrorKind::NoSession) };
    assert_eq!(counted, expected, "{what}: an update");
    visitor.log_in(subject).await.ok(&what);
    assert_eq!(visitor.count().await.ok(&what), Ok(1), "{what}: an update after a login");
}

/// A call that takes half of its time is waited for.
async fn slow_is_no_failure(trial: &Trial, operation: Operation) {
    let (app, subject) = (App::with_simulated_waits(trial), fresh_subject());
    let (visitor, id) = app.member(&subject).await;
    app.clock.advance(THROTTLE);
    let before = sight(&app, id).await;
    app.store.next(operation, Fault::Delay(TIMEOUT / 2));
    let what = format!("{operation:?} that takes half of its time");
    let request = needing(operation, visitor, subject);
    let reply = in_time(&app, operation, Some(TIMEOUT / 2), request, None, &what).await;
    assert_eq!(reply.status, StatusCode::OK, "{what}: the status");
    let after = sight(&app, id).await;
    let written = if operation == Operation::Load { Operation::Replace } else { operation };
    assert!(is_done(written, before.as_ref(), after.as_ref()), "{what}: {before:?}, {after:?}");
}

const LATE: Duration = TIMEOUT.saturating_mul(2);
