//! The SQLite store on real files. Test names cite the requirements they cover.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sessile::store::{
    Admission, Created, Revoke, Saved, SqliteOptions, SqliteStore, Store, StoreAnswer,
    SubjectIndex, Swept,
};
use sessile::testkit::{Sample, conformance};
use sessile::{Id, Meta, OpenErrorKind, Record, StoreErrorKind, Timestamp};

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("sessile-{}", Id::generate().unwrap()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

// ---- the whole kit ---------------------------------------------------------------------------

/// All cases in full, and none skipped.
async fn conforms<S: Store<Sample>>(make_store: impl AsyncFn() -> S) {
    let report = conformance::run(make_store).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_conforms() {
    let folder = Folder::new();
    let store = SqliteStore::<Sample>::connect(&folder.url()).await.unwrap();
    conforms(async || store.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    conforms(async || SqliteStore::<Sample>::connect("sqlite::memory:").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_file_conform_when_they_take_turns() {
    let folder = Folder::new();
    let one = SqliteStore::connect(&folder.url()).await.unwrap();
    let other = SqliteStore::connect(&folder.url()).await.unwrap();
    let stores = Arc::new(Alternating { stores: [one, other], calls: AtomicUsize::new(0) });
    conforms(async || Arc::clone(&stores)).await;
}

/// Sends each call to the other of two stores than the last.
#[derive(Debug)]
struct Alternating {
    stores: [SqliteStore<Sample>; 2],
    calls: AtomicUsize,
}

impl Alternating {
    fn next(&self) -> &SqliteStore<Sample> {
        &self.stores[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl Store<Sample> for Alternating {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<Sample>>>> {
        self.next().load(id, now)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<Sample>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        self.next().create(id, record, admission, now)
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<Sample>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        self.next().replace(id, expected, record, now)
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.next().touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.next().delete(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.next().sweep(now, max)
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.next().subjects()
    }
}
