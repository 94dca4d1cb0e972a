//! The rest of the kit: stores that fail on demand, and a clock that stands still.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use sessile::store::{Admission, Created, Revoke, Saved, Store};
use sessile::testkit::{Fault, Faulty, Model, Operation, Sample, SimulatedClock};
use sessile::{Clock, Id, Meta, Record, StoreErrorKind, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_123);

/// A model with one session in it, and the faulty store in front.
async fn stage() -> (Model<Sample>, Faulty<Sample>, Id) {
    let (model, id) = (Model::new(), Id::generate().unwrap());
    let created = model.create(id, record(), Admission::OPEN, NOW).await.unwrap();
    assert_eq!(created, Created::Done { evicted: vec![], replaced: false });
    (model.clone(), Faulty::new(model), id)
}

fn record() -> Arc<Record<Sample>> {
    let hour = Duration::from_secs(3_600);
    let mut meta = Meta::new(NOW, hour, hour);
    meta.subject = Some("ann".into());
    Arc::new(Record::new(meta, Sample::new("ann")))
}

/// Polls once.
async fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    let mut future = future;
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test]
async fn what_nothing_happens_to_is_passed_on_at_once() {
    let (_, store, id) = stage().await;
    assert!(store.load(id, NOW).now_or_later().unwrap().unwrap().is_some());
    assert_eq!(store.touch(id, NOW).now_or_later().unwrap().unwrap(), Saved::Done);
    let index = store.subjects().unwrap();
    assert_eq!(index.count("ann", NOW).now_or_later().unwrap().unwrap(), 1);
    assert_eq!(index.list("ann", None, 9, NOW).now_or_later().unwrap().unwrap().len(), 1);
    let revoked = index.revoke("ann", Revoke::All, 9, NOW).now_or_later().unwrap().unwrap();
    assert_eq!(revoked.ids, [id]);
}

#[tokio::test]
async fn failures_are_answered_at_once_queue_up_and_end() {
    let (model, store, id) = stage().await;
    store.fail_next(Operation::Delete, StoreErrorKind::Timeout);
    store.fail_next(Operation::Delete, StoreErrorKind::Unavailable);
    for kind in [StoreErrorKind::Timeout, StoreErrorKind::Unavailable] {
        let error = store.delete(id, NOW).now_or_later().unwrap().unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(model.load(id, NOW).await.unwrap().is_some(), "nothing was done");
    }
    assert!(store.delete(id, NOW).await.unwrap());
    assert_eq!(store.calls().delete, 3);
}

#[tokio::test]
async fn a_standing_fault_stands_until_healed_and_yields_to_the_next_one() {
    let (_, store, id) = stage().await;
    store.fail_all(Operation::Load, StoreErrorKind::Unavailable);
    store.fail_next(Operation::Load, StoreErrorKind::Undecodable);
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(store.load(id, NOW).await.unwrap_err().kind());
    }
    let (once, always) = (StoreErrorKind::Undecodable, StoreErrorKind::Unavailable);
    assert_eq!(kinds, [once, always, always]);
    store.heal();
    assert!(store.load(id, NOW).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lost_reply_is_a_write_that_happened() {
    let (model, store, id) = stage().await;
    store.lose_reply(Operation::Delete, StoreErrorKind::Timeout);
    assert_eq!(store.delete(id, NOW).await.unwrap_err().kind(), StoreErrorKind::Timeout);
    assert!(model.load(id, NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn a_delay_passes_with_the_clock() {
    let (_, store, id) = stage().await;
    let clock = SimulatedClock::new();
    let store = store.with_clock(clock.clone());
    store.delay(Operation::Load, Duration::from_secs(3));
    let mut answer = pin!(store.load(id, NOW));
    assert!(poll_once(answer.as_mut()).await.is_pending());
    clock.advance(Duration::from_millis(2_999));
    assert!(poll_once(answer.as_mut()).await.is_pending());
    clock.advance(Duration::from_millis(1));
    assert!(answer.await.unwrap().is_some());
}

#[tokio::test]
async fn hanging_is_before_or_after_the_deed() {
    for (fault, live) in [(Fault::Hang, true), (Fault::HangAfter, false)] {
        let (model, store, id) = stage().await;
        store.always(Operation::Delete, fault);
        let mut answer = pin!(store.delete(id, NOW));
        for _ in 0..10 {
            assert!(poll_once(answer.as_mut()).await.is_pending());
        }
        assert_eq!(model.load(id, NOW).await.unwrap().is_some(), live, "{fault:?}");
    }
}

#[tokio::test]
async fn a_call_can_be_dropped_before_or_after_the_deed() {
    for (polls, live) in [(0, true), (2, true), (3, false), (4, false)] {
        let (model, store, id) = stage().await;
        store.next(Operation::Delete, Fault::Yield { before: 2, after: 2 });
        let mut answer = Box::pin(store.delete(id, NOW));
        for _ in 0..polls {
            assert!(poll_once(answer.as_mut()).await.is_pending());
        }
        drop(answer);
        assert_eq!(model.load(id, NOW).await.unwrap().is_some(), live, "after {polls} polls");
    }
}

#[tokio::test]
async fn hooks_run_once_on_their_side_of_the_deed() {
    let (model, store, id) = stage().await;
    let other = model.clone();
    store.after(Operation::Load, async move { drop(other.delete(id, NOW).await) });
    assert!(store.load(id, NOW).await.unwrap().is_some(), "loaded before the hook");
    assert!(store.load(id, NOW).await.unwrap().is_none(), "and gone after it");

    let other = model.clone();
    let back = async move { drop(other.create(id, record(), Admission::OPEN, NOW).await) };
    store.before(Operation::Load, back);
    assert!(store.load(id, NOW).await.unwrap().is_some(), "the hook came first");
    model.delete(id, NOW).await.unwrap();
    assert!(store.load(id, NOW).await.unwrap().is_none(), "it ran once");
}

#[tokio::test]
async fn always_later_does_nothing_before_the_first_poll() {
    let (model, store, id) = stage().await;
    let store = store.always_later();
    drop(store.delete(id, NOW));
    assert!(model.load(id, NOW).await.unwrap().is_some());
    assert!(store.delete(id, NOW).now_or_later().unwrap_err().await.unwrap());
    assert_eq!((store.calls().delete, store.calls().writes(), store.calls().total()), (2, 2, 2));
}

#[tokio::test]
async fn a_sleep_ends_when_its_time_has_come_and_not_before() {
    let clock = SimulatedClock::new();
    let mut short = pin!(clock.sleep(Duration::from_secs(1)));
    let mut long = pin!(clock.sleep(Duration::from_secs(9)));
    assert!(poll_once(short.as_mut()).await.is_pending());
    assert!(poll_once(long.as_mut()).await.is_pending());
    assert_eq!(clock.waiting(), 2);
    clock.clone().advance(Duration::from_secs(1));
    assert!(poll_once(short.as_mut()).await.is_ready());
    assert!(poll_once(long.as_mut()).await.is_pending());
    clock.set(clock.now() + Duration::from_secs(8));
    assert!(poll_once(long.as_mut()).await.is_ready());
    assert_eq!(clock.waiting(), 0);
    clock.sleep(Duration::ZERO).await;
}

#[tokio::test]
async fn a_sleeping_task_is_woken() {
    let clock = SimulatedClock::new();
    let sleeper = clock.clone();
    let task = tokio::spawn(async move {
        sleeper.sleep(Duration::from_secs(5)).await;
        sleeper.timestamp()
    });
    while clock.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(5));
    assert_eq!(task.await.unwrap(), clock.timestamp());
}

#[tokio::test]
async fn a_clock_that_is_put_back_prolongs_no_sleep() {
    let clock = SimulatedClock::starting_at(UNIX_EPOCH + Duration::from_secs(1_000));
    let mut wait = pin!(clock.sleep(Duration::from_secs(10)));
    assert!(poll_once(wait.as_mut()).await.is_pending());
    clock.rewind(Duration::from_secs(500));
    assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(500));
    clock.advance(Duration::from_secs(10));
    assert!(poll_once(wait.as_mut()).await.is_ready());
    clock.set(UNIX_EPOCH);
    clock.rewind(Duration::MAX);
    assert_eq!(clock.now(), UNIX_EPOCH);
}

#[tokio::test]
async fn a_dropped_sleep_is_forgotten() {
    let clock = SimulatedClock::new();
    let mut wait = Box::pin(clock.sleep(Duration::from_secs(10)));
    assert!(poll_once(wait.as_mut()).await.is_pending());
    drop(wait);
    assert_eq!(clock.waiting(), 0);
}
