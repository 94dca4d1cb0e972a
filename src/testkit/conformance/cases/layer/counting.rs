//! No update is lost between two requests.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::case;
use crate::testkit::Operation;
use crate::testkit::conformance::app::{App, THROTTLE};
use crate::testkit::conformance::crowd::{in_turns, together};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{Trial, fail, fresh_subject};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] = &[case!(
    "L1",
    "as many requests that add one and a field at once end at that number",
    no_request_is_lost
)];

async fn no_request_is_lost(trial: Trial) {
    among_many(&trial).await;
    beside_a_read(&trial).await;
    beside_a_write(&trial).await;
}

async fn among_many(trial: &Trial) {
    let (app, many) = (App::new(trial), trial.scale.tasks);
    let (mut visitor, id) = app.member(&fresh_subject()).await;
    let all_have_read = Arc::new(Barrier::new(many));
    let replies = together((0..many).map(|place| {
        let (mut visitor, all_have_read) = (visitor.clone(), Arc::clone(&all_have_read));
        async move {
            visitor
                .visit(move |session| async move {
                    let seen = session.get().map(|data| data.counter);
                    all_have_read.wait().await;
                    let added = session.update(move |data| {
                        data.counter += 1;
                        data.tags.insert(format!("field {place}"), String::new());
                    });
                    added.unwrap_or_else(|error| fail(&format!("update: {error}")));
                    seen
                })
                .await
                .ok("one of many updates at once")
        }
    }))
    .await;
    assert!(replies.iter().all(|seen| *seen == Some(0)), "all began with the same: {replies:?}");

    let kept = visitor.look().await.ok("after many updates at once").unwrap_or_default();
    let counted = usize::try_from(kept.counter).unwrap_or_default();
    assert_eq!((counted, kept.tags.len()), (many, many), "updates that were answered 200");
    let version = app.kept(id).await.map_or(0, |record| record.meta.version);
    assert_eq!(usize::try_from(version), Ok(many + 1), "every update is a version");

    let emptied = visitor.visit(|session| async move {
        drop(session.update(|data| data.tags.clear()));
    });
    emptied.await.ok("an update that removes fields");
    let kept = visitor.look().await.ok("after fields were removed").unwrap_or_default();
    assert_eq!(kept.tags.len(), 0, "fields that were removed");
}

/// A read is noted while another request writes.
async fn beside_a_read(trial: &Trial) {
    let app = App::new(trial);
    let (mut reader, _) = app.member(&fresh_subject()).await;
    let mut writer = reader.clone();
    app.clock.advance(THROTTLE);
    let (read, counted) = in_turns(reader.look(), writer.count()).await;
    assert!(read.ok("a read").is_some(), "a session that is in use has ended");
    assert_eq!(counted.ok("an update"), Ok(1), "an update beside a read");
    let kept = writer.look().await.ok("after both").unwrap_or_default();
    assert_eq!(kept.counter, 1, "an update that was answered 200, beside a read that was noted");
}

/// A request writes what it loaded a while ago, and a read was noted since.
async fn beside_a_write(trial: &Trial) {
    let app = App::new(trial);
    let (mut writer, id) = app.member(&fresh_subject()).await;
    let (mut reader, clock) = (writer.clone(), app.clock.clone());
    app.store.before(Operation::Replace, async move {
        clock.advance(THROTTLE);
        reader.look().await.served("a read that is noted");
    });
    assert_eq!(writer.count().await.ok("an update"), Ok(1), "a slow update");
    let last_seen = app.kept(id).await.map(|record| record.meta.last_seen());
    assert_eq!(last_seen, Some(app.now()), "the last use, after a write that began before it");
}
