//! What opens, what does not, and what is said about it.

use std::fs;

use sessile::store::SqliteOptions;
use sessile::{OpenError, OpenErrorKind};

use super::*;

async fn refused(options: SqliteOptions) -> OpenError {
    let opened = SqliteStore::<Sample>::open(options).await;
    opened.expect_err("it opened")
}

async fn refused_at(url: &str) -> OpenError {
    refused(SqliteOptions::new(url)).await
}

#[tokio::test]
async fn an_address_that_makes_no_sense_is_a_config_error() {
    for url in [
        "",
        "sqlite:",
        "sqlite://",
        "sessions.db",
        "postgres://ann:hunter2@localhost/app",
        "sqlite:sessions.db?mode=sideways",
        "sqlite:sessions.db?password=hunter2",
    ] {
        let error = refused_at(url).await;
        assert_eq!(error.kind(), OpenErrorKind::Config, "{url}: {error}");
        assert!(error.to_string().contains("sqlite:path/to/file.db"), "{error}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_table_name_is_an_identifier() {
    let long = "x".repeat(49);
    let names = ["", "1st", "a b", "a\"b", "a;b", "é", "sqlite_a", "Sessile_Schema", long.as_str()];
    for name in names {
        let error = refused(SqliteOptions::new("sqlite::memory:").table(name)).await;
        assert_eq!(error.kind(), OpenErrorKind::Config, "{name}: {error}");
    }
    let longest = "x".repeat(48);
    for name in ["select", "_a1", longest.as_str()] {
        let options = SqliteOptions::new("sqlite::memory:").table(name);
        let store = SqliteStore::<Sample>::open(options).await.unwrap();
        let id = begin(&store, record(None)).await;
        assert!(is_live(&store, id).await, "{name}");
    }
}

#[tokio::test]
async fn a_place_that_is_not_there_is_named() {
    let folder = Folder::new();
    let missing = folder.0.join("nowhere");
    let error = refused_at(&format!("sqlite:{}", missing.join("a.db").display())).await;
    assert_eq!(error.kind(), OpenErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(&*missing.to_string_lossy()), "{error}");
    assert!(error.to_string().contains("create it first"), "{error}");

    let error = refused_at(&format!("sqlite:{}", folder.0.display())).await;
    assert_eq!(error.kind(), OpenErrorKind::Config, "a folder: {error}");

    let error = refused_at(&format!("{}?mode=rw", folder.url())).await;
    assert_eq!(error.kind(), OpenErrorKind::Denied, "must not be created: {error}");
    assert!(!folder.file().exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = Folder::new();
    for content in ["notes".to_owned(), "no database ".repeat(1_000)] {
        fs::write(folder.file(), &content).unwrap();
        let error = refused_at(&folder.url()).await;
        assert_eq!(error.kind(), OpenErrorKind::Schema, "{error}");
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), content);
    }
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_denied() {
    let folder = Folder::new();
    drop(folder.store().await);
    let error = refused_at(&format!("{}?mode=ro", folder.url())).await;
    assert_eq!(error.kind(), OpenErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("writable"), "{error}");
}

#[tokio::test]
async fn a_newer_table_is_refused() {
    let folder = Folder::new();
    drop(folder.store().await);
    let mut foreigner = folder.foreigner().await;
    sql(&mut foreigner, "UPDATE sessile_schema SET version = 99").await;
    let error = refused_at(&folder.url()).await;
    assert_eq!(error.kind(), OpenErrorKind::Schema);
    assert!(error.to_string().contains("version 99"), "{error}");

    let other = SqliteOptions::new(folder.url()).table("others");
    assert!(SqliteStore::<Sample>::open(other).await.is_ok(), "another table in the same file");
}

#[tokio::test]
async fn a_table_of_somebody_else_is_refused_and_left_alone() {
    let folder = Folder::new();
    let mut foreigner = folder.foreigner().await;
    sql(&mut foreigner, "CREATE TABLE sessile_sessions (sid TEXT, sess TEXT)").await;
    let error = refused_at(&folder.url()).await;
    assert_eq!(error.kind(), OpenErrorKind::Schema);
    assert!(error.to_string().contains("no column id"), "{error}");
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut foreigner).await.unwrap();
    assert_eq!(tables, 1, "something was left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_may_open_a_new_file_at_once() {
    let folder = Folder::new();
    let openers: Vec<_> = (0..16)
        .map(|_| {
            let url = folder.url();
            tokio::spawn(async move { SqliteStore::<Sample>::connect(&url).await })
        })
        .collect();
    let mut stores = Vec::new();
    for opener in openers {
        stores.push(opener.await.unwrap().unwrap());
    }
    let id = begin(&stores[0], record(None)).await;
    for store in &stores {
        assert!(is_live(store, id).await);
    }
}

#[tokio::test]
async fn a_pool_of_a_database_in_memory_is_refused() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let error = refused(SqliteOptions::from_pool(pool)).await;
    assert_eq!(error.kind(), OpenErrorKind::Config, "{error}");
}

#[tokio::test]
async fn sessions_survive_a_restart_and_opening_again_changes_nothing() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(Some("ann"))).await;
    drop(store);
    for _ in 0..2 {
        let store = folder.store().await;
        let found = store.load(id, NOW).await.unwrap().expect("gone after a restart");
        assert_eq!(found.data, Sample::new("ann"));
        assert_eq!(store.count("ann", NOW).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn debug_shows_neither_path_nor_sessions() {
    let folder = Folder::new();
    let store = folder.store().await;
    begin(&store, record(Some("hunter2"))).await;
    let options = SqliteOptions::new(folder.url());
    let text = format!("{store:?} {options:?}");
    assert!(text.contains("sessile_sessions"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("sessile-"), "{text}");
}

#[tokio::test]
async fn a_table_from_before_contexts_gets_the_column_and_keeps_its_sessions() {
    let folder = Folder::new();
    let store = folder.store().await;
    let old = begin(&store, record(Some("ann"))).await;
    drop(store);
    let mut foreigner = folder.foreigner().await;
    sql(&mut foreigner, "ALTER TABLE sessile_sessions DROP COLUMN context").await;
    sql(&mut foreigner, "UPDATE sessile_schema SET version = 1").await;

    let store = folder.store().await;
    assert_eq!(store.load(old, NOW).await.unwrap().unwrap().meta.context, None);
    let mut new = record(Some("ann"));
    let context = sessile::Context::from_json(r#"{"assurance":"aal2"}"#).map(Arc::new);
    assert!(context.is_some());
    new.meta.context.clone_from(&context);
    let new = begin(&store, new).await;
    assert_eq!(store.load(new, NOW).await.unwrap().unwrap().meta.context, context);
}

/// A later version may know more: its sessions stay, and cannot be used here.
#[tokio::test]
async fn a_context_that_cannot_be_read_stays_and_is_not_quoted() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = begin(&store, record(None)).await;
    let mut foreigner = folder.foreigner().await;
    sql(&mut foreigner, r#"UPDATE sessile_sessions SET context = '{"assurance":"hunter2"}'"#).await;
    let error = store.load(id, NOW).await.unwrap_err();
    assert_eq!(error.kind(), sessile::StoreErrorKind::Undecodable);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
