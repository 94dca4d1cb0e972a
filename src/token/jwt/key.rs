//! The keys of JSON Web Tokens.

use std::fmt;

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER as AWS_LC;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use crate::error::ConfigError;
use crate::key::{Key, refuse_sample};
use crate::token::{TokenError, TokenErrorKind};

/// A key of [`Jwt`](super::Jwt), and with it the algorithm: a token whose header names another is
/// refused before anything else of it is read (RFC 8725, 3.1).
///
/// ```
/// use sessile::Key;
/// use sessile::token::{Format, Jwt, JwtKey};
/// let key = JwtKey::derived_from(&Key::generate()).kid("2026-11");
/// assert_eq!(format!("{key:?}"), r#"JwtKey { algorithm: HS256, kid: Some("2026-11") }"#);
/// # let token = Jwt::new(key).seal(b"{}")?;
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone)]
#[must_use = "a key does nothing until it is given to `Jwt`"]
pub struct JwtKey {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    signing: Option<EncodingKey>,
    verifying: DecodingKey,
}

impl JwtKey {
    /// HS256 with a key of its own, derived from the application's (ASVS 11.3.4). For tokens that
    /// nobody else verifies.
    pub fn derived_from(key: &Key) -> Self {
        Self::secret(&*key.derive("jwt HS256", ""))
    }

    /// HS256 with this secret: 32 bytes or more, from a random generator (RFC 7518, 3.2), which
    /// whoever verifies must have too, and can then sign with.
    ///
    /// ```
    /// use sessile::token::JwtKey;
    /// # let secret: [u8; 32] = { use sha2::Digest; sha2::Sha256::digest("a test key").into() };
    /// assert!(JwtKey::hs256(&secret).is_ok());
    /// assert!(JwtKey::hs256(b"secret").is_err());
    /// assert!(JwtKey::hs256(b"0123456789abcdef0123456789abcdef").is_err(), "no random generator");
    /// ```
    ///
    /// # Errors
    /// If it is shorter, or plainly a sample.
    pub fn hs256(secret: &[u8]) -> Result<Self, ConfigError> {
        refuse_sample(secret)?;
        Self::dangerously_hs256(secret)
    }

    /// HS256 with a secret that somebody else has chosen, without a look at how: for the tokens of
    /// another system until it has a better one, and for published test vectors.
    ///
    /// ```
    /// use sessile::token::JwtKey;
    /// assert!(JwtKey::dangerously_hs256(b"0123456789abcdef0123456789abcdef").is_ok());
    /// assert!(JwtKey::dangerously_hs256(b"").is_err());
    /// ```
    ///
    /// # Errors
    /// If it is shorter than 32 bytes: that is guessed, not only found.
    pub fn dangerously_hs256(secret: &[u8]) -> Result<Self, ConfigError> {
        if secret.len() < 32 {
            return Err(ConfigError::new(format!(
                "HS256 needs a secret of at least 32 bytes and this one has {}: make one with \
                 `openssl rand -hex 32`",
                secret.len()
            )));
        }
        Ok(Self::secret(secret))
    }

    fn secret(secret: &[u8]) -> Self {
        let (signing, verifying) =
            (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Self { algorithm: Algorithm::HS256, kid: None, signing: Some(signing), verifying }
    }

    /// EdDSA with this Ed25519 private key in PKCS #8 PEM: `openssl genpkey -algorithm ed25519`.
    ///
    /// ```
    /// use sessile::token::JwtKey;
    /// let from_a_file = "-----BEGIN PRIVATE KEY-----\n…";
    /// assert!(JwtKey::eddsa_pem(from_a_file).is_err(), "what is it?");
    /// ```
    ///
    /// # Errors
    /// If it is none.
    pub fn eddsa_pem(private: &str) -> Result<Self, ConfigError> {
        let key = EncodingKey::from_ed_pem(private.as_bytes()).map_err(|_| not_a("Ed25519 key"))?;
        let public = (AWS_LC.key_utils.ed_pub_components_from_private_key)(
            key.as_bytes(),
            &jsonwebtoken::jwk::EllipticCurve::Ed25519,
        )
        .map_err(|_| not_a("Ed25519 key"))?;
        let verifying = DecodingKey::from_ed_der(&public);
        Ok(Self { algorithm: Algorithm::EdDSA, kid: None, signing: Some(key), verifying })
    }

    /// EdDSA with this Ed25519 public key: verifies only.
    ///
    /// ```
    /// use sessile::token::{Format, Jwt, JwtKey, TokenErrorKind};
    /// let jwt = Jwt::new(JwtKey::eddsa_public(&[7; 32]));
    /// assert_eq!(jwt.seal(b"{}").unwrap_err().kind(), TokenErrorKind::CannotSign);
    /// ```
    pub fn eddsa_public(public: &[u8; 32]) -> Self {
        let verifying = DecodingKey::from_ed_der(public);
        Self { algorithm: Algorithm::EdDSA, kid: None, signing: None, verifying }
    }

    /// EdDSA with this Ed25519 public key in PEM: verifies only.
    ///
    /// ```
    /// use sessile::token::JwtKey;
    /// assert!(JwtKey::eddsa_public_pem("-----BEGIN PUBLIC KEY-----\n…").is_err());
    /// ```
    ///
    /// # Errors
    /// If it is none.
    pub fn eddsa_public_pem(public: &str) -> Result<Self, ConfigError> {
        let verifying =
            DecodingKey::from_ed_pem(public.as_bytes()).map_err(|_| not_a("Ed25519 public key"))?;
        Ok(Self { algorithm: Algorithm::EdDSA, kid: None, signing: None, verifying })
    }

    /// ES256 with this P-256 private key in PKCS #8 PEM: `openssl genpkey -algorithm EC -pkeyopt
    /// ec_paramgen_curve:P-256`.
    ///
    /// ```
    /// use sessile::token::JwtKey;
    /// assert!(JwtKey::es256_pem("-----BEGIN PRIVATE KEY-----\n…").is_err());
    /// ```
    ///
    /// # Errors
    /// If it is none, or of another curve.
    pub fn es256_pem(private: &str) -> Result<Self, ConfigError> {
        let key = EncodingKey::from_ec_pem(private.as_bytes()).map_err(|_| not_a("P-256 key"))?;
        let components = AWS_LC.key_utils.ec_pub_components_from_private_key;
        let (_, x, y) =
            components(key.as_bytes(), Algorithm::ES256).map_err(|_| not_a("P-256 key"))?;
        let verifying = DecodingKey::from_ec_der(&[&[UNCOMPRESSED], &*x, &*y].concat());
        Ok(Self { algorithm: Algorithm::ES256, kid: None, signing: Some(key), verifying })
    }

    /// ES256 with this P-256 public key in PEM: verifies only.
    ///
    /// ```
    /// use sessile::token::JwtKey;
    /// assert!(JwtKey::es256_public_pem("-----BEGIN PUBLIC KEY-----\n…").is_err());
    /// ```
    ///
    /// # Errors
    /// If it is none, or of another curve.
    pub fn es256_public_pem(public: &str) -> Result<Self, ConfigError> {
        let verifying =
            DecodingKey::from_ec_pem(public.as_bytes()).map_err(|_| not_a("P-256 public key"))?;
        let point = verifying.try_get_as_bytes().map_err(|_| not_a("P-256 public key"))?;
        if point.len() != POINT_LEN {
            return Err(not_a("P-256 public key"));
        }
        Ok(Self { algorithm: Algorithm::ES256, kid: None, signing: None, verifying })
    }

    /// Names the key: tokens say so in their header, and those that name it are tried with it
    /// alone. A name chooses among our own keys and is never followed anywhere (ASVS 9.1.3).
    pub fn kid(mut self, kid: impl Into<Box<str>>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Its `alg`.
    pub(super) const fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::EdDSA => "EdDSA",
            Algorithm::ES256 => "ES256",
            _ => "HS256",
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    // The library's default provider is asked by name: what other crates turn on cannot take it
    // away (jsonwebtoken panics when two are compiled in).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let key = self.signing.as_ref().ok_or(TokenErrorKind::CannotSign)?;
        let signer = (AWS_LC.signer_factory)(&self.algorithm, key)
            .map_err(|_| TokenErrorKind::CannotSign)?;
        // Of these algorithms only ES256 needs random bytes, and nothing else can fail.
        signer.try_sign(message).map_err(|_| TokenErrorKind::Random.into())
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        (AWS_LC.verifier_factory)(&self.algorithm, &self.verifying)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

fn not_a(what: &str) -> ConfigError {
    ConfigError::new(format!(
        "this is no {what} in PEM: `openssl genpkey -help` says how to make one"
    ))
}

/// SEC 1, 2.3.3: what an uncompressed point begins with.
const UNCOMPRESSED: u8 = 4;
const POINT_LEN: usize = 65;

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish()
    }
}
