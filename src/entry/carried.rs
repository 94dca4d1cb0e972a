//! The way in where the ticket brings the session with it.

use std::sync::Arc;

use super::{Entry, Fetching, Loading, Presented, is_clearable};
use crate::answer::{Answer, StoreAnswer};
use crate::client::Client;
use crate::clock::Timestamp;
use crate::codec::Ticket;
use crate::error::{StoreError, StoreErrorKind};
use crate::event::Rejection;
use crate::head::Head;
use crate::record::{Record, SessionData};
use crate::refusal::Refusal;
use crate::session::Unread;
use crate::shared::Shared;
use crate::tickets::Tickets;
use crate::transport::Candidates;
use crate::wait::Timed;

/// What the candidates of a request turned out to be.
enum Brought<T> {
    Nothing,
    Rejected(Rejection),
    /// What is in a ticket may not decode as the layer's type: then it only says whose it is.
    Session(Presented, Option<Arc<Record<T>>>),
}

impl<T: SessionData> Shared<T> {
    pub(super) fn enter_carried(
        self: &Arc<Self>,
        tickets: &Tickets<T>,
        head: Head<'_>,
        client: Option<&Arc<Client>>,
    ) -> Entry<T> {
        let who = client.map(|client| &**client);
        let mut brought = Brought::Nothing;
        for (via, bound) in (0..).zip(&self.transports) {
            let mut found = Candidates::new();
            bound.transport.find(head.headers, &mut found);
            let values = found.as_slice().iter().copied();
            if self.take(tickets, via, values, &mut brought) {
                break;
            }
        }
        let (presented, record) = match brought {
            Brought::Nothing => return Entry::Known(self.without(None, who)),
            Brought::Rejected(reason) => return Entry::Known(self.without(Some(reason), who)),
            Brought::Session(presented, record) => (presented, record),
        };
        let now = self.now();
        let clearable = is_clearable(head.headers);
        match look_up(tickets, presented, record, now).now_or_later() {
            Ok(loaded) => {
                let asker = (head.headers, client);
                match self.admit(presented, loaded, now, clearable, asker).now_or_later() {
                    Ok(Ok(base)) => Entry::Known(base),
                    Ok(Err(_)) => Entry::Refused(Refusal::StoreUnavailable),
                    Err(later) => Entry::Later(Loading::Verdict(later)),
                }
            }
            Err(answer) => {
                let answer = Timed::new(answer, &*self.clock, self.store_timeout);
                Entry::Later(Loading::Record { answer, presented, now, clearable })
            }
        }
    }

    /// The same for a lazy request.
    pub(super) fn load_carried(
        &self,
        tickets: &Tickets<T>,
        unread: &Unread,
    ) -> Result<Fetching<T>, Option<Rejection>> {
        match self.bring(tickets, unread) {
            Brought::Nothing => Err(None),
            Brought::Rejected(reason) => Err(Some(reason)),
            Brought::Session(presented, record) => {
                let now = self.now();
                Ok((presented, look_up(tickets, presented, record, now), now))
            }
        }
    }

    /// What a lazy request's candidates name, without asking whether it was ended.
    pub(super) fn verify_carried(
        &self,
        tickets: &Tickets<T>,
        unread: &Unread,
    ) -> Result<Presented, Option<Rejection>> {
        match self.bring(tickets, unread) {
            Brought::Nothing => Err(None),
            Brought::Rejected(reason) => Err(Some(reason)),
            Brought::Session(presented, _) => Ok(presented),
        }
    }

    fn bring(&self, tickets: &Tickets<T>, unread: &Unread) -> Brought<T> {
        let mut brought = Brought::Nothing;
        for via in (0..).take(self.transports.len()) {
            let values = unread.candidates.as_slice().iter().filter(|(of, _)| *of == via);
            let values = values.map(|(_, text)| text.as_bytes());
            if self.take(tickets, via, values, &mut brought) {
                break;
            }
        }
        brought
    }

    /// Opens one transport's candidates, and says whether no other is to be asked. Of several of
    /// one session the newest counts; of several sessions none.
    #[expect(single_use_lifetimes, reason = "an `impl Trait` argument cannot elide it")]
    fn take<'v>(
        &self,
        tickets: &Tickets<T>,
        via: u8,
        values: impl Iterator<Item = &'v [u8]>,
        brought: &mut Brought<T>,
    ) -> bool {
        let Some(bound) = self.transports.get(usize::from(via)) else { return true };
        let mut here = Brought::Nothing;
        for value in values {
            let opened = tickets.open(bound.transport.purpose(), value);
            here = match (opened, here) {
                (Err(reason), Brought::Nothing) => Brought::Rejected(reason),
                (Err(_), here) => here,
                (Ok((id, ..)), Brought::Session(best, _)) if best.ticket.id != id => {
                    *brought = Brought::Rejected(Rejection::Ambiguous);
                    return true;
                }
                (Ok((_, record, _)), Brought::Session(best, at))
                    if age(record.as_ref()) <= age(at.as_ref()) =>
                {
                    Brought::Session(best, at)
                }
                (Ok((id, record, old_key)), _) => {
                    let generation = record.as_ref().map_or(0, |record| record.meta.generation);
                    let ticket = Ticket { id, generation };
                    Brought::Session(Presented { ticket, old_key, via }, record)
                }
            };
        }
        match (here, &brought) {
            (Brought::Nothing, _) => false,
            (Brought::Rejected(reason), Brought::Nothing) => {
                *brought = Brought::Rejected(reason);
                self.first_present
            }
            (Brought::Rejected(_), _) => self.first_present,
            (session @ Brought::Session(..), _) => {
                *brought = session;
                true
            }
        }
    }
}

/// The record that was in a ticket, unless its session has ended.
fn look_up<T: SessionData>(
    tickets: &Tickets<T>,
    presented: Presented,
    record: Option<Arc<Record<T>>>,
    now: Timestamp,
) -> StoreAnswer<Option<Arc<Record<T>>>> {
    match record {
        Some(record) => tickets.check(presented.ticket.id, record, now),
        None => Answer::ready(Err(StoreError::new(StoreErrorKind::Undecodable))),
    }
}

/// Of two tickets of one session the later counts.
fn age<T>(record: Option<&Arc<Record<T>>>) -> Option<(u64, Timestamp)> {
    record.map(|record| (record.meta.version, record.meta.last_seen()))
}
