//! `examples/cluster.rs`: two nodes with caches of their own before one Redis cluster.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::http_support::{Program, Visitor, form};
use crate::services::shared_url;

fn serve() -> (Program, [SocketAddr; 2]) {
    let store = shared_url("TEST_REDIS_CLUSTER_URL");
    let (program, first) = Program::serve("cluster", &[], &[("SESSION_STORE", &store)]);
    let line = program.line().unwrap();
    let (_, second) = line.split_once("http://").unwrap();
    (program, [first, second.parse().unwrap()])
}

async fn log_in(address: SocketAddr) -> Visitor {
    let mut visitor = Visitor::new(address);
    let reply = visitor.send(form("/login", "name=Ada")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    visitor
}

#[tokio::test]
async fn the_nodes_count_on_from_each_other_and_lose_nothing() {
    let (_program, nodes) = serve();
    let ada = log_in(nodes[0]).await;
    let visits = (0..40).map(|n| {
        let mut ada = ada.at(nodes[n % 2]);
        tokio::spawn(async move { ada.get("/visit").await.status })
    });
    for visit in visits.collect::<Vec<_>>() {
        assert_eq!(visit.await.unwrap(), 200);
    }
    let last = ada.at(nodes[1]).get("/visit").await;
    assert_eq!(last.said(), (200, r#"{"name":"Ada","node":1,"visits":41}"#));
}

#[tokio::test]
async fn a_logout_on_one_node_counts_on_the_other_within_moments() {
    let (_program, nodes) = serve();
    let mut here = log_in(nodes[0]).await;
    let mut there = here.at(nodes[1]);
    for _ in 0..3 {
        assert_eq!(there.get("/visit").await.status, 200, "the other node has it cached");
    }
    assert_eq!(here.post("/logout").await.status, 200);
    // The cache's stated bound is 5 seconds; the engine's message takes milliseconds.
    let begun = Instant::now();
    while there.get("/visit").await.status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(5), "logged out here, and in there");
        sleep(Duration::from_millis(5)).await;
    }
}
