//! What is to be done, decided by pure functions: how a ticket stands to its record, what is due
//! for it, and what must be written and answered when the response is ready.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::expiry::{Expiry, wants_touch};
use crate::record::Meta;

/// How the generation of a presented ticket stands to the record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The newest ticket.
    Current,
    /// The newest ticket, which no client has presented yet: this request issued it, or came by
    /// one for a handshake.
    Unpresented,
    /// Its successor was issued but nobody has presented that yet: the response that carried it
    /// may have been lost.
    Previous,
    /// Its successor has been presented, moments ago: a request that was under way.
    InFlight,
    /// Its successor has been in use for longer than requests are under way: two parties hold
    /// this session.
    Outdated,
}

/// Where a ticket of generation `presented` stands.
///
/// A ticket newer than the record (restored from a backup, read from a lagging replica) is as
/// good as current: its tag proves that we issued it.
pub(crate) fn standing(meta: &Meta, presented: u32, grace: Duration, now: Timestamp) -> Standing {
    let behind = meta.generation.saturating_sub(presented);
    if behind == 0 {
        return Standing::Current;
    }
    if behind == 1 && !meta.confirmed {
        return Standing::Previous;
    }
    // Two behind is under way too, right after the application renewed by hand.
    if behind <= 2 && now.since(meta.renewed) < grace {
        return Standing::InFlight;
    }
    Standing::Outdated
}

/// Where a ticket stands that was accepted when its session was loaded, and is judged anew because
/// somebody else has written the session meanwhile. `arrived` is whether a client presented it.
///
/// However long the request takes, its ticket is not used again, only still: that is no theft. A
/// strict ticket is good for no more than one write, so there the other one has won.
pub(crate) fn standing_still(
    meta: &Meta,
    presented: u32,
    arrived: bool,
    expiry: &Expiry,
    now: Timestamp,
) -> Standing {
    match standing(meta, presented, expiry.grace, now) {
        Standing::Current if !arrived => Standing::Unpresented,
        Standing::Outdated if !expiry.strict => Standing::InFlight,
        other => other,
    }
}

/// What a session wants done although nobody edited it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Note the use.
    pub(crate) touch: bool,
    /// Note that the newest ticket has arrived.
    pub(crate) confirm: bool,
    /// Issue the next generation.
    pub(crate) renew: bool,
    /// Send the newest ticket (again).
    pub(crate) attach: bool,
}

impl Due {
    pub(crate) const NOTHING: Self =
        Self { touch: false, confirm: false, renew: false, attach: false };
}

/// What is due for a session whose ticket stands like this.
pub(crate) fn due(
    meta: &Meta,
    standing: Standing,
    old_key: bool,
    expiry: &Expiry,
    now: Timestamp,
) -> Due {
    let current = standing == Standing::Current;
    Due {
        touch: wants_touch(meta, now),
        confirm: current && !meta.confirmed,
        renew: current && meta.confirmed && expiry.wants_renewal(meta, now),
        attach: standing == Standing::Previous || (current && old_key),
    }
}

/// What the request came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// No ticket that verified.
    Without,
    /// A ticket whose session is gone; the client should forget it.
    Dead,
    /// The same, but the client may have logged in again meanwhile: unless this request is a
    /// log-out, it says nothing.
    Overtaken,
    /// A ticket of a session that is not good for this request and lives on.
    Void,
    /// A ticket that verified, for a session of which no more is known: the store failed, its
    /// record does not decode, or nobody wanted it loaded.
    Named,
    /// A ticket of a session that must end.
    Condemned,
    /// A live session.
    Live,
}

/// What the application asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Nothing, or edits that left everything as it was.
    Keep,
    /// Changed data.
    Edit,
    /// A session of its own.
    Create,
    /// The end, and then a session of its own.
    Restart,
    /// The end.
    Destroy,
}

/// How the inner service fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered.
    Answered,
    /// It answered that it failed (5xx): edits are not kept, the end of a session is.
    Failed,
    /// It gave no answer at all (`Err`).
    Errored,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Nothing,
    Touch,
    Replace,
    Create {
        /// The session that the request came with ends with it.
        replacing: bool,
    },
    Delete,
}

/// What to tell the client about its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Leave,
    Attach,
    Clear {
        /// The holder asked for it.
        logged_out: bool,
    },
}

/// What must be written, and what the client must be told. `renew` has been merged into `due`.
pub(crate) fn plan(came: Came, intent: Intent, due: Due, outcome: Outcome) -> (Write, Reply) {
    let intent = match (outcome, intent) {
        (Outcome::Answered, intent) => intent,
        // The end is kept when what was to follow it is not.
        (_, Intent::Destroy | Intent::Restart) => Intent::Destroy,
        (Outcome::Failed, _) => Intent::Keep,
        (Outcome::Errored, _) if came == Came::Condemned => Intent::Destroy,
        (Outcome::Errored, _) => return (Write::Nothing, Reply::Leave),
    };
    let logged_out = intent == Intent::Destroy;
    match (came, intent) {
        (_, Intent::Create | Intent::Restart) => {
            (Write::Create { replacing: replaces(came, intent) }, Reply::Attach)
        }
        (Came::Condemned, _) | (Came::Live | Came::Named | Came::Void, Intent::Destroy) => {
            (Write::Delete, Reply::Clear { logged_out })
        }
        (Came::Dead, _) | (Came::Overtaken, Intent::Destroy) => {
            (Write::Nothing, Reply::Clear { logged_out })
        }
        (Came::Without | Came::Overtaken | Came::Named | Came::Void, _) => {
            (Write::Nothing, Reply::Leave)
        }
        (Came::Live, Intent::Edit) => (Write::Replace, ticket(due)),
        (Came::Live, Intent::Keep) if due.confirm || due.renew => (Write::Replace, ticket(due)),
        // No ticket is sent on the strength of what was loaded: the session may have been ended
        // since, and the client have a new one. The store is asked by noting the use.
        (Came::Live, Intent::Keep) if due.touch || due.attach => (Write::Touch, ticket(due)),
        (Came::Live, Intent::Keep) => (Write::Nothing, Reply::Leave),
    }
}

/// Whether a new session takes the place of the one that the request came with. One that is not
/// good for this request is somebody else's affair, unless it was to end first.
const fn replaces(came: Came, intent: Intent) -> bool {
    match came {
        Came::Live | Came::Named | Came::Condemned => true,
        Came::Void => matches!(intent, Intent::Restart),
        Came::Without | Came::Dead | Came::Overtaken => false,
    }
}

const fn ticket(due: Due) -> Reply {
    if due.renew || due.attach { Reply::Attach } else { Reply::Leave }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(secs: u32) -> Timestamp {
        Timestamp::from_millis(1_000_000).plus(SECOND * secs)
    }

    fn meta(generation: u32, confirmed: bool) -> Meta {
        let mut meta = Meta::new(at(0), SECOND * 1800, SECOND * 43_200);
        meta.generation = generation;
        meta.confirmed = confirmed;
        meta
    }

    #[test]
    fn s23_a_ticket_stands_by_its_generation_confirmation_and_grace() {
        use Standing::{Current, InFlight, Outdated, Previous};
        let cases = [
            ("the newest", 3, true, 3, 99, Current),
            ("newer than the record (a restored backup)", 3, true, 4, 99, Current),
            ("the newest, not yet confirmed", 3, false, 3, 99, Current),
            ("the one before an unconfirmed one, however late", 3, false, 2, 99_999, Previous),
            ("the one before a confirmed one, within the grace", 3, true, 2, 29, InFlight),
            ("the one before a confirmed one, grace over", 3, true, 2, 30, Outdated),
            ("two before, renewed by hand a moment ago", 3, false, 1, 29, InFlight),
            ("two before", 3, false, 1, 30, Outdated),
            ("three before", 3, true, 0, 1, Outdated),
        ];
        for (name, generation, confirmed, presented, now, expected) in cases {
            let meta = meta(generation, confirmed);
            assert_eq!(standing(&meta, presented, SECOND * 30, at(now)), expected, "{name}");
        }
    }

    #[test]
    fn r38_what_is_due_follows_standing_and_time() {
        let expiry = Expiry::default();
        let nothing = Due::NOTHING;
        let cases = [
            ("fresh", 0, true, Standing::Current, false, 1, nothing),
            (
                "used a while ago",
                0,
                true,
                Standing::Current,
                false,
                60,
                Due { touch: true, ..nothing },
            ),
            (
                "under an old key",
                0,
                true,
                Standing::Current,
                true,
                1,
                Due { attach: true, ..nothing },
            ),
            (
                "renewal is due",
                0,
                true,
                Standing::Current,
                false,
                900,
                Due { touch: true, renew: true, ..nothing },
            ),
            (
                "first use of the new ticket",
                1,
                false,
                Standing::Current,
                false,
                1,
                Due { confirm: true, ..nothing },
            ),
            (
                "unconfirmed: never two ahead",
                1,
                false,
                Standing::Previous,
                false,
                900,
                Due { touch: true, attach: true, ..nothing },
            ),
            ("in flight gets no ticket", 1, true, Standing::InFlight, true, 1, nothing),
        ];
        for (name, generation, confirmed, standing, old_key, now, expected) in cases {
            let meta = meta(generation, confirmed);
            assert_eq!(due(&meta, standing, old_key, &expiry, at(now)), expected, "{name}");
        }
    }

    #[test]
    fn a_ticket_that_was_accepted_is_still_good_when_others_have_written() {
        use Standing::{Current, InFlight, Outdated, Previous, Unpresented};
        let (lax, strict) = (Expiry::default(), Expiry::default().without_renewal().strict());
        let cases = [
            ("the newest", &lax, 1, true, 1, true, 99, Current),
            ("the newest, issued by this request", &lax, 1, false, 1, false, 99, Unpresented),
            ("its successor is unconfirmed", &lax, 1, false, 0, true, 99, Previous),
            ("a slow request", &lax, 1, true, 0, true, 30, InFlight),
            ("a very slow one", &lax, 3, true, 0, true, 9_999, InFlight),
            ("strict: spent by another", &strict, 1, true, 0, true, 0, Outdated),
            ("strict: the newest", &strict, 1, true, 1, true, 99, Current),
        ];
        for (name, expiry, generation, confirmed, presented, arrived, now, expected) in cases {
            let meta = meta(generation, confirmed);
            let found = standing_still(&meta, presented, arrived, expiry, at(now));
            assert_eq!(found, expected, "{name}");
        }
        let unpresented = meta(1, false);
        let due = due(&unpresented, Unpresented, true, &lax, at(9_999));
        assert_eq!(due, Due { touch: true, ..Due::NOTHING }, "nobody has seen that ticket");
    }

    #[test]
    fn the_plan_follows_from_what_came_what_was_asked_and_how_it_went() {
        use Came::{Condemned, Dead, Live, Named, Overtaken, Void, Without};
        use Intent::{Create, Destroy, Edit, Keep, Restart};
        use Outcome::{Answered, Errored, Failed};
        use Reply::{Attach, Leave};
        use Write::{Delete, Nothing, Replace, Touch};
        const FORGET: Reply = Reply::Clear { logged_out: false };
        const LOG_OUT: Reply = Reply::Clear { logged_out: true };
        const BESIDE: Write = Write::Create { replacing: false };
        const INSTEAD: Write = Write::Create { replacing: true };
        let none = Due::NOTHING;
        let touch = Due { touch: true, ..none };
        let renew = Due { renew: true, ..none };
        let confirm = Due { confirm: true, ..none };
        let resend = Due { attach: true, ..none };
        let cases = [
            ("anonymous, untouched", Without, Keep, none, Answered, Nothing, Leave),
            ("c17 log out without a session", Without, Destroy, none, Answered, Nothing, Leave),
            ("log in", Without, Create, none, Answered, BESIDE, Attach),
            ("log out, then in", Without, Restart, none, Answered, BESIDE, Attach),
            ("log in over a session", Live, Create, none, Answered, INSTEAD, Attach),
            ("log out, then in over it", Live, Restart, none, Answered, INSTEAD, Attach),
            ("5xx keeps the end of both", Live, Restart, none, Failed, Delete, LOG_OUT),
            ("and so does an error", Live, Restart, none, Errored, Delete, LOG_OUT),
            ("log in over a dead one", Dead, Create, none, Answered, BESIDE, Attach),
            ("a dead ticket is cleared", Dead, Keep, none, Answered, Nothing, FORGET),
            ("log out of a dead one", Dead, Destroy, none, Answered, Nothing, LOG_OUT),
            ("in the background it stays", Overtaken, Keep, none, Answered, Nothing, Leave),
            ("a log-out is meant", Overtaken, Destroy, none, Answered, Nothing, LOG_OUT),
            ("also when it fails", Overtaken, Destroy, none, Failed, Nothing, LOG_OUT),
            ("log in, overtaken", Overtaken, Create, none, Answered, BESIDE, Attach),
            ("a reused ticket ends it", Condemned, Keep, none, Answered, Delete, FORGET),
            ("also when the handler fails", Condemned, Keep, none, Failed, Delete, FORGET),
            ("also when it errs", Condemned, Keep, none, Errored, Delete, LOG_OUT),
            ("or logs out", Condemned, Destroy, none, Answered, Delete, LOG_OUT),
            ("log in over it", Condemned, Create, none, Answered, INSTEAD, Attach),
            ("read only", Live, Keep, none, Answered, Nothing, Leave),
            ("read, touch due", Live, Keep, touch, Answered, Touch, Leave),
            ("edit", Live, Edit, touch, Answered, Replace, Leave),
            ("edit and renew in one write", Live, Edit, renew, Answered, Replace, Attach),
            ("renew", Live, Keep, renew, Answered, Replace, Attach),
            ("confirm", Live, Keep, confirm, Answered, Replace, Leave),
            ("resend a lost ticket, if it lives", Live, Keep, resend, Answered, Touch, Attach),
            ("log out", Live, Destroy, renew, Answered, Delete, LOG_OUT),
            ("log out of one unseen", Named, Destroy, none, Answered, Delete, LOG_OUT),
            ("err keeps it too", Named, Destroy, none, Errored, Delete, LOG_OUT),
            ("and nothing else", Named, Keep, none, Answered, Nothing, Leave),
            ("log in over one unseen", Named, Create, none, Answered, INSTEAD, Attach),
            ("a void one lives on", Void, Keep, none, Answered, Nothing, Leave),
            ("beside another", Void, Create, none, Answered, BESIDE, Attach),
            ("unless it is to end", Void, Destroy, none, Answered, Delete, LOG_OUT),
            ("before the other", Void, Restart, none, Answered, INSTEAD, Attach),
            ("5xx drops edits", Live, Edit, none, Failed, Nothing, Leave),
            ("5xx drops a login", Without, Create, none, Failed, Nothing, Leave),
            ("5xx keeps a log-out", Live, Destroy, none, Failed, Delete, LOG_OUT),
            ("err keeps a log-out", Live, Destroy, none, Errored, Delete, LOG_OUT),
            ("err writes nothing else", Live, Edit, touch, Errored, Nothing, Leave),
        ];
        for (name, came, intent, due, outcome, write, reply) in cases {
            assert_eq!(plan(came, intent, due, outcome), (write, reply), "{name}");
        }
    }
}
