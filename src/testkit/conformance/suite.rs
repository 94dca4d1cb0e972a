//! Running cases.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::calls::Calls;
use super::cases;
use super::report::{Finding, Report, Verdict};
use super::trial::{Scale, Trial};
use crate::clock::Timestamp;
use crate::store::Store;
use crate::testkit::Sample;

/// One rule and how it is tried. [`cases`] has them all.
///
/// ```
/// for case in sessile::testkit::conformance::cases() {
///     println!("{:<4} {}", case.id, case.name);
/// }
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// Its number in the requirements (`S8`), or among the kit's own (`K1`).
    pub id: &'static str,
    /// The rule, as a sentence.
    pub name: &'static str,
    needs_index: bool,
    needs_scan: bool,
    run: fn(Trial) -> Running,
}

pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Case {
    pub(super) const fn new(
        id: &'static str,
        name: &'static str,
        run: fn(Trial) -> Running,
    ) -> Self {
        Self { id, name, needs_index: false, needs_scan: false, run }
    }

    /// The same for stores that keep an index of subjects.
    pub(super) const fn with_index(mut self) -> Self {
        self.needs_index = true;
        self
    }

    /// The same for stores that can be scanned.
    pub(super) const fn with_scan(mut self) -> Self {
        self.needs_scan = true;
        self
    }

    async fn verdict(&self, trial: Trial, patience: Duration) -> Verdict {
        if self.needs_index && trial.index().is_none() {
            return Verdict::Skipped("the store keeps no index of subjects".to_owned());
        }
        if self.needs_scan && !trial.can_scan() {
            return Verdict::Skipped("the store has no way through all sessions".to_owned());
        }
        let calls = trial.calls.clone();
        let mut case = (self.run)(trial);
        let watched = async move {
            let ended = timeout(patience, case.as_mut()).await;
            // While the case is there, for its calls go with it.
            ended.map_err(|_| format!("no end in sight after {patience:?}; {calls}"))
        };
        match tokio::spawn(watched).await {
            Ok(Ok(())) => Verdict::Passed,
            Ok(Err(message)) => Verdict::Failed(message),
            Err(error) => Verdict::Failed(panic_message(error)),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("id", &self.id).field("name", &self.name).finish()
    }
}

/// A case that panics is a verdict; only the suite itself can end a task like this.
fn finished<V>(outcome: Result<V, JoinError>) -> V {
    outcome.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

fn panic_message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "the runtime was shut down".to_owned();
    };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| literal(&*panic)).unwrap_or("it panicked without a message").to_owned()
}

fn literal(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<&'static str>().copied()
}

/// Which cases to run, how hard, and at what time.
///
/// ```
/// use sessile::testkit::{Model, conformance::Suite};
/// # #[tokio::main] async fn main() {
/// let report = Suite::new().quick().only(&["S1", "S8"]).run(async || Model::new()).await;
/// assert_eq!(report.passed().count(), 2);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Suite {
    scale: Scale,
    start: Timestamp,
    patience: Duration,
    at_once: usize,
    expires_by_itself: bool,
    only: Option<Vec<String>>,
}

impl Suite {
    /// All cases in full.
    pub const fn new() -> Self {
        Self {
            scale: Scale::FULL,
            start: START,
            patience: PATIENCE,
            at_once: 1,
            expires_by_itself: false,
            only: None,
        }
    }

    /// The same rules tried less often: hundreds of sessions where there were thousands.
    ///
    /// ```
    /// use sessile::testkit::{Model, conformance::Suite};
    /// # #[tokio::main] async fn main() {
    /// Suite::new().quick().run(async || Model::new()).await.assert();
    /// # }
    /// ```
    #[must_use]
    pub const fn quick(mut self) -> Self {
        self.scale = Scale::QUICK;
        self
    }

    /// Only the cases with these ids. One that no case has is a failure.
    ///
    /// ```
    /// use sessile::testkit::{Model, conformance::Suite};
    /// # #[tokio::main] async fn main() {
    /// let report = Suite::new().only(&["S8"]).run(async || Model::new()).await;
    /// assert_eq!(report.passed().count(), 1);
    /// # }
    /// ```
    #[must_use]
    pub fn only(mut self, ids: &[&str]) -> Self {
        self.only = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        self
    }

    /// What time the cases take it to be when they begin; a moment in January 2026 by default.
    ///
    /// A store learns the time from each call and needs no other. If its engine drops records by
    /// a clock of its own (a Redis key with a time to live), begin now, so that the two agree, and
    /// say that it [expires by itself](Self::expires_by_itself).
    ///
    /// ```
    /// use sessile::{Clock, SystemClock, testkit::conformance::Suite};
    /// let suite = Suite::new().starting_at(SystemClock::default().now().into());
    /// ```
    #[must_use]
    pub const fn starting_at(mut self, start: Timestamp) -> Self {
        self.start = start;
        self
    }

    /// The engine itself drops what has expired (a Redis key with a time to live), so `sweep` may
    /// leave it to that and answer that it removed nothing. Of every other store the suite demands
    /// that after sweeping no expired record is left: a table that nobody clears grows for ever.
    ///
    /// ```
    /// use sessile::testkit::{Flaw, Flawed, conformance::Suite};
    /// # #[tokio::main] async fn main() {
    /// let suite = Suite::new().quick().only(&["S38"]);
    /// let make_store = async || Flawed::new(Flaw::SweepDoesNothing);
    /// assert!(!suite.run(make_store).await.is_ok());
    /// suite.expires_by_itself().run(make_store).await.assert();
    /// # }
    /// ```
    #[must_use]
    pub const fn expires_by_itself(mut self) -> Self {
        self.expires_by_itself = true;
        self
    }

    /// How long one case may take; two minutes by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// let suite = sessile::testkit::conformance::Suite::new().patience(Duration::from_secs(300));
    /// ```
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs so many cases at a time rather than one after the other: for engines on which cases
    /// wait more than they work.
    ///
    /// Each then needs tables of its own, or one finds swept away what another counts on.
    ///
    /// ```
    /// use sessile::testkit::{Model, conformance::Suite};
    /// # #[tokio::main] async fn main() {
    /// let suite = Suite::new().quick().at_once(4);
    /// suite.run(async || Model::new()).await.assert();
    /// # }
    /// ```
    #[must_use]
    pub const fn at_once(mut self, cases: usize) -> Self {
        self.at_once = cases;
        self
    }

    /// Runs the cases, each on a store that `make_store` makes. See [`run`](super::run).
    ///
    /// Wants a runtime with at least two workers: with fewer nothing happens at once, the cases
    /// that are there for races would pass, and so none is run and that is the one failure.
    pub async fn run<S: Store<Sample>>(&self, make_store: impl AsyncFn() -> S) -> Report {
        let mut report = Report::default();
        if let Some(message) = too_few_workers(&Handle::current()) {
            report.add(Finding::of_the_run(message));
            return report;
        }
        let unknown = self.unknown().map(|id| format!("there is no case {id:?}"));
        unknown.for_each(|message| report.add(Finding::of_the_run(message)));
        let (mut running, mut findings) = (JoinSet::new(), Vec::new());
        for (place, case) in cases().iter().filter(|case| self.includes(case)).enumerate() {
            let trial = self.trial(Arc::new(make_store().await));
            let patience = self.patience;
            running.spawn(async move {
                let verdict = case.verdict(trial, patience).await;
                (place, Finding::new(case, verdict))
            });
            if running.len() >= self.at_once {
                findings.extend(running.join_next().await.map(finished));
            }
        }
        while let Some(outcome) = running.join_next().await {
            findings.push(finished(outcome));
        }
        findings.sort_by_key(|(place, _)| *place);
        findings.into_iter().for_each(|(_, finding)| report.add(finding));
        report
    }

    fn trial(&self, store: Arc<dyn Store<Sample>>) -> Trial {
        Trial {
            store,
            start: self.start,
            scale: self.scale,
            sweeps: !self.expires_by_itself,
            calls: Calls::default(),
        }
    }

    fn includes(&self, case: &Case) -> bool {
        self.only.as_ref().is_none_or(|ids| ids.iter().any(|id| id == case.id))
    }

    /// Those that were asked for and do not exist.
    fn unknown(&self) -> impl Iterator<Item = &str> {
        let asked = self.only.iter().flatten().map(String::as_str);
        asked.filter(|asked| cases().iter().all(|case| case.id != *asked))
    }
}

/// Why nothing would happen at once here, and what to do about it.
fn too_few_workers(runtime: &Handle) -> Option<String> {
    let workers = match runtime.runtime_flavor() {
        RuntimeFlavor::CurrentThread => "one thread",
        _ if runtime.metrics().num_workers() < 2 => "one worker",
        _ => return None,
    };
    Some(format!(
        "this runtime has {workers}, so nothing happens at once and no race would be found.\n\
         In a test: #[tokio::test(flavor = \"multi_thread\", worker_threads = 4)]\n\
         On a machine with one core also: TOKIO_WORKER_THREADS=4 in the environment"
    ))
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

/// 2026-01-15T08:30:00.123Z: not a whole second, so that a store that rounds is found out.
const START: Timestamp = Timestamp::from_millis(1_768_465_800_123);
const PATIENCE: Duration = Duration::from_secs(120);
