//! JSON Web Tokens (RFC 7519) in compact form.

use std::borrow::Cow;
use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::wire::present;
use super::{Format, Times, TokenError, TokenErrorKind};
use crate::error::ConfigError;

mod key;

pub use self::key::JwtKey;

/// JSON Web Tokens, signed with HS256, EdDSA or ES256, read as RFC 8725 advises.
///
/// 1. The header's `alg` must be that of the key, and its `typ` the configured one: both are
///    compared before the claims are read.
/// 2. `kid` chooses among the configured keys. `jku`, `x5u` and `jwk` are never looked at; a header
///    with `crit` is refused.
/// 3. The newest key signs, older ones still verify: name both with [`JwtKey::kid`], add the new one
///    with [`also_accept`](Self::also_accept) everywhere, then let it sign, and drop the old one when
///    its tokens have expired.
/// 4. Base64 has one form: no padding, no spare bits.
///
/// ```
/// use sessile::Key;
/// use sessile::token::{Format, Jwt, JwtKey, TokenErrorKind};
/// let (old, new) = (Key::generate(), Key::generate());
/// let (old, new) = (JwtKey::derived_from(&old).kid("1"), JwtKey::derived_from(&new).kid("2"));
/// let before = Jwt::new(old.clone());
/// let during = Jwt::new(new.clone()).also_accept(old);
/// let after = Jwt::new(new);
///
/// let token = before.seal(br#"{"sub":"user-42"}"#)?;
/// assert!(during.open(token.as_bytes()).is_ok());
/// assert_eq!(after.open(token.as_bytes()).unwrap_err().kind(), TokenErrorKind::UnknownKey);
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone)]
#[must_use = "a format does nothing until it is given to `Tokens`"]
pub struct Jwt {
    /// The newest first.
    keys: Vec<Signing>,
    typ: Option<Cow<'static, str>>,
}

/// A key, and the header of what it signs.
#[derive(Clone)]
struct Signing {
    key: JwtKey,
    header: String,
}

impl Jwt {
    /// Signs with this key, and verifies.
    pub fn new(key: JwtKey) -> Self {
        let typ = Some(Cow::Borrowed("JWT"));
        Self { keys: vec![Signing::new(key, typ.as_deref())], typ }
    }

    /// Verifies with this key as well.
    ///
    /// # Panics
    /// If there are eight keys already.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
    pub fn also_accept(self, key: JwtKey) -> Self {
        match self.try_also_accept(key) {
            Ok(jwt) => jwt,
            Err(error) => panic!("{error}"),
        }
    }

    /// [`also_accept`](Self::also_accept) for keys that are read at run time.
    ///
    /// ```
    /// use sessile::Key;
    /// use sessile::token::{Jwt, JwtKey};
    /// let key = JwtKey::derived_from(&Key::generate());
    /// let seven_more = (0..7).try_fold(Jwt::new(key.clone()), |jwt, _| jwt.try_also_accept(key.clone()));
    /// assert!(seven_more?.try_also_accept(key).is_err());
    /// # Ok::<(), sessile::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If there are eight keys already.
    pub fn try_also_accept(mut self, key: JwtKey) -> Result<Self, ConfigError> {
        if self.keys.len() == super::MOST_KEYS {
            return Err(super::too_many_keys());
        }
        self.keys.push(Signing::new(key, self.typ.as_deref()));
        Ok(self)
    }

    /// Says which type of token it is (`typ`), in place of `JWT`: RFC 9068 has `at+jwt` for access
    /// tokens. Whatever names another is refused.
    ///
    /// ```
    /// use sessile::Key;
    /// use sessile::token::{Format, Jwt, JwtKey, TokenErrorKind};
    /// let key = JwtKey::derived_from(&Key::generate());
    /// let token = Jwt::new(key.clone()).seal(b"{}")?;
    /// let refused = Jwt::new(key).typ("at+jwt").open(token.as_bytes()).unwrap_err();
    /// assert_eq!(refused.kind(), TokenErrorKind::Algorithm);
    /// # Ok::<(), sessile::token::TokenError>(())
    /// ```
    pub fn typ(mut self, typ: impl Into<Cow<'static, str>>) -> Self {
        self.typ = Some(typ.into());
        self.reseal()
    }

    /// Writes no `typ`, and takes only tokens without one.
    ///
    /// ```
    /// use sessile::Key;
    /// use sessile::token::{Format, Jwt, JwtKey};
    /// let key = JwtKey::derived_from(&Key::generate());
    /// let token = Jwt::new(key.clone()).without_typ().seal(b"{}")?;
    /// assert!(Jwt::new(key).open(token.as_bytes()).is_err());
    /// # Ok::<(), sessile::token::TokenError>(())
    /// ```
    pub fn without_typ(mut self) -> Self {
        self.typ = None;
        self.reseal()
    }

    fn reseal(mut self) -> Self {
        let typ = self.typ.as_deref();
        self.keys = self.keys.into_iter().map(|signing| Signing::new(signing.key, typ)).collect();
        self
    }

    /// The algorithm and the key that a header names, if it is one that we can follow.
    fn read<'h>(&self, encoded: &[u8], decoded: &'h mut Vec<u8>) -> Result<Header<'h>, TokenError> {
        *decoded = BASE64URL_NOPAD.decode(encoded).map_err(|_| TokenErrorKind::Malformed)?;
        let header: Header<'_> =
            serde_json::from_slice(decoded).map_err(|_| TokenErrorKind::Malformed)?;
        let same_type = match (&self.typ, &header.typ) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        if !same_type || header.crit.is_some() {
            return Err(TokenErrorKind::Algorithm.into());
        }
        Ok(header)
    }

    fn verify(
        &self,
        algorithm: &str,
        kid: Option<&str>,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> Result<(), TokenErrorKind> {
        let mut wrong = TokenErrorKind::UnknownKey;
        for Signing { key, .. } in &self.keys {
            if kid.is_some() && key.name() != kid {
                continue;
            }
            if key.algorithm() != algorithm {
                wrong = TokenErrorKind::Algorithm;
            } else if key.verifies(message, signature) {
                return Ok(());
            } else {
                wrong = TokenErrorKind::Forged;
            }
        }
        Err(wrong)
    }
}

impl Signing {
    fn new(key: JwtKey, typ: Option<&str>) -> Self {
        let mut header = serde_json::Map::new();
        header.insert("alg".to_owned(), key.algorithm().into());
        header.extend(typ.map(|typ| ("typ".to_owned(), typ.into())));
        header.extend(key.name().map(|kid| ("kid".to_owned(), kid.into())));
        let header = serde_json::Value::Object(header).to_string();
        Self { key, header: BASE64URL_NOPAD.encode(header.as_bytes()) }
    }
}

#[derive(Deserialize)]
struct Header<'h> {
    #[serde(borrow)]
    alg: Cow<'h, str>,
    #[serde(borrow, default)]
    typ: Option<Cow<'h, str>>,
    #[serde(borrow, default)]
    kid: Option<Cow<'h, str>>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
}

impl Format for Jwt {
    fn seal(&self, claims: &[u8]) -> Result<String, TokenError> {
        let newest = self.keys.first().ok_or(TokenErrorKind::CannotSign)?;
        let mut token = newest.header.clone();
        token.push('.');
        BASE64URL_NOPAD.encode_append(claims, &mut token);
        let signature = newest.key.sign(token.as_bytes())?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(token)
    }

    fn open(&self, token: &[u8]) -> Result<Vec<u8>, TokenError> {
        let (header, claims, signature, message) = parts(token).ok_or(TokenErrorKind::Malformed)?;
        let decode = |part| BASE64URL_NOPAD.decode(part).map_err(|_| TokenErrorKind::Malformed);
        let signature = decode(signature)?;
        // Hardly any token has a header that we did not write ourselves.
        match self.keys.iter().find(|signing| signing.header.as_bytes() == header) {
            Some(Signing { key, .. }) => {
                self.verify(key.algorithm(), key.name(), message, &signature)?;
            }
            None => {
                let mut decoded = Vec::new();
                let header = self.read(header, &mut decoded)?;
                self.verify(&header.alg, header.kid.as_deref(), message, &signature)?;
            }
        }
        Ok(decode(claims)?)
    }

    fn times(&self) -> Times {
        Times::Numeric
    }
}

/// Header, claims, signature, and what was signed.
fn parts(token: &[u8]) -> Option<(&[u8], &[u8], &[u8], &[u8])> {
    let mut dots = memchr::memchr_iter(b'.', token);
    let (first, second, None) = (dots.next()?, dots.next()?, dots.next()) else { return None };
    let (message, signature) = (token.get(..second)?, token.get(second + 1..)?);
    Some((message.get(..first)?, message.get(first + 1..)?, signature, message))
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(|signing| &signing.key).collect();
        f.debug_struct("Jwt").field("keys", &keys).field("typ", &self.typ).finish()
    }
}
