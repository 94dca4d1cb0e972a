//! Random histories of everything at once.

use std::sync::Arc;
use std::time::Duration;

use super::case;
use crate::id::Id;
use crate::record::Record;
use crate::store::{Admission, Limit, Revoke};
use crate::testkit::conformance::crowd::together;
use crate::testkit::conformance::history::{Call, Entry, Recorder, is_linearizable};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fail, fresh_id, fresh_subject};
use crate::testkit::{Sample, give_way};

pub(super) const CASES: &[Case] = &[case!(
    "S54",
    "whatever overlaps, some order of the calls explains every answer",
    random_histories
)];

const TASKS: u64 = 4;
const CALLS: u64 = 5;

async fn random_histories(trial: Trial) {
    for seed in 0..trial.scale.histories {
        let stage = Arc::new(Stage::new(trial.clone(), seed));
        let tasks = (0..TASKS).map(|task| play(Arc::clone(&stage), Dice::new(seed, task)));
        let history: Vec<Entry> = together(tasks).await.into_iter().flatten().collect();
        if !is_linearizable(&history, &stage.subject, trial.start) {
            let lines: Vec<String> = history.iter().map(ToString::to_string).collect();
            let lines = lines.join("\n");
            fail(&format!("no order of these calls explains the answers (seed {seed}):\n{lines}"));
        }
    }
}

/// Two sessions of one subject, and the calls on them.
struct Stage {
    trial: Trial,
    subject: String,
    ids: [Id; 2],
    admission: Admission,
    recorder: Recorder,
}

impl Stage {
    fn new(trial: Trial, seed: u64) -> Self {
        let (subject, ids) = (fresh_subject(), [fresh_id(), fresh_id()]);
        // Neither `evict_oldest` nor `in_place_of`: until the call answers, nobody knows the
        // newcomer's id, so a reader cannot tell in which order the two change. For the same
        // reason all creations of a history have one limit or none: that one without a limit
        // slips in between a creation with one and its answer, a store may let pass.
        let admission = match seed % 3 {
            0 => Admission::OPEN.limited(Limit::deny(1)),
            _ => Admission::OPEN,
        };
        Self { trial, subject, ids, admission, recorder: Recorder::default() }
    }

    /// No two sessions are of the same age, so that it is clear which is the oldest.
    fn record(&self, place: usize, counter: u64) -> Record<Sample> {
        let age = if place == 0 { Duration::ZERO } else { Duration::from_millis(1) };
        let mut record = Trial::record_from(self.trial.start.plus(age));
        record.meta.subject = Some(self.subject.as_str().into());
        record.data.counter = counter;
        record
    }

    fn call(&self, dice: &mut Dice, seen: u64) -> Call {
        let place = usize::from(dice.roll(2) == 1);
        let id = self.ids[place];
        let indexed = if self.trial.index().is_some() { 14 } else { 12 };
        match dice.roll(indexed) {
            0..=2 => Call::Load(id),
            3..=5 => {
                let record = Arc::new(self.record(place, dice.roll(1_000)));
                Call::Create(id, record, self.admission)
            }
            6..=8 => {
                let expected = if dice.roll(4) == 0 { 1 + dice.roll(3) } else { seen };
                let mut record = self.record(place, dice.roll(1_000));
                record.meta.version = expected + 1;
                record.meta.generation = u32::from(dice.roll(2) == 1);
                Call::Replace(id, expected, Arc::new(record))
            }
            9..=10 => {
                let ahead = Duration::from_secs(dice.roll(600));
                Call::Touch(id, self.trial.start.plus(ahead))
            }
            11 => Call::Delete(id),
            12 => Call::List,
            _ => Call::Revoke([Revoke::All, Revoke::One(id), Revoke::Others(id)][dice.place(3)]),
        }
    }
}

async fn play(stage: Arc<Stage>, mut dice: Dice) -> Vec<Entry> {
    let (mut entries, mut seen) = (Vec::new(), 1);
    for _ in 0..CALLS {
        let call = stage.call(&mut dice, seen);
        let entry = stage.recorder.note(&stage.trial, &stage.subject, call).await;
        seen = entry.seen_version().unwrap_or(seen);
        entries.extend(entry.parts(&stage.ids));
        if dice.roll(3) == 0 {
            give_way(1).await;
        }
    }
    entries
}

/// Numbers that are the same in every run: `SplitMix64`.
struct Dice(u64);

impl Dice {
    const fn new(seed: u64, task: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ task.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// A number below `sides`.
    const fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// An index below `sides`.
    fn place(&mut self, sides: u64) -> usize {
        usize::try_from(self.roll(sides)).unwrap_or_default()
    }
}
