//! Data of every size and content.

use std::sync::Arc;

use super::case;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::store::{Admission, Created, Saved};
use crate::testkit::Sample;
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fail, fresh_id};

pub(super) const CASES: &[Case] =
    &[case!("S44", "data of any content comes back, or is refused with a typed error", payloads)];

async fn payloads(trial: Trial) {
    for (what, data) in samples() {
        let fresh = fresh_id();
        created(&trial, fresh, what, &data).await;
        let id = trial.keep(trial.record()).await;
        replaced(&trial, id, what, &data).await;
    }
}

fn samples() -> Vec<(&'static str, Sample)> {
    let new = || Sample::new("ann");
    vec![
        ("nothing at all", Sample::default()),
        ("text of 1 MiB", new().with_blob("0123456789abcdef".repeat(65_536))),
        ("text of 1 MiB beyond ASCII", new().with_blob("\u{1f512}".repeat(262_144))),
        ("NUL characters", new().with_blob("\0a\0").tagged("\0", "\0")),
        ("control characters", new().with_blob((1..0x20).map(char::from).collect::<String>())),
        ("quotes and backslashes", new().with_blob(r#"'"\ \" \u0000 ''; -- $1 ?1 %s {}"#)),
        ("emoji and marks", new().with_blob("👩‍👩‍👧 é e\u{301} \u{202e}abc \u{feff} \u{ffff}")),
        ("odd keys", new().tagged("", "empty").tagged("a.b", "dot").tagged("$set", "dollar")),
        (
            "keys that differ in case and form",
            new().tagged("K", "1").tagged("k", "2").tagged("é", "3").tagged("e\u{301}", "4"),
        ),
        ("a thousand keys", (0..1_000).fold(new(), |data, key| data.tagged(key.to_string(), "x"))),
        ("the largest number", new().counting(u64::MAX)),
        ("a number beyond 53 bits", new().counting((1 << 53) + 1)),
        ("lists a hundred deep", new().nested(100)),
        // Just what serde_json reads (the sample around them counts), one more, and far too many.
        ("lists 126 deep", new().nested(126)),
        ("lists 127 deep", new().nested(127)),
        ("lists a thousand deep", new().nested(1_000)),
    ]
}

async fn created(trial: &Trial, id: Id, what: &str, data: &Sample) {
    let mut record = trial.record();
    record.data = data.clone();
    match trial.store.create(id, Arc::new(record), Admission::OPEN, trial.start).await {
        Ok(Created::Done { .. }) => expect(trial, id, what, data).await,
        Ok(other) => fail(&format!("{what}: create answered {other:?}")),
        Err(error) => {
            refused(&error, what);
            assert!(!trial.is_live(id, trial.start).await, "{what}: refused, and yet there");
        }
    }
}

async fn replaced(trial: &Trial, id: Id, what: &str, data: &Sample) {
    let mut record = trial.record();
    (record.data, record.meta.version) = (data.clone(), 2);
    match trial.store.replace(id, 1, Arc::new(record), trial.start).await {
        Ok(Saved::Done) => expect(trial, id, what, data).await,
        Ok(other) => fail(&format!("{what}: replace answered {other:?}")),
        Err(error) => {
            refused(&error, what);
            expect(trial, id, what, &trial.record().data).await;
        }
    }
}

async fn expect(trial: &Trial, id: Id, what: &str, data: &Sample) {
    // Not `assert_eq`: nobody wants to read a megabyte.
    assert!(trial.find(id, trial.start).await.data == *data, "{what}: came back changed");
}

fn refused(error: &StoreError, what: &str) {
    let typed = matches!(error.kind(), StoreErrorKind::TooLarge | StoreErrorKind::Unencodable);
    assert!(typed, "{what}: refused, but neither as TooLarge nor as Unencodable: {error:?}");
}
