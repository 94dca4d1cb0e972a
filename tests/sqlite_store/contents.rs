//! What is in the table: our rows, older ones, broken ones, and subjects of every kind.

use sessile::StoreErrorKind;
use sessile::store::{Cursor, Limit, Revoke, Scan, SqliteOptions};

use super::*;

#[tokio::test]
async fn s45_a_row_that_does_not_decode_is_an_error_and_stays() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut foreigner = folder.foreigner().await;
    let good = begin(&store, record(Some("ann"))).await;
    for spoil in [
        "data = '{\"user\": \"hunter2\"'",
        "data = '{\"user\": 7}'",
        "data = ''",
        "data = CAST(x'22ff22' AS TEXT)",
        "generation = 4294967296",
        "version = -1",
    ] {
        let bad = begin(&store, record(Some("ann"))).await;
        sql(&mut foreigner, format!("UPDATE sessile_sessions SET {spoil} WHERE id = '{bad}'"))
            .await;
        for time in ["first", "second"] {
            let error = store.load(bad, NOW).await.expect_err(spoil);
            assert_eq!(error.kind(), StoreErrorKind::Undecodable, "{spoil}, {time}: {error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(is_live(&store, good).await, "{spoil}: spoils another session");
        assert_eq!(store.count("ann", NOW).await.unwrap(), 2, "{spoil}: not counted");
        assert!(store.delete(bad, NOW).await.unwrap(), "{spoil}: cannot be deleted");
    }
}

#[tokio::test]
async fn s45_the_table_refuses_most_of_what_would_not_decode() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(None)).await;
    let mut foreigner = folder.foreigner().await;
    for spoil in ["version = 'one'", "last_seen = NULL", "idle = 1.5", "data = x'00'"] {
        let update = format!("UPDATE sessile_sessions SET {spoil} WHERE id = '{id}'");
        let outcome = sqlx::raw_sql(AssertSqlSafe(update)).execute(&mut foreigner).await;
        assert!(outcome.is_err(), "{spoil}");
    }
    assert!(is_live(&store, id).await);
}

#[tokio::test]
async fn s46_an_older_table_gets_what_it_lacks_and_keeps_its_rows() {
    let folder = Folder::new();
    let mut foreigner = folder.foreigner().await;
    let id = fresh();
    let (now, end) = (NOW.as_millis(), NOW.plus(HOUR).as_millis());
    let data = serde_json::to_string(&Sample::new("old")).unwrap();
    sql(
        &mut foreigner,
        format!(
            "CREATE TABLE sessile_sessions (id TEXT NOT NULL PRIMARY KEY, subject TEXT, \
             version INTEGER NOT NULL, created INTEGER NOT NULL, idle INTEGER NOT NULL, \
             absolute INTEGER NOT NULL, last_seen INTEGER NOT NULL, data TEXT NOT NULL) STRICT; \
             INSERT INTO sessile_sessions VALUES \
             ('{id}', 'ann', 7, {now}, 60000, {end}, {now}, '{data}')"
        ),
    )
    .await;
    for _ in 0..2 {
        let store = folder.store().await;
        let found = store.load(id, NOW).await.unwrap().expect("the old row");
        assert_eq!((found.meta.version, found.meta.generation), (7, 0));
        assert!(found.meta.confirmed && !found.meta.persistent);
        assert_eq!(found.meta.authenticated.as_millis(), 0, "never as far as we know");
        assert_eq!(found.data, Sample::new("old"));
        assert_eq!(store.count("ann", NOW).await.unwrap(), 1);
        let later = NOW.plus(Duration::from_secs(60));
        assert!(store.load(id, later).await.unwrap().is_none(), "its idle limit holds");
    }
}

#[tokio::test]
async fn s30_subjects_of_every_kind_are_apart() {
    let folder = Folder::new();
    let store = folder.store().await;
    let long = "x".repeat(10_240);
    let longer = format!("{long}y");
    let subjects = [
        "",
        "*",
        "%",
        "_",
        "a",
        "A",
        "a ",
        "a:b",
        "{a}",
        "'; DROP TABLE sessile_sessions; --",
        "a\0b",
        "a\0c",
        "\0",
        "👩‍👩‍👧",
        "é",
        "e\u{301}",
        &long,
        &longer,
    ];
    let mut ids = Vec::new();
    for subject in subjects {
        ids.push(begin(&store, record(Some(subject))).await);
    }
    let nobodys = begin(&store, record(None)).await;
    for (subject, id) in subjects.into_iter().zip(&ids) {
        let listed = store.list(subject, None, 10, NOW).await.unwrap();
        let found: Vec<_> =
            listed.iter().map(|(id, meta)| (*id, meta.subject.as_deref())).collect();
        assert_eq!(found, [(*id, Some(subject))]);
        assert_eq!(store.count(subject, NOW).await.unwrap(), 1);
    }
    for (subject, id) in subjects.into_iter().zip(&ids) {
        let revoked = store.revoke(subject, Revoke::All, 10, NOW).await.unwrap();
        assert_eq!((revoked.ids, revoked.more), (vec![*id], false));
    }
    assert!(is_live(&store, nobodys).await);
}

#[tokio::test]
async fn a_session_of_ten_megabytes_is_refused_unless_it_is_allowed() {
    let folder = Folder::new();
    let mut large = record(None);
    large.data = large.data.with_blob("0123456789".repeat(1 << 20));
    let small = folder.store().await;
    let created = small.create(fresh(), Arc::new(large.clone()), Admission::OPEN, NOW).await;
    assert_eq!(created.unwrap_err().kind(), StoreErrorKind::TooLarge);
    let id = begin(&small, record(None)).await;
    let mut next = large.clone();
    next.meta.version = 2;
    let replaced = small.replace(id, 1, Arc::new(next), NOW).await;
    assert_eq!(replaced.unwrap_err().kind(), StoreErrorKind::TooLarge);
    assert_eq!(small.load(id, NOW).await.unwrap().unwrap().meta.version, 1);

    let options = SqliteOptions::new(folder.url()).max_data(16 << 20);
    let roomy = SqliteStore::<Sample>::open(options).await.unwrap();
    let id = begin(&roomy, large.clone()).await;
    assert!(roomy.load(id, NOW).await.unwrap().unwrap().data == large.data);
}

#[tokio::test]
async fn the_data_is_json_that_others_read() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(Some("ann"))).await;
    let mut foreigner = folder.foreigner().await;
    let read = "SELECT data ->> '$.user', deadline FROM sessile_sessions WHERE id = ?1";
    let read = sqlx::query_as::<_, (String, i64)>(read).bind(id.to_string());
    let (user, deadline) = read.fetch_one(&mut foreigner).await.unwrap();
    assert_eq!(user, "ann");
    assert_eq!(u64::try_from(deadline).unwrap(), NOW.plus(HOUR).as_millis());
}

#[tokio::test]
async fn for_ever_comes_back_as_for_ever() {
    let store = SqliteStore::<Sample>::connect("sqlite::memory:").await.unwrap();
    let mut endless = record(None);
    endless.meta.set_idle(Duration::MAX);
    endless.meta.absolute = Timestamp::from_millis(u64::MAX);
    let id = begin(&store, endless).await;
    let found = store.load(id, NOW).await.unwrap().unwrap();
    assert_eq!(found.meta.absolute.as_millis(), u64::MAX);
    assert_eq!(found.meta.deadline().as_millis(), u64::MAX);
    assert_eq!(store.sweep(NOW, 10).await.unwrap().removed, 0);
}

#[tokio::test]
async fn a_limit_of_none_lets_nobody_in() {
    let store = SqliteStore::<Sample>::connect("sqlite::memory:").await.unwrap();
    let old = begin(&store, record(Some("ann"))).await;
    for limit in [Limit::deny(0), Limit::evict_oldest(0)] {
        let terms = Admission::OPEN.limited(limit);
        let created = store.create(fresh(), Arc::new(record(Some("ann"))), terms, NOW).await;
        assert_eq!(created.unwrap(), Created::Limit);
    }
    assert!(is_live(&store, old).await);
}

#[tokio::test]
async fn a_scan_finds_every_live_session_and_gets_past_what_is_none() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut live = Vec::new();
    for number in 0..25 {
        let mut record = record(Some(&format!("user {number}")));
        if number % 5 == 0 {
            record.meta.absolute = NOW;
        }
        let id = begin(&store, record).await;
        if number % 5 != 0 {
            live.push(id);
        }
    }
    live.sort_unstable();
    let strange = "INSERT INTO sessile_sessions (id, created, idle, absolute, last_seen, data) \
                   VALUES ('0 no id', 0, 9000000000000, 9000000000000, 0, '')";
    sql(&mut folder.foreigner().await, strange).await;
    for max in [0, 1, 4, 26, 1_000] {
        let (mut found, mut from, mut steps) = (Vec::new(), None::<Cursor>, 0);
        loop {
            let step = Scan::scan(&store, from, max, NOW).await.unwrap();
            assert!(step.sessions.len() <= max.max(1));
            found.extend(step.sessions.into_iter().map(|(id, _)| id));
            steps += 1;
            assert!(steps < 100, "no end");
            match step.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        assert_eq!(found, live, "in steps of {max}");
    }
}
