//! What the response must carry: the ticket, its removal, and a word to caches.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::codec::{Text, Ticket};
use crate::log;
use crate::record::SessionData;
use crate::refusal::Refusal;
use crate::response::{Privacy, guard_caches};
use crate::session::{Inner, Owed};
use crate::shared::{Bound, Shared};
use crate::site_data::CLEAR_SITE_DATA;

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
                let token = seal(bound, &ticket, session)?;
                attach(shared, bound, token.as_str(), max_age, headers)?;
            }
            Privacy::NoStore
        }
        Owed::Carried { via, text, max_age } => {
            if let Some(bound) = shared.transports.get(usize::from(via)) {
                attach(shared, bound, &text.0, max_age, headers)?;
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

fn attach<T>(
    shared: &Shared<T>,
    bound: &Bound,
    token: &str,
    max_age: Option<Duration>,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    bound.transport.attach(headers, token, max_age).map_err(|_too_long| {
        if shared.tickets.is_some() {
            return Refusal::TooLarge;
        }
        log::ticket_does_not_fit(bound.transport.purpose());
        Refusal::Internal
    })
}

/// A ticket of this session as it is after the commit, for this transport: its name, or the whole
/// of it.
pub(crate) fn seal<T: SessionData>(
    bound: &Bound,
    ticket: &Ticket,
    session: &Inner<T>,
) -> Result<Text, Refusal> {
    let shared = &session.shared;
    let Some(tickets) = &shared.tickets else {
        return Ok(bound.codec.seal(ticket, || shared.now()));
    };
    let record = session.state().written().map(Arc::clone).ok_or(Refusal::Internal)?;
    let text = tickets.seal(bound.transport.purpose(), ticket.id, &record, shared.now());
    text.map(Text::Other).ok_or(Refusal::Internal)
}
