//! The memory store through its public face. Test names cite the requirements they cover.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the helpers of a test may fail it"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use sessile::store::{
    Admission, Created, Limit, MemoryStore, Revoke, Revoked, Saved, Store, StoreAnswer,
    SubjectIndex, Swept,
};
use sessile::{Id, Meta, Record, StoreErrorKind, Timestamp};

const MINUTE: u64 = 60_000;

fn terms(limit: Option<Limit>) -> Admission {
    limit.map_or(Admission::OPEN, |limit| Admission::OPEN.limited(limit))
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn id() -> Id {
    Id::generate().unwrap()
}

/// Answers of this store are there at once.
fn done<V>(answer: StoreAnswer<V>) -> V {
    answer.now_or_later().expect("ready at once").expect("no error")
}

fn meta(subject: Option<&str>, start: u64, idle: u64, absolute: u64) -> Meta {
    let millis = Duration::from_millis;
    let mut meta = Meta::new(at(start), millis(idle), millis(absolute));
    meta.subject = subject.map(Arc::from);
    meta
}

fn record<T>(meta: Meta, data: T) -> Arc<Record<T>> {
    Arc::new(Record::new(meta, data))
}

fn minute(subject: Option<&str>, start: u64) -> Arc<Record<u32>> {
    record(meta(subject, start, MINUTE, 10 * MINUTE), 0)
}

/// The next version of a record, with other data and, maybe, another subject.
fn next<T: Clone>(of: &Record<T>, data: T, subject: Option<&str>) -> Arc<Record<T>> {
    let mut meta = of.meta.clone();
    meta.version += 1;
    meta.subject = subject.map(Arc::from);
    record(meta, data)
}

fn kept() -> Created {
    Created::Done { evicted: Vec::new(), replaced: false }
}

fn put(store: &MemoryStore<u32>, subject: Option<&str>, now: u64) -> Id {
    let id = id();
    assert_eq!(done(store.create(id, minute(subject, now), Admission::OPEN, at(now))), kept());
    id
}

fn ids(store: &MemoryStore<u32>, subject: &str, now: u64) -> Vec<Id> {
    let page = done(store.list(subject, None, usize::MAX, at(now)));
    assert_eq!(done(store.count(subject, at(now))), page.len(), "count and list agree");
    page.into_iter().map(|(id, _)| id).collect()
}

fn sorted<const N: usize>(mut ids: [Id; N]) -> [Id; N] {
    ids.sort();
    ids
}

/// Sweeps until nothing is due; says how many went.
fn sweep_all(store: &MemoryStore<u32>, now: u64) -> usize {
    let mut removed = 0;
    loop {
        let swept = done(store.sweep(at(now), 100));
        removed += swept.removed;
        if !swept.more {
            return removed;
        }
    }
}

#[test]
fn s01_an_unknown_id_is_not_found_and_nothing_is_made_of_it() {
    let store = MemoryStore::<u32>::new();
    let id = id();
    assert!(done(store.load(id, at(0))).is_none());
    assert_eq!(done(store.touch(id, at(0))), Saved::Gone);
    assert_eq!(done(store.replace(id, 1, minute(None, 0), at(0))), Saved::Gone);
    assert!(!done(store.delete(id, at(0))));
    assert!(store.is_empty());
}

#[test]
fn s02_what_was_kept_is_found_as_it_was() {
    let store = MemoryStore::new();
    let (id, kept) = (id(), minute(Some("ann"), 5));
    done(store.create(id, Arc::clone(&kept), Admission::OPEN, at(5)));
    let found = done(store.load(id, at(6))).unwrap();
    assert!(Arc::ptr_eq(&found, &kept), "the same record, not a copy");
}

#[test]
fn s03_an_id_that_is_taken_is_not_overwritten() {
    let store = MemoryStore::new();
    let id = put(&store, Some("ann"), 0);
    for limit in [None, Some(Limit::evict_oldest(1)), Some(Limit::deny(1))] {
        let other = record(meta(Some("ann"), 1, MINUTE, MINUTE), 7);
        assert_eq!(
            done(store.create(id, other, terms(limit), at(1))),
            Created::Exists,
            "{limit:?}"
        );
    }
    assert_eq!(done(store.load(id, at(1))).unwrap().data, 0);
    assert_eq!((store.len(), ids(&store, "ann", 1)), (1, vec![id]));
}

#[test]
fn s03_an_expired_leftover_gives_way() {
    let store = MemoryStore::new();
    let id = id();
    done(store.create(id, record(meta(Some("ann"), 0, 10, 10), 1), Admission::OPEN, at(0)));
    let new = record(meta(Some("bob"), 10, MINUTE, MINUTE), 2);
    assert_eq!(done(store.create(id, new, terms(Some(Limit::deny(1))), at(10))), kept());
    assert_eq!(done(store.load(id, at(10))).unwrap().data, 2);
    assert_eq!((ids(&store, "ann", 10), ids(&store, "bob", 10)), (vec![], vec![id]));
    assert_eq!(store.len(), 1);
}

#[test]
fn s04_an_update_is_seen_and_is_no_second_record() {
    let store = MemoryStore::new();
    let id = put(&store, None, 0);
    let first = done(store.load(id, at(0))).unwrap();
    assert_eq!(done(store.replace(id, 1, next(&first, 9, None), at(1))), Saved::Done);
    let second = done(store.load(id, at(1))).unwrap();
    assert_eq!((second.data, second.meta.version, store.len()), (9, 2, 1));
}

#[test]
fn s05_a_record_that_is_past_its_deadline_from_the_start_is_never_seen() {
    let store = MemoryStore::new();
    let id = id();
    done(store.create(id, record(meta(Some("ann"), 0, 10, 10), 1), Admission::OPEN, at(500)));
    assert_eq!(ids(&store, "ann", 500), []);
    assert!(done(store.load(id, at(500))).is_none());
}

#[test]
fn s06_just_before_exactly_at_and_just_after_the_deadline() {
    let cases = [
        ("idle first", MINUTE, 10 * MINUTE, MINUTE),
        ("absolute first", MINUTE, 30_000, 30_000),
        ("both at once", MINUTE, MINUTE, MINUTE),
        ("off the second", 1_501, MINUTE, 1_501),
        ("on the bucket", 2_048, MINUTE, 2_048),
    ];
    type Ask = fn(&MemoryStore<u32>, Id, Timestamp) -> bool;
    let asks: [(&str, Ask); 6] = [
        ("load", |store, id, now| done(store.load(id, now)).is_some()),
        ("touch", |store, id, now| done(store.touch(id, now)) == Saved::Done),
        ("replace", |store, id, now| {
            let record = record(meta(Some("ann"), 0, MINUTE, MINUTE), 1);
            done(store.replace(id, 1, record, now)) == Saved::Done
        }),
        ("delete", |store, id, now| done(store.delete(id, now))),
        ("count", |store, _, now| done(store.count("ann", now)) == 1),
        ("revoke", |store, id, now| done(store.revoke("ann", Revoke::All, 9, now)).ids == [id]),
    ];
    for (name, idle, absolute, deadline) in cases {
        for (ask, alive) in asks {
            for (now, expected) in [(deadline - 1, true), (deadline, false), (deadline + 1, false)]
            {
                let (store, id) = (MemoryStore::new(), id());
                done(store.create(
                    id,
                    record(meta(Some("ann"), 0, idle, absolute), 0),
                    Admission::OPEN,
                    at(0),
                ));
                assert_eq!(alive(&store, id, at(now)), expected, "{name}: {ask} at {now}");
            }
        }
    }
}

#[test]
fn s07_deleting_twice_is_fine() {
    let store = MemoryStore::new();
    let id = put(&store, None, 0);
    assert!(done(store.delete(id, at(1))));
    assert!(!done(store.delete(id, at(1))));
    assert!(done(store.load(id, at(1))).is_none());
    assert!(store.is_empty());
}

#[test]
fn s08_a_save_after_a_delete_says_gone() {
    let store = MemoryStore::new();
    let id = put(&store, Some("ann"), 0);
    let mine = done(store.load(id, at(1))).unwrap();
    assert!(done(store.delete(id, at(2))));
    for subject in [Some("ann"), Some("bob"), None] {
        let write = next(&mine, 1, subject);
        assert_eq!(done(store.replace(id, 1, write, at(3))), Saved::Gone, "{subject:?}");
    }
    assert!(done(store.load(id, at(3))).is_none());
    assert!(
        store.is_empty() && ids(&store, "ann", 3).is_empty() && ids(&store, "bob", 3).is_empty()
    );
}

#[test]
fn s09_a_delete_amid_writes_leaves_nothing() {
    for round in 0..200 {
        let store = MemoryStore::new();
        let id = put(&store, Some("ann"), 0);
        let first = done(store.load(id, at(0))).unwrap();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for _ in 0..20 {
                    let Some(seen) = done(store.load(id, at(1))) else {
                        break;
                    };
                    let to = if seen.data.is_multiple_of(2) { "bob" } else { "ann" };
                    let write = next(&seen, seen.data + 1, Some(to));
                    done(store.replace(id, seen.meta.version, write, at(1)));
                }
            });
            start.wait();
            assert!(done(store.delete(id, at(1))), "round {round}");
        });
        assert_eq!(done(store.replace(id, 1, next(&first, 1, None), at(2))), Saved::Gone);
        assert!(store.is_empty());
        assert!(ids(&store, "ann", 2).is_empty() && ids(&store, "bob", 2).is_empty());
    }
}

#[test]
fn s10_a_touch_after_a_delete_says_gone() {
    let store = MemoryStore::new();
    let id = put(&store, Some("ann"), 0);
    done(store.delete(id, at(1)));
    assert_eq!(done(store.touch(id, at(2))), Saved::Gone);
    assert!(store.is_empty());
}

#[test]
fn s12_of_two_writers_one_wins_and_the_other_is_told() {
    let store = MemoryStore::new();
    let id = put(&store, None, 0);
    let seen = done(store.load(id, at(0))).unwrap();
    assert_eq!(done(store.replace(id, 1, next(&seen, 1, None), at(1))), Saved::Done);
    assert_eq!(done(store.replace(id, 1, next(&seen, 2, None), at(1))), Saved::Stale);
    assert_eq!(done(store.replace(id, 1, next(&seen, 2, Some("ann")), at(1))), Saved::Stale);
    assert_eq!(done(store.load(id, at(1))).unwrap().data, 1);
    assert_eq!(ids(&store, "ann", 1), []);
}

#[test]
fn s12_every_increment_of_many_threads_counts() {
    let store = MemoryStore::new();
    let id = put(&store, None, 0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    loop {
                        let seen = done(store.load(id, at(1))).unwrap();
                        let write = next(&seen, seen.data + 1, None);
                        match done(store.replace(id, seen.meta.version, write, at(1))) {
                            Saved::Done => break,
                            Saved::Stale => {}
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
    });
    let last = done(store.load(id, at(1))).unwrap();
    assert_eq!((last.data, last.meta.version), (4_000, 4_001));
}

#[test]
fn s26_the_index_follows_the_subject() {
    let store = MemoryStore::new();
    let id = put(&store, None, 0);
    let steps = [Some("ann"), Some("ann"), Some("bob"), None, Some("ann")];
    for (step, subject) in steps.into_iter().enumerate() {
        let seen = done(store.load(id, at(1))).unwrap();
        let write = next(&seen, 0, subject);
        assert_eq!(done(store.replace(id, seen.meta.version, write, at(1))), Saved::Done);
        for name in ["ann", "bob"] {
            let expected: &[Id] = if subject == Some(name) { &[id] } else { &[] };
            assert_eq!(ids(&store, name, 1), expected, "{name} after step {step}");
        }
    }
}

#[test]
fn s27_the_index_entry_goes_with_the_session() {
    type End = fn(&MemoryStore<u32>, Id);
    let ends: [(&str, End); 5] = [
        ("delete", |store, id| assert!(done(store.delete(id, at(1))))),
        ("revoke", |store, id| {
            assert_eq!(done(store.revoke("ann", Revoke::One(id), 1, at(1))).ids, [id]);
        }),
        ("expiry, swept", |store, _| assert_eq!(sweep_all(store, 2 * MINUTE), 1)),
        ("expiry, seen", |store, id| assert!(done(store.load(id, at(2 * MINUTE))).is_none())),
        ("eviction", |store, id| {
            let limit = Some(Limit::evict_oldest(1));
            let new = self::id();
            let created = done(store.create(new, minute(Some("ann"), 1), terms(limit), at(1)));
            assert_eq!(created, Created::Done { evicted: vec![id], replaced: false });
            done(store.delete(new, at(1)));
        }),
    ];
    for (name, end) in ends {
        let store = MemoryStore::new();
        let id = put(&store, Some("ann"), 0);
        end(&store, id);
        // Asked at a time when it would still be live.
        assert_eq!(ids(&store, "ann", 1), [], "{name}");
        assert!(store.is_empty(), "{name}");
    }
}

#[test]
fn s28_expired_members_are_filtered_and_removed_on_read() {
    let store = MemoryStore::new();
    let mut live = Vec::new();
    // More than one walk under the lock has, with the expired ones among the others.
    for n in 0..1_000_u32 {
        let id = id();
        let idle = if n % 2 == 0 { 10 } else { MINUTE };
        done(store.create(
            id,
            record(meta(Some("ann"), 0, idle, MINUTE), n),
            Admission::OPEN,
            at(0),
        ));
        live.extend((n % 2 == 1).then_some(id));
    }
    live.sort();
    assert_eq!(ids(&store, "ann", 10), live);
    assert_eq!(store.len(), 500, "repaired");
}

#[test]
fn s30_attacker_shaped_subjects_match_only_themselves() {
    let store = MemoryStore::new();
    let long = "a".repeat(10_000);
    let longer = format!("{long}a");
    let subjects = [
        "",
        " ",
        "*",
        "%",
        "_",
        ":",
        "{}",
        "{a}",
        "a",
        "a\0",
        "a\0b",
        "A",
        "ä",
        "a\u{308}",
        "🦀",
        "'; drop table sessions; --",
        "../..",
        "\u{202e}",
        &long,
        &longer,
    ];
    let put: Vec<Id> = subjects.iter().map(|subject| put(&store, Some(subject), 0)).collect();
    let anonymous = self::put(&store, None, 0);
    for (subject, id) in subjects.iter().zip(&put) {
        assert_eq!(ids(&store, subject, 1), [*id], "{subject:.20?}");
    }
    for (n, (subject, id)) in subjects.iter().zip(&put).enumerate() {
        let revoked = done(store.revoke(subject, Revoke::All, 100, at(1)));
        assert_eq!(revoked, Revoked::new(vec![*id], false), "{subject:.20?}");
        assert_eq!(store.len(), subjects.len() - n);
    }
    assert!(done(store.load(anonymous, at(1))).is_some(), "nobody's session is not \"\"'s");
}

#[test]
fn s31_no_session_slips_through_a_revocation() {
    for _ in 0..300 {
        let store = MemoryStore::new();
        for _ in 0..20 {
            put(&store, Some("ann"), 0);
        }
        let start = Barrier::new(3);
        // A session counts as created before the revocation only if `create` had returned.
        let before = Mutex::new(Vec::new());
        let revoking = AtomicBool::new(false);
        let revoked = thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..20 {
                        let id = put(&store, Some("ann"), 1);
                        if !revoking.load(Ordering::SeqCst) {
                            before.lock().unwrap().push(id);
                        }
                    }
                });
            }
            start.wait();
            revoking.store(true, Ordering::SeqCst);
            done(store.revoke("ann", Revoke::All, usize::MAX, at(1)))
        });
        let revoked: BTreeSet<Id> = revoked.ids.into_iter().collect();
        let left: BTreeSet<Id> = ids(&store, "ann", 1).into_iter().collect();
        assert!(before.lock().unwrap().iter().all(|id| revoked.contains(id)));
        assert!(revoked.is_disjoint(&left));
        assert_eq!(revoked.len() + left.len(), 60, "each was revoked or came after");
        assert_eq!(store.len(), left.len());
    }
}

#[test]
fn s32_revoking_others_keeps_the_current_one() {
    let store = MemoryStore::new();
    let current = put(&store, Some("ann"), 0);
    let others = sorted([(); 5].map(|()| put(&store, Some("ann"), 0)));
    put(&store, Some("bob"), 0);
    let revoked = done(store.revoke("ann", Revoke::Others(current), 100, at(1)));
    assert_eq!(revoked, Revoked::new(others.to_vec(), false), "exactly these");
    assert_eq!(ids(&store, "ann", 1), [current]);
    assert_eq!(ids(&store, "bob", 1).len(), 1);
}

#[test]
fn s33_somebody_elses_session_cannot_be_revoked() {
    let store = MemoryStore::new();
    let anns = put(&store, Some("ann"), 0);
    let nobodys = put(&store, None, 0);
    for id in [anns, nobodys, id()] {
        let revoked = done(store.revoke("bob", Revoke::One(id), 100, at(1)));
        assert_eq!(revoked, Revoked::default());
    }
    assert_eq!(store.len(), 2);
    // Others than a session that is not Bob's: all of Bob's.
    let bobs = put(&store, Some("bob"), 0);
    let revoked = done(store.revoke("bob", Revoke::Others(anns), 100, at(1)));
    assert_eq!(revoked.ids, [bobs]);
}

#[test]
fn s34_a_limit_holds_against_parallel_creates() {
    const MAX: usize = 5;
    for round in 0..100 {
        for limit in [Limit::deny(MAX), Limit::evict_oldest(MAX)] {
            let store = MemoryStore::new();
            let start = Barrier::new(3);
            let (kept, denied, evicted) =
                (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                for worker in 0..3 {
                    let (store, start) = (&store, &start);
                    let (kept, denied, evicted) = (&kept, &denied, &evicted);
                    scope.spawn(move || {
                        start.wait();
                        for n in 0..MAX {
                            let now = u64::try_from(worker * MAX + n).unwrap();
                            let record = minute(Some("ann"), now);
                            match done(store.create(id(), record, terms(Some(limit)), at(20))) {
                                Created::Done { evicted: ids, replaced: false } => {
                                    kept.fetch_add(1, Ordering::SeqCst);
                                    evicted.fetch_add(ids.len(), Ordering::SeqCst);
                                }
                                Created::Limit => {
                                    denied.fetch_add(1, Ordering::SeqCst);
                                }
                                other => panic!("{other:?}"),
                            }
                            assert!(done(store.count("ann", at(20))) <= MAX);
                        }
                    });
                }
            });
            let (kept, denied) = (kept.into_inner(), denied.into_inner());
            assert_eq!(ids(&store, "ann", 20).len(), MAX, "round {round}, {limit:?}");
            assert_eq!((store.len(), kept - evicted.into_inner()), (MAX, MAX));
            assert_eq!(kept + denied, 3 * MAX);
        }
    }
}

#[test]
fn s34_the_oldest_goes_first_and_expired_ones_do_not_count() {
    let store = MemoryStore::new();
    let create = |start, idle, limit| {
        let id = id();
        let record = record(meta(Some("ann"), start, idle, 10 * MINUTE), 0);
        (id, done(store.create(id, record, terms(Some(limit)), at(100))))
    };
    let three = Limit::evict_oldest(3);
    let (young, _) = create(30, MINUTE, three);
    let (old, _) = create(10, MINUTE, three);
    let (_, expired) = create(1, 5, three);
    assert_eq!(expired, kept());
    let (middle, third) = create(20, MINUTE, three);
    assert_eq!(third, kept(), "the expired one did not count");
    let (fourth, created) = create(40, MINUTE, three);
    assert_eq!(created, Created::Done { evicted: vec![old], replaced: false });
    // A lower limit than there are: as many go as must.
    let (last, created) = create(50, MINUTE, Limit::evict_oldest(2));
    assert_eq!(created, Created::Done { evicted: vec![middle, young], replaced: false });
    assert_eq!(ids(&store, "ann", 100), sorted([fourth, last]));
    assert_eq!(create(60, MINUTE, Limit::deny(2)).1, Created::Limit);
    assert_eq!(create(60, MINUTE, Limit::deny(3)).1, kept());
}

#[test]
fn s34_of_equally_old_sessions_the_lowest_id_goes() {
    let store = MemoryStore::new();
    let all = sorted([(); 4].map(|()| put(&store, Some("ann"), 7)));
    let limit = Some(Limit::evict_oldest(3));
    let created = done(store.create(id(), minute(Some("ann"), 7), terms(limit), at(8)));
    assert_eq!(created, Created::Done { evicted: all[..2].to_vec(), replaced: false });
}

#[test]
fn s34_a_limit_of_none_lets_nobody_in_and_ends_nobody() {
    let store = MemoryStore::new();
    let there = put(&store, Some("ann"), 0);
    for limit in [Limit::deny(0), Limit::evict_oldest(0)] {
        let created = done(store.create(id(), minute(Some("ann"), 1), terms(Some(limit)), at(1)));
        assert_eq!(created, Created::Limit);
    }
    assert_eq!(ids(&store, "ann", 1), [there]);
    let anonymous = done(store.create(id(), minute(None, 1), terms(Some(Limit::deny(0))), at(1)));
    assert_eq!(anonymous, kept(), "a limit is per subject");
}

#[test]
fn s35_two_stores_know_nothing_of_each_other_and_clones_are_one() {
    let (store, other) = (MemoryStore::new(), MemoryStore::<u32>::default());
    let clone = store.clone();
    let id = put(&store, Some("ann"), 0);
    assert!(done(other.load(id, at(1))).is_none());
    assert_eq!(ids(&other, "ann", 1), []);
    assert_eq!(done(other.revoke("ann", Revoke::All, 9, at(1))), Revoked::default());
    assert!(done(clone.load(id, at(1))).is_some());
    assert!(done(clone.delete(id, at(1))));
    assert!(store.is_empty());
}

#[test]
fn s36_revocation_stops_at_the_cap_and_says_that_there_is_more() {
    for (there, max, revoked, more) in [
        (10, 4, 4, true),
        (10, 9, 9, true),
        (10, 10, 10, false),
        (10, 100, 10, false),
        (10, 0, 0, true),
        (0, 0, 0, false),
    ] {
        let store = MemoryStore::new();
        for _ in 0..there {
            put(&store, Some("ann"), 0);
        }
        let answer = done(store.revoke("ann", Revoke::All, max, at(1)));
        assert_eq!((answer.ids.len(), answer.more), (revoked, more), "{max} of {there}");
        assert_eq!(ids(&store, "ann", 1).len(), there - revoked);
    }
}

#[test]
fn s37_nothing_asked_for_is_nothing_done() {
    let store = MemoryStore::new();
    let id = put(&store, Some("ann"), 0);
    assert!(done(store.list("ann", None, 0, at(1))).is_empty());
    assert!(done(store.revoke("", Revoke::All, 9, at(1))).ids.is_empty());
    assert!(done(store.revoke("nobody", Revoke::Others(id), 9, at(1))).ids.is_empty());
    assert_eq!(done(store.sweep(at(2 * MINUTE), 0)), Swept::new(0, true));
    assert_eq!(store.len(), 1);
}

#[test]
fn s38_a_sweep_removes_only_expired_ones_in_bounded_batches() {
    let store = MemoryStore::new();
    for _ in 0..250 {
        put(&store, Some("ann"), 0);
        put(&store, None, MINUTE);
    }
    let mut batches = Vec::new();
    loop {
        let held = store.len();
        let swept = done(store.sweep(at(MINUTE), 100));
        assert_eq!(held - store.len(), swept.removed);
        assert!(swept.removed <= 100);
        batches.push(swept.removed);
        if !swept.more {
            break;
        }
    }
    assert_eq!(batches, [100, 100, 50]);
    assert_eq!(store.len(), 250);
    assert_eq!(sweep_all(&store, MINUTE), 0);
}

#[test]
fn s38_sweeping_amid_writers_takes_nobody_who_is_alive() {
    // Every write moves the clock by half a second, so the test lasts 750 of them at most: the
    // three sessions outlive it however slow their writers are, all others die at once.
    const WRITES: u64 = 500;
    const STEP: u64 = 500;
    let (store, millis) = (MemoryStore::new(), AtomicU64::new(0));
    let clock = || at(millis.load(Ordering::SeqCst));
    let live = |subject, idle| meta(Some(subject), clock().as_millis(), idle, u64::MAX);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mine = id();
                let kept = record(live("ann", 4 * WRITES * STEP), 0);
                done(store.create(mine, kept, Admission::OPEN, clock()));
                for n in 0..WRITES {
                    assert_eq!(done(store.touch(mine, clock())), Saved::Done);
                    let seen = done(store.load(mine, clock())).expect("alive");
                    let write = next(&seen, 0, Some("ann"));
                    assert_eq!(done(store.replace(mine, n + 1, write, clock())), Saved::Done);
                    done(store.create(id(), record(live("bob", 10), 0), Admission::OPEN, clock()));
                    millis.fetch_add(STEP, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..500 {
                assert!(done(store.sweep(clock(), 10)).removed <= 10);
                thread::yield_now();
            }
        });
    });
    let end = 3 * WRITES * STEP + 2_000;
    sweep_all(&store, end);
    assert_eq!(ids(&store, "bob", end), []);
    assert_eq!(store.len(), 3, "the three that are alive");
}

#[test]
fn s38_ten_thousand_short_sessions_leave_nothing() {
    let store = MemoryStore::new();
    for n in 0..10_000_u32 {
        let start = u64::from(n) / 10;
        let subject = (n % 3 > 0).then(|| format!("user-{}", n % 100));
        let record = record(meta(subject.as_deref(), start, 1_000, MINUTE), n);
        done(store.create(id(), record, Admission::OPEN, at(start)));
    }
    assert_eq!(store.len(), 10_000);
    assert_eq!(sweep_all(&store, 5_000), 10_000);
    assert_eq!(store.len(), 0);
}

#[test]
fn s38_a_store_in_use_cleans_itself_a_little_with_every_call() {
    const BOUND: usize = 32;
    let store = MemoryStore::new();
    for _ in 0..1_000 {
        put(&store, Some("ann"), 0);
    }
    type Call = fn(&MemoryStore<u32>, Timestamp);
    let calls: [Call; 6] = [
        |store, now| drop(done(store.load(id(), now))),
        |store, now| assert_eq!(done(store.touch(id(), now)), Saved::Gone),
        |store, now| assert!(!done(store.delete(id(), now))),
        |store, now| assert_eq!(done(store.replace(id(), 1, minute(None, 0), now)), Saved::Gone),
        |store, now| assert_eq!(done(store.count("bob", now)), 0),
        |store, now| assert!(done(store.list("bob", None, 9, now)).is_empty()),
    ];
    let mut done_calls = 0;
    while !store.is_empty() {
        let held = store.len();
        calls[done_calls % calls.len()](&store, at(2 * MINUTE));
        let swept = held - store.len();
        assert!((1..=BOUND).contains(&swept), "call {done_calls} swept {swept}");
        done_calls += 1;
    }
    assert_eq!(done_calls, 1_000_usize.div_ceil(BOUND));
}

#[test]
fn s38_an_extended_session_is_looked_at_again_and_goes_in_its_time() {
    let store = MemoryStore::new();
    let id = put(&store, None, 0);
    for step in 1..15 {
        // Used every 40 seconds; looked at when the last use but one would have run out.
        assert_eq!(done(store.touch(id, at(step * 40_000))), Saved::Done);
        assert_eq!(sweep_all(&store, step * 40_000 + 30_000), 0);
    }
    assert_eq!(sweep_all(&store, 10 * MINUTE - 1), 0);
    assert_eq!(sweep_all(&store, 10 * MINUTE), 1, "the absolute limit");
    assert!(store.is_empty());
}

#[test]
fn s38_a_session_cut_short_does_not_stay_for_its_first_lifetime() {
    const DAY: u64 = 24 * 60 * MINUTE;
    let (store, id) = (MemoryStore::new(), id());
    done(store.create(id, record(meta(None, 0, 30 * DAY, 30 * DAY), 0), Admission::OPEN, at(0)));
    let mut short = meta(None, 0, MINUTE, MINUTE);
    short.version = 2;
    assert_eq!(done(store.replace(id, 1, record(short, 1), at(1))), Saved::Done);
    assert_eq!(sweep_all(&store, 18 * MINUTE), 1);
    assert!(store.is_empty());
}

#[test]
fn s40_two_sweepers_share_the_work() {
    let store = MemoryStore::new();
    for _ in 0..2_000 {
        put(&store, Some("ann"), 0);
    }
    let removed: usize = thread::scope(|scope| {
        let sweepers = [(); 2].map(|()| scope.spawn(|| sweep_all(&store, MINUTE)));
        sweepers.into_iter().map(|sweeper| sweeper.join().unwrap()).sum()
    });
    assert_eq!((removed, store.len()), (2_000, 0));
}

#[test]
fn s41_a_touch_changes_nothing_but_the_time() {
    let store = MemoryStore::new();
    let id = put(&store, Some("ann"), 0);
    let before = done(store.load(id, at(0))).unwrap();
    assert_eq!(done(store.touch(id, at(40_000))), Saved::Done);
    let after = done(store.load(id, at(40_000))).unwrap();
    assert!(Arc::ptr_eq(&before, &after), "the data was not even moved");
    assert_eq!((after.meta.version, after.meta.last_seen()), (1, at(40_000)));
    assert!(done(store.load(id, at(99_999))).is_some(), "and it lives longer");
    // A writer that had loaded before is not stale, and takes nothing of the touch back.
    let mut old = meta(Some("ann"), 0, MINUTE, 10 * MINUTE);
    old.version = 2;
    assert_eq!(done(store.replace(id, 1, record(old, 5), at(99_999))), Saved::Done);
    let last = done(store.load(id, at(99_999))).unwrap();
    assert_eq!((last.data, last.meta.last_seen()), (5, at(40_000)));
}

#[test]
fn s41_no_touch_is_lost_between_replaces() {
    for _ in 0..200 {
        let store = MemoryStore::new();
        let id = put(&store, None, 0);
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for n in 0..50 {
                    let mut old = meta(None, 0, MINUTE, MINUTE);
                    old.version = n + 2;
                    let saved = done(store.replace(id, n + 1, record(old, 0), at(1)));
                    assert_eq!(saved, Saved::Done);
                }
            });
            start.wait();
            for now in 1..50 {
                assert_eq!(done(store.touch(id, at(now))), Saved::Done);
                let seen = done(store.load(id, at(now))).unwrap().meta.last_seen();
                assert_eq!(seen, at(now));
            }
        });
        assert_eq!(done(store.load(id, at(50))).unwrap().meta.last_seen(), at(49));
    }
}

#[test]
fn s43_a_touch_moves_the_deadline_forward_only_and_never_past_the_absolute_one() {
    let (store, id) = (MemoryStore::new(), id());
    done(store.create(id, record(meta(None, 0, MINUTE, 90_000), 0), Admission::OPEN, at(0)));
    let deadline = |now| done(store.load(id, at(now))).map(|found| found.meta.deadline());
    for (touched, expected) in
        [(20_000, 80_000), (10_000, 80_000), (50_000, 90_000), (80_000, 90_000)]
    {
        assert_eq!(done(store.touch(id, at(touched))), Saved::Done);
        assert_eq!(deadline(touched), Some(at(expected)), "touched at {touched}");
    }
    assert_eq!(done(store.touch(id, at(90_000))), Saved::Gone);
    assert_eq!(deadline(90_000), None);
}

#[test]
fn s51_pages_over_many_sessions_amid_deletes_miss_and_repeat_nobody() {
    let store = MemoryStore::new();
    let all: Vec<Id> = (0..10_000).map(|_| put(&store, Some("ann"), 0)).collect();
    let (doomed, kept) = all.split_at(5_000);
    let start = Barrier::new(2);
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            for id in doomed {
                assert!(done(store.delete(*id, at(1))));
            }
        });
        start.wait();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = done(store.list("ann", after, 137, at(1)));
            assert!(page.len() <= 137);
            let Some((last, _)) = page.last() else {
                return seen;
            };
            after = Some(*last);
            seen.extend(page.into_iter().map(|(id, _)| id));
        }
    });
    assert!(seen.is_sorted_by(|a, b| a < b), "in order, none twice");
    let seen: BTreeSet<Id> = seen.into_iter().collect();
    assert!(kept.iter().all(|id| seen.contains(id)), "no survivor is missing");
    assert_eq!(ids(&store, "ann", 1).len(), kept.len());
}

#[test]
fn s55_a_clock_that_jumps_back_revives_nothing() {
    type Look = fn(&MemoryStore<u32>, Id, Timestamp);
    let looks: [(&str, Look); 6] = [
        ("load", |store, id, now| assert!(done(store.load(id, now)).is_none())),
        ("touch", |store, id, now| assert_eq!(done(store.touch(id, now)), Saved::Gone)),
        ("replace", |store, id, now| {
            assert_eq!(done(store.replace(id, 1, minute(None, 0), now)), Saved::Gone);
        }),
        ("delete", |store, id, now| assert!(!done(store.delete(id, now)))),
        ("list", |store, _, now| assert!(done(store.list("ann", None, 9, now)).is_empty())),
        ("sweep", |store, _, now| assert_eq!(done(store.sweep(now, 9)).removed, 1)),
    ];
    for (name, look) in looks {
        let store = MemoryStore::new();
        let start = 60 * MINUTE;
        let id = put(&store, Some("ann"), start);
        look(&store, id, at(start + MINUTE));
        let an_hour_back = at(start + MINUTE - 60 * MINUTE);
        assert!(done(store.load(id, an_hour_back)).is_none(), "{name}");
        assert_eq!(done(store.touch(id, an_hour_back)), Saved::Gone, "{name}");
        assert_eq!(ids(&store, "ann", start), [], "{name}");
        assert!(store.is_empty(), "{name}");
    }
}

#[test]
fn s55_a_touch_from_a_slow_clock_takes_no_time_away() {
    let store = MemoryStore::new();
    let id = put(&store, None, 60_000);
    assert_eq!(done(store.touch(id, at(30_000))), Saved::Done);
    assert!(done(store.load(id, at(119_999))).is_some());
}

#[test]
fn a_full_store_says_so_and_drops_nobody() {
    let store = MemoryStore::with_capacity(3);
    let there = [(); 3].map(|()| put(&store, Some("ann"), 0));
    let refused =
        store.create(id(), minute(None, 1), Admission::OPEN, at(1)).now_or_later().unwrap();
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Full);
    assert_eq!(ids(&store, "ann", 1), sorted(there));
    // One leaves, one comes.
    done(store.delete(there[0], at(1)));
    put(&store, None, 1);
    // The limit makes the room that its own newcomer takes.
    let limit = Some(Limit::evict_oldest(2));
    let created = done(store.create(id(), minute(Some("ann"), 2), terms(limit), at(2)));
    assert!(matches!(created, Created::Done { evicted, .. } if evicted.len() == 1));
    assert_eq!(store.len(), 3);
    // Once some have expired there is room again.
    put(&store, None, 2 * MINUTE);
    assert!(store.len() <= 3);
    let closed = MemoryStore::with_capacity(0);
    let refused =
        closed.create(id(), minute(None, 0), Admission::OPEN, at(0)).now_or_later().unwrap();
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Full);
}

#[test]
fn parallel_creates_never_overfill_a_store() {
    let store = MemoryStore::with_capacity(100);
    let kept = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let answer = store.create(id(), minute(None, 0), Admission::OPEN, at(0));
                    let made = answer.now_or_later().unwrap().is_ok();
                    kept.fetch_add(usize::from(made), Ordering::SeqCst);
                    assert!(store.len() <= 100);
                }
            });
        }
    });
    assert_eq!((kept.into_inner(), store.len()), (100, 100));
}

/// Data that asks the store while it is dropped: this hangs if a lock is held then.
struct Nosy(Arc<OnceLock<(MemoryStore<Self>, Vec<Id>)>>);

impl Drop for Nosy {
    fn drop(&mut self) {
        if let Some((store, ids)) = self.0.get() {
            for id in ids {
                drop(done(store.load(*id, at(1))));
                done(store.touch(*id, at(1)));
            }
            done(store.count("ann", at(1)));
            done(store.revoke("ann", Revoke::One(ids[0]), 0, at(1)));
        }
    }
}

#[test]
fn data_may_use_the_store_while_it_is_dropped() {
    let (store, cell) = (MemoryStore::new(), Arc::new(OnceLock::new()));
    let make = |start, subject, idle| {
        let idle = meta(Some(subject), start, idle, 10 * MINUTE);
        record(idle, Nosy(Arc::clone(&cell)))
    };
    let many: Vec<Id> = (0..8).map(|_| id()).collect();
    for id in &many {
        done(store.create(*id, make(0, "ann", 5 * MINUTE), Admission::OPEN, at(0)));
    }
    assert!(cell.set((store.clone(), many.clone())).is_ok());
    let write = |subject, version| {
        let mut meta = meta(Some(subject), 0, 5 * MINUTE, 10 * MINUTE);
        meta.version = version;
        record(meta, Nosy(Arc::clone(&cell)))
    };
    assert_eq!(done(store.replace(many[0], 1, write("ann", 2), at(1))), Saved::Done);
    assert_eq!(done(store.replace(many[0], 2, write("bob", 3), at(1))), Saved::Done);
    assert_eq!(done(store.replace(many[0], 2, write("ann", 3), at(1))), Saved::Stale);
    assert_eq!(
        done(store.create(many[0], make(1, "ann", 9), Admission::OPEN, at(1))),
        Created::Exists
    );
    let limit = Some(Limit::evict_oldest(5));
    assert!(matches!(
        done(store.create(id(), make(1, "ann", MINUTE), terms(limit), at(1))),
        Created::Done { evicted, .. } if evicted.len() == 3
    ));
    assert_eq!(
        done(store.create(id(), make(1, "ann", 9), terms(Some(Limit::deny(1))), at(1))),
        Created::Limit
    );
    assert!(done(store.delete(many[0], at(1))));
    assert_eq!(done(store.revoke("ann", Revoke::All, 2, at(1))).ids.len(), 2);
    assert_eq!(done(store.sweep(at(20 * MINUTE), 100)).removed, 3);
    assert!(store.is_empty());
}

#[test]
fn debug_shows_no_data() {
    let store = MemoryStore::new();
    done(store.create(id(), record(meta(Some("ann"), 0, 9, 9), "secret"), Admission::OPEN, at(0)));
    assert_eq!(format!("{store:?}"), "MemoryStore { len: 1, .. }");
}

#[test]
fn it_can_be_used_behind_dyn_and_by_every_thread() {
    fn check<V: Clone + std::fmt::Debug + Default + Send + Sync + 'static>(_: &V) {}
    let store = MemoryStore::<u32>::new();
    check(&store);
    let store: Arc<dyn Store<u32>> = Arc::new(store);
    let id = id();
    assert_eq!(done(store.create(id, minute(Some("ann"), 0), Admission::OPEN, at(0))), kept());
    let index: &dyn SubjectIndex = store.subjects().expect("it keeps an index");
    assert_eq!(done(index.count("ann", at(0))), 1);
}

mod model {
    //! Random histories against a list that is searched from end to end.

    use std::collections::BTreeMap;

    use super::*;

    #[derive(Clone, Debug)]
    pub(super) enum Op {
        Load(usize),
        Create { slot: usize, subject: usize, idle: u64, limit: Option<(usize, bool)> },
        Replace { slot: usize, subject: usize, idle: u64, stale: bool },
        Touch(usize),
        Delete(usize),
        List { subject: usize, after: Option<usize>, max: usize },
        Revoke { subject: usize, which: Option<(usize, bool)>, max: usize },
        Sweep(usize),
        Wait(u64),
    }

    const SLOTS: usize = 12;
    const SUBJECTS: [Option<&str>; 4] = [None, Some(""), Some("ann"), Some("bob")];

    pub(super) fn op() -> impl Strategy<Value = Op> {
        let slot = || 0..SLOTS;
        let subject = || 0..SUBJECTS.len();
        let idle = || prop_oneof![1_u64..50, 900_u64..1_200, 50_000_u64..2_000_000];
        let limit = || prop::option::of((0_usize..4, any::<bool>()));
        prop_oneof![
            2 => slot().prop_map(Op::Load),
            6 => (slot(), subject(), idle(), limit())
                .prop_map(|(slot, subject, idle, limit)| Op::Create { slot, subject, idle, limit }),
            4 => (slot(), subject(), idle(), prop::bool::weighted(0.2))
                .prop_map(|(slot, subject, idle, stale)| Op::Replace { slot, subject, idle, stale }),
            2 => slot().prop_map(Op::Touch),
            1 => slot().prop_map(Op::Delete),
            2 => (subject(), prop::option::of(slot()), 0_usize..6)
                .prop_map(|(subject, after, max)| Op::List { subject, after, max }),
            1 => (subject(), prop::option::of((slot(), any::<bool>())), 0_usize..6)
                .prop_map(|(subject, which, max)| Op::Revoke { subject, which, max }),
            1 => (0_usize..20).prop_map(Op::Sweep),
            3 => prop_oneof![0_u64..30, 500_u64..3_000, 100_000_u64..3_000_000].prop_map(Op::Wait),
        ]
    }

    /// What the store should hold; expired records are simply never counted.
    #[derive(Default)]
    struct Model(BTreeMap<Id, Record<u32>>);

    impl Model {
        fn live(&self, id: Id, now: Timestamp) -> Option<&Record<u32>> {
            self.0.get(&id).filter(|record| record.meta.is_live(now))
        }

        fn of(&self, subject: &str, now: Timestamp) -> Vec<(Id, &Record<u32>)> {
            let belongs = |r: &Record<u32>| r.meta.subject.as_deref() == Some(subject);
            let all = self.0.iter().filter(|(_, r)| belongs(r) && r.meta.is_live(now));
            all.map(|(id, record)| (*id, record)).collect()
        }

        fn create(
            &mut self,
            id: Id,
            record: Record<u32>,
            limit: Option<Limit>,
            now: Timestamp,
        ) -> Created {
            if self.live(id, now).is_some() {
                return Created::Exists;
            }
            let mut evicted = Vec::new();
            if let (Some(subject), Some(limit)) = (record.meta.subject.clone(), limit) {
                let mut of = self.of(&subject, now);
                of.sort_by_key(|(id, record)| (record.meta.created, *id));
                let excess = (of.len() + 1).saturating_sub(limit.max);
                if excess > 0 && (limit == Limit::deny(limit.max) || limit.max == 0) {
                    return Created::Limit;
                }
                evicted = of.into_iter().take(excess).map(|(id, _)| id).collect();
            }
            self.0.retain(|id, _| !evicted.contains(id));
            self.0.insert(id, record);
            Created::Done { evicted, replaced: false }
        }
    }

    pub(super) fn run(ops: Vec<Op>) {
        let slots: Vec<Id> = (0..SLOTS).map(|_| id()).collect();
        let (store, mut model, mut now) = (MemoryStore::new(), Model::default(), at(10_000));
        for (step, op) in ops.into_iter().enumerate() {
            let data = u32::try_from(step).unwrap();
            match op {
                Op::Load(slot) => {
                    let found = done(store.load(slots[slot], now));
                    let expected = model.live(slots[slot], now);
                    assert_eq!(
                        found.map(|r| (r.data, r.meta.version, r.meta.deadline())),
                        expected.map(|r| (r.data, r.meta.version, r.meta.deadline())),
                    );
                }
                Op::Create { slot, subject, idle, limit } => {
                    let meta = meta(SUBJECTS[subject], now.as_millis(), idle, 4 * idle);
                    let limit =
                        limit.map(
                            |(max, deny)| {
                                if deny { Limit::deny(max) } else { Limit::evict_oldest(max) }
                            },
                        );
                    let kept = record(meta.clone(), data);
                    let created = done(store.create(slots[slot], kept, terms(limit), now));
                    let expected = model.create(slots[slot], Record::new(meta, data), limit, now);
                    assert_eq!(created, expected, "step {step}");
                }
                Op::Replace { slot, subject, idle, stale } => {
                    let id = slots[slot];
                    let version = model.0.get(&id).map_or(1, |r| r.meta.version);
                    let mut meta = meta(SUBJECTS[subject], now.as_millis() - 100, idle, 4 * idle);
                    meta.version = version + 1;
                    let asked = if stale { version + 7 } else { version };
                    let saved = done(store.replace(id, asked, record(meta.clone(), data), now));
                    let expected = match model.live(id, now) {
                        None => Saved::Gone,
                        Some(_) if stale => Saved::Stale,
                        Some(there) => {
                            meta.touch(there.meta.last_seen());
                            model.0.insert(id, Record::new(meta, data));
                            Saved::Done
                        }
                    };
                    assert_eq!(saved, expected, "step {step}");
                }
                Op::Touch(slot) => {
                    let there = model.live(slots[slot], now);
                    let expected = there.map_or(Saved::Gone, |there| {
                        there.meta.touch(now);
                        Saved::Done
                    });
                    assert_eq!(done(store.touch(slots[slot], now)), expected, "step {step}");
                }
                Op::Delete(slot) => {
                    let expected = model.live(slots[slot], now).is_some();
                    model.0.remove(&slots[slot]);
                    assert_eq!(done(store.delete(slots[slot], now)), expected, "step {step}");
                }
                Op::List { subject, after, max } => {
                    let subject = SUBJECTS[subject].unwrap_or("nobody");
                    let after = after.map(|slot| slots[slot]);
                    let of = model.of(subject, now);
                    assert_eq!(done(store.count(subject, now)), of.len());
                    let expected = of.into_iter().filter(|(id, _)| Some(*id) > after).take(max);
                    let expected: Vec<_> = expected.map(|(id, r)| (id, r.meta.version)).collect();
                    let page = done(store.list(subject, after, max, now));
                    let page: Vec<_> = page.into_iter().map(|(id, m)| (id, m.version)).collect();
                    assert_eq!(page, expected, "step {step}");
                }
                Op::Revoke { subject, which, max } => {
                    let subject = SUBJECTS[subject].unwrap_or("nobody");
                    let (which, wanted): (_, Box<dyn Fn(Id) -> bool>) = match which {
                        None => (Revoke::All, Box::new(|_| true)),
                        Some((slot, one)) => {
                            let slot = slots[slot];
                            if one {
                                (Revoke::One(slot), Box::new(move |id| id == slot))
                            } else {
                                (Revoke::Others(slot), Box::new(move |id| id != slot))
                            }
                        }
                    };
                    let mut gone: Vec<Id> =
                        model.of(subject, now).iter().map(|(id, _)| *id).collect();
                    gone.retain(|id| wanted(*id));
                    let more = gone.len() > max;
                    gone.truncate(max);
                    model.0.retain(|id, _| !gone.contains(id));
                    let revoked = done(store.revoke(subject, which, max, now));
                    assert_eq!(revoked, Revoked::new(gone, more), "step {step}");
                }
                Op::Sweep(max) => {
                    let swept = done(store.sweep(now, max));
                    assert!(swept.removed <= max, "step {step}");
                }
                Op::Wait(millis) => now = now.plus(Duration::from_millis(millis)),
            }
            let live = model.0.values().filter(|record| record.meta.is_live(now)).count();
            assert!(store.len() >= live, "step {step}");
        }
        sweep_all(&store, now.as_millis());
        // Those cut short by a replace may wait for the horizon; by then the long ones are gone.
        sweep_all(&store, now.as_millis() + 9_000_000);
        assert!(store.is_empty(), "all have expired and all are swept");
    }
}

proptest! {
    #[test]
    fn s54_random_histories_match_a_naive_model(ops in prop::collection::vec(model::op(), 1..120)) {
        model::run(ops);
    }
}

#[test]
fn a_new_session_ends_the_one_it_takes_the_place_of() {
    let cases = [
        ("the same subject", Some("ann"), Some("ann")),
        ("another subject", Some("bob"), Some("ann")),
        ("from nobody's to somebody's", None, Some("ann")),
        ("from somebody's to nobody's", Some("ann"), None),
    ];
    for (name, before, after) in cases {
        let store = MemoryStore::new();
        let old = put(&store, before, 0);
        let new = id();
        let admission = Admission::OPEN.limited(Limit::deny(1)).in_place_of(old);
        let created = done(store.create(new, minute(after, 1), admission, at(1)));
        assert_eq!(created, Created::Done { evicted: vec![], replaced: true }, "{name}");
        assert!(done(store.load(old, at(1))).is_none(), "{name}");
        assert!(done(store.load(new, at(1))).is_some(), "{name}");
        let index = store.subjects().unwrap();
        for subject in ["ann", "bob"] {
            let expected = usize::from(after == Some(subject));
            assert_eq!(done(index.count(subject, at(1))), expected, "{name}: {subject}");
        }
        assert_eq!(store.len(), 1, "{name}");
    }
}

#[test]
fn a_refused_session_ends_nobody() {
    let store = MemoryStore::with_capacity(2);
    let (anns, mine) = (put(&store, Some("ann"), 0), put(&store, None, 0));
    let denied = Admission::OPEN.limited(Limit::deny(1)).in_place_of(mine);
    assert_eq!(done(store.create(id(), minute(Some("ann"), 1), denied, at(1))), Created::Limit);
    let taken = Admission::OPEN.in_place_of(mine);
    assert_eq!(done(store.create(anns, minute(Some("ann"), 1), taken, at(1))), Created::Exists);
    assert!(done(store.load(mine, at(1))).is_some());
    // The store is full, but the one that leaves makes room.
    let created = done(store.create(id(), minute(None, 1), taken, at(1)));
    assert_eq!(created, Created::Done { evicted: vec![], replaced: true });
    assert!(done(store.load(mine, at(1))).is_none());
    assert_eq!(store.len(), 2);
}
