//! What a token says.

use std::fmt;
use std::time::Duration;

use super::TokenKind;
use crate::clock::Timestamp;
use crate::id::Id;

/// What a verified token says; `C` is what the application added.
///
/// ```
/// # use sessile::Key;
/// use sessile::token::{Jwt, JwtKey, NewToken, TokenKind, Tokens};
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// let token = tokens.issue(&NewToken::access("user-42"))?;
/// let claims = tokens.verify::<()>(token.as_bytes(), &TokenKind::Access)?;
/// assert_eq!(claims.subject, "user-42");
/// assert_eq!(claims.expires_at.since(claims.issued_at).as_secs(), 15 * 60);
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims<C> {
    /// Whose it is (`sub`).
    pub subject: String,
    /// What it is for (`type`).
    pub kind: TokenKind,
    /// When it was made (`iat`), to the second.
    pub issued_at: Timestamp,
    /// From when on it is no longer good (`exp`), to the second.
    pub expires_at: Timestamp,
    /// From when on it is good (`nbf`), to the second.
    pub not_before: Option<Timestamp>,
    /// Its own id (`jti`), by which it can be revoked. Tokens of other issuers may have none.
    pub id: Option<String>,
    /// The session that it was issued under (`sid`).
    pub session: Option<String>,
    /// What else it says, beside these in the same JSON object.
    pub more: C,
}

impl<C> fmt::Debug for Claims<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("kind", &self.kind)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A token about to be issued.
///
/// ```
/// use std::time::Duration;
/// # use sessile::Key;
/// # use serde::{Deserialize, Serialize};
/// use sessile::token::{Jwt, JwtKey, NewToken, TokenKind, Tokens};
/// #[derive(Serialize, Deserialize)]
/// struct Roles { roles: Vec<String> }
///
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// let token = tokens.issue(
///     &NewToken::access("user-42")
///         .ttl(Duration::from_secs(5 * 60))
///         .with(Roles { roles: vec!["admin".to_owned()] }),
/// )?;
/// let claims = tokens.verify::<Roles>(token.as_bytes(), &TokenKind::Access)?;
/// assert_eq!(claims.more.roles, ["admin"]);
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[must_use = "a new token does nothing until it is given to `Tokens::issue`"]
#[derive(Clone)]
pub struct NewToken<C = ()> {
    pub(super) subject: String,
    pub(super) kind: TokenKind,
    pub(super) ttl: Duration,
    pub(super) until: Option<Timestamp>,
    pub(super) after: Duration,
    pub(super) session: Option<Id>,
    pub(super) more: C,
}

impl NewToken<()> {
    /// An access token for this subject, good for 15 minutes.
    pub fn access(subject: impl Into<String>) -> Self {
        Self::new(subject, TokenKind::Access, Duration::from_secs(15 * 60))
    }

    /// A refresh token for this subject, good for 30 days. It cannot be spent: see
    /// [`Pairs`](super::Pairs) for those that can.
    ///
    /// ```
    /// use sessile::token::NewToken;
    /// let for_a_machine = NewToken::refresh("printer-7");
    /// ```
    pub fn refresh(subject: impl Into<String>) -> Self {
        Self::new(subject, TokenKind::Refresh, Duration::from_secs(30 * 24 * 3600))
    }

    /// A token for one purpose, good for an hour. It works as often as it is presented: see
    /// [`OneTime`](super::OneTime) for those that work once.
    ///
    /// ```
    /// use sessile::token::NewToken;
    /// let to_unsubscribe = NewToken::purpose("unsubscribe", "user-42");
    /// ```
    pub fn purpose(
        name: impl Into<std::borrow::Cow<'static, str>>,
        subject: impl Into<String>,
    ) -> Self {
        Self::new(subject, TokenKind::Purpose(name.into()), Duration::from_secs(3600))
    }

    fn new(subject: impl Into<String>, kind: TokenKind, ttl: Duration) -> Self {
        Self {
            subject: subject.into(),
            kind,
            ttl,
            until: None,
            after: Duration::ZERO,
            session: None,
            more: (),
        }
    }
}

impl<C> NewToken<C> {
    /// How long it is good, in whole seconds.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// No longer than until then, whatever its [`ttl`](Self::ttl).
    ///
    /// ```
    /// use sessile::token::NewToken;
    /// fn no_longer_than(meta: &sessile::Meta) -> NewToken {
    ///     NewToken::access("user-42").until(meta.deadline())
    /// }
    /// # let _ = no_longer_than;
    /// ```
    pub const fn until(mut self, end: Timestamp) -> Self {
        self.until = Some(end);
        self
    }

    /// Not before so long from now (`nbf`).
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::token::NewToken;
    /// let from_tomorrow_on = NewToken::access("user-42").not_before(Duration::from_secs(86_400));
    /// ```
    pub const fn not_before(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    /// Under this session (`sid`), with which it can be revoked.
    ///
    /// ```
    /// use sessile::{Session, Values};
    /// use sessile::token::NewToken;
    /// fn of(session: &Session<Values>) -> Option<NewToken> {
    ///     Some(NewToken::access("user-42").session(session.id()?))
    /// }
    /// # let _ = of;
    /// ```
    pub const fn session(mut self, id: Id) -> Self {
        self.session = Some(id);
        self
    }

    /// What else it says, beside the claims of its own: a struct or a map whose names are not
    /// among `sub`, `type`, `iat`, `exp`, `nbf`, `jti`, `sid`, `iss` and `aud`.
    pub fn with<D>(self, more: D) -> NewToken<D> {
        let Self { subject, kind, ttl, until, after, session, more: _ } = self;
        NewToken { subject, kind, ttl, until, after, session, more }
    }
}

impl<C> fmt::Debug for NewToken<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("kind", &self.kind)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
