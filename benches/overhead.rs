//! Time per request, for every contender and scenario, in one process.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sessile_benches::kind::Kind;
use sessile_benches::scenario::Scenario;
use sessile_benches::workload::{Workload, check};

fn overhead(criterion: &mut Criterion) {
    Kind::contenders().for_each(check);
    for scenario in Scenario::ALL {
        let mut group = criterion.benchmark_group(scenario.name());
        for kind in Kind::all() {
            let mut workload = Workload::new(kind, scenario);
            group.bench_function(kind.name(), |bencher| {
                bencher.iter_custom(|rounds| workload.time(rounds));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(40);
    targets = overhead
}
criterion_main!(benches);
