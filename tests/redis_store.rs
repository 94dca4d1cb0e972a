//! `RedisStore` on real servers: `TEST_REDIS_URL`, `TEST_REDIS_CLUSTER_URL` and
//! `TEST_REDIS_SENTINEL_URL` say where they are (`scripts/services run …` sets them).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sessile::store::{
    Admission, Change, ChangeFeed, Created, Limit, RedisOptions, RedisStore, Revoke, Saved, Scan,
    Store, SubjectIndex,
};
use sessile::testkit::Sample;
use sessile::testkit::conformance::Suite;
use sessile::{
    Clock, Id, Meta, OpenErrorKind, Record, StoreErrorKind, SystemClock, Timestamp, Values,
};

const ALL: [&str; 3] = ["TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL", "TEST_REDIS_SENTINEL_URL"];

/// An address from the environment.
fn url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `scripts/services run cargo test …`")
    })
}

/// A prefix that no other test has.
fn prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{number}:", std::process::id())
}

fn options(name: &str) -> RedisOptions {
    RedisOptions::new(url(name)).prefix(prefix()).timeout(Duration::from_secs(10))
}

fn now() -> Timestamp {
    SystemClock.now().into()
}

/// The suite begins now: Redis drops records by its own clock.
async fn conforms(name: &str, options: impl Fn(RedisOptions) -> RedisOptions) {
    let suite = Suite::new().starting_at(now()).patience(Duration::from_secs(300));
    let store = RedisStore::<Sample>::open(options(self::options(name))).await.unwrap();
    let report = suite.run(async || store.clone()).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_conforms() {
    conforms("TEST_REDIS_URL", |options| options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_conforms() {
    conforms("TEST_REDIS_CLUSTER_URL", |options| options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_a_cluster_conforms() {
    conforms("TEST_REDIS_CLUSTER_URL", |options| options.prefix(format!("{{{}}}:", prefix()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_conforms() {
    conforms("TEST_REDIS_SENTINEL_URL", |options| options).await;
}
