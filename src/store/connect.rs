//! A store by its address.

use std::sync::Arc;

use super::{MemoryStore, Store};
use crate::error::{OpenError, OpenErrorKind};
use crate::record::SessionData;

/// Opens the store at this address, so that a setting decides where sessions are kept:
///
/// | address | store | feature |
/// |---|---|---|
/// | `memory:` | [`MemoryStore`] | |
/// | `sqlite:sessions.db`, `sqlite::memory:` | `SqliteStore` | `sqlite` |
/// | `postgres://user:password@host/database` (or `postgresql:`) | `PostgresStore` | `postgres` |
/// | `redis://host:6379/0` | `RedisStore` | `redis` |
/// | `redis+cluster://host:6379,host:6380` | `RedisStore` | `redis` |
/// | `redis+sentinel://host:26379,host:26380/service` | `RedisStore` | `redis` |
/// | `rediss:`, `rediss+cluster:`, `rediss+sentinel:`, `postgres:` with `?sslmode=verify-full` | the same over TLS | and `tls` |
///
/// Stores have more settings than an address can hold; those are on their own constructors. In SQLite
/// and Postgres what has expired stays until somebody removes it: spawn
/// [`layer.sweeper(…)`](crate::SessionLayer::sweeper), which does nothing where nothing is due.
///
/// ```
/// use sessile::{Key, SessionLayer, Values, store};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = std::env::var("SESSION_STORE").unwrap_or_else(|_| "memory:".to_owned());
/// let layer = SessionLayer::<Values>::new(store::connect(&address).await?, Key::generate());
/// tokio::spawn(layer.sweeper(std::time::Duration::from_secs(60)));
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`OpenErrorKind::UnknownScheme`] and [`OpenErrorKind::Disabled`] name the scheme and the
/// feature; the rest is the store's own. No error holds a password.
pub async fn connect<T: SessionData>(address: &str) -> Result<Arc<dyn Store<T>>, OpenError> {
    let Some((scheme, rest)) = address.split_once(':') else {
        return Err(OpenError::new(
            OpenErrorKind::Config,
            "a store's address begins with its kind, as in `sqlite:sessions.db` or \
             `redis://localhost`",
        ));
    };
    let scheme = scheme.to_ascii_lowercase();
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
    let address = format!("{scheme}:{rest}");
    match scheme.as_str() {
        "memory" if rest.is_empty() => Ok(Arc::new(MemoryStore::new())),
        "memory" => Err(OpenError::new(
            OpenErrorKind::Config,
            "the address of the store in memory is `memory:` and nothing else",
        )),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(super::SqliteStore::connect(&address).await?)),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(super::PostgresStore::connect(&address).await?)),
        #[cfg(feature = "redis")]
        "redis" | "redis+cluster" | "redis+sentinel" | "rediss" | "rediss+cluster"
        | "rediss+sentinel" => Ok(Arc::new(super::RedisStore::connect(&address).await?)),
        other => Err(unknown(other)),
    }
}

/// The schemes that some feature knows.
const FEATURES: &[(&str, &str)] = &[
    ("sqlite", "sqlite"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("redis+cluster", "redis"),
    ("redis+sentinel", "redis"),
    ("rediss+cluster", "redis"),
    ("rediss+sentinel", "redis"),
];

fn unknown(scheme: &str) -> OpenError {
    match FEATURES.iter().find(|(known, _)| *known == scheme) {
        Some((scheme, feature)) => OpenError::new(
            OpenErrorKind::Disabled,
            format!(
                "`{scheme}:` needs the feature `{feature}`: `sessile = {{ version = \"…\", \
                 features = [\"{feature}\"] }}`"
            ),
        ),
        None => OpenError::new(
            OpenErrorKind::UnknownScheme,
            format!(
                "`{}:` is none of memory, sqlite, postgres, redis, redis+cluster and \
                 redis+sentinel",
                readable(scheme)
            ),
        ),
    }
}

/// Whatever was given may be no scheme at all but something that should not be shown.
fn readable(scheme: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if scheme.len() <= 20 && scheme.bytes().all(plain) { scheme } else { "…" }
}
