//! Whose session it is, whatever they are called.

use std::sync::Arc;

use super::case;
use crate::error::StoreErrorKind;
use crate::id::Id;
use crate::store::{Admission, Created, Limit, Revoke};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fresh_id, fresh_subject};

pub(super) const CASES: &[Case] = &[
    case!("S30", "odd subjects match themselves and nobody else", odd_subjects).with_index(),
    case!("S35", "no call for one subject sees or ends another's sessions", isolation).with_index(),
];

async fn odd_subjects(trial: Trial) {
    let bare: Vec<String> = SHAPES.iter().map(|shape| (*shape).to_owned()).collect();
    no_cross_match(&trial, &bare).await;
    let prefix = fresh_subject();
    let mut prefixed: Vec<String> = SHAPES.iter().map(|shape| format!("{prefix}{shape}")).collect();
    prefixed.push(format!("{prefix}{}", "x".repeat(10_000)));
    prefixed.push(format!("{prefix}{}y", "x".repeat(9_999)));
    no_cross_match(&trial, &prefixed).await;
}

async fn no_cross_match(trial: &Trial, subjects: &[String]) {
    let now = trial.at(1);
    let mut sessions = Vec::new();
    for subject in subjects {
        sessions.extend(session_of(trial, subject).await.map(|id| (subject, id)));
    }
    let nobodys = trial.keep(trial.record()).await;
    for (subject, own) in &sessions {
        let listed = trial.ids(subject, now).await;
        assert!(listed.contains(own), "{} is not listed", brief(subject));
        let strangers = sessions.iter().filter(|(_, id)| id != own && listed.contains(id));
        let strangers: Vec<_> = strangers.map(|(subject, _)| brief(subject)).collect();
        assert!(strangers.is_empty(), "{} also lists {strangers:?}", brief(subject));
        assert!(!listed.contains(&nobodys), "{} lists a session of nobody", brief(subject));
        assert_eq!(trial.count(subject, now).await, listed.len(), "count of {}", brief(subject));
    }
    for (place, (subject, own)) in sessions.iter().enumerate() {
        let revoked = trial.revoke(subject, Revoke::All, 1_000, now).await;
        assert!(revoked.ids.contains(own), "{} is not revoked", brief(subject));
        for (other, id) in sessions.iter().skip(place + 1) {
            assert!(!revoked.ids.contains(id), "{} ended {}", brief(subject), brief(other));
        }
        assert!(!trial.is_live(*own, now).await, "{} lives on", brief(subject));
    }
    assert!(trial.is_live(nobodys, now).await, "a session of nobody was ended");
}

/// A session of this subject, unless the store refuses to keep such a one: then nothing is kept.
async fn session_of(trial: &Trial, subject: &str) -> Option<Id> {
    let id = fresh_id();
    let record = Arc::new(trial.record_of(subject));
    let kind = match trial.store.create(id, record, Admission::OPEN, trial.start).await {
        Ok(created) => {
            let done = Created::Done { evicted: Vec::new(), replaced: false };
            assert_eq!(created, done, "{}", brief(subject));
            return Some(id);
        }
        Err(error) => error.kind(),
    };
    let forgivable = subject.contains('\0') || subject.len() > 255;
    assert!(forgivable, "{} was refused: {kind:?}", brief(subject));
    // Anything else would be answered 503 and tried again, in vain.
    let honest = matches!(kind, StoreErrorKind::TooLarge | StoreErrorKind::Unencodable);
    assert!(honest, "{} was refused as if the store had failed: {kind:?}", brief(subject));
    assert!(!trial.is_live(id, trial.start).await, "{} was refused, yet kept", brief(subject));
    None
}

fn brief(subject: &str) -> String {
    match subject.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", subject.get(..end).unwrap_or_default()),
        None => format!("{subject:?}"),
    }
}

async fn isolation(trial: Trial) {
    let (now, tenant) = (trial.at(1), fresh_subject());
    let (acme, globex) = (format!("{tenant}:acme/ann"), format!("{tenant}:globex/ann"));
    let mut theirs = Vec::new();
    for _ in 0..3 {
        theirs.push(trial.keep(trial.record_of(&globex)).await);
    }
    let ours = trial.keep(trial.record_of(&acme)).await;
    theirs.sort_unstable();
    trial.expect_ids(&acme, &[ours], now, "ours").await;
    trial.expect_ids(&globex, &theirs, now, "theirs").await;

    for which in [Revoke::One(theirs[0]), Revoke::Others(ours), Revoke::Others(theirs[1])] {
        trial.revoke(&acme, which, 10, now).await;
        trial.expect_ids(&globex, &theirs, now, &format!("theirs after our {which:?}")).await;
    }
    let id = fresh_id();
    trial
        .create(id, trial.record_of(&acme), Admission::OPEN.limited(Limit::evict_oldest(1)), now)
        .await;
    trial.revoke(&acme, Revoke::All, 10, now).await;
    trial.expect_ids(&acme, &[], now, "ours, all revoked").await;
    trial.expect_ids(&globex, &theirs, now, "theirs after our limit and our `All`").await;
}

const SHAPES: &[&str] = &[
    "",
    " ",
    "  ",
    "*",
    "**",
    "%",
    "_",
    "?",
    ":",
    "::",
    ".",
    "..",
    "../a",
    "/",
    "\\",
    "{}",
    "{a}",
    "{b}",
    "[a]",
    "(a)",
    "a",
    "A",
    "a ",
    " a",
    "aa",
    "ab",
    "a*",
    "a%",
    "a_",
    "a:",
    "a:b",
    "a,b",
    "a\nb",
    "a\0b",
    "a\0",
    "null",
    "NULL",
    "None",
    "0",
    "00",
    "-1",
    "true",
    "undefined",
    "é",
    "e\u{301}",
    "É",
    "ß",
    "ss",
    "ı",
    "i",
    "I",
    "İ",
    "\u{1f512}",
    "\u{1f513}",
    "\u{feff}",
    "'",
    "''",
    "' OR '1'='1",
    "\"",
    "'; DROP TABLE sessions; --",
    "$1",
    "?1",
    "${a}",
    "<a>",
    "\r\n",
];
