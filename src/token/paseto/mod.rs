//! PASETO, version 4 (paseto-standard/paseto-spec).

use std::fmt;

use pasetors::token::{Local, Public, TrustedToken, UntrustedToken};
use pasetors::version4::{LocalToken, PublicToken, V4};
use subtle::ConstantTimeEq;

use super::{Format, Times, TokenError, TokenErrorKind};
use crate::error::ConfigError;

mod key;
mod raw;

use self::key::Secret;
pub use self::key::{PasetoKey, PasetoKeyPair};

/// PASETO v4: `local` (encrypted) or `public` (signed), whichever is configured; what a token says
/// of itself decides nothing.
///
/// Random nonces of 256 bits never repeat under one key. A footer is authentic and otherwise
/// ignored, unless [`footer`](Self::footer) names the only one.
///
/// ```
/// use sessile::Key;
/// use sessile::token::{NewToken, Paseto, PasetoKey, TokenKind, Tokens};
/// let tokens = Tokens::new(Paseto::local(PasetoKey::derived_from(&Key::generate())), "shop");
/// let token = tokens.issue(&NewToken::access("user-42"))?;
/// assert!(token.starts_with("v4.local."));
/// assert!(tokens.verify::<()>(token.as_bytes(), &TokenKind::Access).is_ok());
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone)]
#[must_use = "a format does nothing until it is given to `Tokens`"]
pub struct Paseto {
    keys: Keys,
    footer: Option<Box<[u8]>>,
    implicit: Box<[u8]>,
}

/// The newest first.
#[derive(Clone, Debug)]
enum Keys {
    Local(Vec<PasetoKey>),
    Public(Vec<PasetoKeyPair>),
}

impl Paseto {
    /// Encrypts with this key, and decrypts.
    pub fn local(key: PasetoKey) -> Self {
        Self::with(Keys::Local(vec![key]))
    }

    /// Signs with this key, if it is no public one, and verifies.
    pub fn public(key: PasetoKeyPair) -> Self {
        Self::with(Keys::Public(vec![key]))
    }

    /// Reads tokens of a fastapi-paseto deployment, which takes its secret as it is: see
    /// [`PasetoKey::dangerously_raw`]. It makes none.
    ///
    /// ```
    /// use sessile::token::{Format, Paseto, TokenErrorKind};
    /// let theirs = Paseto::dangerously_with_raw_key(b"the authpaseto_secret_key")?;
    /// assert_eq!(theirs.seal(b"{}").unwrap_err().kind(), TokenErrorKind::CannotSign);
    /// # Ok::<(), sessile::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If it has no bytes, or more than 64.
    pub fn dangerously_with_raw_key(secret: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self::local(PasetoKey::dangerously_raw(secret)?))
    }

    fn with(keys: Keys) -> Self {
        Self { keys, footer: None, implicit: Box::default() }
    }

    /// Decrypts with this key as well.
    ///
    /// ```
    /// use sessile::Key;
    /// use sessile::token::{Format, Paseto, PasetoKey};
    /// let (old, new) = (Key::generate(), Key::generate());
    /// let token = Paseto::local(PasetoKey::derived_from(&old)).seal(b"{}")?;
    /// let during = Paseto::local(PasetoKey::derived_from(&new))
    ///     .also_accept(PasetoKey::derived_from(&old));
    /// assert!(during.open(token.as_bytes()).is_ok());
    /// # Ok::<(), sessile::token::TokenError>(())
    /// ```
    ///
    /// # Panics
    /// If there are eight keys already, or if this is `public`.
    #[track_caller]
    pub fn also_accept(self, key: PasetoKey) -> Self {
        accept(self.add(|keys| match keys {
            Keys::Local(keys) => Some((keys.len(), keys.push(key))),
            Keys::Public(_) => None,
        }))
    }

    /// Verifies with this key as well.
    ///
    /// ```
    /// use sessile::token::{Format, Paseto, PasetoKeyPair};
    /// let (old, new) = (PasetoKeyPair::generate()?, PasetoKeyPair::generate()?);
    /// let token = Paseto::public(old.clone()).seal(b"{}")?;
    /// let during = Paseto::public(new).also_accept_public(old);
    /// assert!(during.open(token.as_bytes()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If there are eight keys already, or if this is `local`.
    #[track_caller]
    pub fn also_accept_public(self, key: PasetoKeyPair) -> Self {
        accept(self.add(|keys| match keys {
            Keys::Public(keys) => Some((keys.len(), keys.push(key))),
            Keys::Local(_) => None,
        }))
    }

    fn add(
        mut self,
        push: impl FnOnce(&mut Keys) -> Option<(usize, ())>,
    ) -> Result<Self, ConfigError> {
        match push(&mut self.keys) {
            Some((before, ())) if before < super::MOST_KEYS => Ok(self),
            Some(_) => Err(super::too_many_keys()),
            None => Err(ConfigError::new(
                "a `Paseto` is local or public: give it keys of its own purpose",
            )),
        }
    }

    /// Writes this footer, which anybody can read, and takes no token with another.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{Format, Paseto, PasetoKey};
    /// # let key = PasetoKey::derived_from(&Key::generate());
    /// let paseto = Paseto::local(key.clone());
    /// let token = paseto.clone().footer(br#"{"kid":"k1"}"#).seal(b"{}")?;
    /// assert!(paseto.open(token.as_bytes()).is_ok());
    /// assert!(paseto.footer(br#"{"kid":"k2"}"#).open(token.as_bytes()).is_err());
    /// # Ok::<(), sessile::token::TokenError>(())
    /// ```
    pub fn footer(mut self, footer: &[u8]) -> Self {
        self.footer = Some(footer.into());
        self
    }

    /// Binds tokens to this, which does not stand in them: whoever verifies must know it.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{Format, Paseto, PasetoKey};
    /// # let key = PasetoKey::derived_from(&Key::generate());
    /// let of_tenant = |name: &str| Paseto::local(key.clone()).implicit_assertion(name.as_bytes());
    /// let token = of_tenant("acme").seal(b"{}")?;
    /// assert!(of_tenant("acme").open(token.as_bytes()).is_ok());
    /// assert!(of_tenant("evil").open(token.as_bytes()).is_err());
    /// # Ok::<(), sessile::token::TokenError>(())
    /// ```
    pub fn implicit_assertion(mut self, assertion: &[u8]) -> Self {
        self.implicit = assertion.into();
        self
    }

    fn has_right_footer(&self, footer: &[u8]) -> bool {
        self.footer.as_ref().is_none_or(|wanted| bool::from(wanted.ct_eq(footer)))
    }

    fn decrypt(&self, keys: &[PasetoKey], token: &str) -> Result<Vec<u8>, TokenErrorKind> {
        let parsed =
            UntrustedToken::<Local, V4>::try_from(token).map_err(|_| TokenErrorKind::Malformed)?;
        if !self.has_right_footer(parsed.untrusted_footer()) {
            return Err(TokenErrorKind::Forged);
        }
        let opened = keys.iter().find_map(|key| match &key.0 {
            Secret::Proper(key) => {
                LocalToken::decrypt(key, &parsed, None, Some(&self.implicit)).ok().map(payload)
            }
            Secret::Raw(key) => key.decrypt(token, &self.implicit).map(|(message, _)| message),
        });
        opened.ok_or(TokenErrorKind::Forged)
    }

    fn verify(&self, keys: &[PasetoKeyPair], token: &str) -> Result<Vec<u8>, TokenErrorKind> {
        let parsed =
            UntrustedToken::<Public, V4>::try_from(token).map_err(|_| TokenErrorKind::Malformed)?;
        if !self.has_right_footer(parsed.untrusted_footer()) {
            return Err(TokenErrorKind::Forged);
        }
        let verify =
            |key| PublicToken::verify(key, &parsed, None, Some(&self.implicit)).ok().map(payload);
        keys.iter().find_map(|pair| verify(&pair.public)).ok_or(TokenErrorKind::Forged)
    }
}

impl Format for Paseto {
    fn seal(&self, claims: &[u8]) -> Result<String, TokenError> {
        let (footer, implicit) = (self.footer.as_deref(), Some(&*self.implicit));
        let sealed = match &self.keys {
            Keys::Local(keys) => match keys.first() {
                Some(PasetoKey(Secret::Proper(key))) => {
                    LocalToken::encrypt(key, claims, footer, implicit)
                }
                _ => return Err(TokenErrorKind::CannotSign.into()),
            },
            Keys::Public(keys) => {
                let secret = keys.first().and_then(|pair| pair.secret.as_ref());
                let secret = secret.ok_or(TokenErrorKind::CannotSign)?;
                PublicToken::sign(secret, claims, footer, implicit)
            }
        };
        sealed.map_err(|error| match error {
            pasetors::errors::Error::EmptyPayload => TokenErrorKind::Claims.into(),
            _ => TokenErrorKind::Random.into(),
        })
    }

    fn open(&self, token: &[u8]) -> Result<Vec<u8>, TokenError> {
        // A footer of nothing is none: a token has one text.
        let token = str::from_utf8(token).ok().filter(|token| !token.ends_with('.'));
        let token = token.ok_or(TokenErrorKind::Malformed)?;
        let opened = match &self.keys {
            Keys::Local(keys) => self.decrypt(keys, token),
            Keys::Public(keys) => self.verify(keys, token),
        };
        Ok(opened?)
    }

    fn times(&self) -> Times {
        Times::Text
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what was trusted is used up")]
fn payload(token: TrustedToken) -> Vec<u8> {
    token.payload().as_bytes().to_vec()
}

#[track_caller]
#[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
fn accept(configured: Result<Paseto, ConfigError>) -> Paseto {
    match configured {
        Ok(paseto) => paseto,
        Err(error) => panic!("{error}"),
    }
}

impl fmt::Debug for Paseto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paseto").field("keys", &self.keys).finish_non_exhaustive()
    }
}
