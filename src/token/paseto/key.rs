//! The keys of PASETO v4.

use std::fmt;

use pasetors::keys::{AsymmetricPublicKey, AsymmetricSecretKey, SymmetricKey};
use pasetors::version4::V4;

use super::raw::RawKey;
use crate::error::ConfigError;
use crate::key::{Key, refuse_sample};

/// A key of [`Paseto::local`](super::Paseto::local): 32 bytes, which encrypt and decrypt.
///
/// ```
/// use sessile::Key;
/// use sessile::token::{Format, Paseto, PasetoKey};
/// let paseto = Paseto::local(PasetoKey::derived_from(&Key::generate()));
/// assert!(paseto.seal(b"{}")?.starts_with("v4.local."));
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone)]
#[must_use = "a key does nothing until it is given to `Paseto`"]
pub struct PasetoKey(pub(super) Secret);

#[derive(Clone)]
pub(super) enum Secret {
    Proper(SymmetricKey<V4>),
    Raw(RawKey),
}

impl PasetoKey {
    /// A key of its own, derived from the application's (ASVS 11.3.4). For tokens that no other
    /// system reads.
    pub fn derived_from(key: &Key) -> Self {
        Self::proper(&key.derive("paseto v4.local", ""))
    }

    /// These 32 bytes, from a random generator.
    ///
    /// ```
    /// use sessile::token::PasetoKey;
    /// # let secret: [u8; 32] = { use sha2::Digest; sha2::Sha256::digest("a test key").into() };
    /// assert!(PasetoKey::from_bytes(&secret).is_ok());
    /// assert!(PasetoKey::from_bytes(&[0; 32]).is_err());
    /// ```
    ///
    /// # Errors
    /// If they are plainly a sample.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, ConfigError> {
        refuse_sample(bytes)?;
        Ok(Self::proper(bytes))
    }

    /// These 32 bytes, without a look at how they were chosen: for the tokens of another system
    /// until it has a better key, and for published test vectors.
    ///
    /// ```
    /// use sessile::token::{Paseto, PasetoKey};
    /// let paseto = Paseto::local(PasetoKey::dangerously_from_bytes(&[0; 32]));
    /// # let _ = paseto;
    /// ```
    pub fn dangerously_from_bytes(bytes: &[u8; 32]) -> Self {
        Self::proper(bytes)
    }

    /// A secret of 1 to 64 bytes as fastapi-paseto deployments have it: it goes into BLAKE2b as it
    /// is, whatever its length and however it was chosen. It only reads, until their tokens have
    /// expired: name it with [`Paseto::also_accept`](super::Paseto::also_accept).
    ///
    /// ```
    /// use sessile::Key;
    /// use sessile::token::{Paseto, PasetoKey};
    /// let during_the_move = Paseto::local(PasetoKey::derived_from(&Key::generate()))
    ///     .also_accept(PasetoKey::dangerously_raw(b"authpaseto_secret_key")?);
    /// # let _ = during_the_move; Ok::<(), sessile::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If it has no bytes, or more than 64.
    pub fn dangerously_raw(secret: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self(Secret::Raw(RawKey::new(secret)?)))
    }

    fn proper(bytes: &[u8; 32]) -> Self {
        // It fails for other lengths only.
        match SymmetricKey::from(bytes) {
            Ok(key) => Self(Secret::Proper(key)),
            Err(_) => Self(Secret::Raw(RawKey::of(*bytes))),
        }
    }
}

impl fmt::Debug for PasetoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasetoKey")
    }
}

/// A key of [`Paseto::public`](super::Paseto::public): Ed25519.
///
/// ```
/// use sessile::token::{Format, Paseto, PasetoKeyPair};
/// let ours = PasetoKeyPair::generate()?;
/// let theirs = PasetoKeyPair::public(&ours.public_bytes())?;
/// let token = Paseto::public(ours).seal(br#"{"sub":"user-42"}"#)?;
/// assert!(Paseto::public(theirs).open(token.as_bytes()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a key does nothing until it is given to `Paseto`"]
pub struct PasetoKeyPair {
    pub(super) secret: Option<AsymmetricSecretKey<V4>>,
    pub(super) public: AsymmetricPublicKey<V4>,
}

impl PasetoKeyPair {
    /// A new pair from the operating system's generator; keep its
    /// [`secret_bytes`](Self::secret_bytes).
    ///
    /// # Errors
    /// If that gives no random bytes.
    pub fn generate() -> Result<Self, ConfigError> {
        use pasetors::keys::{AsymmetricKeyPair, Generate};
        let pair = AsymmetricKeyPair::<V4>::generate()
            .map_err(|_| ConfigError::new("the operating system gave no random bytes"))?;
        Ok(Self { secret: Some(pair.secret), public: pair.public })
    }

    /// The pair of this secret key: 64 bytes, the seed and the public key.
    ///
    /// ```
    /// use sessile::token::PasetoKeyPair;
    /// let pair = PasetoKeyPair::generate()?;
    /// let secret = pair.secret_bytes().expect("it signs");
    /// assert_eq!(PasetoKeyPair::secret(&secret)?.public_bytes(), pair.public_bytes());
    /// assert!(PasetoKeyPair::secret(&[7; 64]).is_err());
    /// # Ok::<(), sessile::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If its halves do not belong together.
    pub fn secret(bytes: &[u8; 64]) -> Result<Self, ConfigError> {
        let secret = AsymmetricSecretKey::<V4>::from(bytes).map_err(|_| no_pair())?;
        let public = AsymmetricPublicKey::try_from(&secret).map_err(|_| no_pair())?;
        Ok(Self { secret: Some(secret), public })
    }

    /// A public key, which verifies only.
    ///
    /// # Errors
    /// If it is none.
    pub fn public(bytes: &[u8; 32]) -> Result<Self, ConfigError> {
        let public = AsymmetricPublicKey::from(bytes).map_err(|_| no_pair())?;
        Ok(Self { secret: None, public })
    }

    /// The public key, for those who verify.
    pub fn public_bytes(&self) -> [u8; 32] {
        self.public.as_bytes().try_into().unwrap_or_default()
    }

    /// The secret key, for [`secret`](Self::secret); `None` of a public one.
    pub fn secret_bytes(&self) -> Option<[u8; 64]> {
        self.secret.as_ref().and_then(|secret| secret.as_bytes().try_into().ok())
    }
}

fn no_pair() -> ConfigError {
    ConfigError::new("these bytes are no Ed25519 key: make one with `PasetoKeyPair::generate`")
}

impl fmt::Debug for PasetoKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasetoKeyPair").field("signs", &self.secret.is_some()).finish()
    }
}
