//! How many texts each operation sends, whatever statements are in them.

use std::fmt::{Debug, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{LazyLock, Mutex};

use sessile::store::{Limit, Revoke, SqliteOptions};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;

/// Collects sqlx's log of the statements on tables whose names begin with [`COUNTED`], and lets
/// the thread panic that writes a line which somebody waits for.
#[derive(Clone, Default)]
pub(super) struct Statements(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<Fuse>>>);

/// What a line must contain, and whether one did.
#[derive(Clone)]
pub(super) struct Fuse(String, Arc<AtomicBool>);

impl Fuse {
    pub(super) fn is_burnt(&self) -> bool {
        self.1.load(Ordering::SeqCst)
    }
}

const COUNTED: &str = "counted_";

impl Statements {
    /// Those of all tests: sqlx logs on threads of its own, so it is global.
    pub(super) fn of_all() -> &'static Self {
        static ALL: LazyLock<Statements> = LazyLock::new(|| {
            let statements = Statements::default();
            let subscriber = tracing_subscriber::registry().with(statements.clone());
            tracing::subscriber::set_global_default(subscriber).unwrap();
            statements
        });
        &ALL
    }

    /// The next thread that says this dies of it, after it has answered.
    pub(super) fn panic_at(&self, line: &str) -> Fuse {
        let fuse = Fuse(line.to_owned(), Arc::default());
        self.1.lock().unwrap().push(fuse.clone());
        fuse
    }

    /// Those on this table since the last time, as soon as there are so many: a line is written
    /// after the answer is sent.
    pub(super) fn take(&self, table: &str, count: usize) -> Vec<String> {
        let on_it = |text: &&String| text.contains(table);
        for _ in 0..500 {
            if self.0.lock().unwrap().iter().filter(on_it).count() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(20));
        self.0.lock().unwrap().extract_if(.., |text| text.contains(table)).collect()
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let line = text.0.replace('\\', ""); // before quotes
        let lit = self.1.lock().unwrap().extract_if(.., |fuse| line.contains(&fuse.0)).next();
        if let Some(fuse) = lit {
            fuse.1.store(true, Ordering::SeqCst);
            panic!("as the test wants it, at {}", fuse.0);
        }
        if text.0.contains(COUNTED) {
            self.0.lock().unwrap().push(text.0);
        }
    }
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        write!(self.0, "{value:?} ").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_is_one_statement() {
    let (statements, table) = (Statements::of_all(), "counted_sessions");
    let folder = Folder::new();
    let options = SqliteOptions::new(folder.url()).table(table);
    let store = SqliteStore::<Sample>::open(options).await.unwrap();
    statements.take(table, 0);

    let expect = |what: &str, count: usize| {
        let seen = statements.take(table, count);
        assert_eq!(seen.len(), count, "{what}: {seen:#?}");
    };
    let id = begin(&store, record(Some("ann"))).await;
    expect("create", 1);
    store.load(id, NOW).await.unwrap();
    expect("load", 1);
    store.touch(id, NOW).await.unwrap();
    expect("touch", 1);
    let mut next = record(Some("ann"));
    next.meta.version = 2;
    assert_eq!(store.replace(id, 1, Arc::new(next.clone()), NOW).await.unwrap(), Saved::Done);
    expect("replace", 1);
    assert_eq!(store.replace(id, 1, Arc::new(next), NOW).await.unwrap(), Saved::Stale);
    expect("a conflict looks at what is there", 2);
    store.list("ann", None, 10, NOW).await.unwrap();
    expect("list", 1);
    store.count("ann", NOW).await.unwrap();
    expect("count", 1);
    store.sweep(NOW, 100).await.unwrap();
    expect("sweep", 1);
    let terms = Admission::OPEN.limited(Limit::evict_oldest(1)).in_place_of(fresh());
    store.create(id, Arc::new(record(Some("ann"))), terms, NOW).await.unwrap();
    expect("a creation that finds its id taken", 1);
    store.create(fresh(), Arc::new(record(Some("ann"))), terms, NOW).await.unwrap();
    expect("a creation that ends others, as one text", 1);
    let terms = Admission::OPEN.limited(Limit::deny(1));
    store.create(fresh(), Arc::new(record(Some("ann"))), terms, NOW).await.unwrap();
    expect("a creation that is denied, as one text", 1);
    store.revoke("ann", Revoke::All, 10, NOW).await.unwrap();
    expect("revoke", 1);
    store.delete(id, NOW).await.unwrap();
    expect("delete", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_is_many_small_statements_and_lets_others_have_their_turn() {
    let (statements, table) = (Statements::of_all(), "counted_in_sweeps");
    let folder = Folder::new();
    let options = SqliteOptions::new(folder.url()).table(table);
    let store = SqliteStore::<Sample>::open(options).await.unwrap();
    for _ in 0..650 {
        begin(&store, record(None)).await;
    }
    let later = NOW.plus(record(None).meta.idle());
    let living = record(None);
    living.meta.touch(NOW.plus(Duration::from_secs(1)));
    let live = begin(&store, living).await;
    statements.take(table, 651);

    let (swept, touched, loaded) =
        tokio::join!(store.sweep(later, 500), store.touch(live, later), store.load(live, later));
    assert_eq!(swept.unwrap(), Swept::new(500, true), "as many as were asked for");
    assert_eq!(touched.unwrap(), Saved::Done);
    assert!(loaded.unwrap().is_some());
    let seen = statements.take(table, 5);
    let places = |word: &str| -> Vec<usize> {
        let found = seen.iter().enumerate().filter(|(_, text)| text.contains(word));
        found.map(|(place, _)| place).collect()
    };
    let (sweeps, touches) = (places("DELETE"), places("UPDATE"));
    assert_eq!((sweeps.len(), touches.len()), (3, 1), "200 at most in each: {seen:#?}");
    assert!(touches.first() < sweeps.last(), "it waited for the whole sweep: {seen:#?}");

    assert_eq!(store.sweep(later, 500).await.unwrap(), Swept::new(150, false), "and the rest");
    assert!(store.load(live, later).await.unwrap().is_some());
}
