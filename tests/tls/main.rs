//! TLS to Redis and PostgreSQL: with servers of the test's own, and certificates of an authority that
//! nobody else knows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod papers;
mod postgres;
mod redis;
mod servers;
#[path = "../support/services.rs"]
mod services;

use std::sync::Arc;
use std::time::Duration;

use sessile::store::{Admission, Store};
use sessile::{Clock, Id, Meta, OpenError, OpenErrorKind, Record, SystemClock, Timestamp};

fn now() -> Timestamp {
    SystemClock.now().into()
}

/// A session of ann's that is kept and found again.
async fn begin(store: &dyn Store<String>) -> Id {
    let (id, minute) = (Id::generate().unwrap(), Duration::from_secs(60));
    let mut meta = Meta::new(now(), minute, minute);
    meta.subject = Some("ann".into());
    let record = Arc::new(Record::new(meta, "hello".to_owned()));
    store.create(id, record, Admission::OPEN, now()).await.unwrap();
    assert!(is_there(store, id).await);
    id
}

async fn is_there(store: &dyn Store<String>, id: Id) -> bool {
    let record = store.load(id, now()).await.unwrap();
    record.is_some_and(|record| record.data == "hello")
}

fn expect(outcome: Result<impl Sized, OpenError>, kind: OpenErrorKind, remedy: &str, what: &str) {
    let Err(error) = outcome else { panic!("{what} was opened") };
    assert_eq!(error.kind(), kind, "{what}: {error:?}");
    assert!(error.to_string().contains(remedy), "{what}: {error}");
}
