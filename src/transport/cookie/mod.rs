//! A ticket in a cookie (RFC 6265bis): its settings, how it is read, how it is written.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};

use self::settings::Settings;
use self::template::Template;
use super::{Candidates, CookieAttributes, Description, Place, TooLong, Transport};
use crate::error::ConfigError;

mod reader;
mod settings;
mod template;

/// Carries the ticket in a cookie: `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`, no `Domain`,
/// and kept until the browser closes.
///
/// The constructors choose the name's prefix, by which a browser vouches for how the cookie was
/// set (RFC 6265bis, 4.1.3); the methods after them change one attribute each.
///
/// 1. Nothing fails in the chain. [`Transport::check`], which the layer asks at construction,
///    judges the whole, and refuses what browsers would drop, ignore or weaken. A cookie that does
///    not pass it neither reads nor writes.
/// 2. Requests are read byte by byte: names and values are never decoded, trimmed or unquoted, so
///    that no spelling but ours is taken for ours.
/// 3. Every cookie of our name is a candidate, in the order of the request, over all `Cookie`
///    lines (HTTP/2 splits them). Which of them is a ticket, the layer decides.
/// 4. A response sets our name at most once, whatever was there before; the handler's other
///    cookies stay as they are. A name and value of more than 4096 octets, which browsers would
///    drop, are an error.
///
/// `Max-Age` is advice to the client: only the server's own deadlines end a session.
///
/// ```
/// use sessile::transport::{Cookie, Transport};
/// let mut headers = http::HeaderMap::new();
/// Cookie::host("sid").attach(&mut headers, "ticket", None).unwrap();
/// assert_eq!(headers["set-cookie"], "__Host-sid=ticket; Path=/; Secure; HttpOnly; SameSite=Lax");
/// ```
#[derive(Clone)]
pub struct Cookie {
    settings: Settings,
    purpose: Box<str>,
    /// What the settings amount to, or why they cannot work.
    template: Result<Template, ConfigError>,
}

impl Cookie {
    /// A cookie named `__Host-` and this name: the browser takes it only from this very host,
    /// over HTTPS, for all paths. The best choice where it fits.
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// assert_eq!(Cookie::host("sid").purpose(), "cookie:__Host-sid");
    /// ```
    pub fn host(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Settings::new("__Host-", name.into()))
    }

    /// A cookie named `__Secure-` and this name: the browser takes it only over HTTPS. For
    /// cookies that need a [`domain`](Self::domain) or a [`path`](Self::path).
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// let cookie = Cookie::secure("sid").domain("example.com");
    /// assert_eq!(cookie.purpose(), "cookie:__Secure-sid");
    /// ```
    pub fn secure(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Settings::new("__Secure-", name.into()))
    }

    /// A cookie of exactly this name, for names that others already use. It has all attributes
    /// of the defaults, but a sibling domain or a page over plain HTTP can plant one like it:
    /// prefer [`Cookie::host`].
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// assert_eq!(Cookie::named("session_id").purpose(), "cookie:session_id");
    /// ```
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Settings::new("", name.into()))
    }

    /// Sends the cookie with requests below this path only; it starts with `/`. A path is no
    /// boundary between applications of one host: their scripts read each other's pages
    /// (RFC 6265bis, 8.5). Not for [`Cookie::host`], which is for all paths.
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// assert!(Cookie::secure("sid").path("/app").check().is_ok());
    /// assert!(Cookie::host("sid").path("/app").check().is_err());
    /// ```
    #[must_use]
    pub fn path(self, path: impl Into<Cow<'static, str>>) -> Self {
        self.with(|settings| settings.path = path.into())
    }

    /// Sends the cookie to this domain and to *every* host below it, which then can read and
    /// replace it. Without a leading dot; a non-ASCII domain in its `xn--` form. Not for
    /// [`Cookie::host`].
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// assert!(Cookie::secure("sid").domain("example.com").check().is_ok());
    /// assert!(Cookie::host("sid").domain("example.com").check().is_err());
    /// ```
    #[must_use]
    pub fn domain(self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.with(|settings| settings.domain = Some(domain.into()))
    }

    /// With which requests from other sites the cookie travels; [`SameSite::Lax`] when not called.
    ///
    /// ```
    /// use sessile::transport::{Cookie, SameSite, Transport};
    /// assert!(Cookie::host("sid").same_site(SameSite::Strict).check().is_ok());
    /// ```
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> Self {
        self.with(|settings| settings.same_site = same_site)
    }

    /// Keeps one cookie per top-level site (CHIPS), for pages embedded in those of others.
    /// Usually together with [`SameSite::None`].
    ///
    /// ```
    /// use sessile::transport::{Cookie, SameSite, Transport};
    /// let cookie = Cookie::host("sid").same_site(SameSite::None).partitioned();
    /// assert!(cookie.check().is_ok());
    /// ```
    #[must_use]
    pub fn partitioned(self) -> Self {
        self.with(|settings| settings.partitioned = true)
    }

    /// Makes the cookie persistent for this long, whenever the session itself does not say how
    /// long the client should keep it. A session that does say ("remember me") keeps its own.
    ///
    /// Whole seconds, rounded down; more than 400 days are sent as 400 days, the most that
    /// browsers accept (RFC 6265bis, 5.5). The server's deadlines stay as they are.
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// use std::time::Duration;
    /// let cookie = Cookie::host("sid").max_age(Duration::from_secs(1_209_600));
    /// assert!(cookie.check().is_ok());
    /// ```
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        self.with(|settings| settings.max_age = Some(max_age))
    }

    /// Leaves `HttpOnly` out: any script that gets into a page can carry the session away
    /// (ASVS 3.3.4). A page that wants to know who is logged in should ask the server instead.
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// let cookie = Cookie::host("sid").dangerously_readable_by_scripts();
    /// assert!(cookie.check().is_ok());
    /// ```
    #[must_use]
    pub fn dangerously_readable_by_scripts(self) -> Self {
        self.with(|settings| settings.http_only = false)
    }

    /// Lets the cookie travel over plain HTTP, for development: `Secure` and the prefix of
    /// [`Cookie::host`] and [`Cookie::secure`] go away. Everybody on the way can read and replace
    /// such a cookie; behind a proxy that speaks HTTPS to the browser it is not needed.
    ///
    /// ```
    /// use sessile::transport::{Cookie, Transport};
    /// let cookie = Cookie::host("sid").dangerously_allow_plain_http();
    /// assert_eq!(cookie.purpose(), "cookie:sid");
    /// ```
    #[must_use]
    pub fn dangerously_allow_plain_http(self) -> Self {
        self.with(|settings| settings.secure = false)
    }

    fn new(settings: Settings) -> Self {
        let purpose = format!("cookie:{}", settings.name()).into();
        let template = settings.check().and_then(|()| Template::new(&settings));
        Self { settings, purpose, template }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        Self::new(self.settings)
    }
}

impl Transport for Cookie {
    fn purpose(&self) -> &str {
        &self.purpose
    }

    #[inline]
    fn find<'r>(&self, headers: &'r HeaderMap, found: &mut Candidates<'r>) {
        let Ok(template) = &self.template else { return };
        for line in headers.get_all(COOKIE) {
            reader::find(line.as_bytes(), template.needle(), found);
        }
    }

    fn attach(
        &self,
        headers: &mut HeaderMap,
        ticket: &str,
        max_age: Option<Duration>,
    ) -> Result<(), TooLong> {
        let template = self.template.as_ref().map_err(|_| TooLong)?;
        template.put(headers, template.line(ticket, max_age)?)
    }

    fn clear(&self, headers: &mut HeaderMap) {
        let Ok(template) = &self.template else { return };
        // A map of more than 32 768 lines takes no further one, and no server sends it.
        template.put(headers, template.removal()).ok();
    }

    fn reads(&self) -> HeaderName {
        COOKIE
    }

    fn describe(&self) -> Description {
        Description::new(
            Place::Cookie(CookieAttributes::from(&self.settings)),
            self.settings.name(),
        )
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.template.as_ref().map(drop).map_err(Clone::clone)
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cookie").field(&self.settings).finish()
    }
}

/// With which requests from other sites a cookie travels (RFC 6265bis, 4.1.2.7).
///
/// ```
/// use sessile::transport::{Cookie, SameSite, Transport};
/// let open = Cookie::named("sid").same_site(SameSite::None);
/// assert!(open.check().is_ok());
/// assert!(open.dangerously_allow_plain_http().check().is_err()); // `None` demands `Secure`
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SameSite {
    /// With links that lead here, but not with forms, frames, images or scripts of other sites.
    Lax,
    /// With requests of our own pages only: who follows a link from elsewhere arrives logged out.
    Strict,
    /// With all requests. Forged ones among them must then be told apart by other means.
    None,
}

impl SameSite {
    /// `Lax`, `Strict` or `None`: its value in `Set-Cookie`.
    ///
    /// ```
    /// use sessile::transport::SameSite;
    /// assert_eq!(SameSite::Strict.as_str(), "Strict");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        }
    }
}
