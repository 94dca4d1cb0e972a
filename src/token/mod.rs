//! Access tokens, refresh tokens, and tokens that do one thing once: JWT or PASETO.
//!
//! Sessions are the better choice wherever the one who asks and the one who answers share a store:
//! they can be ended, changed and listed. Tokens are for services that must know who asks without
//! asking anybody else, and for clients that demand them.
//!
//! - [`Tokens`] issues and judges tokens in one [`Format`]: [`Jwt`] or [`Paseto`].
//! - [`AccessLayer`] verifies the access token of each request; [`Access`] is what a handler gets,
//!   and [`RequireAccess`] turns others away.
//! - [`Revocation`] ends tokens before they expire. Who has none must say [`CannotBeRevoked`].
//! - [`Pairs`] issues refresh tokens beside them, which are sessions.
//! - [`OneTime`] makes tokens for one purpose: a link that confirms an e-mail address.
//! - [`TokenCookie`] puts tokens into cookies.
//!
//! ```
//! use axum::{Router, routing::get};
//! use sessile::Key;
//! use sessile::token::{
//!     Access, AccessLayer, CannotBeRevoked, Jwt, JwtKey, NewToken, Tokens,
//! };
//! # use tower::ServiceExt;
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
//! let app = Router::new()
//!     .route("/whoami", get(async |access: Access| access.subject.clone()))
//!     .layer(AccessLayer::<()>::new(tokens.clone(), CannotBeRevoked));
//!
//! let token = tokens.issue(&NewToken::access("user-42"))?;
//! let request = http::Request::get("/whoami").header("authorization", format!("Bearer {token}"));
//! let answer = app.oneshot(request.body(axum::body::Body::empty())?).await?;
//! assert_eq!(answer.status(), 200);
//! # Ok(()) }
//! ```

use crate::error::ConfigError;

mod access;
mod claims;
mod cookie;
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
mod one_time;
mod pair;
#[cfg(feature = "paseto")]
mod paseto;
mod require;
mod revocation;
mod service;
mod tokens;
mod wire;

pub use self::access::{Access, CustomClaims};
pub use self::claims::{Claims, NewToken};
pub use self::cookie::{CookieOverrides, TokenCookie};
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
pub use self::one_time::{OneTime, Unredeemed};
pub use self::pair::{Pair, PairError, Pairs};
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
