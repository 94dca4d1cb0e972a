//! The service: what it is made of.

use std::fmt;
use std::sync::Arc;

use super::error::AccountError;
use super::event::{AccountEvent, AccountHooks, HookFuture};
use super::passwords::Passwords;
use super::sessions::EndSessions;
use super::store::{AccountStore, Lookup};
use super::throttle::Throttle;
use super::user::{Account, User, UserId, UserSnapshot};
use crate::clock::{Clock, SystemClock, Timestamp};

/// User accounts: registration, log-in, verification, recovery, roles. Clones share everything.
///
/// It runs on tokio. It answers no requests by itself; handlers call it, and answer with
/// [`AccountError::status`]. What each call does and tells is said at its method, what holds for all
/// of them in the [module](super).
///
/// # Defaults
/// [`Passwords::new`], [`Throttle::new`], no hooks; who has not shown that their address is theirs may
/// [log in all the same](Accounts::only_verified).
///
/// ```
/// use sessile::accounts::{Accounts, LogIn, MemoryAccounts, Registration};
/// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
/// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// let accounts = Accounts::new(MemoryAccounts::new(), layer.sessions());
/// let ann = Registration::new("ann@example.org", "correct horse battery staple");
/// let user = accounts.register(ann).await?;
/// let logged_in = accounts.log_in(LogIn::new("ann@example.org", "correct horse battery staple")).await?;
/// assert_eq!(logged_in.user().id, user.id);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Accounts(pub(super) Arc<Parts>);

#[derive(Clone)]
pub(super) struct Parts {
    pub(super) store: Arc<dyn AccountStore>,
    pub(super) passwords: Passwords,
    pub(super) throttle: Throttle,
    pub(super) hooks: Arc<dyn AccountHooks>,
    pub(super) sessions: Vec<Arc<dyn EndSessions>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) only_verified: bool,
}

impl Accounts {
    /// Accounts in this store. Another password, being made inactive, and deletion end these
    /// sessions: those of a layer, which are found by their subject
    /// ([`start`](Self::start) sees to it that this is the user's id), or [whatever
    /// else](EndSessions) a user is logged in by. They end also if nobody waits for the call any
    /// more, and if the store fails and nobody knows whether it has changed the user. Take the layer
    /// as it is used, with its observers. [`NothingToEnd`](super::NothingToEnd) says that there are none.
    #[must_use]
    pub fn new(store: impl AccountStore, sessions: impl EndSessions) -> Self {
        Self::shared(Arc::new(store), sessions)
    }

    /// Accounts in a store that a setting has chosen, or that something else uses as well.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sessile::accounts::{AccountStore, Accounts, MemoryAccounts};
    /// use sessile::{Sessions, Values};
    /// fn in_memory(sessions: Sessions<Values>) -> Accounts {
    ///     let store: Arc<dyn AccountStore> = Arc::new(MemoryAccounts::new());
    ///     Accounts::shared(store, sessions)
    /// }
    /// ```
    #[must_use]
    pub fn shared(store: Arc<dyn AccountStore>, sessions: impl EndSessions) -> Self {
        Self(Arc::new(Parts {
            store,
            passwords: Passwords::new(),
            throttle: Throttle::new(),
            hooks: Arc::new(|_: AccountEvent| {}),
            sessions: vec![Arc::new(sessions)],
            clock: Arc::new(SystemClock),
            only_verified: false,
        }))
    }

    /// Sets how passwords are judged and hashed.
    ///
    /// ```
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// use sessile::accounts::Passwords;
    /// let accounts = accounts.passwords(Passwords::new().length(12..=128));
    /// ```
    #[must_use]
    pub fn passwords(mut self, passwords: Passwords) -> Self {
        Arc::make_mut(&mut self.0).passwords = passwords;
        self
    }

    /// Sets how often somebody may try.
    ///
    /// ```
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// use sessile::accounts::Throttle;
    /// let accounts = accounts.throttle(Throttle::new().account(10));
    /// ```
    #[must_use]
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        Arc::make_mut(&mut self.0).throttle = throttle;
        self
    }

    /// Sets who is told of what happens.
    ///
    /// ```
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// use sessile::accounts::AccountEvent;
    /// let accounts = accounts.hooks(|event: AccountEvent| match event {
    ///     AccountEvent::Registered { user, .. } => println!("{} is new", user.id),
    ///     _ => {}
    /// });
    /// ```
    #[must_use]
    pub fn hooks(mut self, hooks: impl AccountHooks) -> Self {
        Arc::make_mut(&mut self.0).hooks = Arc::new(hooks);
        self
    }

    /// Adds to what ends as the sessions do that [`new`](Self::new) took: those of another layer,
    /// say.
    ///
    /// ```
    /// use sessile::accounts::{Accounts, MemoryAccounts};
    /// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let shop = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let admin = SessionLayer::<u64>::new(MemoryStore::new(), Key::generate());
    /// let accounts = Accounts::new(MemoryAccounts::new(), shop.sessions()).sessions(admin.sessions());
    /// ```
    #[must_use]
    pub fn sessions(mut self, sessions: impl EndSessions) -> Self {
        Arc::make_mut(&mut self.0).sessions.push(Arc::new(sessions));
        self
    }

    /// Lets in by password only who has shown that their address is theirs. Others get
    /// [`Credentials`](super::AccountErrorKind::Credentials), after the same work, as if there were no
    /// such user; a registration that keeps to itself whether the address was free
    /// [needs this](Self::register). Who logs in [through a provider](Self::log_in_linked) is not
    /// concerned.
    ///
    /// ```
    /// use sessile::accounts::{AccountErrorKind, LogIn, Registration};
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// let accounts = accounts.only_verified();
    /// let password = "correct horse battery staple";
    /// accounts.register(Registration::new("ann@example.org", password)).await?;
    /// let refused = accounts.log_in(LogIn::new("ann@example.org", password)).await.unwrap_err();
    /// assert_eq!(refused.kind(), AccountErrorKind::Credentials);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn only_verified(mut self) -> Self {
        Arc::make_mut(&mut self.0).only_verified = true;
        self
    }

    /// Sets where the time comes from.
    ///
    /// ```
    /// use sessile::SystemClock;
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// let accounts = accounts.clock(SystemClock);
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        Arc::make_mut(&mut self.0).clock = Arc::new(clock);
        self
    }

    /// The store, for what has no flow here.
    ///
    /// ```
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd, UserStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// let first_page = accounts.store().list(None, 50).await?;
    /// # assert!(first_page.is_empty());
    /// # Ok(()) }
    /// ```
    pub fn store(&self) -> &dyn AccountStore {
        &*self.0.store
    }

    /// What the hasher does, for metrics.
    ///
    /// ```
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// assert_eq!(accounts.password_stats().waiting, 0);
    /// ```
    pub fn password_stats(&self) -> super::passwords::PasswordStats {
        self.0.passwords.stats()
    }

    /// A user; [`NotFound`](super::AccountErrorKind::NotFound) if there is none.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, User, UserId};
    /// async fn email(accounts: &Accounts, id: UserId) -> Result<String, AccountError> {
    ///     Ok(accounts.user(id).await?.email.to_string())
    /// }
    /// ```
    ///
    /// # Errors
    /// That, or what the store fails with.
    pub async fn user(&self, id: UserId) -> Result<User, AccountError> {
        Ok(self.account(id).await?.user)
    }

    /// A user with roles and permissions, as they are now: what a guard decides on. It is read from
    /// the store, so that a change is in force with the next request.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, UserId};
    /// use sessile::guard::Principal;
    /// async fn may_delete(accounts: &Accounts, id: UserId) -> Result<bool, AccountError> {
    ///     Ok(accounts.snapshot(id).await?.has_permission("user:delete"))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](super::AccountErrorKind::NotFound), or what the store fails with.
    pub async fn snapshot(&self, id: UserId) -> Result<UserSnapshot, AccountError> {
        let user = self.user(id).await?;
        let held = self.0.store.held(id).await?;
        Ok(UserSnapshot { user, roles: held.roles, permissions: held.permissions })
    }

    pub(super) async fn account(&self, id: UserId) -> Result<Account, AccountError> {
        let account = self.0.store.find(Lookup::Id(id)).await?;
        account.ok_or_else(|| super::AccountErrorKind::NotFound.into())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now().into()
    }

    /// Tells it in a task of its own.
    pub(super) fn tell(&self, event: AccountEvent) {
        let hooks = Arc::clone(&self.0.hooks);
        drop(tokio::spawn(async move { hooks.on(event).await }));
    }

    pub(super) fn tell_now(&self, event: AccountEvent) -> HookFuture {
        self.0.hooks.on(event)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("passwords", &self.0.passwords)
            .field("throttle", &self.0.throttle)
            .finish_non_exhaustive()
    }
}
