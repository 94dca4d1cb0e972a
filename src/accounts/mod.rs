//! User accounts: who may log in, and how they show who they are.
//!
//! [`Accounts`] has the flows: register, log in, verify an address, recover and change a password,
//! roles and permissions. An [`AccountStore`] keeps the users: [`MemoryAccounts`] for tests,
//! `SqlAccounts` on SQLite and PostgreSQL (features `sqlite`, `postgres`). [`Passwords`] hashes,
//! [`Throttle`] slows guessing down, [`AccountHooks`] hears what happens.
//!
//! 1. **Nobody learns who has an account** by logging in, asking for a token or recovering a
//!    password: answer and work are the same for names that exist and for those that do not.
//! 2. **A log-in does not hold up other requests.** Passwords are hashed on threads for blocking
//!    work, a few at a time; what finds the queue full is told so.
//! 3. **Another password ends other sessions**, and so does being made inactive or deleted: those
//!    that [`Accounts::new`] was told of, also those that begin in the same moment
//!    ([`Accounts::start`]), and also if nobody waits for the answer any more.
//! 4. **The server decides what a user may do.** Nothing that somebody registers with names a role.
//! 5. **No secret shows.** Errors have constant texts; passwords, hashes and tokens print nothing.
//!
//! ```
//! use sessile::accounts::{AccountErrorKind, Accounts, LogIn, MemoryAccounts, Registration};
//! use sessile::{Key, SessionLayer, Values, store::MemoryStore};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
//! let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
//! let accounts = Accounts::new(MemoryAccounts::new(), layer.sessions());
//! accounts.register(Registration::new("ann@example.org", "correct horse battery staple")).await?;
//!
//! let wrong = accounts.log_in(LogIn::new("ann@example.org", "incorrect horse")).await.unwrap_err();
//! let unknown = accounts.log_in(LogIn::new("bob@example.org", "incorrect horse")).await.unwrap_err();
//! assert_eq!(wrong.to_string(), unknown.to_string());
//! assert_eq!(wrong.kind(), AccountErrorKind::Credentials);
//! # Ok(()) }
//! ```

mod email;
mod error;
mod event;
mod login;
mod manage;
mod memory;
mod password;
mod passwords;
mod policy;
mod recovery;
mod role;
mod service;
mod sessions;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
mod store;
mod throttle;
mod token;
mod user;

pub use self::email::{Email, Username};
pub use self::error::{AccountError, AccountErrorKind};
pub use self::event::{AccountEvent, AccountHooks, HookFuture};
pub use self::login::{LogIn, LoggedIn, Registration};
pub use self::memory::MemoryAccounts;
pub use self::password::{Password, PasswordHash};
pub use self::passwords::{PasswordStats, Passwords, Verified};
pub use self::policy::{Chosen, CommonPasswords, PasswordCheck};
pub use self::role::{Described, Entry, Grant, Permission, RoleName};
pub use self::service::Accounts;
pub use self::sessions::{ActiveUsers, EndSessions, NothingToEnd};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::sql::SqlAccounts;
pub use self::store::{
    AccountAnswer, AccountStore, Held, Link, LinkStore, Lookup, NewPassword, NewToken, Put,
    RoleStore, TokenStore, UserStore,
};
pub use self::throttle::{Attempt, Throttle};
pub use self::token::{OneTimeToken, Purpose, TokenDigest};
pub use self::user::{Account, User, UserChange, UserId, UserSnapshot};
