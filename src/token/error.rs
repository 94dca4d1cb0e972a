//! Why a token is not taken, or could not be made.

use std::error::Error as StdError;
use std::fmt;

use crate::error::StoreError;
use crate::refusal::Refusal;

/// Why a token is not taken, or could not be made. The text is the same for every token of one
/// kind, and holds nothing of it.
///
/// ```
/// # use sessile::token::{Jwt, JwtKey, TokenErrorKind, TokenKind, Tokens};
/// # use sessile::Key;
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// let error = tokens.verify::<()>(b"junk", &TokenKind::Access).unwrap_err();
/// assert_eq!(error.kind(), TokenErrorKind::Malformed);
/// assert_eq!(error.to_string(), "the token is malformed");
/// ```
pub struct TokenError {
    kind: TokenErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`TokenError`], for logs and metrics. Clients are told less: see
/// [`TokenError::refusal`].
///
/// ```
/// use sessile::token::TokenErrorKind;
/// /// Whether somebody may be trying things.
/// fn is_suspicious(kind: TokenErrorKind) -> bool {
///     matches!(kind, TokenErrorKind::Forged | TokenErrorKind::Algorithm)
/// }
/// # assert!(is_suspicious(TokenErrorKind::Forged));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The request has no token.
    Missing,
    /// It is longer than is ever issued.
    TooLong,
    /// It has not the form of a token of this format.
    Malformed,
    /// Its header names another algorithm than the keys have, or another type of token.
    Algorithm,
    /// It names a key that is none of ours.
    UnknownKey,
    /// No key of ours made it.
    Forged,
    /// What it says does not have the right form.
    Claims,
    /// It is for another audience, or from another issuer.
    Audience,
    /// It is a token of ours, of another kind.
    WrongKind,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It was revoked, or had been used before.
    Revoked,
    /// Two different ones came, and both are valid.
    Ambiguous,
    /// Whether it was revoked could not be found out.
    Unavailable,
    /// These keys only verify.
    CannotSign,
    /// The operating system gave no random bytes.
    Random,
}

impl TokenError {
    /// An error of this kind, for a [`Format`](super::Format) of one's own.
    ///
    /// ```
    /// use sessile::token::{TokenError, TokenErrorKind};
    /// assert_eq!(TokenError::new(TokenErrorKind::Forged).kind(), TokenErrorKind::Forged);
    /// ```
    pub const fn new(kind: TokenErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// What went wrong, to match on.
    pub const fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// What the client is told: 401 for all that is wrong with a token, 503 for a revocation check
    /// that fails, 500 for what is the server's own.
    ///
    /// ```
    /// use sessile::Refusal;
    /// use sessile::token::{TokenError, TokenErrorKind};
    /// let told = |kind| TokenError::new(kind).refusal();
    /// assert_eq!(told(TokenErrorKind::Forged), Refusal::InvalidTicket);
    /// assert_eq!(told(TokenErrorKind::Expired), Refusal::SessionEnded);
    /// ```
    pub const fn refusal(&self) -> Refusal {
        self.kind.refusal()
    }
}

impl TokenErrorKind {
    pub(super) const fn refusal(self) -> Refusal {
        match self {
            Self::Missing => Refusal::NoTicket,
            Self::Expired | Self::Revoked => Refusal::SessionEnded,
            Self::Unavailable => Refusal::StoreUnavailable,
            Self::CannotSign | Self::Random => Refusal::Internal,
            Self::TooLong
            | Self::Malformed
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Forged
            | Self::Claims
            | Self::Audience
            | Self::WrongKind
            | Self::NotYetValid
            | Self::Ambiguous => Refusal::InvalidTicket,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Missing => "there is no token",
            Self::TooLong => "the token is too long",
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the token's algorithm or type is not the configured one",
            Self::UnknownKey => "the token names a key that is none of ours",
            Self::Forged => "the token was not made with a key of ours",
            Self::Claims => "the token's claims do not have the right form",
            Self::Audience => "the token is for another audience or from another issuer",
            Self::WrongKind => "the token is of another kind",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::Revoked => "the token was revoked",
            Self::Ambiguous => "two different tokens are valid",
            Self::Unavailable => "whether the token was revoked is not known",
            Self::CannotSign => "the configured keys only verify",
            Self::Random => "the operating system gave no random bytes",
        }
    }
}

impl From<TokenErrorKind> for TokenError {
    fn from(kind: TokenErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self { kind: TokenErrorKind::Unavailable, source: Some(Box::new(error)) }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TokenError");
        out.field("kind", &self.kind);
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
