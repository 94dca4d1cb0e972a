//! What the response must carry: the ticket, its removal, and a word to caches.

use std::sync::Arc;

use http::HeaderMap;

use crate::codec::Text;
use crate::id::Id;
use crate::log;
use crate::record::SessionData;
use crate::refusal::Refusal;
use crate::response::{Privacy, guard_caches};
use crate::session::{Inner, Owed};
use crate::shared::{Bound, Shared};
use crate::site_data::CLEAR_SITE_DATA;
use crate::tickets::Tickets;

/// Puts on the response what the commit decided.
pub(crate) fn finish<T: SessionData>(
    shared: &Shared<T>,
    owed: Owed,
    session: &Inner<T>,
    touched: bool,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let privacy = match owed {
        Owed::Nothing if touched => Privacy::Private,
        Owed::Nothing => return Ok(()),
        Owed::Ticket { via, ticket, max_age } => {
            if let Some(bound) = shared.transports.get(usize::from(via)) {
                let carried = match &shared.tickets {
                    None => None,
                    Some(tickets) => Some(carry(tickets, bound, ticket.id, session)?),
                };
                let token = match carried {
                    None => bound.codec.seal(&ticket, || shared.now()),
                    Some(text) => Text::Other(text),
                };
                bound.transport.attach(headers, token.as_str(), max_age).map_err(|_too_long| {
                    if shared.tickets.is_some() {
                        return Refusal::TooLarge;
                    }
                    log::ticket_does_not_fit(bound.transport.purpose());
                    Refusal::Internal
                })?;
            }
            Privacy::NoStore
        }
        Owed::Removal { via, logged_out } => {
            if let Some(what) = shared.clear_site_data.as_ref().filter(|_| logged_out) {
                headers.insert(&CLEAR_SITE_DATA, what.clone());
            }
            if let Some(bound) = shared.transports.get(usize::from(via)) {
                bound.transport.clear(headers);
            }
            // What is only read may be in the browser still, beside what took its place.
            for bound in shared.transports.iter().filter(|bound| bound.read_only) {
                bound.transport.clear(headers);
            }
            Privacy::NoStore
        }
    };
    guard_caches(headers, privacy, &shared.reads).map_err(|_too_many| Refusal::Internal)
}

/// The ticket with the whole session in it, as it is after the commit.
fn carry<T: SessionData>(
    tickets: &Tickets<T>,
    bound: &Bound,
    id: Id,
    session: &Inner<T>,
) -> Result<String, Refusal> {
    let record = session.state().current().map(Arc::clone).ok_or(Refusal::Internal)?;
    let now = session.shared.now();
    tickets.seal(bound.transport.purpose(), id, &record, now).ok_or(Refusal::Internal)
}
