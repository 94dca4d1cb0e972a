//! 64 requests at once read the number in one session, wait, and write it one higher. How many of
//! the updates are kept?
//!
//! `cargo run --profile bench -p sessile-benches --bin lost_updates`

use std::collections::BTreeMap;

use serde::Serialize;
use sessile_benches::contender::{Contender, Request, SharedService};
use sessile_benches::data::{Member, seen};
use sessile_benches::kind::Kind;
use sessile_benches::report::{self, Measured};
use sessile_benches::scenario::Scenario;
use sessile_benches::workload::{header, request};
use tower::ServiceExt as _;

const REQUESTS: u64 = 64;

#[derive(Serialize)]
struct Kept {
    requests: u64,
    kept: BTreeMap<&'static str, u64>,
    answered_with_success: BTreeMap<&'static str, u64>,
}

fn main() {
    let mut figures =
        Kept { requests: REQUESTS, kept: BTreeMap::new(), answered_with_success: BTreeMap::new() };
    for kind in Kind::contenders() {
        let contender = kind.build();
        let Some(service) = contender.slow_update() else {
            continue;
        };
        let cookie = header(&contender.log_in());
        let send = || request(Some(cookie.clone()));
        let succeeded = at_once(service, send);
        let kept = number(&*contender, send()) - Member::sample().user_id;
        println!("{kind:<22} {kept:>2} of {REQUESTS} kept, {succeeded:>2} answered with success");
        figures.kept.insert(kind.name(), kept);
        figures.answered_with_success.insert(kind.name(), succeeded);
    }
    report::save("lost-updates", &Measured::here(figures));
}

fn at_once(service: SharedService, send: impl Fn() -> Request) -> u64 {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let requests: Vec<_> =
            (0..REQUESTS).map(|_| tokio::spawn(service.clone().oneshot(send()))).collect();
        let mut succeeded = 0;
        for request in requests {
            let Ok(response) = request.await.expect("no handler panics");
            succeeded += u64::from(response.status().is_success());
        }
        succeeded
    })
}

fn number(contender: &dyn Contender, request: Request) -> u64 {
    contender.subject(Scenario::C).answer(request);
    seen()
}
