//! A ticket in `Authorization: Bearer` (RFC 6750).

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Candidates, Description, Place, TooLong, Transport, field};
use crate::error::ConfigError;

/// Carries the ticket as a bearer token: `Authorization: Bearer <ticket>` in requests (RFC 6750,
/// 2.1), never in a form or query string.
///
/// A new ticket comes with the response in the same form, `authorization: Bearer <ticket>`, as
/// devise-jwt does it; [`write_to`](Self::write_to) chooses another header. An empty value says
/// that the session has ended. Browser scripts of other origins see the header only when CORS
/// exposes it (`Access-Control-Expose-Headers`).
///
/// ```
/// use sessile::transport::{Bearer, Transport};
/// let mut headers = http::HeaderMap::new();
/// Bearer::new().attach(&mut headers, "ticket", None).unwrap();
/// assert_eq!(headers["authorization"], "Bearer ticket");
/// ```
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The field of responses, or why tickets cannot travel in it.
    response: Result<HeaderName, ConfigError>,
}

impl Bearer {
    /// Reads and writes `Authorization`.
    ///
    /// ```
    /// use sessile::transport::{Bearer, Transport};
    /// assert_eq!(Bearer::new().purpose(), "bearer");
    /// assert_eq!(Bearer::new().challenge(), "Bearer");
    /// ```
    pub const fn new() -> Self {
        Self { response: Ok(AUTHORIZATION) }
    }

    /// Writes `Bearer <ticket>` to this header of the response instead, for proxies and clients
    /// that make nothing of `Authorization` there. Requests are read as before. Nothing fails
    /// here: [`Transport::check`] refuses names that mean something else.
    ///
    /// ```
    /// use sessile::transport::{Bearer, Transport};
    /// let mut headers = http::HeaderMap::new();
    /// Bearer::new().write_to("x-session").attach(&mut headers, "ticket", None).unwrap();
    /// assert_eq!(headers["x-session"], "Bearer ticket");
    /// ```
    #[must_use]
    pub fn write_to(self, header: &str) -> Self {
        if AUTHORIZATION.as_str().eq_ignore_ascii_case(header) {
            return Self::new();
        }
        Self { response: field::parse(header) }
    }
}

impl Default for Bearer {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for Bearer {
    fn purpose(&self) -> &str {
        "bearer"
    }

    #[inline]
    fn find<'r>(&self, headers: &'r HeaderMap, found: &mut Candidates<'r>) {
        for line in headers.get_all(AUTHORIZATION) {
            if let Some(token) = token(line.as_bytes()) {
                found.push(token);
            }
        }
    }

    fn attach(
        &self,
        headers: &mut HeaderMap,
        ticket: &str,
        _max_age: Option<Duration>,
    ) -> Result<(), TooLong> {
        let field = self.response.as_ref().map_err(|_| TooLong)?;
        field::write(headers, field, "Bearer ", ticket)
    }

    fn clear(&self, headers: &mut HeaderMap) {
        if let Ok(field) = &self.response {
            field::clear(headers, field);
        }
    }

    fn reads(&self) -> HeaderName {
        AUTHORIZATION
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Bearer")
    }

    fn describe(&self) -> Description {
        Description::new(Place::Bearer, AUTHORIZATION.as_str())
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.response.as_ref().map(drop).map_err(Clone::clone)
    }
}

/// The token of `Bearer`, in any case, and 1*SP before it (RFC 9110, 11.4).
#[inline]
fn token(line: &[u8]) -> Option<&[u8]> {
    // A header value holds no line break: ASCII white space is SP and HTAB here.
    let (scheme, rest) = line.trim_ascii().split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let mut token = rest.strip_prefix(b" ")?;
    while let [b' ', rest @ ..] = token {
        token = rest;
    }
    Some(token)
}

const SCHEME: &[u8] = b"bearer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_scheme_and_a_space_make_a_token() {
        let cases: [(&str, &[u8], Option<&[u8]>); 16] = [
            ("plain", b"Bearer t", Some(b"t")),
            ("lower case", b"bearer t", Some(b"t")),
            ("upper case", b"BEARER t", Some(b"t")),
            ("several spaces", b"Bearer   t", Some(b"t")),
            ("blanks around", b" \tBearer t\t ", Some(b"t")),
            ("token68", b"Bearer a-._~+/b==", Some(b"a-._~+/b==")),
            ("non-UTF-8", b"Bearer \xff", Some(b"\xff")),
            ("longer scheme", b"NotBearerAtAll x", None),
            ("scheme with a tail", b"Bearers x", None),
            ("other scheme", b"Basic x", None),
            ("no space", b"Bearerx", None),
            ("tab", b"Bearer\tx", None),
            ("scheme alone", b"Bearer", None),
            ("scheme and blanks", b"Bearer  ", None),
            ("comma list", b"Basic x, Bearer t", None),
            ("empty", b"", None),
        ];
        for (name, line, expected) in cases {
            assert_eq!(token(line), expected, "{name}");
        }
    }

    #[test]
    fn every_authorization_line_is_considered_in_order() {
        let mut headers = HeaderMap::new();
        for line in ["Basic x", "Bearer one", "bearer two"] {
            headers.append(AUTHORIZATION, HeaderValue::from_static(line));
        }
        let mut found = Candidates::new();
        Bearer::new().find(&headers, &mut found);
        let expected: [&[u8]; 2] = [b"one", b"two"];
        assert_eq!(found.as_slice(), expected);
    }

    #[test]
    fn the_response_carries_the_ticket_once_and_the_empty_value_ends_it() {
        for (bearer, field) in [
            (Bearer::default(), "authorization"),
            (Bearer::new().write_to("X-Session"), "x-session"),
            (Bearer::new().write_to("x-session").write_to("Authorization"), "authorization"),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(field, HeaderValue::from_static("old"));
            bearer.attach(&mut headers, "t", Some(Duration::from_secs(1))).unwrap();
            assert_eq!(headers.get_all(field).iter().collect::<Vec<_>>(), ["Bearer t"]);
            assert_eq!(format!("{:?}", headers[field]), "Sensitive");
            bearer.clear(&mut headers);
            assert_eq!(headers.get_all(field).iter().collect::<Vec<_>>(), [""]);
            assert_eq!((bearer.check(), bearer.reads()), (Ok(()), AUTHORIZATION));
        }
    }

    #[test]
    fn a_refused_response_header_is_not_written() {
        let bearer = Bearer::new().write_to("set-cookie");
        let mut headers = HeaderMap::new();
        assert_eq!(bearer.attach(&mut headers, "t", None), Err(TooLong));
        bearer.clear(&mut headers);
        assert!(headers.is_empty() && bearer.check().is_err());
    }
}
