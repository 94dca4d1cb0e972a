//! Rules about how, and how long ago, somebody proved who they are.

use std::time::Duration;

use super::principal::accept;
use super::{Attempt, Guard};
use crate::assurance::Assurance;
use crate::error::ConfigError;
use crate::record::SessionData;
use crate::refusal::Denied;

/// Passes sessions whose holder proved who they are no longer ago than this, by the layer's clock;
/// others must [step up](crate::Refusal::StepUp): log in again, which begins a new session
/// (ASVS 7.5.3).
///
/// Counted from [`Meta::authenticated`](crate::Meta): the log-in, not the last request. It does not
/// pass either where a [verifier](crate::verify::Verdict::StepUp) wants a fresh log-in.
///
/// ```
/// use std::time::Duration;
/// use sessile::guard::{RequireLayer, fresh};
/// # use sessile::Values;
/// let delicate = RequireLayer::<Values>::new(fresh(Duration::from_secs(5 * 60)));
/// ```
///
/// # Panics
/// If it is less than a second: the page after the log-in would come too late.
#[track_caller]
pub fn fresh(within: Duration) -> Fresh {
    accept(try_fresh(within))
}

/// [`fresh`] for a time that is read at run time.
///
/// ```
/// use std::time::Duration;
/// use sessile::guard::try_fresh;
/// assert!(try_fresh(Duration::ZERO).is_err());
/// ```
///
/// # Errors
/// If it is less than a second: the page after the log-in would come too late.
pub fn try_fresh(within: Duration) -> Result<Fresh, ConfigError> {
    if within < Duration::from_secs(1) {
        return Err(ConfigError::new(
            "a log-in of less than a second ago is none: give `fresh` some minutes",
        ));
    }
    Ok(Fresh(within))
}

/// Passes sessions whose holder proved this surely who they are, when the session began
/// ([`NewSession::assurance`](crate::NewSession::assurance)); others must
/// [step up](crate::Refusal::StepUp). One of which nothing is known passes no level.
///
/// It does not pass either where a [verifier](crate::verify::Verdict::StepUp) wants a fresh log-in.
///
/// ```
/// use sessile::Assurance;
/// use sessile::guard::{RequireLayer, assurance};
/// # use sessile::Values;
/// let two_factors = RequireLayer::<Values>::new(assurance(Assurance::Aal2));
/// ```
pub const fn assurance(at_least: Assurance) -> AtLeast {
    AtLeast(at_least)
}

/// The rule [`fresh`].
///
/// ```
/// use std::time::Duration;
/// use sessile::guard::{Fresh, fresh};
/// let rule: Fresh = fresh(Duration::from_secs(300));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a guard does nothing until a layer asks it"]
pub struct Fresh(Duration);

/// The rule [`assurance`].
///
/// ```
/// use sessile::Assurance;
/// use sessile::guard::{AtLeast, assurance};
/// let rule: AtLeast = assurance(Assurance::Aal2);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a guard does nothing until a layer asks it"]
pub struct AtLeast(Assurance);

impl<T: SessionData> Guard<T> for Fresh {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        let age = attempt.now().since(attempt.meta().authenticated);
        // An age of exactly `max_age` passes (OpenID Connect Core, 3.1.2.1).
        if age <= self.0 && !attempt.wants_step_up() {
            return Ok(());
        }
        Err(Denied::step_up().within(self.0))
    }
}

impl<T: SessionData> Guard<T> for AtLeast {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        let known = attempt.meta().context.as_ref().and_then(|context| context.assurance);
        if known.is_some_and(|level| level >= self.0) && !attempt.wants_step_up() {
            return Ok(());
        }
        Err(Denied::step_up().at_least(self.0))
    }
}
