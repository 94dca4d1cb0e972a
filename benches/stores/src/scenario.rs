//! What a request carries and what its handler does.

use std::fmt;

/// The kinds of request. The letters are those of `sessile-benches`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scenario {
    /// No cookie, the handler does not touch the session.
    A,
    /// A valid cookie, the handler does not touch the session.
    B,
    /// A valid cookie, the handler reads the typed value.
    C,
    /// A valid cookie, the handler counts up in the value and that is kept.
    D,
    /// No cookie, the handler logs in: a new session and a Set-Cookie.
    E,
    /// A valid cookie, the handler logs in anew: another session, and the old one is gone.
    E2,
    /// A valid cookie, the handler logs out: the session is gone.
    F,
    /// A forged cookie, the handler asks for the value and does not get it.
    G,
}

/// What a client sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cookies {
    None,
    /// The same with every request.
    Valid,
    /// Another with every request, as each ends its session.
    Fresh,
    Forged,
}

impl Scenario {
    pub const ALL: [Self; 8] =
        [Self::A, Self::B, Self::C, Self::D, Self::E, Self::E2, Self::F, Self::G];

    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::E2 => "E2",
            Self::F => "F",
            Self::G => "G",
        }
    }

    /// A few words for tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::A => "no cookie",
            Self::B => "untouched",
            Self::C => "read",
            Self::D => "read + write",
            Self::E => "log in",
            Self::E2 => "log in anew",
            Self::F => "log out",
            Self::G => "forged cookie",
        }
    }

    pub const fn cookies(self) -> Cookies {
        match self {
            Self::A | Self::E => Cookies::None,
            Self::B | Self::C | Self::D => Cookies::Valid,
            Self::E2 | Self::F => Cookies::Fresh,
            Self::G => Cookies::Forged,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
