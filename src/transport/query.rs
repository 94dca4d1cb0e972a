//! A single-use ticket in the address of a handshake.

use std::time::Duration;

use http::header::{ACCEPT, UPGRADE};
use http::{HeaderMap, HeaderName, Method, Uri};

use super::{Candidates, Description, Place, TooLong, Transport};
use crate::error::ConfigError;
use crate::head::lists;

/// Takes a single-use, short-lived ticket from the query of a handshake: for browsers, whose
/// `WebSocket` and `EventSource` cannot send a header of their own, and to origins for which no
/// cookie is sent.
///
/// Addresses end up in logs, histories and `Referer` (ASVS 14.2.1), so what stands there is worth
/// little: [`Session::handshake`](crate::Session::handshake) issues it, it opens the session once,
/// within 30 seconds, and only for a WebSocket or event-stream handshake. Any other request with
/// it is one without a session. The session's own ticket is never taken from an address.
///
/// It stands beside another transport, never alone:
///
/// ```
/// use sessile::transport::{Cookie, Query};
/// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .transport(Cookie::host("sid"))
///     .or_transport(Query::named("ticket"));
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    purpose: Box<str>,
    name: Box<str>,
}

impl Query {
    /// The parameter of this name, in lower-case ASCII letters, digits, `-` and `_`.
    ///
    /// ```
    /// use sessile::transport::{Query, Transport};
    /// assert!(Query::named("ticket").check().is_ok());
    /// assert!(Query::named("a&b").check().is_err());
    /// ```
    pub fn named(name: &str) -> Self {
        Self { purpose: ["query:", name].concat().into(), name: name.into() }
    }
}

impl Transport for Query {
    fn purpose(&self) -> &str {
        &self.purpose
    }

    fn find<'r>(&self, _headers: &'r HeaderMap, _found: &mut Candidates<'r>) {}

    fn find_in_handshake<'r>(
        &self,
        method: &Method,
        uri: &'r Uri,
        headers: &HeaderMap,
        found: &mut Candidates<'r>,
    ) {
        let Some(query) = uri.query() else { return };
        if !is_handshake(method, headers) {
            return;
        }
        for pair in query.split('&') {
            // A ticket has no character that needs encoding.
            if let Some((name, value)) = pair.split_once('=')
                && name == &*self.name
                && !value.is_empty()
            {
                found.push(value.as_bytes());
            }
        }
    }

    fn is_single_use(&self) -> bool {
        true
    }

    fn attach(
        &self,
        _headers: &mut HeaderMap,
        _ticket: &str,
        _max_age: Option<Duration>,
    ) -> Result<(), TooLong> {
        // A response has no address to put it in; the layer answers by its first transport.
        Ok(())
    }

    fn clear(&self, _headers: &mut HeaderMap) {}

    fn reads(&self) -> HeaderName {
        ACCEPT
    }

    fn describe(&self) -> Description {
        Description::new(Place::Query, self.name.clone())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if !self.name.is_empty() && self.name.bytes().all(plain) {
            return Ok(());
        }
        Err(ConfigError::new(format!(
            "the parameter {:?} would need encoding: name it with lower-case letters, digits, `-` \
             and `_`, such as Query::named(\"ticket\")",
            self.name
        )))
    }
}

/// Whether a request opens a WebSocket (RFC 6455; RFC 8441 over HTTP/2) or an event stream.
fn is_handshake(method: &Method, headers: &HeaderMap) -> bool {
    match *method {
        Method::GET => {
            lists(headers, &UPGRADE, "websocket") || lists(headers, &ACCEPT, "text/event-stream")
        }
        Method::CONNECT => headers.contains_key(&SEC_WEBSOCKET_VERSION),
        _ => false,
    }
}

static SEC_WEBSOCKET_VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_an_address_is_read_in_handshakes_only() {
        let stream = ("accept", "text/event-stream");
        let socket = ("upgrade", "WebSocket");
        let cases: [(&str, &str, &str, (&str, &str), &[&[u8]]); 11] = [
            ("an event stream", "GET", "/e?ticket=abc", stream, &[b"abc"]),
            ("a WebSocket", "GET", "/e?a=b&ticket=abc", socket, &[b"abc"]),
            ("over HTTP/2", "CONNECT", "/e?ticket=abc", ("sec-websocket-version", "13"), &[b"abc"]),
            ("a page", "GET", "/e?ticket=abc", ("accept", "text/html"), &[]),
            ("anything", "GET", "/e?ticket=abc", ("accept", "*/*"), &[]),
            ("a form", "POST", "/e?ticket=abc", stream, &[]),
            ("another name", "GET", "/e?tickets=abc&xticket=a&Ticket=a", stream, &[]),
            ("encoded", "GET", "/e?%74icket=abc", stream, &[]),
            ("empty", "GET", "/e?ticket=&ticket", stream, &[]),
            ("twice", "GET", "/e?ticket=a&ticket=b", stream, &[b"a", b"b"]),
            ("none", "GET", "/e", stream, &[]),
        ];
        for (name, method, uri, (header, value), expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(header), value.parse().unwrap());
            let (method, uri) = (method.parse().unwrap(), uri.parse().unwrap());
            let mut found = Candidates::new();
            let query = Query::named("ticket");
            query.find_in_handshake(&method, &uri, &headers, &mut found);
            assert_eq!(found.as_slice(), expected, "{name}");
        }
    }
}
