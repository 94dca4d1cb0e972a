//! How many statements each operation costs.

use std::fmt::{Debug, Write};
use std::sync::Mutex;

use sessile::store::{Limit, Revoke, SqliteOptions};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;

const TABLE: &str = "counted_sessions";

/// Collects sqlx's log of the statements on our table.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        if text.0.contains(TABLE) {
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
    let statements = Statements::default();
    // Global, because sqlx logs on threads of its own.
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = Folder::new();
    let options = SqliteOptions::new(folder.url()).table(TABLE);
    let store = SqliteStore::<Sample>::open(options).await.unwrap();
    statements.take();

    let expect = |what: &str, count: usize| {
        // The log line is written after the answer is sent.
        for _ in 0..500 {
            if statements.0.lock().unwrap().len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(20));
        let seen = statements.take();
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
    expect("a creation that ends others, between BEGIN and COMMIT", 3);
    store.revoke("ann", Revoke::All, 10, NOW).await.unwrap();
    expect("revoke", 1);
    store.delete(id, NOW).await.unwrap();
    expect("delete", 1);
}
