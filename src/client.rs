//! What is known of the client behind a request.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// What is known of the client behind a request: hints for lists of devices and for
/// [verifiers](crate::verify), and no proof of anything.
///
/// Its `Debug` shows neither address nor agent: they are personal data.
///
/// ```
/// use sessile::Client;
/// let client = Client::new(Some([192, 0, 2, 7].into()), Some("Mozilla/5.0"));
/// assert_eq!(client.user_agent(), Some("Mozilla/5.0"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Client {
    address: Option<IpAddr>,
    user_agent: Option<Box<str>>,
}

impl Client {
    /// A client of this address and user agent, as far as they are known. An IPv4 address in
    /// IPv6 clothes is taken for what it is; of an agent the first 256 characters count, and
    /// control characters in it do not.
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let clean = |text: &str| {
            text.chars().filter(|char| !char.is_control()).take(LONGEST_AGENT).collect::<String>()
        };
        Self {
            address: address.map(|address| address.to_canonical()),
            user_agent: user_agent.map(|text| clean(text).into()),
        }
    }

    /// The address that the connection came from, or that a trusted proxy told.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What it calls itself.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// The network that the address stands for when clients are counted: the address itself for
    /// IPv4, the first 64 bits for IPv6, which one household has to itself.
    ///
    /// ```
    /// use sessile::Client;
    /// let home = |address: &str| Client::new(address.parse().ok(), None).network();
    /// assert_eq!(home("2001:db8::1:2:3:4"), home("2001:db8::"));
    /// assert_ne!(home("2001:db8:0:1::"), home("2001:db8::"));
    /// assert_eq!(home("::ffff:192.0.2.7"), home("192.0.2.7"));
    /// ```
    pub fn network(&self) -> Option<IpAddr> {
        match self.address? {
            IpAddr::V4(address) => Some(address.into()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

const LONGEST_AGENT: usize = 256;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
