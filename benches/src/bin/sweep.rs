//! The longest that any request takes while a million expired sessions are swept away.
//!
//! `cargo run --profile bench -p sessile-benches --features sessile --bin sweep`

#[cfg(feature = "sessile")]
fn main() {
    sweeping::main();
}

#[cfg(not(feature = "sessile"))]
fn main() {
    eprintln!("built without the feature `sessile`: there is nothing to sweep");
}

#[cfg(feature = "sessile")]
mod sweeping {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use http::HeaderValue;
    use serde::Serialize;
    use sessile::store::{MemoryStore, Store as _};
    use sessile::{Clock as _, Timestamp};
    use sessile_benches::contender::{Contender as _, Subject};
    use sessile_benches::data::Member;
    use sessile_benches::ours::{Eager, Hands};
    use sessile_benches::report::{self, Measured, round};
    use sessile_benches::scenario::Scenario;
    use sessile_benches::workload::{header, request};

    const EXPIRED: usize = 1_000_000;
    /// As many are swept per call of [`Store::sweep`](sessile::store::Store::sweep).
    const PIECE: usize = 1_000;
    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[derive(Serialize)]
    struct Sweep {
        expired: usize,
        /// The same requests with nothing to sweep: what this machine does by itself.
        quiet: Delays,
        /// Requests alone; the store sweeps as it goes.
        by_requests: Delays,
        /// Beside a thread that calls `sweep` without a pause.
        beside_a_sweeper: Delays,
    }

    #[derive(Clone, Copy, Default, Serialize)]
    struct Delays {
        requests: usize,
        /// Expired sessions still in the store afterwards.
        expired_left: usize,
        longest_us: f64,
        longer_than_1_ms: usize,
        longer_than_10_ms: usize,
    }

    pub(crate) fn main() {
        let quiet = quiet();
        show("nothing to sweep", quiet);
        let by_requests = by_requests();
        show("swept by requests", by_requests);
        let beside_a_sweeper = beside_a_sweeper();
        show("beside a sweeper", beside_a_sweeper);
        let figures = Sweep { expired: EXPIRED, quiet, by_requests, beside_a_sweeper };
        report::save("sweep", &Measured::here(figures));
    }

    fn show(name: &str, delays: Delays) {
        println!("{name}: {} requests, {} expired left", delays.requests, delays.expired_left);
        println!(
            "  longest {:.1} us; {} over 1 ms, {} over 10 ms",
            delays.longest_us, delays.longer_than_1_ms, delays.longer_than_10_ms
        );
    }

    fn quiet() -> Delays {
        let site = Site::new();
        site.requests(|served| served < EXPIRED)
    }

    fn by_requests() -> Delays {
        let site = Site::new();
        site.fill();
        site.requests(|served| served < EXPIRED)
    }

    fn beside_a_sweeper() -> Delays {
        let site = Site::new();
        site.fill();
        let swept = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let now = Timestamp::from(site.clock.now());
                let mut removed = 0;
                loop {
                    let answer = site.store.sweep(now, PIECE).now_or_later().ok();
                    let round = answer.expect("memory answers at once").expect("and never fails");
                    removed += round.removed;
                    if !round.more {
                        break;
                    }
                }
                println!("the sweeper removed {removed}, the logins beside it the rest");
                swept.store(true, Ordering::Release);
            });
            site.requests(|_| !swept.load(Ordering::Acquire))
        })
    }

    struct Site {
        contender: Eager,
        store: MemoryStore<Member>,
        clock: Hands,
    }

    impl Site {
        fn new() -> Self {
            let (store, clock) = (MemoryStore::new(), Hands::default());
            Self { contender: Eager::with(store.clone(), clock.clone()), store, clock }
        }

        /// Creates a million sessions and lets a day pass.
        fn fill(&self) {
            let mut login = self.contender.subject(Scenario::E);
            for _ in 0..EXPIRED {
                drop(login.answer(request(None)));
            }
            self.clock.advance(DAY);
        }

        /// Reads and logins in turn, each timed by itself.
        fn requests(&self, go_on: impl Fn(usize) -> bool) -> Delays {
            let cookie = header(&self.contender.log_in());
            let mut read = self.contender.subject(Scenario::C);
            let mut login = self.contender.subject(Scenario::E);
            let mut delays = Delays::default();
            while go_on(delays.requests) {
                delays.note(time(&mut *read, Some(cookie.clone())));
                delays.note(time(&mut *login, None));
            }
            let live = 1 + delays.requests / 2;
            delays.expired_left = self.store.len().saturating_sub(live);
            delays
        }
    }

    impl Delays {
        fn note(&mut self, took: Duration) {
            self.requests += 1;
            self.longest_us = self.longest_us.max(round(took.as_secs_f64() * 1e6, 1));
            self.longer_than_1_ms += usize::from(took > Duration::from_millis(1));
            self.longer_than_10_ms += usize::from(took > Duration::from_millis(10));
        }
    }

    fn time(subject: &mut dyn Subject, cookie: Option<HeaderValue>) -> Duration {
        let request = request(cookie);
        let start = Instant::now();
        let response = subject.answer(request);
        let took = start.elapsed();
        drop(response);
        took
    }
}
