//! Locks of others, and a disk that is full.

use std::time::Instant;

use sessile::StoreErrorKind;
use sessile::store::{Limit, Revoke, SqliteOptions};

use super::statements::Statements;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_let_go_is_waited_for() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(Some("ann"))).await;
    let mut foreigner = folder.foreigner().await;
    sql(&mut foreigner, "BEGIN IMMEDIATE").await;
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let terms = match number % 2 {
                    0 => Admission::OPEN,
                    _ => Admission::OPEN.limited(Limit::evict_oldest(50)),
                };
                store.create(fresh(), Arc::new(record(Some("ann"))), terms, NOW).await
            })
        })
        .collect();
    assert!(is_live(&store, id).await, "a reader waits for nobody");
    tokio::time::sleep(Duration::from_millis(200)).await;
    sql(&mut foreigner, "COMMIT").await;
    for writer in writers {
        assert!(matches!(writer.await.unwrap(), Ok(Created::Done { .. })));
    }
    assert_eq!(store.count("ann", NOW).await.unwrap(), 9);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how long it really takes is the question")]
async fn s48_a_lock_that_is_kept_is_a_timeout_in_time() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(Some("ann"))).await;
    let mut foreigner = folder.foreigner().await;
    sql(&mut foreigner, "BEGIN IMMEDIATE").await;
    let begun = Instant::now();
    let next = || {
        let mut next = record(Some("ann"));
        next.meta.version = 2;
        Arc::new(next)
    };
    let error = store.replace(id, 1, next(), NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
    assert!(begun.elapsed() >= Duration::from_millis(900), "given up after {:?}", begun.elapsed());
    let terms = Admission::OPEN.limited(Limit::deny(5));
    let error = store.create(fresh(), next(), terms, NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
    let error = store.revoke("ann", Revoke::All, 9, NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?} for three", begun.elapsed());

    assert_eq!(store.load(id, NOW).await.unwrap().unwrap().meta.version, 1, "nothing happened");
    sql(&mut foreigner, "ROLLBACK").await;
    assert_eq!(store.replace(id, 1, next(), NOW).await.unwrap(), Saved::Done);
}

/// A store whose file may not grow beyond so many pages of 4 KiB.
async fn small_store(folder: &Folder, pages: u32) -> SqliteStore<Sample> {
    let options = SqliteConnectOptions::new().filename(folder.file()).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let options = options.pragma("max_page_count", pages.to_string());
    let pool = SqlitePool::connect_with(options).await.unwrap();
    SqliteStore::from_pool(pool).await.unwrap()
}

fn large(subject: &str) -> Record<Sample> {
    let mut large = record(Some(subject));
    large.data = large.data.with_blob("x".repeat(3_000));
    large
}

/// Creates sessions until there is no room, which must be said.
async fn fill(store: &SqliteStore<Sample>, terms: Admission) -> Vec<Id> {
    let mut ids = Vec::new();
    loop {
        let id = fresh();
        match store.create(id, Arc::new(large("ann")), terms, NOW).await {
            Ok(created) => {
                assert!(matches!(created, Created::Done { .. }), "{created:?}");
                assert!(is_live(store, id).await, "said to be created");
                ids.push(id);
            }
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
                assert!(!is_live(store, id).await, "refused and yet there");
                return ids;
            }
        }
        assert!(ids.len() < 10_000, "never full");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() {
    // Alone and in a transaction: SQLite rolls back by itself what finds no room.
    for terms in [Admission::OPEN, Admission::OPEN.limited(Limit::evict_oldest(100_000))] {
        let folder = Folder::new();
        let store = small_store(&folder, 60).await;
        let ids = fill(&store, terms).await;
        assert!(ids.len() > 10, "full after {}", ids.len());
        for _ in 0..3 {
            let again = store.create(fresh(), Arc::new(large("ann")), terms, NOW).await;
            assert_eq!(again.unwrap_err().kind(), StoreErrorKind::Full);
        }
        for id in &ids {
            assert!(is_live(&store, *id).await, "a session before was lost");
        }
        assert_eq!(store.count("ann", NOW).await.unwrap(), ids.len());

        for id in &ids[..5] {
            assert!(store.delete(*id, NOW).await.unwrap());
        }
        let more = fill(&store, terms).await;
        assert!(!more.is_empty(), "no room after five have gone");
        let verdict: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&mut folder.foreigner().await)
            .await
            .unwrap();
        assert_eq!(verdict, "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_makes_room_by_itself() {
    let folder = Folder::new();
    let store = small_store(&folder, 60).await;
    let ids = fill(&store, Admission::OPEN).await;
    let later = NOW.plus(HOUR);
    let next = large("bob");
    next.meta.touch(later);
    let created = store.create(fresh(), Arc::new(next), Admission::OPEN, later).await.unwrap();
    assert!(matches!(created, Created::Done { .. }), "{created:?}");
    assert!(!is_live(&store, ids[0]).await, "expired, and in the way");
}

/// sqlx works for each connection in a thread of its own, and logs there.
#[tokio::test(flavor = "multi_thread")]
async fn s48_a_thread_that_dies_is_replaced() {
    for place in ["file", "pool", "memory"] {
        let folder = Folder::new();
        let table = format!("t_{}", fresh().as_uuid().simple());
        let file = SqliteConnectOptions::new().filename(folder.file()).create_if_missing(true);
        let options = match place {
            "file" => SqliteOptions::new(folder.url()),
            "pool" => SqliteOptions::from_pool(SqlitePool::connect_lazy_with(file)),
            _ => SqliteOptions::new("sqlite::memory:"),
        };
        let store: SqliteStore<Sample> = SqliteStore::open(options.table(&table)).await.unwrap();
        let id = begin(&store, record(Some("ann"))).await;
        let log = Statements::of_all();
        let lost = place == "memory";
        for _ in 0..3 {
            let fuse = log.panic_at(&format!("UPDATE \"{table}\""));
            let mut touched = Vec::new();
            for _ in 0..3 {
                touched.push(store.touch(id, NOW).await);
            }
            assert!(fuse.is_burnt(), "{place}");
            let last = touched.pop().unwrap().unwrap();
            assert_eq!(last, if lost { Saved::Gone } else { Saved::Done }, "{place}");
            assert!(touched.iter().any(Result::is_err), "{place}: there is another thread");

            let fuse = log.panic_at(&format!("FROM \"{table}\""));
            let mut failed = 0;
            for _ in 0..40 {
                match store.load(id, NOW).await {
                    Ok(found) => assert_eq!(found.is_some(), !lost, "{place}"),
                    Err(_) => failed += 1,
                }
            }
            assert!(fuse.is_burnt() && failed <= 1, "{place}: {failed} failed");
            let new = begin(&store, record(Some("bob"))).await;
            assert!(is_live(&store, new).await, "{place}");
        }
    }
}
