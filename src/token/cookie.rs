//! Tokens in cookies, with attributes that one call may change.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;

use super::{TokenError, TokenErrorKind};
use crate::transport::{Cookie, SameSite, Transport};

/// Sets and removes the cookie of a token. Secure, `HttpOnly` and `SameSite=Lax` unless said
/// otherwise; a removal repeats every attribute, or browsers would ignore it.
///
/// ```
/// use std::time::Duration;
/// use http::HeaderMap;
/// use http::header::SET_COOKIE;
/// use sessile::token::{CookieOverrides, TokenCookie};
/// let access = TokenCookie::host("access");
/// let mut headers = HeaderMap::new();
/// access.set(&mut headers, "a.b.c", &CookieOverrides::new().max_age(Duration::from_secs(900)))?;
/// let line = headers[SET_COOKIE].to_str()?;
/// assert!(line.starts_with("__Host-access=a.b.c; ") && line.ends_with("; Max-Age=900"), "{line}");
/// access.remove(&mut headers, &CookieOverrides::new())?;
/// assert!(headers[SET_COOKIE].to_str()?.starts_with("__Host-access=; "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until a token is set"]
pub struct TokenCookie {
    prefix: Prefix,
    name: Cow<'static, str>,
    attributes: CookieOverrides,
}

#[derive(Clone, Copy, Debug)]
enum Prefix {
    Host,
    Secure,
    None,
}

impl TokenCookie {
    /// `__Host-` and this name: see [`Cookie::host`].
    pub fn host(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Host, name.into())
    }

    /// `__Secure-` and this name: see [`Cookie::secure`].
    ///
    /// ```
    /// use sessile::token::{CookieOverrides, TokenCookie};
    /// let shared = TokenCookie::secure("access")
    ///     .attributes(CookieOverrides::new().domain("example.com"));
    /// # assert!(shared.set(&mut http::HeaderMap::new(), "a", &CookieOverrides::new()).is_ok());
    /// ```
    pub fn secure(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Secure, name.into())
    }

    /// This name: see [`Cookie::named`].
    ///
    /// ```
    /// use sessile::token::{CookieOverrides, TokenCookie};
    /// let plain = TokenCookie::named("access_token_cookie");
    /// # assert!(plain.set(&mut http::HeaderMap::new(), "a", &CookieOverrides::new()).is_ok());
    /// ```
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::None, name.into())
    }

    const fn new(prefix: Prefix, name: Cow<'static, str>) -> Self {
        Self { prefix, name, attributes: CookieOverrides::new() }
    }

    /// Sets the attributes that hold where a call says nothing.
    pub fn attributes(mut self, attributes: CookieOverrides) -> Self {
        self.attributes = attributes;
        self
    }

    /// What finds the token in requests, for [`AccessLayer`](super::AccessLayer).
    ///
    /// ```
    /// use sessile::token::TokenCookie;
    /// use sessile::transport::Transport;
    /// assert_eq!(TokenCookie::host("access").transport().purpose(), "cookie:__Host-access");
    /// ```
    pub fn transport(&self) -> Cookie {
        self.cookie(&CookieOverrides::new())
    }

    /// Sets the cookie, with what this call wants different.
    ///
    /// # Errors
    /// [`Claims`](TokenErrorKind::Claims) if the attributes contradict each other (a `__Host-`
    /// cookie with a domain); [`TooLong`](TokenErrorKind::TooLong).
    pub fn set(
        &self,
        headers: &mut HeaderMap,
        token: &str,
        overrides: &CookieOverrides,
    ) -> Result<(), TokenError> {
        let cookie = self.cookie(overrides);
        cookie.check().map_err(|_| TokenErrorKind::Claims)?;
        let max_age = overrides.max_age.or(self.attributes.max_age);
        cookie.attach(headers, token, max_age).map_err(|_| TokenErrorKind::TooLong.into())
    }

    /// Tells the client to forget it. The overrides that it was set with must be the same here.
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    pub fn remove(
        &self,
        headers: &mut HeaderMap,
        overrides: &CookieOverrides,
    ) -> Result<(), TokenError> {
        let cookie = self.cookie(overrides);
        cookie.check().map_err(|_| TokenErrorKind::Claims)?;
        cookie.clear(headers);
        Ok(())
    }

    fn cookie(&self, overrides: &CookieOverrides) -> Cookie {
        let name = self.name.clone();
        let mut cookie = match self.prefix {
            Prefix::Host => Cookie::host(name),
            Prefix::Secure => Cookie::secure(name),
            Prefix::None => Cookie::named(name),
        };
        let own = &self.attributes;
        if let Some(path) = overrides.path.as_ref().or(own.path.as_ref()) {
            cookie = cookie.path(path.clone());
        }
        if let Some(domain) = overrides.domain.as_ref().or(own.domain.as_ref()) {
            cookie = cookie.domain(domain.clone());
        }
        if let Some(same_site) = overrides.same_site.or(own.same_site) {
            cookie = cookie.same_site(same_site);
        }
        if overrides.readable.or(own.readable) == Some(true) {
            cookie = cookie.dangerously_readable_by_scripts();
        }
        if overrides.plain_http.or(own.plain_http) == Some(true) {
            cookie = cookie.dangerously_allow_plain_http();
        }
        cookie
    }
}

/// What is to be different about a cookie. What is not named stays; zero and `false` are values like
/// any other.
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderMap, header::SET_COOKIE};
/// use sessile::token::{CookieOverrides, TokenCookie};
/// use sessile::transport::SameSite;
/// let readable = TokenCookie::named("access")
///     .attributes(CookieOverrides::new().dangerously_readable_by_scripts(true));
/// let strict = CookieOverrides::new()
///     .dangerously_readable_by_scripts(false)
///     .same_site(SameSite::Strict)
///     .path("/api")
///     .max_age(Duration::ZERO);
/// let mut headers = HeaderMap::new();
/// readable.set(&mut headers, "a.b.c", &strict)?;
/// let line = headers[SET_COOKIE].to_str()?;
/// assert!(line.contains("HttpOnly") && line.ends_with("Max-Age=0"), "{line}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it changes nothing until a cookie is set"]
pub struct CookieOverrides {
    max_age: Option<Duration>,
    path: Option<Cow<'static, str>>,
    domain: Option<Cow<'static, str>>,
    same_site: Option<SameSite>,
    readable: Option<bool>,
    plain_http: Option<bool>,
}

impl CookieOverrides {
    /// Nothing is different.
    pub const fn new() -> Self {
        Self {
            max_age: None,
            path: None,
            domain: None,
            same_site: None,
            readable: None,
            plain_http: None,
        }
    }

    /// How long the client keeps it; zero removes it.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// For which paths it is sent.
    pub fn path(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// To which hosts it is sent besides this one.
    pub fn domain(mut self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// With which requests of other sites it is sent.
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Whether scripts may read it (no `HttpOnly`): whatever script gets into a page then has the
    /// token.
    pub const fn dangerously_readable_by_scripts(mut self, readable: bool) -> Self {
        self.readable = Some(readable);
        self
    }

    /// Whether it is sent without TLS (no `Secure`): for development on one machine.
    ///
    /// ```
    /// use http::{HeaderMap, header::SET_COOKIE};
    /// use sessile::token::{CookieOverrides, TokenCookie};
    /// let mut headers = HeaderMap::new();
    /// let here = CookieOverrides::new().dangerously_allow_plain_http(true);
    /// TokenCookie::named("access").set(&mut headers, "a.b.c", &here)?;
    /// assert!(!headers[SET_COOKIE].to_str()?.contains("Secure"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn dangerously_allow_plain_http(mut self, allowed: bool) -> Self {
        self.plain_http = Some(allowed);
        self
    }
}
