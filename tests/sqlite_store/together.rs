//! Calls that wait at the same time and travel together.

use std::collections::BTreeSet;

use sessile::StoreErrorKind;
use sessile::store::{Limit, SqliteOptions};
use tokio::task::JoinHandle;

use super::statements::Statements;
use super::*;

/// Keeps the writer busy until somebody else's lock is let go, so that calls pile up behind it.
struct Jam {
    foreigner: SqliteConnection,
    first: JoinHandle<()>,
}

impl Jam {
    async fn of(folder: &Folder, store: &SqliteStore<Sample>) -> Self {
        let mut foreigner = folder.foreigner().await;
        sql(&mut foreigner, "BEGIN IMMEDIATE").await;
        let store = store.clone();
        let first = tokio::spawn(async move {
            assert_eq!(store.touch(fresh(), NOW).await.unwrap(), Saved::Gone);
        });
        pause().await;
        Self { foreigner, first }
    }

    async fn end(mut self) {
        sql(&mut self.foreigner, "ROLLBACK").await;
        self.first.await.unwrap();
    }
}

/// As long as calls need to get in line, and much shorter than they wait there.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn creation(
    store: &SqliteStore<Sample>,
    record: Record<Sample>,
    terms: Admission,
) -> (Id, JoinHandle<Result<Created, sessile::StoreError>>) {
    let (id, store) = (fresh(), store.clone());
    let task = async move { store.create(id, Arc::new(record), terms, NOW).await };
    (id, tokio::spawn(task))
}

fn with_blob(bytes: usize) -> Record<Sample> {
    let mut record = record(Some("ann"));
    record.data = record.data.with_blob("x".repeat(bytes));
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_finds_no_room_takes_nobody_along() {
    let (statements, table) = (Statements::of_all(), "counted_together");
    let folder = Folder::new();
    let options = SqliteConnectOptions::new().filename(folder.file()).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).pragma("max_page_count", "60");
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let options = SqliteOptions::from_pool(pool).table(table);
    let store = SqliteStore::<Sample>::open(options).await.unwrap();
    for terms in [Admission::OPEN, Admission::OPEN.limited(Limit::evict_oldest(1_000))] {
        let jam = Jam::of(&folder, &store).await;
        statements.take(table, 0);
        let sizes = [10, 10, 10, 500_000, 10, 10, 10, 10];
        let tasks: Vec<_> =
            sizes.iter().map(|bytes| creation(&store, with_blob(*bytes), terms)).collect();
        pause().await;
        jam.end().await;
        for (bytes, (id, task)) in sizes.into_iter().zip(tasks) {
            match task.await.unwrap() {
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

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_and_is_dropped_does_nothing_and_holds_nobody_up() {
    let folder = Folder::new();
    let store = folder.store().await;
    let olds = [begin(&store, record(None)).await, begin(&store, record(None)).await];
    let jam = Jam::of(&folder, &store).await;
    let mut tasks = Vec::new();
    for number in 0..24 {
        let old = olds.get(number);
        let terms = old.map_or(Admission::OPEN, |old| Admission::OPEN.in_place_of(*old));
        tasks.push(creation(&store, record(Some("ann")), terms));
    }
    pause().await;
    for (_, task) in tasks.iter().step_by(2) {
        task.abort();
    }
    pause().await;
    jam.end().await;
    for (number, (id, task)) in tasks.into_iter().enumerate() {
        let outcome = task.await;
        assert_eq!(outcome.is_ok(), number % 2 == 1, "{outcome:?}");
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
            pause().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_write_over_one_version_together_one_wins() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(None)).await;
    for version in 2..12 {
        let jam = Jam::of(&folder, &store).await;
        let mut next = record(None);
        next.meta.version = version;
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (store, next) = (store.clone(), Arc::new(next.clone()));
                tokio::spawn(async move { store.replace(id, version - 1, next, NOW).await })
            })
            .collect();
        pause().await;
        jam.end().await;
        let mut won = 0;
        for writer in writers {
            match writer.await.unwrap().unwrap() {
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
        let jam = Jam::of(&folder, &store).await;
        for _ in 0..8 {
            drop(creation(&store, record(Some("ann")), Admission::OPEN));
        }
        pause().await;
        (store, id, jam.foreigner)
    });
    first.shutdown_timeout(Duration::from_secs(5));
    runtime().block_on(async {
        sql(&mut foreigner, "ROLLBACK").await;
        assert!(is_live(&store, id).await);
        assert_eq!(store.count("ann", NOW).await.unwrap(), 0, "nobody was there to carry them");
        begin(&store, record(None)).await;
        assert!(store.delete(id, NOW).await.unwrap());
    });
}
