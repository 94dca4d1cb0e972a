//! Many requests at once, timed.

use std::time::{Duration, Instant};

use tokio::task::{JoinSet, consume_budget};
use tower::ServiceExt as _;

use crate::contender::{SharedService, Supply};

/// What one turn came to.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Requests per second.
    pub rate: f64,
    /// Each request, sorted.
    pub latencies: Vec<Duration>,
}

impl Turn {
    /// The latency that this part of the requests does not exceed.
    ///
    /// # Panics
    /// If there was no request.
    pub fn percentile(&self, part: f64) -> Duration {
        percentile(&self.latencies, part)
    }
}

/// That of a sorted list.
///
/// # Panics
/// If it is empty.
pub fn percentile(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len() - 1;
    sorted[(last as f64 * part).round() as usize]
}

/// Each supply is one client that sends the next request when the last is answered, until the time
/// is up or its supply has run out.
///
/// # Panics
/// If a request is answered with anything but success.
pub async fn run(service: &SharedService, supplies: Vec<Supply>, time: Duration) -> Turn {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for supply in supplies {
        clients.spawn(client(service.clone(), supply, start + time));
    }
    let mut latencies: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Turn { rate, latencies }
}

async fn client(service: SharedService, mut supply: Supply, until: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut now = Instant::now();
    // At least one, even if the others left no time.
    while latencies.is_empty() || now < until {
        let Some(request) = supply.next_request() else { break };
        let Ok(response) = service.clone().oneshot(request).await;
        assert!(response.status().is_success(), "answered with {}", response.status());
        drop(response);
        let end = Instant::now();
        latencies.push(end - now);
        now = end;
        // A store in memory never waits, and would not let the other clients in.
        consume_budget().await;
    }
    latencies
}
