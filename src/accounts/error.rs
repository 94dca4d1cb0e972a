//! What an account call could not do.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// What a call on [`Accounts`](super::Accounts) or an [`AccountStore`](super::AccountStore) could
/// not do. Its text is constant for each kind: no address, password, token or row is ever in it.
/// What a driver said is behind [`source`](StdError::source), for operators.
///
/// ```
/// use sessile::accounts::{AccountError, AccountErrorKind};
/// let error = AccountError::new(AccountErrorKind::Credentials);
/// assert_eq!(error.kind(), AccountErrorKind::Credentials);
/// assert_eq!(error.status(), 401);
/// assert_eq!(error.to_string(), "the log-in or the password is wrong");
/// assert_eq!(error.retry_after(), None);
/// ```
pub struct AccountError {
    kind: AccountErrorKind,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`AccountError`].
///
/// ```
/// use sessile::accounts::{AccountError, AccountErrorKind};
/// /// Whether the same request may succeed later.
/// fn may_pass(error: &AccountError) -> bool {
///     use AccountErrorKind::{Busy, Store, Throttled};
///     matches!(error.kind(), Busy | Store | Throttled)
/// }
/// # assert!(may_pass(&AccountError::new(AccountErrorKind::Busy)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccountErrorKind {
    /// No active user has this log-in with this password. Nothing tells which of the two it was.
    Credentials,
    /// The request has no live session of a user.
    SignedOut,
    /// Too many attempts; [`retry_after`](AccountError::retry_after) says when the next is heard.
    Throttled,
    /// As many passwords wait to be hashed as may.
    Busy,
    /// This is no e-mail address that the [rule](super::Email) allows.
    Email,
    /// This is no username that the [rule](super::Username) allows.
    Username,
    /// This is no name of a role, a permission or a provider that the rules allow.
    Name,
    /// The password has too few characters.
    PasswordTooShort,
    /// The password has too many characters.
    PasswordTooLong,
    /// The password has control characters, which not every keyboard and form can send.
    PasswordUnfit,
    /// The password is among the first that anybody would try, or known from a breach.
    PasswordTrivial,
    /// The e-mail address or the linked account belongs to a user already.
    Taken,
    /// The username belongs to a user already. Of the address this says nothing.
    UsernameTaken,
    /// The token for verification or reset is unknown, expired, spent or for another purpose.
    Token,
    /// There is no such user, role or permission.
    NotFound,
    /// Somebody else changed the user meanwhile.
    Conflict,
    /// The change was made, but ending the user's sessions failed:
    /// [`end_sessions`](super::Accounts::end_sessions) tries again.
    Sessions,
    /// The account store failed.
    Store,
    /// The operating system gave no random bytes, or a hash that is stored makes no sense.
    Internal,
}

impl AccountError {
    /// An error of this kind, without a cause.
    pub const fn new(kind: AccountErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }

    pub(super) const fn throttled(retry_after: Duration) -> Self {
        let retry_after = Some(retry_after);
        Self { kind: AccountErrorKind::Throttled, retry_after, source: None }
    }

    /// The same with a cause behind it. It is written to logs: put nothing secret into it.
    ///
    /// ```
    /// use std::error::Error;
    /// use sessile::accounts::{AccountError, AccountErrorKind};
    /// let error = AccountError::new(AccountErrorKind::Store).with_source("connection refused");
    /// assert_eq!(error.source().unwrap().to_string(), "connection refused");
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong, to match on.
    pub const fn kind(&self) -> AccountErrorKind {
        self.kind
    }

    /// How long to wait, if it is [`Throttled`](AccountErrorKind::Throttled): the value of
    /// `Retry-After`, rounded up to seconds.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The status that a client is answered with.
    pub const fn status(&self) -> StatusCode {
        use AccountErrorKind as Kind;
        match self.kind {
            Kind::Credentials | Kind::SignedOut => StatusCode::UNAUTHORIZED,
            Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Kind::Busy | Kind::Sessions | Kind::Store => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Email
            | Kind::Username
            | Kind::Name
            | Kind::PasswordTooShort
            | Kind::PasswordTooLong
            | Kind::PasswordUnfit
            | Kind::PasswordTrivial
            | Kind::Token => StatusCode::BAD_REQUEST,
            Kind::Taken | Kind::UsernameTaken | Kind::Conflict => StatusCode::CONFLICT,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<AccountErrorKind> for AccountError {
    fn from(kind: AccountErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AccountErrorKind as Kind;
        f.write_str(match self.kind {
            Kind::Credentials => "the log-in or the password is wrong",
            Kind::SignedOut => "nobody is logged in",
            Kind::Throttled => "too many attempts: try again later",
            Kind::Busy => "too many log-ins at once: try again in a moment",
            Kind::Email => "this is no e-mail address that is accepted here",
            Kind::Username => "this is no username that is accepted here",
            Kind::Name => "this is no name for a role, a permission or a provider",
            Kind::PasswordTooShort => "the password is too short",
            Kind::PasswordTooLong => "the password is too long",
            Kind::PasswordUnfit => "the password has control characters",
            Kind::PasswordTrivial => "the password is too easy to guess",
            Kind::Taken => "this belongs to another account",
            Kind::UsernameTaken => "this username belongs to another account",
            Kind::Token => "the token is not valid, or not any more",
            Kind::NotFound => "there is no such entry",
            Kind::Conflict => "the account was changed meanwhile",
            Kind::Sessions => "the change was made, but not all sessions could be ended",
            Kind::Store => "the account store failed",
            Kind::Internal => "the account service failed",
        })
    }
}

impl fmt::Debug for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("AccountError");
        out.field("kind", &self.kind);
        if let Some(source) = &self.source {
            out.field("source", &format_args!("{source}"));
        }
        out.finish()
    }
}

impl StdError for AccountError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
