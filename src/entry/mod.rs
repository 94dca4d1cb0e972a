//! The way in: from a request's headers to its session, loaded or on its way.

mod carried;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName};

use crate::answer::{Answer, StoreAnswer};
use crate::client::Client;
use crate::clock::Timestamp;
use crate::codec::{Codec, Opened, Ticket};
use crate::error::{StoreError, StoreErrorKind};
use crate::event::{EndReason, Event, Rejection};
use crate::head::Head;
use crate::log;
use crate::plan::{Came, Standing, due, standing};
use crate::record::{Record, SessionData};
use crate::refusal::Refusal;
use crate::session::{Base, Kept, Live, Status, Unread, Unverified};
use crate::shared::{Bound, Shared};
use crate::transport::Candidates;
use crate::verdict::Asker;
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

/// A verified ticket, the answer to what it names, and when that was asked.
type Fetching<T> = (Presented, StoreAnswer<Option<Arc<Record<T>>>>, Timestamp);

/// How a request comes in.
pub(crate) enum Entry<T> {
    /// It has no ticket: nothing is to be known.
    Nobody,
    /// All that is needed of its session is known.
    Known(Base<T>),
    /// The store must be waited for.
    Later(Loading<T>),
    /// It may not pass.
    Refused(Refusal),
}

/// A session on its way.
pub(crate) enum Loading<T> {
    /// The store is fetching it.
    Record {
        answer: Timed<Option<Arc<Record<T>>>>,
        presented: Presented,
        now: Timestamp,
        clearable: bool,
    },
    /// Verifiers are judging it.
    Verdict(StoreAnswer<Base<T>>),
}

impl<T: SessionData> Loading<T> {
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Arc<Shared<T>>,
        asker: Asker<'_>,
    ) -> Poll<Result<Base<T>, StoreError>> {
        if let Self::Record { answer, presented, now, clearable } = self {
            let loaded = ready!(Pin::new(answer).poll(cx));
            let judged = shared.admit(*presented, loaded, *now, *clearable, asker);
            *self = Self::Verdict(judged);
        }
        let Self::Verdict(answer) = self else { return Poll::Pending };
        Pin::new(answer).poll(cx)
    }
}

impl<T: SessionData> Shared<T> {
    /// Who asks, if the layer wants to know.
    #[inline]
    pub(crate) fn client(&self, head: Head<'_>) -> Option<Arc<Client>> {
        self.hints.as_ref().map(|hints| Arc::new(hints.client(head.headers, head.extensions)))
    }

    /// The way in: what is known of a request's session without waiting.
    #[inline(always)] // into the service, where requests of strangers take the shortest way
    pub(crate) fn enter(
        self: &Arc<Self>,
        head: Head<'_>,
        client: Option<&Arc<Client>>,
    ) -> Entry<T> {
        let who = client.map(|client| &**client);
        if self.lazy {
            return Entry::Known(self.unread(head, who));
        }
        if let Some(tickets) = &self.tickets {
            return self.enter_carried(tickets, head, client);
        }
        match self.recognise(head) {
            Seen::Nothing => Entry::Nobody,
            Seen::Rejected(reason) => Entry::Known(self.without(Some(reason), who)),
            Seen::Ticket(presented) => self.fetch(presented, head, client),
        }
    }

    /// The session behind a verified ticket.
    fn fetch(
        self: &Arc<Self>,
        presented: Presented,
        head: Head<'_>,
        client: Option<&Arc<Client>>,
    ) -> Entry<T> {
        let who = client.map(|client| &**client);
        let now = self.now();
        match self.store.load(presented.ticket.id, now).now_or_later() {
            Ok(loaded) if self.is_plain(presented) => self
                .accept(presented, loaded, now, who, || is_clearable(head.headers))
                .map_or(Entry::Refused(Refusal::StoreUnavailable), Entry::Known),
            Ok(loaded) => {
                let clearable = is_clearable(head.headers);
                let answer = self.admit(presented, loaded, now, clearable, (head.headers, client));
                match answer.now_or_later() {
                    Ok(Ok(base)) => Entry::Known(base),
                    Ok(Err(_)) => Entry::Refused(Refusal::StoreUnavailable),
                    Err(later) => Entry::Later(Loading::Verdict(later)),
                }
            }
            Err(answer) => Entry::Later(Loading::Record {
                answer: Timed::new(answer, &*self.clock, self.store_timeout),
                presented,
                now,
                clearable: is_clearable(head.headers),
            }),
        }
    }

    /// Whether to accept what was loaded is all there is to do: the quiet path.
    #[inline]
    fn is_plain(&self, presented: Presented) -> bool {
        self.verifiers.is_empty() && self.handshakes != Some(presented.via)
    }

    /// Accepts what was loaded, with all there may be to it: single-use tickets are used up,
    /// verifiers asked.
    #[cold] // for the sake of layers that have neither
    pub(crate) fn admit(
        self: &Arc<Self>,
        presented: Presented,
        loaded: Loaded<T>,
        now: Timestamp,
        clearable: bool,
        asker: Asker<'_>,
    ) -> StoreAnswer<Base<T>> {
        let (headers, client) = asker;
        if self.handshakes != Some(presented.via) {
            let who = client.map(|client| &**client);
            return match self.accept(presented, loaded, now, who, || clearable) {
                Ok(base) => self.judge(base, asker),
                Err(error) => Answer::ready(Err(error)),
            };
        }
        let id = presented.ticket.id;
        let record = match loaded {
            Ok(Some(record)) if record.meta.is_live(now) => record,
            Ok(_) => return Answer::ready(Ok(self.spent(id, Rejection::Gone, client))),
            Err(error) => {
                self.store_failed("load", &error);
                return Answer::ready(match error.kind() {
                    StoreErrorKind::Undecodable => {
                        Ok(self.spent(id, Rejection::Undecodable, client))
                    }
                    _ => Err(error),
                });
            }
        };
        let (shared, headers, client) = (Arc::clone(self), headers.clone(), client.cloned());
        Answer::later(async move {
            let base = shared.spend(record, presented, client.as_ref(), now).await?;
            shared.judge(base, (&headers, client.as_ref())).await
        })
    }

    /// Finds the first transport with a ticket that verifies.
    #[inline]
    pub(crate) fn recognise(&self, head: Head<'_>) -> Seen {
        match &*self.transports {
            [only] => self.recognise_by(0, only, head),
            several => self.recognise_by_any(several, head),
        }
    }

    #[inline(never)]
    fn recognise_by_any(&self, transports: &[Bound], head: Head<'_>) -> Seen {
        let mut rejection = None;
        for (via, bound) in (0..).zip(transports) {
            match self.recognise_by(via, bound, head) {
                Seen::Nothing => {}
                Seen::Rejected(reason) if self.first_present => return Seen::Rejected(reason),
                Seen::Rejected(reason) => rejection = rejection.or(Some(reason)),
                ticket @ Seen::Ticket(_) => return ticket,
            }
        }
        rejection.map_or(Seen::Nothing, Seen::Rejected)
    }

    #[inline(always)] // nearly every layer has one transport
    fn recognise_by(&self, via: u8, bound: &Bound, head: Head<'_>) -> Seen {
        let mut found = Candidates::new();
        self.find(via, bound, head, &mut found);
        if found.as_slice().is_empty() {
            return Seen::Nothing;
        }
        match self.choose(&bound.codec, found.as_slice().iter().copied()) {
            Seen::Ticket(presented) => Seen::Ticket(bound.via(via, presented)),
            other => other,
        }
    }

    /// Which of one transport's candidates counts. Order is not trusted (RFC 6265bis, 4.2.2): of
    /// several that verify, all must name the same session, and the newest ticket of it wins.
    #[expect(single_use_lifetimes, reason = "an `impl Trait` argument cannot elide it")]
    fn choose<'v>(&self, codec: &Codec, values: impl Iterator<Item = &'v [u8]>) -> Seen {
        let mut seen = Seen::Nothing;
        for value in values {
            match (codec.open(value, || self.now()), &mut seen) {
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

    /// What one transport finds in a request.
    #[inline]
    fn find<'r>(&self, via: u8, bound: &Bound, head: Head<'r>, found: &mut Candidates<'r>) {
        if self.handshakes == Some(via) {
            bound.transport.find_in_handshake(head.method, head.uri, head.headers, found);
        } else {
            bound.transport.find(head.headers, found);
        }
    }

    /// The state of a request whose headers gave no ticket.
    pub(crate) fn without(&self, rejection: Option<Rejection>, client: Option<&Client>) -> Base<T> {
        match rejection {
            None => Base::without(Status::NoTicket),
            Some(reason) => {
                self.tell(Event::Rejected { reason, id: None, client });
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
        client: Option<&Client>,
        clearable: impl FnOnce() -> bool,
    ) -> Result<Base<T>, StoreError> {
        let record = match loaded {
            Ok(Some(record)) if record.meta.is_live(now) => record,
            Ok(gone) => {
                let reason = if gone.is_some() { Rejection::Expired } else { Rejection::Gone };
                let came = if clearable() { Came::Dead } else { Came::Overtaken };
                return Ok(self.in_vain(presented, reason, client, came));
            }
            Err(error) if error.kind() == StoreErrorKind::Undecodable => {
                self.store_failed("load", &error);
                let reason = Rejection::Undecodable;
                return Ok(self.in_vain(presented, reason, client, Came::Named));
            }
            Err(error) => {
                self.store_failed("load", &error);
                if self.anonymous_when_store_fails {
                    let Presented { ticket, via, .. } = presented;
                    return Ok(Base::in_vain(Status::StoreFailed, ticket.id, via, Came::Named));
                }
                return Err(error);
            }
        };
        let Presented { ticket: Ticket { id, generation }, old_key, via } = presented;
        let standing = standing(&record.meta, generation, self.expiry.grace, now);
        if standing == Standing::Outdated {
            self.tell(Event::Rejected { reason: Rejection::Reused, id: Some(id), client });
            self.tell(Event::TicketReused { id, subject: record.meta.subject.as_deref(), client });
            log::ticket_reused();
            return Ok(Base::Condemned { id, via, reason: EndReason::Reused, record });
        }
        let due = due(&record.meta, standing, old_key, &self.expiry, now);
        Ok(Base::Live(Live {
            id,
            record,
            due,
            via,
            presented: generation,
            arrived: true,
            old_key,
            now,
            doubted: false,
        }))
    }

    fn in_vain(
        &self,
        presented: Presented,
        reason: Rejection,
        client: Option<&Client>,
        came: Came,
    ) -> Base<T> {
        let Presented { ticket: Ticket { id, .. }, via, .. } = presented;
        self.tell(Event::Rejected { reason, id: Some(id), client });
        Base::in_vain(Status::Rejected(reason), id, via, came)
    }

    /// Copies a lazy request's candidates, unverified. What has not even the length of a ticket is
    /// rejected at once.
    pub(crate) fn unread(&self, head: Head<'_>, client: Option<&Client>) -> Base<T> {
        let (mut one, mut several, mut rejection) = (None, Vec::new(), None);
        for (via, bound) in (0..).zip(&self.transports) {
            let mut found = Candidates::new();
            self.find(via, bound, head, &mut found);
            for value in found.as_slice() {
                if self.tickets.is_none() && !bound.codec.may_be(value) {
                    rejection = Some(Rejection::Malformed);
                    continue;
                }
                let candidate = (via, Kept::new(value));
                if one.is_none() && several.is_empty() {
                    one = Some(candidate);
                } else {
                    several.extend(one.take());
                    several.push(candidate);
                }
            }
            if self.first_present && !found.as_slice().is_empty() {
                break;
            }
        }
        let candidates = match one {
            Some(one) => Unverified::One(one),
            None if several.is_empty() => return self.without(rejection, client),
            None => Unverified::Several(several.into()),
        };
        let clearable = is_clearable(head.headers);
        let headers = (!self.verifiers.is_empty()).then(|| Box::new(head.headers.clone()));
        Base::Unread(Unread { candidates, clearable, headers })
    }

    /// Verifies a lazy request's candidates and loads its session. `Err` is what must be waited
    /// for: also, if the store answered at once, that a ticket is used up or verifiers are asked,
    /// so that neither is done twice by two who load at the same time.
    pub(crate) fn load_unread(
        self: &Arc<Self>,
        unread: &Unread,
        client: Option<&Arc<Client>>,
    ) -> Result<Result<Base<T>, StoreError>, Loading<T>> {
        let who = client.map(|client| &**client);
        let found = match &self.tickets {
            Some(tickets) => self.load_carried(tickets, unread),
            None => self.verify(unread).map(|presented| {
                let now = self.now();
                (presented, self.store.load(presented.ticket.id, now), now)
            }),
        };
        let (presented, answer, now) = match found {
            Ok(found) => found,
            Err(rejection) => return Ok(Ok(self.without(rejection, who))),
        };
        let answer = match answer.now_or_later() {
            Ok(loaded) if self.is_plain(presented) => {
                return Ok(self.accept(presented, loaded, now, who, || unread.clearable));
            }
            Ok(loaded) => Answer::ready(loaded),
            Err(later) => later,
        };
        let answer = Timed::new(answer, &*self.clock, self.store_timeout);
        Err(Loading::Record { answer, presented, now, clearable: unread.clearable })
    }

    /// Verifies a lazy request's candidates to end their session unseen.
    pub(crate) fn name_unread(&self, unread: &Unread, client: Option<&Client>) -> Base<T> {
        let verified = match &self.tickets {
            Some(tickets) => self.verify_carried(tickets, unread),
            None => self.verify(unread),
        };
        match verified {
            // A ticket for one handshake is no session's own: it ends nothing unseen.
            Ok(Presented { via, .. }) if self.handshakes == Some(via) => self.without(None, client),
            Ok(Presented { ticket, via, .. }) => {
                Base::in_vain(Status::Ended, ticket.id, via, Came::Named)
            }
            Err(rejection) => self.without(rejection, client),
        }
    }

    fn verify(&self, unread: &Unread) -> Result<Presented, Option<Rejection>> {
        let mut rejection = None;
        for (via, bound) in (0..).zip(&self.transports) {
            let values = unread.candidates.as_slice().iter().filter(|(of, _)| *of == via);
            match self.choose(&bound.codec, values.map(|(_, text)| text.as_bytes())) {
                Seen::Nothing => {}
                Seen::Rejected(reason) if self.first_present => return Err(Some(reason)),
                Seen::Rejected(reason) => rejection = rejection.or(Some(reason)),
                Seen::Ticket(presented) => return Ok(bound.via(via, presented)),
            }
        }
        Err(rejection)
    }
}

impl Bound {
    /// A ticket that came by this transport, the `via`th. By one that is read only it is as good
    /// as one under an old key of the first.
    const fn via(&self, via: u8, presented: Presented) -> Presented {
        if self.read_only {
            Presented { via: 0, old_key: true, ..presented }
        } else {
            Presented { via, ..presented }
        }
    }
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
