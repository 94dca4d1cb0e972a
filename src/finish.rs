//! What the response must carry: the ticket, its removal, and a word to caches.

use http::HeaderMap;

use crate::log;
use crate::refusal::Refusal;
use crate::response::{Privacy, guard_caches};
use crate::session::Owed;
use crate::shared::Shared;
use crate::site_data::CLEAR_SITE_DATA;

/// Puts on the response what the commit decided.
pub(crate) fn finish<T>(
    shared: &Shared<T>,
    owed: Owed,
    touched: bool,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let privacy = match owed {
        Owed::Nothing if touched => Privacy::Private,
        Owed::Nothing => return Ok(()),
        Owed::Ticket { via, ticket, max_age } => {
            if let Some(bound) = shared.transports.get(usize::from(via)) {
                let token = bound.codec.seal(&ticket, || shared.now());
                bound.transport.attach(headers, token.as_str(), max_age).map_err(|_too_long| {
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
