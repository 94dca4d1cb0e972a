//! How long ago its holder proved who they are.

use std::time::Duration;

use super::{Consequence, Verdict, Verifier, Visit};
use crate::answer::{Answer, StoreAnswer};

/// Ends sessions whose holder last proved who they are too long ago, however often they were used
/// since (`max_age` of OpenID Connect; NIST SP 800-63B, 2.1.3).
///
/// It counts from [`Meta::authenticated`](crate::Meta::authenticated): the login, or what
/// [`authenticated_at`](crate::NewSession::authenticated_at) said, which may be long before the
/// session began. So it can be over sooner than the absolute limit of
/// [`Expiry`](crate::Expiry::absolute), which counts from the beginning. Like all deadlines, it has
/// come when the time has: at exactly this age a login is too old.
///
/// ```
/// use std::time::Duration;
/// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// use sessile::verify::MaxAuthenticationAge;
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .verifier(MaxAuthenticationAge::new(Duration::from_secs(12 * 3600)));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a verifier judges nothing until a layer is given it"]
pub struct MaxAuthenticationAge {
    limit: Duration,
    consequence: Consequence,
}

impl MaxAuthenticationAge {
    /// The login must be more recent than this, or the session ends.
    pub const fn new(limit: Duration) -> Self {
        Self { limit, consequence: Verdict::End }
    }

    /// Lets the session live, and asks for a fresh login only for what is delicate
    /// ([`Verdict::StepUp`]).
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::verify::MaxAuthenticationAge;
    /// let weekly = MaxAuthenticationAge::new(Duration::from_secs(7 * 24 * 3600)).step_up();
    /// ```
    pub const fn step_up(mut self) -> Self {
        self.consequence = Verdict::StepUp;
        self
    }

    /// Tells the observer, and nothing else: to find out whom the limit would meet.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::verify::MaxAuthenticationAge;
    /// let dry_run = MaxAuthenticationAge::new(Duration::from_secs(3600)).observe();
    /// ```
    pub const fn observe(mut self) -> Self {
        self.consequence = Verdict::Observe;
        self
    }
}

impl<T> Verifier<T> for MaxAuthenticationAge {
    fn verify(&self, visit: &Visit<'_, T>) -> StoreAnswer<Verdict> {
        let too_old = visit.record.meta.authenticated.plus(self.limit) <= visit.now;
        Answer::ready(Ok(if too_old { (self.consequence)(TOO_OLD) } else { Verdict::Pass }))
    }
}

const TOO_OLD: &str = "authenticated too long ago";
