//! The store that encrypts: it is a store like any other, and what is behind it learns nothing.

#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::clone_on_ref_ptr,
    clippy::str_to_string,
    reason = "a test fails by panicking"
)]

#[path = "support/announcing.rs"]
mod announcing;
mod support;

use std::sync::Arc;
use std::time::Duration;

use announcing::{Announcing, Feed, Line};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use sessile::store::{
    Admission, CacheOptions, Cached, Ciphertext, Created, Encrypted, MemoryStore, Saved, Store,
};
use sessile::testkit::conformance::{self, Suite};
use sessile::testkit::{Faulty, Model, Sample};
use sessile::{Id, Key, Keyring, Meta, Record, Revoked, StoreError, StoreErrorKind, Timestamp};
use support::{App, Member, count_visit};

const START: Timestamp = Timestamp::from_millis(1_768_465_800_123);

type Behind = MemoryStore<Ciphertext>;

fn meta(subject: Option<&str>) -> Meta {
    let mut meta = Meta::new(START, Duration::from_secs(1_800), Duration::from_secs(43_200));
    meta.subject = subject.map(Into::into);
    meta
}

fn ann() -> Record<Sample> {
    let data = Sample::new("Ann Example").counting(7).tagged("theme", "dark");
    Record::new(meta(Some("subject-1")), data)
}

fn now_or_panic<V>(answer: sessile::store::StoreAnswer<V>) -> Result<V, StoreError> {
    answer.now_or_later().expect("it answers at once where the store behind does")
}

fn create<T>(store: &impl Store<T>, record: Record<T>) -> Id {
    let id = Id::generate().unwrap();
    let created = now_or_panic(store.create(id, Arc::new(record), Admission::OPEN, START));
    assert!(matches!(created.unwrap(), Created::Done { .. }));
    id
}

fn load(store: &impl Store<Sample>, id: Id) -> Result<Option<Arc<Record<Sample>>>, StoreError> {
    now_or_panic(store.load(id, START))
}

/// What is kept of it, as the store behind has it.
fn kept(behind: &Behind, id: Id) -> String {
    now_or_panic(behind.load(id, START)).unwrap().unwrap().data.as_str().to_owned()
}

/// Puts such a text in its place.
fn plant(behind: &Behind, id: Id, text: &str, subject: Option<&str>) {
    now_or_panic(behind.delete(id, START)).unwrap();
    let data = serde_json::from_value(text.into()).unwrap();
    let record = Arc::new(Record::new(meta(subject), data));
    let created = now_or_panic(behind.create(id, record, Admission::OPEN, START)).unwrap();
    assert!(matches!(created, Created::Done { .. }));
}

#[track_caller]
fn expect_undecodable<V>(outcome: Result<V, StoreError>, why: &str) {
    let Err(error) = outcome else { panic!("it opens, although {why}") };
    assert_eq!(error.kind(), StoreErrorKind::Undecodable, "{why}");
    assert!(format!("{error:?}").contains(why), "{error:?} lacks {why:?}");
}

// ---- a store like any other ------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_over_memory() {
    let report = conformance::run(async || Encrypted::new(Behind::new(), Key::generate())).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_over_a_store_that_answers_later() {
    let make = async || {
        let behind = Faulty::new(Model::<Ciphertext>::new()).always_later();
        Encrypted::new(behind, Key::generate())
    };
    let report = Suite::new().quick().run(make).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_over_a_cache_before_it() {
    let make = async || {
        let feed = Feed::default();
        let line = Line::to(Announcing::new(Behind::new(), &feed));
        let cached = Cached::new(Encrypted::new(line, Key::generate())).unwrap();
        feed.wait_for_opening(1).await; // its changes pass through
        cached
    };
    let report = Suite::new().quick().run(make).await;
    report.assert();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_before_it_needs_no_key_for_a_hit() {
    let (feed, old) = (Feed::default(), Key::generate());
    let ring = Keyring::new(old.clone());
    let line = Line::to(Announcing::new(Behind::new(), &feed));
    let options = CacheOptions::new().max_staleness(Duration::from_secs(120));
    let cached =
        Cached::with_options(Encrypted::new(line.clone(), ring.clone()), &options).unwrap();
    feed.wait_for_opening(1).await;
    let id = create(&cached, ann());
    ring.roll_over(Key::generate());
    ring.revoke(old.id()).unwrap();
    assert_eq!(load(&cached, id).unwrap().unwrap().data, ann().data);
    assert_eq!(line.store.calls().load, 0, "the hit asked nobody");
    feed.announce(sessile::store::Change::All);
    announcing::eventually("the cache is empty", || load(&cached, id).is_err()).await;
    expect_undecodable(load(&cached, id), "not in the ring");
}

// ---- nobody else can read it -----------------------------------------------------------------

#[test]
fn neither_data_nor_field_names_are_in_what_is_kept() {
    let behind = Behind::new();
    let key = Key::generate();
    let store = Encrypted::new(behind.clone(), key.clone());
    let id = create(&store, ann());
    let text = kept(&behind, id);
    let sealed = text.strip_prefix(&format!("v1.{}.", key.id())).unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(sealed.as_bytes()).unwrap();
    let plain = serde_json::to_string(&ann().data).unwrap();
    assert_eq!(bytes.len(), 24 + plain.len() + 16);
    for word in ["Example", "counter", "theme"] {
        assert!(plain.contains(word), "{word}");
        let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(!found && !text.contains(word), "{word}");
    }
    let json = serde_json::to_string(
        &behind.load(id, START).now_or_later().unwrap().unwrap().unwrap().data,
    );
    assert_eq!(json.unwrap(), format!("\"{text}\""), "one string");
    let shown = format!("{store:?} {:?}", load(&store, id));
    assert!(!shown.contains("Example") && shown.contains(&key.id().to_string()), "{shown}");
}

#[test]
fn the_same_data_is_never_kept_as_the_same_text() {
    let behind = Behind::new();
    let store = Encrypted::new(behind.clone(), Key::generate());
    let id = create(&store, ann());
    let mut seen = std::collections::HashSet::from([kept(&behind, id)]);
    for version in 1..1_000 {
        let mut next = ann();
        next.meta.version = version + 1;
        let saved = now_or_panic(store.replace(id, version, Arc::new(next), START)).unwrap();
        assert_eq!(saved, Saved::Done);
        assert!(seen.insert(kept(&behind, id)), "a nonce repeated");
    }
}

// ---- what was tampered with does not open ----------------------------------------------------

#[test]
fn no_byte_can_be_altered_added_or_taken() {
    let behind = Behind::new();
    let store = Encrypted::new(behind.clone(), Key::generate());
    let id = create(&store, ann());
    let text = kept(&behind, id);
    let opens = |text: &str| {
        plant(&behind, id, text, Some("subject-1"));
        match load(&store, id) {
            Ok(found) => found.is_some(),
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Undecodable);
                assert_eq!(kept(&behind, id), text, "it stays where it is");
                false
            }
        }
    };
    assert!(opens(&text));
    for place in 0..text.len() {
        for other in ['A', 'z', '0', 'F', '-', '.', '"', 'ß', '\0'] {
            let altered = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            assert!(altered == text || !opens(&altered), "{other} at {place}");
        }
        let upper = format!(
            "{}{}{}",
            &text[..place],
            text[place..=place].to_uppercase(),
            &text[place + 1..]
        );
        assert!(upper == text || !opens(&upper), "upper case at {place}");
        assert!(!opens(&text[..place]), "cut at {place}");
        assert!(!opens(&format!("{}{}", &text[..place], &text[place + 1..])), "without {place}");
    }
    for added in ["A", "AAAA", "=", ".", "\n"] {
        assert!(!opens(&format!("{text}{added}")) && !opens(&format!("{added}{text}")));
    }
    assert!(opens(&text));
}

#[test]
fn rows_cannot_change_places_nor_owners() {
    let behind = Behind::new();
    let store = Encrypted::new(behind.clone(), Key::generate());
    let (one, two) = (create(&store, ann()), create(&store, ann()));
    let (text_of_one, text_of_two) = (kept(&behind, one), kept(&behind, two));
    plant(&behind, one, &text_of_two, Some("subject-1"));
    plant(&behind, two, &text_of_one, Some("subject-1"));
    expect_undecodable(load(&store, one), "belongs to another session");
    expect_undecodable(load(&store, two), "belongs to another session");
    for subject in [Some("subject-2"), Some("subject-"), Some(""), None] {
        plant(&behind, one, &text_of_one, subject);
        expect_undecodable(load(&store, one), "another session or subject");
    }
    plant(&behind, one, &text_of_one, Some("subject-1"));
    assert_eq!(load(&store, one).unwrap().unwrap().data, ann().data);
}

#[test]
fn s45_what_is_not_sealed_does_not_open_and_is_not_quoted() {
    let behind = Behind::new();
    let store = Encrypted::new(behind.clone(), Key::generate());
    let id = create(&store, ann());
    let cases = [
        ("", "not sealed"),
        ("{\"user\":\"hunter2\"}", "not sealed"),
        ("v2.hunter2.AAAA", "another version"),
        ("v1.hunter2", "not sealed"),
        ("v1.hunter2.AAAA", "names no key"),
        ("v1..", "names no key"),
        ("v1.0123456789abcdef.AAAA", "0123456789abcdef, which is not in the ring"),
    ];
    for (text, why) in cases {
        plant(&behind, id, text, Some("subject-1"));
        let outcome = load(&store, id);
        assert!(!format!("{:?}", outcome.as_ref().err()).contains("hunter2"), "{text}");
        expect_undecodable(outcome, why);
    }
}

#[test]
fn s46_data_of_another_type_does_not_decode_and_is_not_quoted() {
    let store = Encrypted::new(Behind::new(), Key::generate());
    let id = create(&store, Record::new(meta(None), "hunter2".to_owned()));
    let outcome = load(&store, id);
    assert!(!format!("{outcome:?}").contains("hunter2"));
    expect_undecodable(outcome, "line 1");
}

#[tokio::test]
async fn a_session_that_does_not_open_is_no_session_and_can_be_deleted() {
    let behind = Behind::new();
    let ring = Keyring::new(Key::generate());
    let app = App::new(Encrypted::new(behind.clone(), ring.clone()));
    let mut ann = app.log_in("ann").await;
    assert_eq!(ann.member().await, Some(Member::named("ann")));
    let old = ring.key_ids()[0];
    ring.roll_over(Key::generate());
    assert_eq!(ring.revoke(old), Ok(Revoked::Now));
    assert_eq!(ann.member().await, None);
    assert_eq!(behind.len(), 1, "it stays where it is");

    let id = create(&Encrypted::new(behind.clone(), Key::generate()), Record::new(meta(None), 7));
    let blind = Encrypted::new(behind, Key::generate());
    assert!(now_or_panic(Store::<i32>::load(&blind, id, START)).is_err());
    assert!(now_or_panic(Store::<i32>::delete(&blind, id, START)).unwrap());
}

// ---- keys ------------------------------------------------------------------------------------

#[test]
fn a_roll_over_seals_with_the_new_key_and_opens_with_the_old() {
    let behind = Behind::new();
    let (old, new) = (Key::generate(), Key::generate());
    let ring = Keyring::new(old.clone());
    let store = Encrypted::new(behind.clone(), ring.clone());
    let id = create(&store, ann());
    assert!(kept(&behind, id).starts_with(&format!("v1.{}.", old.id())));

    ring.roll_over(new.clone());
    assert_eq!(load(&store, id).unwrap().unwrap().data, ann().data);
    let mut next = ann();
    next.meta.version = 2;
    assert_eq!(now_or_panic(store.replace(id, 1, Arc::new(next), START)).unwrap(), Saved::Done);
    assert!(kept(&behind, id).starts_with(&format!("v1.{}.", new.id())));

    let second = Encrypted::new(behind, Keyring::new(old).also_accept(new));
    assert_eq!(load(&second, id).unwrap().unwrap().data, ann().data, "on a node not yet there");
}

#[test]
fn what_a_revoked_key_sealed_does_not_open() {
    let (old, new) = (Key::generate(), Key::generate());
    let ring = Keyring::new(new).also_accept(old.clone());
    let behind = Behind::new();
    let id = create(&Encrypted::new(behind.clone(), old.clone()), ann());
    let store = Encrypted::new(behind, ring.clone());
    assert!(load(&store, id).unwrap().is_some());
    assert_eq!(ring.revoke(old.id()), Ok(Revoked::Now));
    expect_undecodable(load(&store, id), &format!("{}, which is not in the ring", old.id()));
    ring.roll_over(old);
    assert!(load(&store, id).unwrap().is_some(), "it was never lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s12_no_update_is_lost_while_keys_roll_over() {
    let ring = Keyring::new(Key::generate());
    let app = App::new(Encrypted::new(Behind::new(), ring.clone()));
    let ann = app.log_in("ann").await;
    let mut tasks = tokio::task::JoinSet::new();
    for visit in 0..64 {
        let (mut ann, ring) = (ann.clone(), ring.clone());
        tasks.spawn(async move {
            if visit % 8 == 0 {
                ring.roll_over(Key::generate());
            }
            ann.visit(&count_visit()).await.status().as_u16()
        });
    }
    assert_eq!(tasks.join_all().await, [200; 64]);
    assert_eq!(ann.clone().member().await.unwrap().visits, 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn whatever_goes_in_comes_out(
        user in any::<String>(),
        counter in any::<u64>(),
        blob in any::<String>(),
        subject in any::<Option<String>>(),
    ) {
        let store = Encrypted::new(Behind::new(), Key::generate());
        let data = Sample::new(user).counting(counter).with_blob(blob);
        let id = create(&store, Record::new(meta(subject.as_deref()), data.clone()));
        let found = load(&store, id).unwrap().unwrap();
        prop_assert_eq!(&found.data, &data);
        prop_assert_eq!(found.meta.subject.as_deref(), subject.as_deref());
    }
}
