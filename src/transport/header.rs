//! A ticket in a header of its own.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::{Candidates, Description, Place, TooLong, Transport, field};
use crate::error::ConfigError;

/// Carries the ticket in a header of the application's choice, the same in requests and
/// responses: for clients that are no browsers, and for gRPC metadata.
///
/// A new ticket is in the response's header of that name, and the client sends it back from then
/// on. An empty value says that the session has ended, as in Spring Session's
/// `HeaderHttpSessionIdResolver`. Browser scripts of other origins see the header only when CORS
/// exposes it (`Access-Control-Expose-Headers`). How long a client keeps a ticket is its own
/// affair: there is no counterpart to `Max-Age` here.
///
/// ```
/// use sessile::transport::{Header, Transport};
/// let mut headers = http::HeaderMap::new();
/// Header::named("x-session").attach(&mut headers, "ticket", None).unwrap();
/// assert_eq!(headers["x-session"], "ticket");
/// ```
#[derive(Clone, Debug)]
pub struct Header {
    purpose: Box<str>,
    /// The field, or why tickets cannot travel in it.
    field: Result<HeaderName, ConfigError>,
}

impl Header {
    /// The header of this name, in any case. Nothing fails here: [`Transport::check`] refuses
    /// names that HTTP, its proxies or gRPC give another meaning.
    ///
    /// ```
    /// use sessile::transport::{Header, Transport};
    /// assert_eq!(Header::named("X-Session").purpose(), "header:x-session");
    /// assert!(Header::named("authorization").check().is_err()); // `Bearer` is for that
    /// ```
    pub fn named(name: &str) -> Self {
        let purpose = [PURPOSE, &name.to_ascii_lowercase()].concat().into();
        Self { purpose, field: field::parse(name) }
    }
}

impl Transport for Header {
    fn purpose(&self) -> &str {
        &self.purpose
    }

    #[inline]
    fn find<'r>(&self, headers: &'r HeaderMap, found: &mut Candidates<'r>) {
        let Ok(field) = &self.field else { return };
        for line in headers.get_all(field) {
            // A header value holds no line break: ASCII white space is SP and HTAB here.
            let value = line.as_bytes().trim_ascii();
            if !value.is_empty() {
                found.push(value);
            }
        }
    }

    fn attach(
        &self,
        headers: &mut HeaderMap,
        ticket: &str,
        _max_age: Option<Duration>,
    ) -> Result<(), TooLong> {
        let field = self.field.as_ref().map_err(|_| TooLong)?;
        field::write(headers, field, "", ticket)
    }

    fn clear(&self, headers: &mut HeaderMap) {
        if let Ok(field) = &self.field {
            field::clear(headers, field);
        }
    }

    fn reads(&self) -> HeaderName {
        // A name that did not pass the check is never read; the layer does not get as far.
        self.field.clone().unwrap_or(HeaderName::from_static("x-session"))
    }

    fn describe(&self) -> Description {
        let name = self.purpose.strip_prefix(PURPOSE).unwrap_or(&self.purpose);
        Description::new(Place::Header, name)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.field.as_ref().map(drop).map_err(Clone::clone)
    }
}

const PURPOSE: &str = "header:";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_line_of_the_header_is_a_candidate_without_the_blanks_around() {
        let mut headers = HeaderMap::new();
        for line in ["one", "", " \t", "\t two ", "th ree", "four,five"] {
            headers.append("x-session", HeaderValue::from_static(line));
        }
        headers.append("x-session", HeaderValue::from_bytes(b"\xff").unwrap());
        let mut found = Candidates::new();
        Header::named("X-Session").find(&headers, &mut found);
        let expected: [&[u8]; 5] = [b"one", b"two", b"th ree", b"four,five", b"\xff"];
        assert_eq!(found.as_slice(), expected);
    }

    #[test]
    fn the_response_carries_the_header_once_and_the_empty_value_ends_it() {
        let header = Header::named("x-session");
        let mut headers = HeaderMap::new();
        headers.append("x-session", HeaderValue::from_static("old"));
        headers.append("x-session", HeaderValue::from_static("older"));
        header.attach(&mut headers, "new", Some(Duration::from_secs(1))).unwrap();
        assert_eq!(headers.get_all("x-session").iter().collect::<Vec<_>>(), ["new"]);
        assert_eq!(format!("{:?}", headers["x-session"]), "Sensitive");
        header.clear(&mut headers);
        assert_eq!(headers.get_all("x-session").iter().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn a_refused_name_is_neither_read_nor_written() {
        let header = Header::named("cookie");
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("sid=t"));
        let mut found = Candidates::new();
        header.find(&headers, &mut found);
        assert_eq!(found.as_slice(), <[&[u8]; 0]>::default());
        assert_eq!(header.attach(&mut headers, "new", None), Err(TooLong));
        header.clear(&mut headers);
        assert_eq!(headers["cookie"], "sid=t");
        assert!(header.check().is_err());
    }

    #[test]
    fn it_challenges_and_varies_by_its_own_name() {
        let header = Header::named("X-Session");
        assert_eq!(header.reads(), "x-session");
        assert_eq!(header.challenge(), "Session");
        assert_eq!(header.check(), Ok(()));
    }
}
