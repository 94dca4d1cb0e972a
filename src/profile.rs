//! The time limits of an authentication assurance level.

use std::borrow::Cow;
use std::time::Duration;

use crate::assurance::Assurance;
use crate::error::ConfigError;
use crate::expiry::Expiry;

/// The longest limits that NIST SP 800-63B-4 gives sessions of an assurance level; what the
/// recommendation says with SHOULD counts here like what it says with SHALL.
///
/// | level | overall, after logging in | without activity | section |
/// |---|---|---|---|
/// | [`aal1`](Self::aal1) | 30 days | no limit | 2.1.3 |
/// | [`aal2`](Self::aal2) | 24 hours | 1 hour | 2.2.3 |
/// | [`aal3`](Self::aal3) | 12 hours (SHALL) | 15 minutes | 2.3.3 |
///
/// The pair of 12 hours and 30 minutes for AAL2 is that of the superseded revision.
///
/// 1. [`SessionLayer::profile`](crate::SessionLayer::profile) lowers the default limits to these,
///    and raises none.
/// 2. With a profile, an [`Expiry`] that is longer fails at construction, whether it is set before
///    or after; [`dangerously_allow_longer`](Self::dangerously_allow_longer) is the exception, and
///    needs a reason.
/// 3. What a single login asks for ([`NewSession::idle`](crate::NewSession::idle),
///    [`absolute`](crate::NewSession::absolute), [`remember`](crate::NewSession::remember)) is cut
///    to the profile without an error: at run time, a session that is too short is safer than a
///    login that fails.
/// 4. The time in all counts from when the person proved who they are, which may be before the
///    session began ([`authenticated_at`](crate::NewSession::authenticated_at)).
///
/// It is about time only. Cookies that fall short of the same standard are told by the
/// [report](crate::SessionLayer::report), and how people log in is the application's affair.
///
/// ```
/// use sessile::{Key, Profile, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .profile(Profile::aal3());
/// assert_eq!(sessions.report().idle.as_secs(), 15 * 60); // half of the default
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    level: Assurance,
    reason: Option<Cow<'static, str>>,
}

impl Profile {
    /// 30 days in all.
    ///
    /// ```
    /// use sessile::{Assurance, Profile};
    /// assert_eq!(Profile::aal1().level(), Assurance::Aal1);
    /// assert_eq!(Profile::aal1().longest_idle(), None);
    /// ```
    pub const fn aal1() -> Self {
        Self { level: Assurance::Aal1, reason: None }
    }

    /// 24 hours in all, and an hour without activity.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::Profile;
    /// assert_eq!(Profile::aal2().longest(), Duration::from_secs(24 * 3600));
    /// ```
    pub const fn aal2() -> Self {
        Self { level: Assurance::Aal2, reason: None }
    }

    /// 12 hours in all, and 15 minutes without activity.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::Profile;
    /// assert_eq!(Profile::aal3().longest_idle(), Some(Duration::from_secs(15 * 60)));
    /// ```
    pub const fn aal3() -> Self {
        Self { level: Assurance::Aal3, reason: None }
    }

    /// Lets the layer's [`Expiry`] be longer, for this reason: the report lists the deviation with
    /// it, which is the justification that ASVS 7.1.1 wants to see in writing. The default limits
    /// are lowered all the same; those of single logins may then be as long as the layer's.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Expiry, Key, Profile, SessionLayer, Values, store::MemoryStore};
    /// let profile = Profile::aal3()
    ///     .dangerously_allow_longer("signal boxes: the room is guarded and has one door");
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .profile(profile)
    ///     .expiry(Expiry::idle(Duration::from_secs(8 * 3600)));
    /// assert!(sessions.report().to_string().contains("the room is guarded"));
    /// ```
    #[must_use]
    pub fn dangerously_allow_longer(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The level.
    pub const fn level(&self) -> Assurance {
        self.level
    }

    /// How long a session may live in all.
    pub const fn longest(&self) -> Duration {
        longest(self.level)
    }

    /// How long a session may stay unused; none means as long as it lives.
    pub const fn longest_idle(&self) -> Option<Duration> {
        longest_idle(self.level)
    }

    /// Why the layer may exceed it, if it may.
    ///
    /// ```
    /// use sessile::Profile;
    /// assert_eq!(Profile::aal2().reason(), None);
    /// ```
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.reason().is_some_and(|reason| reason.trim().is_empty()) {
            return Err(ConfigError::new(
                "an exception from a profile needs a reason that an auditor can read: give \
                 `Profile::dangerously_allow_longer(..)` one",
            ));
        }
        Ok(())
    }

    /// The limits of a layer under this profile, lowered where nobody has chosen any.
    pub(crate) fn apply(&self, expiry: Expiry) -> Result<Expiry, ConfigError> {
        if expiry == Expiry::default() {
            let absolute = expiry.absolute.min(self.longest());
            let idle = expiry.idle.min(self.longest_idle().unwrap_or(absolute)).min(absolute);
            return Ok(Expiry { idle, absolute, ..expiry });
        }
        self.permit(&expiry)?;
        Ok(expiry)
    }

    /// Refuses limits that are longer, unless there is a reason for them.
    pub(crate) fn permit(&self, expiry: &Expiry) -> Result<(), ConfigError> {
        if self.reason.is_some() {
            return Ok(());
        }
        let level = self.level;
        if expiry.absolute > self.longest() {
            return Err(ConfigError::new(format!(
                "the absolute limit is longer than the {} hours of {level} (NIST SP 800-63B-4, \
                 {}): shorten it with `Expiry::absolute(..)`, or give \
                 `Profile::dangerously_allow_longer(..)` a reason",
                self.longest().as_secs() / 3600,
                section(level)
            )));
        }
        match self.longest_idle() {
            Some(longest) if expiry.idle > longest => Err(ConfigError::new(format!(
                "the idle limit is longer than the {} minutes of {level} (NIST SP 800-63B-4, {}): \
                 shorten it with `Expiry::idle(..)`, or give \
                 `Profile::dangerously_allow_longer(..)` a reason",
                longest.as_secs() / 60,
                section(level)
            ))),
            _ => Ok(()),
        }
    }

    /// The most that a single login may ask for: the profile's, or the layer's where that may be
    /// longer.
    pub(crate) fn ceiling(&self, expiry: &Expiry) -> Ceiling {
        Ceiling {
            idle: self.longest_idle().unwrap_or(Duration::MAX).max(expiry.idle),
            absolute: self.longest().max(expiry.absolute),
        }
    }
}

/// The most that a single login may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ceiling {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
}

impl Ceiling {
    /// Of a layer without a profile.
    pub(crate) const NONE: Self = Self { idle: Duration::MAX, absolute: Duration::MAX };
}

/// How long a session of this level may live in all.
pub(crate) const fn longest(level: Assurance) -> Duration {
    match level {
        Assurance::Aal1 => Duration::from_secs(30 * DAY),
        Assurance::Aal2 => Duration::from_secs(DAY),
        Assurance::Aal3 => Duration::from_secs(DAY / 2),
    }
}

/// How long a session of this level may stay unused.
pub(crate) const fn longest_idle(level: Assurance) -> Option<Duration> {
    match level {
        Assurance::Aal1 => None,
        Assurance::Aal2 => Some(Duration::from_secs(60 * 60)),
        Assurance::Aal3 => Some(Duration::from_secs(15 * 60)),
    }
}

/// Where NIST SP 800-63B-4 says so.
pub(crate) const fn section(level: Assurance) -> &'static str {
    match level {
        Assurance::Aal1 => "2.1.3",
        Assurance::Aal2 => "2.2.3",
        Assurance::Aal3 => "2.3.3",
    }
}

const DAY: u64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn r09_a_profile_lowers_the_default_limits_and_raises_none() {
        let cases = [
            (Profile::aal1(), 30 * MINUTE, 12 * HOUR),
            (Profile::aal2(), 30 * MINUTE, 12 * HOUR),
            (Profile::aal3(), 15 * MINUTE, 12 * HOUR),
        ];
        for (profile, idle, absolute) in cases {
            let expiry = profile.apply(Expiry::default()).unwrap();
            assert_eq!((expiry.idle, expiry.absolute), (idle, absolute), "{profile:?}");
            expiry.check().unwrap();
        }
    }

    #[test]
    fn r09_limits_up_to_those_of_the_level_pass_and_longer_ones_are_refused_with_a_remedy() {
        let second = Duration::from_secs(1);
        let cases = [
            (Profile::aal1(), 720 * HOUR, 720 * HOUR, None),
            (Profile::aal1(), 720 * HOUR, 720 * HOUR + second, Some("720 hours of aal1")),
            (Profile::aal2(), HOUR, 24 * HOUR, None),
            (Profile::aal2(), HOUR + second, 24 * HOUR, Some("60 minutes of aal2")),
            (Profile::aal2(), HOUR, 24 * HOUR + second, Some("24 hours of aal2")),
            (Profile::aal3(), 15 * MINUTE, 12 * HOUR, None),
            (Profile::aal3(), 15 * MINUTE + second, 12 * HOUR, Some("15 minutes of aal3")),
            (Profile::aal3(), MINUTE, 12 * HOUR + second, Some("12 hours of aal3")),
        ];
        for (profile, idle, absolute, refused) in cases {
            let expiry = Expiry::idle(idle).absolute(absolute);
            let outcome = profile.permit(&expiry);
            match refused {
                None => assert_eq!(outcome, Ok(()), "{profile:?} {expiry:?}"),
                Some(text) => {
                    let error = outcome.unwrap_err().to_string();
                    assert!(error.contains(text), "{profile:?}: {error}");
                    assert!(error.contains("dangerously_allow_longer"), "{profile:?}: {error}");
                    let excused = profile.dangerously_allow_longer("a reason");
                    assert_eq!(excused.apply(expiry), Ok(expiry), "with a reason");
                }
            }
        }
    }

    #[test]
    fn r09_a_reason_that_says_nothing_is_none() {
        for reason in ["", " ", "\t\n"] {
            assert!(Profile::aal2().dangerously_allow_longer(reason).check().is_err());
        }
        assert_eq!(Profile::aal2().check(), Ok(()));
        assert_eq!(Profile::aal2().dangerously_allow_longer("kiosks").check(), Ok(()));
    }

    #[test]
    fn r09_a_single_login_may_ask_for_what_the_level_allows_or_the_layer_has() {
        let expiry = Expiry::idle(5 * MINUTE).absolute(HOUR);
        let ceiling = |idle, absolute| Ceiling { idle, absolute };
        assert_eq!(Profile::aal1().ceiling(&expiry), ceiling(Duration::MAX, 720 * HOUR));
        assert_eq!(Profile::aal2().ceiling(&expiry), ceiling(HOUR, 24 * HOUR));
        let longer = Expiry::idle(2 * HOUR).absolute(48 * HOUR);
        assert_eq!(Profile::aal2().ceiling(&longer), ceiling(2 * HOUR, 48 * HOUR));
    }
}
