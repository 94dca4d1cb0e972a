//! Origins: `scheme://host[:port]` (RFC 6454, 6.2).

use std::net::Ipv6Addr;

use crate::error::ConfigError;

/// The origin of a page, in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// `None` for `null`, and for whatever else is not `scheme://host[:port]`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = split(authority)?;
        is_scheme(scheme).then_some(Self { scheme, host, port })
    }

    pub(super) const fn has_scheme(self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Whether a request to this authority (`host[:port]`) went to the web server of this origin.
    /// A port that is left out is the default one of the origin's scheme, on both sides.
    pub(super) fn is_at(self, authority: &str) -> bool {
        let (Some(default), Some((host, port))) = (default_port(self.scheme), split(authority))
        else {
            return false;
        };
        self.host.eq_ignore_ascii_case(host)
            && self.port.unwrap_or(default) == port.unwrap_or(default)
    }
}

/// Accepts an origin only as browsers write it, since it is compared byte by byte.
pub(super) fn check(text: &str) -> Result<(), ConfigError> {
    fault(text).map_or(Ok(()), |why| {
        // What stands before an `@` may be a password.
        let shown = if text.contains('@') { "this" } else { text };
        Err(ConfigError::new(format!("{shown:?} is no origin to trust: {why}")))
    })
}

/// What is wrong with it, and what would be right.
fn fault(text: &str) -> Option<&'static str> {
    if text == "null" {
        return Some("`null` is what sandboxed pages of anybody send; serve yours from a host");
    }
    let Some((scheme, authority)) = text.split_once("://") else {
        return Some("it has no scheme; write `https://app.example`");
    };
    if authority.contains(['/', '?', '#', '\\']) {
        return Some("it ends with the host or port; write no slash, path or query after it");
    }
    if authority.contains('*') {
        return Some("it is one host; name each that you trust");
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("browsers write it in lower case, and so must you");
    }
    let Some(origin) = Origin::parse(text) else {
        return Some(
            "write `https://app.example` or `https://app.example:8443`, a host with \
                     other letters in punycode",
        );
    };
    (origin.port.is_some() && origin.port == default_port(scheme))
        .then_some("browsers leave the default port out, and so must you")
}

fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(number(port)?)),
        _ => (authority, None),
    };
    is_host(host).then_some((host, port))
}

fn number(port: &str) -> Option<u16> {
    let plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    port.parse().ok().filter(|_| plain)
}

fn is_scheme(scheme: &str) -> bool {
    let tail = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(tail)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.bytes().all(part)
}

const fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r48_only_what_a_browser_would_send_can_be_trusted() {
        for good in [
            "https://app.example",
            "http://localhost:3000",
            "https://app.example:8443",
            "https://xn--exmple-cua.com",
            "https://[2001:db8::1]:8443",
            "http://127.0.0.1",
            "https://app.example:80",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        let cases = [
            ("null", "sandboxed"),
            ("", "no scheme"),
            ("app.example", "no scheme"),
            ("//app.example", "no scheme"),
            ("https:app.example", "no scheme"),
            ("*", "no scheme"),
            ("https://app.example/", "no slash"),
            ("https://app.example/path", "no slash"),
            ("https://app.example?q", "no slash"),
            ("https://app.example#f", "no slash"),
            (r"https://app.example\", "no slash"),
            ("https://*.example", "name each"),
            ("https://App.example", "lower case"),
            ("HTTPS://app.example", "lower case"),
            ("https://app.example:443", "default port"),
            ("http://app.example:80", "default port"),
            ("https://", "punycode"),
            ("https://:8443", "punycode"),
            ("https://app.example:", "punycode"),
            ("https://app.example:0", "punycode"),
            ("https://app.example:08443", "punycode"),
            ("https://app.example:+8443", "punycode"),
            ("https://app.example:65536", "punycode"),
            ("https://user:secret@app.example", "punycode"),
            ("https://exämple.com", "punycode"),
            ("https://app.example https://b.example", "no slash"),
            ("https://app.example b.example", "punycode"),
            ("https://2001:db8::1", "punycode"),
            ("https://[app.example]", "punycode"),
            ("1https://app.example", "punycode"),
            ("://app.example", "punycode"),
        ];
        for (bad, remedy) in cases {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.contains(remedy), "{bad:?}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn r47_c25_an_origin_is_at_its_host_and_port_and_nowhere_else() {
        let cases = [
            ("https://app.example", "app.example", true),
            ("https://app.example", "APP.example", true),
            ("https://app.example", "app.example:443", true),
            ("https://app.example", "app.example:80", false),
            ("http://app.example", "app.example:80", true),
            ("http://app.example", "app.example:443", false),
            ("https://app.example:8443", "app.example:8443", true),
            ("https://app.example:8443", "app.example", false),
            ("https://app.example", "app.example:8443", false),
            ("https://app.example", "app.example.evil.example", false),
            ("https://app.example.evil.example", "app.example", false),
            ("https://evil.example", "app.example", false),
            ("http://[::1]:3000", "[::1]:3000", true),
            ("http://[::1]", "[::1]", true),
            ("https://app.example", "user@app.example", false),
            ("https://app.example", "", false),
            ("ftp://app.example", "app.example", false),
            ("ftp://app.example:80", "app.example:80", false),
        ];
        for (origin, authority, at) in cases {
            assert_eq!(Origin::parse(origin).unwrap().is_at(authority), at, "{origin} {authority}");
        }
    }
}
