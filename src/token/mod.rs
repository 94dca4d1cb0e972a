//! Tokens.

use crate::error::ConfigError;

mod claims;
mod error;
mod format;
#[cfg(feature = "jwt")]
mod jwt;
mod kind;
#[cfg(feature = "paseto")]
mod paseto;
mod tokens;
mod wire;

pub use self::claims::{Claims, NewToken};
pub use self::error::{TokenError, TokenErrorKind};
pub use self::format::{Format, Times};
#[cfg(feature = "jwt")]
pub use self::jwt::{Jwt, JwtKey};
pub use self::kind::TokenKind;
#[cfg(feature = "paseto")]
pub use self::paseto::{Paseto, PasetoKey, PasetoKeyPair};
pub use self::tokens::Tokens;

/// A token that names no key is tried with them all.
const MOST_KEYS: usize = 8;

fn too_many_keys() -> ConfigError {
    ConfigError::new("a format takes at most eight keys: drop those whose tokens have expired")
}
