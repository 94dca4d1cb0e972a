//! The errors of this crate: opaque structs with a `kind()`, a remedy in the text, and never a
//! ticket, a key or session data in either.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// What a call on a session handle could not do.
///
/// ```
/// use sessile::{ErrorKind, Session};
/// # use sessile::Values;
/// fn rename(session: &Session<Values>) -> Result<(), sessile::Error> {
///     match session.update(|values| values.clear()) {
///         Err(error) if error.kind() == ErrorKind::NoSession => Ok(()), // nobody is logged in
///         outcome => outcome,
///     }
/// }
/// ```
pub struct Error {
    kind: ErrorKind,
    source: Option<StoreError>,
}

/// The kinds of [`Error`].
///
/// ```
/// use sessile::{Error, ErrorKind};
/// /// Whether the same request may succeed if it is sent again.
/// fn is_worth_a_retry(error: &Error) -> bool {
///     matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Store)
/// }
/// # assert!(is_worth_a_retry(&sessile::StoreError::new(sessile::StoreErrorKind::Timeout).into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The response head has left; edits made now could not be kept.
    Closed,
    /// The request carries no live session, so there is nothing to edit.
    NoSession,
    /// The session was ended by somebody else while this request ran.
    Gone,
    /// Other writers kept winning until the bounded number of replays was used up.
    Conflict,
    /// The subject already has as many sessions as the layer's limit allows.
    Limit,
    /// An earlier `commit` of this request was dropped before the store had answered, so nobody
    /// knows whether its edits were kept.
    Unknown,
    /// The store failed or did not answer in time; [`source`](StdError::source) says how.
    Store,
    /// The operating system gave no random bytes.
    Random,
    /// The data is larger than the layer's
    /// [`max_size`](crate::SessionLayer::max_size) allows, or than the store accepts.
    TooLarge,
    /// The layer has no transport for what was asked.
    NoTransport,
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// What went wrong, to match on.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<StoreError> for Error {
    fn from(source: StoreError) -> Self {
        let kind = match source.kind() {
            StoreErrorKind::TooLarge => ErrorKind::TooLarge,
            _ => ErrorKind::Store,
        };
        Self { kind, source: Some(source) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Closed => {
                "the response head has left and the session is closed: edit it earlier, or call \
                 `session.commit().await` before streaming"
            }
            ErrorKind::NoSession => "the request has no live session",
            ErrorKind::Gone => "the session was ended while this request ran",
            ErrorKind::Conflict => "the session changed again and again while this request wrote",
            ErrorKind::Limit => "the subject has reached its limit of sessions",
            ErrorKind::Unknown => "a commit was dropped before the session store had answered",
            ErrorKind::Store => "the session store failed",
            ErrorKind::Random => "the operating system gave no random bytes",
            ErrorKind::TooLarge => "the session's data is larger than its layer or store allows",
            ErrorKind::NoTransport => {
                "the layer takes no handshake tickets: add \
                 `.or_transport(Query::named(\"ticket\"))` to it"
            }
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind);
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source),
            None => None,
        }
    }
}

/// What a [`Store`](crate::store::Store) could not do.
///
/// A store makes one with [`StoreError::new`] and keeps the driver's own error as
/// [`source`](StdError::source), so that an operator sees the cause while the client sees a 503.
/// What the driver says is then written to logs: put nothing secret into it.
///
/// ```
/// use std::{error::Error, io};
/// use sessile::{StoreError, StoreErrorKind};
/// let driver = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
/// let error = StoreError::new(StoreErrorKind::Unavailable).with_source(driver);
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "the session store is unavailable");
/// assert_eq!(error.source().unwrap().to_string(), "connection refused");
/// ```
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`StoreError`].
///
/// ```
/// use sessile::{Event, StoreErrorKind};
/// /// Whether an operator must act; whatever else fails may mend itself.
/// fn must_act(event: &Event<'_>) -> bool {
///     let Event::StoreFailed { error, .. } = event else { return false };
///     matches!(error.kind(), StoreErrorKind::Full | StoreErrorKind::Undecodable)
/// }
/// # let error = sessile::StoreError::new(StoreErrorKind::Full);
/// # assert!(must_act(&Event::StoreFailed { operation: "create", error: &error }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached or refuses to work; a later call may succeed.
    Unavailable,
    /// The store did not answer within the layer's store timeout.
    Timeout,
    /// The store holds as many sessions as it may and none of them has expired.
    Full,
    /// The data is larger than the store accepts.
    TooLarge,
    /// What is stored does not decode as the layer's session type.
    Undecodable,
    /// The data does not encode (its `Serialize` failed).
    Unencodable,
}

impl StoreError {
    /// An error of this kind, without a cause.
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// The same with the driver's error behind it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong, to match on.
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the session store is unavailable",
            StoreErrorKind::Timeout => "the session store did not answer in time",
            StoreErrorKind::Full => "the session store is full and nothing in it has expired",
            StoreErrorKind::TooLarge => "the session is larger than its store accepts",
            StoreErrorKind::Undecodable => "the stored session does not decode",
            StoreErrorKind::Unencodable => "the session data does not encode",
        })
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("StoreError");
        out.field("kind", &self.kind);
        if let Some(source) = &self.source {
            out.field("source", &format_args!("{source}"));
        }
        out.finish()
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// Why a store could not be opened. The text says what to do, and never holds a password.
///
/// ```
/// use sessile::{OpenError, OpenErrorKind};
/// let error = OpenError::new(OpenErrorKind::Schema, "run the migrations first");
/// assert_eq!(error.to_string(), "the session table does not fit: run the migrations first");
/// assert_eq!(error.kind(), OpenErrorKind::Schema);
/// ```
pub struct OpenError {
    kind: OpenErrorKind,
    remedy: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`OpenError`].
///
/// ```
/// use sessile::{OpenError, OpenErrorKind};
/// /// Whether it is of use to wait and open the store again; all else wants an operator.
/// fn may_pass(error: &OpenError) -> bool {
///     error.kind() == OpenErrorKind::Unreachable
/// }
/// # assert!(may_pass(&OpenError::new(OpenErrorKind::Unreachable, "start the server")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The address or a setting makes no sense.
    Config,
    /// No store has this scheme.
    UnknownScheme,
    /// The store for this scheme is behind a feature that is not turned on.
    Disabled,
    /// Nobody answers at the address.
    Unreachable,
    /// The password is wrong, or the user lacks a right.
    Denied,
    /// The table or keys that are there are of another version or not ours.
    Schema,
}

impl OpenError {
    /// An error of this kind; say what to do about it, never a secret.
    pub fn new(kind: OpenErrorKind, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, remedy: remedy.into(), source: None }
    }

    /// The same with the driver's error behind it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong, to match on.
    pub const fn kind(&self) -> OpenErrorKind {
        self.kind
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            OpenErrorKind::Config => "the session store is misconfigured",
            OpenErrorKind::UnknownScheme => "no session store has this scheme",
            OpenErrorKind::Disabled => "this session store is not compiled in",
            OpenErrorKind::Unreachable => "the session store cannot be reached",
            OpenErrorKind::Denied => "the session store refuses access",
            OpenErrorKind::Schema => "the session table does not fit",
        })?;
        write!(f, ": {}", self.remedy)
    }
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("OpenError");
        out.field("kind", &self.kind).field("remedy", &self.remedy);
        if let Some(source) = &self.source {
            out.field("source", &format_args!("{source}"));
        }
        out.finish()
    }
}

impl StdError for OpenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// A configuration that cannot work. The text says what to write instead.
///
/// ```
/// use sessile::Key;
/// let error = Key::from_bytes(b"short").unwrap_err();
/// assert!(error.to_string().contains("32 bytes"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    message: Cow<'static, str>,
}

impl ConfigError {
    /// An error for a transport or store of your own; say the remedy, never a secret.
    ///
    /// ```
    /// use sessile::ConfigError;
    /// let error = ConfigError::new("a pool of zero connections serves nobody: give it one");
    /// assert!(error.to_string().ends_with("give it one"));
    /// ```
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({:?})", self.message)
    }
}

impl StdError for ConfigError {}
