//! Calls that wait at the same time and travel together.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use sessile::StoreErrorKind;
use sessile::store::{Limit, SqliteOptions};

use super::statements::Statements;
use super::*;

/// Gets these calls in line, before anything else is done: a runtime of one thread carries them out
/// only when the test waits.
async fn get_in_line<V>(calls: &mut [StoreAnswer<V>]) {
    poll_fn(|context| {
        for call in &mut *calls {
            assert!(Pin::new(call).poll(context).is_pending(), "it cannot be done yet");
        }
        Poll::Ready(())
    })
    .await;
}

fn with_blob(bytes: usize) -> Record<Sample> {
    let mut record = record(Some("ann"));
    record.data = record.data.with_blob("x".repeat(bytes));
    record
}

#[tokio::test]
async fn one_that_finds_no_room_takes_nobody_along() {
    let (statements, table) = (Statements::of_all(), "counted_together");
    let folder = Folder::new();
    let options = SqliteConnectOptions::new().filename(folder.file()).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).pragma("max_page_count", "60");
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let options = SqliteOptions::from_pool(pool).table(table);
    let store = SqliteStore::<Sample>::open(options).await.unwrap();
    for terms in [Admission::OPEN, Admission::OPEN.limited(Limit::evict_oldest(1_000))] {
        statements.take(table, 0);
        let sizes = [10, 10, 10, 500_000, 10, 10, 10, 10];
        let ids = sizes.map(|_| fresh());
        let create = |(id, bytes)| store.create(id, Arc::new(with_blob(bytes)), terms, NOW);
        let mut calls: Vec<_> = ids.into_iter().zip(sizes).map(create).collect();
        get_in_line(&mut calls).await;
        for ((bytes, id), call) in sizes.into_iter().zip(ids).zip(calls) {
            match call.await {
                Ok(Created::Done { .. }) => assert!(bytes == 10 && is_live(&store, id).await),
                Err(error) => {
                    assert_eq!((bytes, error.kind()), (500_000, StoreErrorKind::Full));
                    assert!(!is_live(&store, id).await, "refused and yet there");
                }
                other => panic!("{other:?}"),
            }
        }
        let seen = statements.take(table, 9);
        let inserts = |text: &String| text.matches("RETURNING id, 1").count();
        assert!(seen.iter().any(|text| inserts(text) == 8), "not together");
        assert!(seen.iter().filter(|text| inserts(text) == 1).count() >= 8, "not alone after it");
    }
    assert_eq!(store.count("ann", NOW).await.unwrap(), 14);
}

#[tokio::test]
async fn who_waits_and_is_dropped_does_nothing_and_holds_nobody_up() {
    let folder = Folder::new();
    let store = folder.store().await;
    let olds = [begin(&store, record(None)).await, begin(&store, record(None)).await];
    let ids: Vec<_> = (0..24).map(|_| fresh()).collect();
    let create = |(number, id): (usize, &Id)| {
        let old = olds.get(number);
        let terms = old.map_or(Admission::OPEN, |old| Admission::OPEN.in_place_of(*old));
        store.create(*id, Arc::new(record(None)), terms, NOW)
    };
    let mut calls: Vec<_> = ids.iter().enumerate().map(create).collect();
    get_in_line(&mut calls).await;
    let (_, stay): (Vec<_>, Vec<_>) =
        calls.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
    for (_, call) in stay {
        assert!(matches!(call.await, Ok(Created::Done { .. })));
    }
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(is_live(&store, id).await, number % 2 == 1, "number {number}");
    }
    assert!(is_live(&store, olds[0]).await, "ended by a login that never was");
    assert!(!is_live(&store, olds[1]).await);
    begin(&store, record(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_dropped_on_the_way_has_done_all_or_nothing() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut tasks = Vec::new();
    for number in 0..200 {
        let old = begin(&store, record(None)).await;
        let patience = Duration::from_micros(number * 20);
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let (new, terms) = (fresh(), Admission::OPEN.in_place_of(old));
            let login = store.create(new, Arc::new(record(None)), terms, NOW);
            (old, new, tokio::time::timeout(patience, login).await)
        }));
    }
    for task in tasks {
        let (old, new, outcome) = task.await.unwrap();
        if let Ok(created) = outcome {
            assert_eq!(created.unwrap(), Created::Done { evicted: Vec::new(), replaced: true });
            assert!(is_live(&store, new).await);
        }
        // What was on its way when it was dropped may end a moment later.
        let mut both = (is_live(&store, old).await, is_live(&store, new).await);
        for _ in 0..100 {
            if both.0 != both.1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            both = (is_live(&store, old).await, is_live(&store, new).await);
        }
        assert_ne!(both.0, both.1, "half a login");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_writes_of_all_kinds_land_exactly() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut there = Vec::new();
    for _ in 0..160 {
        there.push(begin(&store, record(None)).await);
    }
    let later = NOW.plus(Duration::from_secs(60));
    let mut next = record(None);
    next.meta.version = 2;
    let next = Arc::new(next);
    let (mut tasks, mut expected) = (Vec::new(), BTreeSet::new());
    for number in 0..200 {
        let (store, next, new) = (store.clone(), Arc::clone(&next), fresh());
        let old = there.get(number % 160).copied().unwrap();
        let kind = number / 40;
        // What is there afterwards, at which version and last seen when.
        match kind {
            0 => expected.insert((old, 2, NOW)),
            1 => expected.insert((old, 1, later)),
            2 => false,
            _ => expected.insert((new, 1, NOW)),
        };
        tasks.push(tokio::spawn(async move {
            let fresh = Arc::new(record(None));
            match kind {
                0 => assert_eq!(store.replace(old, 1, next, NOW).await.unwrap(), Saved::Done),
                1 => assert_eq!(store.touch(old, later).await.unwrap(), Saved::Done),
                2 => assert!(store.delete(old, NOW).await.unwrap()),
                _ => {
                    let replaced = kind == 3;
                    let terms = match replaced {
                        true => Admission::OPEN.in_place_of(old),
                        false => Admission::OPEN,
                    };
                    let created = store.create(new, fresh, terms, NOW).await.unwrap();
                    assert_eq!(created, Created::Done { evicted: Vec::new(), replaced });
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all = Scan::scan(&store, None, 1_000, NOW).await.unwrap().sessions;
    let found = all.into_iter().map(|(id, meta)| (id, meta.version, meta.last_seen())).collect();
    assert_eq!(expected, found);
}

#[tokio::test]
async fn of_those_who_write_over_one_version_together_one_wins() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(None)).await;
    for version in 2..12 {
        let mut next = record(None);
        next.meta.version = version;
        let next = Arc::new(next);
        let write = |_| store.replace(id, version - 1, Arc::clone(&next), NOW);
        let mut calls: Vec<_> = (0..8).map(write).collect();
        get_in_line(&mut calls).await;
        let mut won = 0;
        for call in calls {
            match call.await.unwrap() {
                Saved::Done => won += 1,
                other => assert_eq!(other, Saved::Stale),
            }
        }
        assert_eq!(won, 1);
    }
}

#[test]
fn a_runtime_that_is_shut_down_leaves_the_store_to_the_next() {
    let folder = Folder::new();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let first = runtime();
    let (store, id, mut foreigner) = first.block_on(async {
        let store = folder.store().await;
        let id = begin(&store, record(None)).await;
        let mut foreigner = folder.foreigner().await;
        sql(&mut foreigner, "BEGIN IMMEDIATE").await;
        for _ in 0..9 {
            let terms = Admission::OPEN.in_place_of(id);
            drop(tokio::spawn(store.create(fresh(), Arc::new(record(Some("ann"))), terms, NOW)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        (store, id, foreigner)
    });
    first.shutdown_timeout(Duration::from_secs(5));
    runtime().block_on(async {
        sql(&mut foreigner, "ROLLBACK").await;
        assert!(is_live(&store, id).await);
        assert_eq!(
            store.count("ann", NOW).await.unwrap(),
            0,
            "nobody was there to bring it to its end"
        );
        let new = begin(&store, record(None)).await;
        assert!(is_live(&store, new).await, "written into a transaction that nobody ends");
        assert!(store.delete(id, NOW).await.unwrap());
    });
}
