//! `RedisStore` on real servers: `TEST_REDIS_URL`, `TEST_REDIS_CLUSTER_URL` and
//! `TEST_REDIS_SENTINEL_URL` say where they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sessile::store::{
    Admission, Change, Created, Limit, RedisOptions, RedisStore, Revoke, Saved, Store,
};
use sessile::testkit::Sample;
use sessile::testkit::conformance::Suite;
use sessile::{
    Clock, Context, Id, Meta, OpenErrorKind, Record, SessionData, StoreErrorKind, SystemClock,
    Timestamp,
};

#[path = "support/redis_cli.rs"]
mod redis_cli;
#[path = "support/services.rs"]
mod services;

use redis_cli::Cli;
use services::shared_url;

const ONE: &str = "TEST_REDIS_URL";
const CLUSTER: &str = "TEST_REDIS_CLUSTER_URL";
const SENTINEL: &str = "TEST_REDIS_SENTINEL_URL";
const ALL: [&str; 3] = [ONE, CLUSTER, SENTINEL];

/// A prefix that no other test has.
fn prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{number}:", std::process::id())
}

/// Patient: other tests keep the machine busy.
fn options(name: &str) -> RedisOptions {
    RedisOptions::new(shared_url(name)).prefix(prefix()).timeout(Duration::from_secs(10))
}

/// A store and, beside it, `redis-cli` and the store's prefix.
async fn open<T: SessionData>(name: &str) -> (RedisStore<T>, Cli, String) {
    let prefix = prefix();
    let store = RedisStore::open(options(name).prefix(prefix.clone())).await.unwrap();
    (store, Cli::new(&shared_url(name)), prefix)
}

fn now() -> Timestamp {
    SystemClock.now().into()
}

const MINUTE: Duration = Duration::from_secs(60);

fn record<T>(subject: Option<&str>, data: T) -> Record<T> {
    let mut meta = Meta::new(now(), MINUTE, MINUTE * 10);
    meta.subject = subject.map(Into::into);
    Record::new(meta, data)
}

/// A session that begins now.
async fn begin<T: SessionData>(store: &RedisStore<T>, subject: Option<&str>, data: T) -> Id {
    let id = Id::generate().unwrap();
    let record = Arc::new(record(subject, data));
    let created = store.create(id, record, Admission::OPEN, now()).await.unwrap();
    assert_eq!(created, Created::Done { evicted: vec![], replaced: false });
    id
}

/// Writes these data over a session.
async fn write<T: SessionData>(store: &RedisStore<T>, id: Id, data: T) -> Saved {
    let old = store.load(id, now()).await.unwrap().unwrap();
    let mut meta = old.meta.clone();
    meta.version += 1;
    let next = Arc::new(Record::new(meta, data));
    store.replace(id, old.meta.version, next, now()).await.unwrap()
}

/// The place in the index that a record has, `-` if none, and the places of those that it ended.
fn places_of(cli: &Cli, key: &str) -> (String, Vec<String>) {
    let text = cli.run(&["GET", key]);
    let mut fields = text.lines().next().unwrap().split(' ').map(str::to_owned);
    let place = fields.nth(4).unwrap();
    (place, fields.skip(10).collect())
}

/// The index in which a session has its place.
fn index_of(cli: &Cli, session: &str) -> String {
    let (place, _) = places_of(cli, session);
    let prefix = session.rsplit_once("session:").unwrap().0;
    format!("{prefix}subject:{}", place.split_once('/').unwrap().0)
}

/// The suite begins now: Redis drops records by its own clock. Cases run side by side, each with a
/// prefix of its own, because what makes a cluster slow is waiting.
async fn conforms(options: impl Fn() -> RedisOptions + Send + Sync) {
    let suite = Suite::new().starting_at(now()).patience(Duration::from_secs(300)).at_once(4);
    let suite = suite.expires_by_itself();
    let open = async || RedisStore::<Sample>::open(options()).await.unwrap();
    let report = suite.run(open).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_conforms() {
    conforms(|| options(ONE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_conforms() {
    conforms(|| options(CLUSTER)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_a_cluster_conforms() {
    conforms(|| options(CLUSTER).prefix(format!("{{{}}}", prefix()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_conforms() {
    conforms(|| options(SENTINEL)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s45_what_is_no_record_is_undecodable_and_stays() {
    for name in ALL {
        let (store, cli, prefix) = open::<u32>(name).await;
        let key = |id: Id| format!("{prefix}session:{id}");
        let garble = "return redis.call('APPEND', KEYS[1], 'hunter2\\255')";
        let plants: [&dyn Fn(&str); 7] = [
            &|key| drop(cli.run(&["SET", key, "hunter2"])),
            &|key| drop(cli.run(&["SET", key, ""])),
            &|key| drop(cli.run(&["SET", key, "1 1 2 3 - hunter2\n\n\n1"])),
            &|key| drop(cli.run(&["RPUSH", key, "hunter2"])),
            &|key| drop(cli.run(&["HSET", key, "data", "hunter2"])),
            &|key| drop(cli.run(&["APPEND", key, "hunter2"])),
            &|key| drop(cli.run(&["EVAL", garble, "1", key])),
        ];
        for (place, plant) in plants.iter().enumerate() {
            let id = match place {
                0..5 => Id::generate().unwrap(),
                _ => begin(&store, Some("ann"), 7).await,
            };
            plant(&key(id));
            let error = store.load(id, now()).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Undecodable, "{name}, plant {place}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            if place < 5 {
                for subject in [None, Some("ann")] {
                    let record = || record(subject, 8).into();
                    let create = store.create(id, record(), Admission::OPEN, now());
                    let error = create.await.unwrap_err();
                    assert_eq!(error.kind(), StoreErrorKind::Undecodable, "{name}, create {place}");
                    let error = store.replace(id, 1, record(), now()).await.unwrap_err();
                    assert_eq!(error.kind(), StoreErrorKind::Undecodable, "{name}, write {place}");
                    // Whoever has the ticket of such a one can log in, which ends it.
                    let (old, new) = (Id::generate().unwrap(), Id::generate().unwrap());
                    plant(&key(old));
                    let terms = Admission::OPEN.in_place_of(old);
                    let created = store.create(new, record(), terms, now()).await.unwrap();
                    let done = Created::Done { evicted: vec![], replaced: true };
                    assert_eq!(created, done, "{name}, in place of {place}");
                    assert_eq!(cli.run(&["EXISTS", &key(old)]), "0", "{name}");
                }
                let error = store.touch(id, now()).await.unwrap_err();
                assert_eq!(error.kind(), StoreErrorKind::Undecodable, "{name}, touch {place}");
            }
            assert_eq!(cli.run(&["EXISTS", &key(id)]), "1", "{name}: it stays");
            assert!(store.delete(id, now()).await.unwrap(), "and can be ended");
            assert_eq!(cli.run(&["EXISTS", &key(id)]), "0", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s46_records_of_an_older_type_are_read_and_of_another_format_are_not() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Old {
        name: String,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        name: String,
        #[serde(default)]
        theme: String,
    }
    let prefix = prefix();
    let options = options(ONE).prefix(prefix.clone());
    let old = RedisStore::<Old>::open(options.clone()).await.unwrap();
    let new = RedisStore::<New>::open(options).await.unwrap();
    let id = begin(&old, None, Old { name: "ann".to_owned() }).await;
    let read = new.load(id, now()).await.unwrap().unwrap();
    assert_eq!(read.data, New { name: "ann".to_owned(), theme: String::new() });

    let (cli, key) = (Cli::new(&shared_url(ONE)), format!("{prefix}session:{id}"));
    cli.run(&["SETRANGE", &key, "0", "2"]);
    let error = new.load(id, now()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Undecodable);
}

/// Subjects are what users choose, and in Redis all names are in one space.
#[tokio::test(flavor = "multi_thread")]
async fn c19_no_subject_reaches_the_key_of_a_session() {
    let (store, cli, prefix) = open(ONE).await;
    let ann = begin(&store, Some("ann"), 1_u32).await;
    let key = format!("{prefix}session:{ann}");
    let kept = cli.run(&["GET", &key]);
    let index = store.subjects().unwrap();
    for subject in [
        ann.to_string(),
        format!("session:{ann}"),
        key.clone(),
        format!("}}session:{ann}"),
        format!(":session:{ann}"),
        format!("../session:{ann}"),
        format!("\n{key}"),
        "*".to_owned(),
    ] {
        let theirs = begin(&store, Some(&subject), 2).await;
        let keys = cli.run(&["KEYS", &format!("*{ann}*")]);
        assert_eq!(keys.lines().collect::<Vec<_>>(), [key.as_str()], "{subject}");
        let revoked = index.revoke(&subject, Revoke::All, 10, now()).await.unwrap();
        assert_eq!(revoked.ids, [theirs], "{subject}");
        assert_eq!(cli.run(&["GET", &key]), kept, "{subject}");
    }
    assert_eq!(index.count("ann", now()).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_are_json_that_anybody_can_read() {
    let (store, cli, prefix) = open(ONE).await;
    let id = begin(&store, Some("ann"), Sample::new("ann").counting(3)).await;
    let key = format!("{prefix}session:{id}");
    let text = cli.run(&["GET", &key]);
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("1 00000000000000000001 "), "{text}");
    assert!(lines[0].ends_with(" - 3"), "no context, and a subject of three bytes: {text}");
    assert_eq!(lines[1..3], ["", "ann"]);
    let data: serde_json::Value = serde_json::from_str(lines[3]).unwrap();
    assert_eq!((&data["user"], &data["counter"]), (&"ann".into(), &3.into()));
    assert_eq!(store.load(id, now()).await.unwrap().unwrap().meta.context, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_used_says_what_to_change() {
    let one = shared_url(ONE);
    let host = one.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let cluster = shared_url(CLUSTER).replace("redis+cluster", "redis");
    let cluster = cluster.split(',').next().unwrap();
    let sentinel = shared_url(SENTINEL);
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap() // closed again: nobody listens
    };
    let cli = Cli::new(&one);
    let rules = ["+@all", "~other:*"];
    cli.run(&[&["ACL", "SETUSER", "hunter1", "reset", "on", ">hunter2"], &rules[..]].concat());
    cli.run(&["ACL", "SETUSER", "hunter3", "reset", "on", ">hunter2", "~*", "+get"]);
    let cases = [
        (format!("redis://{nowhere}/"), OpenErrorKind::Unreachable, "check the address"),
        (format!("redis+cluster://{nowhere}"), OpenErrorKind::Unreachable, "check the address"),
        (format!("redis+sentinel://{nowhere}/x"), OpenErrorKind::Unreachable, "check the address"),
        (format!("redis://:hunter2@{host}/"), OpenErrorKind::Denied, "password"),
        (format!("redis://hunter2:hunter2@{host}/"), OpenErrorKind::Denied, "password"),
        (format!("redis://hunter1:hunter2@{host}/"), OpenErrorKind::Denied, "may run"),
        (format!("redis://hunter3:hunter2@{host}/"), OpenErrorKind::Denied, "may run"),
        (format!("redis://{host}/999"), OpenErrorKind::Config, "database"),
        (format!("rediss://{host}/"), OpenErrorKind::Unreachable, "cannot be reached"),
        (format!("memcached://{host}/"), OpenErrorKind::UnknownScheme, "redis://"),
        (format!("redis+cluster://{host}"), OpenErrorKind::Config, "no cluster"),
        (cluster.to_owned(), OpenErrorKind::Config, "redis+cluster://"),
        (format!("{sentinel}/one"), OpenErrorKind::Config, "address like"),
        (format!("{sentinel}-nobody"), OpenErrorKind::Unreachable, "check the address"),
    ];
    for (url, kind, remedy) in cases {
        let outcome = RedisStore::<u32>::connect(&url).await;
        let error = outcome.err().unwrap_or_else(|| panic!("{url} was opened"));
        assert_eq!(error.kind(), kind, "{url}: {error:?}");
        assert!(error.to_string().contains(remedy), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error:?}");
    }
    cli.run(&["ACL", "DELUSER", "hunter1", "hunter3"]);
}

/// Whoever lacks a right is told which are needed; these do.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_are_asked_for_are_enough() {
    for (name, database) in [(ONE, "/3"), (CLUSTER, ""), (SENTINEL, "/3")] {
        let (prefix, url) = (prefix(), shared_url(name));
        let user = prefix.trim_end_matches(':').to_owned();
        let (scheme, rest) = url.split_once("://").unwrap();
        let path = format!("{}{database}", rest.trim_end_matches('/'));
        let options = RedisOptions::new(format!("{scheme}://{user}:hunter2@{path}"));
        let options = options.prefix(prefix.clone()).timeout(Duration::from_secs(10));
        let servers: Vec<Cli> = match name {
            CLUSTER => rest.split(',').map(Cli::node).collect(),
            _ => vec![Cli::new(&url)],
        };
        let grant = |rights: &str| {
            let keys = format!("~{prefix}*");
            let mut rules = vec!["ACL", "SETUSER", &user, "reset", "on", ">hunter2", &keys];
            rules.extend(rights.split(' ').filter(|right| !right.is_empty()));
            servers.iter().for_each(|server| assert_eq!(server.run(&rules), "OK", "{rules:?}"));
        };
        grant("");
        let error = RedisStore::<u32>::open(options.clone()).await.unwrap_err();
        assert_eq!(error.kind(), OpenErrorKind::Denied, "{name}: {error}");
        let said = error.to_string();
        let needed = said.split('`').nth(1).unwrap();
        grant(&needed.split(' ').map(|right| format!("+{right} ")).collect::<String>());
        let store = RedisStore::<u32>::open(options).await.unwrap();
        let heard: Arc<Mutex<Vec<Change>>> = Arc::default();
        let ear = Arc::clone(&heard);
        let tell = Arc::new(move |change| ear.lock().unwrap().push(change));
        let feed = tokio::spawn(store.changes().unwrap().listen(tell));
        for _ in 0..3 {
            for _ in 0..1_000 {
                if drain_to(&heard, Change::Alive) || feed.is_finished() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if feed.is_finished() {
            panic!("{name}: the feed ended: {:?}", feed.await);
        }
        feed.abort();
        let mut ids = BTreeSet::new();
        for number in 0..6 {
            ids.insert(begin(&store, Some("ann"), number).await);
        }
        let (mut seen, mut from) = (BTreeSet::new(), None);
        loop {
            let step = Store::all(&store).unwrap().scan(from, 1_000, now()).await.unwrap();
            seen.extend(step.sessions.into_iter().map(|(id, _)| id));
            from = step.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids, "{name}");
        let revoked = store.subjects().unwrap().revoke("ann", Revoke::All, 9, now()).await;
        assert_eq!(revoked.unwrap().ids.len(), ids.len(), "{name}");
        servers.iter().for_each(|server| drop(server.run(&["ACL", "DELUSER", &user])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_shows_the_password() {
    let cli = Cli::new(&shared_url(ONE));
    cli.run(&["ACL", "SETUSER", "ann", "reset", "on", ">hunter2", "~*", "&*", "+@all"]);
    let url = shared_url(ONE).replace("redis://", "redis://ann:hunter2@");
    let options = RedisOptions::new(url).prefix(prefix());
    assert!(!format!("{options:?}").contains("hunter2"));
    let store = RedisStore::<u32>::open(options).await.unwrap();
    assert!(!format!("{store:?}").contains("hunter2"));
    assert!(format!("{store:?}").contains("one server"), "{store:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s25_a_key_never_outlives_the_deadlines_of_its_session() {
    for name in ALL {
        let (store, cli, prefix) = open(name).await;
        let id = begin(&store, Some("ann"), 1).await;
        let key = format!("{prefix}session:{id}");
        let deadline = async || {
            let record = store.load(id, now()).await.unwrap().unwrap();
            record.meta.deadline().as_millis()
        };
        assert_eq!(cli.expires(&key), deadline().await, "{name}: created");
        store.touch(id, now().plus(MINUTE / 2)).await.unwrap();
        assert_eq!(cli.expires(&key), deadline().await, "{name}: touched");
        assert_eq!(write(&store, id, 2).await, Saved::Done);
        assert_eq!(cli.expires(&key), deadline().await, "{name}: written");

        let old = store.load(id, now()).await.unwrap().unwrap();
        let mut meta = old.meta.clone();
        meta.version += 1;
        meta.set_idle(MINUTE * 100);
        meta.absolute = now().plus(MINUTE * 50);
        let absolute = meta.absolute.as_millis();
        let saved = store.replace(id, old.meta.version, Record::new(meta, 3).into(), now()).await;
        assert_eq!(saved.unwrap(), Saved::Done);
        assert_eq!(cli.expires(&key), absolute, "{name}: prolonged");
        // Nor does the index go before its sessions.
        let index = index_of(&cli, &key);
        assert!(cli.expires(&index) >= absolute, "{name}: the index");
        assert_eq!(cli.number(&["ZCARD", &index]), 1, "{name}: its old place is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_removes_what_has_expired() {
    for name in ALL {
        let (store, cli, prefix) = open(name).await;
        let id = Id::generate().unwrap();
        let mut short = record(Some("ann"), 1);
        short.meta.set_idle(Duration::from_millis(300));
        store.create(id, short.into(), Admission::OPEN, now()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(cli.run(&["EXISTS", &format!("{prefix}session:{id}")]), "0", "{name}");
        assert_eq!(store.subjects().unwrap().count("ann", now()).await.unwrap(), 0, "{name}");
        assert_eq!(store.sweep(now(), 100).await.unwrap().removed, 0, "{name}");
    }
}

/// The commands that clients sent while something was done; not those that scripts ran.
async fn commands<V>(cli: &Cli, prefix: &str, deed: impl AsyncFnOnce() -> V) -> (V, Vec<String>) {
    let mut command = cli.command();
    let mut monitor = command.arg("MONITOR").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "OK");
    let done = deed().await;
    let end = format!("{prefix}end");
    cli.run(&["EXISTS", &end]);
    let lines = lines.map(Result::unwrap).take_while(|line| !line.contains(&end));
    let ours = lines.filter(|line| line.contains(prefix) && !line.contains(" lua]"));
    let ours = ours.map(|line| line.split('"').nth(1).unwrap().to_uppercase()).collect();
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    (done, ours)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_one_command_or_one_script() {
    let (store, cli, prefix) = open(ONE).await;
    // Each script is known to the server from here on.
    let warm = begin(&store, Some("ann"), 0).await;
    let create_in_place_of = async |old: Id| {
        let (id, terms) = (Id::generate().unwrap(), Admission::OPEN.in_place_of(old));
        store.create(id, record(None, 2).into(), terms, now()).await.unwrap();
        id
    };
    create_in_place_of(begin(&store, None, 0).await).await;
    write(&store, warm, 1).await;
    store.touch(warm, now().plus(MINUTE / 2)).await.unwrap();
    let index = store.subjects().unwrap();
    index.list("ann", None, 10, now()).await.unwrap();
    store.delete(warm, now()).await.unwrap();

    let (plain, sent) = commands(&cli, &prefix, async || begin(&store, None, 1).await).await;
    assert_eq!(sent, ["SET"], "create");
    let (plain, sent) = commands(&cli, &prefix, async || create_in_place_of(plain).await).await;
    assert_eq!(sent, ["EVALSHA"], "create in place of another");
    let delete = async || store.delete(plain, now()).await.unwrap();
    assert_eq!(commands(&cli, &prefix, delete).await, (true, vec!["GETDEL".to_owned()]), "delete");
    let (first, sent) = commands(&cli, &prefix, async || begin(&store, Some("ann"), 1).await).await;
    assert_eq!(sent, ["EVALSHA"], "create for a subject");
    let (id, sent) = commands(&cli, &prefix, async || {
        let id = Id::generate().unwrap();
        let terms = Admission::OPEN.limited(Limit::evict_oldest(1)).in_place_of(first);
        store.create(id, record(Some("ann"), 2).into(), terms, now()).await.unwrap();
        id
    })
    .await;
    assert_eq!(sent, ["EVALSHA"], "create in place of another, under a limit");
    let load = async || store.load(id, now()).await.unwrap().unwrap();
    assert_eq!(commands(&cli, &prefix, load).await.1, ["GET"], "load");
    let (saved, sent) = commands(&cli, &prefix, async || write(&store, id, 3).await).await;
    assert_eq!((saved, sent), (Saved::Done, vec!["GET".into(), "EVALSHA".into()]), "load, write");
    let touch = async || store.touch(id, now()).await.unwrap();
    assert_eq!(commands(&cli, &prefix, touch).await.1, ["EVALSHA"], "touch");
    let list = async || index.list("ann", None, 10, now()).await.unwrap();
    let (listed, sent) = commands(&cli, &prefix, list).await;
    assert_eq!((listed.len(), sent), (1, vec!["EVALSHA".to_owned()]), "list");
    let count = async || index.count("ann", now()).await.unwrap();
    assert_eq!(commands(&cli, &prefix, count).await, (1, vec!["EVALSHA".to_owned()]), "count");
    let revoke = async || index.revoke("ann", Revoke::All, 10, now()).await.unwrap().ids;
    assert_eq!(commands(&cli, &prefix, revoke).await, (vec![id], vec!["EVALSHA".to_owned()]));
    let delete = async || store.delete(id, now()).await.unwrap();
    assert_eq!(commands(&cli, &prefix, delete).await, (false, vec!["GETDEL".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_gives_up_its_place() {
    for name in ALL {
        let (store, cli, prefix) = open(name).await;
        let (id, other) =
            (begin(&store, Some("ann"), 1).await, begin(&store, Some("ann"), 2).await);
        let index = index_of(&cli, &format!("{prefix}session:{id}"));
        assert_eq!(cli.number(&["ZCARD", &index]), 2, "{name}");
        assert!(store.delete(id, now()).await.unwrap(), "{name}");
        // With one server nobody waits for it.
        for _ in 0..500 {
            if cli.number(&["ZCARD", &index]) == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let left = cli.run(&["ZRANGE", &index, "0", "-1"]);
        assert!(left.starts_with(&other.to_string()) && !left.contains('\n'), "{name}: {left}");
        assert!(!store.delete(id, now()).await.unwrap(), "{name}: it is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_by_somebody_who_knows_of_no_touch_undoes_none() {
    for name in ALL {
        for subject in [None, Some("a\nb\0*:{}\u{1f600}")] {
            let (store, cli, prefix) = open(name).await;
            let id = begin(&store, subject, 1).await;
            let key = format!("{prefix}session:{id}");
            let places = places_of(&cli, &key);
            assert_eq!(places.0 != "-", subject.is_some(), "{name}");
            let old = store.load(id, now()).await.unwrap().unwrap();
            let later = now().plus(MINUTE / 2);
            assert_eq!(store.touch(id, later).await.unwrap(), Saved::Done, "{name}");
            assert_eq!(store.touch(id, now()).await.unwrap(), Saved::Done, "nor does a touch");
            let mut meta = old.meta.clone();
            meta.version += 1;
            let next = Arc::new(Record::new(meta, 2));
            let saved = store.replace(id, old.meta.version, next, now()).await.unwrap();
            assert_eq!(saved, Saved::Done, "{name}");
            let new = store.load(id, now()).await.unwrap().unwrap();
            assert_eq!((new.data, new.meta.subject.as_deref()), (2, subject), "{name}");
            assert_eq!(new.meta.last_seen(), later, "{name}");
            let deadline = later.plus(MINUTE).as_millis();
            assert_eq!(cli.expires(&key), deadline, "{name}");
            assert_eq!(places_of(&cli, &key), places, "{name}");
            if let Some(subject) = subject {
                let count = store.subjects().unwrap().count(subject, now()).await;
                assert_eq!(count.unwrap(), 1, "{name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_the_first_look_is_read_all_the_same() {
    for name in ALL {
        let (store, cli, prefix) = open::<u32>(name).await;
        let index = store.subjects().unwrap();
        // Two bytes a sign, so that what is cut is cut inside of one somewhere.
        let subjects = [1_000, 1_001, 5_000].map(|long| format!("a{}", "\u{e9}".repeat(long)));
        for subject in subjects.iter().map(String::as_str).chain(["ann"]) {
            let mut one = record(Some(subject), 1);
            let mut context = Context::default();
            context.acr = Some("\u{e9}".repeat(700).into());
            one.meta.context = Some(Arc::new(context.clone()));
            let id = Id::generate().unwrap();
            store.create(id, one.into(), Admission::OPEN, now()).await.unwrap();
            let is_it = |meta: &Meta| {
                assert_eq!(meta.subject.as_deref(), Some(subject), "{name}");
                assert_eq!(meta.context.as_deref(), Some(&context), "{name}");
            };
            is_it(&store.load(id, now()).await.unwrap().unwrap().meta);
            let listed = index.list(subject, None, 10, now()).await.unwrap();
            assert_eq!(listed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id], "{name}");
            is_it(&listed[0].1);
            let (mut scanned, mut from) = (BTreeMap::new(), None);
            loop {
                let step = Store::all(&store).unwrap().scan(from, 1_000, now()).await.unwrap();
                scanned.extend(step.sessions);
                from = step.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(scanned.len(), 1, "{name}");
            is_it(&scanned[&id]);
            let revoked = index.revoke(subject, Revoke::One(id), 10, now()).await.unwrap();
            assert_eq!(revoked.ids, [id], "{name}");
            assert_eq!(cli.run(&["EXISTS", &format!("{prefix}session:{id}")]), "0", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_remembers_what_a_session_cost() {
    let (store, cli, prefix) = open(CLUSTER).await;
    let mut ended = BTreeSet::new();
    for number in 0..8 {
        ended.insert(begin(&store, Some("ann"), number).await);
    }
    let id = Id::generate().unwrap();
    let terms = Admission::OPEN.limited(Limit::evict_oldest(1));
    store.create(id, record(Some("ann"), 8).into(), terms, now()).await.unwrap();
    let key = format!("{prefix}session:{id}");
    let costs = |key: &str| {
        let (place, costs) = places_of(&cli, key);
        assert_ne!(place, "-");
        let ids = costs.iter().map(|cost| cost.split_once('/').unwrap().0.parse().unwrap());
        (place, ids.collect::<BTreeSet<Id>>())
    };
    assert_eq!(costs(&key).1, ended);
    let place = costs(&key).0;
    assert_eq!(write(&store, id, 9).await, Saved::Done);
    assert_eq!(costs(&key), (place, ended), "a write does not forget it");
    assert_eq!(store.load(id, now()).await.unwrap().unwrap().data, 9);
    let mut meta = store.load(id, now()).await.unwrap().unwrap().meta.clone();
    meta.version += 1;
    meta.subject = Some("bob".into());
    let saved = store.replace(id, meta.version - 1, Record::new(meta, 10).into(), now()).await;
    assert_eq!(saved.unwrap(), Saved::Done);
    assert_eq!(costs(&key).1, BTreeSet::new(), "they were another subject's");
}

/// Somebody may be on the way to end it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_its_place_for_as_long_as_it_is_the_same_subjects() {
    for name in ALL {
        let (store, cli, prefix) = open(name).await;
        let id = begin(&store, Some("ann"), 1).await;
        let key = format!("{prefix}session:{id}");
        let (places, index) = (places_of(&cli, &key), index_of(&cli, &key));
        let prolong = async |subject: &str, minutes: u32| {
            let old = store.load(id, now()).await.unwrap().unwrap();
            let mut meta = old.meta.clone();
            meta.version += 1;
            meta.absolute = now().plus(MINUTE * minutes);
            meta.subject = Some(subject.into());
            let (version, absolute) = (old.meta.version, meta.absolute.as_millis());
            let saved = store.replace(id, version, Record::new(meta, 2).into(), now()).await;
            assert_eq!(saved.unwrap(), Saved::Done, "{name}");
            absolute
        };
        for minutes in [20, 40, 10] {
            let absolute = prolong("ann", minutes).await;
            assert_eq!(places_of(&cli, &key), places, "{name}");
            assert!(cli.expires(&index) >= absolute, "{name}: the index lasts as long");
            assert_eq!(cli.number(&["ZCARD", &index]), 1, "{name}");
        }
        let absolute = prolong("bob", 20).await;
        let other = index_of(&cli, &key);
        assert_ne!(other, index, "{name}: it changed hands");
        assert!(cli.expires(&other) >= absolute, "{name}");
        assert_eq!(cli.run(&["EXISTS", &index]), "0", "{name}: its old place is left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_is_prolonged_all_the_time_is_revoked_all_the_same() {
    for name in [CLUSTER, ONE] {
        let (store, ..) = open(name).await;
        for round in 0..30 {
            let id = begin(&store, Some("ann"), 1).await;
            let writer = store.clone();
            let prolong = tokio::spawn(async move {
                let mut minutes = 20;
                while let Some(old) = writer.load(id, now()).await.unwrap() {
                    let mut meta = old.meta.clone();
                    meta.version += 1;
                    meta.absolute = now().plus(MINUTE * minutes);
                    let next = Record::new(meta, 2).into();
                    writer.replace(id, old.meta.version, next, now()).await.unwrap();
                    minutes += 1;
                }
            });
            tokio::time::sleep(Duration::from_millis(round % 7)).await;
            let index = store.subjects().unwrap();
            assert_eq!(index.count("ann", now()).await.unwrap(), 1, "{name}");
            let revoked = index.revoke("ann", Revoke::All, 9, now()).await.unwrap();
            assert_eq!(revoked.ids, [id], "{name}, round {round}");
            prolong.await.unwrap();
            assert_eq!(index.count("ann", now()).await.unwrap(), 0, "{name}");
        }
    }
}

/// A newer version of this crate may have written it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_keeps_its_place() {
    for name in ALL {
        let (store, cli, prefix) = open(name).await;
        let index = store.subjects().unwrap();
        let id = begin(&store, Some("ann"), 1).await;
        let key = format!("{prefix}session:{id}");
        cli.run(&["SETRANGE", &key, "0", "2"]);
        let other = begin(&store, Some("ann"), 2).await;
        assert_eq!(index.count("ann", now()).await.unwrap(), 1, "{name}");
        let limited = Admission::OPEN.limited(Limit::evict_oldest(9));
        let created = store.create(
            Id::generate().unwrap(),
            record(Some("ann"), 3).into(),
            limited.in_place_of(other),
            now(),
        );
        let done = Created::Done { evicted: vec![], replaced: true };
        assert_eq!(created.await.unwrap(), done, "{name}");
        cli.run(&["SETRANGE", &key, "0", "1"]);
        assert_eq!(index.count("ann", now()).await.unwrap(), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_repairs_itself() {
    for name in ALL {
        let (store, cli, prefix) = open(name).await;
        let index = store.subjects().unwrap();
        let (lost, kept) =
            (begin(&store, Some("ann"), 1).await, begin(&store, Some("ann"), 2).await);
        let key = index_of(&cli, &format!("{prefix}session:{kept}"));
        assert_eq!(cli.number(&["ZCARD", &key]), 2, "{name}");
        cli.run(&["DEL", &format!("{prefix}session:{lost}")]);
        // A place that was taken long ago, and something that is no place at all.
        cli.run(&["ZADD", &key, "0", &format!("{} 1", Id::generate().unwrap())]);
        cli.run(&["ZADD", &key, "0", "garbage"]);
        assert_eq!(index.count("ann", now()).await.unwrap(), 1, "{name}");
        let listed = index.list("ann", None, 10, now()).await.unwrap();
        assert_eq!(listed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [kept], "{name}");
        assert!(index.revoke("ann", Revoke::One(lost), 10, now()).await.unwrap().ids.is_empty());
        for _ in 0..100 {
            if cli.number(&["ZCARD", &key]) <= 1 + 2 * u64::from(name == CLUSTER) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // In a cluster a fresh place may be that of a session about to be created.
        let left = cli.run(&["ZRANGE", &key, "0", "-1"]);
        assert!(!left.contains(" 1\n") && !left.ends_with(" 1"), "{name}: {left}");
        assert!(left.contains(&kept.to_string()), "{name}: {left}");
        assert_eq!(left.contains(&lost.to_string()), name == CLUSTER, "{name}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_forgot_are_sent_again() {
    for name in ALL {
        let (store, cli, _) = open(name).await;
        let id = begin(&store, Some("ann"), 1).await;
        let nodes = match name {
            CLUSTER => shared_url(CLUSTER).replace("redis+cluster://", ""),
            _ => cli.address(),
        };
        let forget = || {
            nodes.split(',').for_each(|node| {
                assert_eq!(Cli::node(node).run(&["SCRIPT", "FLUSH"]), "OK");
            })
        };
        forget();
        assert_eq!(write(&store, id, 2).await, Saved::Done, "{name}");
        forget();
        let index = store.subjects().unwrap();
        assert_eq!(index.revoke("ann", Revoke::All, 1, now()).await.unwrap().ids, [id], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_refused_or_kept_whole() {
    for name in ALL {
        let (store, cli, prefix) = open(name).await;
        let large = "0123456789".repeat(1_000_000);
        let id = Id::generate().unwrap();
        let create = store.create(id, record(None, large.clone()).into(), Admission::OPEN, now());
        assert_eq!(create.await.unwrap_err().kind(), StoreErrorKind::TooLarge, "{name}");
        assert_eq!(cli.run(&["EXISTS", &format!("{prefix}session:{id}")]), "0", "{name}");
        let options = options(name).max_data(16 << 20);
        let roomy = RedisStore::<String>::open(options).await.unwrap();
        let id = begin(&roomy, Some("ann"), large.clone()).await;
        assert!(roomy.load(id, now()).await.unwrap().unwrap().data == large, "{name}");
        assert_eq!(write(&roomy, id, large).await, Saved::Done, "{name}");
        assert!(roomy.delete(id, now()).await.unwrap(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_every_session_and_nobody_elses() {
    for name in ALL {
        // What is special in a pattern is not special in a prefix.
        let (base, many) = (prefix(), 60);
        let store = RedisStore::<u32>::open(options(name).prefix(format!("{base}*[a]?")));
        let other = RedisStore::<u32>::open(options(name).prefix(format!("{base}x[a]y")));
        let (store, other) = (store.await.unwrap(), other.await.unwrap());
        begin(&other, None, 0).await;
        let mut begun = BTreeSet::new();
        for number in 0..many {
            begun.insert(begin(&store, (number % 2 == 0).then_some("ann"), number).await);
        }
        let scan = Store::all(&store).unwrap();
        let (mut seen, mut from, mut steps) = (BTreeSet::new(), None, 0);
        loop {
            let step = scan.scan(from, 1_000, now()).await.unwrap();
            for (id, meta) in step.sessions {
                assert!(meta.subject.is_none_or(|subject| &*subject == "ann"));
                seen.insert(id);
            }
            steps += 1;
            assert!(steps < 100_000, "{name}: the scan does not end");
            from = step.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(seen, begun, "{name}");
        let late = scan.scan(None, 1_000_000, now().plus(MINUTE * 20)).await.unwrap();
        assert!(late.sessions.is_empty(), "{name}: expired by then");
    }
}

/// Whether this was heard. What came before it is forgotten.
fn drain_to(heard: &Mutex<Vec<Change>>, wanted: Change) -> bool {
    let mut heard = heard.lock().unwrap();
    let place = heard.iter().position(|change| *change == wanted);
    heard.drain(..place.map_or(0, |place| place + 1));
    place.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_anybody_are_told() {
    for name in ALL {
        let prefix = prefix();
        let options = options(name).prefix(prefix.clone());
        let (store, other) = (
            RedisStore::<u32>::open(options.clone()).await.unwrap(),
            RedisStore::<u32>::open(options).await.unwrap(),
        );
        let heard: Arc<Mutex<Vec<Change>>> = Arc::default();
        let ear = Arc::clone(&heard);
        let feed = store.changes().unwrap();
        let listening = tokio::spawn(feed.listen(Arc::new(move |change| {
            ear.lock().unwrap().push(change);
        })));
        let hears = async |wanted: Change| {
            for _ in 0..1_000 {
                if drain_to(&heard, wanted) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("{name}: nobody said {wanted:?}");
        };
        hears(Change::Listening).await;
        for number in 0..6 {
            let id = begin(&other, Some("ann"), number).await;
            hears(Change::Changed { id }).await;
            write(&other, id, 7).await;
            hears(Change::Changed { id }).await;
            other.touch(id, now().plus(MINUTE / 2)).await.unwrap();
            hears(Change::Changed { id }).await;
            match number % 2 {
                0 => assert!(other.delete(id, now()).await.unwrap()),
                _ => drop(other.subjects().unwrap().revoke("ann", Revoke::All, 9, now()).await),
            }
            hears(Change::Changed { id }).await;
        }
        for _ in 0..3 {
            hears(Change::Alive).await;
        }
        // It is dropped: nothing more is told.
        listening.abort();
        assert!(listening.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_nobody_wants_is_not_offered() {
    let store = RedisStore::<u32>::open(options(ONE).without_changes()).await.unwrap();
    assert!(store.changes().is_none());
}
