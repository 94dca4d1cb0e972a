//! A table that fastapi-anchor made, and goes on using (A2, A3).

use std::sync::Arc;
use std::time::Duration;

use sessile::store::{
    Admission, Limit, PostgresOptions, PostgresStore, Revoke, Saved, Store, SubjectIndex,
};
use sessile::{Id, Record, StoreErrorKind, Timestamp};
use sqlx::{AssertSqlSafe, Row};

use super::{HOUR, NOW, admin, fresh, keep, record, run, store_in, url};

/// The table as anchor creates it, word for word as `SQLAlchemy` emits it.
async fn anchor_table() -> String {
    let table = fresh("anchor");
    run(format!(
        "CREATE TABLE {table} (
            id UUID NOT NULL,
            user_id VARCHAR(255) NOT NULL,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (id)
        );
        CREATE INDEX ix_{table}_user_id ON {table} (user_id)"
    ))
    .await;
    table
}

/// What anchor does at a login: four columns, times to the microsecond.
async fn anchor_login(table: &str, user: &str) -> Id {
    let id = Id::generate().unwrap();
    run(format!(
        "INSERT INTO {table} (id, user_id, expires_at, created_at) VALUES ('{id}', '{user}',
            to_timestamp(1768465800.123456) + interval '1 hour', to_timestamp(1768465800.123456))"
    ))
    .await;
    id
}

async fn opened(table: &str) -> PostgresStore<String> {
    let options = PostgresOptions::new(url()).table(table).data_when_missing(|meta| {
        format!("anchor's {}", meta.subject.as_deref().unwrap_or("nobody"))
    });
    PostgresStore::open(options).await.unwrap()
}

#[tokio::test]
async fn a2_rows_of_anchor_are_sessions() {
    let table = anchor_table().await;
    let before = anchor_login(&table, "ann").await;
    let store = opened(&table).await;
    let after = anchor_login(&table, "ann").await;
    for id in [before, after] {
        let found = store.load(id, NOW).await.unwrap().unwrap();
        assert_eq!(found.data, "anchor's ann");
        assert_eq!(found.meta.subject.as_deref(), Some("ann"));
        assert_eq!((found.meta.version, found.meta.generation), (1, 0));
        assert!(found.meta.confirmed && !found.meta.persistent);
        for at in [found.meta.created, found.meta.renewed, found.meta.authenticated] {
            assert_eq!(at, NOW);
        }
        assert_eq!(found.meta.last_seen(), NOW);
        assert_eq!(found.meta.deadline(), NOW.plus(HOUR));
    }
    assert_eq!(store.count("ann", NOW).await.unwrap(), 2);

    let mut next = Record::clone(&*store.load(before, NOW).await.unwrap().unwrap());
    (next.meta.version, next.data) = (2, "ours".to_owned());
    assert_eq!(store.replace(before, 1, Arc::new(next), NOW).await.unwrap(), Saved::Done);
    assert_eq!(store.load(before, NOW).await.unwrap().unwrap().data, "ours");
    assert_eq!(store.touch(after, NOW.plus(HOUR / 2)).await.unwrap(), Saved::Done);
    let touched = store.load(after, NOW).await.unwrap().unwrap();
    assert_eq!(touched.meta.last_seen(), NOW.plus(HOUR / 2));
    assert_eq!(touched.meta.deadline(), NOW.plus(HOUR), "anchor's deadlines do not slide");

    let revoked = store.revoke("ann", Revoke::Others(before), 10, NOW).await.unwrap();
    assert_eq!(revoked.ids, [after]);
}

#[tokio::test]
async fn a2_anchor_reads_and_ends_what_we_keep() {
    let table = anchor_table().await;
    let store = opened(&table).await;
    let id = keep(&store, record(Some("ann"), "ours".to_owned())).await;
    store.touch(id, NOW.plus(HOUR / 2)).await.unwrap();
    let sql = format!(
        "SELECT user_id, extract(epoch FROM expires_at)::float8 FROM {table} WHERE id = '{id}'"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut admin().await).await.unwrap();
    assert_eq!(row.get::<&str, _>(0), "ann");
    assert!((row.get::<f64, _>(1) - 1_768_471_200.123).abs() < 1e-5, "an hour after its last use");
    run(format!("DELETE FROM {table} WHERE id = '{id}'")).await;
    assert!(store.load(id, NOW).await.unwrap().is_none(), "anchor logged it out");
}

#[tokio::test]
async fn a3_expires_at_decides_to_the_millisecond_and_nothing_revives_a_row() {
    let table = anchor_table().await;
    let store = opened(&table).await;
    let id = anchor_login(&table, "ann").await;
    let deadline = NOW.plus(HOUR); // and 456 microseconds
    let before = Timestamp::from_millis(deadline.as_millis() - 1);
    let found = store.load(id, before).await.unwrap().unwrap();
    assert!(store.load(id, deadline).await.unwrap().is_none());
    let mut next = Record::clone(&*found);
    next.meta.version = 2;
    next.meta.absolute = deadline.plus(HOUR);
    assert_eq!(store.replace(id, 1, Arc::new(next), deadline).await.unwrap(), Saved::Gone);
    assert_eq!(store.touch(id, deadline).await.unwrap(), Saved::Gone);
    assert_eq!(store.count("ann", deadline).await.unwrap(), 0);
    assert_eq!(store.sweep(before, 10).await.unwrap().removed, 0);
    assert_eq!(store.sweep(deadline, 10).await.unwrap().removed, 1);
}

/// Whoever lowers `expires_at` of one of our rows shortens the session, and no use of it, nor a write
/// by somebody who had loaded it before, puts its end off again.
#[tokio::test]
async fn a_deadline_that_another_program_lowers_counts() {
    let table = fresh("t");
    let store = store_in::<u32>(&table).await;
    let (id, end) = (keep(&store, record(Some("ann"), 7)).await, NOW.plus(HOUR / 2));
    let mut next = Record::clone(&*store.load(id, NOW).await.unwrap().unwrap());
    next.meta.version = 2;
    run(format!(
        "UPDATE {table} SET expires_at = expires_at - interval '30 min' WHERE id = '{id}'"
    ))
    .await;
    let deadline = async |when: &str| {
        let found = store.load(id, NOW).await.unwrap().unwrap();
        assert_eq!(found.meta.deadline(), end, "{when}");
        assert!(store.load(id, end).await.unwrap().is_none(), "{when}");
    };
    deadline("loaded").await;
    assert_eq!(store.touch(id, NOW.plus(HOUR / 4)).await.unwrap(), Saved::Done);
    deadline("touched").await;
    assert_eq!(store.replace(id, 1, Arc::new(next), NOW).await.unwrap(), Saved::Done);
    deadline("written").await;
    assert_eq!(store.touch(id, NOW.plus(HOUR / 3)).await.unwrap(), Saved::Done);
    deadline("touched again").await;
}

/// As the documentation says it: nobody who had loaded it before writes over it.
#[tokio::test]
async fn a_session_is_shortened_by_hand() {
    let table = fresh("t");
    let store = store_in::<u32>(&table).await;
    let (id, end) = (keep(&store, record(Some("ann"), 7)).await, NOW.plus(HOUR / 2));
    let mut next = Record::clone(&*store.load(id, NOW).await.unwrap().unwrap());
    next.meta.version = 2;
    let at = "to_timestamp(1768467600.123)";
    run(format!(
        "UPDATE {table} SET absolute_at = {at}, expires_at = {at}, version = version + 1
            WHERE id = '{id}'"
    ))
    .await;
    assert_eq!(store.replace(id, 1, Arc::new(next), NOW).await.unwrap(), Saved::Stale);
    assert_eq!(store.touch(id, NOW.plus(HOUR / 4)).await.unwrap(), Saved::Done);
    let found = store.load(id, NOW).await.unwrap().unwrap();
    assert_eq!((found.meta.version, found.meta.deadline()), (2, end));
}

#[tokio::test]
async fn what_does_not_fit_in_user_id_is_a_typed_error() {
    let store = opened(&anchor_table().await).await;
    let fits = "é".repeat(255);
    keep(&store, record(Some(&fits), "x".to_owned())).await;
    assert_eq!(store.count(&fits, NOW).await.unwrap(), 1);
    let long = "é".repeat(256);
    let cases = [
        (Some(long.as_str()), StoreErrorKind::TooLarge),
        (None, StoreErrorKind::Unencodable),
        (Some("a\0b"), StoreErrorKind::Unencodable),
    ];
    for (subject, kind) in cases {
        let id = Id::generate().unwrap();
        for admission in [Admission::OPEN, Admission::OPEN.limited(Limit::deny(3))] {
            let record = Arc::new(record(subject, "hunter2".to_owned()));
            let error = store.create(id, record, admission, NOW).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(
                !format!("{error:?} {:?}", std::error::Error::source(&error)).contains("hunter2")
            );
        }
        assert!(store.load(id, NOW).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn without_a_default_a_row_without_data_reads_as_null() {
    let table = anchor_table().await;
    let id = anchor_login(&table, "ann").await;
    assert_eq!(
        store_in::<Option<u32>>(&table).await.load(id, NOW).await.unwrap().unwrap().data,
        None
    );
    let error = store_in::<u32>(&table).await.load(id, NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Undecodable);
    let store = store_in::<Option<u32>>(&table).await;
    assert_eq!(store.touch(id, NOW.plus(Duration::from_secs(1))).await.unwrap(), Saved::Done);
}
