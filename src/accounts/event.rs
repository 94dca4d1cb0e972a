//! What happens to accounts, told to the application.

use std::future::Future;
use std::pin::Pin;

use super::email::Email;
use super::role::{Entry, Grant};
use super::token::OneTimeToken;
use super::user::User;

/// Is told of every [`AccountEvent`], to send e-mails, to write an audit log, or to make whatever
/// else the application keeps about a user.
///
/// 1. Each event is told once, after what it tells of has happened.
/// 2. It is told in a task of its own, and the answer does not wait for it: how long an e-mail takes
///    would tell whether there was one to send. Only [`Deleting`](AccountEvent::Deleting) is waited
///    for.
/// 3. A node that stops may lose the events that it was about to tell. Whoever forgot a password asks
///    again; an audit log that must be complete belongs into the store.
///
/// A closure that answers at once is one, too.
///
/// ```
/// use sessile::accounts::{AccountEvent, AccountHooks, HookFuture};
/// # async fn send(_to: &str, _text: String) {}
///
/// struct Mail;
///
/// impl AccountHooks for Mail {
///     fn on(&self, event: AccountEvent) -> HookFuture {
///         Box::pin(async move {
///             match event {
///                 AccountEvent::ForgotPassword { user, token, .. } => {
///                     send(user.email.as_str(), format!("https://example.org/reset#{}", token.expose())).await;
///                 }
///                 AccountEvent::PasswordChanged { user, .. } | AccountEvent::PasswordReset { user, .. } => {
///                     send(user.email.as_str(), "Your password was changed.".to_owned()).await;
///                 }
///                 _ => {}
///             }
///         })
///     }
/// }
/// ```
pub trait AccountHooks: Send + Sync + 'static {
    /// It has happened.
    fn on(&self, event: AccountEvent) -> HookFuture;
}

/// What a hook does.
///
/// ```
/// let nothing: sessile::accounts::HookFuture = Box::pin(async {});
/// ```
pub type HookFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Any `Fn(AccountEvent)` does what it does at once.
impl<F: Fn(AccountEvent) + Send + Sync + 'static> AccountHooks for F {
    fn on(&self, event: AccountEvent) -> HookFuture {
        self(event);
        Box::pin(async {})
    }
}

/// Something that has happened. Its `Debug` shows ids and no address, password or token.
///
/// ```
/// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
/// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
/// use sessile::accounts::AccountEvent;
/// let accounts = accounts.hooks(|event: AccountEvent| {
///     println!("{event:?}");
/// });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AccountEvent {
    /// Somebody registered.
    #[non_exhaustive]
    Registered {
        /// Who.
        user: User,
    },
    /// Somebody wanted to register with an address that a user has. An application that answers
    /// both in the same way writes to them: "you have an account already".
    #[non_exhaustive]
    RegisteredAgain {
        /// Who has the address.
        user: User,
    },
    /// A user logged in.
    #[non_exhaustive]
    LoggedIn {
        /// Who.
        user: User,
    },
    /// A user was changed.
    #[non_exhaustive]
    Updated {
        /// As they are now.
        user: User,
        /// The address before, if it is another one now: whoever has it should be told.
        old_email: Option<Email>,
    },
    /// A user is to show that the address is theirs.
    #[non_exhaustive]
    VerifyRequested {
        /// Who.
        user: User,
        /// What to send to the address.
        token: OneTimeToken,
    },
    /// They have shown it.
    #[non_exhaustive]
    Verified {
        /// Who.
        user: User,
    },
    /// A user forgot the password, or somebody says so.
    #[non_exhaustive]
    ForgotPassword {
        /// Who.
        user: User,
        /// What to send to the address.
        token: OneTimeToken,
    },
    /// The password was reset with such a token.
    #[non_exhaustive]
    PasswordReset {
        /// Whose.
        user: User,
    },
    /// The password was changed by who knew it, or by an administrator.
    #[non_exhaustive]
    PasswordChanged {
        /// Whose.
        user: User,
    },
    /// A user is about to be deleted, and is still there. This one is waited for.
    #[non_exhaustive]
    Deleting {
        /// Who.
        user: User,
    },
    /// A user is gone.
    #[non_exhaustive]
    Deleted {
        /// Who it was.
        user: User,
    },
    /// There is a new role or permission.
    #[non_exhaustive]
    Created {
        /// Which.
        entry: Entry,
    },
    /// A role or permission has other words.
    #[non_exhaustive]
    Described {
        /// Which.
        entry: Entry,
    },
    /// A role or permission is gone, with all grants of it.
    #[non_exhaustive]
    Removed {
        /// Which.
        entry: Entry,
    },
    /// Somebody, or a role, has something that they did not have.
    #[non_exhaustive]
    Granted {
        /// Who and what.
        grant: Grant,
    },
    /// Somebody, or a role, has something no longer.
    #[non_exhaustive]
    Withdrawn {
        /// Who and what.
        grant: Grant,
    },
}
