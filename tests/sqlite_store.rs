//! The SQLite store on real files. Test names cite the requirements they cover.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sessile::store::{
    Admission, Created, Saved, Scan, SqliteStore, Store, StoreAnswer, SubjectIndex, Swept,
};
use sessile::testkit::Sample;
use sessile::testkit::conformance::{self, Suite};
use sessile::{Id, Meta, Record, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, SqlitePool};

#[path = "sqlite_store/contents.rs"]
mod contents;
#[path = "sqlite_store/faults.rs"]
mod faults;
#[path = "sqlite_store/opening.rs"]
mod opening;
#[path = "sqlite_store/processes.rs"]
mod processes;
#[path = "sqlite_store/statements.rs"]
mod statements;
#[path = "sqlite_store/together.rs"]
mod together;

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

impl Folder {
    /// A connection of somebody else to the same file.
    async fn foreigner(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file()).create_if_missing(true);
        options.connect().await.unwrap()
    }

    async fn store(&self) -> SqliteStore<Sample> {
        SqliteStore::connect(&self.url()).await.unwrap()
    }
}

async fn sql(connection: &mut SqliteConnection, text: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(text.into())).execute(connection).await.unwrap();
}

const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_123);
const HOUR: Duration = Duration::from_secs(3_600);

fn fresh() -> Id {
    Id::generate().unwrap()
}

fn record(subject: Option<&str>) -> Record<Sample> {
    let mut meta = Meta::new(NOW, HOUR, HOUR * 12);
    meta.subject = subject.map(Arc::from);
    Record::new(meta, Sample::new("ann"))
}

/// A session that was just created.
async fn begin(store: &SqliteStore<Sample>, record: Record<Sample>) -> Id {
    let id = fresh();
    let created = store.create(id, Arc::new(record), Admission::OPEN, NOW).await.unwrap();
    assert!(matches!(created, Created::Done { .. }), "{created:?}");
    id
}

async fn is_live(store: &SqliteStore<Sample>, id: Id) -> bool {
    store.load(id, NOW).await.unwrap().is_some()
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

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_the_application_conforms() {
    let folder = Folder::new();
    let options = SqliteConnectOptions::new().filename(folder.file()).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let store = SqliteStore::<Sample>::from_pool(pool).await.unwrap();
    Suite::new().quick().run(async || store.clone()).await.assert();
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

    fn all(&self) -> Option<&dyn Scan> {
        self.next().all()
    }
}
