//! Uses are noted, but not every one.

use super::case;
use crate::testkit::conformance::app::{App, THROTTLE, TICK, Visitor, expiry};
use crate::testkit::conformance::suite::Case;
use crate::testkit::conformance::trial::{ABSOLUTE, IDLE, Trial, fresh_subject, minutes};

pub(in crate::testkit::conformance::cases) const CASES: &[Case] =
    &[case!("S42", "many reads within a minute are one write at most, and it counts", throttled)];

const READS: u64 = 50;

async fn throttled(trial: Trial) {
    let app = App::with(&trial, |layer| layer.expiry(expiry().without_renewal()));
    let (mut visitor, id) = app.member(&fresh_subject()).await;
    let before = app.store.calls().writes();
    let noted = || app.store.calls().writes() - before;

    read(&mut visitor, READS).await;
    app.clock.advance(THROTTLE - TICK);
    read(&mut visitor, READS).await;
    assert_eq!(noted(), 0, "writes by reads right after a login");

    app.clock.advance(TICK);
    let at = app.now();
    read(&mut visitor, READS).await;
    app.clock.advance(THROTTLE - TICK);
    read(&mut visitor, READS).await;
    assert_eq!((noted(), app.store.calls().touch), (1, 1), "writes by reads within the throttle");
    if let Some(record) = app.kept(id).await {
        let meta = &record.meta;
        assert_eq!((meta.last_seen(), meta.version), (at, 1), "last use and version after it");
    }

    // The deadline counts from there, and has moved for those who come by just in time.
    app.clock.set(at.plus(IDLE - TICK).into());
    read(&mut visitor, 1).await;
    let absolute = trial.start.plus(ABSOLUTE);
    while app.now().plus(IDLE) < absolute {
        app.clock.advance(minutes(20));
        read(&mut visitor, 1).await;
    }
    app.clock.set(absolute.plus(TICK).into());
    app.clock.rewind(TICK + TICK);
    read(&mut visitor, 1).await;
    app.clock.advance(TICK);
    assert_eq!(visitor.look().await.ok("a read"), None, "used until the end, and beyond it");
}

async fn read(visitor: &mut Visitor, times: u64) {
    for _ in 0..times {
        let reply = visitor.look().await;
        assert_eq!(reply.sent, None, "a read sends a ticket");
        assert!(reply.ok("a read").is_some(), "a session that is in use has ended");
    }
}
