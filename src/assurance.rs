//! How surely somebody proved who they are.

use std::fmt;

/// How surely somebody proved who they are when the session began: the authentication assurance
/// levels of NIST SP 800-63B-4.
///
/// A session that says nothing of its own has none of these, and passes no guard that asks for
/// one.
///
/// ```
/// use sessile::Assurance;
/// assert!(Assurance::Aal2 > Assurance::Aal1);
/// assert_eq!(Assurance::Aal2.as_str(), "aal2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Assurance {
    /// One factor, such as a password.
    Aal1,
    /// Two factors, or one device that is two, such as a passkey with user verification.
    Aal2,
    /// Two factors, one of them a key that cannot be copied and resists phishing.
    Aal3,
}

impl Assurance {
    /// `aal1`, `aal2` or `aal3`: its name in `acr_values` (RFC 9470) and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aal1 => "aal1",
            Self::Aal2 => "aal2",
            Self::Aal3 => "aal3",
        }
    }

    /// The level of this name.
    ///
    /// ```
    /// use sessile::Assurance;
    /// assert_eq!(Assurance::parse("aal3"), Some(Assurance::Aal3));
    /// assert_eq!(Assurance::parse("AAL3"), None);
    /// ```
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Aal1, Self::Aal2, Self::Aal3].into_iter().find(|level| level.as_str() == name)
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
