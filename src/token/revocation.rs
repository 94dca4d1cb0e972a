//! Whether a token was revoked before it expired.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::Claims;
use crate::answer::StoreAnswer;
use crate::clock::Timestamp;
use crate::error::StoreError;

/// Knows which tokens no longer count although they verify (ASVS 7.4.1): [`DenyList`],
/// [`LiveSessions`], a [check](check) of your own, or [`CannotBeRevoked`].
///
/// [`DenyList`]: super::DenyList
/// [`LiveSessions`]: super::LiveSessions
///
/// ```
/// use std::time::Duration;
/// use sessile::store::StoreAnswer;
/// use sessile::Timestamp;
/// use sessile::token::{Revocation, TokenIds};
///
/// /// After a leak: whatever was issued before is void.
/// #[derive(Debug)]
/// struct IssuedBefore(Timestamp);
///
/// impl Revocation for IssuedBefore {
///     fn is_revoked(&self, token: &TokenIds<'_>, _now: Timestamp) -> StoreAnswer<bool> {
///         StoreAnswer::ready(Ok(token.issued_at < self.0))
///     }
///
///     fn staleness(&self) -> Option<Duration> {
///         Some(Duration::ZERO)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether tokens are revoked",
    note = "use `LiveSessions`, `DenyList`, `token::check`, or `CannotBeRevoked` if nothing can end a token"
)]
pub trait Revocation: fmt::Debug + Send + Sync + 'static {
    /// Whether this token was revoked.
    fn is_revoked(&self, token: &TokenIds<'_>, now: Timestamp) -> StoreAnswer<bool>;

    /// For how long, at most, a revoked token still passes; `None` if until it expires.
    fn staleness(&self) -> Option<Duration>;
}

/// By what a token can be told from others.
///
/// ```
/// # use sessile::Key;
/// # use sessile::token::{Jwt, JwtKey, NewToken, TokenIds, TokenKind, Tokens};
/// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// # let token = tokens.issue(&NewToken::access("user-42"))?;
/// # let claims = tokens.verify::<()>(token.as_bytes(), &TokenKind::Access)?;
/// let ids = TokenIds::of(&claims);
/// assert_eq!((ids.subject, ids.session), ("user-42", None));
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TokenIds<'t> {
    /// Whose it is (`sub`).
    pub subject: &'t str,
    /// Its own id (`jti`).
    pub id: Option<&'t str>,
    /// The session that it was issued under (`sid`).
    pub session: Option<&'t str>,
    /// When it was made (`iat`), to the second.
    pub issued_at: Timestamp,
    /// From when on nobody need remember it.
    pub expires_at: Timestamp,
}

impl<'t> TokenIds<'t> {
    /// Those of a token that says this.
    pub fn of<C>(claims: &'t Claims<C>) -> Self {
        Self {
            subject: &claims.subject,
            id: claims.id.as_deref(),
            session: claims.session.as_deref(),
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
        }
    }
}

impl fmt::Debug for TokenIds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIds").field("issued_at", &self.issued_at).finish_non_exhaustive()
    }
}

/// Says that nothing ends a token before it expires: no log-out, no change of password, no ban. Make
/// their lives short.
///
/// ```
/// use sessile::token::{CannotBeRevoked, Revocation};
/// assert_eq!(CannotBeRevoked.staleness(), None);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete: there is nothing to set")]
pub struct CannotBeRevoked;

impl Revocation for CannotBeRevoked {
    #[inline]
    fn is_revoked(&self, _token: &TokenIds<'_>, _now: Timestamp) -> StoreAnswer<bool> {
        StoreAnswer::ready(Ok(false))
    }

    fn staleness(&self) -> Option<Duration> {
        None
    }
}

/// Asks an async closure, which gets the token's subject and when it was made: for an epoch per
/// subject in a database that every node sees. `staleness` is what the closure promises: for how
/// long, at most, its answer may be out of date.
///
/// ```
/// use std::time::Duration;
/// use sessile::token::{Revocation, check};
/// # async fn epoch_of(_subject: &str) -> Result<sessile::Timestamp, sessile::StoreError> {
/// #     Ok(sessile::Timestamp::from_millis(0))
/// # }
/// let epochs = check(Duration::ZERO, |subject, issued_at| async move {
///     Ok(issued_at < epoch_of(&subject).await?)
/// });
/// assert_eq!(epochs.staleness(), Some(Duration::ZERO));
/// ```
pub fn check<F, A>(staleness: Duration, is_revoked: F) -> Check<F>
where
    F: Fn(String, Timestamp) -> A + Send + Sync + 'static,
    A: Future<Output = Result<bool, StoreError>> + Send + 'static,
{
    Check { staleness, is_revoked }
}

/// A closure that is asked. Made by [`check`].
///
/// ```
/// use std::time::Duration;
/// use sessile::token::{Check, check};
/// let nobody: Check<_> = check(Duration::ZERO, |_, _| async { Ok(false) });
/// # let _ = nobody;
/// ```
#[derive(Clone)]
pub struct Check<F> {
    staleness: Duration,
    is_revoked: F,
}

impl<F, A> Revocation for Check<F>
where
    F: Fn(String, Timestamp) -> A + Send + Sync + 'static,
    A: Future<Output = Result<bool, StoreError>> + Send + 'static,
{
    fn is_revoked(&self, token: &TokenIds<'_>, _now: Timestamp) -> StoreAnswer<bool> {
        StoreAnswer::later((self.is_revoked)(token.subject.to_owned(), token.issued_at))
    }

    fn staleness(&self) -> Option<Duration> {
        Some(self.staleness)
    }
}

impl<F> fmt::Debug for Check<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("staleness", &self.staleness).finish_non_exhaustive()
    }
}
