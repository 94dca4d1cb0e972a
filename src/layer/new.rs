//! A new layer: on a store, or on none.

use std::sync::Arc;
use std::time::Duration;

use super::SessionLayer;
use crate::clock::SystemClock;
use crate::codec::Carrier;
use crate::expiry::Expiry;
use crate::key::{Key, Keyring};
use crate::record::SessionData;
use crate::refusal::{Bodies, Refusals};
use crate::shared::Shared;
use crate::store::Store;
use crate::tickets::{Revocation, Tickets};
use crate::transport::Cookie;

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
