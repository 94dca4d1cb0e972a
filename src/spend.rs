//! Single-use tickets: issued by a session, good for one handshake.

use std::sync::Arc;
use std::time::Duration;

use crate::answer::StoreAnswer;
use crate::client::Client;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::entry::Presented;
use crate::error::{StoreError, StoreErrorKind};
use crate::event::{Event, Rejection};
use crate::id::Id;
use crate::plan::Due;
use crate::record::{Record, SessionData};
use crate::session::{Base, Live, Status};
use crate::shared::Shared;
use crate::store::Saved;
use crate::wait::Timed;

/// How long one is good for.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30);

/// How many of one session may wait to be used; the oldest makes way.
const OUTSTANDING: usize = 8;

/// How often spending is tried again because somebody else wrote the session.
const ATTEMPTS: u32 = 32;

/// Notes a single-use ticket in the record.
pub(crate) fn issue<T>(record: &mut Record<T>, number: u32, now: Timestamp) {
    edit(record, |context| {
        let waiting = &mut context.handshakes;
        waiting.retain(|(_, until)| *until > now);
        if waiting.len() >= OUTSTANDING {
            waiting.remove(0);
        }
        waiting.push((number, now.plus(LIFETIME)));
    });
}

/// Takes it out again; whether it was there and good.
fn spend<T>(record: &mut Record<T>, number: u32, now: Timestamp) -> bool {
    let mut good = false;
    edit(record, |context| {
        context.handshakes.retain(|(other, until)| {
            good |= *other == number && *until > now;
            *other != number && *until > now
        });
    });
    good
}

fn edit<T>(record: &mut Record<T>, act: impl FnOnce(&mut Context)) {
    let mut context = record.meta.context.as_deref().cloned().unwrap_or_default();
    act(&mut context);
    record.meta.context = (context != Context::default()).then(|| Arc::new(context));
}

impl<T: SessionData> Shared<T> {
    /// The session behind a single-use ticket, which is then used up. Of several requests with the
    /// same ticket one gets it, on whatever node they arrive.
    pub(crate) async fn spend(
        &self,
        mut record: Arc<Record<T>>,
        presented: Presented,
        client: Option<&Arc<Client>>,
        mut now: Timestamp,
    ) -> Result<Base<T>, StoreError> {
        let id = presented.ticket.id;
        for _ in 0..ATTEMPTS {
            let mut after = Record::clone(&record);
            if !spend(&mut after, presented.ticket.generation, now) {
                return Ok(self.spent(id, Rejection::Spent, client));
            }
            after.meta.version = record.meta.version + 1;
            after.meta.touch(now);
            let after = Arc::new(after);
            let saved = self.store.replace(id, record.meta.version, Arc::clone(&after), now);
            match self.within(saved).await? {
                Saved::Done => {
                    // The client has shown no ticket of the session itself.
                    let (presented, arrived) = (after.meta.generation, false);
                    // What is owed to the client goes out by the first transport.
                    let (via, old_key, doubted) = (0, false, false);
                    let due = Due::NOTHING;
                    let record = after;
                    return Ok(Base::Live(Live {
                        id,
                        record,
                        due,
                        via,
                        presented,
                        arrived,
                        old_key,
                        now,
                        doubted,
                    }));
                }
                Saved::Gone => return Ok(self.spent(id, Rejection::Gone, client)),
                Saved::Stale => {}
            }
            now = self.now();
            match self.within(self.store.load(id, now)).await? {
                Some(newer) if newer.meta.is_live(now) => record = newer,
                _ => return Ok(self.spent(id, Rejection::Gone, client)),
            }
        }
        Err(StoreError::new(StoreErrorKind::Timeout))
    }

    async fn within<V>(&self, answer: StoreAnswer<V>) -> Result<V, StoreError> {
        let answer = Timed::new(answer, &*self.clock, self.store_timeout).await;
        answer.inspect_err(|error| self.store_failed("spend", error))
    }

    /// No session, for one that cannot be had by this ticket.
    pub(crate) fn spent(&self, id: Id, reason: Rejection, client: Option<&Arc<Client>>) -> Base<T> {
        let client = client.map(|client| &**client);
        self.tell(Event::Rejected { reason, id: Some(id), client });
        Base::without(Status::Rejected(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Meta;

    #[test]
    fn a_ticket_is_good_once_and_not_for_long() {
        let start = Timestamp::from_millis(1_000_000);
        let hour = Duration::from_secs(3600);
        let mut record = Record::new(Meta::new(start, hour, hour), ());
        assert!(!spend(&mut record, 7, start), "never issued");
        issue(&mut record, 7, start);
        issue(&mut record, 8, start);
        assert!(spend(&mut record, 7, start));
        assert!(!spend(&mut record, 7, start), "used");
        assert!(!spend(&mut record, 8, start.plus(LIFETIME)), "too late");
        assert_eq!(record.meta.context, None, "nothing is left behind");
        for number in 0..20 {
            issue(&mut record, number, start);
        }
        assert!(!spend(&mut record, 11, start), "made way");
        assert!(spend(&mut record, 12, start));
    }
}
