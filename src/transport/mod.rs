//! How a ticket travels: [`Cookie`], [`Header`], [`Bearer`], or a chain of them.
//!
//! A transport reads candidates from a request, and attaches a ticket to a response or clears it
//! there. It knows nothing of what a ticket is made of.
//!
//! ```
//! use sessile::transport::{Bearer, Cookie, Header};
//! use sessile::{Key, SessionLayer, Values, store::MemoryStore};
//!
//! // Tried in this order; the one that brought a valid ticket gets the new one.
//! let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
//!     .transport(Cookie::host("sid"))
//!     .or_transport(Bearer::new())
//!     .or_transport(Header::named("x-session"));
//! ```

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

mod bearer;
mod cookie;
mod description;
mod field;
mod header;
mod query;

pub use self::bearer::Bearer;
pub use self::cookie::{Cookie, SameSite};
pub use self::description::{CookieAttributes, Description, Place};
pub use self::header::Header;
pub use self::query::Query;
use crate::error::ConfigError;

/// Where a ticket is found in a request and put on a response.
///
/// Everything a transport needs is prepared when it is built: these calls run in every request.
///
/// A transport of your own, for clients that speak of sessions in a header like
/// `x-session: v1 <ticket>`:
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
/// use sessile::transport::{Candidates, TooLong, Transport};
///
/// #[derive(Debug)]
/// struct Versioned;
///
/// const FIELD: HeaderName = HeaderName::from_static("x-session");
///
/// impl Transport for Versioned {
///     fn purpose(&self) -> &str {
///         "versioned:x-session"
///     }
///
///     fn find<'r>(&self, headers: &'r HeaderMap, found: &mut Candidates<'r>) {
///         for line in headers.get_all(FIELD) {
///             if let Some(ticket) = line.as_bytes().strip_prefix(b"v1 ").filter(|t| !t.is_empty()) {
///                 found.push(ticket);
///             }
///         }
///     }
///
///     fn attach(
///         &self,
///         headers: &mut HeaderMap,
///         ticket: &str,
///         _max_age: Option<Duration>, // clients of this kind have no use for it
///     ) -> Result<(), TooLong> {
///         let line = HeaderValue::try_from(format!("v1 {ticket}")).map_err(|_| TooLong)?;
///         headers.insert(FIELD, line);
///         Ok(())
///     }
///
///     fn clear(&self, headers: &mut HeaderMap) {
///         headers.insert(FIELD, HeaderValue::from_static(""));
///     }
///
///     fn reads(&self) -> HeaderName {
///         FIELD
///     }
/// }
///
/// let mut headers = HeaderMap::new();
/// Versioned.attach(&mut headers, "ticket", None)?;
/// let mut found = Candidates::new();
/// Versioned.find(&headers, &mut found);
/// assert_eq!(found.as_slice(), [b"ticket"]);
/// # Ok::<(), TooLong>(())
/// ```
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Tells this transport's tickets from those of others, such as `cookie:__Host-sid`: a ticket
    /// is signed for its transport, and does not pass when moved to another.
    fn purpose(&self) -> &str;

    /// Collects what could be a ticket. Empty values are no candidates. What it pushes is
    /// unverified and may be anything.
    fn find<'r>(&self, headers: &'r HeaderMap, found: &mut Candidates<'r>);

    /// Collects single-use tickets from a request's target, for transports that are
    /// [single-use](Self::is_single_use); the others are not asked.
    fn find_in_handshake<'r>(
        &self,
        method: &Method,
        uri: &'r Uri,
        headers: &HeaderMap,
        found: &mut Candidates<'r>,
    ) {
        let _ = (method, uri, headers, found);
    }

    /// Whether its tickets are those of [`Session::handshake`](crate::Session::handshake), good
    /// for one request, rather than the session's own.
    fn is_single_use(&self) -> bool {
        false
    }

    /// Puts a ticket (ASCII letters, digits, `-` and `_`) on the response. `max_age` is how long
    /// the client should keep it; `None` means until the client is closed.
    ///
    /// # Errors
    /// When the result does not fit the transport.
    fn attach(
        &self,
        headers: &mut HeaderMap,
        ticket: &str,
        max_age: Option<Duration>,
    ) -> Result<(), TooLong>;

    /// Tells the client to forget its ticket.
    fn clear(&self, headers: &mut HeaderMap);

    /// The request header that this transport reads, for the response's `Vary`.
    fn reads(&self) -> HeaderName;

    /// What a 401 says in `WWW-Authenticate` (RFC 9110, 11.6.1).
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Session")
    }

    /// Where the ticket is, for reports and API documents. Unless it says so itself, a transport
    /// of one's own appears there as [`Place::Other`], under its purpose.
    fn describe(&self) -> Description {
        Description::new(Place::Other, self.purpose())
    }

    /// Says what is wrong with the configuration, if anything; asked once by the layer.
    ///
    /// # Errors
    /// An explanation with its remedy.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// A ticket was too long for its transport.
///
/// ```
/// use sessile::transport::{Cookie, TooLong, Transport};
/// let (mut headers, ticket) = (http::HeaderMap::new(), "A".repeat(5_000));
/// assert_eq!(Cookie::host("sid").attach(&mut headers, &ticket, None), Err(TooLong));
/// assert!(headers.is_empty());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete: transports of one's own answer it")]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ticket is too long for its transport")
    }
}

impl std::error::Error for TooLong {}

/// What a transport found in a request: at most [`Candidates::MAX`] values, unverified.
///
/// ```
/// use sessile::transport::{Candidates, Cookie, Transport};
/// let mut headers = http::HeaderMap::new();
/// headers.insert("cookie", "theme=dark; __Host-sid=one; __Host-sid=two".parse()?);
/// let mut found = Candidates::new();
/// Cookie::host("sid").find(&headers, &mut found);
/// assert_eq!(found.as_slice(), [b"one", b"two"]);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone)]
pub struct Candidates<'r> {
    /// Nearly always there is one at most.
    one: Option<&'r [u8]>,
    /// All, if there are more.
    several: Vec<&'r [u8]>,
}

impl<'r> Candidates<'r> {
    /// How many values of one name are tried. A browser sends more than one only when somebody
    /// set cookies of our name for other paths or domains.
    pub const MAX: usize = 8;

    /// None yet.
    #[inline]
    pub const fn new() -> Self {
        Self { one: None, several: Vec::new() }
    }

    /// Adds one; beyond [`Candidates::MAX`] it is dropped.
    ///
    /// ```
    /// use sessile::transport::Candidates;
    /// let mut found = Candidates::new();
    /// for value in [b"a"; 100] {
    ///     found.push(value);
    /// }
    /// assert_eq!(found.as_slice().len(), Candidates::MAX);
    /// ```
    #[inline]
    pub fn push(&mut self, value: &'r [u8]) {
        match self.one {
            None => self.one = Some(value),
            Some(first) => self.push_another(first, value),
        }
    }

    #[cold]
    fn push_another(&mut self, first: &'r [u8], value: &'r [u8]) {
        if self.several.is_empty() {
            self.several.push(first);
        }
        if self.several.len() < Self::MAX {
            self.several.push(value);
        }
    }

    /// Those found so far.
    #[inline]
    pub fn as_slice(&self) -> &[&'r [u8]] {
        if self.several.is_empty() { self.one.as_slice() } else { &self.several }
    }
}

impl Default for Candidates<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Candidates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").field("len", &self.as_slice().len()).finish_non_exhaustive()
    }
}
