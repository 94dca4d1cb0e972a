//! The layer and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tower_layer::Layer;

use crate::clock::{Clock, SystemClock, Timestamp};
#[cfg(feature = "fastapi-sessions")]
use crate::codec::FastapiSessions;
use crate::codec::{Carrier, Codec, Signed, Ticket};
use crate::error::{ConfigError, Error};
use crate::event::Observer;
use crate::expiry::Expiry;
use crate::hints::ClientHints;
use crate::id::Id;
use crate::key::{Key, Keyring};
use crate::profile::Profile;
use crate::record::SessionData;
use crate::refusal::{Bodies, Refusals};
use crate::registry::Sessions;
use crate::report::Report;
use crate::service::SessionService;
use crate::shared::{Bound, Shared};
use crate::site_data::{SiteData, line};
use crate::store::{Limit, Store};
use crate::sweeper::Sweeper;
use crate::tickets::{Revocation, Tickets};
use crate::transport::{Cookie, Transport};
use crate::verify::Verifier;

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

impl<T> SessionLayer<T> {
    /// A layer that keeps sessions in `store` and signs tickets with `keys`: a
    /// [`Key`](crate::Key), or a [`Keyring`] when keys change.
    ///
    /// ```
    /// use sessile::{Key, Keyring, SessionLayer, Values, store::MemoryStore};
    /// let (new, old) = (Key::generate(), Key::generate());
    /// let one_key = SessionLayer::<Values>::new(MemoryStore::new(), new.clone());
    /// let during_a_change =
    ///     SessionLayer::<Values>::new(MemoryStore::new(), Keyring::new(new).also_accept(old));
    /// ```
    pub fn new(store: impl Store<T>, keys: impl Into<Keyring>) -> Self
    where
        T: SessionData, // here, so that the compiler says what `T` lacks
    {
        let shared = Shared {
            store: Arc::new(store),
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
        };
        Self { keys: keys.into(), shared: Arc::new(shared) }.transport(Cookie::host("sid"))
    }
}

impl<T: SessionData> SessionLayer<T> {
    /// A layer whose sessions live in their tickets, in the client's hands, and in no store.
    ///
    /// For what need not be kept from going stale: of two requests that change such a session at
    /// once, the one that is answered last wins. It cannot be listed, counted or limited, and has
    /// no theft alarm; whether it can be ended before it expires is said by `revocation`. A
    /// session that does not fit its transport (a cookie takes 4096 bytes in all) is refused with
    /// 413 when it is written.
    ///
    /// ```
    /// # #[cfg(feature = "sealed")] {
    /// use sessile::codec::Sealed;
    /// use sessile::{Key, Revocation, SessionLayer, Values};
    /// let preferences = SessionLayer::<Values>::carried(
    ///     Sealed::new(Key::generate()),
    ///     Revocation::impossible(),
    /// );
    /// # }
    /// ```
    pub fn carried(carrier: impl Carrier, revocation: Revocation) -> Self {
        let tickets = Arc::new(Tickets::new(carrier, revocation));
        let mut layer = Self::new(Arc::clone(&tickets), Key::generate());
        layer.shared().tickets = Some(tickets);
        layer
    }

    /// Lets the ticket travel this way, in place of the default cookie.
    ///
    /// ```
    /// use sessile::transport::{Cookie, SameSite};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Cookie::host("sid").same_site(SameSite::Strict));
    /// ```
    ///
    /// # Panics
    /// If the transport is misconfigured; the text says what to write instead. Use
    /// [`try_transport`](Self::try_transport) for settings that are read at run time.
    #[track_caller]
    pub fn transport(self, transport: impl Transport) -> Self {
        accept(self.try_transport(transport))
    }

    /// [`transport`](Self::transport) for settings that are read at run time.
    ///
    /// ```
    /// use sessile::transport::Cookie;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let from_a_file = "example.com";
    /// let error = sessions.try_transport(Cookie::host("sid").domain(from_a_file)).unwrap_err();
    /// assert!(error.to_string().contains("Cookie::secure"), "{error}");
    /// ```
    ///
    /// # Errors
    /// If the transport is misconfigured.
    pub fn try_transport(self, transport: impl Transport) -> Result<Self, ConfigError> {
        if transport.is_single_use() {
            return Err(ConfigError::new(
                "a transport of handshakes gives nobody a session: name another with \
                 `SessionLayer::transport`, and this one with `or_transport`",
            ));
        }
        let bound = self.bind(transport)?;
        Ok(self.only(bound))
    }

    fn only(mut self, bound: Bound) -> Self {
        let shared = self.shared();
        shared.reads = vec![bound.transport.reads()];
        shared.transports = vec![bound];
        shared.handshakes = None;
        self
    }

    /// Lets the cookie of a fastapi-sessions deployment be the session's ticket: both systems take
    /// each other's cookies, as long as both are there and share the sessions behind them.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::{codec::FastapiSessions, transport::Cookie};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport_with(Cookie::named("cookie"), FastapiSessions::new("its secret_key"));
    /// ```
    ///
    /// # Panics
    /// If the cookie is misconfigured, a secret is empty, or it is [read
    /// only](FastapiSessions::read_only), which is for
    /// [`or_transport_with`](Self::or_transport_with).
    #[cfg(feature = "fastapi-sessions")]
    #[track_caller]
    pub fn transport_with(self, cookie: Cookie, codec: FastapiSessions) -> Self {
        accept(self.try_transport_with(cookie, codec))
    }

    /// [`transport_with`](Self::transport_with) for settings that are read at run time.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # use sessile::{codec::FastapiSessions, transport::Cookie};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let error = sessions.try_transport_with(Cookie::named("cookie"), FastapiSessions::new(""));
    /// assert!(error.unwrap_err().to_string().contains("empty secret"));
    /// ```
    ///
    /// # Errors
    /// As for [`transport_with`](Self::transport_with).
    #[cfg(feature = "fastapi-sessions")]
    #[expect(clippy::needless_pass_by_value, reason = "a setting is handed over, as all are")]
    pub fn try_transport_with(
        self,
        cookie: Cookie,
        codec: FastapiSessions,
    ) -> Result<Self, ConfigError> {
        if codec.read_only {
            return Err(ConfigError::new(
                "cookies that are only read give nobody a ticket: name another with \
                 `SessionLayer::transport`, and these with `or_transport_with`",
            ));
        }
        let bound = self.bind_fastapi(cookie, &codec)?;
        Ok(self.only(bound))
    }

    /// Takes the cookie of a fastapi-sessions deployment as well. If it is [read
    /// only](FastapiSessions::read_only), whoever comes with one is given a ticket by the first
    /// transport.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::{codec::FastapiSessions, transport::Cookie};
    /// let after_the_move = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Cookie::host("sid"))
    ///     .or_transport_with(Cookie::named("cookie"), FastapiSessions::new("secret").read_only());
    /// ```
    ///
    /// # Panics
    /// If the cookie is misconfigured, a secret is empty, a transport of that name is there
    /// already, or there are eight.
    #[cfg(feature = "fastapi-sessions")]
    #[track_caller]
    pub fn or_transport_with(self, cookie: Cookie, codec: FastapiSessions) -> Self {
        accept(self.try_or_transport_with(cookie, codec))
    }

    /// [`or_transport_with`](Self::or_transport_with) for settings that are read at run time.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::{codec::FastapiSessions, transport::Cookie};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let legacy = FastapiSessions::new("secret").read_only();
    /// let error = sessions.try_or_transport_with(Cookie::host("sid"), legacy).unwrap_err();
    /// assert!(error.to_string().contains("give the second another name"));
    /// ```
    ///
    /// # Errors
    /// As for [`or_transport_with`](Self::or_transport_with).
    #[cfg(feature = "fastapi-sessions")]
    #[expect(clippy::needless_pass_by_value, reason = "a setting is handed over, as all are")]
    pub fn try_or_transport_with(
        self,
        cookie: Cookie,
        codec: FastapiSessions,
    ) -> Result<Self, ConfigError> {
        let bound = self.bind_fastapi(cookie, &codec)?;
        self.also(bound)
    }

    #[cfg(feature = "fastapi-sessions")]
    fn bind_fastapi(&self, cookie: Cookie, codec: &FastapiSessions) -> Result<Bound, ConfigError> {
        if self.shared.tickets.is_some() {
            return Err(ConfigError::new(
                "cookies of fastapi-sessions name sessions in a store, and these live in their \
                 tickets: give the layer a store",
            ));
        }
        let cookies = Codec::FastapiSessions(codec.bind(cookie.purpose())?);
        Self::bind_with(cookie, cookies, codec.read_only)
    }

    /// Lets the ticket travel this way too: transports are tried in the order in which they were
    /// named, the first with a valid ticket counts and gets the write-back. A new session's ticket
    /// goes out by the one whose ticket verified, else by the first.
    ///
    /// ```
    /// use sessile::transport::{Bearer, Cookie};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let browsers_and_scripts = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Cookie::host("sid"))
    ///     .or_transport(Bearer::new());
    /// ```
    ///
    /// # Panics
    /// If the transport is misconfigured, one of that name is there already, or there are eight.
    #[track_caller]
    pub fn or_transport(self, transport: impl Transport) -> Self {
        accept(self.try_or_transport(transport))
    }

    /// [`or_transport`](Self::or_transport) for settings that are read at run time.
    ///
    /// ```
    /// use sessile::transport::Cookie;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let error = sessions.try_or_transport(Cookie::host("sid")).unwrap_err(); // as the default
    /// assert!(error.to_string().contains("give the second another name"));
    /// ```
    ///
    /// # Errors
    /// If the transport is misconfigured, one of that name is there already, or there are eight.
    pub fn try_or_transport(self, transport: impl Transport) -> Result<Self, ConfigError> {
        let bound = self.bind(transport)?;
        self.also(bound)
    }

    fn also(mut self, bound: Bound) -> Result<Self, ConfigError> {
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
        if bound.transport.is_single_use() {
            if shared.tickets.is_some() {
                return Err(ConfigError::new(
                    "single-use tickets are noted in a store, and these sessions live in their \
                     tickets: drop the `Query`, or give the layer a store",
                ));
            }
            if shared.handshakes.is_some() {
                return Err(ConfigError::new(
                    "a layer has one transport of handshakes: drop the second `Query`",
                ));
            }
            shared.handshakes = u8::try_from(shared.transports.len()).ok();
            shared.transports.push(bound);
            return Ok(self);
        }
        let reads = bound.transport.reads();
        if !shared.reads.contains(&reads) {
            shared.reads.push(reads);
        }
        shared.transports.push(bound);
        Ok(self)
    }

    /// Lets the first transport that brings anything decide, valid or not, as the token
    /// locations of `FastAuth` do. Without it, the first that brings a *valid* ticket decides.
    ///
    /// ```
    /// # use http::{Request, Response, header::SET_COOKIE};
    /// # use sessile::{Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::transport::{Bearer, Cookie};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Bearer::new())
    ///     .or_transport(Cookie::host("sid"))
    ///     .first_present_decides();
    /// # let pages = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     let status = format!("{:?}", session.status());
    /// #     if request.uri() == "/log_in" { session.create(Values::new()).unwrap(); }
    /// #     Ok::<_, ()>(Response::new(status))
    /// # }));
    /// # let garbled = Request::get("/log_in").header("cookie", "__Host-sid=garbled").body(()).unwrap();
    /// # let answer = pages.clone().oneshot(garbled).await.unwrap();
    /// # assert_eq!(answer.body(), "Rejected(Malformed)");
    /// # assert!(answer.headers().contains_key("authorization"));
    /// // a request with a garbled bearer token is one without a session, whatever its cookie says
    /// # }
    /// ```
    pub fn first_present_decides(mut self) -> Self {
        self.shared().first_present = true;
        self
    }

    /// Sets how long sessions live and how often tickets are renewed.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::Expiry;
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .expiry(Expiry::idle(Duration::from_secs(15 * 60)));
    /// ```
    ///
    /// # Panics
    /// If the limits contradict each other, or are longer than those of the layer's
    /// [`profile`](Self::profile); the text says how to mend them.
    #[track_caller]
    pub fn expiry(self, expiry: Expiry) -> Self {
        accept(self.try_expiry(expiry))
    }

    /// [`expiry`](Self::expiry) for limits that are read at run time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::Expiry;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let a_day = Expiry::idle(Duration::from_secs(24 * 3600)); // and 12 hours in all
    /// let error = sessions.try_expiry(a_day).unwrap_err();
    /// assert!(error.to_string().contains("Expiry::absolute"));
    /// ```
    ///
    /// # Errors
    /// If the limits contradict each other, or are longer than those of the profile.
    pub fn try_expiry(mut self, expiry: Expiry) -> Result<Self, ConfigError> {
        expiry.check()?;
        if let Some(profile) = &self.shared.profile {
            profile.permit(&expiry)?;
        }
        self.shared().expiry = expiry;
        Ok(self)
    }

    /// Holds the limits to those of an authentication assurance level: see [`Profile`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Expiry, Profile};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .profile(Profile::aal2());
    /// let a_week = Duration::from_secs(7 * 24 * 3600);
    /// let error = sessions.try_expiry(Expiry::default().absolute(a_week)).unwrap_err();
    /// assert!(error.to_string().contains("24 hours of aal2"), "{error}");
    /// ```
    ///
    /// # Panics
    /// If the layer's limits were set to longer ones before, or the profile's reason is empty.
    #[track_caller]
    pub fn profile(self, profile: Profile) -> Self {
        accept(self.try_profile(profile))
    }

    /// [`profile`](Self::profile) for a profile that is chosen at run time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Expiry, Profile};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let half_an_hour = sessions.expiry(Expiry::idle(Duration::from_secs(1800)).without_renewal());
    /// assert!(half_an_hour.clone().try_profile(Profile::aal2()).is_ok());
    /// assert!(half_an_hour.try_profile(Profile::aal3()).is_err());
    /// ```
    ///
    /// # Errors
    /// If the layer's limits were set to longer ones before, or the profile's reason is empty.
    pub fn try_profile(mut self, profile: Profile) -> Result<Self, ConfigError> {
        profile.check()?;
        let expiry = profile.apply(self.shared.expiry)?;
        let shared = self.shared();
        shared.expiry = expiry;
        shared.profile = Some(profile);
        Ok(self)
    }

    /// Allows each subject at most so many sessions. Who a session belongs to is said when it is
    /// created ([`NewSession::subject`](crate::NewSession::subject)); those of nobody are not
    /// counted.
    ///
    /// ```
    /// use sessile::store::{Limit, MemoryStore};
    /// # use sessile::{Key, SessionLayer, Values};
    /// let three_devices = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .limit(Limit::evict_oldest(3));
    /// ```
    ///
    /// # Panics
    /// If the store keeps no index of subjects, or the limit is zero.
    #[track_caller]
    pub fn limit(self, limit: Limit) -> Self {
        accept(self.try_limit(limit))
    }

    /// [`limit`](Self::limit) for a limit that is read at run time.
    ///
    /// ```
    /// use sessile::store::{Limit, MemoryStore};
    /// # use sessile::{Key, SessionLayer, Values};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// assert!(sessions.clone().try_limit(Limit::deny(1)).is_ok());
    /// assert!(sessions.try_limit(Limit::deny(0)).is_err());
    /// ```
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
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// use http::{Request, Response};
    /// use sessile::{Key, LazySession, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()).lazy();
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// // in the service behind it:
    /// assert!(Session::<Values>::of(&request).is_none());
    /// assert!(LazySession::<Values>::of(&request).is_some());
    /// # Ok::<_, Infallible>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn lazy(mut self) -> Self {
        self.shared().lazy = true;
        self
    }

    /// Takes the time from this clock, and its waits. [`SystemClock`] by default.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use sessile::testkit::SimulatedClock;
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .clock(SimulatedClock::starting_at(UNIX_EPOCH));
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// // in a handler:
    /// session.create(Values::new())?;
    /// assert_eq!(session.expiry(), Some(UNIX_EPOCH + Duration::from_secs(30 * 60)));
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.shared().clock = Arc::new(clock);
        self
    }

    /// Tells this hook what happens to sessions. There is one; a second takes its place.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use sessile::Event;
    /// # use http::{Request, Response};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// let rejected = Arc::new(AtomicU64::new(0));
    /// let metric = Arc::clone(&rejected);
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .observer(move |event: &Event<'_>| {
    ///         if let Event::Rejected { .. } = event {
    ///             metric.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     });
    /// # let service = sessions
    /// #     .layer(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// # let request = Request::get("/").header("cookie", "__Host-sid=garbled").body(()).unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(service.oneshot(request)).unwrap();
    /// // after a request with the cookie `__Host-sid=garbled`:
    /// assert_eq!(rejected.load(Ordering::Relaxed), 1);
    /// ```
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.shared().observer = Some(Arc::new(observer));
        self
    }

    /// How long one call of the store may take before the request fails with 503. 2 seconds by
    /// default. An answer that is there at once is never late.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::{Request, Response};
    /// use sessile::testkit::{Faulty, Operation};
    /// use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let store = Faulty::new(MemoryStore::new());
    /// store.hang(Operation::Create);
    /// let log_in = SessionLayer::<Values>::new(store, Key::generate())
    ///     .store_timeout(Duration::from_millis(10))
    ///     .layer(service_fn(|request: Request<()>| async move {
    ///         Session::of(&request).expect("the layer").create(Values::new())?;
    ///         Ok::<_, Error>(Response::new(String::new()))
    ///     }));
    /// assert_eq!(log_in.oneshot(Request::new(())).await.unwrap().status(), 503);
    /// # }
    /// ```
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.shared().store_timeout = limit;
        self
    }

    /// How often a wait for [`Session::revoked`](crate::Session::revoked) asks the store: within
    /// this time it notices a session that another node has ended. 5 seconds by default; with a
    /// cache in front of the store asking costs next to nothing, so it may be less.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use std::time::Duration;
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .revocation_check(Duration::from_secs(1));
    /// ```
    pub fn revocation_check(mut self, every: Duration) -> Self {
        self.shared().revocation_check = every;
        self
    }

    /// Lists and ends the sessions of any subject; see [`Sessions`].
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::Error> {
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let sessions = layer.sessions();
    /// assert_eq!(sessions.count("ann").await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the store keeps no index of subjects.
    #[track_caller]
    pub fn sessions(&self) -> Sessions<T> {
        accept(self.try_sessions())
    }

    /// The same for a store that is chosen at run time.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// assert!(layer.try_sessions().is_ok(), "the memory store keeps an index");
    /// ```
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

    /// What removes expired sessions in the background, once it is spawned: a hundred at a
    /// time, until none is left, at this interval. Zero turns it off.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::time::Duration;
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// tokio::spawn(layer.sweeper(Duration::from_secs(60)));
    /// # }
    /// ```
    pub fn sweeper(&self, every: Duration) -> Sweeper {
        Sweeper::new(Arc::clone(&self.shared), every)
    }

    /// Serves requests whose session cannot be loaded as if they had none, rather than with 503.
    /// For public pages only: whoever was logged in looks logged out until the store is back
    /// ([`Status::StoreFailed`](crate::Status::StoreFailed)). Writes still fail with 503.
    ///
    /// ```
    /// use sessile::testkit::{Faulty, Operation};
    /// use sessile::{Key, Session, SessionLayer, StoreErrorKind, Values, store::MemoryStore};
    /// # use http::{Request, Response, header::{COOKIE, SET_COOKIE}};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let store = Faulty::new(MemoryStore::new());
    /// let sessions = SessionLayer::<Values>::new(store.clone(), Key::generate())
    ///     .anonymous_when_store_fails();
    /// # let front_page = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     if request.uri() == "/log_in" { session.create(Values::new()).unwrap(); }
    /// #     Ok::<_, ()>(Response::new(format!("{:?}", session.status())))
    /// # }));
    /// # let log_in = Request::get("/log_in").body(()).unwrap();
    /// # let answer = front_page.clone().oneshot(log_in).await.unwrap();
    /// # let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    /// # let with_a_session = Request::get("/").header(COOKIE, cookie).body(()).unwrap();
    /// store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
    /// // a page that prints `session.status()` still comes:
    /// let answer = front_page.oneshot(with_a_session).await.unwrap();
    /// assert_eq!((answer.status().as_u16(), answer.body().as_str()), (200, "StoreFailed"));
    /// # }
    /// ```
    pub fn anonymous_when_store_fails(mut self) -> Self {
        self.shared().anonymous_when_store_fails = true;
        self
    }

    /// Keeps edits and new sessions also when the handler answers 5xx. By default they are dropped
    /// with the failed request; the end of a session is always kept.
    ///
    /// ```
    /// use http::{Request, Response, header::SET_COOKIE};
    /// use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let service = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .keep_edits_on_server_error()
    ///     .layer(service_fn(|request: Request<()>| async move {
    ///         Session::of(&request).expect("the layer").create(Values::new())?;
    ///         let failed = Response::builder().status(500);
    ///         Ok::<_, Error>(failed.body(String::new()).expect("a response"))
    ///     }));
    /// let answer = service.oneshot(Request::new(())).await.unwrap();
    /// assert!(answer.headers().contains_key(SET_COOKIE));
    /// # }
    /// ```
    pub fn keep_edits_on_server_error(mut self) -> Self {
        self.shared().keep_edits_on_server_error = true;
        self
    }

    /// Sets the statuses and bodies of refusals: the layer's own, and those of extractors and
    /// guards inside it.
    ///
    /// ```
    /// use http::StatusCode;
    /// use sessile::Refusals;
    /// # use http::{Request, Response};
    /// # use sessile::{Key, RequireSession, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .refusals(Refusals::problem().unauthenticated(StatusCode::NOT_FOUND, "no such page"));
    /// # let guarded = ServiceBuilder::new().layer(sessions).layer(RequireSession::<Values>::new())
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let answer = guarded.oneshot(Request::new(())).await.unwrap(); // a guard behind the layer
    /// assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    /// # }
    /// ```
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

    /// Asks this verifier, after those named before, whether a session is good for a request: see
    /// [`verify`](crate::verify).
    ///
    /// ```
    /// # use http::{Request, Response, header::{COOKIE, SET_COOKIE}};
    /// # use sessile::{Key, RequireSession, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::verify::{Verdict, Visit};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .verifier(|visit: &Visit<'_, Values>| {
    ///         if visit.headers.contains_key("x-forged") { Verdict::End("forged") } else { Verdict::Pass }
    ///     });
    /// # let pages = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     if request.uri() == "/log_in" { session.create(Values::new()).unwrap(); }
    /// #     Ok::<_, ()>(Response::new(format!("{:?}", session.status())))
    /// # }));
    /// # let log_in = Request::get("/log_in").body(()).unwrap();
    /// # let answer = pages.clone().oneshot(log_in).await.unwrap();
    /// # let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    /// # let visit = || Request::get("/").header(COOKIE, cookie);
    /// # let answer = pages.clone().oneshot(visit().body(()).unwrap()).await.unwrap();
    /// # assert_eq!(answer.body(), "Active");
    /// # let forged = visit().header("x-forged", "1").body(()).unwrap();
    /// # let answer = pages.clone().oneshot(forged).await.unwrap();
    /// # assert_eq!(answer.body(), "Rejected(Void)");
    /// # let answer = pages.clone().oneshot(visit().body(()).unwrap()).await.unwrap();
    /// # assert_eq!(answer.body(), "Rejected(Gone)");
    /// # }
    /// ```
    pub fn verifier(mut self, verifier: impl Verifier<T>) -> Self {
        self.shared().verifiers.push(Arc::new(verifier));
        self
    }

    /// Tells browsers to forget this at each log-out ([`Session::destroy`](crate::Session::destroy)),
    /// as well as the ticket.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::SiteData;
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .clear_site_data([SiteData::Cache, SiteData::Storage]);
    /// ```
    pub fn clear_site_data(mut self, what: impl IntoIterator<Item = SiteData>) -> Self {
        self.shared().clear_site_data = line(what);
        self
    }

    /// Refuses data of more than so many bytes, counted as JSON, with
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge): for applications that keep in a session
    /// what visitors write. Unlimited by default, but for what the store takes; counting costs a
    /// serialisation per edit.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::ErrorKind;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()).max_size(4096);
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// session.create(Values::new())?;
    /// let novel = "It was a dark and stormy night. ".repeat(1000);
    /// let refused = session.update(move |values| values.insert("text", &novel).map(drop));
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::TooLarge);
    /// assert!(session.get().unwrap().is_empty(), "nothing was changed");
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.shared().max_size = Some(bytes);
        self
    }

    /// Finds out the [`Client`](crate::Client) of each request, for events and verifiers, and
    /// records that of each new session.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use axum::extract::ConnectInfo;
    /// use sessile::ClientHints;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .client_hints(ClientHints::from_peer(|extensions| {
    ///         Some(extensions.get::<ConnectInfo<SocketAddr>>()?.ip())
    ///     }));
    /// ```
    pub fn client_hints(mut self, hints: ClientHints) -> Self {
        self.shared().hints = Some(hints);
        self
    }

    /// What the layer is set to, and where that falls short of the standards: see [`Report`].
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let key = Key::generate();
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), key.clone());
    /// eprintln!("{}", sessions.report()); // where the application starts
    /// assert_eq!(sessions.report().keys, [key.id()]);
    /// ```
    pub fn report(&self) -> Report {
        Report::of(&self.keys, &self.shared)
    }

    /// The statuses and bodies of its refusals, for documents that show them.
    #[cfg(feature = "openapi")]
    pub(crate) fn refusals_in_use(&self) -> &Refusals {
        &self.shared.refusals
    }

    fn bind(&self, transport: impl Transport) -> Result<Bound, ConfigError> {
        let codec = Codec::Signed(Signed::new(&self.keys, transport.purpose()));
        Self::bind_with(transport, codec, false)
    }

    fn bind_with(
        transport: impl Transport,
        codec: Codec,
        read_only: bool,
    ) -> Result<Bound, ConfigError> {
        transport.check()?;
        let sample = Ticket { id: Id::generate().map_err(random)?, generation: u32::MAX };
        let sample = codec.seal(&sample, || Timestamp::from_millis(u64::MAX));
        let ticket = sample.as_str();
        if transport.attach(&mut HeaderMap::new(), ticket, Some(Duration::MAX)).is_err() {
            return Err(ConfigError::new(format!(
                "a ticket of {} characters does not fit `{}`: give it a shorter name",
                ticket.len(),
                transport.purpose()
            )));
        }
        Ok(Bound { transport: Arc::new(transport), codec: Arc::new(codec), read_only })
    }

    fn shared(&mut self) -> &mut Shared<T> {
        Arc::make_mut(&mut self.shared)
    }
}

/// Nobody needs more, and every request without a ticket asks them all.
const MOST_TRANSPORTS: usize = 8;

fn random(_: Error) -> ConfigError {
    ConfigError::new("the operating system gave no random bytes")
}

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
