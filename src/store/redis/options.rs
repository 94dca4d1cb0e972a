//! How to reach Redis, and how to use it.

use std::fmt;
use std::time::Duration;

use crate::store::json;

/// How a [`RedisStore`](super::RedisStore) reaches Redis and names its keys.
///
/// ```
/// use std::time::Duration;
/// use sessile::store::RedisOptions;
/// let options = RedisOptions::new("redis://127.0.0.1/2")
///     .prefix("shop:")
///     .max_data(64 * 1024)
///     .timeout(Duration::from_millis(500));
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisOptions {
    pub(super) url: String,
    pub(super) prefix: String,
    pub(super) max_data: usize,
    pub(super) timeout: Duration,
    pub(super) changes: bool,
    pub(super) root_certificate: Option<Vec<u8>>,
}

impl RedisOptions {
    /// The server or servers at this address, with the defaults of everything else.
    ///
    /// | address | |
    /// |---|---|
    /// | `redis://[user:password@]host[:port][/database]` | one server |
    /// | `redis+cluster://[user:password@]host:port[,host:port…]` | a cluster, found through any of these nodes |
    /// | `redis+sentinel://[user:password@]host:port[,host:port…]/service[/database]` | the primary that these Sentinels name; user and password are the primary's |
    ///
    /// With `rediss` in place of `redis` each of them speaks TLS (feature `tls`): only with a server
    /// whose certificate was made out for that host by an authority that the operating system
    /// trusts, or by your [own](Self::root_certificate). The servers of a cluster and those behind
    /// Sentinel name each other, and their certificates must have the names that they use:
    /// `cluster-announce-hostname` with `cluster-preferred-endpoint-type hostname` (Redis 7), for
    /// Sentinel `resolve-hostnames` and `announce-hostnames`; or addresses in the certificates.
    ///
    /// ```
    /// # use sessile::store::RedisOptions;
    /// let options = RedisOptions::new("redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/main");
    /// ```
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "sessile:".to_owned(),
            max_data: json::MAX_DATA,
            timeout: Duration::from_secs(2),
            changes: true,
            root_certificate: None,
        }
    }

    /// What the name of every key begins with; `sessile:` by default. Stores with different
    /// prefixes know nothing of each other, unless one prefix begins with the other.
    ///
    /// A prefix with a hash tag (`{shop}:`) keeps all sessions on one node of a cluster, where
    /// every call is one step again. While their slot moves to another node, such a step may find
    /// its keys in two places: then what concerns a subject (a log-in as one included) is tried
    /// again for up to half a second, and fails.
    ///
    /// ```
    /// # use sessile::store::RedisOptions;
    /// let options = RedisOptions::new("redis://127.0.0.1/").prefix("shop:");
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How large the data of one session may be, in bytes of JSON; 2 MiB by default. What is
    /// larger is refused with [`TooLarge`](crate::StoreErrorKind::TooLarge).
    ///
    /// ```
    /// # use sessile::store::RedisOptions;
    /// let options = RedisOptions::new("redis://127.0.0.1/").max_data(16 * 1024);
    /// ```
    pub const fn max_data(mut self, bytes: usize) -> Self {
        self.max_data = bytes;
        self
    }

    /// How long a call may take, with everything that it needs (connecting, following a moved
    /// slot); 2 seconds by default. Then it fails with
    /// [`Timeout`](crate::StoreErrorKind::Timeout).
    ///
    /// ```
    /// # use sessile::store::RedisOptions;
    /// use std::time::Duration;
    /// let options = RedisOptions::new("redis://127.0.0.1/").timeout(Duration::from_millis(500));
    /// ```
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The certificate of the authority that vouches for the servers, in PEM; it takes the place of
    /// those that the operating system trusts (which `SSL_CERT_FILE` names as well). For `rediss`
    /// only.
    ///
    /// ```
    /// # use sessile::store::RedisOptions;
    /// let pem = "-----BEGIN CERTIFICATE-----…"; // from a file or a secret
    /// let options = RedisOptions::new("rediss://redis.internal/").root_certificate(pem);
    /// ```
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Does not offer the [change feed](crate::store::Store::changes), for servers where
    /// `CLIENT TRACKING` is forbidden. It costs nothing while nobody listens.
    ///
    /// ```
    /// # use sessile::store::RedisOptions;
    /// let options = RedisOptions::new("redis://127.0.0.1/").without_changes();
    /// ```
    pub const fn without_changes(mut self) -> Self {
        self.changes = false;
        self
    }
}

/// Leaves out the address, which may hold a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("max_data", &self.max_data)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
