//! Sessions seen from outside their requests: lists, revocation, connections that must be told, and
//! the sweeper.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sessile::store::{Admission, MemoryStore, Store, StoreAnswer};
use sessile::testkit::{Faulty, Operation};
use sessile::{
    ErrorKind, Expiry, Id, NewSession, Record, Session, SessionLayer, StoreErrorKind, Timestamp,
};
use support::{App, Member, Visitor, count_visit, handler, log_out, look, ok};

const MINUTE: Duration = Duration::from_secs(60);

/// Logs `name` in as a subject, and answers the browser and the session's id.
async fn log_in(app: &App, name: &'static str) -> (Visitor, Id) {
    let mut visitor = Visitor::new(app);
    let id = Arc::new(std::sync::Mutex::new(None));
    let slot = Arc::clone(&id);
    visitor
        .visit(&handler(move |session| {
            let new = NewSession::with(Member::named(name)).subject(name);
            *slot.lock().unwrap() = Some(session.create(new).unwrap());
            async { ok() }
        }))
        .await;
    let id = id.lock().unwrap().take().unwrap();
    (visitor, id)
}

fn memory() -> (MemoryStore<Member>, App) {
    let store = MemoryStore::new();
    (store.clone(), App::new(store))
}

/// The handle that a request had, as a connection keeps it.
async fn handle_of(visitor: &mut Visitor) -> Session<Member> {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let slot = Arc::clone(&kept);
    visitor
        .visit(&handler(move |session| {
            *slot.lock().unwrap() = Some(session);
            async { ok() }
        }))
        .await;
    kept.lock().unwrap().take().unwrap()
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

fn revoked(session: &Session<Member>) -> Waiting {
    Box::pin(session.revoked())
}

async fn is_over(waiting: &mut Waiting) -> bool {
    // A few turns: a wait asks the store first.
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
    poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await
}

#[tokio::test]
async fn s51_lists_are_paged_and_counted() {
    let (_, app) = memory();
    let sessions = app.layer.sessions();
    let mut ids = BTreeSet::new();
    for _ in 0..7 {
        ids.insert(log_in(&app, "ann").await.1);
    }
    log_in(&app, "bob").await;
    let first = sessions.list("ann", None, 5).await.unwrap();
    let rest = sessions.list("ann", first.last().map(|last| last.id), 5).await.unwrap();
    assert_eq!((first.len(), rest.len()), (5, 2));
    let listed: BTreeSet<Id> = first.iter().chain(&rest).map(|listed| listed.id).collect();
    assert_eq!(listed, ids);
    assert_eq!(sessions.count("ann").await.unwrap(), 7);
    assert_eq!(sessions.count("nobody").await.unwrap(), 0);
}

#[tokio::test]
async fn one_others_and_all_can_be_ended_and_the_current_one_is_known() {
    let (_, app) = memory();
    let sessions = app.layer.sessions();
    let (mut here, current) = log_in(&app, "ann").await;
    let (mut phone, phones) = log_in(&app, "ann").await;
    let (mut laptop, _) = log_in(&app, "ann").await;
    let (mut bobs, bob) = log_in(&app, "bob").await;

    let handle = handle_of(&mut here).await;
    let list = sessions.list("ann", None, 9).await.unwrap();
    let currents = list.iter().filter(|listed| listed.is_current(&handle));
    assert_eq!(currents.map(|listed| listed.id).collect::<Vec<_>>(), [current]);

    assert!(sessions.revoke("ann", phones).await.unwrap());
    assert!(!sessions.revoke("ann", phones).await.unwrap(), "it is gone already");
    assert!(!sessions.revoke("ann", bob).await.unwrap(), "it is bob's");
    assert_eq!(phone.member().await, None);
    assert_eq!(sessions.revoke_others("ann", current).await.unwrap(), 1);
    assert_eq!(laptop.member().await, None);
    assert!(here.member().await.is_some());
    assert_eq!(sessions.revoke_all("ann").await.unwrap(), 1);
    assert_eq!(here.member().await, None);
    assert!(bobs.member().await.is_some());
    assert_eq!(app.heard.count("reason: Revoked"), 3, "each told once: {:?}", app.heard.all());
}

#[tokio::test]
async fn more_than_one_step_is_ended_and_a_predicate_picks_among_all() {
    let (store, app) = memory();
    let now = Timestamp::from(sessile::Clock::now(&app.clock));
    for place in 0..1_700_u64 {
        let mut meta = sessile::Meta::new(now, MINUTE, MINUTE * 2);
        meta.subject = (place % 2 == 0).then(|| Arc::from("ann"));
        meta.authenticated = Timestamp::from_millis(place);
        let record = Arc::new(Record::new(meta, Member::default()));
        let created = store.create(Id::generate().unwrap(), record, Admission::OPEN, now).await;
        created.unwrap();
    }
    let sessions = app.layer.clone().clock(sessile::SystemClock).sessions();
    let ahead = sessions.revoke_where(|_| true).await.unwrap();
    assert_eq!(ahead, 0, "to the system's clock all have expired long ago");

    let sessions = app.layer.sessions();
    let picked = sessions.clone();
    let job = tokio::spawn(async move {
        picked.revoke_where(|listed| listed.meta.authenticated.as_millis() < 100).await
    });
    while !job.is_finished() {
        tokio::task::yield_now().await;
        app.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(job.await.unwrap().unwrap(), 100);
    assert_eq!(sessions.count("ann").await.unwrap(), 800);
    assert_eq!(sessions.revoke_all("ann").await.unwrap(), 800);
    assert_eq!(store.len(), 800, "those of nobody");
}

#[tokio::test]
async fn a_store_that_fails_says_so_and_one_without_an_index_is_refused() {
    let store = Faulty::new(MemoryStore::<Member>::new());
    let app = App::new(store.clone());
    let sessions = app.layer.sessions();
    for operation in [Operation::List, Operation::Count, Operation::Revoke, Operation::Scan] {
        store.fail_next(operation, StoreErrorKind::Unavailable);
    }
    assert_eq!(sessions.list("ann", None, 1).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(sessions.count("ann").await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(sessions.revoke_all("ann").await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(sessions.revoke_where(|_| true).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(app.heard.count("StoreFailed"), 4);

    let bare = SessionLayer::new(NoIndex(MemoryStore::new()), support::key());
    let error = bare.try_sessions().unwrap_err();
    assert!(error.to_string().contains("Store::subjects"), "{error}");
}

#[tokio::test]
async fn revoked_ends_at_once_on_this_node_whoever_ends_the_session() {
    let (_, app) = memory();
    let (mut visitor, id) = log_in(&app, "ann").await;
    let handle = handle_of(&mut visitor).await;
    let mut waits = [(); 3].map(|()| revoked(&handle));
    for wait in &mut waits {
        assert!(!is_over(wait).await);
    }
    visitor.visit(&count_visit()).await;
    assert!(!is_over(&mut waits[0]).await, "a write is no end");
    assert!(app.layer.sessions().revoke("ann", id).await.unwrap());
    for wait in &mut waits {
        assert!(is_over(wait).await, "revoked");
    }

    for end in [log_out(), relog()] {
        let (mut visitor, _) = log_in(&app, "ann").await;
        let mut wait = revoked(&handle_of(&mut visitor).await);
        assert!(!is_over(&mut wait).await);
        visitor.visit(&end).await;
        assert!(is_over(&mut wait).await, "logged out, or logged in anew");
    }
    let nobody = handle_of(&mut Visitor::new(&app)).await;
    assert!(is_over(&mut revoked(&nobody)).await, "there is no session");
}

fn relog() -> support::Handler {
    handler(|session| async move {
        session.create(Member::named("ann")).unwrap();
        ok()
    })
}

#[tokio::test]
async fn revoked_notices_another_node_within_the_interval_and_an_expiry_when_it_comes() {
    let store = MemoryStore::new();
    let quick = |layer: SessionLayer<Member>| layer.revocation_check(Duration::from_secs(4));
    let here = App::with(store.clone(), quick);
    let there = App {
        layer: SessionLayer::new(store, support::key()).clock(here.clock.clone()),
        ..here.clone()
    };
    let (mut visitor, _) = log_in(&here, "ann").await;
    let mut wait = revoked(&handle_of(&mut visitor).await);
    assert!(!is_over(&mut wait).await);
    visitor.at(&there).visit(&log_out()).await;
    assert!(!is_over(&mut wait).await, "another node's end comes as no surprise");
    here.clock.advance(Duration::from_secs(4));
    assert!(is_over(&mut wait).await);

    let short = App::with(MemoryStore::new(), |layer| {
        layer.expiry(Expiry::idle(MINUTE).absolute(MINUTE * 10)).revocation_check(MINUTE * 60)
    });
    let (mut visitor, _) = log_in(&short, "ann").await;
    let mut wait = revoked(&handle_of(&mut visitor).await);
    assert!(!is_over(&mut wait).await);
    short.clock.advance(MINUTE / 2);
    visitor.visit(&look()).await;
    short.clock.advance(MINUTE / 2);
    assert!(!is_over(&mut wait).await, "it was used meanwhile");
    short.clock.advance(MINUTE);
    assert!(is_over(&mut wait).await, "expired");
}

#[tokio::test]
async fn revoked_goes_on_asking_while_the_store_fails() {
    let store = Faulty::new(MemoryStore::<Member>::new());
    let app = App::new(store.clone());
    let (mut visitor, id) = log_in(&app, "ann").await;
    let mut wait = revoked(&handle_of(&mut visitor).await);
    store.fail_all(Operation::Load, StoreErrorKind::Unavailable);
    for _ in 0..5 {
        assert!(!is_over(&mut wait).await, "a failing store ends nobody's stream");
        app.clock.advance(Duration::from_secs(5));
    }
    store.heal();
    let there = App::new(store);
    assert!(there.layer.clock(app.clock.clone()).sessions().revoke("ann", id).await.unwrap());
    app.clock.advance(Duration::from_secs(5));
    assert!(is_over(&mut wait).await);
}

#[tokio::test]
async fn s39_the_sweeper_survives_a_failing_store_and_stops_when_told() {
    let store = Faulty::new(MemoryStore::<Member>::new());
    let app = App::new(store.clone());
    let sweeper = app.layer.sweeper(MINUTE);
    let handle = sweeper.handle();
    let task = tokio::spawn(sweeper);
    let turn = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        app.clock.advance(MINUTE);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    turn().await;
    assert_eq!(store.calls().sweep, 1);
    store.fail_all(Operation::Sweep, StoreErrorKind::Unavailable);
    turn().await;
    turn().await;
    assert_eq!((store.calls().sweep, app.heard.count("sweep")), (3, 2));
    store.heal();
    turn().await;
    assert_eq!(store.calls().sweep, 4, "it goes on");
    assert!(!task.is_finished());
    handle.stop().await;
    handle.stop().await;
    task.await.unwrap();
    turn().await;
    assert_eq!(store.calls().sweep, 4, "it has stopped");
}

#[tokio::test]
async fn s39_two_that_were_started_both_sweep_and_each_stops_by_itself() {
    let store = Faulty::new(MemoryStore::<Member>::new());
    let app = App::new(store.clone());
    let sweepers = [app.layer.sweeper(MINUTE), app.layer.sweeper(MINUTE)];
    let handles = sweepers.each_ref().map(sessile::Sweeper::handle);
    let [one, other] = sweepers.map(tokio::spawn);
    let turn = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        app.clock.advance(MINUTE);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    turn().await;
    assert_eq!(store.calls().sweep, 2, "both");
    handles[0].stop().await;
    one.await.unwrap();
    turn().await;
    assert_eq!(store.calls().sweep, 3, "the one that is left");
    assert!(!other.is_finished());
    handles[1].stop().await;
    other.await.unwrap();
    turn().await;
    assert_eq!(store.calls().sweep, 3);
}

#[tokio::test]
async fn s39_the_sweeper_clears_everything_away_in_batches() {
    let (store, app) = memory();
    for _ in 0..1_200 {
        log_in(&app, "ann").await;
    }
    let sweeper = app.layer.sweeper(MINUTE);
    let handle = sweeper.handle();
    let task = tokio::spawn(sweeper);
    tokio::task::yield_now().await;
    app.clock.advance(Duration::from_secs(400 * 24 * 3_600));
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        app.clock.advance(Duration::from_millis(5));
        if store.is_empty() {
            break;
        }
    }
    assert_eq!(store.len(), 0);
    handle.stop().await;
    task.await.unwrap();
}

#[tokio::test]
async fn s39_an_interval_of_zero_sweeps_never_and_stops_all_the_same() {
    let store = Faulty::new(MemoryStore::<Member>::new());
    let app = App::new(store.clone());
    let sweeper = app.layer.sweeper(Duration::ZERO);
    let handle = sweeper.handle();
    let task = tokio::spawn(sweeper);
    for _ in 0..10 {
        tokio::task::yield_now().await;
        app.clock.advance(MINUTE);
    }
    assert!(!task.is_finished());
    handle.stop().await;
    task.await.unwrap();
    assert_eq!(store.calls().sweep, 0);

    let never_spawned = app.layer.sweeper(MINUTE);
    let handle = never_spawned.handle();
    drop(never_spawned);
    handle.stop().await;
}

/// A store that cannot say whose a session is.
#[derive(Debug)]
struct NoIndex(MemoryStore<Member>);

impl Store<Member> for NoIndex {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<Member>>>> {
        self.0.load(id, now)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<Member>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<sessile::store::Created> {
        self.0.create(id, record, admission, now)
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<Member>>,
        now: Timestamp,
    ) -> StoreAnswer<sessile::store::Saved> {
        self.0.replace(id, expected, record, now)
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<sessile::store::Saved> {
        self.0.touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.0.delete(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<sessile::store::Swept> {
        self.0.sweep(now, max)
    }
}
