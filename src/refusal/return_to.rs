//! Where to go after a login: a path of this site, and nowhere else.

use std::fmt;

/// The parameter that carries it to the login page.
pub(super) const PARAMETER: &str = "next";

/// Where to go after a login: a path of this site, and nowhere else. Whatever a browser could take
/// for another host (`//evil.example`, `/\evil.example`, also percent-encoded or with line breaks
/// in it) is not one, so that a link to the login page cannot lead away from it (CWE-601).
///
/// [`Refusals::login_page`](crate::Refusals::login_page) puts it into the parameter `next`; the
/// login handler reads it:
///
/// ```
/// use sessile::ReturnTo;
/// let after_login = |query: &str| ReturnTo::from_query(Some(query)).map(|to| to.to_string());
/// assert_eq!(after_login("next=%2Finvoices%3Fpage%3D2").as_deref(), Some("/invoices?page=2"));
/// assert_eq!(after_login("next=https://evil.example"), None);
/// assert_eq!(after_login("next=%2F%2Fevil.example"), None);
/// ```
///
/// Its `Debug` leaves out the query, in which applications have been known to put secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ReturnTo(Box<str>);

impl ReturnTo {
    /// A path with its query, if it leads nowhere but to this site: it starts with one `/`,
    /// consists of printable ASCII, and has no backslash.
    ///
    /// ```
    /// use sessile::ReturnTo;
    /// assert!(ReturnTo::parse("/profile").is_some());
    /// for bad in ["", "profile", "//evil", r"/\evil", "/\t/evil", "/%2Fevil", "javascript:f()"] {
    ///     assert!(ReturnTo::parse(bad).is_none(), "{bad:?}");
    /// }
    /// ```
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix('/')?;
        let printable = path.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\');
        // Browsers drop tabs and line breaks, and servers in between may decode once more.
        let escapes = rest.get(..3).is_some_and(|start| {
            ["%2f", "%5c", "%09", "%0a", "%0d"].contains(&start.to_ascii_lowercase().as_str())
        });
        let other_host = rest.starts_with('/') || escapes;
        (printable && !other_host && path.len() <= LONGEST).then(|| Self(path.into()))
    }

    /// What the parameter `next` of a query says. Of several the first counts.
    pub fn from_query(query: Option<&str>) -> Option<Self> {
        let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.into_iter().find(|(name, _)| *name == PARAMETER)?;
        Self::parse(&decode(value)?)
    }

    /// The path and query.
    ///
    /// ```
    /// use sessile::ReturnTo;
    /// let there = ReturnTo::from_query(Some("next=/profile"));
    /// assert_eq!(there.as_ref().map_or("/", ReturnTo::as_str), "/profile");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the query.
    pub(super) fn path(&self) -> &str {
        path_of(&self.0)
    }

    /// In a form that fits into a query.
    pub(super) fn encoded(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                    text.push(char::from(byte));
                }
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
        text
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReturnTo").field(&self.path()).finish_non_exhaustive()
    }
}

impl AsRef<str> for ReturnTo {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The path of a path and query.
pub(super) fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// As long as a link may be that some proxy would still pass on.
const LONGEST: usize = 2048;

/// One round of percent-decoding, `+` as a space; `None` if it is none or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_returned_to() {
        let cases = [
            ("next=/", Some("/")),
            ("next=/a%3Fb=c", Some("/a?b=c")),
            ("other=1&next=%2Fa%2Fb", Some("/a/b")),
            ("next=/a&next=//evil", Some("/a")),
            ("next=//evil&next=/a", None),
            ("next=%2f%2fevil.example", None),
            ("next=/%2fevil.example", None),
            ("next=/%252fevil.example", None),
            ("next=/%5Cevil.example", None),
            ("next=/%255cevil.example", None),
            (r"next=\\evil.example", None),
            (r"next=/\evil.example", None),
            ("next=%5c%5cevil.example", None),
            ("next=/%09/evil.example", None),
            ("next=/%0d%0aset-cookie:a=b", None),
            ("next=/a%00", None),
            ("next=%20//evil.example", None),
            ("next=+/evil", None),
            ("next=https:%2F%2Fevil.example", None),
            ("next=javascript:alert(1)", None),
            ("next=evil.example", None),
            ("next=/%C3%BC", None),
            ("next=/%ff", None),
            ("next=/%f", None),
            ("next=", None),
            ("next", None),
            ("", None),
        ];
        for (query, expected) in cases {
            let found = ReturnTo::from_query(Some(query));
            assert_eq!(found.as_ref().map(ReturnTo::as_str), expected, "{query}");
        }
        assert_eq!(ReturnTo::from_query(None), None);
        assert_eq!(ReturnTo::parse(&format!("/{}", "a".repeat(LONGEST))), None);
    }

    #[test]
    fn what_is_shown_of_it_is_the_path() {
        let there = ReturnTo::parse("/reset?token=s3cret").unwrap();
        assert_eq!(format!("{there:?}"), "ReturnTo(\"/reset\", ..)");
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let there = ReturnTo::parse("/a b".replace(' ', "+").as_str()).unwrap();
        let query = format!("{PARAMETER}={}", there.encoded());
        assert_eq!(ReturnTo::from_query(Some(&query)), Some(there));
        let all: String = ('!'..='~').filter(|char| *char != '\\').collect();
        let there = ReturnTo::parse(&format!("/a{all}")).unwrap();
        let query = format!("{PARAMETER}={}", there.encoded());
        assert_eq!(ReturnTo::from_query(Some(&query)), Some(there));
    }
}
