//! Reading an address.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::tls;
use crate::error::{OpenError, OpenErrorKind};

/// Host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Peer {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Peer {
    /// From `host:port`, as servers name each other; an IPv6 address has brackets or not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How to talk to a server once it is known where it is: credentials, database, TLS.
#[derive(Clone)]
pub(super) struct Manner(ConnectionInfo);

impl Manner {
    pub(super) fn at(&self, peer: &Peer) -> ConnectionInfo {
        let (host, port) = (peer.host.clone(), peer.port);
        let addr = match self.0.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.0.clone().set_addr(addr)
    }
}

/// Where the sessions are.
pub(super) enum Address {
    One(ConnectionInfo),
    Cluster { seeds: Vec<Peer>, manner: Manner },
    Sentinel { sentinels: Vec<ConnectionInfo>, service: String, manner: Manner },
}

impl Address {
    /// `root` is the certificate of the authority that TLS trusts.
    pub(super) fn parse(url: &str, root: Option<&[u8]>) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| config(NO_SCHEME))?;
        let (plain, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(plain, "redis" | "rediss" | "valkey" | "valkeys") {
            return Err(unknown_scheme());
        }
        match kind {
            "" => Ok(Self::One(single(plain, rest, root)?)),
            "cluster" => cluster(plain, rest, root),
            "sentinel" => sentinel(plain, rest, root),
            _ => Err(unknown_scheme()),
        }
    }
}

fn cluster(scheme: &str, rest: &str, root: Option<&[u8]>) -> Result<Address, OpenError> {
    let (account, hosts, path) = parts(rest);
    if !matches!(path, "" | "0") {
        return Err(config("a cluster has no databases: leave out the path"));
    }
    let seeds = peers(hosts)?;
    let manner = manner(scheme, account, &seeds, "", root)?;
    Ok(Address::Cluster { seeds, manner })
}

fn sentinel(scheme: &str, rest: &str, root: Option<&[u8]>) -> Result<Address, OpenError> {
    let (account, hosts, path) = parts(rest);
    let (service, database) = path.split_once('/').unwrap_or((path, ""));
    if service.is_empty() {
        return Err(config("name the service: redis+sentinel://host:port,host:port/service"));
    }
    let sentinels = peers(hosts)?;
    let manner = manner(scheme, account, &sentinels, database, root)?;
    // The account is the primary's. Sentinels have none, or one of their own.
    let anonymous = self::manner(scheme, "", &sentinels, "", root)?;
    let sentinels = sentinels.iter().map(|peer| anonymous.at(peer)).collect();
    Ok(Address::Sentinel { sentinels, service: service.to_owned(), manner })
}

/// Account with its `@` (or nothing), hosts, and path without its slashes.
fn parts(rest: &str) -> (&str, &str, &str) {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (account, hosts) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    (account, hosts, path.trim_matches('/'))
}

fn peers(hosts: &str) -> Result<Vec<Peer>, OpenError> {
    let peers = hosts.split(',').map(|host| Peer::parse(host).filter(|peer| !peer.host.is_empty()));
    peers.collect::<Option<_>>().ok_or_else(|| config("name hosts as host:port,host:port"))
}

fn manner(
    scheme: &str,
    account: &str,
    peers: &[Peer],
    database: &str,
    root: Option<&[u8]>,
) -> Result<Manner, OpenError> {
    let port = peers.first().map_or(0, |peer| peer.port);
    Ok(Manner(single(scheme, &format!("{account}localhost:{port}/{database}"), root)?))
}

/// The driver's own reading. Its errors do not quote the address.
fn single(scheme: &str, rest: &str, root: Option<&[u8]>) -> Result<ConnectionInfo, OpenError> {
    let info = format!("{scheme}://{rest}").into_connection_info().map_err(|error| {
        if error.to_string().contains("TLS") {
            OpenError::new(OpenErrorKind::Disabled, tls::NO_TLS)
        } else {
            config(NO_ADDRESS)
        }
    })?;
    // A command is one packet; waiting for another would delay it by 40 ms.
    tls::trusting(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)), root)
}

fn config(remedy: &'static str) -> OpenError {
    OpenError::new(OpenErrorKind::Config, remedy)
}

fn unknown_scheme() -> OpenError {
    OpenError::new(OpenErrorKind::UnknownScheme, SCHEMES)
}

const SCHEMES: &str = "write redis://, redis+cluster:// or redis+sentinel://";
const NO_SCHEME: &str = "write an address like redis://127.0.0.1:6379/0";
const NO_ADDRESS: &str = "write an address like redis://user:password@127.0.0.1:6379/0, with \
                          reserved characters in the password percent-encoded";

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(url: &str) -> OpenErrorKind {
        let error = Address::parse(url, None).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        error.kind()
    }

    #[test]
    fn what_is_no_address_is_a_typed_error_without_the_password() {
        let cases = [
            ("", OpenErrorKind::Config),
            ("localhost", OpenErrorKind::Config),
            ("http://localhost", OpenErrorKind::UnknownScheme),
            ("redis+ring://localhost:1", OpenErrorKind::UnknownScheme),
            ("redis://:hunter2@host:port", OpenErrorKind::Config),
            ("redis://:hunter2@host/one", OpenErrorKind::Config),
            #[cfg(not(feature = "tls"))]
            ("rediss://:hunter2@host", OpenErrorKind::Disabled),
            #[cfg(not(feature = "tls"))]
            ("rediss+cluster://:hunter2@host:1", OpenErrorKind::Disabled),
            ("rediss://:hunter2@host:port", OpenErrorKind::Config),
            ("redis+cluster://:hunter2@host", OpenErrorKind::Config),
            ("redis+cluster://:hunter2@host:1,", OpenErrorKind::Config),
            ("redis+cluster://:hunter2@host:1/3", OpenErrorKind::Config),
            ("redis+sentinel://:hunter2@host:1", OpenErrorKind::Config),
            ("redis+sentinel://:hunter2@host:1/main/one", OpenErrorKind::Config),
        ];
        for (url, expected) in cases {
            assert_eq!(kind(url), expected, "{url}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_spoken_to_sentinels_and_nodes_as_well() {
        let spoken = |info: &ConnectionInfo| match info.addr() {
            ConnectionAddr::TcpTls { insecure, .. } => Some(!insecure),
            _ => None,
        };
        for (scheme, expected) in [("redis", None), ("rediss", Some(true)), ("valkeys", Some(true))]
        {
            let parse = |rest: &str| Address::parse(&format!("{scheme}+{rest}"), None);
            let peer = Peer::parse("c:3").unwrap();
            let Ok(Address::Cluster { manner, .. }) = parse("cluster://a:1,b:2") else {
                panic!("{scheme}")
            };
            assert_eq!(spoken(&manner.at(&peer)), expected, "{scheme}: a node");
            let Ok(Address::Sentinel { manner, sentinels, .. }) = parse("sentinel://a:1/x") else {
                panic!("{scheme}")
            };
            assert_eq!(spoken(&manner.at(&peer)), expected, "{scheme}: a primary");
            assert_eq!(spoken(&sentinels[0]), expected, "{scheme}: a Sentinel");
        }
    }

    #[test]
    fn accounts_and_databases_are_read() {
        let url = "redis+sentinel://ann:p%40ss@[::1]:26379,b:2/main/3";
        let Ok(Address::Sentinel { sentinels, service, manner }) = Address::parse(url, None) else {
            panic!("{url}");
        };
        assert_eq!((sentinels.len(), service.as_str()), (2, "main"));
        assert_eq!(sentinels[0].redis_settings().password(), None);
        let info = manner.at(&Peer::parse("c:3").unwrap());
        let settings = info.redis_settings();
        assert_eq!((settings.password(), settings.db()), (Some("p@ss"), 3));
        assert_eq!(info.addr().to_string(), "c:3");
    }
}
