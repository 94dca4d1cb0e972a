//! Tokens.

use crate::error::ConfigError;

mod access;
mod claims;
mod deny_list;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod format;
#[cfg(feature = "jwt")]
mod jwt;
mod kind;
mod layer;
mod live_sessions;
#[cfg(feature = "paseto")]
mod paseto;
mod require;
mod revocation;
mod service;
mod tokens;
mod wire;

pub use self::access::{Access, CustomClaims};
pub use self::claims::{Claims, NewToken};
pub use self::deny_list::DenyList;
pub use self::error::{TokenError, TokenErrorKind};
#[cfg(feature = "axum")]
pub use self::extract::AccessRejection;
pub use self::format::{Format, Times};
#[cfg(feature = "jwt")]
pub use self::jwt::{Jwt, JwtKey};
pub use self::kind::TokenKind;
pub use self::layer::AccessLayer;
pub use self::live_sessions::LiveSessions;
#[cfg(feature = "paseto")]
pub use self::paseto::{Paseto, PasetoKey, PasetoKeyPair};
pub use self::require::{RequireAccess, RequireAccessFuture, RequireAccessService};
pub use self::revocation::{CannotBeRevoked, Check, Revocation, TokenIds, check};
pub use self::service::{AccessFuture, AccessService};
pub use self::tokens::Tokens;

/// A token that names no key is tried with them all.
const MOST_KEYS: usize = 8;

fn too_many_keys() -> ConfigError {
    ConfigError::new("a format takes at most eight keys: drop those whose tokens have expired")
}
