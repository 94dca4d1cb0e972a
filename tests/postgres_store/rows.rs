//! What rows hold, and what becomes of odd ones.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sessile::store::{Admission, Revoke, Saved, Scan, Store, SubjectIndex};
use sessile::testkit::Sample;
use sessile::{Id, Meta, Record, StoreErrorKind, Timestamp, Values};
use sqlx::AssertSqlSafe;

use super::{HOUR, NOW, admin, edit, fresh, keep, record, run, store, store_in};

#[tokio::test]
async fn s45_what_does_not_decode_is_an_error_that_quotes_nothing_and_stays() {
    let table = fresh("t");
    let store = store_in::<Sample>(&table).await;
    let spoils = [
        r#"data = '{"user": "hunter2"}'"#,
        r#"data = '"hunter2"'"#,
        "data = 'null'",
        "data = NULL",
        "version = -1",
        "generation = -1",
        "generation = 4294967296",
        "idle_ms = -1",
    ];
    for spoil in spoils {
        let id = keep(&store, record(Some("ann"), Sample::new("ann"))).await;
        run(format!("UPDATE {table} SET {spoil} WHERE id = '{id}'")).await;
        for _ in 0..2 {
            let error = store.load(id, NOW).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Undecodable, "{spoil}");
            let said = format!("{error} {error:?} {:?}", error.source());
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert!(store.delete(id, NOW).await.unwrap(), "it stayed, and can be ended: {spoil}");
    }
}

#[tokio::test]
async fn s46_a_row_by_an_older_version_is_readable() {
    let table = fresh("t");
    let store = store_in::<Values>(&table).await;
    let id = Id::generate().unwrap();
    run(format!(
        "INSERT INTO {table} (id, expires_at, created_at, data) VALUES ('{id}',
            to_timestamp(1768469400), to_timestamp(1768465800), '{{\"theme\": \"dark\"}}')"
    ))
    .await;
    let found = store.load(id, NOW).await.unwrap().unwrap();
    assert_eq!(found.data.get::<String>("theme").unwrap().as_deref(), Some("dark"));
    assert_eq!(edit(&store, id, |values| values.clear()).await, Saved::Done);
}

#[tokio::test]
async fn every_extreme_of_meta_comes_back() {
    let store = store_in::<()>(&fresh("t")).await;
    let mut meta = Meta::new(NOW, Duration::MAX, Duration::MAX);
    meta.version = u64::try_from(i64::MAX).unwrap() - 1;
    meta.generation = u32::MAX;
    meta.renewed = Timestamp::from_millis(0);
    meta.authenticated = Timestamp::from_millis(9_224_318_015_999_999);
    let id = keep(&store, Record::new(meta.clone(), ())).await;
    let kept = store.load(id, NOW).await.unwrap().unwrap();
    assert_eq!((kept.meta.idle(), kept.meta.absolute), (meta.idle(), meta.absolute));
    assert_eq!((kept.meta.version, kept.meta.generation), (meta.version, meta.generation));
    assert_eq!((kept.meta.renewed, kept.meta.authenticated), (meta.renewed, meta.authenticated));
    assert_eq!(kept.meta.deadline(), meta.deadline());
    assert_eq!(edit(&store, id, |()| {}).await, Saved::Done);
    assert_eq!(store.touch(id, NOW.plus(HOUR)).await.unwrap(), Saved::Done);
    assert_eq!(store.load(id, NOW).await.unwrap().unwrap().meta.deadline(), meta.deadline());

    let mut too_far = Record::clone(&*kept);
    too_far.meta.version = u64::MAX;
    let answer =
        store.create(Id::generate().unwrap(), Arc::new(too_far), Admission::OPEN, NOW).await;
    assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Unencodable);
    let next = Arc::new(record(None, ()));
    assert_eq!(store.replace(id, u64::MAX, Arc::clone(&next), NOW).await.unwrap(), Saved::Stale);
    assert_eq!(
        store.replace(Id::generate().unwrap(), u64::MAX, next, NOW).await.unwrap(),
        Saved::Gone
    );
}

/// A millisecond at a time, so that whatever rounds is found out.
#[tokio::test]
async fn deadlines_are_computed_alike_here_and_there() {
    let table = fresh("t");
    let store = store_in::<()>(&table).await;
    for idle in [1, 999, 1_001, 86_400_001, 31_556_952_007, 999_999_999_937, 9_007_199_254_739] {
        let meta = Meta::new(NOW, Duration::from_millis(idle), Duration::MAX);
        let id = keep(&store, Record::new(meta.clone(), ())).await;
        store.touch(id, NOW).await.unwrap();
        let touched = store.load(id, NOW).await.unwrap().unwrap();
        assert_eq!(touched.meta.deadline(), meta.deadline(), "{idle} ms");
        assert_eq!(touched.meta.absolute, meta.absolute, "{idle} ms: not as if shortened");
        let deadline = meta.deadline();
        let before = Timestamp::from_millis(deadline.as_millis() - 1);
        assert!(store.load(id, before).await.unwrap().is_some(), "{idle} ms");
        assert!(store.load(id, deadline).await.unwrap().is_none(), "{idle} ms");
    }
}

#[tokio::test]
async fn s30_a_subject_of_any_shape_matches_itself_alone_or_is_refused() {
    let store = store_in::<u32>(&fresh("t")).await;
    let long = "x".repeat(10_000);
    let almost = format!("{}y", "x".repeat(9_999));
    let subjects =
        ["*", ":", "{}", "", " ", "🔒", "'; DROP TABLE t; --", "$1", "%", &long, &almost];
    let mut kept = Vec::new();
    for subject in subjects {
        kept.push((subject, keep(&store, record(Some(subject), 7)).await));
    }
    for (subject, id) in &kept {
        let listed = store.list(subject, None, 10, NOW).await.unwrap();
        assert_eq!(listed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [*id], "{subject:.9}");
        assert_eq!(listed[0].1.subject.as_deref(), Some(*subject));
    }
    for subject in ["\0", "a\0", "*\0"] {
        let new = Arc::new(record(Some(subject), 7));
        let error =
            store.create(Id::generate().unwrap(), new, Admission::OPEN, NOW).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unencodable);
        assert_eq!(store.count(subject, NOW).await.unwrap(), 0);
        assert_eq!(store.list(subject, None, 9, NOW).await.unwrap().len(), 0);
        assert_eq!(store.revoke(subject, Revoke::All, 9, NOW).await.unwrap().ids, []);
    }
    for (subject, id) in kept {
        assert_eq!(store.revoke(subject, Revoke::All, 9, NOW).await.unwrap().ids, [id]);
    }
}

#[tokio::test]
async fn s44_ten_megabytes_are_too_large_and_nul_cannot_be_encoded() {
    let store = store().await;
    let id = keep(&store, record(None, Sample::new("ann"))).await;
    let big = Sample::new("ann").with_blob("x".repeat(10 * 1024 * 1024));
    let nul = Sample::new("ann").with_blob("hunter2\0");
    for (data, kind) in [(big, StoreErrorKind::TooLarge), (nul, StoreErrorKind::Unencodable)] {
        let mut next = record(None, data);
        let fresh = Id::generate().unwrap();
        let created = store.create(fresh, Arc::new(next.clone()), Admission::OPEN, NOW).await;
        assert_eq!(created.unwrap_err().kind(), kind);
        assert!(store.load(fresh, NOW).await.unwrap().is_none());
        next.meta.version = 2;
        let error = store.replace(id, 1, Arc::new(next), NOW).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let said = format!("{error} {error:?} {:?}", error.source());
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(store.load(id, NOW).await.unwrap().unwrap().data, Sample::new("ann"));
    }
}

#[tokio::test]
async fn data_is_json_that_anybody_can_query() {
    let table = fresh("t");
    let store = store_in::<Sample>(&table).await;
    keep(&store, record(Some("ann"), Sample::new("ann").tagged("theme", "dark"))).await;
    let sql = format!("SELECT user_id FROM {table} WHERE data #>> '{{tags,theme}}' = 'dark'");
    let found: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut admin().await).await.unwrap();
    assert_eq!(found, ["ann"]);
}

#[tokio::test]
async fn a_scan_comes_by_every_live_session() {
    let store = store_in::<u32>(&fresh("t")).await;
    let mut ids = BTreeSet::new();
    for n in 0..25 {
        ids.insert(keep(&store, record(None, n)).await);
        let mut short = record(Some("ann"), n);
        short.meta.absolute = NOW.plus(Duration::from_millis(1));
        keep(&store, short).await;
    }
    let (mut seen, mut from, mut steps) = (BTreeSet::new(), None, 0);
    loop {
        let step = Scan::scan(&store, from, 10, NOW.plus(Duration::from_millis(1))).await.unwrap();
        assert!(step.sessions.len() <= 10);
        for (id, meta) in step.sessions {
            assert!(seen.insert(id) && meta.subject.is_none());
        }
        steps += 1;
        match step.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    assert_eq!((seen, steps), (ids, 3));
    let nonsense = Some(sessile::store::Cursor::new("'; --"));
    let error = Scan::scan(&store, nonsense, 10, NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Undecodable);
}

/// What cannot be read is passed over, so that an administrator's task gets to the end: at the
/// beginning of a step, in it, and as its last row.
#[tokio::test]
async fn s45_a_scan_passes_over_what_cannot_be_read() {
    let table = fresh("t");
    let store = store_in::<u32>(&table).await;
    let mut ids = BTreeSet::new();
    for n in 0..9 {
        ids.insert(keep(&store, record(Some("ann"), n)).await);
    }
    let spoils =
        [(0, "version = -1"), (3, "idle_ms = -1"), (5, "context = '[]'"), (8, "generation = -1")];
    let spoilt = spoils.map(|(place, spoil)| (*ids.iter().nth(place).unwrap(), spoil));
    for (id, spoil) in spoilt {
        run(format!("UPDATE {table} SET {spoil} WHERE id = '{id}'")).await;
        ids.remove(&id);
    }
    for max in [1, 2, 3, 4, 100] {
        let (mut seen, mut from) = (BTreeSet::new(), None);
        loop {
            let step = Scan::scan(&store, from, max, NOW).await.unwrap();
            seen.extend(step.sessions.into_iter().map(|(id, _)| id));
            from = step.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids, "{max} at a time");
    }
}

#[tokio::test]
async fn s44_numbers_come_back_to_the_last_bit_or_are_refused() {
    let store = store_in::<Vec<f64>>(&fresh("t")).await;
    // The second is among those that a parser in a hurry takes for its neighbour.
    let exact = [0.1, 9_007_199_254_740_993.5, 1.7e-10, f64::MAX, f64::MIN_POSITIVE, 5e-324];
    let mut numbers: Vec<f64> = exact.to_vec();
    numbers.extend((1..2_000_u32).map(|n| 1.0 / f64::from(n).powi(7)));
    let id = keep(&store, record(None, numbers.clone())).await;
    let kept = store.load(id, NOW).await.unwrap().unwrap();
    assert!(kept.data == numbers, "a number is not what it was");
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let new = Arc::new(record(None, vec![1.0, odd]));
        let error =
            store.create(Id::generate().unwrap(), new, Admission::OPEN, NOW).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unencodable, "{odd}");
    }
}
