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
    /// A ticket of a session that must end.
    Condemned,
    /// A ticket that verified, for a session that nobody has loaded.
    Named,
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
    Create,
    Delete,
}

/// What to tell the client about its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Leave,
    Attach,
    Clear,
}

/// What must be written, and what the client must be told. `renew` has been merged into `due`.
pub(crate) fn plan(came: Came, intent: Intent, due: Due, outcome: Outcome) -> (Write, Reply) {
    let intent = match (outcome, intent) {
        (Outcome::Answered, intent) => intent,
        (_, Intent::Destroy) => Intent::Destroy,
        (Outcome::Failed, _) => Intent::Keep,
        (Outcome::Errored, _) if came == Came::Condemned => Intent::Destroy,
        (Outcome::Errored, _) => return (Write::Nothing, Reply::Leave),
    };
    match (came, intent) {
        (_, Intent::Create) => (Write::Create, Reply::Attach),
        (Came::Condemned, _) | (Came::Live | Came::Named, Intent::Destroy) => {
            (Write::Delete, Reply::Clear)
        }
        (Came::Without | Came::Named, _) => (Write::Nothing, Reply::Leave),
        (Came::Dead, _) => (Write::Nothing, Reply::Clear),
        (Came::Live, Intent::Edit) => (Write::Replace, ticket(due)),
        (Came::Live, Intent::Keep) if due.confirm || due.renew => (Write::Replace, ticket(due)),
        (Came::Live, Intent::Keep) if due.touch => (Write::Touch, ticket(due)),
        (Came::Live, Intent::Keep) => (Write::Nothing, ticket(due)),
    }
}

fn ticket(due: Due) -> Reply {
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
    fn the_plan_follows_from_what_came_what_was_asked_and_how_it_went() {
        use Came::{Condemned, Dead, Live, Named, Without};
        use Intent::{Create, Destroy, Edit, Keep};
        use Outcome::{Answered, Errored, Failed};
        let nothing = Due::NOTHING;
        let touch = Due { touch: true, ..nothing };
        let renew = Due { renew: true, ..nothing };
        let confirm = Due { confirm: true, ..nothing };
        let resend = Due { attach: true, ..nothing };
        let cases = [
            (
                "anonymous, untouched",
                Without,
                Keep,
                nothing,
                Answered,
                Write::Nothing,
                Reply::Leave,
            ),
            (
                "c17 logout without a session",
                Without,
                Destroy,
                nothing,
                Answered,
                Write::Nothing,
                Reply::Leave,
            ),
            ("log in", Without, Create, nothing, Answered, Write::Create, Reply::Attach),
            (
                "log in over a session",
                Live,
                Create,
                nothing,
                Answered,
                Write::Create,
                Reply::Attach,
            ),
            (
                "log in over a dead one",
                Dead,
                Create,
                nothing,
                Answered,
                Write::Create,
                Reply::Attach,
            ),
            (
                "a dead ticket is cleared",
                Dead,
                Keep,
                nothing,
                Answered,
                Write::Nothing,
                Reply::Clear,
            ),
            (
                "logout of a dead one",
                Dead,
                Destroy,
                nothing,
                Answered,
                Write::Nothing,
                Reply::Clear,
            ),
            (
                "a reused ticket ends its session",
                Condemned,
                Keep,
                nothing,
                Answered,
                Write::Delete,
                Reply::Clear,
            ),
            (
                "also when the handler fails",
                Condemned,
                Keep,
                nothing,
                Failed,
                Write::Delete,
                Reply::Clear,
            ),
            ("also when it errs", Condemned, Keep, nothing, Errored, Write::Delete, Reply::Clear),
            ("read only", Live, Keep, nothing, Answered, Write::Nothing, Reply::Leave),
            ("read, touch due", Live, Keep, touch, Answered, Write::Touch, Reply::Leave),
            ("edit", Live, Edit, touch, Answered, Write::Replace, Reply::Leave),
            (
                "edit and renew in one write",
                Live,
                Edit,
                renew,
                Answered,
                Write::Replace,
                Reply::Attach,
            ),
            ("renew", Live, Keep, renew, Answered, Write::Replace, Reply::Attach),
            ("confirm", Live, Keep, confirm, Answered, Write::Replace, Reply::Leave),
            ("resend a lost ticket", Live, Keep, resend, Answered, Write::Nothing, Reply::Attach),
            ("logout", Live, Destroy, renew, Answered, Write::Delete, Reply::Clear),
            (
                "logout of a session unseen",
                Named,
                Destroy,
                nothing,
                Answered,
                Write::Delete,
                Reply::Clear,
            ),
            ("err keeps it too", Named, Destroy, nothing, Errored, Write::Delete, Reply::Clear),
            ("and nothing else", Named, Keep, nothing, Answered, Write::Nothing, Reply::Leave),
            ("log in over it", Named, Create, nothing, Answered, Write::Create, Reply::Attach),
            ("5xx drops edits", Live, Edit, nothing, Failed, Write::Nothing, Reply::Leave),
            ("5xx drops a login", Without, Create, nothing, Failed, Write::Nothing, Reply::Leave),
            ("5xx keeps a logout", Live, Destroy, nothing, Failed, Write::Delete, Reply::Clear),
            ("err keeps a logout", Live, Destroy, nothing, Errored, Write::Delete, Reply::Clear),
            ("err writes nothing else", Live, Edit, touch, Errored, Write::Nothing, Reply::Leave),
        ];
        for (name, came, intent, due, outcome, write, reply) in cases {
            assert_eq!(plan(came, intent, due, outcome), (write, reply), "{name}");
        }
    }
}
