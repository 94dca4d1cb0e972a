//! What came of a run.

use std::fmt;

use super::suite::Case;

/// What came of running the cases; a readable table when printed.
///
/// ```
/// use sessile::testkit::{Flaw, Flawed, conformance::Suite};
/// # #[tokio::main] async fn main() {
/// let suite = Suite::new().quick().only(&["S8"]);
/// let report = suite.run(async || Flawed::new(Flaw::AdoptsOnReplace)).await;
/// assert!(!report.is_ok());
/// assert!(report.to_string().contains("FAILED   S8"));
/// assert!(report.to_string().ends_with("0 passed, 1 failed, 0 skipped"));
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a report that nobody looks at proves nothing"]
pub struct Report {
    findings: Vec<Finding>,
}

/// What came of one case.
///
/// ```
/// use sessile::testkit::{Flaw, Flawed, conformance::Suite};
/// # #[tokio::main] async fn main() {
/// let suite = Suite::new().quick().only(&["S8"]);
/// let report = suite.run(async || Flawed::new(Flaw::AdoptsOnReplace)).await;
/// let failure = report.failed().next().expect("it adopts unknown ids");
/// println!("{}: {}", failure.name(), failure.message());
/// # assert_eq!(failure.id(), "S8");
/// # assert!(!failure.message().is_empty());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Finding {
    id: &'static str,
    name: &'static str,
    verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Finding {
    pub(super) const fn new(case: &Case, verdict: Verdict) -> Self {
        Self { id: case.id, name: case.name, verdict }
    }

    /// Why a run says less about the store than it was asked to.
    pub(super) const fn of_the_run(message: String) -> Self {
        Self {
            id: "run",
            name: "the run can find out what it is for",
            verdict: Verdict::Failed(message),
        }
    }

    /// The number of the case; `run` if it is about the run and not about the store.
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// The rule that it tries.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How it failed, or why it was skipped; empty if it passed.
    pub fn message(&self) -> &str {
        match &self.verdict {
            Verdict::Passed => "",
            Verdict::Failed(message) | Verdict::Skipped(message) => message,
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The cases that the store passed, in the order in which they ran.
    ///
    /// ```
    /// use sessile::testkit::{Model, conformance::Suite};
    /// # #[tokio::main] async fn main() {
    /// let report = Suite::new().quick().only(&["S1", "S8"]).run(async || Model::new()).await;
    /// let passed: Vec<_> = report.passed().map(|finding| finding.id()).collect();
    /// assert_eq!(passed, ["S1", "S8"]);
    /// assert_eq!((report.failed().count(), report.skipped().count()), (0, 0));
    /// # }
    /// ```
    pub fn passed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Passed)
    }

    /// The cases that the store failed.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Failed(_)))
    }

    /// The cases that do not apply to the store; the message says why.
    pub fn skipped(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Skipped(_)))
    }

    /// Whether no case failed and at least one passed.
    pub fn is_ok(&self) -> bool {
        self.failed().next().is_none() && self.passed().next().is_some()
    }

    /// Panics with the whole report unless it [`is_ok`](Self::is_ok): the last line of a test.
    ///
    /// ```should_panic
    /// use sessile::testkit::{Model, conformance::Suite};
    /// # #[tokio::main] async fn main() {
    /// let report = Suite::new().only(&[]).run(async || Model::new()).await;
    /// report.assert(); // nothing was run, so nothing is proved
    /// # }
    /// ```
    ///
    /// # Panics
    /// If a case failed, or none was run.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.is_ok(), "the store does not conform\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))?;
        let (passed, failed) = (self.passed().count(), self.failed().count());
        write!(f, "{passed} passed, {failed} failed, {} skipped", self.skipped().count())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Passed => "ok",
            Verdict::Failed(_) => "FAILED",
            Verdict::Skipped(_) => "skipped",
        };
        write!(f, "{verdict:<8} {:<4} {}", self.id, self.name)?;
        for line in self.message().lines() {
            write!(f, "\n              {line}")?;
        }
        Ok(())
    }
}
