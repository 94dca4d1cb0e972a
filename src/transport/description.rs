//! What a transport says about itself, for reports and API documents.

use std::time::Duration;

use super::SameSite;

/// Where a transport keeps the ticket, in words for people and programs that read settings: an
/// [audit report](crate::SessionLayer::report), an API document.
///
/// ```
/// use sessile::transport::{Cookie, Place, Transport};
/// let description = Cookie::host("sid").describe();
/// assert_eq!(&*description.name, "__Host-sid");
/// let Place::Cookie(attributes) = description.place else { panic!("a cookie") };
/// assert!(attributes.secure && attributes.http_only);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Where the ticket is in a request.
    pub place: Place,
    /// The name of the cookie, header or parameter; the purpose of a transport that does not
    /// describe itself.
    pub name: Box<str>,
}

impl Description {
    /// The ticket is here, under this name.
    ///
    /// ```
    /// use sessile::transport::{Description, Place};
    /// let versioned = Description::new(Place::Header, "x-session");
    /// assert_eq!(&*versioned.name, "x-session");
    /// ```
    pub fn new(place: Place, name: impl Into<Box<str>>) -> Self {
        Self { place, name: name.into() }
    }
}

/// The part of a request that carries the ticket.
///
/// ```
/// use sessile::transport::{Bearer, Place, Transport};
/// assert_eq!(Bearer::new().describe().place, Place::Bearer);
/// assert_eq!(Place::Bearer.as_str(), "bearer");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A cookie with these attributes.
    Cookie(CookieAttributes),
    /// A header of its own.
    Header,
    /// A bearer token in `Authorization`.
    Bearer,
    /// A parameter of the query string.
    Query,
    /// Elsewhere: a transport that does not describe itself.
    Other,
}

impl Place {
    /// `cookie`, `header`, `bearer`, `query` or `other`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Cookie(_) => "cookie",
            Self::Header => "header",
            Self::Bearer => "bearer",
            Self::Query => "query",
            Self::Other => "other",
        }
    }
}

/// The attributes of a cookie as the browser gets them (RFC 6265bis, 4.1.2). By default those of
/// [`Cookie::host`](super::Cookie::host).
///
/// ```
/// use sessile::transport::{Cookie, CookieAttributes, Place, SameSite, Transport};
/// let cookie = Cookie::secure("sid").same_site(SameSite::Strict).domain("example.com");
/// let mut attributes = CookieAttributes::default();
/// attributes.same_site = SameSite::Strict;
/// attributes.domain = Some("example.com".into());
/// assert_eq!(cookie.describe().place, Place::Cookie(attributes));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CookieAttributes {
    /// It travels over HTTPS only.
    pub secure: bool,
    /// Scripts cannot read it.
    pub http_only: bool,
    /// With which requests from other sites it travels.
    pub same_site: SameSite,
    /// Below which path it is sent.
    pub path: Box<str>,
    /// The domain whose hosts all get it; none means the host that set it, alone.
    pub domain: Option<Box<str>>,
    /// One per top-level site (CHIPS).
    pub partitioned: bool,
    /// How long the browser keeps it if the session does not say; none means until it closes.
    pub max_age: Option<Duration>,
}

impl Default for CookieAttributes {
    fn default() -> Self {
        Self {
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            path: "/".into(),
            domain: None,
            partitioned: false,
            max_age: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bearer, Cookie, Header, Query, Transport};
    use super::*;

    #[test]
    fn r13_each_transport_says_where_the_ticket_is() {
        let cookie = |change: fn(&mut CookieAttributes)| {
            let mut attributes = CookieAttributes::default();
            change(&mut attributes);
            Place::Cookie(attributes)
        };
        let hour = Duration::from_secs(3600);
        let cases: [(&dyn Transport, Place, &str); 9] = [
            (&Cookie::host("sid"), cookie(|_| {}), "__Host-sid"),
            (&Cookie::named("sid").path("/a"), cookie(|c| c.path = "/a".into()), "sid"),
            (
                &Cookie::host("sid").dangerously_allow_plain_http(),
                cookie(|c| c.secure = false),
                "sid",
            ),
            (
                &Cookie::secure("sid").dangerously_readable_by_scripts(),
                cookie(|c| c.http_only = false),
                "__Secure-sid",
            ),
            (&Cookie::host("sid").partitioned(), cookie(|c| c.partitioned = true), "__Host-sid"),
            (
                &Cookie::host("sid").max_age(hour),
                cookie(|c| c.max_age = Some(Duration::from_secs(3600))),
                "__Host-sid",
            ),
            (&Header::named("X-Session"), Place::Header, "x-session"),
            (&Bearer::new().write_to("x-session"), Place::Bearer, "authorization"),
            (&Query::named("ticket"), Place::Query, "ticket"),
        ];
        for (transport, place, name) in cases {
            assert_eq!(transport.describe(), Description::new(place, name), "{transport:?}");
        }
    }
}
