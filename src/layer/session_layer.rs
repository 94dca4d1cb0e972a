//! The layer itself, and how one begins: on a store, or on none.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::codec::Carrier;
use crate::key::{Key, Keyring};
use crate::record::SessionData;
use crate::service::SessionService;
use crate::shared::Shared;
use crate::store::Store;
use crate::tickets::{Revocation, Tickets};
use crate::transport::Cookie;

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
/// the browser is closed); limits are those of [`Expiry`](crate::Expiry); sessions are loaded for
/// every request with a valid ticket; a store that fails or takes more than 2 seconds means 503;
/// edits are dropped when the handler answers 5xx; refusals are problem+json.
#[must_use = "a layer does nothing until it wraps a service"]
pub struct SessionLayer<T> {
    pub(super) keys: Keyring,
    pub(super) shared: Arc<Shared<T>>,
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
        let shared = Arc::new(Shared::new(Arc::new(store)));
        Self { keys: keys.into(), shared }.transport(Cookie::host("sid"))
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
    ///
    /// # An older ticket is as good as the newest
    ///
    /// Nothing but the client says which of its tickets is the last. Whoever kept an earlier one
    /// can come back with it until its deadline, and the session is again what it was then: a
    /// voucher that was spent is unspent, an attempt that was counted is not. Its use starts the
    /// idle limit anew, so that a copy lives to the absolute one. A deny list ends a session with
    /// all of its tickets; it cannot take back one of them.
    ///
    /// So keep nothing here that must not go back: balances, counters, what may be done once, a
    /// role that can be withdrawn. That belongs in a store ([`new`](Self::new)). What is fit for a
    /// ticket is who logged in and when, and preferences.
    pub fn carried(carrier: impl Carrier, revocation: Revocation) -> Self {
        let tickets = Arc::new(Tickets::new(carrier, revocation));
        let mut layer = Self::new(Arc::clone(&tickets), Key::generate());
        layer.shared().tickets = Some(tickets);
        layer
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
