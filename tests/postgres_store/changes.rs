//! What one node announces and another hears.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile::store::{
    Admission, Change, Limit, PostgresOptions, PostgresStore, Revoke, Store, SubjectIndex,
};
use sessile::{Id, OpenErrorKind, StoreErrorKind};
use sqlx::postgres::PgListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::{NOW, edit, fresh, keep, pool_of, record, run, store_in, url, url_of};

async fn announcing(table: &str) -> PostgresStore<u32> {
    open(PostgresOptions::new(url()), table).await
}

async fn open(options: PostgresOptions<u32>, table: &str) -> PostgresStore<u32> {
    PostgresStore::open(options.table(table).announce(true)).await.unwrap()
}

/// Another node that listens.
struct Ear {
    heard: Arc<Mutex<Vec<Change>>>,
    task: JoinHandle<()>,
}

impl Ear {
    async fn of(store: &PostgresStore<u32>) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (store, told) = (store.clone(), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            let tell = Arc::new(move |change| told.lock().unwrap().push(change));
            let error = store.changes().unwrap().listen(tell).await;
            panic!("{error:?}");
        });
        let ear = Self { heard, task };
        ear.until(|heard| heard.first() == Some(&Change::Listening)).await;
        ear
    }

    async fn until(&self, enough: impl Fn(&[Change]) -> bool) {
        for _ in 0..3_000 {
            if enough(&self.heard.lock().unwrap()) {
                return;
            }
            assert!(!self.task.is_finished(), "nobody listens any more");
            sleep(Duration::from_millis(10)).await;
        }
        panic!("not heard: {:?}", self.heard.lock().unwrap());
    }

    fn beats(&self) -> usize {
        self.heard.lock().unwrap().iter().filter(|change| **change == Change::Alive).count()
    }

    /// All that was said until now, without the heartbeat: after two more beats nothing is on its
    /// way any more.
    async fn news(&self) -> Vec<Change> {
        let now = self.beats();
        let alive = |heard: &[Change]| heard.iter().filter(|c| **c == Change::Alive).count();
        self.until(|heard| alive(heard) >= now + 2).await;
        let mut heard = self.heard.lock().unwrap();
        let news = heard.drain(..).filter(|c| !matches!(c, Change::Alive | Change::Listening));
        news.collect()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_node_are_heard_by_another() {
    for pooled in [false, true] {
        let table = fresh("t");
        let here = match pooled {
            true => open(PostgresOptions::from_pool(pool_of(3).await), &table).await,
            false => announcing(&table).await,
        };
        are_heard(&here, &announcing(&table).await).await;
    }
}

async fn are_heard(here: &PostgresStore<u32>, there: &PostgresStore<u32>) {
    let ear = Ear::of(there).await;

    let a = keep(here, record(Some("ann"), 1)).await;
    here.load(a, NOW).await.unwrap();
    here.touch(a, NOW).await.unwrap();
    let mut short = record(None, 1);
    short.meta.absolute = NOW.plus(Duration::from_millis(1));
    keep(here, short).await;
    assert_eq!(here.sweep(NOW.plus(Duration::from_millis(1)), 10).await.unwrap().removed, 1);
    assert_eq!(ear.news().await, [], "nothing that anybody could have kept has changed");

    edit(here, a, |n| *n += 1).await;
    assert_eq!(ear.news().await, [Change::Written { id: a, version: 2 }]);

    let b = Id::generate().unwrap();
    let new = || Arc::new(record(Some("ann"), 1));
    here.create(b, new(), Admission::OPEN.in_place_of(a), NOW).await.unwrap();
    assert_eq!(ear.news().await, [Change::Changed { id: a }], "replaced");

    let c = Id::generate().unwrap();
    let limited = Admission::OPEN.limited(Limit::evict_oldest(1));
    here.create(c, new(), limited, NOW).await.unwrap();
    assert_eq!(ear.news().await, [Change::Changed { id: b }], "evicted");

    here.delete(c, NOW).await.unwrap();
    here.delete(c, NOW).await.unwrap();
    assert_eq!(ear.news().await, [Change::Changed { id: c }], "deleted, and once");

    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        ids.insert(keep(here, record(Some("bob"), 1)).await);
    }
    here.replace(a, 7, new(), NOW).await.unwrap();
    here.revoke("nobody", Revoke::All, 10, NOW).await.unwrap();
    here.revoke("bob", Revoke::All, 10, NOW).await.unwrap();
    let news = ear.news().await.into_iter().map(|change| match change {
        Change::Changed { id } => id,
        other => panic!("{other:?}"),
    });
    let mut revoked: Vec<Id> = news.collect();
    revoked.sort_unstable();
    assert_eq!(revoked, Vec::from_iter(ids), "revoked, each told once");

    for _ in 0..250 {
        keep(here, record(Some("bob"), 1)).await;
    }
    here.revoke("bob", Revoke::All, 1_000, NOW).await.unwrap();
    assert_eq!(ear.news().await, [Change::All], "more than one notification holds");
    for _ in 0..250 {
        keep(here, record(Some("bob"), 1)).await;
    }
    here.create(Id::generate().unwrap(), Arc::new(record(Some("bob"), 1)), limited, NOW)
        .await
        .unwrap();
    assert_eq!(ear.news().await, [Change::All], "more evicted than one notification holds");
}

/// An operator with `psql`, another program, a node that does not announce.
#[tokio::test(flavor = "multi_thread")]
async fn s49_what_somebody_else_changes_is_told() {
    let table = fresh("t");
    let quiet = store_in::<u32>(&table).await;
    let ear = Ear::of(&announcing(&table).await).await;
    let hands = [
        "UPDATE {t} SET expires_at = expires_at - interval '1 min' WHERE id = '{id}'",
        "UPDATE {t} SET data = '8', version = version + 1 WHERE id = '{id}'",
        "DELETE FROM {t} WHERE id = '{id}'",
    ];
    for sql in hands {
        let id = keep(&quiet, record(Some("ann"), 1)).await;
        run(sql.replace("{t}", &table).replace("{id}", &id.to_string())).await;
        assert_eq!(ear.news().await, [Change::Changed { id }], "{sql}");
    }
    let id = keep(&quiet, record(Some("ann"), 1)).await;
    quiet.touch(id, NOW.plus(Duration::from_secs(1))).await.unwrap();
    assert_eq!(ear.news().await, [], "a use");
    edit(&quiet, id, |n| *n += 1).await;
    assert_eq!(ear.news().await, [Change::Changed { id }]);
    let limited = Admission::OPEN.limited(Limit::evict_oldest(1));
    let new = Id::generate().unwrap();
    run(format!("DELETE FROM {table} WHERE id <> '{id}'")).await;
    ear.news().await;
    quiet.create(new, Arc::new(record(Some("ann"), 1)), limited, NOW).await.unwrap();
    assert_eq!(ear.news().await, [Change::Changed { id }], "evicted");
    run(format!("TRUNCATE {table}")).await;
    assert_eq!(ear.news().await, [Change::All]);
}

#[tokio::test]
async fn a_store_that_does_not_announce_has_no_feed_and_says_nothing() {
    let table = fresh("t");
    let quiet = store_in::<u32>(&table).await;
    assert!(quiet.changes().is_none());
    let mut listener = PgListener::connect(&url()).await.unwrap();
    listener.listen(&format!("{table}_changes")).await.unwrap();
    let id = keep(&quiet, record(None, 1)).await;
    edit(&quiet, id, |n| *n += 1).await;
    quiet.delete(id, NOW).await.unwrap();
    run(format!("NOTIFY {table}_changes, 'nothing before'")).await;
    assert_eq!(listener.recv().await.unwrap().payload(), "nothing before");
}

#[tokio::test]
async fn whoever_may_not_have_changes_told_finds_it_out_when_opening() {
    let (user, table) = (fresh("u"), fresh("t"));
    drop(store_in::<u32>(&table).await);
    run(format!(
        "CREATE ROLE {user} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user}"
    ))
    .await;
    let options = || PostgresOptions::<u32>::new(url_of(&user)).table(&table).announce(true);
    let error = PostgresStore::open(options()).await.unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Denied);
    drop(announcing(&table).await);
    let store = PostgresStore::open(options()).await.unwrap();
    let ear = Ear::of(&store).await;
    let id = keep(&store, record(None, 1)).await;
    run(format!("DELETE FROM {table} WHERE id = '{id}'")).await;
    assert_eq!(ear.news().await, [Change::Changed { id }]);
}

/// As behind a `PgBouncer` in transaction mode: LISTEN is answered, and nothing is ever heard.
#[tokio::test]
async fn s49_where_nothing_can_be_heard_nobody_is_said_to_listen() {
    let options = PostgresOptions::new(deaf_relay().await);
    let store = open(options, &fresh("t")).await;
    let told: Arc<Mutex<Vec<Change>>> = Arc::default();
    let heard = Arc::clone(&told);
    let listening = store.changes().unwrap().listen(Arc::new(move |change| {
        heard.lock().unwrap().push(change);
    }));
    let error = timeout(Duration::from_secs(60), listening).await.expect("it believes to listen");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let said = error.source().unwrap().to_string();
    assert!(said.contains("PgBouncer"), "{said}");
    assert_eq!(*told.lock().unwrap(), []);
}

/// The address of a way to the server that loses all notifications.
async fn deaf_relay() -> String {
    let url = url();
    let (front, rest) = url.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').map(|(a, b)| (a.to_owned(), b)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let (mut client_in, client_out) = client.into_split();
            let (server_in, mut server_out) = server.into_split();
            tokio::spawn(async move { copy(&mut client_in, &mut server_out).await });
            tokio::spawn(lose_notifications(server_in, client_out));
        }
    });
    format!("{front}@{address}/{database}?sslmode=disable")
}

async fn lose_notifications(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
) -> std::io::Result<()> {
    loop {
        let (kind, length) = (from.read_u8().await?, from.read_u32().await?);
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        from.read_exact(&mut body).await?;
        if kind != b'A' {
            let head = [&[kind][..], &length.to_be_bytes()].concat();
            to.write_all(&[head, body].concat()).await?;
        }
    }
}

#[tokio::test]
async fn a_heartbeat_comes_at_least_every_second() {
    let ear = Ear::of(&announcing(&fresh("t")).await).await;
    let start = Instant::now();
    ear.until(|heard| heard.iter().filter(|c| **c == Change::Alive).count() >= 6).await;
    // A busy machine may lose most of the beats; without a heartbeat there would be none.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Whatever was answered before a beat began is told before that beat. Each beat begins after the
/// one before it was told.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_before_a_beat_is_told_before_it() {
    let table = fresh("t");
    let here = announcing(&table).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(keep(&here, record(None, 0)).await);
    }
    let answered: Arc<Mutex<BTreeMap<Id, u64>>> = Arc::default();
    let told: Arc<Mutex<BTreeMap<Id, u64>>> = Arc::default();
    let beats = Arc::new(Mutex::new((0, BTreeMap::new())));

    let (was_answered, was_told, beating) =
        (Arc::clone(&answered), Arc::clone(&told), Arc::clone(&beats));
    let listener = announcing(&table).await;
    let ear = tokio::spawn(async move {
        let tell = Arc::new(move |change| match change {
            Change::Written { id, version } => {
                let mut told = was_told.lock().unwrap();
                assert!(told.insert(id, version).is_none_or(|before| before < version), "in order");
            }
            Change::Alive => {
                let mut beats = beating.lock().unwrap();
                for (id, version) in &beats.1 {
                    let told = was_told.lock().unwrap().get(id).copied();
                    assert!(told >= Some(*version), "{told:?} of {version} before a beat");
                }
                *beats = (beats.0 + 1, was_answered.lock().unwrap().clone());
            }
            Change::Listening => {}
            other => panic!("{other:?}"),
        });
        listener.changes().unwrap().listen(tell).await
    });
    let mut writers = JoinSet::new();
    for id in ids.clone() {
        let (here, answered, beats) = (here.clone(), Arc::clone(&answered), Arc::clone(&beats));
        writers.spawn(async move {
            let mut version = 1;
            while beats.lock().unwrap().0 < 5 {
                edit(&here, id, |n| *n += 1).await;
                version += 1;
                answered.lock().unwrap().insert(id, version);
            }
            version
        });
    }
    let versions = writers.join_all().await;
    assert!(!ear.is_finished(), "an assertion failed: {:?}", ear.await.map(|error| error.kind()));
    assert!(versions.iter().all(|version| *version > 3), "{versions:?}");
    ear.abort();
}
