//! The way in: from a request's headers to its session, loaded or on its way.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use crate::clock::Timestamp;
use crate::codec::{Opened, Signed, TICKET_LEN, Ticket};
use crate::error::{Error, StoreError, StoreErrorKind};
use crate::event::{Event, Rejection};
use crate::plan::{Standing, due, standing};
use crate::record::{Record, SessionData};
use crate::refusal::Refusal;
use crate::session::{Base, Live, Status, Unread, Unverified};
use crate::shared::Shared;
use crate::transport::Candidates;
use crate::wait::Timed;

/// What the headers say, before the store is asked.
#[derive(Debug)]
pub(crate) enum Seen {
    Nothing,
    Rejected(Rejection),
    Ticket(Presented),
}

/// A verified ticket and the transport that brought it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented {
    pub(crate) ticket: Ticket,
    pub(crate) old_key: bool,
    pub(crate) via: u8,
}

pub(crate) type Loaded<T> = Result<Option<Arc<Record<T>>>, StoreError>;

/// How a request comes in.
pub(crate) enum Entry<T> {
    /// All that is needed of its session is known.
    Known(Base<T>),
    /// The store must be waited for.
    Later(Loading<T>),
    /// It may not pass.
    Refused(Refusal),
}

/// A session that the store is fetching.
pub(crate) struct Loading<T> {
    pub(crate) answer: Timed<Option<Arc<Record<T>>>>,
    pub(crate) presented: Presented,
    pub(crate) now: Timestamp,
    pub(crate) clearable: bool,
}

impl<T: SessionData> Shared<T> {
    /// The way in: what is known of a request's session without waiting.
    #[inline]
    pub(crate) fn enter(&self, headers: &HeaderMap) -> Entry<T> {
        if self.lazy {
            return Entry::Known(self.unread(headers));
        }
        let presented = match self.recognise(headers) {
            Seen::Ticket(presented) => presented,
            Seen::Nothing => return Entry::Known(self.without(None)),
            Seen::Rejected(reason) => return Entry::Known(self.without(Some(reason))),
        };
        let now = self.now();
        match self.store.load(presented.ticket.id, now).now_or_later() {
            Ok(loaded) => self
                .accept(presented, loaded, now, || is_clearable(headers))
                .map_or(Entry::Refused(Refusal::StoreUnavailable), Entry::Known),
            Err(answer) => Entry::Later(Loading {
                answer: Timed::new(answer, &*self.clock, self.store_timeout),
                presented,
                now,
                clearable: is_clearable(headers),
            }),
        }
    }

    /// Finds the first transport with a ticket that verifies.
    pub(crate) fn recognise(&self, headers: &HeaderMap) -> Seen {
        let mut rejection = None;
        for (via, bound) in (0..).zip(&self.transports) {
            let mut found = Candidates::new();
            bound.transport.find(headers, &mut found);
            match choose(&bound.codec, found.as_slice().iter().copied()) {
                Seen::Nothing => {}
                Seen::Rejected(reason) => rejection = rejection.or(Some(reason)),
                Seen::Ticket(presented) => return Seen::Ticket(Presented { via, ..presented }),
            }
        }
        rejection.map_or(Seen::Nothing, Seen::Rejected)
    }

    /// The state of a request whose headers gave no ticket.
    pub(crate) fn without(&self, rejection: Option<Rejection>) -> Base<T> {
        match rejection {
            None => Base::without(Status::NoTicket),
            Some(reason) => {
                self.tell(Event::Rejected { reason });
                Base::without(Status::Rejected(reason))
            }
        }
    }

    /// Judges what the store answered. `clearable` is whether the client may be told to forget a
    /// dead ticket.
    pub(crate) fn accept(
        &self,
        presented: Presented,
        loaded: Loaded<T>,
        now: Timestamp,
        clearable: impl FnOnce() -> bool,
    ) -> Result<Base<T>, StoreError> {
        let record = match loaded {
            Ok(Some(record)) if record.meta.is_live(now) => record,
            Ok(Some(_)) => return Ok(self.dead(presented, Rejection::Expired, clearable())),
            Ok(None) => return Ok(self.dead(presented, Rejection::Gone, clearable())),
            Err(error) if error.kind() == StoreErrorKind::Undecodable => {
                self.store_failed("load", &error);
                return Ok(self.dead(presented, Rejection::Undecodable, false));
            }
            Err(error) => {
                self.store_failed("load", &error);
                if self.anonymous_when_store_fails {
                    return Ok(Base::without(Status::StoreFailed));
                }
                return Err(error);
            }
        };
        let Presented { ticket: Ticket { id, generation }, old_key, via } = presented;
        let standing = standing(&record.meta, generation, self.expiry.grace, now);
        if standing == Standing::Outdated {
            self.tell(Event::Rejected { reason: Rejection::Reused });
            self.tell(Event::TicketReused { id });
            return Ok(Base::Reused { id, via });
        }
        let due = due(&record.meta, standing, old_key, &self.expiry, now);
        Ok(Base::Live(Live { id, record, due, via, presented: generation, old_key, now }))
    }

    fn dead(&self, presented: Presented, reason: Rejection, clearable: bool) -> Base<T> {
        self.tell(Event::Rejected { reason });
        let status = Status::Rejected(reason);
        Base::Without { status, via: Some(presented.via), clear: clearable }
    }

    /// Copies a lazy request's candidates, unverified. What has not even the length of a ticket is
    /// rejected at once.
    pub(crate) fn unread(&self, headers: &HeaderMap) -> Base<T> {
        let (mut one, mut several, mut rejection) = (None, Vec::new(), None);
        for (via, bound) in (0..).zip(&self.transports) {
            let mut found = Candidates::new();
            bound.transport.find(headers, &mut found);
            for value in found.as_slice() {
                match (<[u8; TICKET_LEN]>::try_from(*value), one) {
                    (Err(_), _) => rejection = Some(Rejection::Malformed),
                    (Ok(text), None) => one = Some((via, text)),
                    (Ok(text), Some(first)) => {
                        if several.is_empty() {
                            several.push(first);
                        }
                        several.push((via, text));
                    }
                }
            }
        }
        let candidates = match one {
            None => return self.without(rejection),
            Some(one) if several.is_empty() => Unverified::One(one),
            Some(_) => Unverified::Several(several.into()),
        };
        Base::Unread(Unread { candidates, clearable: is_clearable(headers) })
    }

    /// Verifies a lazy request's candidates and loads its session.
    pub(crate) async fn load_unread(&self, unread: Unread) -> Result<Base<T>, Error> {
        let presented = match self.verify(&unread) {
            Ok(presented) => presented,
            Err(rejection) => return Ok(self.without(rejection)),
        };
        let now = self.now();
        let answer = self.store.load(presented.ticket.id, now);
        let loaded = Timed::new(answer, &*self.clock, self.store_timeout).await;
        Ok(self.accept(presented, loaded, now, || unread.clearable)?)
    }

    /// Verifies a lazy request's candidates to end their session unseen.
    pub(crate) fn name_unread(&self, unread: &Unread) -> Base<T> {
        match self.verify(unread) {
            Ok(Presented { ticket, via, .. }) => {
                Base::Named { id: ticket.id, via, clear: unread.clearable }
            }
            Err(rejection) => self.without(rejection),
        }
    }

    fn verify(&self, unread: &Unread) -> Result<Presented, Option<Rejection>> {
        let mut rejection = None;
        for (via, bound) in (0..).zip(&self.transports) {
            let values = unread.candidates.as_slice().iter().filter(|(of, _)| *of == via);
            match choose(&bound.codec, values.map(|(_, text)| text.as_slice())) {
                Seen::Nothing => {}
                Seen::Rejected(reason) => rejection = rejection.or(Some(reason)),
                Seen::Ticket(presented) => return Ok(Presented { via, ..presented }),
            }
        }
        Err(rejection)
    }
}

/// Which of one transport's candidates counts. Order is not trusted (RFC 6265bis, 4.2.2): of
/// several that verify, all must name the same session, and the newest ticket of it wins.
#[expect(single_use_lifetimes, reason = "an `impl Trait` argument cannot elide it")]
fn choose<'v>(codec: &Signed, values: impl Iterator<Item = &'v [u8]>) -> Seen {
    let mut seen = Seen::Nothing;
    for value in values {
        match (codec.open(value), &mut seen) {
            (Err(reason), Seen::Nothing) => seen = Seen::Rejected(reason),
            (Err(_), _) => {}
            (Ok(opened), Seen::Ticket(best)) if best.ticket.id == opened.ticket.id => {
                if opened.ticket.generation > best.ticket.generation {
                    *best = presented(opened);
                }
            }
            (Ok(_), Seen::Ticket(_)) => return Seen::Rejected(Rejection::Ambiguous),
            (Ok(opened), _) => seen = Seen::Ticket(presented(opened)),
        }
    }
    seen
}

const fn presented(opened: Opened) -> Presented {
    Presented { ticket: opened.ticket, old_key: opened.old_key, via: 0 }
}

/// Whether a dead ticket may be cleared by the answer to this request.
///
/// A background request that was sent with the old cookie just before somebody logged in again
/// may be answered after that login: clearing the cookie then would log them out. So only
/// navigations clear, and clients that do not say what they are doing.
pub(crate) fn is_clearable(headers: &HeaderMap) -> bool {
    headers.get(&SEC_FETCH_DEST).is_none_or(|dest| dest == "document")
}

/// Made once: to look a name up by its text is to parse it.
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
