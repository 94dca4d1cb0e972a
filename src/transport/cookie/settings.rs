//! What a cookie was configured to be, and whether browsers will take it as that.

use std::borrow::Cow;
use std::time::Duration;

use super::{CookieAttributes, SameSite};
use crate::error::ConfigError;

/// The attributes as asked for; they may contradict each other until [`Settings::check`].
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `__Host-`, `__Secure-` or nothing; it goes away together with `Secure`.
    prefix: &'static str,
    name: Cow<'static, str>,
    pub(super) path: Cow<'static, str>,
    pub(super) domain: Option<Cow<'static, str>>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
    pub(super) partitioned: bool,
    pub(super) max_age: Option<Duration>,
}

impl Settings {
    pub(super) const fn new(prefix: &'static str, name: Cow<'static, str>) -> Self {
        Self {
            prefix,
            name,
            path: Cow::Borrowed("/"),
            domain: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
            max_age: None,
        }
    }

    /// The name in full, as sent.
    pub(super) fn name(&self) -> String {
        let prefix = if self.secure { self.prefix } else { "" };
        [prefix, &self.name].concat()
    }

    /// Everything between the value and `Max-Age`, with its leading `; `.
    pub(super) fn attributes(&self) -> String {
        let domain = self.domain.as_deref();
        [
            "; Path=",
            &self.path,
            if domain.is_some() { "; Domain=" } else { "" },
            domain.unwrap_or_default(),
            if self.secure { "; Secure" } else { "" },
            if self.http_only { "; HttpOnly" } else { "" },
            "; SameSite=",
            self.same_site.as_str(),
            if self.partitioned { "; Partitioned" } else { "" },
        ]
        .concat()
    }

    /// Refuses what a browser would drop, ignore or read differently from what was meant.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_name()?;
        self.check_prefix()?;
        self.check_secure()?;
        check_path(&self.path)?;
        self.domain.as_deref().map_or(Ok(()), check_domain)?;
        match self.max_age {
            Some(age) if age.as_secs() == 0 => refuse(
                "a cookie with a max age below one second is deleted on arrival: give whole \
                 seconds, or leave out `max_age(..)` for one that lasts until the browser closes",
            ),
            _ => Ok(()),
        }
    }

    fn check_name(&self) -> Result<(), ConfigError> {
        if self.name.is_empty() {
            return refuse("the cookie has no name: write for example `Cookie::host(\"sid\")`");
        }
        if !self.name.bytes().all(is_token) {
            return refuse(format!(
                "the cookie name {:?} is not a token (RFC 9110, 5.6.2): use ASCII letters, \
                 digits, `-` and `_`",
                self.name
            ));
        }
        if !self.prefix.is_empty() && PREFIXES.iter().any(|p| has_prefix(&self.name, p)) {
            return refuse(format!(
                "the prefix `{}` is added to the cookie name {:?} already: write the name \
                 without a prefix",
                self.prefix, self.name
            ));
        }
        Ok(())
    }

    /// Browsers match prefixes in any case and drop a cookie that does not live up to its own
    /// (RFC 6265bis, 5.7).
    fn check_prefix(&self) -> Result<(), ConfigError> {
        let name = self.name();
        let is = |prefix| has_prefix(&name, prefix);
        if is("__Host-") && self.domain.is_some() {
            return refuse(
                "a `__Host-` cookie has no Domain: leave out `domain(..)`, or use \
                 `Cookie::secure(..)` to share it with the hosts below",
            );
        }
        if is("__Host-") && self.path != "/" {
            return refuse(
                "a `__Host-` cookie has Path=/: leave out `path(..)`, or use `Cookie::secure(..)`",
            );
        }
        if !self.secure && PREFIXES.iter().any(|prefix| is(prefix)) {
            return refuse(format!(
                "browsers drop {name:?} without Secure: use `Cookie::host(..)` or \
                 `Cookie::secure(..)`, whose prefix goes away over plain HTTP, or serve HTTPS"
            ));
        }
        if !self.http_only && (is("__Http-") || is("__Host-Http-")) {
            return refuse(format!(
                "browsers drop {name:?} without HttpOnly: leave out \
                 `dangerously_readable_by_scripts()`, or change the name"
            ));
        }
        Ok(())
    }

    fn check_secure(&self) -> Result<(), ConfigError> {
        if self.secure {
            return Ok(());
        }
        if self.same_site == SameSite::None {
            return refuse(
                "browsers drop SameSite=None without Secure: use `SameSite::Lax` over plain HTTP, \
                 or serve HTTPS and leave out `dangerously_allow_plain_http()`",
            );
        }
        if self.partitioned {
            return refuse(
                "browsers drop Partitioned without Secure: leave out `partitioned()` over plain \
                 HTTP, or serve HTTPS and leave out `dangerously_allow_plain_http()`",
            );
        }
        Ok(())
    }
}

impl From<&Settings> for CookieAttributes {
    fn from(settings: &Settings) -> Self {
        Self {
            secure: settings.secure,
            http_only: settings.http_only,
            same_site: settings.same_site,
            path: settings.path.as_ref().into(),
            domain: settings.domain.as_deref().map(Into::into),
            partitioned: settings.partitioned,
            max_age: settings.max_age,
        }
    }
}

fn check_path(path: &str) -> Result<(), ConfigError> {
    if !path.starts_with('/') {
        return refuse(format!("the cookie path {path:?} does not start with `/`: write `/app`"));
    }
    if !path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';') {
        return refuse(format!(
            "the cookie path {path:?} holds a `;`, a control character or non-ASCII text: \
             percent-encode it"
        ));
    }
    check_octets("path", path)
}

/// A `<subdomain>` of RFC 1034, 3.5, with the leading digits of RFC 1123.
fn check_domain(domain: &str) -> Result<(), ConfigError> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !domain.split('.').all(is_label) {
        return refuse(format!(
            "the cookie domain {domain:?} is not a host name: write `example.com`, without \
             scheme, port or leading dot, and non-ASCII letters in their `xn--` form"
        ));
    }
    check_octets("domain", domain)
}

/// Browsers ignore an attribute with a longer value, and with it what it was to restrict.
fn check_octets(attribute: &str, value: &str) -> Result<(), ConfigError> {
    if value.len() > LONGEST_ATTRIBUTE {
        return refuse(format!(
            "the cookie {attribute} has {} octets and browsers ignore more than \
             {LONGEST_ATTRIBUTE}: shorten it",
            value.len()
        ));
    }
    Ok(())
}

fn refuse(message: impl Into<Cow<'static, str>>) -> Result<(), ConfigError> {
    Err(ConfigError::new(message))
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// A `tchar` of RFC 9110, 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Each demands `Secure` (`__Http-`: the successor of RFC 6265bis).
const PREFIXES: [&str; 3] = ["__Host-", "__Secure-", "__Http-"];

/// RFC 6265bis, 5.6.
const LONGEST_ATTRIBUTE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::super::Cookie;
    use super::*;
    use crate::transport::Transport;

    #[test]
    fn r14_r15_a_cookie_that_contradicts_its_prefix_or_attributes_is_refused_with_a_remedy() {
        let none = SameSite::None;
        let plain = |cookie: Cookie| cookie.dangerously_allow_plain_http();
        let cases = [
            ("host with domain", Cookie::host("sid").domain("example.com"), "Cookie::secure"),
            ("host with path", Cookie::host("sid").path("/app"), "Cookie::secure"),
            ("typed host with domain", Cookie::named("__Host-a").domain("b.c"), "Cookie::secure"),
            ("host in any case", Cookie::named("__hOST-a").path("/app"), "Cookie::secure"),
            ("typed host, plain", plain(Cookie::named("__Host-a")), "prefix goes away"),
            ("typed secure, plain", plain(Cookie::named("__secure-a")), "prefix goes away"),
            ("typed http, plain", plain(Cookie::named("__Http-a")), "prefix goes away"),
            (
                "http for scripts",
                Cookie::named("__Http-a").dangerously_readable_by_scripts(),
                "change the name",
            ),
            (
                "host-http for scripts",
                Cookie::host("Http-a").dangerously_readable_by_scripts(),
                "change the name",
            ),
            ("prefix twice", Cookie::host("__Host-sid"), "without a prefix"),
            ("two prefixes", Cookie::secure("__host-sid"), "without a prefix"),
            ("none, plain", plain(Cookie::host("sid").same_site(none)), "SameSite::Lax"),
            ("partitioned, plain", plain(Cookie::host("sid").partitioned()), "`partitioned()`"),
            ("no name", Cookie::named(""), "Cookie::host"),
            ("prefix alone", Cookie::host(""), "Cookie::host"),
            ("blank in name", Cookie::host("s id"), "letters"),
            ("equals sign in name", Cookie::host("s=id"), "letters"),
            ("separator in name", Cookie::host("sid;"), "letters"),
            ("non-ASCII name", Cookie::host("sïd"), "letters"),
            ("line break in name", Cookie::host("sid\r\n"), "letters"),
            ("empty path", Cookie::secure("sid").path(""), "`/app`"),
            ("relative path", Cookie::secure("sid").path("app"), "`/app`"),
            ("separator in path", Cookie::secure("sid").path("/a; Domain=b"), "percent-encode"),
            ("line break in path", Cookie::secure("sid").path("/a\r\nb"), "percent-encode"),
            ("delete in path", Cookie::secure("sid").path("/\x7f"), "percent-encode"),
            ("non-ASCII path", Cookie::secure("sid").path("/ü"), "percent-encode"),
            ("long path", Cookie::secure("sid").path("/".repeat(1025)), "shorten"),
            ("empty domain", Cookie::secure("sid").domain(""), "example.com"),
            ("dot before domain", Cookie::secure("sid").domain(".example.com"), "leading dot"),
            ("dot after domain", Cookie::secure("sid").domain("example.com."), "example.com"),
            ("port", Cookie::secure("sid").domain("example.com:80"), "port"),
            ("separator in domain", Cookie::secure("sid").domain("a.b; Path=/"), "host name"),
            ("non-ASCII domain", Cookie::secure("sid").domain("müller.de"), "xn--"),
            ("long domain", Cookie::secure("sid").domain("a".repeat(1025)), "shorten"),
            ("zero", Cookie::host("sid").max_age(Duration::ZERO), "whole seconds"),
            ("under a second", Cookie::host("sid").max_age(Duration::from_millis(999)), "whole"),
        ];
        for (name, cookie, remedy) in cases {
            let text = cookie.check().expect_err(name).to_string();
            assert!(text.contains(remedy), "{name}: {text}");
        }
    }

    #[test]
    fn r14_r15_what_browsers_accept_passes() {
        let cases = [
            ("defaults", Cookie::host("sid")),
            ("host, root path spelled out", Cookie::host("sid").path("/")),
            ("secure with domain and path", Cookie::secure("sid").domain("a.b").path("/c")),
            ("typed host", Cookie::named("__Host-sid")),
            ("none", Cookie::host("sid").same_site(SameSite::None)),
            ("partitioned", Cookie::host("sid").partitioned()),
            ("plain", Cookie::host("sid").dangerously_allow_plain_http()),
            (
                "plain with domain: the prefix that forbids it is gone",
                Cookie::host("sid").domain("a.test").dangerously_allow_plain_http(),
            ),
            ("scripts", Cookie::host("sid").dangerously_readable_by_scripts()),
            ("odd token", Cookie::named("a!#$%&'*+-.^_`|~1")),
            ("owned name", Cookie::named(String::from("sid"))),
            ("path of 1024 octets", Cookie::secure("sid").path("/".repeat(1024))),
            ("address", Cookie::secure("sid").domain("127.0.0.1")),
            ("400 days and more", Cookie::host("sid").max_age(Duration::MAX)),
        ];
        for (name, cookie) in cases {
            assert_eq!(cookie.check(), Ok(()), "{name}");
        }
    }
}
