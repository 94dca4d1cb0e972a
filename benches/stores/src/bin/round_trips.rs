//! Round trips per request, counted on the wire, for every contender whose engine is reached over
//! it. The cluster is left out: its nodes tell clients their own addresses.
//!
//! `scripts/services run postgres redis cargo run --profile bench \
//!  --manifest-path benches/stores/Cargo.toml --bin round_trips`

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use sessile_store_benches::check::check;
use sessile_store_benches::contender::{Contender, Supply};
use sessile_store_benches::counting_proxy::CountingProxy;
use sessile_store_benches::engine::{Engine, IN_MEMORY};
use sessile_store_benches::report::{self, median};
use sessile_store_benches::scenario::Scenario;
use tower::ServiceExt as _;

const ENGINES: [Engine; 4] =
    [Engine::Postgres, Engine::Redis, Engine::CachedPostgres, Engine::CachedRedis];
const REQUESTS: usize = 21;
/// What a request started and did not wait for is over by then.
const SETTLE: Duration = Duration::from_millis(5);

#[derive(Serialize)]
struct Figures {
    requests: usize,
    /// By engine, contender and scenario; the median of the requests.
    round_trips: BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<&'static str, f64>>>,
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut figures = Figures { requests: REQUESTS, round_trips: BTreeMap::new() };
    for engine in ENGINES {
        let (proxy, url) = CountingProxy::before_url(&engine.url()).await;
        println!("\n{engine}");
        print!("{:<15}", "");
        Scenario::ALL.iter().for_each(|scenario| print!("{:>14}", scenario.title()));
        println!();
        let mut rows = BTreeMap::new();
        for contender in engine.contenders(&url).await {
            if contender.name == IN_MEMORY {
                continue;
            }
            check(&contender).await;
            let mut row = BTreeMap::new();
            print!("{:<15}", contender.name);
            for scenario in Scenario::ALL {
                let trips = count(&contender, scenario, &proxy).await;
                print!("{trips:>14}");
                row.insert(scenario.name(), trips);
            }
            println!();
            rows.insert(contender.name, row);
        }
        figures.round_trips.insert(engine.name(), rows);
    }
    report::save("round-trips", &figures);
}

async fn count(contender: &Contender, scenario: Scenario, proxy: &CountingProxy) -> f64 {
    let service = contender.service(scenario);
    let mut supply: Supply = contender.supply(scenario, REQUESTS + 1).await;
    let mut counts = Vec::new();
    for number in 0..=REQUESTS {
        tokio::time::sleep(SETTLE).await;
        let before = proxy.trips();
        let request = supply.next_request().expect("as many were prepared");
        let Ok(response) = service.clone().oneshot(request).await;
        assert!(response.status().is_success());
        tokio::time::sleep(SETTLE).await;
        if number > 0 {
            counts.push((proxy.trips() - before) as f64);
        }
    }
    median(counts)
}
