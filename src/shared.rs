//! What all requests of one layer share: its configuration, made once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::client::Client;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::codec::Codec;
use crate::endings::Endings;
use crate::error::{Error, ErrorKind, StoreError};
use crate::event::{EndReason, Event, Observer};
use crate::expiry::Expiry;
use crate::hints::ClientHints;
use crate::id::Id;
use crate::log;
use crate::profile::{Ceiling, Profile};
use crate::record::Record;
use crate::refusal::{Bodies, Refusals};
use crate::size::fits;
use crate::store::{Limit, Store};
use crate::tickets::Tickets;
use crate::transport::Transport;
use crate::verify::Verifier;

/// The configuration of a layer, as its services and handles use it.
pub(crate) struct Shared<T> {
    pub(crate) store: Arc<dyn Store<T>>,
    pub(crate) transports: Vec<Bound>,
    pub(crate) reads: Vec<HeaderName>,
    /// Which transport takes single-use tickets.
    pub(crate) handshakes: Option<u8>,
    /// The first transport with anything in it decides, valid or not.
    pub(crate) first_present: bool,
    pub(crate) expiry: Expiry,
    pub(crate) profile: Option<Profile>,
    pub(crate) limit: Option<Limit>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) store_timeout: Duration,
    pub(crate) revocation_check: Duration,
    pub(crate) endings: Arc<Endings>,
    pub(crate) anonymous_when_store_fails: bool,
    pub(crate) keep_edits_on_server_error: bool,
    pub(crate) lazy: bool,
    pub(crate) refusals: Refusals,
    pub(crate) bodies: Bodies,
    pub(crate) verifiers: Vec<Arc<dyn Verifier<T>>>,
    pub(crate) hints: Option<ClientHints>,
    pub(crate) clear_site_data: Option<HeaderValue>,
    /// How large a session's data may be, in bytes of JSON.
    pub(crate) max_size: Option<usize>,
    /// Sessions live in their tickets.
    pub(crate) tickets: Option<Arc<Tickets<T>>>,
}

/// A transport and the codec keyed for it.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) codec: Arc<Codec>,
    /// It is read only: who comes by it is answered by the first transport.
    pub(crate) read_only: bool,
}

impl<T> Shared<T> {
    /// The defaults, around a store.
    pub(crate) fn new(store: Arc<dyn Store<T>>) -> Self {
        Self {
            store,
            transports: Vec::new(),
            reads: Vec::new(),
            handshakes: None,
            first_present: false,
            expiry: Expiry::default(),
            profile: None,
            limit: None,
            clock: Arc::new(SystemClock),
            observer: None,
            store_timeout: Duration::from_secs(2),
            revocation_check: Duration::from_secs(5),
            endings: Arc::default(),
            anonymous_when_store_fails: false,
            keep_edits_on_server_error: false,
            lazy: false,
            refusals: Refusals::problem(),
            bodies: Bodies::default(),
            verifiers: Vec::new(),
            hints: None,
            clear_site_data: None,
            max_size: None,
            tickets: None,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(&event);
        }
    }

    /// Tells that a session has ended, also those who wait for that.
    pub(crate) fn ended(
        &self,
        id: Id,
        reason: EndReason,
        subject: Option<&str>,
        client: Option<&Client>,
    ) {
        self.endings.tell(id);
        self.tell(Event::Ended { id, reason, subject, client });
    }

    pub(crate) fn store_failed(&self, operation: &'static str, error: &StoreError) {
        log::store_failed(operation, error);
        self.tell(Event::StoreFailed { operation, error });
    }

    /// Whether a session's data may be as large as this.
    pub(crate) fn check_size(&self, record: &Record<T>) -> Result<(), Error>
    where
        T: Serialize,
    {
        match self.max_size {
            Some(limit) if !fits(&record.data, limit) => Err(Error::new(ErrorKind::TooLarge)),
            _ => Ok(()),
        }
    }

    /// The most that a single login may ask for.
    pub(crate) fn ceiling(&self) -> Ceiling {
        self.profile.as_ref().map_or(Ceiling::NONE, |profile| profile.ceiling(&self.expiry))
    }

    /// What a 401 says in `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> Option<HeaderValue> {
        self.transports.first().map(|bound| bound.transport.challenge())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            transports: self.transports.clone(),
            reads: self.reads.clone(),
            handshakes: self.handshakes,
            first_present: self.first_present,
            expiry: self.expiry,
            profile: self.profile.clone(),
            limit: self.limit,
            clock: Arc::clone(&self.clock),
            observer: self.observer.clone(),
            store_timeout: self.store_timeout,
            revocation_check: self.revocation_check,
            endings: Arc::clone(&self.endings),
            anonymous_when_store_fails: self.anonymous_when_store_fails,
            keep_edits_on_server_error: self.keep_edits_on_server_error,
            lazy: self.lazy,
            refusals: self.refusals.clone(),
            bodies: self.bodies.clone(),
            verifiers: self.verifiers.clone(),
            hints: self.hints.clone(),
            clear_site_data: self.clear_site_data.clone(),
            max_size: self.max_size,
            tickets: self.tickets.clone(),
        }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("store", &self.store)
            .field("transports", &self.transports)
            .field("expiry", &self.expiry)
            .field("profile", &self.profile)
            .field("limit", &self.limit)
            .field("store_timeout", &self.store_timeout)
            .field("revocation_check", &self.revocation_check)
            .field("anonymous_when_store_fails", &self.anonymous_when_store_fails)
            .field("keep_edits_on_server_error", &self.keep_edits_on_server_error)
            .field("lazy", &self.lazy)
            .field("refusals", &self.refusals)
            .field("verifiers", &self.verifiers.len())
            .field("clear_site_data", &self.clear_site_data)
            .field("max_size", &self.max_size)
            .field("client_hints", &self.hints.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}
