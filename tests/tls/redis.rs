//! Redis: one server, a cluster, Sentinel.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sessile::store::{self, Change, RedisOptions, RedisStore, Revoke, Store};
use sessile::{Id, OpenError, OpenErrorKind, Values};
use tokio::time::{sleep, timeout};

use super::servers::TlsServers;
use super::{begin, expect, is_there, now};

const PATIENCE: Duration = Duration::from_secs(30);

async fn open(options: RedisOptions) -> Result<RedisStore<String>, OpenError> {
    RedisStore::open(options).await
}

/// What others change is heard over TLS as well.
async fn hears_the_end_of(store: &RedisStore<String>, ids: &[Id]) {
    let (heard, mut changes) = tokio::sync::mpsc::unbounded_channel();
    let feed = store.changes().unwrap();
    let listening = tokio::spawn(feed.listen(Arc::new(move |change| {
        heard.send(change).expect("somebody listens");
    })));
    let deleted = async {
        while changes.recv().await != Some(Change::Listening) {}
        for id in ids {
            assert!(store.delete(*id, now()).await.unwrap());
            while changes.recv().await != Some(Change::Changed { id: *id }) {}
        }
    };
    timeout(PATIENCE, deleted).await.unwrap();
    listening.abort();
}

/// Waits until this session is found: until then nobody answers.
async fn comes_back(store: &RedisStore<String>, id: Id) {
    let found = async {
        while !matches!(store.load(id, now()).await, Ok(Some(_))) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, found).await.expect("nobody takes over");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_spoken_to_if_its_authority_vouches_for_it_and_not_otherwise() {
    use OpenErrorKind::{Config, Unreachable};

    let mut redis = TlsServers::new(1);
    redis.launch(0, "").await;
    let url = format!("rediss://localhost:{}/", redis.ports[0]);
    let store = open(redis.options(&url, "ca.pem")).await.unwrap();
    let id = begin(&store).await;
    hears_the_end_of(&store, &[id]).await;

    let other = open(redis.options(&url, "other.pem")).await;
    expect(other, Config, "root_certificate", "a server of another authority");
    let name = open(redis.options(&url.replace("localhost", "127.0.0.1"), "ca.pem")).await;
    expect(name, Config, "name the host", "a certificate for another host");
    let system = store::connect::<Values>(&url).await;
    expect(system, Config, "root_certificate", "an authority that the system does not know");
    let plain = open(RedisOptions::new(url.replace("rediss", "redis"))).await;
    expect(plain, Unreachable, "check the address", "TLS without TLS");
    let garbage = RedisOptions::new(&url).root_certificate("hunter2");
    let outcome = open(garbage.clone()).await;
    assert!(!format!("{outcome:?} {garbage:?}").contains("hunter2"));
    expect(outcome, Config, "PEM", "an authority that is none");
    let useless = redis.options("redis://localhost/", "ca.pem");
    expect(open(useless).await, Config, "`rediss:`", "an authority without TLS");
}

/// Three masters, and a replica of the first, whose names are in the map of slots.
async fn cluster() -> TlsServers {
    let mut nodes = TlsServers::new(4);
    for number in 0..4 {
        let lines = format!(
            "cluster-enabled yes\ncluster-port {}\ncluster-node-timeout 2000\ntls-cluster yes\n\
             cluster-announce-hostname localhost\ncluster-preferred-endpoint-type hostname",
            nodes.buses[number]
        );
        nodes.launch(number, &lines).await;
    }
    for (number, (first, last)) in
        [("0", "5460"), ("5461", "10922"), ("10923", "16383")].into_iter().enumerate()
    {
        let said = nodes.say(number, &["CLUSTER", "ADDSLOTSRANGE", first, last]);
        assert_eq!(said, "OK");
    }
    for number in 1..4 {
        let [port, bus] = [nodes.ports[number], nodes.buses[number]].map(|port| port.to_string());
        assert_eq!(nodes.say(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), "OK");
    }
    let first = nodes.say(0, &["CLUSTER", "MYID"]);
    for number in 0..4 {
        nodes.until(number, &["CLUSTER", "INFO"], "cluster_known_nodes:4").await;
    }
    nodes.until(3, &["CLUSTER", "REPLICATE", &first], "OK").await;
    nodes.until(3, &["INFO", "replication"], "master_link_status:up").await;
    for number in 0..4 {
        nodes.until(number, &["CLUSTER", "INFO"], "cluster_state:ok").await;
        nodes.until(number, &["CLUSTER", "SLOTS"], "localhost").await;
    }
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_spoken_to_over_tls_also_after_a_failover() {
    let mut nodes = cluster().await;
    let [one, two, ..] = nodes.ports[..] else { unreachable!() };
    let url = format!("rediss+cluster://localhost:{one},localhost:{two}");
    let store = open(nodes.options(&url, "ca.pem")).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(begin(&store).await); // some at each node
    }
    hears_the_end_of(&store, &ids.split_off(10)).await;

    let replicated = nodes.say(0, &["INFO", "replication"]);
    let (_, offset) = replicated.split_once("master_repl_offset:").unwrap();
    let offset = format!("slave_repl_offset:{}", offset.split_whitespace().next().unwrap());
    nodes.until(3, &["INFO", "replication"], &offset).await;
    nodes.kill(0);
    for id in &ids {
        comes_back(&store, *id).await;
    }
    let index = store.subjects().unwrap();
    let ended = index.revoke("ann", Revoke::All, 100, now()).await.unwrap().ids;
    assert_eq!(ended.iter().collect::<BTreeSet<_>>(), ids.iter().collect());
    assert!(!is_there(&store, ids[0]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_who_it_should_be_is_not_spoken_to() {
    use OpenErrorKind::{Config, Unreachable};

    let nodes = cluster().await;
    let url = format!("rediss+cluster://localhost:{}", nodes.ports[0]);
    let other = open(nodes.options(&url, "other.pem")).await;
    expect(other, Config, "root_certificate", "a cluster of another authority");
    let name = open(nodes.options(&url.replace("localhost", "127.0.0.1"), "ca.pem")).await;
    expect(name, Config, "name the host", "a certificate for another host");
    let plain = open(RedisOptions::new(url.replace("rediss", "redis"))).await;
    expect(plain, Unreachable, "check the address", "TLS without TLS");
    for number in 0..4 {
        let terms = ["CONFIG", "SET", "cluster-preferred-endpoint-type", "ip"];
        assert_eq!(nodes.say(number, &terms), "OK");
    }
    let addresses = open(nodes.options(&url, "ca.pem")).await;
    expect(addresses, Config, "name the host", "nodes whose certificates have no such addresses");
}

/// A primary, its replica, and the one Sentinel that watches them, by their names.
async fn sentinel() -> TlsServers {
    let mut servers = TlsServers::new(3);
    let [primary, replica, _] = servers.ports[..] else { unreachable!() };
    servers.launch(0, "replica-announce-ip localhost").await;
    let lines = format!("replica-announce-ip localhost\nreplicaof localhost {primary}");
    servers.launch(1, &lines).await;
    servers.until(1, &["INFO", "replication"], "master_link_status:up").await;
    let lines = format!(
        "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n\
         sentinel monitor sessile localhost {primary} 1\n\
         sentinel down-after-milliseconds sessile 1000\nsentinel failover-timeout sessile 5000\n\
         sentinel known-replica sessile localhost {replica}"
    );
    servers.launch(2, &lines).await;
    servers.until(2, &["SENTINEL", "MASTER", "sessile"], "num-slaves\n1").await;
    servers
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_and_its_primary_are_spoken_to_over_tls_also_after_a_failover() {
    let mut servers = sentinel().await;
    let url = format!("rediss+sentinel://localhost:{}/sessile", servers.ports[2]);
    let store = open(servers.options(&url, "ca.pem")).await.unwrap();
    let [kept, ended] = [begin(&store).await, begin(&store).await];
    hears_the_end_of(&store, &[ended]).await;
    let key = format!("sessile:session:{kept}");
    servers.until(1, &["EXISTS", &key], "1").await;
    servers.kill(0);
    comes_back(&store, kept).await;
    assert!(store.delete(kept, now()).await.unwrap());
    assert!(!is_there(&store, kept).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_primaries_that_are_not_who_they_should_be_are_not_spoken_to() {
    use OpenErrorKind::{Config, Unreachable};

    let servers = sentinel().await;
    let url = format!("rediss+sentinel://localhost:{}/sessile", servers.ports[2]);
    let other = open(servers.options(&url, "other.pem")).await;
    expect(other, Config, "root_certificate", "a Sentinel of another authority");
    let name = open(servers.options(&url.replace("localhost", "127.0.0.1"), "ca.pem")).await;
    expect(name, Config, "name the host", "a certificate for another host");
    let plain = open(RedisOptions::new(url.replace("rediss", "redis"))).await;
    expect(plain, Unreachable, "check the address", "TLS without TLS");
    let terms = ["SENTINEL", "CONFIG", "SET", "announce-hostnames", "no"];
    assert_eq!(servers.say(2, &terms), "OK");
    let address = open(servers.options(&url, "ca.pem")).await;
    expect(address, Config, "name the host", "a primary whose certificate has no such address");
}
