//! Tokens for one purpose, which work once.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Claims, DenyList, NewToken, TokenError, TokenErrorKind, TokenKind, Tokens};
use crate::clock::Timestamp;
use crate::key::Key;

/// Tokens that are sent to somebody and do one thing once: confirm an e-mail address, reset a
/// password.
///
/// A token is bound to the purpose and the audience, and to a state that its use changes, such as
/// the hash of the password: once the password was changed it is worth nothing, on every node and
/// without a table of used tokens. The state itself is not in the token; what is cannot be guessed
/// from without the key. A use that changes nothing is noted in a [`DenyList`] instead
/// ([`Unredeemed::spend`]).
///
/// Change the state in one step with looking at it (`UPDATE … WHERE password_hash = …`), so that of
/// two redemptions at once one wins.
///
/// ```
/// use sessile::Key;
/// use sessile::token::{Jwt, JwtKey, OneTime, TokenErrorKind, Tokens};
/// let key = Key::generate();
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&key)), "shop");
/// let resets = OneTime::new(tokens, &key, "reset_password");
///
/// let mut password_hash = "$argon2id$…old";
/// let sent_by_mail = resets.issue("user-42", password_hash)?;
///
/// let came_back = resets.open(sent_by_mail.as_bytes())?;
/// assert_eq!(came_back.subject(), "user-42"); // look the user up
/// came_back.redeem(password_hash)?;
/// password_hash = "$argon2id$…new";
///
/// let again = resets.open(sent_by_mail.as_bytes())?.redeem(password_hash).unwrap_err();
/// assert_eq!(again.kind(), TokenErrorKind::Revoked);
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone)]
#[must_use = "it issues and opens"]
pub struct OneTime {
    tokens: Tokens,
    kind: TokenKind,
    purpose: Cow<'static, str>,
    key: Zeroizing<[u8; 32]>,
    ttl: Duration,
}

#[derive(Serialize, Deserialize)]
struct Bound {
    /// What the state was.
    st: String,
}

impl OneTime {
    /// Tokens for this purpose, good for an hour. The key binds them to states and is not that of
    /// the tokens.
    pub fn new(tokens: Tokens, key: &Key, purpose: impl Into<Cow<'static, str>>) -> Self {
        let purpose = purpose.into();
        let key = key.derive("one-time token", &purpose);
        let kind = TokenKind::Purpose(purpose.clone());
        Self { tokens, kind, purpose, key, ttl: Duration::from_secs(3600) }
    }

    /// How long they are good.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{Jwt, JwtKey, OneTime, Tokens};
    /// # let key = Key::generate();
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&key)), "shop");
    /// use std::time::Duration;
    /// let verification =
    ///     OneTime::new(tokens, &key, "verify_email").ttl(Duration::from_secs(24 * 3600));
    /// ```
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// A token for this subject, whose state is this: of what the use changes.
    ///
    /// # Errors
    /// As [`Tokens::issue`].
    pub fn issue(&self, subject: &str, state: impl AsRef<[u8]>) -> Result<String, TokenError> {
        let st = self.digest(subject, state.as_ref())?;
        let new = NewToken::purpose(self.purpose.clone(), subject).ttl(self.ttl);
        self.tokens.issue(&new.with(Bound { st }))
    }

    /// What came back, if it is one of these and good now. It has done nothing yet.
    ///
    /// # Errors
    /// Why it is not.
    pub fn open(&self, token: &[u8]) -> Result<Unredeemed<'_>, TokenError> {
        Ok(Unredeemed { of: self, claims: self.tokens.verify(token, &self.kind)? })
    }

    fn digest(&self, subject: &str, state: &[u8]) -> Result<String, TokenErrorKind> {
        let mac = Hmac::<Sha256>::new_from_slice(&*self.key);
        let mut mac = mac.map_err(|_| TokenErrorKind::CannotSign)?;
        // The length keeps the two parts apart.
        mac.update(&u64::try_from(subject.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(subject.as_bytes());
        mac.update(state);
        Ok(BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for OneTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTime")
            .field("purpose", &self.purpose)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// A token that is authentic and for this purpose, and has yet to be used.
///
/// ```
/// use sessile::token::{OneTime, TokenError};
/// fn whose(resets: &OneTime, token: &str) -> Result<String, TokenError> {
///     Ok(resets.open(token.as_bytes())?.subject().to_owned())
/// }
/// # let _ = whose;
/// ```
#[must_use = "a token does nothing until it is redeemed or spent"]
pub struct Unredeemed<'o> {
    of: &'o OneTime,
    claims: Claims<Bound>,
}

impl Unredeemed<'_> {
    /// Whose it is.
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// Uses it, if the subject's state is still the one that it was issued for.
    ///
    /// # Errors
    /// [`Revoked`](TokenErrorKind::Revoked) if it is not: the token was used, or something else
    /// has changed the state.
    pub fn redeem(self, state: impl AsRef<[u8]>) -> Result<(), TokenError> {
        let now = self.of.digest(&self.claims.subject, state.as_ref())?;
        if bool::from(now.as_bytes().ct_eq(self.claims.more.st.as_bytes())) {
            return Ok(());
        }
        Err(TokenErrorKind::Revoked.into())
    }

    /// Uses it, unless it is on this list, and puts it there: of all that try at the same time, one
    /// gets through.
    ///
    /// ```
    /// # use sessile::{Clock, Key, SystemClock};
    /// # use sessile::token::{Jwt, JwtKey, OneTime, Tokens};
    /// use sessile::token::DenyList;
    /// # let key = Key::generate();
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&key)), "shop");
    /// # let invitations = OneTime::new(tokens, &key, "invitation");
    /// # let now = SystemClock.now().into();
    /// let (used, token) = (DenyList::new(), invitations.issue("user-42", "")?);
    /// assert!(invitations.open(token.as_bytes())?.spend(&used, now).is_ok());
    /// assert!(invitations.open(token.as_bytes())?.spend(&used, now).is_err());
    /// # Ok::<(), sessile::token::TokenError>(())
    /// ```
    ///
    /// # Errors
    /// [`Revoked`](TokenErrorKind::Revoked) if it is on the list.
    pub fn spend(self, used: &DenyList, now: Timestamp) -> Result<(), TokenError> {
        if used.deny(&self.claims, now) { Ok(()) } else { Err(TokenErrorKind::Revoked.into()) }
    }
}

impl fmt::Debug for Unredeemed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unredeemed").field("purpose", &self.of.purpose).finish_non_exhaustive()
    }
}
