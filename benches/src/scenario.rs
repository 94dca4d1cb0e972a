//! What a request carries and what its handler does.

use std::fmt;
use std::str::FromStr;

/// The eight kinds of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scenario {
    /// No cookie, the handler does not touch the session.
    A,
    /// A valid cookie, the handler does not touch the session.
    B,
    /// The same behind three other cookies.
    B4,
    /// A valid cookie, the handler reads the typed value.
    C,
    /// A valid cookie, the handler counts up in the value and that is kept.
    D,
    /// No cookie, the handler logs in: a new session and a Set-Cookie.
    E,
    /// A valid cookie, the handler logs out: the session is gone, the cookie removed.
    F,
    /// A forged cookie, the handler asks for the value and does not get it.
    G,
}

impl Scenario {
    pub const ALL: [Self; 8] =
        [Self::A, Self::B, Self::B4, Self::C, Self::D, Self::E, Self::F, Self::G];

    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::B4 => "B4",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
            Self::G => "G",
        }
    }

    /// A few words for tables and charts.
    pub const fn title(self) -> &'static str {
        match self {
            Self::A => "no cookie",
            Self::B => "session, untouched",
            Self::B4 => "among four cookies",
            Self::C => "read",
            Self::D => "read, change, write",
            Self::E => "log in",
            Self::F => "log out",
            Self::G => "forged cookie",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == name);
        found.ok_or_else(|| format!("no scenario {name}"))
    }
}
