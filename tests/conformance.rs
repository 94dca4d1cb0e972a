//! The conformance kit: sound stores pass, and every way to be wrong is found out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sessile::store::{Admission, Created, Saved, Store, StoreAnswer, Swept};
use sessile::testkit::conformance::{self, Suite, cases};
use sessile::testkit::{Faulty, Flaw, Flawed, Model, Operation, Sample};
use sessile::{Id, Record, StoreErrorKind, Timestamp};

/// One test per store: all cases in full, and none skipped.
macro_rules! conforms {
    ($name:ident, $store:expr) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let report = conformance::run(async || $store).await;
            report.assert();
            assert_eq!(report.skipped().count(), 0, "{report}");
        }
    };
}

conforms!(the_model_conforms, Model::new());
conforms!(the_model_conforms_when_it_answers_later, Faulty::new(Model::new()).always_later());
conforms!(memory_conforms, sessile::store::MemoryStore::<Sample>::new());
conforms!(
    memory_conforms_when_it_answers_later,
    Faulty::new(sessile::store::MemoryStore::<Sample>::new()).always_later()
);

#[tokio::test(flavor = "multi_thread")]
async fn one_store_may_serve_all_cases() {
    let shared = Model::new();
    Suite::new().quick().run(async || shared.clone()).await.assert();
}

/// What each flaw must at least be found out by. Other cases may notice it as well.
const CAUGHT_BY: &[(Flaw, &[&str])] = &[
    (Flaw::AdoptsOnLoad, &["S1", "S21", "S48", "L3"]),
    (Flaw::OverwritesOnCreate, &["S3", "K8"]),
    (Flaw::RefusesExpiredIds, &["K5"]),
    (Flaw::AdoptsOnReplace, &["S1", "S8", "S20", "L2"]),
    (Flaw::IgnoresVersion, &["S12", "S19", "S52", "L1"]),
    (Flaw::VersionCheckNotAtomic, &["S12", "S19", "K1", "S52", "L1"]),
    (Flaw::ReplacesInTwoSteps, &["S9", "S53", "S21", "L1", "L4"]),
    (Flaw::AnswersDoneWhenGone, &["S1", "S8", "S10", "S20", "L2"]),
    (Flaw::LosesLastSeenOnReplace, &["K2", "L1"]),
    (Flaw::KeepsFirstDeadline, &["S5", "S22"]),
    (Flaw::MergesTags, &["S13", "L1"]),
    (Flaw::ResurrectsOnTouch, &["S10", "S55", "L2"]),
    (Flaw::RevivesExpiredOnTouch, &["S6"]),
    (Flaw::TouchDoesNothing, &["S41", "S43", "S42"]),
    (Flaw::TouchBumpsVersion, &["S41", "S42", "S48", "L4"]),
    (Flaw::TouchMovesBackwards, &["S43", "S55"]),
    (Flaw::TouchExtendsAbsolute, &["S43", "S42"]),
    (Flaw::TouchRewritesRecord, &["K2", "L1"]),
    (Flaw::ServesExpired, &["S5", "S6"]),
    (Flaw::ServesAtDeadline, &["S6"]),
    (Flaw::ServesStaleReads, &["S4", "S8", "S54", "S24", "S48", "S52", "L3"]),
    (Flaw::DeleteErrsWhenAbsent, &["S7", "S52", "L2"]),
    (Flaw::DeleteKeepsIndex, &["S8", "S27", "S23", "L2", "L3", "L4"]),
    (Flaw::IndexKeepsExpired, &["S27", "S28", "S52"]),
    (Flaw::IndexForgetsOnReplace, &["S4", "S15", "S26", "S24"]),
    (Flaw::IndexKeepsOldSubject, &["S26", "S29"]),
    (Flaw::IndexLagsBehind, &["S53", "S21", "L4"]),
    (Flaw::SubjectsMatchByPrefix, &["S30"]),
    (Flaw::FoldsSubjects, &["S30"]),
    (Flaw::RevokesAcrossSubjects, &["S33", "S35"]),
    (Flaw::RevokeOthersTakesCurrent, &["S32"]),
    (Flaw::RevokeIgnoresMax, &["S36", "S37"]),
    (Flaw::RevokeHidesMore, &["S31", "S36"]),
    (Flaw::ScanSkipsNobodys, &["K13"]),
    (Flaw::ScanShowsExpired, &["K13"]),
    (Flaw::LimitIgnored, &["S34", "K4", "K14", "S52", "L5"]),
    (Flaw::LimitNotAtomic, &["S34", "L5"]),
    (Flaw::LimitCountsExpired, &["K4", "L5"]),
    (Flaw::LimitOfNoneIsOne, &["K14"]),
    (Flaw::EvictsNewest, &["K4", "S52"]),
    (Flaw::EvictsSilently, &["S34", "K4", "S52"]),
    (Flaw::EvictsBeforeExists, &["K3"]),
    (Flaw::KeepsReplaced, &["K10", "S53", "S21", "S48", "S52", "L4"]),
    (Flaw::EndsReplacedWhenRefused, &["K11", "L5"]),
    (Flaw::CountsReplaced, &["K12", "L5"]),
    (Flaw::EndsReplacedLater, &["S53", "S21", "L4"]),
    (Flaw::SweepDoesNothing, &["S38", "S40"]),
    (Flaw::SweepRemovesLive, &["S38", "S40"]),
    (Flaw::SweepIgnoresBound, &["S38", "S40"]),
    (Flaw::PagesRepeat, &["S51", "K6"]),
    (Flaw::PagesIgnoreMax, &["S51", "K6"]),
    (Flaw::PagesUnordered, &["S51", "K6"]),
    (Flaw::ForgetsPersistent, &["S2"]),
    (Flaw::ForgetsConfirmed, &["S2", "S15", "S23"]),
    (Flaw::ForgetsGeneration, &["S2", "S16", "S23", "S24", "S52"]),
    (Flaw::ForgetsContext, &["S2"]),
    (Flaw::DropsContextOnReplace, &["S2"]),
    (Flaw::ListsNoContext, &["K6", "K13"]),
    (Flaw::RoundsTimes, &["S2", "S6", "S23", "S24"]),
    (Flaw::TruncatesData, &["S44"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_flaw_is_found_out() {
    let mut escaped = Vec::new();
    for (flaw, expected) in CAUGHT_BY {
        let report = Suite::new().quick().at_once(4).run(async || Flawed::new(*flaw)).await;
        let mut failed: BTreeSet<&str> = report.failed().map(|finding| finding.id()).collect();
        let missing = |failed: &BTreeSet<&str>| -> Vec<&'static str> {
            expected.iter().copied().filter(|id| !failed.contains(id)).collect()
        };
        // Where tasks must meet on real threads, a case has a good chance at a time, no more.
        for _ in 0..20 {
            let again = missing(&failed);
            if again.is_empty() {
                break;
            }
            let report = Suite::new().quick().only(&again).run(async || Flawed::new(*flaw)).await;
            failed.extend(report.failed().map(|finding| finding.id()));
        }
        let missing = missing(&failed);
        if !missing.is_empty() {
            escaped.push(format!("{flaw:?} passes {missing:?} and fails {failed:?}"));
        }
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
}

#[test]
fn every_flaw_has_a_case_and_most_cases_a_flaw() {
    let named: BTreeSet<Flaw> = CAUGHT_BY.iter().map(|(flaw, _)| *flaw).collect();
    assert_eq!(named, Flaw::ALL.iter().copied().collect(), "CAUGHT_BY lists every flaw");

    let known: BTreeSet<&str> = cases().iter().map(|case| case.id).collect();
    assert_eq!(known.len(), cases().len(), "no two cases share an id");
    let used: BTreeSet<&str> = CAUGHT_BY.iter().flat_map(|(_, ids)| *ids).copied().collect();
    assert!(used.is_subset(&known), "unknown: {:?}", used.difference(&known));
    // These notice flaws that others are there for; see `every_case_can_fail`.
    let unused: Vec<&&str> = known.difference(&used).collect();
    assert_eq!(unused, ["K7", "K9", "S11", "S14", "S17", "S18"].iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_passes_nothing() {
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Timeout] {
        let report = Suite::new().quick().run(async || broken(kind)).await;
        let passed: Vec<&str> = report.passed().map(|finding| finding.id()).collect();
        assert!(passed.is_empty(), "passed by a broken store: {passed:?}");
        assert_eq!(report.failed().count(), cases().len());
    }
}

/// The cases for which no flaw is named above can fail as well.
#[tokio::test(flavor = "multi_thread")]
async fn every_case_can_fail() {
    let mut can_fail = BTreeSet::new();
    for flaw in [
        Flaw::IndexForgetsOnReplace,
        Flaw::VersionCheckNotAtomic,
        Flaw::ForgetsGeneration,
        Flaw::ServesStaleReads,
        Flaw::ServesExpired,
    ] {
        let suite = Suite::new().quick().only(&["K7", "K9", "S11", "S14", "S17", "S18"]);
        let report = suite.run(async || Flawed::new(flaw)).await;
        can_fail.extend(report.failed().map(|finding| finding.id()));
    }
    assert_eq!(Vec::from_iter(can_fail), ["K7", "K9", "S11", "S14", "S17", "S18"]);
}

fn broken(kind: StoreErrorKind) -> Faulty<Sample> {
    let store = Faulty::new(Model::new());
    Operation::ALL.iter().for_each(|operation| store.fail_all(*operation, kind));
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_hangs_or_panics_is_a_failed_case() {
    let suite = Suite::new().only(&["S1", "S7"]).patience(Duration::from_millis(50));
    let report = suite
        .run(async || {
            let store = Faulty::new(Model::new());
            store.hang(Operation::Delete);
            store
        })
        .await;
    let failed: Vec<&str> = report.failed().map(|finding| finding.message()).collect();
    assert_eq!(failed, ["no end in sight after 50ms; not answered: delete"; 2]);

    let report = suite.run(async || NoIndex { model: Model::new(), panics: true }).await;
    let failed: Vec<&str> = report.failed().map(|finding| finding.message()).collect();
    assert_eq!(failed, ["this store panics"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_an_index_is_excused_from_the_cases_that_need_one() {
    let report =
        Suite::new().quick().run(async || NoIndex { model: Model::new(), panics: false }).await;
    report.assert();
    let skipped: Vec<&str> = report.skipped().map(|finding| finding.id()).collect();
    let expected = [
        "S26", "S27", "S28", "S29", "K6", "S30", "S35", "S31", "S32", "S33", "S36", "S37", "S51",
        "K13", "L5",
    ];
    assert_eq!(skipped, expected);
    let text = report.to_string();
    assert!(text.contains("skipped  S26"), "{text}");
    assert!(text.contains("the store keeps no index of subjects"), "{text}");
    assert!(text.ends_with(&format!("0 failed, {} skipped", expected.len())), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "FAILED   S7")]
async fn a_failed_report_panics_with_the_table() {
    let suite = Suite::new().only(&["S7"]);
    suite.run(async || Flawed::new(Flaw::DeleteErrsWhenAbsent)).await.assert();
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "0 passed, 0 failed")]
async fn a_run_of_no_cases_is_no_success() {
    Suite::new().only(&[]).run(async || Model::new()).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_does_not_exist_is_a_failure() {
    let report = Suite::new().only(&["S7", "S99"]).run(async || Model::new()).await;
    let failed: Vec<&str> = report.failed().map(|finding| finding.message()).collect();
    assert_eq!(failed, [r#"there is no case "S99""#]);
    assert_eq!(report.passed().count(), 1, "{report}");
}

/// On these even a store that loses updates would pass.
#[test]
fn a_runtime_on_which_nothing_happens_at_once_is_a_failure() {
    let mut one_worker = tokio::runtime::Builder::new_multi_thread();
    one_worker.worker_threads(1);
    for (mut builder, what) in [
        (tokio::runtime::Builder::new_current_thread(), "this runtime has one thread"),
        (one_worker, "this runtime has one worker"),
    ] {
        let runtime = builder.enable_all().build().unwrap();
        let flawed = async || Flawed::new(Flaw::VersionCheckNotAtomic);
        let report = runtime.block_on(Suite::new().quick().run(flawed));
        assert_eq!((report.passed().count(), report.skipped().count()), (0, 0), "{report}");
        let failed: Vec<_> = report.failed().collect();
        assert_eq!(failed.len(), 1, "{report}");
        assert!(failed[0].message().starts_with(what), "{report}");
        assert!(failed[0].message().contains("worker_threads = 4"), "it says what to do: {report}");
    }
}

/// An engine that drops what has expired has nothing left to sweep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_expires_by_itself_need_not_sweep() {
    let suite = Suite::new().quick().expires_by_itself();
    suite.run(async || Flawed::new(Flaw::SweepDoesNothing)).await.assert();
    let others = [Flaw::SweepRemovesLive, Flaw::SweepIgnoresBound];
    for flaw in others {
        let report = suite.clone().only(&["S38"]).run(async || Flawed::new(flaw)).await;
        assert_eq!(report.failed().count(), 1, "{flaw:?}: {report}");
    }
}

/// A store without an index.
#[derive(Debug)]
struct NoIndex {
    model: Model<Sample>,
    panics: bool,
}

impl Store<Sample> for NoIndex {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<Sample>>>> {
        assert!(!self.panics, "this store panics");
        self.model.load(id, now)
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<Sample>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        self.model.create(id, record, admission, now)
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<Sample>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        self.model.replace(id, expected, record, now)
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.model.touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.model.delete(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.model.sweep(now, max)
    }
}
