//! A password as it was typed, and its stored hash.

use std::fmt;

use argon2::PasswordHash as Phc;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::error::{AccountError, AccountErrorKind};

/// A password as somebody typed it. It is wiped from memory when it is dropped, and has no `Debug`
/// or `Display` that shows it.
///
/// With serde it is read from text, so that it can be a field of a form; it is never written.
///
/// ```
/// use sessile::accounts::Password;
/// let password = Password::new("correct horse battery staple");
/// assert_eq!(format!("{password:?}"), "Password");
/// ```
pub struct Password {
    /// As it came: imported bcrypt hashes were made of this.
    raw: Zeroizing<String>,
    /// In NFC, so that one person's `é` is the same on every keyboard (NIST SP 800-63B-4, 3.1.1.2).
    /// `None` if the text is too long to be looked at.
    normalized: Option<Zeroizing<String>>,
}

impl Password {
    /// Takes it over. A text of more than 1 KiB is too long for any password, and forgotten at once.
    pub fn new(text: impl Into<String>) -> Self {
        let raw = Zeroizing::new(text.into());
        if raw.len() > LONGEST {
            return Self { raw: Zeroizing::default(), normalized: None };
        }
        // Room for what a normalisation may grow to, or it would leave copies where it grew.
        let mut normalized = Zeroizing::new(String::with_capacity(raw.len() * 3));
        normalized.extend(raw.nfc());
        Self { raw, normalized: Some(normalized) }
    }

    /// In NFC.
    pub(super) fn text(&self) -> Result<&str, AccountError> {
        let text = self.normalized.as_ref().map(|text| text.as_str());
        text.ok_or_else(|| AccountErrorKind::PasswordTooLong.into())
    }

    pub(super) fn raw(&self) -> &[u8] {
        self.raw.as_bytes()
    }
}

impl Clone for Password {
    fn clone(&self) -> Self {
        Self { raw: self.raw.clone(), normalized: self.normalized.clone() }
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<'de> serde::Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// In bytes: 128 characters of up to four bytes, decomposed.
const LONGEST: usize = 1_024;

/// A stored hash: Argon2 in the [PHC form](https://github.com/P-H-C/phc-string-format), or bcrypt
/// (`$2a$`, `$2b$`, `$2x$`, `$2y$`) for users that come from elsewhere.
///
/// Its `Debug` names the scheme and shows nothing of the hash.
///
/// ```
/// use sessile::accounts::PasswordHash;
/// let imported = "$2b$04$x4E2tSgdDCcLrfFzcbYl1eSGzMZHCdXJxNk3CU0C8A8V2ZU0OTHgq";
/// let hash: PasswordHash = imported.parse()?;
/// assert_eq!(hash.expose(), imported);
/// assert_eq!(format!("{hash:?}"), "PasswordHash(bcrypt)");
/// assert!("plaintext".parse::<PasswordHash>().is_err());
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Box<str>,
    pub(super) scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Argon2(Cost),
    Bcrypt,
}

/// What an Argon2id hash costs. `None` for other kinds of Argon2.
pub(super) type Cost = Option<(u32, u32, u32)>;

impl PasswordHash {
    /// The text, for a store to keep. It is a secret all the same: who has it can try passwords
    /// without asking anybody.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for PasswordHash {
    type Err = AccountError;

    /// # Errors
    /// [`AccountErrorKind::Internal`] if it is neither, or so costly that verifying it would be an
    /// attack on this server (more than 1 GiB, 64 passes or 64 lanes; bcrypt above cost 16).
    fn from_str(text: &str) -> Result<Self, AccountError> {
        let scheme = if text.starts_with("$argon2") { argon2(text) } else { bcrypt(text) };
        let scheme = scheme.ok_or_else(|| {
            AccountError::new(AccountErrorKind::Internal)
                .with_source("a stored hash is neither Argon2 nor bcrypt, or asks for too much")
        })?;
        Ok(Self { text: text.into(), scheme })
    }
}

fn argon2(text: &str) -> Option<Scheme> {
    let hash = Phc::new(text).ok()?;
    let number = |name: &str| hash.params.get_decimal(name);
    let cost = (number("m")?, number("t")?, number("p")?);
    let (memory, passes, lanes) = cost;
    let bearable = memory <= 1 << 20 && passes <= 64 && lanes <= 64;
    let complete = hash.salt.is_some() && hash.hash.is_some();
    let current = hash.algorithm.as_str() == "argon2id" && hash.version == Some(0x13);
    (bearable && complete).then_some(Scheme::Argon2(current.then_some(cost)))
}

fn bcrypt(text: &str) -> Option<Scheme> {
    let known = ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|kind| text.starts_with(kind));
    let cost: u32 = text.get(4..6)?.parse().ok()?;
    let bearable = (4..=16).contains(&cost);
    (known && bearable && text.len() == 60 && text.is_ascii()).then_some(Scheme::Bcrypt)
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Argon2(_) => "PasswordHash(argon2)",
            Scheme::Bcrypt => "PasswordHash(bcrypt)",
        })
    }
}
