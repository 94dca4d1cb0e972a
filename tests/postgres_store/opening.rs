//! What it takes to open a store, and what is said if it cannot be.

use std::collections::BTreeSet;
use std::sync::Arc;

use sessile::OpenErrorKind::{self, Config, Denied, Schema, Unreachable};
use sessile::store::{
    Admission, Created, Limit, PostgresOptions, PostgresStore, Store, SubjectIndex,
};
use sessile::{Id, Values};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinSet;

use super::{NOW, admin, fresh, keep, record, run, store_in, url, url_of};

async fn refusal(url: &str, table: &str) -> OpenErrorKind {
    let opened = PostgresStore::<Values>::open(PostgresOptions::new(url).table(table)).await;
    let error = opened.expect_err("it opened");
    let said = format!("{error} {error:?}");
    for secret in ["hunter2", "correct-horse"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.len() > 40, "no remedy: {said}");
    error.kind()
}

/// A user who may log in, and nothing else.
async fn fresh_user() -> String {
    let user = fresh("u");
    run(format!("CREATE ROLE {user} LOGIN")).await;
    user
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_nodes_may_open_a_new_table_at_once() {
    for _ in 0..3 {
        let table = fresh("t");
        let mut nodes = JoinSet::new();
        for _ in 0..16 {
            let table = table.clone();
            nodes.spawn(async move {
                let store = store_in::<u32>(&table).await;
                keep(&store, record(Some("ann"), 7)).await
            });
        }
        let ids: BTreeSet<Id> = nodes.join_all().await.into_iter().collect();
        let store = store_in::<u32>(&table).await;
        assert_eq!((ids.len(), store.count("ann", NOW).await.unwrap()), (16, 16));
    }
}

#[tokio::test]
async fn what_was_kept_is_there_after_closing_and_opening_again() {
    let table = fresh("t");
    let store = store_in(&table).await;
    let id = keep(&store, record(Some("ann"), "hello".to_owned())).await;
    drop(store);
    let store = store_in::<String>(&table).await;
    assert_eq!(store.load(id, NOW).await.unwrap().unwrap().data, "hello");
}

#[tokio::test]
async fn a_wrong_address_is_said_to_be_one() {
    for url in [
        "",
        "postgres",
        "mysql://root:hunter2@127.0.0.1/app",
        "redis://:hunter2@127.0.0.1/",
        "postgres://app:hunter2@127.0.0.1:port/app",
        "postgres://app:hunter2@127.0.0.1/app?sslmode=perhaps",
    ] {
        assert_eq!(refusal(url, "t").await, Config, "{url}");
    }
    for table in ["", "a b", "sessions; DROP TABLE users", "1", "a.b.c", &"x".repeat(49)] {
        assert_eq!(refusal(&url(), table).await, Config, "{table}");
    }
    let url = url();
    let (server, _) = url.rsplit_once('/').unwrap();
    assert_eq!(refusal(&format!("{server}/no_such_database"), "t").await, Config);
    assert_eq!(refusal(&url, &format!("{}.t", fresh("no_such_schema"))).await, Config);
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("postgres://a:hunter2@{}/a", listener.local_addr().unwrap());
    // It accepts (the kernel does) and never says a word.
    assert_eq!(refusal(&nobody, "t").await, Unreachable);
    drop(listener);
    assert_eq!(refusal(&nobody, "t").await, Unreachable);
    assert_eq!(refusal("postgres://a:hunter2@no-such-host.invalid/a", "t").await, Unreachable);
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_the_right_one_is_not() {
    let table = fresh("t");
    assert_eq!(refusal(&url_of("sessile_pw:hunter2"), &table).await, Denied);
    let options = PostgresOptions::new(url_of("sessile_pw:correct-horse")).table(table);
    let store = PostgresStore::<Values>::open(options).await.unwrap();
    assert!(!format!("{store:?}").contains("correct-horse"));
    assert_eq!(refusal(&url_of(&fresh("nobody")), "t").await, Denied);
}

#[tokio::test]
async fn whoever_may_make_no_table_can_use_one_that_is_there() {
    let (user, table) = (fresh_user().await, fresh("t"));
    assert_eq!(refusal(&url_of(&user), &table).await, Denied, "it is not there");
    drop(store_in::<u32>(&table).await);
    run(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user}")).await;
    let options = PostgresOptions::new(url_of(&user)).table(&table);
    let store = PostgresStore::<u32>::open(options).await.unwrap();
    let id = keep(&store, record(Some("ann"), 7)).await;
    assert!(store.load(id, NOW).await.unwrap().is_some());
    assert!(store.delete(id, NOW).await.unwrap());
}

#[tokio::test]
async fn whoever_lacks_a_right_on_the_table_is_denied() {
    let (user, table) = (fresh_user().await, fresh("t"));
    drop(store_in::<u32>(&table).await);
    for granted in ["INSERT, UPDATE, DELETE", "SELECT, INSERT, UPDATE", "SELECT"] {
        run(format!("REVOKE ALL ON {table} FROM {user}; GRANT {granted} ON {table} TO {user}"))
            .await;
        assert_eq!(refusal(&url_of(&user), &table).await, Denied, "{granted}");
    }
}

#[tokio::test]
async fn a_newer_table_and_one_that_is_something_else_are_left_alone() {
    let newer = fresh("t");
    drop(store_in::<u32>(&newer).await);
    run(format!("COMMENT ON COLUMN {newer}.version IS 'sessile schema 3'")).await;
    assert_eq!(refusal(&url(), &newer).await, Schema);

    for columns in [
        "id text PRIMARY KEY, user_id text, expires_at timestamptz, created_at timestamptz",
        "id uuid PRIMARY KEY, user_id bigint, expires_at timestamptz, created_at timestamptz",
        "id uuid PRIMARY KEY, user_id text, expires_at timestamp, created_at timestamptz",
        "id uuid PRIMARY KEY, user_id text, expires_at timestamptz",
        "name text",
    ] {
        let other = fresh("t");
        run(format!("CREATE TABLE {other} ({columns})")).await;
        assert_eq!(refusal(&url(), &other).await, Schema, "{columns}");
        let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0";
        let count: i64 =
            sqlx::query_scalar(sql).bind(&other).fetch_one(&mut admin().await).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), columns.matches(',').count() + 1, "untouched");
    }
    let view = fresh("v");
    run(format!("CREATE VIEW {view} AS SELECT 1 AS one")).await;
    assert_eq!(refusal(&url(), &view).await, Schema);
}

/// An older version made it, or somebody half undid it, or a dump forgot the comments.
#[tokio::test]
async fn what_lacks_is_added_and_what_is_there_stays() {
    for undo in [
        "ALTER TABLE {} DROP COLUMN idle_ms, DROP COLUMN persistent, DROP COLUMN absolute_at",
        "DROP INDEX {}_by_subject",
        "DROP FUNCTION {}_create_2",
        "ALTER TABLE {} DROP COLUMN context; COMMENT ON COLUMN {}.version IS 'sessile schema 1'",
        "COMMENT ON COLUMN {}.version IS NULL",
        "COMMENT ON COLUMN {}.version IS 'sessile schema 0'",
    ] {
        let table = fresh("t");
        let store = store_in(&table).await;
        let id = keep(&store, record(Some("ann"), 7_u32)).await;
        drop(store);
        run(undo.replace("{}", &table)).await;
        let store = store_in::<u32>(&table).await;
        assert_eq!(store.load(id, NOW).await.unwrap().unwrap().data, 7, "{undo}");
        keep(&store, record(Some("ann"), 8)).await;
        assert_eq!(store.count("ann", NOW).await.unwrap(), 2, "{undo}");
    }
}

/// Statements that were prepared before answer other types than they did.
#[tokio::test]
async fn a_column_that_is_widened_meanwhile_costs_no_load() {
    let table = fresh("t");
    run(format!(
        "CREATE TABLE {table} (id uuid PRIMARY KEY, user_id varchar(10) NOT NULL,
            expires_at timestamptz NOT NULL, created_at timestamptz NOT NULL)"
    ))
    .await;
    let store = store_in::<u32>(&table).await;
    let id = keep(&store, record(Some("ann"), 7)).await;
    assert!(store.load(id, NOW).await.unwrap().is_some());
    run(format!("ALTER TABLE {table} ALTER user_id TYPE text")).await;
    assert!(store.load(id, NOW).await.unwrap().is_some());
    keep(&store, record(Some("somebody with a longer name"), 8)).await;
}

/// Names mean the same whatever the search path, and a table elsewhere is another table.
#[tokio::test]
async fn a_schema_can_be_named_and_the_search_path_is_heeded() {
    let (schema, table) = (fresh("s"), fresh("t"));
    run(format!("CREATE SCHEMA {schema}")).await;
    let there = store_in::<u32>(&format!("{schema}.{table}")).await;
    let here = store_in::<u32>(&table).await;
    let id = keep(&there, record(None, 1)).await;
    assert!(here.load(id, NOW).await.unwrap().is_none());
    assert!(here.create(id, Arc::new(record(None, 2)), Admission::OPEN, NOW).await.is_ok());
    let by_path = format!("{}?options=-csearch_path%3D{schema}", url());
    let by_path = PostgresOptions::new(by_path).table(&table);
    let by_path = PostgresStore::<u32>::open(by_path).await.unwrap();
    assert_eq!(by_path.load(id, NOW).await.unwrap().unwrap().data, 1);
    let sql = format!("SELECT count(*) FROM {schema}.{table}");
    let rows: i64 =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut admin().await).await.unwrap();
    assert_eq!(rows, 1);
}

/// A limit is counted under a lock, which only `READ COMMITTED` sees the other side of.
#[tokio::test(flavor = "multi_thread")]
async fn r36_another_isolation_is_refused_or_set_right() {
    let of = |level: &'static str| {
        let options = url().parse::<PgConnectOptions>().unwrap();
        let options = options.options([("default_transaction_isolation", level)]);
        PgPoolOptions::new().max_connections(8).connect_lazy_with(options)
    };
    for level in ["repeatable read", "serializable"] {
        let options = PostgresOptions::<u32>::from_pool(of(level)).table(fresh("t"));
        let error = PostgresStore::open(options).await.expect_err(level);
        assert_eq!(error.kind(), Config, "{level}");
        let said = error.to_string();
        assert!(said.contains(level) && said.contains("default_transaction_isolation"), "{said}");
    }
    let options = PostgresOptions::<u32>::from_pool(of("read uncommitted")).table(fresh("t"));
    assert!(PostgresStore::open(options).await.is_ok(), "which is the same in Postgres");

    // A store that has an address sets it on its own connections.
    let (user, table) = (fresh_user().await, fresh("t"));
    drop(store_in::<u32>(&table).await);
    run(format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user};
        ALTER ROLE {user} SET default_transaction_isolation = 'repeatable read'"
    ))
    .await;
    let options = PostgresOptions::new(url_of(&user)).table(&table);
    let store = PostgresStore::<u32>::open(options).await.unwrap();
    let mut crowd = JoinSet::new();
    for _ in 0..40 {
        let store = store.clone();
        crowd.spawn(async move {
            let limited = Admission::OPEN.limited(Limit::deny(3));
            let new = Arc::new(record(Some("ann"), 7));
            store.create(Id::generate().unwrap(), new, limited, NOW).await.unwrap()
        });
    }
    let created = crowd.join_all().await;
    let kept = created.iter().filter(|created| matches!(created, Created::Done { .. })).count();
    assert_eq!((kept, store.count("ann", NOW).await.unwrap()), (3, 3));
}
