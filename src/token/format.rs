//! What a token is made of.

use std::fmt;

use super::TokenError;

/// Protects claims, and opens what it protected: [`Jwt`](super::Jwt), [`Paseto`](super::Paseto), or
/// one of your own. It knows keys and algorithms; what the claims say is judged by
/// [`Tokens`](super::Tokens).
///
/// ```
/// # use sessile::Key;
/// use sessile::token::{Format, Jwt, JwtKey};
/// let jwt = Jwt::new(JwtKey::derived_from(&Key::generate()));
/// let token = jwt.seal(br#"{"sub":"user-42"}"#)?;
/// assert_eq!(jwt.open(token.as_bytes())?, br#"{"sub":"user-42"}"#);
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
pub trait Format: fmt::Debug + Send + Sync + 'static {
    /// A token of these claims, which are a JSON object.
    ///
    /// # Errors
    /// [`CannotSign`](super::TokenErrorKind::CannotSign) if the newest key only verifies.
    fn seal(&self, claims: &[u8]) -> Result<String, TokenError>;

    /// The claims of a token that one of the keys made, just as they were protected.
    ///
    /// # Errors
    /// Why it is none.
    fn open(&self, token: &[u8]) -> Result<Vec<u8>, TokenError>;

    /// How the claims write times.
    fn times(&self) -> Times;
}

/// How the claims of a format write points in time.
///
/// ```
/// # use sessile::Key;
/// use sessile::token::{Format, Jwt, JwtKey, Times};
/// assert_eq!(Jwt::new(JwtKey::derived_from(&Key::generate())).times(), Times::Numeric);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Times {
    /// Whole seconds since 1970, as a number: JWT.
    Numeric,
    /// Text in RFC 3339: PASETO.
    #[cfg(feature = "paseto")]
    Text,
}
