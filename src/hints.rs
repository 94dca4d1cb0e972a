//! Who sent a request, as far as that can be known.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::client::Client;
use crate::error::ConfigError;
use crate::forwarded::{Header, client_address};

/// How to find out who sent a request: told to a
/// [layer](crate::SessionLayer::client_hints), which then knows the [`Client`] of each request,
/// and records that of each new session.
///
/// The address is that of the connection. Where the server puts it into the request's extensions
/// is the server's own affair; here is axum's place (with
/// `into_make_service_with_connect_info::<SocketAddr>()`) and tonic's:
///
/// ```
/// use std::net::SocketAddr;
/// use axum::extract::ConnectInfo;
/// use sessile::ClientHints;
/// use tonic::transport::server::TcpConnectInfo;
///
/// let axum = ClientHints::from_peer(|extensions| {
///     Some(extensions.get::<ConnectInfo<SocketAddr>>()?.ip())
/// });
/// let tonic = ClientHints::from_peer(|extensions| {
///     Some(extensions.get::<TcpConnectInfo>()?.remote_addr()?.ip())
/// });
/// ```
///
/// Behind a proxy that is the proxy's address, and the client's is in a header. Headers are what
/// anybody may write, so they count only as far as proxies vouch for them, which must be named:
///
/// ```
/// # use std::net::IpAddr;
/// # use sessile::ClientHints;
/// # let peer = |_: &http::Extensions| None::<IpAddr>;
/// let hints = ClientHints::from_peer(peer).behind(["10.1.0.0/16", "2001:db8:1::/48"]);
/// ```
///
/// 1. A peer that is none of the proxies is the client, whatever its headers say.
/// 2. If it is one, `X-Forwarded-For` is read from its end, where that proxy wrote: the first
///    address that is no proxy's is the client's. What stands before it is hearsay.
/// 3. If all are proxies', the first one is where the request began; without the header, the peer.
/// 4. A proxy that does not say whom it speaks for (`unknown`, a name, nothing) is the last that
///    anybody vouches for, and counts as the client itself.
///
/// So whoever comes through a proxy has an address, at worst the proxy's, and garbage in front of
/// what a proxy appends changes nothing: a client cannot make itself another, nor unknown.
#[derive(Clone)]
#[must_use = "hints are taken once a layer is told how"]
pub struct ClientHints {
    peer: Peer,
    proxies: Arc<[IpNet]>,
    header: Header,
}

type Peer = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

impl ClientHints {
    /// Takes the address of whoever holds the other end of the connection, as the server has put
    /// it into the request's extensions. `None`, as from a Unix socket, is nobody's address, and
    /// no proxy's either.
    pub fn from_peer(peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self { peer: Arc::new(peer), proxies: Arc::default(), header: Header::XForwardedFor }
    }

    /// Trusts the proxies in these networks, such as `10.1.0.0/16` or `192.0.2.7`, to say in
    /// `X-Forwarded-For` whom they speak for. Each of them must append to that header (or set it
    /// anew) whatever it was sent.
    ///
    /// # Panics
    /// If there is none, one is no network, or one holds every address; the text says what to
    /// write instead. Use [`try_behind`](Self::try_behind) for settings that are read at run time.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
    pub fn behind(self, proxies: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.try_behind(proxies).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`behind`](Self::behind) for settings that are read at run time.
    ///
    /// ```
    /// # use std::net::IpAddr;
    /// # use sessile::ClientHints;
    /// # let hints = ClientHints::from_peer(|_| None::<IpAddr>);
    /// let error = hints.try_behind(["10.1.2.3/16"]).unwrap_err();
    /// assert!(error.to_string().contains("10.1.0.0/16"), "{error}");
    /// ```
    ///
    /// # Errors
    /// If there is none, one is no network, or one holds every address.
    pub fn try_behind(
        mut self,
        proxies: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ConfigError> {
        let proxies = proxies.into_iter().map(|proxy| network(proxy.as_ref()));
        self.proxies = proxies.collect::<Result<_, _>>()?;
        if self.proxies.is_empty() {
            return Err(ConfigError::new(
                "no proxy is named: drop `ClientHints::behind` if clients connect directly",
            ));
        }
        Ok(self)
    }

    /// Reads `Forwarded` (RFC 7239) and not `X-Forwarded-For`. Only one of them is ever read: a
    /// proxy that writes the one passes on what clients write into the other.
    ///
    /// ```
    /// # use std::net::IpAddr;
    /// # use sessile::ClientHints;
    /// # let peer = |_: &http::Extensions| None::<IpAddr>;
    /// let hints = ClientHints::from_peer(peer).behind(["10.1.0.0/16"]).forwarded();
    /// ```
    ///
    /// # Panics
    /// If no proxies were named before: then nobody's header is read.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
    pub fn forwarded(self) -> Self {
        self.try_forwarded().unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`forwarded`](Self::forwarded) for settings that are read at run time.
    ///
    /// ```
    /// # use std::net::IpAddr;
    /// # use sessile::ClientHints;
    /// # let hints = ClientHints::from_peer(|_| None::<IpAddr>);
    /// assert!(hints.try_forwarded().unwrap_err().to_string().contains("ClientHints::behind"));
    /// ```
    ///
    /// # Errors
    /// If no proxies were named before.
    pub fn try_forwarded(mut self) -> Result<Self, ConfigError> {
        if self.proxies.is_empty() {
            return Err(ConfigError::new(
                "without proxies no header is read: name them first, with `ClientHints::behind`",
            ));
        }
        self.header = Header::Forwarded;
        Ok(self)
    }

    pub(crate) fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> Client {
        let agent = headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let is_proxy = |address: IpAddr| self.proxies.iter().any(|net| net.contains(&address));
        let peer = (self.peer)(extensions);
        let address = peer.map(|peer| client_address(peer, headers, self.header, is_proxy));
        Client::new(address, agent.as_deref())
    }
}

/// A network or one address, as nobody could have meant otherwise.
fn network(text: &str) -> Result<IpNet, ConfigError> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(net) = parsed else {
        return Err(ConfigError::new(format!(
            "`{text}` is no network of proxies: write one as `10.1.0.0/16`, one address as \
             `192.0.2.7`"
        )));
    };
    if net.prefix_len() == 0 {
        return Err(ConfigError::new(format!(
            "`{text}` holds every address, so that anybody could claim to be anybody: name the \
             networks of the proxies"
        )));
    }
    if net.addr() != net.network() {
        let (whole, one) = (net.trunc(), net.addr());
        return Err(ConfigError::new(format!(
            "`{text}` is an address in a network: write `{whole}` for all of it, `{one}` for the one"
        )));
    }
    if net.addr().to_canonical() != net.addr() {
        return Err(ConfigError::new(format!(
            "`{text}` is an IPv4 network in IPv6 clothes: write it as IPv4, such as `10.1.0.0/16`"
        )));
    }
    Ok(net)
}

impl fmt::Debug for ClientHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHints")
            .field("proxies", &self.proxies)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_nobody_can_have_meant_is_refused() {
        for good in ["10.1.0.0/16", "192.0.2.7", "192.0.2.7/32", "2001:db8::/32", "::1", "fd00::/8"]
        {
            assert!(network(good).is_ok(), "{good}");
        }
        for (bad, remedy) in [
            ("", "is no network"),
            ("proxy.example", "is no network"),
            ("10.1.0.0/33", "is no network"),
            ("10.1.0/16", "is no network"),
            (" 10.1.0.0/16", "is no network"),
            ("0.0.0.0/0", "every address"),
            ("::/0", "every address"),
            ("10.1.2.3/16", "`10.1.0.0/16` for all of it, `10.1.2.3` for the one"),
            ("::ffff:10.1.0.0/112", "IPv6 clothes"),
        ] {
            let error = network(bad).unwrap_err().to_string();
            assert!(error.contains(remedy), "{bad}: {error}");
        }
    }

    #[test]
    fn who_is_behind_nobody_is_told_so() {
        let hints = ClientHints::from_peer(|_| None);
        assert!(hints.clone().try_behind([""; 0]).is_err());
        assert!(hints.clone().try_forwarded().is_err());
        assert!(hints.behind(["::1"]).try_forwarded().is_ok());
    }
}
