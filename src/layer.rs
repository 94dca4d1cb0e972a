//! The layer and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tower_layer::Layer;

use crate::clock::{Clock, SystemClock};
use crate::codec::{Signed, TICKET_LEN};
use crate::error::ConfigError;
use crate::event::Observer;
use crate::expiry::Expiry;
use crate::key::Keyring;
use crate::record::SessionData;
use crate::refusal::{Bodies, Refusals};
use crate::registry::Sessions;
use crate::service::SessionService;
use crate::shared::{Bound, Shared};
use crate::store::{Limit, Store};
use crate::sweeper::Sweeper;
use crate::transport::{Cookie, Transport};

/// Puts a [`Session<T>`](crate::Session) into every request that passes, and carries out on the
/// response what became of it.
///
/// The layer never refuses a request for lack of a session: extractors and guards do. Layers of
/// different `T` stand side by side on one router; the same `T` twice on one route is answered
/// with 500 and a log line that says so. Give their cookies different names: two layers cannot tell
/// whose a cookie of one name is, and would overwrite and clear each other's.
///
/// ```
/// use std::time::Duration;
/// use sessile::{Expiry, Key, SessionLayer, store::MemoryStore, transport::Cookie};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Member { name: String }
///
/// let sessions = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
///     .transport(Cookie::host("sid"))
///     .expiry(Expiry::idle(Duration::from_secs(1800)).absolute(Duration::from_secs(43_200)));
/// ```
///
/// # Defaults
/// The ticket travels in the cookie `__Host-sid` (`Secure`, `HttpOnly`, `SameSite=Lax`, kept until
/// the browser is closed); limits are those of [`Expiry`]; sessions are loaded for every request
/// with a valid ticket; a store that fails or takes more than 2 seconds means 503; edits are
/// dropped when the handler answers 5xx; refusals are problem+json.
#[must_use = "a layer does nothing until it wraps a service"]
pub struct SessionLayer<T> {
    keys: Keyring,
    shared: Arc<Shared<T>>,
}

impl<T: SessionData> SessionLayer<T> {
    /// A layer that keeps sessions in `store` and signs tickets with `keys`: a
    /// [`Key`](crate::Key), or a [`Keyring`] when keys change.
    pub fn new(store: impl Store<T>, keys: impl Into<Keyring>) -> Self {
        let shared = Shared {
            store: Arc::new(store),
            transports: Vec::new(),
            reads: Vec::new(),
            expiry: Expiry::default(),
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
        };
        Self { keys: keys.into(), shared: Arc::new(shared) }.transport(Cookie::host("sid"))
    }

    /// Lets the ticket travel this way, in place of the default cookie.
    ///
    /// # Panics
    /// If the transport is misconfigured; the text says what to write instead. Use
    /// [`try_transport`](Self::try_transport) for settings that are read at run time.
    #[track_caller]
    pub fn transport(self, transport: impl Transport) -> Self {
        accept(self.try_transport(transport))
    }

    /// The same, for settings that are read at run time.
    ///
    /// # Errors
    /// If the transport is misconfigured.
    pub fn try_transport(mut self, transport: impl Transport) -> Result<Self, ConfigError> {
        let bound = self.bind(transport)?;
        let shared = self.shared();
        shared.reads = vec![bound.transport.reads()];
        shared.transports = vec![bound];
        Ok(self)
    }

    /// Lets the ticket travel this way too: transports are tried in the order in which they were
    /// named, the first with a valid ticket counts and gets the write-back. A new session's ticket
    /// goes out by the one whose ticket verified, else by the first.
    ///
    /// # Panics
    /// If the transport is misconfigured or one of that name is there already.
    #[track_caller]
    pub fn or_transport(self, transport: impl Transport) -> Self {
        accept(self.try_or_transport(transport))
    }

    /// The same, for settings that are read at run time.
    ///
    /// # Errors
    /// If the transport is misconfigured or one of that name is there already.
    pub fn try_or_transport(mut self, transport: impl Transport) -> Result<Self, ConfigError> {
        let bound = self.bind(transport)?;
        let purpose = bound.transport.purpose();
        if self.shared.transports.iter().any(|other| other.transport.purpose() == purpose) {
            return Err(ConfigError::new(format!(
                "two transports of one layer are both `{purpose}`: give the second another name"
            )));
        }
        if self.shared.transports.len() == MOST_TRANSPORTS {
            return Err(ConfigError::new("a layer takes at most eight transports: drop one"));
        }
        let shared = self.shared();
        let reads = bound.transport.reads();
        if !shared.reads.contains(&reads) {
            shared.reads.push(reads);
        }
        shared.transports.push(bound);
        Ok(self)
    }

    /// Sets how long sessions live and how often tickets are renewed.
    ///
    /// # Panics
    /// If the limits contradict each other; the text says how to mend them.
    #[track_caller]
    pub fn expiry(self, expiry: Expiry) -> Self {
        accept(self.try_expiry(expiry))
    }

    /// The same, for limits that are read at run time.
    ///
    /// # Errors
    /// If the limits contradict each other.
    pub fn try_expiry(mut self, expiry: Expiry) -> Result<Self, ConfigError> {
        expiry.check()?;
        self.shared().expiry = expiry;
        Ok(self)
    }

    /// Allows each subject at most so many sessions.
    ///
    /// # Panics
    /// If the store keeps no index of subjects, or the limit is zero.
    #[track_caller]
    pub fn limit(self, limit: Limit) -> Self {
        accept(self.try_limit(limit))
    }

    /// The same, for a limit that is read at run time.
    ///
    /// # Errors
    /// If the store keeps no index of subjects, or the limit is zero.
    pub fn try_limit(mut self, limit: Limit) -> Result<Self, ConfigError> {
        if limit.max == 0 {
            return Err(ConfigError::new(
                "a limit of zero sessions lets nobody in: give `SessionLayer::limit` at least one",
            ));
        }
        if self.shared.store.subjects().is_none() {
            return Err(ConfigError::new(
                "this store keeps no index of subjects and cannot limit their sessions: use one \
                 whose `Store::subjects` answers an index, or drop `SessionLayer::limit`",
            ));
        }
        self.shared().limit = Some(limit);
        Ok(self)
    }

    /// Loads sessions only when somebody asks: the extensions then hold a
    /// [`LazySession<T>`](crate::LazySession), and static files behind the layer cost neither a
    /// signature check nor a store call.
    pub fn lazy(mut self) -> Self {
        self.shared().lazy = true;
        self
    }

    /// Takes the time from this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.shared().clock = Arc::new(clock);
        self
    }

    /// Tells this hook what happens to sessions.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.shared().observer = Some(Arc::new(observer));
        self
    }

    /// How long one call of the store may take before the request fails. 2 seconds by default.
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.shared().store_timeout = limit;
        self
    }

    /// How often a wait for [`Session::revoked`](crate::Session::revoked) asks the store: within
    /// this time it notices a session that another node has ended. 5 seconds by default; with a
    /// [`Cached`](crate::store#caching) store asking costs next to nothing, so it may be less.
    pub fn revocation_check(mut self, every: Duration) -> Self {
        self.shared().revocation_check = every;
        self
    }

    /// Lists and ends the sessions of any subject; see [`Sessions`].
    ///
    /// # Panics
    /// If the store keeps no index of subjects.
    #[track_caller]
    pub fn sessions(&self) -> Sessions<T> {
        accept(self.try_sessions())
    }

    /// The same for a store that is chosen at run time.
    ///
    /// # Errors
    /// If the store keeps no index of subjects.
    pub fn try_sessions(&self) -> Result<Sessions<T>, ConfigError> {
        if self.shared.store.subjects().is_none() {
            return Err(ConfigError::new(
                "this store keeps no index of subjects and cannot list their sessions: use one \
                 whose `Store::subjects` answers an index",
            ));
        }
        Ok(Sessions::new(Arc::clone(&self.shared)))
    }

    /// What removes expired sessions in the background, once it is spawned: some hundred at a
    /// time, until none is left, at this interval. Zero turns it off.
    pub fn sweeper(&self, every: Duration) -> Sweeper {
        Sweeper::new(Arc::clone(&self.shared), every)
    }

    /// Serves requests whose session cannot be loaded as if they had none, rather than with 503.
    /// For public pages only: whoever was logged in looks logged out until the store is back
    /// ([`Status::StoreFailed`](crate::Status::StoreFailed)). Writes still fail with 503.
    pub fn anonymous_when_store_fails(mut self) -> Self {
        self.shared().anonymous_when_store_fails = true;
        self
    }

    /// Keeps edits and new sessions also when the handler answers 5xx. By default they are dropped with the failed
    /// request; the end of a session is always kept.
    pub fn keep_edits_on_server_error(mut self) -> Self {
        self.shared().keep_edits_on_server_error = true;
        self
    }

    /// Sets the statuses and bodies of refusals.
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        self.shared().refusals = refusals;
        self
    }

    /// Says how a refusal's text becomes a response body of type `B`. axum's body is known with
    /// the `axum` feature; without this, other bodies are empty.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::Full;
    /// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .refusal_body(|text| Full::new(Bytes::from(text)));
    /// ```
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        self.shared().bodies.register(make);
        self
    }

    fn bind(&self, transport: impl Transport) -> Result<Bound, ConfigError> {
        transport.check()?;
        let codec = Signed::new(&self.keys, transport.purpose());
        let ticket = "A".repeat(TICKET_LEN);
        if transport.attach(&mut HeaderMap::new(), &ticket, Some(Duration::MAX)).is_err() {
            return Err(ConfigError::new(format!(
                "a ticket of {TICKET_LEN} characters does not fit `{}`: give it a shorter name",
                transport.purpose()
            )));
        }
        Ok(Bound { transport: Arc::new(transport), codec: Arc::new(codec) })
    }

    fn shared(&mut self) -> &mut Shared<T> {
        Arc::make_mut(&mut self.shared)
    }
}

/// Nobody needs more, and every request without a ticket asks them all.
const MOST_TRANSPORTS: usize = 8;

#[track_caller]
#[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
fn accept<L>(configured: Result<L, ConfigError>) -> L {
    match configured {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}

impl<S, T> Layer<S> for SessionLayer<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> SessionService<S, T> {
        SessionService::new(inner, &self.shared)
    }
}

impl<T> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        Self { keys: self.keys.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
