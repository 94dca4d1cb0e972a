//! What a case works with: a store, a time, and calls that must not fail.

use std::sync::Arc;
use std::time::Duration;

use super::calls::Calls;
use crate::assurance::Assurance;
use crate::client::Client;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::StoreError;
use crate::id::Id;
use crate::record::{Meta, Record};
use crate::store::{
    Admission, Created, Cursor, Revoke, Revoked, Saved, Scanned, Store, SubjectIndex, Swept,
};
use crate::testkit::Sample;

/// How often and how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Sessions of one subject to page through.
    pub(super) sessions: usize,
    /// Tasks that write the same record.
    pub(super) tasks: usize,
    /// How often a race is run.
    pub(super) rounds: usize,
    /// Random histories.
    pub(super) histories: u64,
    /// How often to look, [`SETTLE_PAUSE`] apart, whether an engine has finished what was dropped.
    pub(super) settle: u32,
}

impl Scale {
    pub(super) const FULL: Self =
        Self { sessions: 10_000, tasks: 64, rounds: 40, histories: 200, settle: 2_000 };
    pub(super) const QUICK: Self =
        Self { sessions: 300, tasks: 16, rounds: 8, histories: 30, settle: 400 };
}

pub(super) const SETTLE_PAUSE: Duration = Duration::from_millis(5);

/// A store on trial.
#[derive(Clone)]
pub(super) struct Trial {
    pub(super) store: Arc<dyn Store<Sample>>,
    pub(super) start: Timestamp,
    pub(super) scale: Scale,
    /// Whether `sweep` is what removes expired records, and not the engine.
    pub(super) sweeps: bool,
    pub(super) calls: Calls,
}

/// The idle limit of [`Trial::record`].
pub(super) const IDLE: Duration = minutes(30);
/// The absolute limit of [`Trial::record`].
pub(super) const ABSOLUTE: Duration = minutes(12 * 60);

impl Trial {
    pub(super) fn index(&self) -> Option<&dyn SubjectIndex> {
        self.store.subjects()
    }

    pub(super) fn can_scan(&self) -> bool {
        self.store.all().is_some()
    }

    /// One step through all sessions.
    pub(super) async fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> Scanned {
        let scan = self.store.all().unwrap_or_else(|| fail("a case with `with_scan` needs one"));
        let step = scan.scan(from, max, now);
        self.ask("scan", step).await
    }

    /// So many minutes after the start.
    pub(super) fn at(&self, after: u64) -> Timestamp {
        self.start.plus(minutes(after))
    }

    /// So many minutes before the start.
    pub(super) fn before_start(&self, before: u64) -> Timestamp {
        earlier(self.start, minutes(before))
    }

    /// A record that begins at the start and belongs to nobody.
    pub(super) fn record(&self) -> Record<Sample> {
        Self::record_from(self.start)
    }

    pub(super) fn record_from(created: Timestamp) -> Record<Sample> {
        let mut meta = Meta::new(created, IDLE, ABSOLUTE);
        meta.context = Some(Arc::new(known()));
        Record::new(meta, Sample::new("ann").tagged("theme", "dark"))
    }

    /// The same of this subject.
    pub(super) fn record_of(&self, subject: &str) -> Record<Sample> {
        let mut record = self.record();
        record.meta.subject = Some(subject.into());
        record
    }

    pub(super) async fn load(&self, id: Id, now: Timestamp) -> Option<Arc<Record<Sample>>> {
        self.ask("load", self.store.load(id, now)).await
    }

    /// Loads what must be there.
    pub(super) async fn find(&self, id: Id, now: Timestamp) -> Arc<Record<Sample>> {
        self.load(id, now).await.unwrap_or_else(|| {
            fail(&format!(
                "load: a live record was not found (by the clock of the suite, {} ms since 1970: \
                 an engine that drops records by its own needs Suite::starting_at the present time)",
                now.as_millis()
            ))
        })
    }

    pub(super) async fn is_live(&self, id: Id, now: Timestamp) -> bool {
        self.load(id, now).await.is_some()
    }

    pub(super) async fn create(
        &self,
        id: Id,
        record: Record<Sample>,
        admission: Admission,
        now: Timestamp,
    ) -> Created {
        self.ask("create", self.store.create(id, Arc::new(record), admission, now)).await
    }

    /// Creates a record at the time that it says, under a fresh id.
    pub(super) async fn keep(&self, record: Record<Sample>) -> Id {
        let (id, now) = (fresh_id(), record.meta.created);
        let created = self.create(id, record, Admission::OPEN, now).await;
        assert_eq!(
            created,
            Created::Done { evicted: Vec::new(), replaced: false },
            "create under a fresh id"
        );
        id
    }

    pub(super) async fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Record<Sample>,
        now: Timestamp,
    ) -> Saved {
        self.ask("replace", self.store.replace(id, expected, Arc::new(record), now)).await
    }

    /// Writes the record that comes after `old`.
    pub(super) async fn change(
        &self,
        id: Id,
        old: &Record<Sample>,
        now: Timestamp,
        change: impl FnOnce(&mut Record<Sample>),
    ) -> Saved {
        let mut next = old.clone();
        next.meta.version += 1;
        change(&mut next);
        self.replace(id, old.meta.version, next, now).await
    }

    /// Load, change, replace, and once more if somebody was quicker.
    pub(super) async fn edit(
        &self,
        id: Id,
        now: Timestamp,
        change: impl Fn(&mut Record<Sample>) + Send + Sync,
    ) {
        for _ in 0..EDIT_ATTEMPTS {
            let old = self.find(id, now).await;
            match self.change(id, &old, now, &change).await {
                Saved::Done => return,
                Saved::Stale => tokio::task::yield_now().await,
                Saved::Gone => fail("replace: Gone, though nobody deleted the record"),
            }
        }
        fail("replace: Stale again and again, though somebody must get through")
    }

    pub(super) async fn touch(&self, id: Id, now: Timestamp) -> Saved {
        self.ask("touch", self.store.touch(id, now)).await
    }

    pub(super) async fn delete(&self, id: Id, now: Timestamp) -> bool {
        self.ask("delete", self.store.delete(id, now)).await
    }

    pub(super) async fn sweep(&self, now: Timestamp, max: usize) -> Swept {
        self.ask("sweep", self.store.sweep(now, max)).await
    }

    /// Sweeps until there is no more to sweep, and says how much there was.
    pub(super) async fn sweep_all(&self, now: Timestamp, max: usize) -> usize {
        let mut removed = 0;
        for _ in 0..SWEEP_CALLS {
            let swept = self.sweep(now, max).await;
            assert!(swept.removed <= max, "sweep removed {} of at most {max}", swept.removed);
            removed += swept.removed;
            if !swept.more {
                return removed;
            }
        }
        fail("sweep: still `more` after a hundred thousand calls")
    }

    pub(super) async fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Vec<(Id, Meta)> {
        self.ask("list", self.expect_index().list(subject, after, max, now)).await
    }

    /// The ids under a subject.
    pub(super) async fn ids(&self, subject: &str, now: Timestamp) -> Vec<Id> {
        self.list(subject, None, 1_000, now).await.into_iter().map(|(id, _)| id).collect()
    }

    pub(super) async fn count(&self, subject: &str, now: Timestamp) -> usize {
        self.ask("count", self.expect_index().count(subject, now)).await
    }

    pub(super) async fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Revoked {
        self.ask("revoke", self.expect_index().revoke(subject, which, max, now)).await
    }

    /// Asserts that the index has exactly these under the subject.
    pub(super) async fn expect_ids(&self, subject: &str, ids: &[Id], now: Timestamp, why: &str) {
        let mut expected = ids.to_vec();
        expected.sort_unstable();
        assert_eq!(self.ids(subject, now).await, expected, "list: {why}");
        assert_eq!(self.count(subject, now).await, expected.len(), "count: {why}");
    }

    /// What a healthy store answers, and soon.
    async fn ask<V>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<V, StoreError>>,
    ) -> V {
        must(operation, self.calls.during(operation, answer).await)
    }

    fn expect_index(&self) -> &dyn SubjectIndex {
        self.index().unwrap_or_else(|| fail("the index of subjects has gone"))
    }
}

/// A fresh id.
pub(super) fn fresh_id() -> Id {
    Id::generate().unwrap_or_else(|error| fail(&error.to_string()))
}

/// A subject that nobody had before.
pub(super) fn fresh_subject() -> String {
    format!("kit-{}", fresh_id())
}

pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

pub(super) fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    time.as_millis().checked_sub(Timestamp::from_millis(0).plus(by).as_millis()).map_or_else(
        || fail("the suite starts too early: give it a time in this century"),
        Timestamp::from_millis,
    )
}

/// All that a store keeps of a record beside its data, to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) version: u64,
    pub(super) generation: u32,
    pub(super) confirmed: bool,
    pub(super) persistent: bool,
    pub(super) renewed: Timestamp,
    pub(super) created: Timestamp,
    pub(super) authenticated: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) idle: Duration,
    pub(super) absolute: Timestamp,
    pub(super) subject: Option<Arc<str>>,
    pub(super) context: Option<Arc<Context>>,
}

impl Facts {
    pub(super) fn of(meta: &Meta) -> Self {
        Self {
            version: meta.version,
            generation: meta.generation,
            confirmed: meta.confirmed,
            persistent: meta.persistent,
            renewed: meta.renewed,
            created: meta.created,
            authenticated: meta.authenticated,
            last_seen: meta.last_seen(),
            idle: meta.idle(),
            absolute: meta.absolute,
            subject: meta.subject.clone(),
            context: meta.context.clone(),
        }
    }
}

/// All that can be known of how a session began.
fn known() -> Context {
    let agent = "Kit/1 (it's \"quoted\", \\ and \u{e9}\u{1f980})";
    Context {
        client: Some(Client::new(Some([192, 0, 2, 7].into()), Some(agent))),
        assurance: Some(Assurance::Aal2),
        methods: vec!["pwd".into(), "otp".into()],
        acr: Some("urn:example:gold".into()),
        ..Context::default()
    }
}

/// What a healthy store answers.
pub(super) fn must<V>(operation: &str, answer: Result<V, StoreError>) -> V {
    answer.unwrap_or_else(|error| fail(&format!("{operation}: unexpected error: {error:?}")))
}

/// Ends the case.
#[expect(clippy::panic, reason = "a conformance case fails by panicking")]
pub(super) fn fail(message: &str) -> ! {
    panic!("{message}")
}

const EDIT_ATTEMPTS: u32 = 10_000;
const SWEEP_CALLS: u32 = 100_000;
