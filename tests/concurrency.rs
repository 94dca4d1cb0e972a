//! Many requests on one session at once: no update is lost, nothing comes back, nobody gets
//! somebody else's session.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::clone_on_ref_ptr,
    clippy::str_to_string,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use sessile::store::{
    Admission, Answer, Created, Limit, MemoryStore, Saved, Store, StoreAnswer, Swept,
};
use sessile::testkit::{Faulty, Operation};
use sessile::{Id, NewSession, Record, Timestamp};
use support::{App, Handler, Member, Visitor, count_visit, handler, log_out, ok};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const MANY: usize = 64;

/// Reads, waits until everybody has read, then writes.
fn count_with_everybody() -> Handler {
    let barrier = Arc::new(Barrier::new(MANY));
    handler(move |session| {
        let barrier = Arc::clone(&barrier);
        async move {
            let seen = session.get().unwrap().visits;
            barrier.wait().await;
            session.update(|member| member.visits += 1).unwrap();
            tokio::task::yield_now().await;
            Response::new(seen.to_string())
        }
    })
}

async fn at_once(visitor: &Visitor, handle: &Handler) -> Vec<u16> {
    let mut tasks = JoinSet::new();
    for _ in 0..MANY {
        let (mut visitor, handle) = (visitor.clone(), handle.clone());
        tasks.spawn(async move { visitor.visit(&handle).await.status().as_u16() });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s12_sixty_four_concurrent_increments_end_at_sixty_four() {
    let app = App::new(MemoryStore::new());
    for _ in 0..20 {
        let alice = app.log_in("alice").await;
        let statuses = at_once(&alice, &count_with_everybody()).await;
        assert_eq!(statuses, [200; MANY]);
        assert_eq!(alice.clone().member().await.unwrap().visits, 64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s12_also_on_a_store_that_never_answers_at_once() {
    let app = App::with(Faulty::new(MemoryStore::new()).always_later(), |layer| {
        layer.clock(sessile::SystemClock)
    });
    let alice = app.log_in("alice").await;
    let statuses = at_once(&alice, &count_with_everybody()).await;
    assert_eq!(statuses, [200; MANY]);
    assert_eq!(alice.clone().member().await.unwrap().visits, 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s11_writers_of_different_fields_both_survive() {
    let app = App::new(MemoryStore::new());
    let alice = app.log_in("alice").await;
    let rename = handler(|session| async move {
        session.update(|member| member.name.push('!')).unwrap();
        tokio::task::yield_now().await;
        ok()
    });
    let mut tasks = JoinSet::new();
    for n in 0..MANY {
        let mut visitor = alice.clone();
        let handle = if n % 2 == 0 { rename.clone() } else { count_visit() };
        tasks.spawn(async move { visitor.visit(&handle).await });
    }
    tasks.join_all().await;
    let member = alice.clone().member().await.unwrap();
    assert_eq!((member.name.len(), member.visits), ("alice".len() + 32, 32));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c01_a_logout_wins_over_any_number_of_writers() {
    let app = App::new(MemoryStore::new());
    for _ in 0..50 {
        let alice = app.log_in("alice").await;
        let mut tasks = JoinSet::new();
        for n in 0..16 {
            let mut visitor = alice.clone();
            tasks.spawn(async move {
                let handle = if n == 8 { log_out() } else { count_visit() };
                visitor.visit(&handle).await.status()
            });
        }
        tasks.join_all().await;
        assert_eq!(alice.clone().member().await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_of_several_tasks_of_one_request_are_all_kept() {
    let app = App::new(MemoryStore::new());
    let mut alice = app.log_in("alice").await;
    let spread = handler(|session| async move {
        let mut tasks = JoinSet::new();
        for n in 0..MANY {
            let session = session.clone();
            tasks.spawn(async move {
                session.update(|member| member.visits += 1).unwrap();
                if n % 8 == 0 {
                    session.commit().await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        ok()
    });
    for _ in 0..20 {
        alice.visit(&spread).await;
    }
    assert_eq!(alice.member().await.unwrap().visits, 20 * 64);
}

/// 24 people who log in at the same moment, as one subject with room for three.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r36_a_limit_holds_under_parallel_logins() {
    let log_in = handler(|session| async move {
        session.create(NewSession::with(Member::named("alice")).subject("alice")).unwrap();
        ok()
    });
    for (limit, welcome) in [(Limit::evict_oldest(3), 24), (Limit::deny(3), 3)] {
        for _ in 0..20 {
            let app = App::with(MemoryStore::new(), |layer| layer.limit(limit));
            let barrier = Arc::new(Barrier::new(24));
            let mut tasks = JoinSet::new();
            for _ in 0..24 {
                let (mut visitor, log_in) = (Visitor::new(&app), log_in.clone());
                let barrier = Arc::clone(&barrier);
                tasks.spawn(async move {
                    barrier.wait().await;
                    let status = visitor.visit(&log_in).await.status().as_u16();
                    (status, visitor)
                });
            }
            let (mut let_in, mut alive) = (0, 0);
            for (status, mut visitor) in tasks.join_all().await {
                let_in += usize::from(status == 200);
                assert!(status == 200 || status == 403, "{status}");
                alive += usize::from(visitor.member().await.is_some());
            }
            assert_eq!((let_in, alive), (welcome, 3), "{limit:?}");
            assert_eq!(app.layer.sessions().count("alice").await.unwrap(), 3, "{limit:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c30_every_response_carries_the_cookie_of_its_own_request() {
    let app = App::new(MemoryStore::new());
    let mut tasks = JoinSet::new();
    for n in 0..MANY {
        let app = app.clone();
        tasks.spawn(async move {
            let name = format!("visitor {n}");
            let mut visitor = app.log_in(&name).await;
            for visits in 0..20 {
                let member = visitor.member().await.unwrap();
                assert_eq!(member, Member { name: name.clone(), visits });
                visitor.visit(&count_visit()).await;
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn s53_a_request_dropped_at_any_await_point_leaves_the_old_state_or_the_new_one() {
    // The store answers later, so that there is an await point in every store call; the request
    // is dropped after one poll, two polls, and so on, until it runs to its end.
    let store = Faulty::new(MemoryStore::new()).always_later();
    let app = App::new(store.clone());
    let actions: [(&str, fn() -> Handler); 3] = [
        ("update", count_visit),
        ("log out", log_out),
        ("log in anew", || {
            handler(|session| async move {
                session.create(Member { name: "again".to_owned(), visits: 0 }).unwrap();
                ok()
            })
        }),
    ];
    for (name, action) in actions {
        for polls in 0.. {
            let alice = app.log_in("alice").await;
            let created = app.heard.count("Created");
            let done = dropped_after(polls, alice.clone(), action()).await;
            let member = alice.clone().member().await;
            let old = member == Some(Member::named("alice"));
            let new = match name {
                "update" => member.as_ref().is_some_and(|member| member.visits == 1),
                _ => member.is_none(),
            };
            assert!(old || new, "{name}, dropped after {polls} polls: {member:?}");
            if done {
                assert!(new, "{name} was answered and must have happened");
                assert_eq!(app.heard.count("Created") > created, name == "log in anew");
                break;
            }
            assert!(polls < 100, "{name} never ends");
        }
    }
}

/// Polls a request so many times at most; answers whether it ended.
async fn dropped_after(polls: usize, mut visitor: Visitor, handle: Handler) -> bool {
    let mut request = Box::pin(async move { visitor.visit(&handle).await.status() });
    for _ in 0..polls {
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(request.as_mut().poll(cx).is_ready()));
        if polled.await {
            return true;
        }
    }
    false
}

/// A store in which somebody else always wins the race to write.
#[derive(Debug)]
struct AlwaysStale(MemoryStore<Member>);

impl Store<Member> for AlwaysStale {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<Member>>>> {
        self.0.load(id, now)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<Member>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        self.0.create(id, record, admission, now)
    }

    fn replace(
        &self,
        _id: Id,
        _expected: u64,
        _record: Arc<Record<Member>>,
        _now: Timestamp,
    ) -> StoreAnswer<Saved> {
        Answer::ready(Ok(Saved::Stale))
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.0.touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.0.delete(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.0.sweep(now, max)
    }
}

#[tokio::test]
async fn conflicts_without_end_are_answered_503_and_told() {
    let app = App::new(AlwaysStale(MemoryStore::new()));
    let mut alice = app.log_in("alice").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let response = alice
        .visit(&handler(move |session| {
            let counter = Arc::clone(&counter);
            async move {
                session
                    .update(move |member| {
                        counter.fetch_add(1, Ordering::Relaxed);
                        member.visits += 1;
                    })
                    .unwrap();
                ok()
            }
        }))
        .await;
    assert_eq!(response.status(), 503);
    assert_eq!(app.heard.count("Conflict"), 1);
    assert!((100..200).contains(&runs.load(Ordering::Relaxed)), "tried again and again, bounded");
    assert_eq!(alice.member().await.unwrap().visits, 0);
}

/// S52: one end per session.
#[tokio::test]
async fn a_session_that_two_logins_replace_ends_once() {
    let store = Faulty::new(MemoryStore::new());
    let app = App::new(store.clone());
    let alice = app.log_in("alice").await;
    let (mut one, mut two) = (alice.clone(), alice.clone());
    store.before(Operation::Create, async move { drop(two.visit(&log_in_again()).await) });
    one.visit(&log_in_again()).await;
    assert_eq!(app.heard.count("Ended"), 1, "{:#?}", app.heard.all());
}

/// S52: one end per session.
#[tokio::test]
async fn a_session_that_was_logged_out_is_not_replaced_as_well() {
    let store = Faulty::new(MemoryStore::new());
    let app = App::new(store.clone());
    let alice = app.log_in("alice").await;
    let (mut one, mut two) = (alice.clone(), alice.clone());
    store.before(Operation::Create, async move { drop(two.visit(&log_out()).await) });
    one.visit(&log_in_again()).await;
    assert_eq!(app.heard.count("Ended"), 1, "{:#?}", app.heard.all());
}

fn log_in_again() -> Handler {
    handler(|session| async move {
        session.create(Member::named("alice")).unwrap();
        ok()
    })
}
