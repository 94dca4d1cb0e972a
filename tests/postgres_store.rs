//! `PostgresStore` on a real server, whose address is in `TEST_POSTGRES_URL`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::env;

use sessile::Id;
use sessile::store::PostgresStore;
use sessile::testkit::{Sample, conformance::Suite};

/// Where the server is.
fn url() -> String {
    env::var("TEST_POSTGRES_URL")
        .expect("TEST_POSTGRES_URL says where a PostgreSQL server is; `scripts/test` starts one")
}

/// A table that no other test has.
fn fresh_table() -> String {
    format!("t_{}", Id::generate().unwrap().as_uuid().simple())
}

async fn store() -> PostgresStore<Sample> {
    PostgresStore::options().table(fresh_table()).connect(&url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let store = store().await;
    let report = Suite::new().run(async || store.clone()).await;
    println!("{report}");
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}
