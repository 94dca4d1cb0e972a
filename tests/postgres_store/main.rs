//! `PostgresStore` on a real server, whose address is in `TEST_POSTGRES_URL`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod anchor;
mod changes;
mod opening;
mod plans;
mod rows;
#[path = "../support/services.rs"]
mod services;
mod sweeping;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use sessile::store::{Admission, Created, PostgresOptions, PostgresStore, Saved, Store};
use sessile::testkit::{Sample, conformance::Suite};
use sessile::{Id, Meta, Record, SessionData, Timestamp};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgPool};

const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_123);
const HOUR: Duration = Duration::from_secs(3_600);

/// Where the server is.
fn url() -> String {
    services::shared_url("TEST_POSTGRES_URL")
}

/// The same server for somebody else, perhaps with a password.
fn url_of(who: &str) -> String {
    let url = url();
    let (_, place) = url.split_once('@').expect("an address with a user");
    format!("postgres://{who}@{place}")
}

/// A name that nothing else has.
fn fresh(what: &str) -> String {
    format!("{what}_{}", Id::generate().unwrap().as_uuid().simple())
}

async fn store() -> PostgresStore<Sample> {
    store_in(&fresh("t")).await
}

async fn store_in<T: SessionData>(table: &str) -> PostgresStore<T> {
    PostgresStore::open(PostgresOptions::new(url()).table(table)).await.unwrap()
}

/// A connection beside the store, as an administrator has one.
async fn admin() -> PgConnection {
    PgConnection::connect(&url()).await.unwrap()
}

async fn run(sql: impl Into<String>) {
    let mut admin = admin().await;
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut admin).await.unwrap();
}

async fn pool_of(max: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(max).test_before_acquire(false);
    options.connect(&url()).await.unwrap()
}

fn record<T>(subject: Option<&str>, data: T) -> Record<T> {
    let mut meta = Meta::new(NOW, HOUR, 12 * HOUR);
    meta.subject = subject.map(Into::into);
    Record::new(meta, data)
}

/// Keeps a new session and names it.
async fn keep<T: SessionData>(store: &PostgresStore<T>, record: Record<T>) -> Id {
    let id = Id::generate().unwrap();
    let created = store.create(id, Arc::new(record), Admission::OPEN, NOW).await.unwrap();
    assert_eq!(created, Created::Done { evicted: vec![], replaced: false });
    id
}

/// Load, change, replace.
async fn edit<T: SessionData>(
    store: &PostgresStore<T>,
    id: Id,
    edit: impl FnOnce(&mut T),
) -> Saved {
    let mut next = Record::clone(&*store.load(id, NOW).await.unwrap().unwrap());
    let expected = next.meta.version;
    next.meta.version += 1;
    edit(&mut next.data);
    store.replace(id, expected, Arc::new(next), NOW).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let store = store().await;
    let report = Suite::new().run(async || store.clone()).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms_with_a_pool_of_the_application_and_announcing() {
    let options = PostgresOptions::from_pool(pool_of(5).await).table(fresh("t")).announce(true);
    let store = PostgresStore::<Sample>::open(options).await.unwrap();
    let report = Suite::new().quick().run(async || store.clone()).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}
