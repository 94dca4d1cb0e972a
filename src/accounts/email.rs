//! E-mail addresses and usernames: what is accepted, and when two are the same.

use std::fmt;
use std::str::FromStr;

use super::error::{AccountError, AccountErrorKind};

/// An e-mail address, in the one form in which it is kept.
///
/// 1. Blanks around it are taken away.
/// 2. It is ASCII: full-width letters, look-alikes, zero-width characters and whatever a Unicode
///    normalisation would turn into ASCII are refused, before anything is normalised. Browsers write
///    international domains as `xn--…` by themselves (`<input type=email>`), and so must others;
///    international local parts (RFC 6531) are not accepted.
/// 3. The local part is a dot-atom of at most 64 bytes (RFC 5321, 4.1.2: no quotes, no comments),
///    the domain has at least two labels and at most 253 bytes, all of it at most 254.
/// 4. The domain is lower-cased. The local part stays as it was typed, for it is the address to
///    write to; but two addresses that differ in case only are the same account.
///
/// `Debug` shows nothing of it; `Display` is the address.
///
/// ```
/// use sessile::accounts::Email;
/// let email: Email = " Ann.Example@EXAMPLE.org ".parse()?;
/// assert_eq!(email.as_str(), "Ann.Example@example.org");
/// assert_eq!(email.key(), "ann.example@example.org");
/// assert_eq!(email.local(), "Ann.Example");
/// assert!("\u{212A}im@example.org".parse::<Email>().is_err()); // the sign for kelvin is no K
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone)]
pub struct Email {
    text: Box<str>,
    key: Box<str>,
}

impl Email {
    /// The address, to write to and to show.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What makes it the same as another: the address in lower case.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.text.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

impl FromStr for Email {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let refused = || AccountError::new(AccountErrorKind::Email);
        if text.len() > LONGEST_INPUT || !text.is_ascii() {
            return Err(refused());
        }
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let (local, domain) = text.rsplit_once('@').ok_or_else(refused)?;
        if text.len() > LONGEST_EMAIL || !is_dot_atom(local) || !is_domain(domain) {
            return Err(refused());
        }
        let domain = domain.to_ascii_lowercase();
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        Ok(Self { text: format!("{local}@{domain}").into(), key: key.into() })
    }
}

fn is_dot_atom(local: &str) -> bool {
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    local.len() <= 64 && local.split('.').all(atom)
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top_is_numeric = |(_, top): (&str, &str)| top.bytes().all(|b| b.is_ascii_digit());
    domain.len() <= 253
        && domain.split('.').all(label)
        && domain.rsplit_once('.').is_some_and(|labels| !top_is_numeric(labels))
}

/// RFC 5321, 4.5.3.1.3, less the angle brackets.
const LONGEST_EMAIL: usize = 254;
/// With the blanks around it.
const LONGEST_INPUT: usize = 320;

/// Two are equal if they are the same account's.
impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Email {}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email")
    }
}

/// A name to log in with: 2 to 32 ASCII letters, digits, `.`, `_` and `-`, a letter or digit first.
/// It has no `@`, so no username is somebody's e-mail address. Case is kept, and makes no
/// difference.
///
/// ```
/// use sessile::accounts::Username;
/// let name: Username = "Ann_7".parse()?;
/// assert_eq!(name.as_str(), "Ann_7");
/// assert_eq!(name.key(), "ann_7");
/// assert!("ann@example.org".parse::<Username>().is_err());
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone)]
pub struct Username {
    text: Box<str>,
    key: Box<str>,
}

impl Username {
    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What makes it the same as another: the name in lower case.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for Username {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let text = text.trim_matches(' ');
        let fits = (2..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !fits {
            return Err(AccountError::new(AccountErrorKind::Username));
        }
        Ok(Self { text: text.into(), key: text.to_ascii_lowercase().into() })
    }
}

/// Two are equal if they are the same account's.
impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Username {}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username")
    }
}
