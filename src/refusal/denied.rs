//! What a guard says when it does not let a request pass.

use std::time::Duration;

use http::HeaderValue;

use super::Refusal;
use crate::assurance::Assurance;

/// Why a guard lets a request not pass, and what would help.
///
/// ```
/// use std::time::Duration;
/// use sessile::{Assurance, Denied, Refusal};
/// let demand = Denied::step_up().within(Duration::from_secs(300)).at_least(Assurance::Aal2);
/// assert_eq!(demand.refusal(), Refusal::StepUp);
/// assert_eq!(Denied::forbidden().refusal(), Refusal::Forbidden);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a denial does nothing until a guard returns it"]
pub struct Denied {
    refusal: Refusal,
    max_age: Option<Duration>,
    assurance: Option<Assurance>,
}

impl Denied {
    /// Whoever holds the session may not do this: 403.
    pub const fn forbidden() -> Self {
        Self::because(Refusal::Forbidden)
    }

    /// Whoever holds the session must prove again, or better, who they are: 401 with
    /// `error="insufficient_user_authentication"` (RFC 9470).
    pub const fn step_up() -> Self {
        Self::because(Refusal::StepUp)
    }

    /// Says how long ago the proof may lie: `max_age` in the challenge.
    pub const fn within(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Says how sure it must be: `acr_values` in the challenge.
    pub const fn at_least(mut self, level: Assurance) -> Self {
        self.assurance = Some(level);
        self
    }

    /// The reason.
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// One step-up that meets both demands, where both are step-ups.
    pub(crate) fn and(self, other: Self) -> Self {
        let max_age = match (self.max_age, other.max_age) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { max_age, assurance: self.assurance.max(other.assurance), ..self }
    }

    const fn because(refusal: Refusal) -> Self {
        Self { refusal, max_age: None, assurance: None }
    }

    /// The transport's challenge; for a step-up, with what would help (RFC 9470).
    pub(super) fn on(&self, scheme: HeaderValue) -> HeaderValue {
        if self.refusal != Refusal::StepUp {
            return scheme;
        }
        let name = scheme.to_str().unwrap_or("Session");
        HeaderValue::try_from(self.challenge(name)).unwrap_or(scheme)
    }

    fn challenge(&self, scheme: &str) -> String {
        let mut text = format!(
            "{scheme}{} error=\"insufficient_user_authentication\", \
             error_description=\"{}\"",
            if scheme.contains(' ') { "," } else { "" },
            self.refusal.defaults().1,
        );
        if let Some(age) = self.max_age {
            text.push_str(&format!(", max_age=\"{}\"", age.as_secs()));
        }
        if let Some(level) = self.assurance {
            text.push_str(&format!(", acr_values=\"{level}\""));
        }
        text
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::because(refusal)
    }
}
