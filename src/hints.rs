//! Who sent a request, as far as that can be known.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::{Extensions, HeaderMap};

use crate::client::Client;

/// How to find out who sent a request: told to a layer, which then knows the
/// [`Client`] of each request, and records that of each new session.
#[derive(Clone)]
#[must_use = "hints are taken once a layer is told how"]
pub struct ClientHints {
    peer: Peer,
}

type Peer = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

impl ClientHints {
    /// Takes the address of whoever holds the other end of the connection, as the server has put
    /// it into the request's extensions.
    pub fn from_peer(peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self { peer: Arc::new(peer) }
    }

    pub(crate) fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> Client {
        let agent = headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        Client::new((self.peer)(extensions), agent.as_deref())
    }
}

impl fmt::Debug for ClientHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientHints")
    }
}
