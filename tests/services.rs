//! What the fault tests stand on: servers that start, keep what they acknowledged, freeze, and
//! leave nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/services.rs"]
mod services_support;

use std::fs;
use std::net::TcpStream;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use redis::{Commands, RedisResult};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query, query_scalar};

use self::services_support::{Services, shared_url};

/// Waits for something that takes a moment: longer on a busy machine, never forever.
fn eventually<V>(what: &str, mut attempt: impl FnMut() -> Option<V>) -> V {
    for _ in 0..600 {
        if let Some(value) = attempt() {
            return value;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {what}")
}

/// Whether this process still does something. A zombie does not.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// One that is there, killed, and there again.
fn killed_and_restarted(servers: &Services, name: &str) {
    let before = servers.pids(name);
    assert!(!before.is_empty() && before.iter().all(|&pid| lives(pid)), "{before:?}");
    servers.kill(name);
    assert!(!before.iter().any(|&pid| lives(pid)), "{before:?}");
    assert_eq!(servers.pids(name), []);
    TcpStream::connect(servers.node(name)).expect_err("nobody listens");
    servers.restart(name);
    let after = servers.pids(name);
    assert!(after.iter().all(|pid| lives(*pid) && !before.contains(pid)), "{after:?}");
}

/// Ends it and looks whether anything is left.
fn gone_without_a_trace(servers: Services, names: &[&str]) {
    let pids: Vec<_> = names.iter().flat_map(|name| servers.pids(name)).collect();
    assert!(pids.len() >= names.len());
    let files = servers.log(names[0]).parent().unwrap().parent().unwrap().to_owned();
    assert!(files.is_dir());
    drop(servers);
    assert!(!pids.into_iter().any(lives));
    assert!(!files.exists());
}

// ---- PostgreSQL -----------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_what_it_acknowledged_and_freezes() {
    let servers = Services::start(&["postgres"]);
    let url = servers.url("postgres");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    query("CREATE TABLE written (n BIGINT PRIMARY KEY)").execute(&mut connection).await.unwrap();

    let writer = tokio::spawn(async move {
        let mut acknowledged = 0_i64;
        let insert = "INSERT INTO written VALUES ($1)";
        while query(insert).bind(acknowledged + 1).execute(&mut connection).await.is_ok() {
            acknowledged += 1;
        }
        acknowledged
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    killed_and_restarted(&servers, "postgres");
    let acknowledged = writer.await.unwrap();
    assert!(acknowledged > 0);
    let kept: i64 = query_scalar("SELECT count(*) FROM written WHERE n <= $1")
        .bind(acknowledged)
        .fetch_one(&mut PgConnection::connect(&url).await.unwrap())
        .await
        .unwrap();
    assert_eq!(kept, acknowledged);

    let mut connection = PgConnection::connect(&url).await.unwrap();
    servers.pause("postgres");
    TcpStream::connect(servers.node("postgres")).expect("the kernel still accepts");
    let patience = Duration::from_millis(300);
    {
        let answer = query("SELECT 1").execute(&mut connection);
        tokio::pin!(answer);
        tokio::time::timeout(patience, &mut answer).await.expect_err("nobody answers");
        servers.resume("postgres");
        answer.await.expect("the answer comes after all");
    }

    // Statements are counted there, for tests of what a request costs.
    let counted: i64 =
        query_scalar("SELECT calls FROM pg_stat_statements WHERE query LIKE 'SELECT count(*)%'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(counted, 1);

    gone_without_a_trace(servers, &["postgres"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_asks_one_role_for_its_password() {
    let servers = Services::start(&["postgres"]);
    let url = |password: &str| {
        let node = servers.node("postgres");
        format!("postgres://sessile_pw:{password}@{node}/sessile_test")
    };
    let mut connection = PgConnection::connect(&url("correct-horse")).await.unwrap();
    query("CREATE TABLE mine (n INT)").execute(&mut connection).await.unwrap();
    PgConnection::connect(&url("wrong")).await.expect_err("not the password");
}

// ---- Redis ----------------------------------------------------------------------------------

/// Asks one server, through a connection of its own.
fn ask<V: redis::FromRedisValue>(url: &str, command: &[&str]) -> RedisResult<V> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = redis::cmd(command[0]);
    request.arg(&command[1..]);
    request.query(&mut connection)
}

/// The value of one line of `INFO replication`, if the server answers.
fn replication(url: &str, field: &str) -> Option<String> {
    let info: String = ask(url, &["INFO", "replication"]).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.to_owned())
}

#[test]
fn redis_keeps_what_it_acknowledged_and_freezes() {
    let servers = Services::start(&["redis"]);
    let url = servers.url("redis");
    let writer = thread::spawn({
        let mut connection = redis::Client::open(&*url).unwrap().get_connection().unwrap();
        move || {
            let mut acknowledged = 0_u64;
            while let Ok(counted) = connection.incr("written", 1) {
                acknowledged = counted;
            }
            acknowledged
        }
    });
    thread::sleep(Duration::from_millis(300));
    killed_and_restarted(&servers, "redis");
    let acknowledged = writer.join().unwrap();
    assert!(acknowledged > 0);
    let kept: u64 = ask(&url, &["GET", "written"]).unwrap();
    assert!(kept == acknowledged || kept == acknowledged + 1, "{kept} of {acknowledged}");

    servers.pause("redis");
    TcpStream::connect(servers.node("redis")).expect("the kernel still accepts");
    let late = thread::spawn(move || ask::<String>(&url, &["PING"]));
    thread::sleep(Duration::from_millis(300));
    assert!(!late.is_finished());
    servers.resume("redis");
    assert_eq!(late.join().unwrap().unwrap(), "PONG");

    gone_without_a_trace(servers, &["redis"]);
}

#[test]
fn a_replica_takes_over_in_the_cluster() {
    let servers = Services::start(&["redis-cluster"]);
    let url = servers.url("redis-cluster");
    let nodes: Vec<_> = (1..=6).map(|n| format!("redis-cluster-{n}")).collect();
    let seeds: Vec<_> = nodes[..3].iter().map(|name| servers.node(name)).collect();
    assert_eq!(url, format!("redis+cluster://{}", seeds.join(",")));

    let client = || {
        let seeds = nodes.iter().map(|name| servers.url(name));
        redis::cluster::ClusterClient::new(seeds).unwrap().get_connection()
    };
    let mut connection = client().unwrap();
    let keys: Vec<_> = (0..100).map(|n| format!("key-{n}")).collect();
    for key in &keys {
        connection.set::<_, _, ()>(key, key).unwrap();
    }
    // Replication is asynchronous: what a replica lacks when it takes over is lost.
    for (master, replica) in [(0, 3), (1, 4), (2, 5)] {
        let [master, replica] = [master, replica].map(|n: usize| servers.url(&nodes[n]));
        eventually("the replica has everything", || {
            let written = replication(&master, "master_repl_offset")?;
            (replication(&replica, "slave_repl_offset")? == written).then_some(())
        });
    }

    servers.kill("redis-cluster-1");
    let heir = servers.url("redis-cluster-4");
    eventually("the replica is a master", || {
        (replication(&heir, "role")? == "master").then_some(())
    });
    eventually("every key is there", || {
        let mut connection = client().ok()?;
        let found = keys.iter().map(|key| connection.get::<_, String>(key));
        found.collect::<RedisResult<Vec<_>>>().ok().filter(|found| *found == keys)
    });
    servers.restart("redis-cluster-1");
    let former = servers.url("redis-cluster-1");
    eventually("the former master follows", || {
        (replication(&former, "master_link_status")? == "up").then_some(())
    });

    let names: Vec<_> = nodes.iter().map(String::as_str).collect();
    gone_without_a_trace(servers, &names);
}

#[test]
fn a_replica_takes_over_under_sentinel() {
    let servers = Services::start(&["redis-sentinel"]);
    let url = servers.url("redis-sentinel");
    let sentinels: Vec<_> = (1..=3).map(|n| servers.node(&format!("redis-sentinel-{n}"))).collect();
    assert_eq!(url, format!("redis+sentinel://{}/sessile", sentinels.join(",")));

    let master = || -> Option<String> {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "sessile"];
        let answer: Vec<String> = ask(&format!("redis://{}/", sentinels[0]), &question).ok()?;
        Some(answer.join(":"))
    };
    assert_eq!(master().unwrap(), servers.node("redis-sentinel-master"));
    let former = servers.url("redis-sentinel-master");
    let heir = servers.url("redis-sentinel-replica");
    ask::<()>(&former, &["SET", "key", "value"]).unwrap();
    eventually("the replica has it", || ask::<String>(&heir, &["GET", "key"]).ok());

    servers.kill("redis-sentinel-master");
    let to = servers.node("redis-sentinel-replica");
    eventually("the sentinels name the other", || (master()? == to).then_some(()));
    eventually("it takes writes", || ask::<String>(&heir, &["SET", "key", "later"]).ok());
    // For some seconds yet it takes itself for a master, with what it had.
    servers.restart("redis-sentinel-master");
    assert_eq!(ask::<String>(&former, &["GET", "key"]).unwrap(), "value");

    let servers_of_it =
        ["master", "replica", "1", "2", "3"].map(|part| format!("redis-sentinel-{part}"));
    gone_without_a_trace(servers, &servers_of_it.each_ref().map(String::as_str));
}

// ---- the ways out -----------------------------------------------------------------------------

#[test]
fn a_panic_leaves_nothing_running() {
    let mut pids = Vec::new();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let servers = Services::start(&["redis"]);
        servers.pause("redis"); // frozen ones end as well
        pids = servers.pids("redis");
        panic!("as a test that fails");
    }));
    panicked.expect_err("it did");
    assert!(!pids.is_empty() && !pids.into_iter().any(lives));
}

#[test]
fn servers_end_with_the_process_that_owns_them() {
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let dir = std::env::temp_dir().join(format!("sessile-test-owner-{}", owner.id()));
    let script = |verb: &str, arguments: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let mut command = Command::new("bash");
        command.arg(script).arg(verb).arg("--dir").arg(&dir).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    script("up", &["--owner", &owner.id().to_string(), "redis"]);
    let pid: u32 = script("pids", &["redis"]).trim().parse().unwrap();
    assert!(lives(pid));
    owner.kill().unwrap(); // a zombie from here on
    eventually("the server has ended", || (!lives(pid)).then_some(()));
    eventually("its files are gone", || (!dir.exists()).then_some(()));
    owner.wait().unwrap();
}

#[test]
#[should_panic(expected = "up: no such server: mongodb")]
fn a_wrong_name_is_said() {
    drop(Services::start(&["mongodb"]));
}

#[test]
#[should_panic(expected = "TEST_OF_NOTHING_URL is not set: run `scripts/test`")]
fn a_missing_server_fails_its_test() {
    shared_url("TEST_OF_NOTHING_URL");
}
