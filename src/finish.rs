//! What the response must carry: the ticket, its removal, and a word to caches.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::codec::Ticket;
use crate::log;
use crate::record::SessionData;
use crate::refusal::Refusal;
use crate::response::{Privacy, guard_caches};
use crate::session::{Attach, Inner};
use crate::shared::Shared;

/// Puts on the response what the commit decided.
pub(crate) fn finish<T: SessionData>(
    session: &Arc<Inner<T>>,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let shared = &session.shared;
    let (attach, clear, touched) = {
        let mut state = session.state();
        (state.attach.take(), state.clear.take(), state.touched)
    };
    let told = attach.is_some() || clear.is_some();
    if let Some(attach) = attach {
        send(shared, &attach, headers)?;
    } else if let Some(bound) = clear.and_then(|via| shared.transports.get(via)) {
        bound.transport.clear(headers);
    }
    if told {
        guard_caches(headers, Privacy::NoStore, &shared.reads);
    } else if touched {
        guard_caches(headers, Privacy::Private, &shared.reads);
    }
    Ok(())
}

fn send<T>(shared: &Shared<T>, attach: &Attach, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let Some(bound) = shared.transports.get(attach.via) else { return Ok(()) };
    let token = bound.codec.seal(&Ticket { id: attach.id, generation: attach.generation });
    // Whole seconds, rounded up: the moment since the login must not cost the client a second.
    let max_age = attach.until.map(|until| {
        Duration::from_secs(
            until.since(attach.now).as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX),
        )
    });
    bound.transport.attach(headers, token.as_str(), max_age).map_err(|_too_long| {
        log::ticket_does_not_fit(bound.transport.purpose());
        Refusal::Internal
    })
}
