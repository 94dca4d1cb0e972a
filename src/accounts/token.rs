//! One-time tokens: what is sent by e-mail to prove that the address is somebody's.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::error::{AccountError, AccountErrorKind};

/// What a one-time token is good for. One for another purpose is as good as none.
///
/// ```
/// use std::time::Duration;
/// use sessile::accounts::Purpose;
/// assert_eq!(Purpose::Reset.lifetime(), Duration::from_secs(30 * 60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// To show that the e-mail address is one's own.
    Verify,
    /// To set a new password.
    Reset,
}

impl Purpose {
    /// How long a token is good: a day to verify, half an hour to reset.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Verify => Duration::from_secs(24 * 3_600),
            Self::Reset => Duration::from_secs(30 * 60),
        }
    }

    /// What it is called in a table.
    ///
    /// ```
    /// assert_eq!(sessile::accounts::Purpose::Verify.name(), "verify");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }
}

/// A one-time token: 256 random bits as 43 characters of base64url. Whoever has it can use it,
/// once; a store keeps its digest only. `Debug` shows nothing of it.
///
/// ```
/// use sessile::accounts::{AccountEvent, OneTimeToken, User};
/// fn link(token: &OneTimeToken) -> String {
///     format!("https://example.org/reset#{}", token.expose()) // after `#`: it is not sent on, nor logged
/// }
/// ```
#[derive(Clone)]
pub struct OneTimeToken(Zeroizing<String>);

impl OneTimeToken {
    pub(super) fn generate() -> Result<Self, AccountError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes)
            .map_err(|error| AccountError::new(AccountErrorKind::Internal).with_source(error))?;
        Ok(Self(Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes))))
    }

    /// The token, to put into a message to its owner and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeToken")
    }
}

/// What a store keeps of a token: SHA-256 over its purpose and its bytes, as hexadecimal text. 256
/// random bits need no slow hash. It does not open anything.
///
/// ```
/// use sessile::accounts::{Purpose, TokenDigest};
/// let text = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// let digest = TokenDigest::of(text, Purpose::Reset)?;
/// assert_eq!(digest.as_str().len(), 64);
/// assert_ne!(digest, TokenDigest::of(text, Purpose::Verify)?);
/// assert!(TokenDigest::of("no token", Purpose::Reset).is_err());
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest(Box<str>);

impl TokenDigest {
    /// The digest of what was presented for this purpose.
    ///
    /// # Errors
    /// [`AccountErrorKind::Token`] if it has not the form of a token.
    pub fn of(token: &str, purpose: Purpose) -> Result<Self, AccountError> {
        let wrong = || AccountError::new(AccountErrorKind::Token);
        if token.len() != 43 {
            return Err(wrong());
        }
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| wrong())?;
        let bytes = Zeroizing::new(bytes);
        let digest = Sha256::new().chain_update(purpose.name()).chain_update([0]);
        let digest = digest.chain_update(&*bytes).finalize();
        Ok(Self(data_encoding::HEXLOWER.encode(&digest).into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
