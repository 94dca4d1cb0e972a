//! Who is measured.

use std::fmt;
use std::str::FromStr;

use crate::contender::Contender;
use crate::{axum_session, bare, floor, tower_sessions};

/// The contenders by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// No sessions at all.
    Bare,
    /// The same, driven by tokio's `block_on`: what [`AxumSessionSigned`](Self::AxumSessionSigned)
    /// is compared with.
    BareOnRuntime,
    Floor,
    Sessile,
    SessileLazy,
    /// With a guard before every handler that reads or writes.
    SessileGuarded,
    TowerSessions,
    TowerSessionsSigned,
    AxumSession,
    AxumSessionSigned,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Bare,
        Self::BareOnRuntime,
        Self::Floor,
        Self::Sessile,
        Self::SessileLazy,
        Self::SessileGuarded,
        Self::TowerSessions,
        Self::TowerSessionsSigned,
        Self::AxumSession,
        Self::AxumSessionSigned,
    ];

    /// All that are compiled in.
    pub fn all() -> impl Iterator<Item = Self> {
        let with_sessile = cfg!(feature = "sessile");
        let ours = [Self::Sessile, Self::SessileLazy, Self::SessileGuarded];
        Self::ALL.into_iter().filter(move |kind| with_sessile || !ours.contains(kind))
    }

    /// All that have sessions.
    pub fn contenders() -> impl Iterator<Item = Self> {
        Self::all()
            .filter(|kind| !matches!(kind, Self::Bare | Self::BareOnRuntime | Self::SessileGuarded))
    }

    /// All whose instructions are counted: the guard's own cost too.
    pub fn counted() -> impl Iterator<Item = Self> {
        Self::contenders().chain(Self::all().filter(|kind| kind.is_guarded()))
    }

    /// Whether a guard turns away whoever has no session.
    pub const fn is_guarded(self) -> bool {
        matches!(self, Self::SessileGuarded)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareOnRuntime => "bare-on-runtime",
            Self::Floor => "floor",
            Self::Sessile => "sessile",
            Self::SessileLazy => "sessile-lazy",
            Self::SessileGuarded => "sessile-guarded",
            Self::TowerSessions => "tower-sessions",
            Self::TowerSessionsSigned => "tower-sessions-signed",
            Self::AxumSession => "axum_session",
            Self::AxumSessionSigned => "axum_session-signed",
        }
    }

    /// The service without sessions, driven in the same way.
    pub const fn bare(self) -> Self {
        match self {
            Self::BareOnRuntime | Self::AxumSessionSigned => Self::BareOnRuntime,
            _ => Self::Bare,
        }
    }

    /// Whether requests without a valid session leave one in the store.
    pub const fn keeps_strangers(self) -> bool {
        matches!(self, Self::AxumSession | Self::AxumSessionSigned)
    }

    /// This contender with an empty store.
    pub fn build(self) -> Box<dyn Contender> {
        match self {
            Self::Bare => Box::new(bare::Bare::polled()),
            Self::BareOnRuntime => Box::new(bare::Bare::on_runtime()),
            Self::Floor => Box::new(floor::Floor::default()),
            #[cfg(feature = "sessile")]
            Self::Sessile => Box::new(crate::ours::Eager::default()),
            #[cfg(feature = "sessile")]
            Self::SessileLazy => Box::new(crate::ours::Lazy::default()),
            #[cfg(feature = "sessile")]
            Self::SessileGuarded => Box::new(crate::ours::Guarded::default()),
            #[cfg(not(feature = "sessile"))]
            Self::Sessile | Self::SessileLazy | Self::SessileGuarded => {
                panic!("built without the feature `sessile`")
            }
            Self::TowerSessions => Box::new(tower_sessions::plain()),
            Self::TowerSessionsSigned => Box::new(tower_sessions::signed()),
            Self::AxumSession => Box::new(axum_session::AxumSession::plain()),
            Self::AxumSessionSigned => Box::new(axum_session::AxumSession::signed()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::all().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("no contender {name}"))
    }
}
